//! Snapshots that should be gone, and those of which that cannot be told.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use crate::{
    backup::{Backups, Life},
    calendar,
    delete::{self, Holds, LastGood, Verdict},
    ids::SnapshotId,
    inventory::Snapshot,
    plan::{Finding, FindingKind, Reason},
    run::Run,
    tags::{DeleteOn, SOURCE_INSTANCE_ID},
};

/// Automated snapshots that will never expire, by their instance.
#[derive(Default)]
pub(super) struct Undated(BTreeMap<SmolStr, Those>);

struct Those {
    count: usize,
    /// When the oldest was taken.
    oldest: DateTime<Utc>,
    /// When the newest was, and which one that is.
    newest: DateTime<Utc>,
    id: SnapshotId,
}

impl Undated {
    /// Remembers an automated snapshot if it has no day, and tells if its day cannot be read.
    pub(super) fn add(&mut self, snapshot: &Snapshot) -> Option<Finding> {
        if snapshot.is_kept_forever() {
            return None;
        }
        match snapshot.delete_on() {
            DeleteOn::Day(_) => {}
            DeleteOn::Unreadable(error) => return Some(Finding::unreadable(&snapshot.id, &error)),
            DeleteOn::Unsaid => {
                let instance = snapshot.tags.get(SOURCE_INSTANCE_ID).unwrap_or(snapshot.id.as_str());
                let (id, taken) = (&snapshot.id, snapshot.taken());
                let nothing = || Those { count: 0, oldest: taken, newest: taken, id: id.clone() };
                let those = self.0.entry(instance.into()).or_insert_with(nothing);
                those.count += 1;
                those.oldest = those.oldest.min(taken);
                // of two of one instant the later one
                if taken >= those.newest {
                    (those.newest, those.id) = (taken, id.clone());
                }
            }
        }
        None
    }

    pub(super) fn find(self, findings: &mut Vec<Finding>) {
        findings.extend(self.0.into_iter().map(|(instance, Those { count, oldest, id, .. })| Finding {
            kind: FindingKind::Undated,
            resource: instance.to_string(),
            what: match count {
                1 => format!("{id} has no DeleteOn and will never expire"),
                count => format!("{count} snapshots have no DeleteOn and will never expire, the newest {id}"),
            },
            since: Some(oldest),
            todo: "correct the tag Retention of the instance, or tag them DeleteOn or KeepForever".to_owned(),
        }));
    }
}

/// Finds what should be gone: today's are the manager's business until the day is over.
pub(super) fn find(backups: &Backups, holds: &Holds, run: &Run, findings: &mut Vec<Finding>) {
    let last_good = LastGood::of(backups, holds, run);
    for row in backups.rows() {
        let Life::Until(due) = row.life() else { continue };
        if due >= run.day() {
            continue;
        }
        let (why, todo) = match delete::judge(row, holds, &last_good, run) {
            Verdict::Keep(Reason::InRecycleBin) => continue,
            Verdict::Delete(_) => (
                format!("due since {due}, and nothing holds it"),
                "look at the manager's last reports: it did not run, failed, or its brake held",
            ),
            Verdict::Keep(reason) => (
                format!("due since {due}, but kept: {reason}"),
                if matches!(reason, Reason::LastGood | Reason::LastGoodPerhaps(_)) {
                    "see why there is no newer good backup"
                } else {
                    "release it if it is not needed, or tag it KeepForever"
                },
            ),
        };
        findings.push(Finding {
            kind: FindingKind::NotDeleted,
            resource: row.id().to_string(),
            what: why,
            since: Some(calendar::begin_of(due, run.settings.time_zone)),
            todo: todo.to_owned(),
        });
    }
}
