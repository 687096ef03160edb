//! Images.

use crate::model::tags::Tags;
use chrono::{DateTime, Utc};

/// An Amazon machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// The account that owns it.
    pub owner: String,
    /// Its name, which no other image of its owner has in this region.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its state.
    pub state: ImageState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its processor architecture.
    pub architecture: String,
    /// Its kind of virtualization.
    pub virtualization_type: String,
    /// The device that its instances boot from.
    pub root_device: String,
    /// Its devices, each with the snapshot that it is made from.
    pub devices: Vec<ImageDevice>,
    /// The instance that it was made of.
    pub source_instance: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Image {
    /// Whether it is made from this snapshot.
    pub fn uses(&self, snapshot: &str) -> bool {
        self.devices.iter().any(|device| device.snapshot_id.as_deref() == Some(snapshot))
    }
}

/// A device of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDevice {
    /// Its name, such as `/dev/xvda`.
    pub name: String,
    /// The snapshot that it is made from; an empty volume if `None`.
    pub snapshot_id: Option<String>,
    /// Its size in GiB.
    pub size: u32,
    /// Its volume type.
    pub volume_type: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether its volume goes when the instance does.
    pub delete_on_termination: bool,
}

/// The state of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Its snapshots are being made.
    Pending,
    /// It can be used.
    Available,
    /// It cannot be used, and is listed only on demand. It still holds its snapshots.
    Disabled,
    /// One of its snapshots could not be made.
    Failed,
}

impl ImageState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ImageState::Pending => "pending",
            ImageState::Available => "available",
            ImageState::Disabled => "disabled",
            ImageState::Failed => "failed",
        }
    }
}
