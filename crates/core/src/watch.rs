//! Finds what is not protected as its tags promise.

mod copies;
mod deletions;
mod instances;
mod measures;
mod primaries;
mod volumes;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use self::{copies::Promises, deletions::Undated, instances::Instances, primaries::Primaries, volumes::Unprotected};
use crate::{
    backup::Backups,
    copy::Copies,
    delete::{self, Holds},
    ids::Region,
    inventory::{Instance, Snapshot, SnapshotState, Volume},
    notice::Notice,
    on_demand::restart,
    plan::{Finding, Plan},
    rds,
    run::Run,
    tags::{BackupPolicy, Choice},
};

/// What the watcher reads, page by page: first every instance, then every volume, then every snapshot. What cannot
/// become a finding does not stay in memory, and of a snapshot only a few bytes do: which one is a good backup shows
/// when all have come.
pub struct Seen {
    run: Run,
    instances: Instances,
    unprotected: Unprotected,
    /// The automated snapshots, in the order in which they came.
    backups: Backups,
    primaries: Primaries,
    promises: Promises,
    undated: Undated,
    /// What is certain.
    findings: Vec<Finding>,
}

impl Seen {
    /// Nothing yet.
    pub fn new(run: &Run) -> Self {
        Self {
            run: run.clone(),
            instances: Instances::default(),
            unprotected: Unprotected::default(),
            backups: Backups::default(),
            primaries: Primaries::default(),
            promises: Promises::default(),
            undated: Undated::default(),
            findings: Vec::new(),
        }
    }

    /// A page of all instances of the region.
    pub fn add_instances(&mut self, page: &[Instance]) {
        let Run { region, settings, .. } = &self.run;
        for instance in page {
            let (policy, errors) = BackupPolicy::from_tags(&instance.tags, region, &settings.default_retention);
            self.instances.add(instance, policy.backup);
            if policy.backup == Choice::Yes {
                self.promises.name(policy.copy_to);
            }
            if instance.is_there() {
                self.findings.extend(restart::left_stopped(instance));
                self.findings.extend(errors.iter().map(|error| Finding::unreadable(&instance.id, error)));
            }
        }
    }

    /// A page of all volumes of the region, once all instances are there.
    pub fn add_volumes(&mut self, page: &[Volume]) {
        for volume in page {
            let error = Choice::from_tags(&volume.tags).1;
            self.findings.extend(error.iter().map(|error| Finding::unreadable(&volume.id, error)));
            self.instances.add_volume(volume);
            if !volume.is_excluded() && !self.instances.speak_for(volume) && is_overdue(volume.created, &self.run) {
                self.unprotected.add(volume);
            }
        }
    }

    /// A page of all own snapshots of the region, whoever made them, once all volumes are there.
    pub fn add_snapshots(&mut self, page: &[Snapshot]) {
        for snapshot in page {
            let is_primary = snapshot.copy_of().is_none();
            if is_primary && matches!(snapshot.state, SnapshotState::Pending | SnapshotState::Completed) {
                self.unprotected.protect(&snapshot.volume_as_told);
            }
            if !snapshot.is_automated() {
                continue;
            }
            delete::remember(snapshot, &mut self.backups, &self.run);
            self.findings.extend(self.undated.add(snapshot));
            if is_primary {
                self.primaries.add(snapshot, &self.run);
                self.promises.add(snapshot, &self.run, &mut self.findings);
            }
        }
    }

    /// The destinations in which copies are promised, by enrolled instances or by snapshots, and of which nothing has
    /// been told yet.
    pub fn unread(&self) -> BTreeSet<Region> {
        self.promises.unread()
    }

    /// What is in a destination, or why that could not be read.
    pub fn there(&mut self, region: Region, copies: Result<Copies, String>) {
        self.promises.there(region, copies, &self.run);
    }

    /// The regions in which to ask whether a volume is still enrolled, as the manager does.
    pub fn regions_to_ask(&self, holds: &Holds) -> BTreeSet<Region> {
        delete::regions_in_doubt(&self.backups, holds, &self.run)
    }
}

/// Plans the digest: one notice, where there is anything to say and a topic to say it to. Databases that could not be
/// read take nothing from the rest.
pub fn plan(seen: Seen, holds: &Holds, databases: &Result<rds::watch::Inventory, String>) -> Plan<Notice> {
    let Seen { run, instances, unprotected, backups, primaries, promises, undated, mut findings } = seen;
    let run = &run;
    instances.find(&backups, run, &mut findings);
    unprotected.find(&mut findings);
    primaries.find(&backups, run, &mut findings);
    promises.find(&mut findings);
    deletions::find(&backups, holds, run, &mut findings);
    undated.find(&mut findings);
    findings.extend(rds::watch::findings(databases, run));
    findings.sort_by(|a, b| (a.kind, &a.resource, &a.what).cmp(&(b.kind, &b.resource, &b.what)));
    let mut measures = measures::measures(&instances, &backups, &findings, run);
    measures.extend(rds::watch::measures(databases, run));
    let actions = match run.settings.alert_topic {
        Some(_) if !findings.is_empty() => vec![Notice::digest(&findings, run)],
        Some(_) | None => Vec::new(),
    };
    Plan { actions, findings, measures, ..Plan::default() }
}

/// Whether something that began then has had its time.
fn is_overdue(since: DateTime<Utc>, run: &Run) -> bool {
    run.instant - since > run.settings.rpo
}

#[cfg(test)]
mod tests;
