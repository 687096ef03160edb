//! Plans the deletion of every snapshot whose `DeleteOn` day has come, and of those that failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::NaiveDate;

use crate::{
    backup::{self, Backups, Whence},
    enrolment::{Enrolled, Enrolment},
    ids::{ImageId, Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    plan::{Action, Finding, Plan, Reason, Refusal},
    run::Run,
    tags::{self, DeleteOn},
};

/// Up to here the brake lets every plan pass.
const BRAKE_FROM: usize = 50;

/// What the manager reads.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The automated snapshots of the region, primaries and copies.
    pub snapshots: Vec<Snapshot>,
    /// The enrolled volumes of the region.
    pub enrolment: Enrolment,
    /// The enrolled volumes of other regions, as far as [`regions_to_ask`] named them and they answered.
    pub elsewhere: BTreeMap<Region, Enrolment>,
    /// The snapshots of own images: registered, deprecated or disabled.
    pub in_use: BTreeMap<SnapshotId, ImageId>,
    /// The locked snapshots.
    pub locked: BTreeSet<SnapshotId>,
}

/// Plans the deletions, the longest overdue first; none at all where the brake holds.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<DeleteSnapshot> {
    let mut plan = Plan::default();
    let last_good = LastGood::of(inventory, &Backups::of(&inventory.snapshots), run);
    for snapshot in &inventory.snapshots {
        if let DeleteOn::Unreadable(error) = snapshot.delete_on() {
            plan.findings.push(Finding::unreadable(&snapshot.id, &error));
        }
        match judge(snapshot, inventory, &last_good, run) {
            Verdict::Delete(why) => plan.actions.push(DeleteSnapshot { snapshot: snapshot.id.clone(), why }),
            Verdict::Keep(reason) => plan.keep(&snapshot.id, reason),
        }
    }
    plan.actions.sort_by(|a, b| (a.why, &a.snapshot).cmp(&(b.why, &b.snapshot)));
    let automated = inventory.snapshots.iter().filter(|snapshot| snapshot.is_automated()).count();
    if let Some(refusal) = brake(plan.actions.len(), automated, &run.region, run) {
        for action in std::mem::take(&mut plan.actions) {
            plan.keep(action.snapshot, Reason::Brake);
        }
        plan.refusals.push(refusal);
    }
    plan
}

/// The regions in which the manager must ask whether a volume is still enrolled: those of due copies that are the
/// last good backup of their volume here.
pub fn regions_to_ask(inventory: &Inventory, run: &Run) -> BTreeSet<Region> {
    let last_good = LastGood::of(inventory, &Backups::of(&inventory.snapshots), run);
    inventory
        .snapshots
        .iter()
        .filter(|snapshot| {
            matches!(judge(snapshot, inventory, &last_good, run), Verdict::Keep(Reason::LastGoodPerhaps(_)))
        })
        .filter_map(|snapshot| match backup::origin(snapshot).0 {
            Whence::From(region) => Some(region),
            Whence::Home | Whence::Unknown => None,
        })
        .collect()
}

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes.
    Delete(Why),
    /// It stays.
    Keep(Reason),
}

/// Why a snapshot goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its day has come.
    Due(NaiveDate),
    /// It failed, so that it holds nothing, and the watcher has had the time to tell of it: the RPO. Failed ones count
    /// against what a volume may have under way, so that five of them stop its backups (EBS quotas).
    Failed(NaiveDate),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Due(day) => write!(f, "due since {day}"),
            Self::Failed(day) => write!(f, "failed on {day}"),
        }
    }
}

/// Judges one snapshot.
pub fn judge(snapshot: &Snapshot, inventory: &Inventory, last_good: &LastGood, run: &Run) -> Verdict {
    if !snapshot.is_automated() {
        return Verdict::Keep(Reason::NotAutomated);
    }
    if snapshot.is_kept_forever() {
        return Verdict::Keep(Reason::KeepForever);
    }
    let failed = snapshot.state == SnapshotState::Error && run.instant - snapshot.started > run.settings.rpo;
    let why = match snapshot.delete_on() {
        DeleteOn::Day(due) if due <= run.day() => Why::Due(due),
        _ if failed => Why::Failed(run.day_of(snapshot.started)),
        DeleteOn::Unsaid => return Verdict::Keep(Reason::Undated),
        DeleteOn::Unreadable(_) => return Verdict::Keep(Reason::UnreadableDate),
        DeleteOn::Day(due) => return Verdict::Keep(Reason::NotDue(due)),
    };
    match snapshot.state {
        SnapshotState::Pending | SnapshotState::Completed | SnapshotState::Error => {}
        SnapshotState::InRecycleBin => return Verdict::Keep(Reason::InRecycleBin),
        SnapshotState::Unknown => return Verdict::Keep(Reason::UnknownState),
    }
    if let Some(image) = inventory.in_use.get(&snapshot.id) {
        return Verdict::Keep(Reason::InUse(image.clone()));
    }
    if inventory.locked.contains(&snapshot.id) {
        return Verdict::Keep(Reason::Locked);
    }
    if snapshot.state == SnapshotState::Error {
        return Verdict::Delete(why);
    }
    match last_good.holds(snapshot) {
        Some(reason) => Verdict::Keep(reason),
        None => Verdict::Delete(why),
    }
}

