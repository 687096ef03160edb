//! Plans the deletion of every snapshot whose `DeleteOn` day has come, and of those that failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    backup::{Backups, Life, Row, Whence},
    enrolment::{Enrolled, Enrolment},
    ids::{ImageId, Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    plan::{Action, Finding, Plan, Reason, Refusal},
    run::Run,
    tags::DeleteOn,
};

/// Up to here the brake lets every plan pass.
const BRAKE_FROM: usize = 50;

/// From so many snapshots on, what can matter no more is forgotten as they come.
const FEW: usize = 50_000;

/// The automated snapshots of the region, primaries and copies, as they come: of what stays anyhow only what others need
/// to be judged by.
pub struct Found {
    run: Run,
    automated: usize,
    /// What stays, whatever the last good backups are, and what cannot be read.
    lasting: Plan<DeleteSnapshot>,
    backups: Backups,
    prune_at: usize,
}

impl Found {
    /// Nothing yet, for this run.
    pub fn new(run: &Run) -> Self {
        let lasting = Plan::within(run.listed);
        Self { run: run.clone(), automated: 0, lasting, backups: Backups::default(), prune_at: FEW }
    }

    /// These snapshots.
    pub fn of(snapshots: &[Snapshot], run: &Run) -> Self {
        let mut found = Self::new(run);
        for snapshot in snapshots {
            found.add(snapshot);
        }
        found
    }

    /// Adds a snapshot.
    pub fn add(&mut self, snapshot: &Snapshot) {
        if let DeleteOn::Unreadable(error) = snapshot.delete_on() {
            self.lasting.find(Finding::unreadable(&snapshot.id, &error));
        }
        self.automated += usize::from(snapshot.is_automated());
        if let Some(reason) = remember(snapshot, &mut self.backups, &self.run) {
            self.lasting.keep(&snapshot.id, reason);
        }
        if self.backups.len() >= self.prune_at {
            self.backups.prune();
            self.prune_at = self.backups.len() + FEW.max(self.backups.len() / 4);
        }
    }

    /// What goes unless something holds it.
    fn due(&self) -> impl Iterator<Item = Row<'_>> {
        due(&self.backups)
    }
}

/// Adds a snapshot to those that are remembered, and tells why it stays, if it does by itself.
pub(crate) fn remember(snapshot: &Snapshot, backups: &mut Backups, run: &Run) -> Option<Reason> {
    match is_due(snapshot, run) {
        Ok(_) => {
            backups.add(snapshot);
            None
        }
        Err(reason) => {
            backups.add_lasting(snapshot);
            Some(reason)
        }
    }
}

fn due(backups: &Backups) -> impl Iterator<Item = Row<'_>> {
    backups.rows().filter(|row| !row.stays())
}

