//! `DescribeDBSnapshots` and `DescribeDBClusterSnapshots`.

use crate::action::{Read, act};
use crate::model::Here;
use crate::model::database::{DatabaseKind, arn as database_arn};
use crate::model::db_snapshot::DbSnapshot;
use crate::rds::listing::{Filters, Page};
use crate::rds::snapshots::{Told, told, type_of};
use crate::rds::words::words;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::collections::BTreeMap;

/// What is to be listed.
struct Wish {
    kind: DatabaseKind,
    /// Of these types.
    types: Vec<&'static str>,
    database: Option<String>,
    id: Option<String>,
    filters: Filters,
}

pub(super) fn describe(kind: DatabaseKind, params: &Params) -> Read {
    let (wish, page) = (read(kind, params)?, Page::read(params)?);
    Ok(act(move |here| {
        let (now, page_size, words) = (here.now, here.world.page_size, words(kind));
        let found = found(here, &wish);
        if let Some(id) = wish.id.as_ref().filter(|_| found.is_empty()) {
            return Err(words.no_snapshot(id));
        }
        let (snapshots, marker) = page.cut(page_size, found);
        let list = snapshots.into_iter().fold(Nodes::new(), |list, (snapshot, to)| {
            list.nest(words.snapshot, told(&snapshot, now, snapshot.status(now), to))
        });
        Ok(Nodes::new().maybe("Marker", marker).nest(format!("{}s", words.snapshot), list))
    }))
}

/// Which types of snapshots a call lists follows from `SnapshotType`, and only where there is none, from `IncludeShared`
/// and `IncludePublic`. Source: API model.
fn read(kind: DatabaseKind, params: &Params) -> Result<Wish, Error> {
    let words = words(kind);
    let (shared, public) = (params.flag("IncludeShared")?, params.flag("IncludePublic")?);
    let id = params.text(&words.snapshot_id()).map(str::to_ascii_lowercase);
    let types = match params.text("SnapshotType") {
        None => {
            // "If this identifier is for an automated snapshot, the SnapshotType parameter must also be specified."
            let automated = id.is_none().then_some("automated");
            let shared = shared.unwrap_or_default().then_some("shared");
            let public = public.unwrap_or_default().then_some("public");
            [Some("manual"), automated, shared, public].into_iter().flatten().collect()
        }
        Some("automated") => vec!["automated"],
        Some("manual") => vec!["manual"],
        Some("shared") => vec!["shared"],
        Some("public") => vec!["public"],
        // of AWS Backup there are none
        Some("awsbackup") => vec![],
        Some(other) => return Err(Error::invalid(format!("Unrecognized snapshot type: {other}"))),
    };
    let known: &[&str] = match kind {
        DatabaseKind::Instance => &["db-instance-id", "db-snapshot-id", "engine", "snapshot-type"],
        DatabaseKind::Cluster => &["db-cluster-id", "db-cluster-snapshot-id", "engine", "snapshot-type"],
    };
    let database = params.text(&words.database_id()).map(str::to_ascii_lowercase);
    Ok(Wish { kind, types, database, id, filters: Filters::read(params, known)? })
}

/// What a call lists, by what it is listed under.
fn found(here: &mut Here<'_>, wish: &Wish) -> BTreeMap<String, (DbSnapshot, Told)> {
    let mut found = BTreeMap::new();
    for one in here.world.shared_db_snapshots(here.place) {
        let is_named = one.shared_with.contains(&here.place.account);
        let to = if is_named { Told::Shared } else { Told::Public };
        if is_listed(one, to, wish) {
            found.insert(one.arn.clone(), (one.clone(), to));
        }
    }
    for one in here.region().db_snapshots.values().filter(|one| is_listed(one, Told::Own, wish)) {
        found.insert(one.id.clone(), (one.clone(), Told::Own));
    }
    found
}

fn is_listed(snapshot: &DbSnapshot, to: Told, wish: &Wish) -> bool {
    let is_named = |id: &String| match to {
        Told::Own => *id == snapshot.id || *id == snapshot.arn,
        Told::Shared | Told::Public => *id == snapshot.arn,
    };
    snapshot.kind == wish.kind
        && wish.types.contains(&type_of(snapshot, to))
        && wish.id.as_ref().is_none_or(is_named)
        && wish.database.as_ref().is_none_or(|database| *database == snapshot.database)
        && wish.filters.pass(|name| field(snapshot, to, name))
}

/// What a filter of this name looks at.
fn field(snapshot: &DbSnapshot, to: Told, name: &str) -> Vec<String> {
    match name {
        "db-instance-id" | "db-cluster-id" => {
            let arn = snapshot.place().map(|place| database_arn(&place, snapshot.kind, &snapshot.database));
            [snapshot.database.clone()].into_iter().chain(arn).collect()
        }
        "db-snapshot-id" | "db-cluster-snapshot-id" => vec![snapshot.id.clone()],
        "snapshot-type" => vec![type_of(snapshot, to).to_owned()],
        _ => vec![snapshot.engine.clone()],
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
