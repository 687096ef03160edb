//! Which snapshots can be restored from, and what each volume's last good one is.

mod packed;
mod row;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::OnceLock,
};

use chrono::{DateTime, NaiveDate, Utc};
use smol_str::SmolStr;

use self::packed::{Fields, NONE, Numbers, PackedId, number};
pub use self::row::Row;
use crate::{
    ids::{Region, SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    layout,
    tags::{self, BACKUP_REQUEST, BACKUP_RUN, DeleteOn, SOURCE_INSTANCE_ID, SOURCE_VOLUME_ID},
};

/// The number of a set without a readable list.
const UNLISTED: u32 = NONE - 1;
/// The number of a set that is its snapshot's volume, and nothing else.
const ALONE: u32 = NONE - 2;
/// Members of one set may be begun so many microseconds apart.
const A_SECOND: u64 = 1_000_000;

/// A volume and where it is: a region holds copies of many regions' volumes.
pub type Origin = (Whence, VolumeId);

/// Where a snapshot's volume is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whence {
    /// In the region of the snapshot.
    Home,
    /// In another region, from which it was copied.
    From(Region),
    /// It is a copy whose tags do not tell of what.
    Unknown,
}

/// For how long a snapshot is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The operator wants it kept.
    Forever,
    /// Nobody has said it yet.
    Undated,
    /// What was said cannot be read.
    Unreadable,
    /// Until this day.
    Until(NaiveDate),
}

impl Life {
    /// What a snapshot's tags say.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        match snapshot.delete_on() {
            _ if snapshot.is_kept_forever() => Self::Forever,
            DeleteOn::Unsaid => Self::Undated,
            DeleteOn::Unreadable(_) => Self::Unreadable,
            DeleteOn::Day(day) => Self::Until(day),
        }
    }
}

/// The automated snapshots of one region, by the volume that they hold: of each a few bytes, for there may be half a
/// million.
#[derive(Clone, Default)]
pub struct Backups {
    whences: Numbers<Whence>,
    /// With the number of where they are.
    volumes: Numbers<(u32, VolumeId)>,
    runs: Numbers<Batch>,
    /// Of each run its instant, where that can be read.
    instants: Vec<Option<i64>>,
    instances: Numbers<SmolStr>,
    /// The sets that were listed, by the numbers of their volumes: the same comes every day.
    lists: Numbers<Vec<u32>>,
    odd: Vec<SnapshotId>,
    rows: Vec<Fields>,
    /// What is left of rows that were dropped. Sorted.
    dropped: Vec<Member>,
    order: OnceLock<Order>,
    several: OnceLock<BTreeSet<(u32, u32)>>,
}

/// A run of one place, by its instant, and by what was asked for by hand: several requests may be of one instant. What
/// nobody asked for has an empty one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Batch {
    whence: u32,
    stamp: SmolStr,
    request: SmolStr,
}

/// A completed member of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    volume: u32,
    run: u32,
    instance: u32,
}

/// The rows in order, found when somebody asks for it.
#[derive(Clone)]
struct Order {
    /// The rows by volume, the oldest first.
    rows: Vec<u32>,
    /// Where each volume's begin, and at last where all end.
    begin: Vec<u32>,
    /// What runs have of instances, in any state, where a snapshot of theirs lacks a readable list.
    unlisted: BTreeMap<(u32, u32), Vec<u32>>,
}

impl Backups {
    /// Sorts the snapshots. Those that Snapkeeper did not make are left aside: nobody promised that they stay.
    pub fn of(snapshots: &[Snapshot]) -> Self {
        let mut backups = Self::default();
        for snapshot in snapshots {
            backups.add(snapshot);
        }
        backups
    }

    /// Adds a snapshot, if Snapkeeper made it.
    pub fn add(&mut self, snapshot: &Snapshot) {
        self.put(snapshot, false);
    }

    /// Adds one that is not to be deleted, whatever comes, so that it matters only to others.
    pub(crate) fn add_lasting(&mut self, snapshot: &Snapshot) {
        self.put(snapshot, true);
    }

