//! `CopyDBSnapshot` and `CopyDBClusterSnapshot`, which run in the destination.

use crate::action::{Read, act};
use crate::model::database::DatabaseKind;
use crate::model::db_snapshot::{DbSnapshot, DbSnapshotState, arn};
use crate::model::keys;
use crate::model::snapshot::Fate;
use crate::model::tags::{Tags, merged};
use crate::model::{Here, Place, REGIONS};
use crate::rds::key_rights;
use crate::rds::option_groups::{check_group, default_group};
use crate::rds::params::{LONGEST_SNAPSHOT, Named, new_id};
use crate::rds::snapshots::{check_new, shape};
use crate::rds::tags::written;
use crate::rds::words::words;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::collections::BTreeSet;

/// How many copies of Aurora's snapshots may be in progress into a region. Source: Aurora user guide, "Copying a DB
/// cluster snapshot".
const AURORA_COPIES: usize = 5;

/// What a caller wants of a copy.
struct Wish {
    kind: DatabaseKind,
    source: String,
    target: String,
    key: Option<String>,
    tags: Tags,
    copies_tags: bool,
    option_group: Option<String>,
}

pub(super) fn copy(kind: DatabaseKind, params: &Params) -> Read {
    let id = words(kind).snapshot_id();
    let option_group = match kind {
        DatabaseKind::Instance => params.text("OptionGroupName").map(str::to_owned),
        DatabaseKind::Cluster => None,
    };
    let wish = Wish {
        kind,
        source: params.required(&format!("Source{id}"))?.to_owned(),
        target: new_id(params, &format!("Target{id}"), LONGEST_SNAPSHOT)?,
        key: params.text("KmsKeyId").map(str::to_owned),
        tags: written(params)?,
        copies_tags: params.flag("CopyTags")?.unwrap_or_default(),
        option_group,
    };
    // "This setting applies only to Amazon Web Services GovCloud (US) Regions", and is ignored elsewhere
    params.text("PreSignedUrl");
    Ok(act(move |here| {
        let source = source(here, &wish)?;
        check_new(here, kind, &wish.target)?;
        check_copies(here, &source)?;
        let key = key(here, &wish, &source)?;
        let copy = begun(here, wish, source, key)?;
        let answer = Nodes::new().nest(words(kind).snapshot, shape(&copy, here.now));
        here.world.begin_db_snapshot(here.place, copy);
        Ok(answer)
    }))
}

/// The snapshot to be copied, if it can be.
fn source(here: &mut Here<'_>, wish: &Wish) -> Result<DbSnapshot, Error> {
    let words = words(wish.kind);
    let invalid = || Error::invalid(format!("Invalid snapshot identifier: {}", wish.source));
    let (place, id) = if wish.source.starts_with("arn:") {
        let named = Named::of_arn(&wish.source).filter(|named| named.resource == wish.kind.of_snapshots());
        let Named { place, id, .. } = named.ok_or_else(invalid)?;
        (place, id)
    } else {
        (here.place.clone(), wish.source.to_ascii_lowercase())
    };
    if !REGIONS.contains(&place.region.as_str()) {
        return Err(invalid());
    }
    if here.world.down.contains(&place.region) {
        let message = format!("The source region {} does not answer.", place.region);
        return Err(Error::new("ServiceUnavailable", message));
    }
    // one that is not shared is not there; unconfirmed: AWS does not document the code
    let found = here.world.readable_db_snapshot(&here.place.account, &place, &(wish.kind, id));
    let source = found.ok_or_else(|| words.no_snapshot(&wish.source))?;
    if source.state != DbSnapshotState::Available {
        return Err(words.bad_snapshot(format!("The snapshot {} is not available.", wish.source)));
    }
    // unconfirmed: AWS does not document the code
    if source.is_of_multi_az_cluster() {
        return Err(words.bad_snapshot("Snapshots of Multi-AZ DB clusters cannot be copied."));
    }
    Ok(source)
}

/// Refuses more copies in progress than AWS takes. The code and the message are as users report them, from a time when
/// there were five. That it is the same for Aurora, and that copies within the region count, is our reading, and
/// unconfirmed.
fn check_copies(here: &mut Here<'_>, source: &DbSnapshot) -> Result<(), Error> {
    let most = here.world.rds.copies_at_once;
    let copies = here.region().db_snapshots.values().filter(|one| one.is_copy_in_progress());
    let are_aurora: Vec<bool> = copies.map(DbSnapshot::is_aurora).collect();
    let full = |most: usize| {
        Err(Error::new("SnapshotQuotaExceeded", format!("Cannot copy more than {most} snapshots across regions")))
    };
    if are_aurora.len() >= most {
        return full(most);
    }
    if source.is_aurora() && are_aurora.into_iter().filter(|is_aurora| *is_aurora).count() >= AURORA_COPIES {
        return full(AURORA_COPIES);
    }
    Ok(())
}

