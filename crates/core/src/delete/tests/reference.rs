//! What is planned, by the simplest means: everything is in memory, and nothing is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::Inventory;
use crate::{
    backup::{self, Origin, Whence, origin},
    delete::{DeleteSnapshot, Verdict, Why, brake},
    enrolment::Enrolled,
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    layout,
    plan::{Finding, Plan, Reason},
    run::Run,
    tags::{self, BACKUP_REQUEST, BACKUP_RUN, DeleteOn, SOURCE_INSTANCE_ID},
};

/// Plans the deletions, the longest overdue first; none at all where the brake holds.
pub(super) fn plan(inventory: &Inventory, run: &Run) -> Plan<DeleteSnapshot> {
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
pub(super) fn regions_to_ask(inventory: &Inventory, run: &Run) -> BTreeSet<Region> {
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

/// Judges one snapshot.
fn judge(snapshot: &Snapshot, inventory: &Inventory, last_good: &LastGood, run: &Run) -> Verdict {
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
struct LastGood(BTreeMap<SnapshotId, Reason>);

impl LastGood {
    /// Looks for each volume that is or may be enrolled.
    fn of(inventory: &Inventory, backups: &Backups<'_>, run: &Run) -> Self {
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

/// The automated snapshots of one region, by the volume that they hold.
pub(super) struct Backups<'a> {
    by_volume: BTreeMap<Origin, Vec<&'a Snapshot>>,
    /// The members of each run, by its instant, and by what was asked for by hand: several requests may be of one instant.
    /// What nobody asked for has an empty one.
    by_run: BTreeMap<Whence, BTreeMap<&'a str, BTreeMap<&'a str, Vec<Member<'a>>>>>,
}

struct Member<'a> {
    instance: Option<&'a str>,
    volume: VolumeId,
    state: SnapshotState,
    started: DateTime<Utc>,
}

impl<'a> Backups<'a> {
    /// Sorts the snapshots. Those that Snapkeeper did not make are left aside: nobody promised that they stay.
    pub(super) fn of(snapshots: &'a [Snapshot]) -> Self {
        let mut backups = Self { by_volume: BTreeMap::new(), by_run: BTreeMap::new() };
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.is_automated()) {
            let origin = origin(snapshot);
            if let Some((run, request)) = run_of(snapshot) {
                let runs = backups.by_run.entry(origin.0.clone()).or_default();
                runs.entry(run).or_default().entry(request).or_default().push(Member {
                    instance: snapshot.tags.get(SOURCE_INSTANCE_ID),
                    volume: origin.1.clone(),
                    state: snapshot.state,
                    started: snapshot.started,
                });
            }
            backups.by_volume.entry(origin).or_default().push(snapshot);
        }
        for snapshots in backups.by_volume.values_mut() {
            snapshots.sort_by_key(|snapshot| (snapshot.taken(), snapshot.started, snapshot.id.clone()));
        }
        backups
    }

    /// The volume's snapshots, the oldest first.
    pub(super) fn of_volume(&self, origin: &Origin) -> &[&'a Snapshot] {
        self.by_volume.get(origin).map_or(&[], Vec::as_slice)
    }

    /// Every volume of which there is a snapshot, in any state.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &Origin> {
        self.by_volume.keys()
    }

    /// Whether the snapshot is a good backup: completed, and its set with it.
    pub(super) fn is_good(&self, snapshot: &Snapshot) -> bool {
        snapshot.state == SnapshotState::Completed && self.missing_from_set_of(snapshot).is_empty()
    }

    /// The volumes of the snapshot's set that have no completed snapshot of the same run.
    pub(super) fn missing_from_set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
        let members = self.of_run(snapshot);
        let is_complete = |volume: &VolumeId| {
            members.iter().any(|member| member.volume == *volume && member.state == SnapshotState::Completed)
        };
        let mut set = self.set_of(snapshot);
        set.retain(|volume| !is_complete(volume));
        set
    }

    /// Whether the snapshots that this run has of the snapshot's instance were begun at different moments, and so are
    /// not crash-consistent with each other. A set's members share one `StartTime` (EC2 API, `CreateSnapshots`).
    pub(super) fn is_of_several_moments(&self, snapshot: &Snapshot) -> bool {
        let instance = snapshot.tags.get(SOURCE_INSTANCE_ID);
        let completed = |member: &&Member<'_>| member.instance == instance && member.state == SnapshotState::Completed;
        let mut begun = self.of_run(snapshot).iter().filter(completed).map(|member| member.started);
        let first = begun.next();
        first.is_some_and(|first| begun.any(|other| (other - first).abs() > TimeDelta::seconds(1)))
    }

    /// The volumes that belong together with the snapshot's: what the tag `Source_Devices` lists, or without a readable
    /// list what its run has of the instance.
    pub(super) fn set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
        let mut set: Vec<VolumeId> = if let Some(places) = layout::read(&snapshot.tags) {
            places.into_iter().filter(|place| !place.excluded).map(|place| place.volume).collect()
        } else {
            let instance = snapshot.tags.get(SOURCE_INSTANCE_ID);
            let of_instance = self.of_run(snapshot).iter().filter(|member| member.instance == instance);
            of_instance.map(|member| member.volume.clone()).collect()
        };
        set.sort();
        set.dedup();
        set
    }

    fn of_run(&self, snapshot: &Snapshot) -> &[Member<'a>] {
        let Some((run, request)) = run_of(snapshot) else { return &[] };
        let of_whence = self.by_run.get(&origin(snapshot).0);
        of_whence.and_then(|runs| runs.get(run)?.get(request)).map_or(&[], Vec::as_slice)
    }

    /// The volume's last good backup. Where it has no good one, its last completed snapshot: part of a set is better
    /// than nothing.
    pub(super) fn last_good(&self, origin: &Origin) -> Option<&'a Snapshot> {
        let newest_first = || self.of_volume(origin).iter().rev();
        newest_first()
            .find(|snapshot| self.is_good(snapshot))
            .or_else(|| newest_first().find(|snapshot| snapshot.state == SnapshotState::Completed))
            .copied()
    }

    /// When the volume's last good backup was taken.
    pub(super) fn last_good_at(&self, origin: &Origin) -> Option<DateTime<Utc>> {
        self.of_volume(origin).iter().rev().find(|snapshot| self.is_good(snapshot)).map(|snapshot| snapshot.taken())
    }
}

fn run_of(snapshot: &Snapshot) -> Option<(&str, &str)> {
    Some((snapshot.tags.get(BACKUP_RUN)?, snapshot.tags.get(BACKUP_REQUEST).unwrap_or_default()))
}