    fn put(&mut self, snapshot: &Snapshot, stays: bool) {
        if !snapshot.is_automated() {
            return;
        }
        self.forget_order();
        let (whence, volume) = origin(snapshot);
        let whence = self.whences.give(whence);
        let volume = self.volumes.give((whence, volume));
        let run = run_of(snapshot).map_or(NONE, |(stamp, request)| {
            let run = self.runs.give(Batch { whence, stamp: stamp.into(), request: request.into() });
            if run as usize == self.instants.len() {
                self.instants.push(tags::run_instant(&snapshot.tags).map(|instant| instant.timestamp_micros()));
            }
            run
        });
        let instance = snapshot.tags.get(SOURCE_INSTANCE_ID);
        let instance = instance.map_or(NONE, |instance| self.instances.give(instance.into()));
        let set = listed(snapshot).map_or(UNLISTED, |set| {
            let set: Vec<u32> = set.into_iter().map(|member| self.volumes.give((whence, member))).collect();
            if set == [volume] { ALONE } else { self.lists.give(set) }
        });
        self.rows.push(Fields {
            started: snapshot.started.timestamp_micros(),
            volume,
            run,
            instance,
            set,
            life: Life::of(snapshot).into(),
            id: PackedId::new(&snapshot.id, &mut self.odd),
            state: snapshot.state,
            stays,
        });
    }

