//! Plans the copies of an image in its destinations.

mod choose;
mod destination;
#[cfg(test)]
pub(crate) mod fixtures;

pub use self::choose::is_own;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

use self::destination::Syncer;
use crate::{
    ids::{ImageId, Region, SnapshotId},
    plan::{Action, Plan, Refusal},
    run::Run,
    sync::{
        SyncState, Synced,
        config::{SyncJob, What},
        copy_key, named,
    },
    tags::{self, Tags},
};

/// An Amazon machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, unique in an account and region.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The account that owns it.
    pub owner: String,
    /// Its state.
    pub state: ImageState,
    /// Why it failed, where EC2 says so.
    pub message: Option<String>,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
    /// Whether it is disabled or deprecated counts for nothing here; the image of which it is a copy, if EC2 tells
    /// (`SourceImageRegion`, `SourceImageId`).
    pub copy_of: Option<(Region, ImageId)>,
    /// Its EBS devices, each with the snapshot behind it.
    pub devices: Vec<(String, SnapshotId)>,
    /// Whether one of these snapshots is encrypted.
    pub encrypted: bool,
    /// Its tags.
    pub tags: Tags,
}

impl Image {
    /// Whether it can be launched and copied.
    pub fn is_available(&self) -> bool {
        self.state == ImageState::Available
    }

    /// Which of two images is the older; one of which that is not told counts as the older.
    pub fn by_age(&self, other: &Self) -> Ordering {
        (self.created, &self.id).cmp(&(other.created, &other.id))
    }

    /// Of which image it is a copy that sync made from the region `from`. A copy that somebody made of such a copy may
    /// have the same tags, and is none.
    fn synced_from(&self, from: &Region) -> Option<ImageId> {
        if self.tags.get(tags::SYNC_MADE) != Some(tags::YES) {
            return None;
        }
        let source = ImageId::from(named(&copy_key(from), &self.tags)?);
        let is_told = |(region, image): &(Region, ImageId)| region == from && *image == source;
        self.copy_of.as_ref().is_none_or(is_told).then_some(source)
    }

    /// Whether it is a copy of `source`, whoever made it.
    fn is_copy_of(&self, source: &Image, from: &Region) -> bool {
        let is_told = |(region, image): &(Region, ImageId)| region == from && *image == source.id;
        self.copy_of.as_ref().is_some_and(is_told) || self.synced_from(from).as_ref() == Some(&source.id)
    }
}

/// EC2's image states, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Can be launched.
    Available,
    /// Being made or copied.
    Pending,
    /// `failed`, `error`, `invalid`: never to be.
    Failed,
    /// `disabled`: there, but not to be launched.
    Disabled,
    /// `deregistered`, `transient`, or a state that EC2 did not have when this was written.
    Unknown,
}

impl fmt::Display for ImageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Disabled => "disabled",
            Self::Unknown => "in a state that is not known",
        })
    }
}

/// What is read for a job on an image.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The images that owner, identifier and filters come down to.
    pub found: Vec<Image>,
    /// The tags of the snapshots behind them.
    pub snapshot_tags: BTreeMap<SnapshotId, Tags>,
    /// Each destination, or why it could not be read.
    pub destinations: BTreeMap<Region, Result<Destination, String>>,
}

/// What is in a destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// All images of this account, whoever made them.
    pub images: Vec<Image>,
    /// Those of them that an instance or a launch template uses, or why that is not known. Asked only where images may
    /// be deregistered (`max_images_to_retain`).
    pub used: Result<BTreeSet<ImageId>, String>,
    /// The tags of the snapshots behind the copies.
    pub snapshot_tags: BTreeMap<SnapshotId, Tags>,
}

