//! Primaries that failed, hang or lack a member, as long as they matter.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::is_overdue;
use crate::{
    backup::{Backups, Life, Row, Whence, home},
    ids::{SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    plan::{Finding, FindingKind},
    run::Run,
    tags::{BACKUP_REQUEST, BACKUP_RUN, DeleteOn},
};

/// What is remembered of a few primaries, beside what is of all.
#[derive(Default)]
pub(super) struct Primaries {
    /// Why those failed that did, where AWS says so.
    causes: BTreeMap<SnapshotId, String>,
    /// Those that are kept although their day has come.
    outliving: BTreeSet<SnapshotId>,
    /// What asked for those of which their run does not tell it: by an empty word, or without a run.
    requests: BTreeMap<SnapshotId, SmolStr>,
}

impl Primaries {
    pub(super) fn add(&mut self, primary: &Snapshot, run: &Run) {
        if let (SnapshotState::Error, Some(cause)) = (primary.state, &primary.message) {
            self.causes.insert(primary.id.clone(), cause.clone());
        }
        if primary.is_kept_forever() && matches!(primary.delete_on(), DeleteOn::Day(day) if day <= run.day()) {
            self.outliving.insert(primary.id.clone());
        }
        if let Some(request) = primary.tags.get(BACKUP_REQUEST)
            && (request.is_empty() || !primary.tags.has(BACKUP_RUN))
        {
            self.requests.insert(primary.id.clone(), request.into());
        }
    }

    /// Finds them among all automated snapshots. Of a set the first that came is told.
    pub(super) fn find(&self, backups: &Backups, run: &Run, findings: &mut Vec<Finding>) {
        let mut sets_told = BTreeSet::new();
        for row in backups.rows().filter(|row| *row.whence() == Whence::Home) {
            let finding = |kind, what: String, todo: &str| Finding {
                kind,
                resource: row.id().to_string(),
                what,
                since: Some(row.started()),
                todo: todo.to_owned(),
            };
            match row.state() {
                SnapshotState::Error if matters(row, run) => {
                    let why = self.causes.get(&row.id()).map_or_else(String::new, |why| format!(": {why}"));
                    findings.push(finding(
                        FindingKind::Failed,
                        format!("snapshot of {} ended in error{why}", row.volume()),
                        "nothing, the manager deletes it; if it comes again, look at the volume's KMS key",
                    ));
                }
                SnapshotState::Pending if is_overdue(row.started(), run) => findings.push(finding(
                    FindingKind::StuckPending,
                    format!("snapshot of {} is still pending", row.volume()),
                    "look at its progress in EC2; a volume takes only five pending snapshots",
                )),
                // members that expire leave others behind that are held
                SnapshotState::Completed if matters(row, run) && !self.is_due(row, run) => {
                    let missing = row.missing();
                    let is_apart = missing.is_empty() && row.is_of_several_moments();
                    let lacks = !missing.is_empty() && !is_in_progress(row, &missing, backups, run);
                    if !(is_apart || lacks) || !sets_told.insert((row.batch(), self.requests.get(&row.id()))) {
                        continue;
                    }
                    if is_apart {
                        findings.push(finding(
                            FindingKind::NotConsistent,
                            format!("its set of {} was begun at different moments", row.instance().unwrap_or_default()),
                            "nothing if the volumes do not depend on each other; else see why the set was not taken at once",
                        ));
                        continue;
                    }
                    let missing: Vec<&str> = missing.into_iter().map(VolumeId::as_str).collect();
                    let instance = row.instance().unwrap_or("an unknown instance");
                    findings.push(finding(
                        FindingKind::IncompleteSet,
                        format!("backup of {instance} lacks {}: it does not count as a good one", missing.join(", ")),
                        "nothing if the next run succeeds; else look at the creator's report for these volumes",
                    ));
                }
                SnapshotState::Error
                | SnapshotState::Completed
                | SnapshotState::Pending
                | SnapshotState::InRecycleBin
                | SnapshotState::Unknown => {}
            }
        }
    }

    /// Whether its day has come, even if it is kept.
    fn is_due(&self, row: Row<'_>, run: &Run) -> bool {
        match row.life() {
            Life::Until(day) => day <= run.day(),
            Life::Forever => self.outliving.contains(&row.id()),
            Life::Undated | Life::Unreadable => false,
        }
    }
}

/// Whether it is young, or nothing newer is good.
fn matters(row: Row<'_>, run: &Run) -> bool {
    !is_overdue(row.taken(), run) || !row.is_superseded()
}

fn is_in_progress(row: Row<'_>, missing: &[&VolumeId], backups: &Backups, run: &Run) -> bool {
    missing.iter().any(|volume| {
        backups.of_volume(&home(volume)).any(|member| {
            member.state() == SnapshotState::Pending
                && member.taken() == row.taken()
                && !is_overdue(member.started(), run)
        })
    })
}