    /// How many snapshots are remembered.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Every snapshot that is remembered.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(move |fields| Row { backups: self, fields })
    }

    /// Forgets what can matter no more: lasting ones, completed, of volumes that certainly have a newer good one. That
    /// their volumes are there is remembered, for others of their sets. Afterwards all is as before, but for
    /// [`Row::is_of_several_moments`] and for what [`Self::of_volume`] tells.
    pub(crate) fn prune(&mut self) {
        self.forget_order();
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|a, b| self.compare(a, b));
        self.rows = rows;
        let mut useless = vec![false; self.rows.len()];
        for volume in 0..number(self.volumes.len()) {
            let good =
                self.places_of(volume).iter().rposition(|place| self.is_surely_good(&self.rows[*place as usize]));
            for place in self.places_of(volume).iter().take(good.unwrap_or_default()) {
                let row = &self.rows[*place as usize];
                useless[*place as usize] = row.stays && row.state == SnapshotState::Completed;
            }
        }
        let dropped = self.rows.iter().zip(&useless).filter(|(row, useless)| **useless && row.run != NONE);
        self.dropped.extend(dropped.map(|(row, _)| Member {
            volume: row.volume,
            run: row.run,
            instance: row.instance,
        }));
        self.dropped.sort_unstable();
        self.dropped.dedup();
        let mut useless = useless.into_iter();
        self.rows.retain(|_| useless.next() != Some(true));
        self.rows.shrink_to_fit();
        self.forget_order();
    }

    /// Whether a row is good, and stays so whatever comes: of a set that is listed no member can be found to be missing
    /// later.
    fn is_surely_good(&self, row: &Fields) -> bool {
        row.set != UNLISTED && self.is_good_row(row)
    }

    /// The volume's snapshots, the oldest first.
    pub fn of_volume(&self, origin: &Origin) -> impl DoubleEndedIterator<Item = Row<'_>> {
        self.rows_of(self.volume(origin).unwrap_or(NONE))
    }

    /// Whether the snapshot is a good backup: completed, and its set with it.
    #[cfg(test)]
    pub(crate) fn is_good(&self, snapshot: &Snapshot) -> bool {
        snapshot.state == SnapshotState::Completed && self.missing_from_set_of(snapshot).is_empty()
    }

    /// The volumes of the snapshot's set that have no completed snapshot of the same run.
    #[cfg(test)]
    pub(crate) fn missing_from_set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
        let (whence, run) = (origin(snapshot).0, self.run(snapshot).unwrap_or(NONE));
        let is_complete = |volume: &VolumeId| {
            self.volume(&(whence.clone(), volume.clone())).is_some_and(|volume| self.is_completed(run, volume))
        };
        let mut set = self.set_of(snapshot);
        set.retain(|volume| !is_complete(volume));
        set
    }

    /// As [`Row::is_of_several_moments`] tells it.
    #[cfg(test)]
    pub(crate) fn is_of_several_moments(&self, snapshot: &Snapshot) -> bool {
        let batch = self.run(snapshot).zip(self.instance(snapshot));
        batch.is_some_and(|batch| self.several.get_or_init(|| self.find_several()).contains(&batch))
    }

    /// What each run has of an instance, where its snapshots were begun at different moments than the first that came.
    fn find_several(&self) -> BTreeSet<(u32, u32)> {
        let batch = |place: &u32| {
            let row = &self.rows[*place as usize];
            (row.run, row.instance)
        };
        let is_member = |row: &Fields| row.run != NONE && row.state == SnapshotState::Completed;
        let mut members: Vec<u32> =
            (0..number(self.rows.len())).filter(|place| is_member(&self.rows[*place as usize])).collect();
        members.sort_unstable_by_key(|place| (batch(place), *place));
        let mut several = BTreeSet::new();
        for members in members.chunk_by(|a, b| batch(a) == batch(b)) {
            let begun = |place: &u32| self.rows[*place as usize].started;
            if members.iter().any(|member| begun(member).abs_diff(begun(&members[0])) > A_SECOND) {
                several.insert(batch(&members[0]));
            }
        }
        several
    }

    /// The volumes that belong together with the snapshot's: what the tag `Source_Devices` lists, or without a readable
    /// list what its run has of the instance.
    pub fn set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
        listed(snapshot).unwrap_or_else(|| {
            let (run, instance) = (self.run(snapshot).unwrap_or(NONE), self.instance(snapshot).unwrap_or(NONE));
            let numbers = self.of_instance(run, instance).iter();
            let mut set: Vec<VolumeId> =
                numbers.filter_map(|volume| self.volumes.at(*volume)).map(|(_, volume)| volume.clone()).collect();
            set.sort();
            set
        })
    }

    /// When the volume's last good backup was taken.
    pub fn last_good_at(&self, origin: &Origin) -> Option<DateTime<Utc>> {
        self.of_volume(origin).rfind(Row::is_good).map(|row| row.taken())
    }

    /// Each volume's last good backup. Where it has no good one, its last completed snapshot: part of a set is better
    /// than nothing. Volumes of one place come in the order of their ids.
    pub(crate) fn last_good(&self) -> impl Iterator<Item = (&Whence, &VolumeId, Row<'_>)> {
        self.volumes.sorted().filter_map(move |((whence, volume), number)| {
            let last = self
                .rows_of(number)
                .rfind(Row::is_good)
                .or_else(|| self.rows_of(number).rfind(|row| row.state() == SnapshotState::Completed))?;
            Some((self.whences.at(*whence)?, volume, last))
        })
    }

    fn is_good_row(&self, row: &Fields) -> bool {
        row.state == SnapshotState::Completed
            && self.set_of_row(row).iter().all(|volume| self.is_completed(row.run, *volume))
    }

    fn set_of_row<'a>(&'a self, row: &'a Fields) -> &'a [u32] {
        match row.set {
            ALONE => slice::from_ref(&row.volume),
            UNLISTED => self.of_instance(row.run, row.instance),
            list => self.lists.at(list).map_or(&[], Vec::as_slice),
        }
    }

    /// Whether the run has a completed snapshot of the volume.
    fn is_completed(&self, run: u32, volume: u32) -> bool {
        let is_of_run = |row: Row<'_>| row.fields.run == run && row.state() == SnapshotState::Completed;
        run != NONE && (self.rows_of(volume).any(is_of_run) || self.was_completed(run, volume))
    }

    fn was_completed(&self, run: u32, volume: u32) -> bool {
        self.dropped.binary_search_by(|member| (member.volume, member.run).cmp(&(volume, run))).is_ok()
    }

    /// What the run has of the instance, where a snapshot of theirs lacks a readable list.
    fn of_instance(&self, run: u32, instance: u32) -> &[u32] {
        self.order().unlisted.get(&(run, instance)).map_or(&[], Vec::as_slice)
    }

    fn volume(&self, (whence, volume): &Origin) -> Option<u32> {
        self.volumes.find(&(self.whences.find(whence)?, volume.clone()))
    }

    fn run(&self, snapshot: &Snapshot) -> Option<u32> {
        let whence = self.whences.find(&origin(snapshot).0)?;
        let (stamp, request) = run_of(snapshot)?;
        self.runs.find(&Batch { whence, stamp: stamp.into(), request: request.into() })
    }

    fn instance(&self, snapshot: &Snapshot) -> Option<u32> {
        match snapshot.tags.get(SOURCE_INSTANCE_ID) {
            Some(instance) => self.instances.find(&instance.into()),
            None => Some(NONE),
        }
    }

    fn rows_of(&self, volume: u32) -> impl DoubleEndedIterator<Item = Row<'_>> {
        self.places_of(volume).iter().map(move |place| Row { backups: self, fields: &self.rows[*place as usize] })
    }

    /// Where the rows of a volume are, the oldest first.
    fn places_of(&self, volume: u32) -> &[u32] {
        let Order { rows, begin, .. } = self.order();
        let volume = volume as usize;
        match (begin.get(volume), begin.get(volume + 1)) {
            (Some(begin), Some(end)) => &rows[*begin as usize..*end as usize],
            _ => &[],
        }
    }

    fn order(&self) -> &Order {
        self.order.get_or_init(|| self.find_order())
    }

    fn forget_order(&mut self) {
        self.order.take();
        self.several.take();
    }

    fn find_order(&self) -> Order {
        let mut rows: Vec<u32> = (0..number(self.rows.len())).collect();
        rows.sort_unstable_by(|a, b| self.compare(&self.rows[*a as usize], &self.rows[*b as usize]).then(a.cmp(b)));
        let mut begin = vec![0; self.volumes.len() + 1];
        for row in &self.rows {
            begin[row.volume as usize + 1] += 1;
        }
        let mut before = 0;
        for begin in &mut begin {
            before += *begin;
            *begin = before;
        }
        Order { rows, begin, unlisted: self.find_unlisted() }
    }

    fn find_unlisted(&self) -> BTreeMap<(u32, u32), Vec<u32>> {
        let lacking = self.rows.iter().filter(|row| row.set == UNLISTED && row.run != NONE);
        let lacking: BTreeSet<(u32, u32)> = lacking.map(|row| (row.run, row.instance)).collect();
        let mut unlisted: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        if lacking.is_empty() {
            return unlisted;
        }
        let there = self.rows.iter().map(|row| (row.run, row.instance, row.volume));
        let dropped = self.dropped.iter().map(|member| (member.run, member.instance, member.volume));
        for (run, instance, volume) in there.chain(dropped) {
            if lacking.contains(&(run, instance)) {
                unlisted.entry((run, instance)).or_default().push(volume);
            }
        }
        for set in unlisted.values_mut() {
            set.sort_unstable();
            set.dedup();
        }
        unlisted
    }

    /// By volume, the oldest first.
    fn compare(&self, a: &Fields, b: &Fields) -> Ordering {
        let key = |row: &Fields| (row.volume, self.taken(row), row.started);
        key(a).cmp(&key(b)).then_with(|| a.id.compare(b.id, &self.odd))
    }

    fn taken(&self, row: &Fields) -> i64 {
        self.instants.get(row.run as usize).copied().flatten().unwrap_or(row.started)
    }
}

fn run_of(snapshot: &Snapshot) -> Option<(&str, &str)> {
    Some((snapshot.tags.get(BACKUP_RUN)?, snapshot.tags.get(BACKUP_REQUEST).unwrap_or_default()))
}

/// The set that the snapshot's own tags list.
fn listed(snapshot: &Snapshot) -> Option<Vec<VolumeId>> {
    let places = layout::read(&snapshot.tags)?;
    let mut set: Vec<VolumeId> = places.into_iter().filter(|place| !place.excluded).map(|place| place.volume).collect();
    set.sort();
    set.dedup();
    Some(set)
}

/// The volume that a snapshot holds.
pub fn origin(snapshot: &Snapshot) -> Origin {
    let whence = match (snapshot.copy_of(), snapshot.copied_from(), snapshot.tags.get(SOURCE_VOLUME_ID)) {
        (None, ..) => Whence::Home,
        (Some(_), Some(region), Some(_)) => Whence::From(region),
        (Some(_), ..) => Whence::Unknown,
    };
    (whence, snapshot.volume())
}

/// A volume of the region itself.
pub fn home(volume: &VolumeId) -> Origin {
    (Whence::Home, volume.clone())
}