/// Plans what is to be done, and tells what is there. Copies come first, deregistrations last. What is wrong is a
/// refusal each, in the name of the job.
pub fn plan(inventory: &Inventory, job: &SyncJob, run: &Run) -> (Plan<SyncImage>, Vec<Synced>) {
    let mut steps = Steps::of(job);
    let sync = match &job.what {
        What::Image(sync) => sync,
        What::Database(_) => return steps.refused("it is no job on an image".to_owned()),
    };
    let source = match choose::source(&inventory.found, sync, job) {
        Ok(source) => source,
        Err(cause) => return steps.refused(cause),
    };
    let syncer = Syncer { inventory, job, sync, run, source, is_own: choose::is_own(source, inventory, sync, job) };
    for region in &job.destinations {
        match inventory.destinations.get(region) {
            Some(Ok(there)) => syncer.destination(region, there, &mut steps),
            Some(Err(cause)) => steps.refuse(format!("{region} could not be looked into: {cause}")),
            None => steps.refuse(format!("{region} was not looked into")),
        }
    }
    steps.done()
}

/// What comes of a job, by its kinds.
struct Steps<'a> {
    job: &'a SyncJob,
    plan: Plan<SyncImage>,
    synced: Vec<Synced>,
    copies: Vec<SyncImage>,
    tags: Vec<SyncImage>,
    deregistrations: Vec<SyncImage>,
}

impl<'a> Steps<'a> {
    fn of(job: &'a SyncJob) -> Self {
        let (copies, tags, deregistrations) = (Vec::new(), Vec::new(), Vec::new());
        Self { job, plan: Plan::default(), synced: Vec::new(), copies, tags, deregistrations }
    }

    fn refuse(&mut self, cause: String) {
        self.plan.refusals.push(Refusal { resource: self.job.name.clone(), cause });
    }

    fn refused(mut self, cause: String) -> (Plan<SyncImage>, Vec<Synced>) {
        self.refuse(cause);
        self.done()
    }

    fn done(mut self) -> (Plan<SyncImage>, Vec<Synced>) {
        self.plan.actions = [self.copies, self.tags, self.deregistrations].concat();
        (self.plan, self.synced)
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncImage {
    /// Copies the image.
    Copy(CopyImage),
    /// Tags the source, or what a copy lacks.
    Tag {
        /// The region of what is tagged.
        region: Region,
        /// An image or a snapshot.
        resource: String,
        /// The tags.
        tags: Tags,
    },
    /// Deregisters an image that sync made, with its snapshots.
    Deregister {
        /// Where.
        region: Region,
        /// The image.
        image: ImageId,
        /// Its snapshots, deleted after it unless another image uses them.
        snapshots: Vec<SnapshotId>,
        /// Why, in words.
        why: String,
    },
}

/// Copies an image into a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyImage {
    /// The source.
    pub source: ImageId,
    /// Its region.
    pub from: Region,
    /// The destination.
    pub to: Region,
    /// The name of the copy.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its tags, all of them.
    pub tags: Tags,
    /// The tags of the snapshots behind it: what those behind the source have in common, and our own.
    pub snapshot_tags: Tags,
    /// By which EC2 knows a call that is made again (`CopyImage`, at most 64 ASCII characters).
    pub client_token: String,
    /// The KMS key, where the copy is encrypted.
    pub kms_key: Option<String>,
}

impl CopyImage {
    /// What the result says of it once it is begun: the copy's id, or in a dry run its name.
    pub fn synced(&self, copy: &str) -> Synced {
        Synced {
            region: self.to.to_string(),
            source: self.source.to_string(),
            resource: copy.to_owned(),
            state: SyncState::Created,
        }
    }
}

impl fmt::Display for SyncImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(CopyImage { source, from, to, name, .. }) => {
                write!(f, "copy {source} ({}) from {from} to {to}", name.escape_debug())
            }
            Self::Tag { region, resource, tags } => {
                write!(f, "tag {resource} in {region}:")?;
                tags.iter().try_for_each(|(key, value)| write!(f, " {key}={}", value.escape_debug()))
            }
            Self::Deregister { region, image, snapshots, why } => {
                write!(f, "deregister {image} in {region}")?;
                for (index, snapshot) in snapshots.iter().enumerate() {
                    write!(f, "{} {snapshot}", if index == 0 { " with" } else { "," })?;
                }
                write!(f, ": {why}")
            }
        }
    }
}

impl Action for SyncImage {
    fn resource(&self) -> String {
        match self {
            Self::Copy(copy) => copy.source.to_string(),
            Self::Tag { resource, .. } => resource.clone(),
            Self::Deregister { image, .. } => image.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
