//! Which snapshots can be restored from, and what each volume's last good one is.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::{Region, VolumeId},
    inventory::{Snapshot, SnapshotState},
    layout,
    tags::{BACKUP_REQUEST, BACKUP_RUN, SOURCE_INSTANCE_ID, SOURCE_VOLUME_ID},
};

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

/// The automated snapshots of one region, by the volume that they hold.
pub struct Backups<'a> {
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
    pub fn of(snapshots: &'a [Snapshot]) -> Self {
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
    pub fn of_volume(&self, origin: &Origin) -> &[&'a Snapshot] {
        self.by_volume.get(origin).map_or(&[], Vec::as_slice)
    }

    /// Every volume of which there is a snapshot, in any state.
    pub fn volumes(&self) -> impl Iterator<Item = &Origin> {
        self.by_volume.keys()
    }

    /// Whether the snapshot is a good backup: completed, and its set with it.
    pub fn is_good(&self, snapshot: &Snapshot) -> bool {
        snapshot.state == SnapshotState::Completed && self.missing_from_set_of(snapshot).is_empty()
    }

    /// The volumes of the snapshot's set that have no completed snapshot of the same run.
    pub fn missing_from_set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
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
    pub fn is_of_several_moments(&self, snapshot: &Snapshot) -> bool {
        let instance = snapshot.tags.get(SOURCE_INSTANCE_ID);
        let completed = |member: &&Member<'_>| member.instance == instance && member.state == SnapshotState::Completed;
        let mut begun = self.of_run(snapshot).iter().filter(completed).map(|member| member.started);
        let first = begun.next();
        first.is_some_and(|first| begun.any(|other| (other - first).abs() > TimeDelta::seconds(1)))
    }

    /// The volumes that belong together with the snapshot's: what the tag `Source_Devices` lists, or without a readable
    /// list what its run has of the instance.
    pub fn set_of(&self, snapshot: &Snapshot) -> Vec<VolumeId> {
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
    pub fn last_good(&self, origin: &Origin) -> Option<&'a Snapshot> {
        let newest_first = || self.of_volume(origin).iter().rev();
        newest_first()
            .find(|snapshot| self.is_good(snapshot))
            .or_else(|| newest_first().find(|snapshot| snapshot.state == SnapshotState::Completed))
            .copied()
    }

    /// When the volume's last good backup was taken.
    pub fn last_good_at(&self, origin: &Origin) -> Option<DateTime<Utc>> {
        self.of_volume(origin).iter().rev().find(|snapshot| self.is_good(snapshot)).map(|snapshot| snapshot.taken())
    }
}

fn run_of(snapshot: &Snapshot) -> Option<(&str, &str)> {
    Some((snapshot.tags.get(BACKUP_RUN)?, snapshot.tags.get(BACKUP_REQUEST).unwrap_or_default()))
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
