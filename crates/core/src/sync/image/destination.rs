//! What one destination needs: a copy, tags, and that what is past its time goes.

use chrono::TimeDelta;

use super::{CopyImage, Destination, Image, ImageState, Inventory, Steps, SyncImage};
use crate::{
    ids::Region,
    layout,
    plan::Reason,
    run::Run,
    sync::{
        SyncState, Synced,
        config::{ImageSync, SyncJob},
        copy_key, is_trace, mark, marked_at, named, source_key, source_tag,
    },
    tags::{self, Tags},
};

/// What the tag on the source says besides of a copy that failed.
const FAILED: &str = " failed";
/// How long EC2 may take to tell of an image that was just made: changes are seen everywhere only after a while.
const NOT_TOLD_YET: TimeDelta = TimeDelta::minutes(45);

/// A job on an image whose source is known.
pub(super) struct Syncer<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) job: &'a SyncJob,
    pub(super) sync: &'a ImageSync,
    pub(super) run: &'a Run,
    pub(super) source: &'a Image,
    /// Whether the source is this account's own: another's cannot be tagged.
    pub(super) is_own: bool,
}

impl Syncer<'_> {
    /// What is to be done in a destination.
    pub(super) fn destination(&self, region: &Region, there: &Destination, steps: &mut Steps<'_>) {
        let from = &self.job.source;
        let copies = there.images.iter().filter(|it| it.is_copy_of(self.source, from));
        let present =
            copies.filter(|it| it.state != ImageState::Failed).min_by_key(|it| (rank(it.state), it.id.clone()));
        for failed in there.images.iter().filter(|it| it.state == ImageState::Failed && self.is_of_job(it)) {
            self.failed(failed, present.is_none(), region, there, steps);
        }
        let Some(copy) = present else {
            if let Some(copy) = self.copy(region, there, steps) {
                steps.copies.push(SyncImage::Copy(copy));
            }
            self.superseded(region, there, None, steps);
            return;
        };
        let state = match copy.state {
            ImageState::Available => SyncState::InSync,
            ImageState::Pending => SyncState::InProgress,
            ImageState::Disabled | ImageState::Unknown | ImageState::Failed => {
                steps.refuse(format!(
                    "its copy {} in {region} is {}: enable it or deregister it, then the next run goes on",
                    copy.id, copy.state
                ));
                return self.superseded(region, there, None, steps);
            }
        };
        let (source, resource) = (self.source.id.to_string(), copy.id.to_string());
        steps.synced.push(Synced { region: region.to_string(), source, resource, state });
        steps.tags.extend(self.tag_of_source(region, copy.id.as_str()));
        let available = Some(copy).filter(|copy| copy.is_available());
        if let Some(copy) = available.filter(|copy| copy.synced_from(from).is_some()) {
            self.device_tags(region, copy, there, steps);
        }
        self.superseded(region, there, available, steps);
    }

    /// Whether sync made it for this job: of this source, or of another image with the identifier.
    fn is_of_job(&self, image: &Image) -> bool {
        let Some(source) = image.synced_from(&self.job.source) else { return false };
        let identifier = image.tags.get(tags::SYNC_IDENTIFIER);
        // without an identifier, any image that the filters still find
        let is_found = self.sync.identifier.is_none() && self.inventory.found.iter().any(|it| it.id == source);
        let is_identified = identifier.is_some() && identifier == self.sync.identifier.as_deref();
        source == self.source.id || is_found || is_identified
    }

    /// A copy that failed goes, which frees its name; the source remembers it, so that EC2 is not asked for the same.
    fn failed(&self, copy: &Image, is_last: bool, region: &Region, there: &Destination, steps: &mut Steps<'_>) {
        let why = copy.message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
        let id = &copy.id;
        // a hold that it has of its source is none of one that holds nothing
        if copy.tags.has(tags::KEEP_FOREVER) && !self.source.tags.has(tags::KEEP_FOREVER) {
            let todo = "as long as KeepForever holds it, there is no other";
            return steps.refuse(format!("its copy {id} in {region} failed{why}: {todo}"));
        }
        if there.used.as_ref().is_ok_and(|used| used.contains(id)) {
            let todo = "an instance or a launch template names it, so that it is left alone";
            return steps.refuse(format!("its copy {id} in {region} failed{why}: {todo}"));
        }
        steps.refuse(format!(
            "its copy {id} in {region} failed{why}: it is deregistered, and the next run copies again"
        ));
        if is_last && copy.is_copy_of(self.source, &self.job.source) {
            steps.tags.extend(self.tag_of_source(region, &format!("{id}{FAILED}")));
        }
        steps.deregistrations.push(deregister(copy, region, "it failed".to_owned()));
    }

    /// The tag on the source that names its copy, unless it does already.
    fn tag_of_source(&self, region: &Region, copy: &str) -> Option<SyncImage> {
        let is_named = named(&source_key(region), &self.source.tags) == Some(copy);
        (self.is_own && !is_named).then(|| SyncImage::Tag {
            region: self.job.source.clone(),
            resource: self.source.id.to_string(),
            tags: source_tag(region, self.run, copy),
        })
    }

    /// The copy to make, unless its name is taken.
    fn copy(&self, region: &Region, there: &Destination, steps: &mut Steps<'_>) -> Option<CopyImage> {
        let Self { source, job, .. } = self;
        if let Some(namesake) = there.images.iter().find(|it| it.name == source.name) {
            // of one that failed it was told, and it goes
            if namesake.state != ImageState::Failed || !self.is_of_job(namesake) {
                steps.refuse(format!(
                    "{} cannot be copied to {region}: {} there has its name, `{}`, and is not its copy: it is left \
                     alone",
                    source.id, namesake.id, source.name
                ));
            }
            return None;
        }
        Some(CopyImage {
            source: source.id.clone(),
            from: job.source.clone(),
            to: region.clone(),
            name: source.name.clone(),
            description: source.description.clone(),
            tags: self.tags(),
            snapshot_tags: self.snapshot_tags(),
            client_token: self.client_token(region),
            kms_key: self.sync.kms_key.clone(),
        })
    }

    /// What marks a copy, and its snapshots, as ours.
    fn marks(&self) -> Tags {
        let from = (copy_key(&self.job.source), mark(self.run, &self.source.id));
        [(tags::SYNC_MADE.to_owned(), tags::YES.to_owned()), from].into_iter().collect()
    }

    fn tags(&self) -> Tags {
        let source = &self.source.tags;
        let mut own = self.marks();
        // these before the rest, should there be more tags than fit
        for key in [tags::SYNC_IDENTIFIER, tags::NAME] {
            if let Some(value) = source.get(key) {
                own.set(key, value);
            }
        }
        // the copy asks for no copies itself
        own.and_what_fits_of(source.iter().filter(|(key, _)| *key != tags::COPY_DEST && !is_trace(key)))
    }

    /// The marks, and what the snapshots behind the source have in common.
    fn snapshot_tags(&self) -> Tags {
        let empty = Tags::default();
        let mut each = self
            .source
            .devices
            .iter()
            .map(|(_, snapshot)| self.inventory.snapshot_tags.get(snapshot).unwrap_or(&empty));
        let first = each.next().unwrap_or(&empty);
        let others: Vec<&Tags> = each.collect();
        let is_common = |(key, value): &(&str, &str)| others.iter().all(|tags| tags.get(key) == Some(*value));
        self.marks().and_what_fits_of(carried(first).filter(is_common))
    }

    /// What the snapshots behind the copy lack of what those behind the source have, device by device.
    fn device_tags(&self, region: &Region, copy: &Image, there: &Destination, steps: &mut Steps<'_>) {
        for (device, snapshot) in &copy.devices {
            let original = self.source.devices.iter().find(|(name, _)| name == device);
            let wanted = original.and_then(|(_, original)| self.inventory.snapshot_tags.get(original));
            let (Some(wanted), Some(has)) = (wanted, there.snapshot_tags.get(snapshot)) else { continue };
            if has.get(tags::SYNC_MADE) != Some(tags::YES) {
                continue;
            }
            let whole = has.clone().and_what_fits_of(carried(wanted));
            let lacks: Tags = whole.iter().filter(|(key, _)| !has.has(key)).collect();
            if lacks != Tags::default() {
                let resource = snapshot.to_string();
                steps.tags.push(SyncImage::Tag { region: region.clone(), resource, tags: lacks });
            }
        }
    }

    /// By which EC2 knows the copying. A copy that failed, or is gone, has it for itself: with the same, EC2 would
    /// answer with that one for ever. Of another account's image there is no knowing, so that each hour has its own.
    fn client_token(&self, region: &Region) -> String {
        let key = source_key(region);
        let before = if self.is_own {
            // one that was begun a moment ago may be there, and only not be told of yet
            let is_gone = marked_at(&key, &self.source.tags).is_some_and(|at| self.run.instant - at > NOT_TOLD_YET);
            let last = named(&key, &self.source.tags).unwrap_or_default();
            if is_gone || last.ends_with(FAILED) { last.to_owned() } else { String::new() }
        } else {
            self.run.instant.format("%Y-%m-%dT%H").to_string()
        };
        let (from, source) = (&self.job.source, &self.source.id);
        format!("snapkeeper-{:032x}", number_of(&format!("{from} {source} {region} {before}")))
    }

    /// Lets images go that sync made for the identifier, past the number of those that stay, once the copy of the
    /// newest one is `available`.
    fn superseded(&self, region: &Region, there: &Destination, available: Option<&Image>, steps: &mut Steps<'_>) {
        let (Some(max), Some(_)) = (self.sync.max_images_to_retain, &self.sync.identifier) else { return };
        let is_one = |it: &&Image| it.is_available() && self.is_of_identifier(it);
        let mut made: Vec<&Image> = there.images.iter().filter(is_one).collect();
        made.sort_by(|a, b| b.by_age(a));
        let past: Vec<&Image> = made.into_iter().skip(max.get().into()).collect();
        if past.is_empty() {
            return;
        }
        let used = match &there.used {
            Ok(used) => used,
            Err(cause) => {
                return steps.refuse(format!(
                    "nothing is deregistered in {region}: which images are in use there could not be read: {cause}"
                ));
            }
        };
        let is_held = |image: &Image| {
            let mut behind = image.devices.iter().filter_map(|(_, snapshot)| there.snapshot_tags.get(snapshot));
            image.tags.has(tags::KEEP_FOREVER) || behind.any(|tags| tags.has(tags::KEEP_FOREVER))
        };
        for image in past.into_iter().rev() {
            let is_newest = available.is_some_and(|newest| newest.id == image.id);
            let reason = if is_held(image) {
                Some(Reason::KeepForever)
            } else if available.is_none() {
                Some(Reason::NewestNotThere(region.clone()))
            } else if is_newest {
                Some(Reason::NewestCopy)
            } else if image.created.is_none() {
                Some(Reason::NoInstant)
            } else if used.contains(&image.id) {
                Some(Reason::ImageInUse)
            } else {
                None
            };
            if let Some(reason) = reason {
                steps.plan.keep(format!("{} in {region}", image.id), reason);
            } else {
                let why = format!("older than the newest {max} of its identifier");
                steps.deregistrations.push(deregister(image, region, why));
            }
        }
    }

    fn is_of_identifier(&self, image: &Image) -> bool {
        let identifier = image.tags.get(tags::SYNC_IDENTIFIER);
        identifier == self.sync.identifier.as_deref() && image.synced_from(&self.job.source).is_some()
    }
}

