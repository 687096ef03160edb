//! What is in a destination: of each copy what decisions need, and no more.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    ids::{SnapshotId, VolumeId},
    inventory::{Snapshot, SnapshotState},
    tags,
};

/// Snapkeeper's copies in one destination.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// The copies, by their primary and by how many had been added before.
    by_primary: BTreeMap<(SnapshotId, usize), CopyThere>,
    /// Of each volume.
    last: BTreeMap<VolumeId, LastCopy>,
    /// Why copies failed, where AWS says so.
    causes: BTreeMap<SnapshotId, String>,
}

/// What is known of one copy.
#[derive(Clone, Debug)]
pub(crate) struct CopyThere {
    pub(crate) id: SnapshotId,
    pub(crate) state: SnapshotState,
    pub(crate) started: DateTime<Utc>,
    pub(crate) is_kept_forever: bool,
    /// Whether it has no `DeleteOn` at all.
    pub(crate) is_undated: bool,
}

/// The last copy of a volume.
#[derive(Clone, Debug)]
struct LastCopy {
    started: DateTime<Utc>,
    /// Its id, if it failed.
    failed: Option<SnapshotId>,
}

impl Copies {
    /// A snapshot of the destination; only own copies count.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let Some(source) = snapshot.copy_of().filter(|_| snapshot.is_automated()) else { return };
        let has_failed = snapshot.state == SnapshotState::Error;
        if let (true, Some(cause)) = (has_failed, &snapshot.message) {
            self.causes.insert(snapshot.id.clone(), cause.clone());
        }
        let volume = snapshot.volume();
        if self.last.get(&volume).is_none_or(|last| last.started <= snapshot.started) {
            let failed = has_failed.then(|| snapshot.id.clone());
            self.last.insert(volume, LastCopy { started: snapshot.started, failed });
        }
        let copy = CopyThere {
            id: snapshot.id.clone(),
            state: snapshot.state,
            started: snapshot.started,
            is_kept_forever: snapshot.is_kept_forever(),
            is_undated: !snapshot.tags.has(tags::DELETE_ON),
        };
        self.by_primary.insert((source, self.by_primary.len()), copy);
    }

    /// The copies of a primary in any state, the oldest first.
    pub(crate) fn of(&self, primary: &SnapshotId) -> Vec<&CopyThere> {
        let all = (primary.clone(), 0)..=(primary.clone(), usize::MAX);
        let mut copies: Vec<&CopyThere> = self.by_primary.range(all).map(|(_, copy)| copy).collect();
        copies.sort_by_key(|copy| copy.started);
        copies
    }

    /// The volume's last copy, if it failed.
    pub(super) fn last_failed(&self, volume: &VolumeId) -> Option<&SnapshotId> {
        self.last.get(volume)?.failed.as_ref()
    }

    /// Why a copy failed, if AWS says so.
    pub(crate) fn cause(&self, failed: &SnapshotId) -> Option<&str> {
        self.causes.get(failed).map(String::as_str)
    }
}

impl<'a> FromIterator<&'a Snapshot> for Copies {
    fn from_iter<I: IntoIterator<Item = &'a Snapshot>>(snapshots: I) -> Self {
        let mut copies = Self::default();
        for snapshot in snapshots {
            copies.add(snapshot);
        }
        copies
    }
}

impl CopyThere {
    /// Whether it is a copy, or may become one. One in `error` is none.
    pub(crate) fn is_live(&self) -> bool {
        match self.state {
            SnapshotState::Pending | SnapshotState::Completed | SnapshotState::Unknown => true,
            SnapshotState::Error | SnapshotState::InRecycleBin => false,
        }
    }
}
