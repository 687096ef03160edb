//! Volumes.

use crate::model::tags::Tags;
use crate::wire::error::Error;
use chrono::{DateTime, Utc};

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its id.
    pub id: String,
    /// Its size in GiB.
    pub size: u32,
    /// Its type, such as `gp3`.
    pub volume_type: String,
    /// Its provisioned rate, where it has one.
    pub iops: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The ARN of the key that it is encrypted with.
    pub kms_key_id: Option<String>,
    /// Whether several instances may have it at once.
    pub multi_attach: bool,
    /// Where it is.
    pub availability_zone: String,
    /// The snapshot that it was made from.
    pub snapshot_id: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The instances that have it.
    pub attachments: Vec<Attachment>,
    /// Its tags.
    pub tags: Tags,
    /// When its newest snapshot was begun: AWS wants some time between two.
    pub(crate) last_snapshot_at: Option<DateTime<Utc>>,
}

/// An instance that has a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The instance.
    pub instance_id: String,
    /// Under which device.
    pub device: String,
    /// Since when.
    pub attached_at: DateTime<Utc>,
    /// Whether the volume goes when the instance does.
    pub delete_on_termination: bool,
}

impl Volume {
    pub(crate) fn state(&self) -> &'static str {
        if self.attachments.is_empty() { "available" } else { "in-use" }
    }

    /// How many of its snapshots may be pending at once. Source: "Quotas for Amazon EBS".
    pub(crate) fn concurrent_snapshots(&self) -> usize {
        if matches!(self.volume_type.as_str(), "st1" | "sc1") { 1 } else { 5 }
    }
}

/// Checks a volume's type and size in GiB.
pub(crate) fn check_type(volume_type: &str, size: u32) -> Result<(), Error> {
    let range = match volume_type {
        "gp2" | "gp3" => 1..=16_384,
        "io1" | "io2" => 4..=16_384,
        "st1" | "sc1" => 125..=16_384,
        "standard" => 1..=1_024,
        other => {
            return Err(Error::new(
                "UnknownVolumeType",
                format!("Unsupported volume type '{other}' for volume creation."),
            ));
        }
    };
    if range.contains(&size) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Volume of {size}GiB is not valid for volume type {volume_type}; it takes {range:?} GiB."
    )))
}
