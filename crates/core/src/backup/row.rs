//! What is told of one of the snapshots that are remembered.

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use super::{Backups, Life, Whence, packed::Fields};
use crate::{
    ids::{SnapshotId, VolumeId},
    inventory::SnapshotState,
};

/// What is remembered of one snapshot.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) backups: &'a Backups,
    pub(super) fields: &'a Fields,
}

impl<'a> Row<'a> {
    /// Its id.
    pub fn id(&self) -> SnapshotId {
        self.fields.id.id(&self.backups.odd)
    }

    /// Its state.
    pub fn state(&self) -> SnapshotState {
        self.fields.state
    }

    /// The instant of the backup, as [`crate::inventory::Snapshot::taken`] tells it.
    pub fn taken(&self) -> DateTime<Utc> {
        instant(self.backups.taken(self.fields))
    }

    /// When it was begun, to the microsecond.
    pub fn started(&self) -> DateTime<Utc> {
        instant(self.fields.started)
    }

    /// For how long it is to be kept.
    pub fn life(&self) -> Life {
        self.fields.life.into()
    }

    /// Whether it is a good backup: completed, and its set with it.
    pub fn is_good(&self) -> bool {
        self.backups.is_good_row(self.fields)
    }

    /// Whether it is not to be deleted, whatever comes.
    pub(crate) fn stays(&self) -> bool {
        self.fields.stays
    }

    /// Where its volume is.
    pub(crate) fn whence(&self) -> &'a Whence {
        let volume = self.backups.volumes.at(self.fields.volume);
        volume.and_then(|(whence, _)| self.backups.whences.at(*whence)).unwrap_or(&Whence::Unknown)
    }

    /// The volume that it holds.
    pub(crate) fn volume(&self) -> &'a str {
        self.backups.volumes.at(self.fields.volume).map_or("", |(_, volume)| volume.as_str())
    }

    /// The instance, as its tag tells it.
    pub(crate) fn instance(&self) -> Option<&'a str> {
        self.backups.instances.at(self.fields.instance).map(SmolStr::as_str)
    }

    /// What tells its run and its instance from others: numbers, of no use elsewhere.
    pub(crate) fn batch(&self) -> (u32, u32) {
        (self.fields.run, self.fields.instance)
    }

    /// Whether its volume has a good backup that is newer.
    pub(crate) fn is_superseded(&self) -> bool {
        let newest_first = self.backups.rows_of(self.fields.volume).rev();
        newest_first.take_while(|other| other.taken() > self.taken()).any(|other| other.is_good())
    }

    /// The volumes of its set that have no completed snapshot of the same run, by their ids.
    pub(crate) fn missing(&self) -> Vec<&'a VolumeId> {
        let (backups, run) = (self.backups, self.fields.run);
        let lacking = backups.set_of_row(self.fields).iter().filter(|volume| !backups.is_completed(run, **volume));
        let mut missing: Vec<&VolumeId> =
            lacking.filter_map(|volume| backups.volumes.at(*volume)).map(|(_, volume)| volume).collect();
        missing.sort();
        missing
    }

    /// Whether the snapshots that its run has of its instance were begun at different moments, and so are not
    /// crash-consistent with each other. A set's members share one `StartTime` (EC2 API, `CreateSnapshots`).
    pub(crate) fn is_of_several_moments(&self) -> bool {
        self.backups.several.get_or_init(|| self.backups.find_several()).contains(&self.batch())
    }

    /// What runs of its instant have of its set, whoever asked for them; nothing where it is of no run.
    pub(crate) fn taken_together(self) -> impl Iterator<Item = Row<'a>> {
        let stamp = self.stamp();
        let set = if stamp.is_some() { self.backups.set_of_row(self.fields) } else { &[] };
        let backups = self.backups;
        set.iter().flat_map(move |volume| backups.rows_of(*volume)).filter(move |row| row.stamp() == stamp)
    }

    fn stamp(&self) -> Option<&'a SmolStr> {
        self.backups.runs.at(self.fields.run).map(|run| &run.stamp)
    }
}

fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
