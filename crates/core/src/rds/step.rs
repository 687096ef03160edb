//! What the jobs for databases do to snapshots: copy them, and delete their own.

use std::{fmt, num::NonZeroU16};

use chrono::NaiveDate;

use crate::{
    ids::Region,
    rds::inventory::{DatabaseId, DbSnapshotId},
    tags::Tags,
};

/// Copies a database snapshot to a manual one. The name of the copy is the key by which it is made only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDbSnapshot {
    /// The database of which it is.
    pub database: DatabaseId,
    /// What is copied: its identifier, or its ARN where it is of another account or region.
    pub source: String,
    /// The region into which it is copied.
    pub to: Region,
    /// The copy.
    pub target: DbSnapshotId,
    /// The KMS key for the copy, by alias, id or ARN, in its region. `None` leaves it unencrypted.
    pub kms_key: Option<String>,
    /// The tags of the copy, all of them.
    pub tags: Tags,
}

impl fmt::Display for CopyDbSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "copy {} to {} in {}", self.source, self.target, self.to)
    }
}

/// Deletes a database snapshot that Snapkeeper made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteDbSnapshot {
    /// The region in which it lies.
    pub region: Region,
    /// The snapshot.
    pub snapshot: DbSnapshotId,
    /// Why.
    pub why: Why,
}

impl fmt::Display for DeleteDbSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delete {} in {}: {}", self.snapshot, self.region, self.why)
    }
}

/// Why a snapshot goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A newer copy is shared, and this one was not, or had its time to be saved.
    Superseded(DbSnapshotId),
    /// There is a newer copy, and this one was never shared.
    NeverShared(DbSnapshotId),
    /// It has been kept for as long as was asked for.
    Due(NaiveDate),
    /// It failed, so that it holds nothing; its name is free again then.
    Failed,
    /// There are so many newer ones, and no more are asked for.
    Surplus(NonZeroU16),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded(newer) => write!(f, "{newer} is shared"),
            Self::NeverShared(newer) => write!(f, "never shared, and {newer} is newer"),
            Self::Due(day) => write!(f, "due since {day}"),
            Self::Failed => f.write_str("it failed"),
            Self::Surplus(number) => write!(f, "older than the newest {number}"),
        }
    }
}