/// The ARN of the key that the copy is encrypted with, if RDS can use that, and the source's.
fn key(here: &Here<'_>, wish: &Wish, source: &DbSnapshot) -> Result<Option<String>, Error> {
    let account = &here.place.account;
    let from = source.kms_key_id.as_deref();
    let to = match (&wish.key, from) {
        // "If you copy an unencrypted DB cluster snapshot and specify a value for the KmsKeyId parameter, an error is
        // returned." (API model) Unconfirmed: with which code
        (Some(_), None) if wish.kind == DatabaseKind::Cluster => {
            let message = "KmsKeyId cannot be specified for a copy of an unencrypted DB cluster snapshot.";
            return Err(Error::new("InvalidParameterCombination", message));
        }
        (Some(name), _) => Some(keys::arn(here.place, name)),
        (None, Some(key)) if is_local(here, source) => Some(key.to_owned()),
        // as users report it
        (None, Some(_)) => return Err(no_key("target", "None")),
        (None, None) => None,
    };
    if let Some(from) = from.filter(|from| !here.world.may_use_key(account, from)) {
        return Err(no_key("source snapshot", from));
    }
    if let Some(to) = &to {
        let is_here = Place::of_arn(to).is_some_and(|place| place.region == here.place.region);
        if !is_here || !here.world.may_use_key(account, to) {
            return Err(no_key("target", to));
        }
    }
    if !key_rights::may_copy(here, from, to.as_deref()) {
        return Err(no_key("target", to.as_deref().unwrap_or("None")));
    }
    Ok(to)
}

/// The error for a key that RDS cannot use.
pub(super) fn no_key(which: &str, key: &str) -> Error {
    let message = format!(
        "The {which} KMS key [{key}] does not exist, is not enabled or you do not have permissions to access it."
    );
    Error::new("KMSKeyNotAccessibleFault", message)
}

/// Whether a snapshot is in the account and region into which it is to be copied.
fn is_local(here: &Here<'_>, source: &DbSnapshot) -> bool {
    source.place().as_ref() == Some(here.place)
}

/// The copy as it is begun.
fn begun(here: &mut Here<'_>, wish: Wish, source: DbSnapshot, key: Option<String>) -> Result<DbSnapshot, Error> {
    let option_group = option_group(here, &wish, &source)?;
    // the tags of another account's snapshot are not there to be copied, as they are not there to be seen
    let tags = if wish.copies_tags && source.owner == here.place.account {
        // unconfirmed: which of them wins
        merged(&source.tags, &wish.tags)?
    } else {
        wish.tags
    };
    let fate = if here.world.rds.failing_copies > 0 {
        here.world.rds.failing_copies -= 1;
        Fate::Fails("asked for".to_owned())
    } else {
        Fate::Completes
    };
    let state = match wish.kind {
        DatabaseKind::Instance => DbSnapshotState::Creating,
        DatabaseKind::Cluster => DbSnapshotState::Copying,
    };
    Ok(DbSnapshot {
        arn: arn(here.place, wish.kind, &wish.target),
        id: wish.target,
        owner: here.place.account.clone(),
        is_automated: false,
        state,
        made_at: here.now,
        source: Some(source.arn.clone()),
        source_key: source.kms_key_id.clone(),
        kms_key_id: key,
        option_group,
        tags,
        shared_with: BTreeSet::new(),
        ends_at: here.now + here.world.rds.copy_time,
        fate,
        ..source
    })
}

/// The option group of a copy. One of another account or region does not come along: with encryption by the engine, the
/// call must name one there. Source: API model, `OptionGroupName`. Unconfirmed: with which code a call is refused that
/// does not.
fn option_group(here: &mut Here<'_>, wish: &Wish, source: &DbSnapshot) -> Result<String, Error> {
    match &wish.option_group {
        Some(group) => {
            check_group(here, group)?;
            Ok(group.clone())
        }
        None if is_local(here, source) => Ok(source.option_group.clone()),
        None if source.has_tde => {
            let message = "OptionGroupName is required for a copy of a snapshot with Transparent Data Encryption.";
            Err(Error::new("InvalidParameterCombination", message))
        }
        None => Ok(default_group(&source.engine, &source.engine_version)),
    }
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
