//! Snapshots of databases: taken by hand, deleted, and what is told of them.

use crate::action::{Read, act};
use crate::model::Here;
use crate::model::database::DatabaseKind;
use crate::model::db_snapshot::{DbSnapshot, DbSnapshotState};
use crate::model::tags::{Tags, merged};
use crate::rds::params::{LONGEST_SNAPSHOT, new_id, old_id};
use crate::rds::tags::{tag_list, written};
use crate::rds::words::words;
use crate::record::DbDeletion;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use chrono::{DateTime, Utc};

pub(super) fn create(kind: DatabaseKind, params: &Params) -> Read {
    let id = new_id(params, &words(kind).snapshot_id(), LONGEST_SNAPSHOT)?;
    let database_id = old_id(params, &words(kind).database_id())?;
    let tags = written(params)?;
    Ok(act(move |here| {
        let (now, words) = (here.now, words(kind));
        let found = here.region().databases.get(&(kind, database_id.clone())).cloned();
        let database = found.ok_or_else(|| words.no_database(&database_id))?;
        if !database.has_snapshots() {
            return Err(words.bad_database(format!("The snapshots of {database_id} are its DB cluster's.")));
        }
        check_new(here, kind, &id)?;
        let draft = here.world.draft_of_database(here.place, now, &database, &id);
        let snapshot = DbSnapshot { tags: merged(&draft.tags, &tags)?, ..draft };
        let answer = Nodes::new().nest(words.snapshot, shape(&snapshot, now));
        here.world.begin_db_snapshot(here.place, snapshot);
        Ok(answer)
    }))
}

pub(super) fn delete(kind: DatabaseKind, params: &Params) -> Read {
    let id = old_id(params, &words(kind).snapshot_id())?;
    Ok(act(move |here| {
        let (now, words) = (here.now, words(kind));
        let snapshot = own(here, kind, &id)?.clone();
        if snapshot.is_automated {
            return Err(words.bad_snapshot("Only manual snapshots may be deleted."));
        }
        match snapshot.state {
            // "must be in the available state to be deleted" (API model). That a failed one can be deleted as well is our
            // reading, and unconfirmed. A cluster's copy is cancelled so ("Copies a snapshot of a DB cluster", there)
            DbSnapshotState::Available | DbSnapshotState::Failed | DbSnapshotState::Copying => {}
            DbSnapshotState::Creating => {
                return Err(words.bad_snapshot(format!("Cannot delete the snapshot {id}, it is being created.")));
            }
        }
        here.world.remove_db_snapshot(here.place, now, &(kind, id));
        let answer = Nodes::new().nest(words.snapshot, told(&snapshot, now, "deleted", Told::Own));
        here.world.db_deletions.push(DbDeletion {
            at: now,
            caller: here.caller.to_owned(),
            account: here.place.account.clone(),
            region: here.place.region.clone(),
            snapshot,
        });
        Ok(answer)
    }))
}

/// A snapshot of the caller's own.
pub(super) fn own<'a>(here: &'a mut Here<'_>, kind: DatabaseKind, id: &str) -> Result<&'a mut DbSnapshot, Error> {
    let found = here.region().db_snapshots.get_mut(&(kind, id.to_owned()));
    found.ok_or_else(|| words(kind).no_snapshot(id))
}

/// Refuses a manual snapshot whose name is taken, and one past the quota. The code and the message of that are as users
/// report them.
pub(super) fn check_new(here: &mut Here<'_>, kind: DatabaseKind, id: &str) -> Result<(), Error> {
    let most = here.world.rds.snapshot_limit;
    let snapshots = &here.region().db_snapshots;
    if snapshots.contains_key(&(kind, id.to_owned())) {
        return Err(words(kind).snapshot_exists(id));
    }
    if snapshots.values().filter(|one| one.kind == kind && !one.is_automated).count() >= most {
        return Err(Error::new("SnapshotQuotaExceeded", format!("Cannot create more than {most} manual snapshots")));
    }
    Ok(())
}

