//! Whether a job did what it should: by what there truly is in the simulator, and not by what the contender says.
//!
//! It shares no code with the jobs, so that it can't share their mistakes. What is due, or is the last good backup of a
//! volume, goes by the tags that every contender can read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use snapkeeper_simulator::{InstanceState, Sight, Simulator, Snapshot, SnapshotState, Tags, Volume};

/// How well a job was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Correctness {
    /// Volumes that should have a new snapshot; of a copier, sources that should have a new copy, once for each region.
    pub(crate) volumes: usize,
    /// Of these, those that have exactly one that is not in `error` and has the tags it needs.
    pub(crate) protected: usize,
    /// Of these, those that have none.
    pub(crate) missing: usize,
    /// New snapshots, and new copies, beyond the first of the same; a copy of what had one already is one too.
    pub(crate) duplicates: usize,
    /// New snapshots that nothing will ever expire: without `Type=Automated`, or with neither `DeleteOn` nor `KeepForever`.
    pub(crate) orphans: usize,
    /// Snapshots that were due, and that nothing holds.
    pub(crate) due: usize,
    /// Of these, those that are still there.
    pub(crate) left: usize,
    /// Snapshots that were deleted and should not have been.
    pub(crate) wrongly_deleted: usize,
    /// The same by the cause.
    pub(crate) wrongs: BTreeMap<Wrong, usize>,
}

/// Why a snapshot should not have been deleted. Of several, the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Wrong {
    /// It is not tagged `Type=Automated`: somebody else's, or made by hand.
    Foreign,
    /// It is tagged `KeepForever`.
    KeepForever,
    /// An image is made from it.
    UsedByImage,
    /// Its `DeleteOn` has not come, or there is none that can be read.
    NotDue,
    /// It was the last good backup of a volume that is enrolled.
    LastGood,
}

/// What a contender was to do.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// A snapshot of every enrolled volume.
    Create,
    /// A copy of every automated, completed snapshot that was taken since then, in each of these regions.
    Copy {
        /// Where to.
        to: Vec<String>,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The deletion of every automated snapshot whose `DeleteOn` has come.
    Delete,
}

/// In whose terms a new snapshot is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// With the tags by which Snapkeeper finds it again: its run, and what it was made from.
    Snapkeeper,
    /// With the two tags that a peer deletes it by.
    Peer,
}

/// What there was before a contender began, as far as it decides what is right.
#[derive(Debug)]
pub(crate) struct Before {
    account: String,
    region: String,
    /// Where new snapshots are to be.
    targets: Vec<String>,
    at: DateTime<Utc>,
    day: NaiveDate,
    wanted: BTreeSet<Origin>,
    /// What had a copy already.
    had: BTreeSet<Origin>,
    due: BTreeSet<String>,
    held: Held,
}

/// A region, and the id of what a snapshot is made of: a volume, or the snapshot that it copies.
type Origin = (String, String);

/// What must stay although its day has come.
#[derive(Debug)]
struct Held {
    by_images: BTreeSet<String>,
    last_good: BTreeSet<String>,
}

impl Before {
    /// Looks at a region before a contender begins. Everything that is there by then must have been begun earlier: what was
    /// begun at this instant or later counts as the contender's.
    pub(crate) fn of(simulator: &Simulator, account: &str, region: &str, task: &Task, day: NaiveDate) -> Before {
        let enrolled = enrolled_for(simulator, account, region);
        let mut before = simulator.look(account, region, |sight| {
            let held = Held::of(sight, region, &enrolled);
            let home = || region.to_owned();
            let (targets, wanted, due) = match task {
                Task::Create => {
                    let volumes = enrolled.iter().filter(|(of, _)| of == region).cloned();
                    (vec![home()], volumes.collect(), BTreeSet::new())
                }
                Task::Copy { to, since } => (to.clone(), to_be_copied(sight, to, *since), BTreeSet::new()),
                Task::Delete => (vec![home()], BTreeSet::new(), due(sight, &held, day)),
            };
            let (account, at, had) = (account.to_owned(), sight.now, BTreeSet::new());
            Before { account, region: home(), targets, at, day, wanted, had, due, held }
        });
        if let Task::Copy { to, .. } = task {
            for target in to {
                let had = simulator.look(account, target, |sight| {
                    sight.snapshots.values().filter_map(|copy| before.origin(target, copy)).collect::<BTreeSet<_>>()
                });
                before.wanted.retain(|origin| !had.contains(origin));
                before.had.extend(had);
            }
        }
        before
    }

