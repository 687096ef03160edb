//! What sharer, saver and syncer carry out alike: they copy a database snapshot, and delete one.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use snapkeeper_aws::{Kind, Rds};
use snapkeeper_core::{
    ids::Region,
    rds::{
        inventory::{DatabaseKind, DbSnapshotState},
        step::{CopyDbSnapshot, DeleteDbSnapshot, Why},
    },
};
use snapkeeper_lambda::Outcome;

/// Why a region takes no more copies of a kind in this run.
#[derive(Debug, Default)]
pub struct Closed(Mutex<BTreeMap<(Region, DatabaseKind), &'static str>>);

impl Closed {
    fn why(&self, copy: &CopyDbSnapshot) -> Option<&'static str> {
        let key = (copy.to.clone(), copy.target.kind);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn close(&self, copy: &CopyDbSnapshot, why: &'static str) {
        let key = (copy.to.clone(), copy.target.kind);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, why);
    }
}

/// Makes one copy by the RDS of its region, unless that has said that it takes no more of the kind, or has stopped
/// answering: then the next run goes on, and the other regions get what they are to get.
pub async fn copy(rds: &Rds, copy: &CopyDbSnapshot, closed: &Closed, outcome: &mut Outcome) {
    if let Some(why) = closed.why(copy) {
        return outcome.unfinished(&copy.database, format!("{} {why}: {copy}", copy.to));
    }
    let Err(error) = rds.copy(copy).await else { return outcome.made([&copy.target]) };
    match error.kind {
        Kind::Exists => outcome.kept(&copy.target, "there already"),
        Kind::Full => {
            closed.close(copy, "takes no more for now");
            outcome.unfinished(&copy.database, format!("{copy}: {error}"));
        }
        Kind::Busy => outcome.unfinished(&copy.database, format!("{copy}: {error}")),
        Kind::NotFound => outcome.kept(&copy.source, "gone meanwhile"),
        Kind::Open => {
            closed.close(copy, "has stopped answering");
            outcome.failed(&copy.database, format!("{copy}: {error}"));
        }
        Kind::Throttled | Kind::TooSoon | Kind::InUse | Kind::Refused | Kind::Denied | Kind::Unsent => {
            outcome.failed(&copy.database, format!("{copy}: {error}"));
        }
    }
}

/// Deletes one by the RDS of its region. One that is gone already counts as deleted.
pub async fn delete(rds: &Rds, delete: &DeleteDbSnapshot, outcome: &mut Outcome) {
    let id = &delete.snapshot;
    // the name of what failed is used again: another run may have deleted it, and made it anew
    if delete.why == Why::Failed {
        match rds.manual_snapshot(id).await {
            Ok(Some(now)) if now.state == DbSnapshotState::Failed => {}
            Ok(Some(_)) => return outcome.kept(id, "made anew meanwhile"),
            Ok(None) => return outcome.kept(id, "gone meanwhile"),
            Err(error) => return outcome.failed(id, format!("{delete}: {error}")),
        }
    }
    let Err(error) = rds.delete(id).await else { return outcome.done() };
    match error.kind {
        Kind::Busy => outcome.unfinished(id, format!("{delete}: {error}")),
        // the policy of the function denies what came to be held since it was read
        Kind::Denied | Kind::Refused => match rds.manual_snapshot(id).await {
            Ok(Some(now)) if now.is_kept_forever() => outcome.kept(id, "held meanwhile"),
            Ok(_) | Err(_) => outcome.failed(id, format!("{delete}: {error}")),
        },
        Kind::Throttled
        | Kind::TooSoon
        | Kind::Full
        | Kind::InUse
        | Kind::Exists
        | Kind::NotFound
        | Kind::Open
        | Kind::Unsent => outcome.failed(id, format!("{delete}: {error}")),
    }
}