/// What may hold a snapshot that is due.
#[derive(Clone, Debug, Default)]
pub struct Holds {
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
pub fn plan(found: Found, holds: &Holds, run: &Run) -> Plan<DeleteSnapshot> {
    let mut plan = Plan::within(run.listed);
    let last_good = LastGood::of(&found.backups, holds, run);
    let mut held = Vec::new();
    for row in found.due() {
        let snapshot = row.id();
        match hold(&snapshot, row.state(), row.whence(), holds, &last_good) {
            Some(reason) => held.push((snapshot, reason)),
            None => plan.actions.push(DeleteSnapshot { snapshot, why: why(row, run) }),
        }
    }
    held.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (snapshot, reason) in held {
        plan.keep(snapshot, reason);
    }
    plan.actions.sort_by(|a, b| (a.why, &a.snapshot).cmp(&(b.why, &b.snapshot)));
    if let Some(refusal) = brake(plan.actions.len(), found.automated, &run.region, run) {
        for action in std::mem::take(&mut plan.actions) {
            plan.keep(action.snapshot, Reason::Brake);
        }
        plan.refusals.push(refusal);
    }
    plan.keep_also(found.lasting.kept, found.lasting.kept_unlisted);
    plan.findings = found.lasting.findings;
    plan.findings_unlisted = found.lasting.findings_unlisted;
    plan
}

/// The regions in which the manager must ask whether a volume is still enrolled: those of due copies that are the
/// last good backup of their volume here.
pub fn regions_to_ask(found: &Found, holds: &Holds, run: &Run) -> BTreeSet<Region> {
    regions_in_doubt(&found.backups, holds, run)
}

/// The same of what [`remember`] has added.
pub(crate) fn regions_in_doubt(backups: &Backups, holds: &Holds, run: &Run) -> BTreeSet<Region> {
    let last_good = LastGood::of(backups, holds, run);
    due(backups)
        .filter_map(|row| match row.whence() {
            Whence::From(region) => Some((row, region)),
            Whence::Home | Whence::Unknown => None,
        })
        .filter(|(row, _)| {
            let hold = hold(&row.id(), row.state(), row.whence(), holds, &last_good);
            matches!(hold, Some(Reason::LastGoodPerhaps(_)))
        })
        .map(|(_, region)| region.clone())
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

/// Judges one of the automated snapshots of the region.
pub fn judge(row: Row<'_>, holds: &Holds, last_good: &LastGood, run: &Run) -> Verdict {
    match fate(row.life(), row.state(), row.started(), run) {
        Err(reason) => Verdict::Keep(reason),
        Ok(why) => {
            hold(&row.id(), row.state(), row.whence(), holds, last_good).map_or(Verdict::Delete(why), Verdict::Keep)
        }
    }
}

/// Why a snapshot goes unless something else holds it, or why it stays by itself.
fn is_due(snapshot: &Snapshot, run: &Run) -> Result<Why, Reason> {
    if !snapshot.is_automated() {
        return Err(Reason::NotAutomated);
    }
    fate(Life::of(snapshot), snapshot.state, snapshot.started, run)
}

/// The same of an automated one.
fn fate(life: Life, state: SnapshotState, started: DateTime<Utc>, run: &Run) -> Result<Why, Reason> {
    let failed = state == SnapshotState::Error && run.instant - started > run.settings.rpo;
    let why = match life {
        Life::Forever => return Err(Reason::KeepForever),
        Life::Until(due) if due <= run.day() => Why::Due(due),
        Life::Undated | Life::Unreadable | Life::Until(_) if failed => Why::Failed(run.day_of(started)),
        Life::Undated => return Err(Reason::Undated),
        Life::Unreadable => return Err(Reason::UnreadableDate),
        Life::Until(due) => return Err(Reason::NotDue(due)),
    };
    match state {
        SnapshotState::Pending | SnapshotState::Completed | SnapshotState::Error => Ok(why),
        SnapshotState::InRecycleBin => Err(Reason::InRecycleBin),
        SnapshotState::Unknown => Err(Reason::UnknownState),
    }
}

/// Why one goes of which [`is_due`] has said that it does.
fn why(row: Row<'_>, run: &Run) -> Why {
    match row.life() {
        Life::Until(due) if due <= run.day() => Why::Due(due),
        Life::Until(_) | Life::Undated | Life::Unreadable | Life::Forever => Why::Failed(run.day_of(row.started())),
    }
}

/// What holds a snapshot that is due.
fn hold(id: &SnapshotId, state: SnapshotState, whence: &Whence, holds: &Holds, last_good: &LastGood) -> Option<Reason> {
    if let Some(image) = holds.in_use.get(id) {
        return Some(Reason::InUse(image.clone()));
    }
    if holds.locked.contains(id) {
        return Some(Reason::Locked);
    }
    if state == SnapshotState::Error {
        return None;
    }
    last_good.holds(id, whence)
}

/// What is held as a last good backup, and why: each volume's own, and what was taken together with it, for a set that
/// lost a member would be good no more. It goes by what the last good backup says of its set: what a member says of itself
/// may have been spoiled.
pub struct LastGood(BTreeMap<SnapshotId, Reason>);

impl LastGood {
    /// Looks for each volume that is or may be enrolled.
    pub fn of(backups: &Backups, holds: &Holds, run: &Run) -> Self {
        let mut held: BTreeMap<SnapshotId, Reason> = BTreeMap::new();
        for (whence, volume, last) in backups.last_good().filter(|(whence, ..)| **whence != Whence::Unknown) {
            let reason = match is_enrolled(whence, volume, holds, run) {
                Enrolled::Yes => Reason::LastGood,
                Enrolled::Perhaps(why) => Reason::LastGoodPerhaps(why),
                Enrolled::No => continue,
            };
            let set = last.is_good().then(|| last.taken_together()).into_iter().flatten();
            for row in std::iter::once(last).chain(set).filter(|row| !row.stays()) {
                let known = held.entry(row.id()).or_insert_with(|| reason.clone());
                // what is certain goes before what may be
                if reason == Reason::LastGood {
                    *known = Reason::LastGood;
                }
            }
        }
        Self(held)
    }

    fn holds(&self, id: &SnapshotId, whence: &Whence) -> Option<Reason> {
        if *whence == Whence::Unknown {
            // copies of different volumes look alike then
            return Some(Reason::LastGoodPerhaps("its tags do not tell of which volume".to_owned()));
        }
        self.0.get(id).cloned()
    }
}

fn is_enrolled(whence: &Whence, volume: &VolumeId, holds: &Holds, run: &Run) -> Enrolled {
    match whence {
        Whence::From(region) if *region == run.region => holds.enrolment.of_volume(volume),
        Whence::Home => holds.enrolment.of_volume(volume),
        Whence::From(region) => match holds.elsewhere.get(region) {
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
