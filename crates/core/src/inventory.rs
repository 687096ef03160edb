//! What is found in an account: instances, volumes and snapshots, as plain data.

use chrono::{DateTime, Utc};

use crate::{
    ids::{InstanceId, Region, SnapshotId, VolumeId},
    tags::{self, Choice, DeleteOn, Tags},
};

/// An EC2 instance with the EBS volumes that are attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its state.
    pub state: InstanceState,
    /// When it was last started.
    pub launched: DateTime<Utc>,
    /// The device of its root volume, `/dev/xvda`.
    pub root_device: Option<String>,
    /// Its EBS volumes, in EC2's order. Instance-store volumes are not among them.
    pub devices: Vec<Device>,
    /// Whether its root is an instance store, so that it cannot be stopped.
    pub root_is_store: bool,
    /// Whether it is a Spot instance.
    pub is_spot: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Instance {
    /// Whether it has not gone and is not going.
    pub fn is_there(&self) -> bool {
        match self.state {
            InstanceState::Pending
            | InstanceState::Running
            | InstanceState::Stopping
            | InstanceState::Stopped
            | InstanceState::Unknown => true,
            InstanceState::ShuttingDown | InstanceState::Terminated => false,
        }
    }
}

/// A volume's place in an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The device name, `/dev/xvda`.
    pub name: String,
    /// The volume.
    pub volume: VolumeId,
    /// Since when it has been attached, where EC2 tells.
    pub attached: Option<DateTime<Utc>>,
}

/// EC2's instance states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// Stopping, or going into hibernation.
    Stopping,
    /// Stopped or hibernated.
    Stopped,
    /// On its way to `Terminated`.
    ShuttingDown,
    /// Gone for good; EC2 still lists it for a while.
    Terminated,
    /// A state that EC2 did not have when this was written.
    Unknown,
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The instances to which it is attached: several for a multi-attach volume.
    pub attached_to: Vec<InstanceId>,
    /// Its tags.
    pub tags: Tags,
}

impl Volume {
    /// Whether the operator left it out. An unreadable tag does not.
    pub fn is_excluded(&self) -> bool {
        Choice::from_tags(&self.tags).0 == Choice::No
    }
}

/// An EBS snapshot, primary or copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The volume as AWS tells it: bogus on copies, see [`Snapshot::volume`].
    pub volume_as_told: VolumeId,
    /// Its state.
    pub state: SnapshotState,
    /// Why it is in that state, where AWS says so: of failed copies.
    pub message: Option<String>,
    /// When it was begun.
    pub started: DateTime<Utc>,
    /// Its description.
    pub description: String,
    /// Whether it lies in the archive tier, from where it cannot be copied.
    pub archived: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Snapshot {
    /// Whether Snapkeeper made it.
    pub fn is_automated(&self) -> bool {
        self.tags.get(tags::TYPE) == Some(tags::AUTOMATED)
    }

    /// The primary of which this is a copy; `None` of a primary.
    pub fn copy_of(&self) -> Option<SnapshotId> {
        self.tags.get(tags::SOURCE_SNAPSHOT_ID).map(SnapshotId::from)
    }

    /// The volume that it holds.
    pub fn volume(&self) -> VolumeId {
        match self.tags.get(tags::SOURCE_VOLUME_ID) {
            Some(volume) if self.copy_of().is_some() => volume.into(),
            Some(_) | None => self.volume_as_told.clone(),
        }
    }

    /// The region of that volume, if the snapshot is a copy and its tag can be read.
    pub fn copied_from(&self) -> Option<Region> {
        self.copy_of()?;
        self.tags.get(tags::SOURCE_REGION)?.parse().ok()
    }

    /// The instant of the backup: the run that it answers to, or else when it was begun.
    pub fn taken(&self) -> DateTime<Utc> {
        tags::run_instant(&self.tags).unwrap_or(self.started)
    }

    /// Whether the operator wants it kept.
    pub fn is_kept_forever(&self) -> bool {
        self.tags.has(tags::KEEP_FOREVER)
    }

    /// When it may be deleted.
    pub fn delete_on(&self) -> DeleteOn {
        DeleteOn::from_tags(&self.tags)
    }
}

/// EC2's snapshot states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Being taken or copied.
    Pending,
    /// Can be restored from.
    Completed,
    /// Failed.
    Error,
    /// In the Recycle Bin, or on its way back from there.
    InRecycleBin,
    /// A state that EC2 did not have when this was written.
    Unknown,
}