    /// What a snapshot in this region is made of, where it can be a backup of what is judged.
    fn origin(&self, region: &str, snapshot: &Snapshot) -> Option<Origin> {
        let of = match &snapshot.source {
            None => snapshot.volume_id.clone(),
            Some(source) if source.region == self.region => source.snapshot.clone(),
            Some(_) => return None,
        };
        Some((region.to_owned(), of))
    }
}

/// Judges what a contender has done since.
pub(crate) fn judge(simulator: &Simulator, before: &Before, terms: Terms) -> Correctness {
    let mut found = Correctness { volumes: before.wanted.len(), due: before.due.len(), ..Correctness::default() };
    // how many new ones there are of each origin, and how many of them are complete
    let mut new: BTreeMap<Origin, (usize, usize)> = BTreeMap::new();
    for target in &before.targets {
        simulator.look(&before.account, target, |sight| {
            for snapshot in sight.snapshots.values().filter(|snapshot| snapshot.start_time >= before.at) {
                found.orphans += usize::from(!expires(&snapshot.tags));
                if snapshot.state == SnapshotState::Error {
                    continue;
                }
                if let Some(origin) = before.origin(target, snapshot) {
                    let (all, complete) = new.entry(origin).or_default();
                    *all += 1;
                    *complete += usize::from(is_complete(snapshot, terms));
                }
            }
        });
    }
    for (origin, (all, _)) in &new {
        found.duplicates += if before.had.contains(origin) { *all } else { all.saturating_sub(1) };
    }
    for origin in &before.wanted {
        match new.get(origin) {
            Some((1, 1)) => found.protected += 1,
            None | Some((_, 0)) => found.missing += 1,
            Some(_) => {}
        }
    }
    found.left = simulator.look(&before.account, &before.region, |sight| {
        before.due.iter().filter(|id| sight.snapshots.contains_key(*id)).count()
    });
    for deletion in simulator.deletions() {
        let is_concerned = deletion.at >= before.at
            && deletion.account == before.account
            && deletion.region == before.region
            // what a contender made itself, it may take back
            && deletion.snapshot.start_time < before.at;
        if is_concerned && let Some(wrong) = before.held.wrong(&deletion.snapshot, before.day) {
            found.wrongly_deleted += 1;
            *found.wrongs.entry(wrong).or_default() += 1;
        }
    }
    found
}

impl Held {
    fn of(sight: &Sight<'_>, region: &str, enrolled: &BTreeSet<Origin>) -> Held {
        let devices = sight.images.values().flat_map(|image| &image.devices);
        let by_images = devices.filter_map(|device| device.snapshot_id.clone()).collect();
        let mut newest: BTreeMap<Origin, &Snapshot> = BTreeMap::new();
        for snapshot in sight.snapshots.values() {
            if !is_automated(&snapshot.tags) || snapshot.state != SnapshotState::Completed {
                continue;
            }
            let Some(volume) = volume(region, snapshot).filter(|volume| enrolled.contains(volume)) else { continue };
            let known = newest.entry(volume).or_insert(snapshot);
            if snapshot.start_time > known.start_time {
                *known = snapshot;
            }
        }
        Held { by_images, last_good: newest.into_values().map(|snapshot| snapshot.id.clone()).collect() }
    }

    /// Why a snapshot must not be deleted on that day, if it must not. One that failed holds nothing: it may always go.
    fn wrong(&self, snapshot: &Snapshot, day: NaiveDate) -> Option<Wrong> {
        let tags = &snapshot.tags;
        if !is_automated(tags) {
            return Some(Wrong::Foreign);
        }
        if tags.contains_key("KeepForever") {
            return Some(Wrong::KeepForever);
        }
        if self.by_images.contains(&snapshot.id) {
            return Some(Wrong::UsedByImage);
        }
        if snapshot.state == SnapshotState::Error {
            return None;
        }
        if delete_on(tags).is_none_or(|due| due > day) {
            return Some(Wrong::NotDue);
        }
        self.last_good.contains(&snapshot.id).then_some(Wrong::LastGood)
    }
}