/// To whom a snapshot is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// To the account that owns it.
    Own,
    /// To another account, with which it is shared.
    Shared,
    /// To another account, as to everyone.
    Public,
}

/// What type of snapshot it is to whom it is told.
pub(super) fn type_of(snapshot: &DbSnapshot, to: Told) -> &'static str {
    match to {
        Told::Own if snapshot.is_automated => "automated",
        Told::Own => "manual",
        Told::Shared => "shared",
        Told::Public => "public",
    }
}

/// What is told of a snapshot to its owner.
pub(super) fn shape(snapshot: &DbSnapshot, now: DateTime<Utc>) -> Nodes {
    told(snapshot, now, snapshot.status(now), Told::Own)
}

/// What is told of a snapshot. To others its identifier is its ARN, and it has no tags, which is unconfirmed.
pub(super) fn told(snapshot: &DbSnapshot, now: DateTime<Utc>, status: &str, to: Told) -> Nodes {
    let none = Tags::new();
    let (id, tags) = match to {
        Told::Own => (&snapshot.id, &snapshot.tags),
        Told::Shared | Told::Public => (&snapshot.arn, &none),
    };
    let common = Nodes::new()
        .text("Engine", &snapshot.engine)
        .text("EngineVersion", &snapshot.engine_version)
        .text("AllocatedStorage", snapshot.storage)
        .text("MasterUsername", &snapshot.master_username)
        .text("Status", status)
        .text("SnapshotType", type_of(snapshot, to))
        .text("PercentProgress", snapshot.progress(now))
        .maybe("KmsKeyId", snapshot.kms_key_id.as_ref())
        .and(tag_list(tags));
    match snapshot.kind {
        DatabaseKind::Instance => of_instance(snapshot, id).and(common),
        DatabaseKind::Cluster => of_cluster(snapshot, id).and(common),
    }
}

/// What is told of a DB instance's snapshot alone. While it is in progress it tells no time of its own, as the examples of
/// the AWS CLI have it (`create-db-snapshot`, `copy-db-snapshot`).
fn of_instance(snapshot: &DbSnapshot, id: &str) -> Nodes {
    let is_made = !snapshot.state.is_in_progress();
    Nodes::new()
        .text("DBSnapshotIdentifier", id)
        .text("DBInstanceIdentifier", &snapshot.database)
        .maybe("SnapshotCreateTime", is_made.then(|| instant(snapshot.made_at)))
        .maybe("OriginalSnapshotCreateTime", is_made.then(|| instant(snapshot.taken_at)))
        .text("InstanceCreateTime", instant(snapshot.database_created_at))
        .text("OptionGroupName", &snapshot.option_group)
        .maybe("SourceRegion", snapshot.source_region())
        .maybe("SourceDBSnapshotIdentifier", snapshot.source.as_ref())
        .maybe("TdeCredentialArn", snapshot.tde_credential.as_ref())
        .text("Encrypted", snapshot.kms_key_id.is_some())
        .text("DBSnapshotArn", &snapshot.arn)
}

/// What is told of a cluster's snapshot alone. Its time is that of its data, in a copy as well, as the example of the AWS
/// CLI has it (`copy-db-cluster-snapshot`), and is told from the first (`create-db-cluster-snapshot`).
fn of_cluster(snapshot: &DbSnapshot, id: &str) -> Nodes {
    Nodes::new()
        .text("DBClusterSnapshotIdentifier", id)
        .text("DBClusterIdentifier", &snapshot.database)
        .text("SnapshotCreateTime", instant(snapshot.taken_at))
        .text("ClusterCreateTime", instant(snapshot.database_created_at))
        .maybe("SourceDBClusterSnapshotArn", snapshot.source.as_ref())
        .text("StorageEncrypted", snapshot.kms_key_id.is_some())
        .text("DBClusterSnapshotArn", &snapshot.arn)
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
