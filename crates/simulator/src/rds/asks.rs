//! What each action asks of the caller's policy: on which resources, with which condition keys.
//!
//! Source, where nothing else is said: Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon RDS". It lists the tags that a call writes (`aws:RequestTag/…`, `rds:req-tag/…`, `aws:TagKeys`) for an action as
//! a whole. That they are keys of what the call makes or tags, and not of what it only reads, is our reading, and
//! unconfirmed; a policy that holds to it is allowed by the other reading as well. Resources of another account have no
//! tags here, which is unconfirmed too.

use crate::iam::ask::Ask;
use crate::model::database::DatabaseKind::{self, Cluster, Instance};
use crate::model::tags::Tags;
use crate::model::{Here, Place};
use crate::rds::params::Named;
use crate::rds::tags;
use crate::wire::error::Error;
use crate::wire::request::Params;

pub(crate) fn asks(action: &str, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    match action {
        "CreateDBInstance" => of_database(action, Instance, params, here),
        "CreateDBCluster" => of_database(action, Cluster, params, here),
        "CreateDBSnapshot" => of_snapshot(action, Instance, params, here),
        "CreateDBClusterSnapshot" => of_snapshot(action, Cluster, params, here),
        "CopyDBSnapshot" => of_copy(action, Instance, params, here),
        "CopyDBClusterSnapshot" => of_copy(action, Cluster, params, here),
        "CreateOptionGroup" => {
            let name = params.required("OptionGroupName")?;
            Ok(made(action, &arn(here.place, "og", name), &tags::written(params)?))
        }
        "AddTagsToResource" => {
            let ask = existing(action, params.required("ResourceName")?, here);
            Ok(vec![writing(ask, &tags::written(params)?).with("rds:TagsFromRequest", "true")])
        }
        "RemoveTagsFromResource" => {
            let ask = existing(action, params.required("ResourceName")?, here);
            // unconfirmed: whether the keys alone are also `aws:RequestTag/…`, with which value
            Ok(vec![params.list("TagKeys.member").into_iter().fold(ask, |ask, key| ask.with("aws:TagKeys", key))])
        }
        "ListTagsForResource" => Ok(vec![existing(action, params.required("ResourceName")?, here)]),
        "DeleteDBInstance" => Ok(of_deletion(action, Instance, params, here)),
        "DeleteDBCluster" => Ok(of_deletion(action, Cluster, params, here)),
        "DescribeDBInstances" => Ok(vec![named(action, "db", params, here)]),
        "DescribeDBClusters" => Ok(vec![named(action, "cluster", params, here)]),
        "DeleteDBSnapshot" | "ModifyDBSnapshotAttribute" | "DescribeDBSnapshotAttributes" => {
            Ok(vec![named(action, "snapshot", params, here)])
        }
        "DeleteDBClusterSnapshot" | "ModifyDBClusterSnapshotAttribute" | "DescribeDBClusterSnapshotAttributes" => {
            Ok(vec![named(action, "cluster-snapshot", params, here)])
        }
        "DescribeDBSnapshots" => Ok(of_list(action, Instance, params, here)),
        "DescribeDBClusterSnapshots" => Ok(of_list(action, Cluster, params, here)),
        "ModifyOptionGroup" | "DescribeOptionGroups" => Ok(vec![named(action, "og", params, here)]),
        "DescribeAccountAttributes" => Ok(vec![Ask::new(format!("rds:{action}"), "*")]),
        // of what no one with a policy has needed yet
        other => {
            let message = format!("The simulator does not know what {other} asks of the caller's policy.");
            Err(Error::new("AccessDenied", message))
        }
    }
}

/// A database asks for itself, for the cluster that it is to be a member of, and for its option group. The other groups
/// that AWS has are not modelled, nor what it asks of KMS.
fn of_database(action: &str, kind: DatabaseKind, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let id = params.required(parameter(kind.as_str()))?;
    let mut asks = made(action, &arn(here.place, kind.as_str(), id), &tags::written(params)?);
    for (kind, parameter) in [("cluster", "DBClusterIdentifier"), ("og", "OptionGroupName")] {
        let is_itself = action == "CreateDBCluster" && kind == "cluster";
        if let Some(name) = params.text(parameter).filter(|_| !is_itself) {
            let other = arn(here.place, kind, name);
            asks.push(existing(action, &other, here));
        }
    }
    Ok(asks)
}

/// The deletion of a database asks for what makes its last snapshot as well, if there is to be one. Of which resources is
/// our reading, and unconfirmed.
fn of_deletion(action: &str, kind: DatabaseKind, params: &Params, here: &mut Here<'_>) -> Vec<Ask> {
    let mut asks = vec![named(action, kind.as_str(), params, here)];
    if let Some(id) = params.text("FinalDBSnapshotIdentifier") {
        let make = match kind {
            Instance => "CreateDBSnapshot",
            Cluster => "CreateDBClusterSnapshot",
        };
        asks.push(named(make, kind.as_str(), params, here));
        asks.push(of_resource(make, &arn(here.place, kind.of_snapshots(), id)));
    }
    asks
}

fn of_snapshot(action: &str, kind: DatabaseKind, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let database = arn(here.place, kind.as_str(), params.required(parameter(kind.as_str()))?);
    let snapshot = arn(here.place, kind.of_snapshots(), params.required(parameter(kind.of_snapshots()))?);
    let mut asks = vec![existing(action, &database, here)];
    asks.extend(made(action, &snapshot, &tags::written(params)?));
    Ok(asks)
}