/// The enrolled volumes of a region, and of those regions of which it holds copies.
fn enrolled_for(simulator: &Simulator, account: &str, region: &str) -> BTreeSet<Origin> {
    let mut regions = simulator.look(account, region, |sight| {
        let copies = sight.snapshots.values().filter(|snapshot| snapshot.source.is_some());
        copies.filter_map(|copy| copy.tags.get("Source_Region").cloned()).collect::<BTreeSet<_>>()
    });
    regions.insert(region.to_owned());
    let of = |region: &String| {
        let volumes = simulator.look(account, region, enrolled);
        volumes.into_iter().map(|volume| (region.clone(), volume)).collect::<Vec<_>>()
    };
    regions.iter().flat_map(of).collect()
}

/// The volumes that are to be backed up: those of instances tagged `Backup=Yes`, but for those that are tagged otherwise.
fn enrolled(sight: &Sight<'_>) -> BTreeSet<String> {
    let instances = sight
        .instances
        .values()
        .filter(|instance| instance.state != InstanceState::Terminated && says(&instance.tags, "Backup", "yes"));
    let is_left_out = |volume: &Volume| says(&volume.tags, "Backup", "no");
    let volumes = instances.flat_map(|instance| instance.devices.values());
    volumes.filter(|id| !sight.volumes.get(*id).is_some_and(is_left_out)).cloned().collect()
}

/// The volume that a snapshot in this region holds, and the volume's region, as far as a copy's tags tell of them.
fn volume(region: &str, snapshot: &Snapshot) -> Option<Origin> {
    if snapshot.source.is_none() {
        return Some((region.to_owned(), snapshot.volume_id.clone()));
    }
    Some((snapshot.tags.get("Source_Region")?.clone(), snapshot.tags.get("Source_VolumeId")?.clone()))
}

/// Every copy that is to be made, those that are there already among them.
fn to_be_copied(sight: &Sight<'_>, to: &[String], since: DateTime<Utc>) -> BTreeSet<Origin> {
    let sources = sight.snapshots.values().filter(|snapshot| {
        is_automated(&snapshot.tags)
            && snapshot.source.is_none()
            && snapshot.state == SnapshotState::Completed
            && snapshot.start_time >= since
    });
    sources.flat_map(|source| to.iter().map(|region| (region.clone(), source.id.clone()))).collect()
}

/// Every snapshot that is to go: due, and held by nothing. A lock holds it too.
fn due(sight: &Sight<'_>, held: &Held, day: NaiveDate) -> BTreeSet<String> {
    let is_due = |snapshot: &&Snapshot| {
        delete_on(&snapshot.tags).is_some_and(|due| due <= day)
            && held.wrong(snapshot, day).is_none()
            && !snapshot.is_locked(sight.now)
    };
    sight.snapshots.values().filter(is_due).map(|snapshot| snapshot.id.clone()).collect()
}

/// Whether a new snapshot has the tags that its maker needs to find it again.
fn is_complete(snapshot: &Snapshot, terms: Terms) -> bool {
    let needed: &[&str] = match (terms, &snapshot.source) {
        (Terms::Snapkeeper, None) => &["Backup_Run", "Source_InstanceId", "Source_Region"],
        (Terms::Snapkeeper, Some(_)) => &["Source_SnapshotId", "Source_VolumeId", "Source_Region"],
        (Terms::Peer, _) => &[],
    };
    expires(&snapshot.tags) && needed.iter().all(|key| snapshot.tags.contains_key(*key))
}

/// Whether something will expire it, or somebody said that nothing is to.
fn expires(tags: &Tags) -> bool {
    is_automated(tags) && (tags.contains_key("KeepForever") || delete_on(tags).is_some())
}

fn is_automated(tags: &Tags) -> bool {
    tags.get("Type").is_some_and(|kind| kind == "Automated")
}

fn delete_on(tags: &Tags) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(tags.get("DeleteOn")?, "%Y-%m-%d").ok()
}

fn says(tags: &Tags, key: &str, value: &str) -> bool {
    tags.get(key).is_some_and(|said| said.trim().eq_ignore_ascii_case(value))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