/// Which of several copies counts: the best first.
fn rank(state: ImageState) -> u8 {
    match state {
        ImageState::Available => 0,
        ImageState::Pending => 1,
        ImageState::Disabled => 2,
        ImageState::Unknown => 3,
        ImageState::Failed => 4,
    }
}

/// The tags of a snapshot that its copy has as well: not those of Snapkeeper's own backups, by which the manager would
/// take the copy for one.
fn carried(tags: &Tags) -> impl Iterator<Item = (&str, &str)> {
    const OF_BACKUPS: [&str; 12] = [
        tags::TYPE,
        tags::DELETE_ON,
        tags::BACKUP_RUN,
        tags::SOURCE_INSTANCE_ID,
        tags::SOURCE_REGION,
        tags::SOURCE_VOLUME_ID,
        tags::SOURCE_SNAPSHOT_ID,
        tags::COPY_DEST,
        tags::KEEP_FOREVER,
        tags::SCRIPTED,
        tags::STATE,
        tags::BACKUP_REQUEST,
    ];
    tags.iter().filter(|(key, _)| !OF_BACKUPS.contains(key) && !layout::is_key(key) && !is_trace(key))
}

fn deregister(image: &Image, region: &Region, why: String) -> SyncImage {
    let snapshots = image.devices.iter().map(|(_, snapshot)| snapshot.clone()).collect();
    SyncImage::Deregister { region: region.clone(), image: image.id.clone(), snapshots, why }
}

/// A number that follows from a text (FNV-1a): another one for every other text, for all that matters.
fn number_of(text: &str) -> u128 {
    text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |number, byte| {
        (number ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
