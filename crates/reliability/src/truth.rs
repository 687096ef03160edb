//! What truly exists, in plain types of its own: the jobs never see it, and it shares nothing with `core`.

use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// The tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// Everything that exists in the account, in every region that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The true instant.
    pub now: DateTime<Utc>,
    /// By name.
    pub regions: BTreeMap<String, Region>,
}

/// What exists in one region. Every map is by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// Instances, terminated ones among them as long as EC2 lists them.
    pub instances: BTreeMap<String, Instance>,
    /// Volumes.
    pub volumes: BTreeMap<String, Volume>,
    /// Snapshots of the account, whoever made them.
    pub snapshots: BTreeMap<String, Snapshot>,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its tags.
    pub tags: Tags,
    /// Whether it is not terminated.
    pub is_there: bool,
    /// The volume at each device.
    pub devices: BTreeMap<String, String>,
    /// The device of its root volume.
    pub root: Option<String>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its tags.
    pub tags: Tags,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The region and the id of the volume whose data it holds: of a copy, those of the primary.
    pub of: (String, String),
    /// The region and the id of the snapshot of which it truly is a copy.
    pub copy_of: Option<(String, String)>,
    /// Its state.
    pub state: State,
    /// When it was begun.
    pub begun: DateTime<Utc>,
    /// Its tags.
    pub tags: Tags,
    /// Whether a lock holds it now.
    pub locked: bool,
    /// The images that use it: registered, deprecated or disabled ones.
    pub images: BTreeSet<String>,
}

/// The state of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being made.
    Pending,
    /// Can be restored from.
    Completed,
    /// Failed.
    Error,
}

impl Truth {
    /// An account in which there is nothing, in these regions.
    pub fn empty(now: DateTime<Utc>, regions: &[&str]) -> Truth {
        Truth { now, regions: regions.iter().map(|name| ((*name).to_owned(), Region::default())).collect() }
    }

    /// A region by name; one without anything where there is no such region.
    pub fn region(&self, name: &str) -> Region {
        self.regions.get(name).cloned().unwrap_or_default()
    }
}