/// What is held as a last good backup, and why: each volume's own, and what was taken together with it, for a set that
/// lost a member would be good no more. It goes by what the last good backup says of its set: what a member says of itself
/// may have been spoiled.
pub struct LastGood(BTreeMap<SnapshotId, Reason>);

impl LastGood {
    /// Looks for each volume that is or may be enrolled.
    pub fn of(inventory: &Inventory, backups: &Backups<'_>, run: &Run) -> Self {
        let mut held: BTreeMap<SnapshotId, Reason> = BTreeMap::new();
        for origin in backups.volumes().filter(|(whence, _)| *whence != Whence::Unknown) {
            let (whence, volume) = origin;
            let reason = match is_enrolled(whence, volume, inventory, run) {
                Enrolled::Yes => Reason::LastGood,
                Enrolled::Perhaps(why) => Reason::LastGoodPerhaps(why),
                Enrolled::No => continue,
            };
            let Some(last) = backups.last_good(origin) else { continue };
            let mut hold = |id: &SnapshotId| {
                let known = held.entry(id.clone()).or_insert_with(|| reason.clone());
                // what is certain goes before what may be
                if reason == Reason::LastGood {
                    *known = Reason::LastGood;
                }
            };
            hold(&last.id);
            let run = last.tags.get(tags::BACKUP_RUN);
            if run.is_some() && backups.is_good(last) {
                let set = backups.set_of(last).into_iter().map(|member| (whence.clone(), member));
                for member in set.collect::<Vec<_>>() {
                    let of_run = |it: &&&Snapshot| it.tags.get(tags::BACKUP_RUN) == run;
                    backups.of_volume(&member).iter().filter(of_run).for_each(|it| hold(&it.id));
                }
            }
        }
        Self(held)
    }

    fn holds(&self, snapshot: &Snapshot) -> Option<Reason> {
        if backup::origin(snapshot).0 == Whence::Unknown {
            // copies of different volumes look alike then
            return Some(Reason::LastGoodPerhaps("its tags do not tell of which volume".to_owned()));
        }
        self.0.get(&snapshot.id).cloned()
    }
}

fn is_enrolled(whence: &Whence, volume: &VolumeId, inventory: &Inventory, run: &Run) -> Enrolled {
    match whence {
        Whence::From(region) if *region == run.region => inventory.enrolment.of_volume(volume),
        Whence::Home => inventory.enrolment.of_volume(volume),
        Whence::From(region) => match inventory.elsewhere.get(region) {
            Some(enrolment) => enrolment.of_volume(volume),
            None => Enrolled::Perhaps(format!("{region} did not say")),
        },
        Whence::Unknown => Enrolled::Perhaps("its tags do not tell of which volume".to_owned()),
    }
}

/// Why nothing goes in a region where `due` of the `automated` snapshots would at once: a clock, a tag or a bug gone wrong.
/// `None` where the brake does not hold.
pub(crate) fn brake(due: usize, automated: usize, region: &Region, run: &Run) -> Option<Refusal> {
    let percent = usize::from(run.settings.max_delete_percent);
    if due <= BRAKE_FROM || due * 100 <= automated * percent {
        return None;
    }
    Some(Refusal {
        resource: region.to_string(),
        cause: format!(
            "brake: {due} of {automated} automated snapshots are due at once, more than {percent} %: nothing was deleted. \
             If that is right, run the {} once with SNAPKEEPER_MAX_DELETE_PERCENT=100",
            run.job
        ),
    })
}

/// Deletes a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Why.
    pub why: Why,
}

impl fmt::Display for DeleteSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delete {}, {}", self.snapshot, self.why)
    }
}

impl Action for DeleteSnapshot {
    fn resource(&self) -> String {
        self.snapshot.to_string()
    }
}

#[cfg(test)]
mod tests;
