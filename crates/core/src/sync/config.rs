//! The configuration of the syncer: YAML or JSON, read once, with everything that is wrong in it told at once.

mod client;
mod options;
mod read;
mod tree;

use std::{collections::BTreeSet, num::NonZeroU16};

use crate::{ids::Region, rds::inventory::DatabaseId};

/// How many copies of a database's snapshots are left in a destination where nothing else is said.
pub const SNAPSHOTS_TO_RETAIN: NonZeroU16 = NonZeroU16::new(2).unwrap();

/// What is to be kept in sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The jobs, in the order of their keys.
    pub jobs: Vec<SyncJob>,
}

impl Config {
    /// Reads a configuration. `origin` is what it is called in errors: a file, a setting, a parameter.
    ///
    /// # Errors
    /// All that is wrong with it, each with `origin`, the key, and what was expected.
    pub fn read(origin: &str, text: &str) -> Result<Self, BadConfig> {
        read::config(origin, text)
    }
}

/// A configuration that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadConfig(pub Vec<String>);

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncJob {
    /// Its key, `sync_web`; or the resource whose tags ask for it.
    pub name: String,
    /// Where the source is.
    pub source: Region,
    /// Where it is to be present.
    pub destinations: BTreeSet<Region>,
    /// As whom AWS is called.
    pub client: ClientConfig,
    /// What is kept in sync.
    pub what: What,
}

/// As whom AWS is called, the job's own over the global one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// The account that this must be, twelve digits.
    pub account: Option<String>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for besides.
    pub external_id: Option<String>,
    /// An endpoint in AWS's place.
    pub endpoint_url: Option<String>,
}

/// What is kept in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `sync_type: ec2_ami`.
    Image(ImageSync),
    /// `sync_type: rds_automated_snapshot`.
    Database(DatabaseSync),
}

/// An image, chosen by what must hold of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSync {
    /// The account that owns it; `None`: the one that is called.
    pub owner: Option<String>,
    /// The value of its tag `Sync-Identifier`.
    pub identifier: Option<String>,
    /// EC2's image filters, all of which must hold: name, and values of which one must.
    pub filters: Vec<(String, Vec<String>)>,
    /// Takes the newest where several are found, rather than none.
    pub newest: bool,
    /// How many images of this job are left in a destination, the newest; `None`: all.
    pub max_images_to_retain: Option<NonZeroU16>,
    /// The KMS key of the copy, by alias or id, in the destination.
    pub kms_key: Option<String>,
}

/// A database's newest automated snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSync {
    /// The DB instance or cluster.
    pub database: DatabaseId,
    /// How many copies are left in a destination beside the one in the making.
    pub max_snapshots_to_retain: NonZeroU16,
    /// The KMS key of the copy, by alias or id, in the destination: needed where the source is encrypted.
    pub kms_key: Option<String>,
}

#[cfg(test)]
mod tests;
