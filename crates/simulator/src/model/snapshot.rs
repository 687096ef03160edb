//! Snapshots, and how their creation goes.

use crate::model::ids::{Kind, hash};
use crate::model::lock::{Lock, LockState};
use crate::model::tags::Tags;
use crate::model::{Due, Place, World};
use chrono::{DateTime, Utc};

/// An EBS snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// The account that owns it.
    pub owner: String,
    /// The volume that it was made of; `vol-ffffffff` for a copy.
    pub volume_id: String,
    /// The volume's size in GiB.
    pub volume_size: u32,
    /// Its state.
    pub state: SnapshotState,
    /// Why it is in `error`.
    pub state_message: Option<String>,
    /// When it was begun.
    pub start_time: DateTime<Utc>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// Its description.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key that it is encrypted with.
    pub kms_key_id: Option<String>,
    /// What it was copied from, if it is a copy.
    pub source: Option<Source>,
    /// Where its data are kept.
    pub storage_tier: StorageTier,
    /// Its lock, which may have expired.
    pub lock: Option<Lock>,
    /// When its creation ends.
    pub(crate) ends_at: DateTime<Utc>,
    /// How its creation ends.
    pub(crate) fate: Fate,
}

/// The state of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is being made.
    Pending,
    /// It can be restored.
    Completed,
    /// It could not be made.
    Error,
}

/// What a copy was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The source's region.
    pub region: String,
    /// The source's id.
    pub snapshot: String,
}

/// Where the data of a snapshot are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageTier {
    /// Ready for use.
    Standard,
    /// In the archive, out of reach of copies.
    Archive,
}

/// How the creation of a snapshot ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Completes,
    /// It ends in `error`, for this reason.
    Fails(String),
}

/// Work that AWS counts while it is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A snapshot of this volume.
    Volume(String),
    /// A copy into this region.
    Copy,
}

/// What a snapshot is begun with.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) work: Work,
    pub(crate) volume_size: u32,
    pub(crate) description: String,
    pub(crate) tags: Tags,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) fate: Fate,
}

/// The volume that AWS names for every copy.
pub(crate) const VOLUME_OF_COPIES: &str = "vol-ffffffff";

impl SnapshotState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SnapshotState::Pending => "pending",
            SnapshotState::Completed => "completed",
            SnapshotState::Error => "error",
        }
    }
}

impl StorageTier {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            StorageTier::Standard => "standard",
            StorageTier::Archive => "archive",
        }
    }
}

impl Snapshot {
    /// Whether it is locked at an instant.
    pub fn is_locked(&self, now: DateTime<Utc>) -> bool {
        self.lock.as_ref().is_some_and(|lock| lock.state(now) != LockState::Expired)
    }

    /// How far it is: `42%`.
    pub(crate) fn progress(&self, now: DateTime<Utc>) -> String {
        match self.state {
            SnapshotState::Completed => "100%".to_owned(),
            SnapshotState::Error => String::new(),
            SnapshotState::Pending => {
                let whole = (self.ends_at - self.start_time).num_milliseconds().max(1);
                let done = (now - self.start_time).num_milliseconds();
                format!("{}%", (done.saturating_mul(100) / whole).clamp(0, 99))
            }
        }
    }
}

impl World {
    /// Begins a snapshot, which its time and its fate will end.
    pub(crate) fn begin_snapshot(&mut self, place: &Place, now: DateTime<Utc>, draft: Draft) -> Snapshot {
        let id = self.ids.fresh(Kind::Snapshot);
        let (volume_id, time) = match &draft.work {
            Work::Volume(volume) => (volume.clone(), self.snapshot_time),
            Work::Copy => (VOLUME_OF_COPIES.to_owned(), self.copy_time),
        };
        let snapshot = Snapshot {
            id: id.clone(),
            owner: place.account.clone(),
            volume_id,
            volume_size: draft.volume_size,
            state: SnapshotState::Pending,
            state_message: None,
            start_time: now,
            completed_at: None,
            description: draft.description,
            tags: draft.tags,
            encrypted: draft.kms_key_id.is_some(),
            kms_key_id: draft.kms_key_id,
            source: draft.source,
            storage_tier: StorageTier::Standard,
            lock: None,
            ends_at: now + time,
            fate: draft.fate,
        };
        self.schedule(snapshot.ends_at, place, Due::Snapshot(id.clone()));
        let region = self.region(place);
        if let Some(volume) = region.volumes.get_mut(&snapshot.volume_id) {
            volume.last_snapshot_at = Some(now);
        }
        region.under_way.begin(&id, draft.work);
        region.snapshots.insert(snapshot.clone());
        snapshot
    }

    /// The fate of the next snapshot of a volume, one of those that were asked to fail being used up.
    pub(crate) fn fate_of(&mut self, volume: &str) -> Fate {
        match self.failures.get_mut(volume) {
            Some(times) if *times > 0 => {
                *times -= 1;
                Fate::Fails(format!("The snapshot of {volume} failed."))
            }
            Some(_) | None => Fate::Completes,
        }
    }
}

/// The account of the public snapshots.
pub(crate) const PUBLIC_OWNER: &str = "137112412989";
/// The name under which that account goes.
pub(crate) const PUBLIC_OWNER_ALIAS: &str = "amazon";

/// Other people's snapshots, which every region lists to whoever does not ask for their own only. Everyone can read
/// them, and no one here can change them.
pub(crate) fn public(region: &str) -> Vec<Snapshot> {
    let made_at = DateTime::from_timestamp(1_600_000_000, 0).unwrap_or_default();
    let one = |number: u8| Snapshot {
        id: format!("snap-0{:016x}", hash(&format!("public {region} {number}"))),
        owner: PUBLIC_OWNER.to_owned(),
        volume_id: VOLUME_OF_COPIES.to_owned(),
        volume_size: 8,
        state: SnapshotState::Completed,
        state_message: None,
        start_time: made_at,
        completed_at: Some(made_at),
        description: format!("Public data set {number}"),
        // one account never sees another's tags
        tags: Tags::new(),
        encrypted: false,
        kms_key_id: None,
        source: None,
        storage_tier: StorageTier::Standard,
        lock: None,
        ends_at: made_at,
        fate: Fate::Completes,
    };
    (1..=3).map(one).collect()
}