/// A copy asks for its source and for itself. From another region it asks in that one as well, so that a policy must have
/// both regions in `aws:RequestedRegion`. Source: RDS user guide, "Copying a DB snapshot". What exactly is asked in the
/// other region is our reading, and unconfirmed.
fn of_copy(action: &str, kind: DatabaseKind, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let (from, to) = match kind {
        Instance => ("SourceDBSnapshotIdentifier", "TargetDBSnapshotIdentifier"),
        Cluster => ("SourceDBClusterSnapshotIdentifier", "TargetDBClusterSnapshotIdentifier"),
    };
    let from = arn(here.place, kind.of_snapshots(), params.required(from)?);
    let to = arn(here.place, kind.of_snapshots(), params.required(to)?);
    let source = existing(action, &from, here);
    let elsewhere = Place::of_arn(&from).filter(|place| place.region != here.place.region);
    let there = elsewhere.map(|place| source.clone().requested_in(&place.region));
    let written = tags::written(params)?;
    let mut asks: Vec<Ask> = [source].into_iter().chain(there).chain(made(action, &to, &written)).collect();
    // "Evaluates as false when tags are implicitly inherited from source resources": so they ask too
    if written.is_empty() && params.flag("CopyTags")?.unwrap_or_default() {
        asks.push(of_resource("AddTagsToResource", &to).with("rds:TagsFromRequest", "false"));
    }
    Ok(asks)
}

/// A list of snapshots asks for all of them, or for the one that is named; and, which is unconfirmed, for the database
/// whose they are to be.
fn of_list(action: &str, kind: DatabaseKind, params: &Params, here: &mut Here<'_>) -> Vec<Ask> {
    let mut asks = vec![named(action, kind.of_snapshots(), params, here)];
    if params.text(parameter(kind.as_str())).is_some() {
        asks.push(named(action, kind.as_str(), params, here));
    }
    asks
}

/// An action on what it names, or on all of a kind, for which a literal `*` stands: "not authorized to perform:
/// rds:DescribeDBInstances on resource: arn:aws:rds:us-east-1:…:db:*", as users report it.
fn named(action: &str, kind: &str, params: &Params, here: &mut Here<'_>) -> Ask {
    match params.text(parameter(kind)) {
        Some(name) => {
            let arn = arn(here.place, kind, name);
            existing(action, &arn, here)
        }
        None => of_resource(action, &arn(here.place, kind, "*")),
    }
}

/// The parameter that names a resource of a kind.
fn parameter(kind: &str) -> &'static str {
    match kind {
        "db" => "DBInstanceIdentifier",
        "cluster" => "DBClusterIdentifier",
        "snapshot" => "DBSnapshotIdentifier",
        "cluster-snapshot" => "DBClusterSnapshotIdentifier",
        _ => "OptionGroupName",
    }
}

/// An action on something that is there, with the tags that it has now.
fn existing(action: &str, arn: &str, here: &mut Here<'_>) -> Ask {
    let ask = of_resource(action, arn);
    let Some((kind, tags)) = found(arn, here) else { return ask.of_nothing() };
    tags.iter().fold(ask, |ask, (key, value)| {
        ask.with(&format!("aws:ResourceTag/{key}"), value).with(&format!("rds:{kind}-tag/{key}"), value)
    })
}

/// Something that is to be made, and the tags that it is made with, which ask for more.
///
/// That there are no keys of what may have this name already is our reading, and unconfirmed. Nothing comes of it: then
/// nothing is made.
fn made(action: &str, arn: &str, tags: &Tags) -> Vec<Ask> {
    let tagging = (!tags.is_empty())
        .then(|| writing(of_resource("AddTagsToResource", arn), tags).with("rds:TagsFromRequest", "true"));
    [writing(of_resource(action, arn), tags)].into_iter().chain(tagging).collect()
}

/// An action that writes tags.
fn writing(ask: Ask, tags: &Tags) -> Ask {
    tags.iter().fold(ask.with_request_tags(tags), |ask, (key, value)| ask.with(&format!("rds:req-tag/{key}"), value))
}

fn of_resource(action: &str, arn: &str) -> Ask {
    let ask = Ask::new(format!("rds:{action}"), arn);
    match Place::of_arn(arn) {
        Some(place) => ask.with("aws:ResourceAccount", &place.account),
        None => ask,
    }
}

/// The kind and the tags of what has this ARN, if the caller may read it.
fn found(arn: &str, here: &mut Here<'_>) -> Option<(String, Tags)> {
    let Named { place, resource, id } = Named::of_arn(arn)?;
    let account = &here.place.account;
    let is_own = place.account == *account;
    let region = here.world.region(&place);
    let database =
        |kind: DatabaseKind| region.databases.get(&(kind, id.clone())).filter(|_| is_own).map(|one| one.tags.clone());
    let snapshot = |kind: DatabaseKind| {
        let one = region.db_snapshots.get(&(kind, id.clone()))?;
        if is_own { Some(one.tags.clone()) } else { one.is_shared_with(account).then(Tags::new) }
    };
    let tags = match resource.as_str() {
        "db" => database(Instance),
        "cluster" => database(Cluster),
        "snapshot" => snapshot(Instance),
        "cluster-snapshot" => snapshot(Cluster),
        // they have no tags here
        "og" => region.option_groups.get(&id).filter(|_| is_own).map(|_| Tags::new()),
        _ => None,
    };
    tags.map(|tags| (resource, tags))
}

/// The ARN of a resource of a kind, which is named by it or by its identifier. An identifier is "stored as a lowercase
/// string" (API model); that it is asked for so as well is our reading, and unconfirmed.
fn arn(place: &Place, kind: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:rds:{}:{}:{kind}:{}", place.region, place.account, name.to_lowercase())
}

#[cfg(test)]
#[path = "asks_tests.rs"]
mod tests;
