//! What one account has in one region.

use crate::model::Place;
use crate::model::database::{Database, DbKey, OptionGroup};
use crate::model::db_snapshot::DbSnapshot;
use crate::model::ids::Kind;
use crate::model::image::{Image, ImageState};
use crate::model::instance::{Instance, InstanceState};
use crate::model::keys::{self, DEFAULT_KEY, Key};
use crate::model::launch_template::LaunchTemplate;
use crate::model::parameter::Parameter;
use crate::model::snapshot::{Fate, Snapshot, SnapshotState};
use crate::model::snapshots::Snapshots;
use crate::model::tags::Tags;
use crate::model::under_way::UnderWay;
use crate::model::volume::{Attachment, Volume};
use crate::wire::error::Error;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What one account has in one region. Every map is by id, or by what the comment says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Region {
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) snapshots: Snapshots,
    /// The snapshots that were ever locked, whether they are or not.
    pub(crate) locked: BTreeSet<String>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) launch_templates: BTreeMap<String, LaunchTemplate>,
    pub(crate) under_way: UnderWay,
    /// By ARN.
    pub(crate) keys: BTreeMap<String, Key>,
    /// By action and client token: the ids of what the first such call made.
    pub(crate) client_tokens: BTreeMap<(&'static str, String), Vec<String>>,
    /// By client token: what the first call of `CopyImage` asked for, as a number, and the image that it made.
    pub(crate) copied_images: BTreeMap<String, (u64, String)>,
    /// By name.
    pub(crate) parameters: BTreeMap<String, Parameter>,
    /// By ARN: the subscriptions of a topic, as protocol and endpoint.
    pub(crate) topics: BTreeMap<String, Vec<(String, String)>>,
    /// By kind and identifier.
    pub(crate) databases: BTreeMap<DbKey, Database>,
    /// By kind and identifier.
    pub(crate) db_snapshots: BTreeMap<DbKey, DbSnapshot>,
    /// By name.
    pub(crate) option_groups: BTreeMap<String, OptionGroup>,
}

impl Region {
    pub(crate) fn instance(&mut self, id: &str) -> Result<&mut Instance, Error> {
        self.instances.get_mut(id).ok_or_else(|| Kind::Instance.not_found(id))
    }

    pub(crate) fn volume(&mut self, id: &str) -> Result<&mut Volume, Error> {
        self.volumes.get_mut(id).ok_or_else(|| Kind::Volume.not_found(id))
    }

    /// A snapshot. Its tags are changed by [`Region::set_tags`].
    pub(crate) fn snapshot(&mut self, id: &str) -> Result<&mut Snapshot, Error> {
        self.snapshots.get_mut(id).ok_or_else(|| Kind::Snapshot.not_found(id))
    }

    pub(crate) fn image(&mut self, id: &str) -> Result<&mut Image, Error> {
        self.images.get_mut(id).ok_or_else(|| Kind::Image.not_found(id))
    }

    pub(crate) fn launch_template(&mut self, id: &str) -> Result<&mut LaunchTemplate, Error> {
        self.launch_templates.get_mut(id).ok_or_else(|| Kind::LaunchTemplate.not_found(id))
    }

    /// The tags of a resource of whatever kind.
    pub(crate) fn tags(&self, id: &str) -> Result<&Tags, Error> {
        let kind = Kind::of(id).ok_or_else(|| no_id(id))?;
        let tags = match kind {
            Kind::Instance => self.instances.get(id).map(|one| &one.tags),
            Kind::Volume => self.volumes.get(id).map(|one| &one.tags),
            Kind::Snapshot => self.snapshots.all().get(id).map(|one| &one.tags),
            Kind::Image => self.images.get(id).map(|one| &one.tags),
            Kind::LaunchTemplate => self.launch_templates.get(id).map(|one| &one.tags),
        };
        tags.ok_or_else(|| kind.not_found(id))
    }

    /// Gives a resource of whatever kind other tags.
    pub(crate) fn set_tags(&mut self, id: &str, tags: Tags) -> Result<(), Error> {
        match Kind::of(id) {
            Some(Kind::Instance) => self.instance(id)?.tags = tags,
            Some(Kind::Volume) => self.volume(id)?.tags = tags,
            Some(Kind::Snapshot) => self.snapshots.set_tags(id, tags)?,
            Some(Kind::Image) => self.image(id)?.tags = tags,
            Some(Kind::LaunchTemplate) => self.launch_template(id)?.tags = tags,
            None => return Err(no_id(id)),
        }
        Ok(())
    }

    /// Gives a volume to an instance. Both sides are written here and in [`Region::detach`], nowhere else.
    pub(crate) fn attach(&mut self, volume: &str, attachment: Attachment) -> Result<(), Error> {
        let instance = self.instance(&attachment.instance_id)?;
        instance.devices.insert(attachment.device.clone(), volume.to_owned());
        self.volume(volume)?.attachments.push(attachment);
        Ok(())
    }

    /// Takes a volume from an instance.
    pub(crate) fn detach(&mut self, volume: &str, instance: &str) {
        if let Some(instance) = self.instances.get_mut(instance) {
            instance.devices.retain(|_, attached| attached != volume);
        }
        if let Some(volume) = self.volumes.get_mut(volume) {
            volume.attachments.retain(|attachment| attachment.instance_id != instance);
        }
    }

    /// Ends the creation of a snapshot, as its fate would have it.
    pub(crate) fn end_snapshot(&mut self, id: &str) {
        let mut counts = false;
        if let Some(snapshot) = self.snapshots.get_mut(id) {
            match snapshot.fate.clone() {
                Fate::Completes => {
                    snapshot.state = SnapshotState::Completed;
                    snapshot.completed_at = Some(snapshot.ends_at);
                }
                Fate::Fails(reason) => {
                    snapshot.state = SnapshotState::Error;
                    snapshot.state_message = Some(reason);
                    // "if the snapshot creation fails, the lock is cancelled"
                    snapshot.lock = None;
                    counts = snapshot.source.is_none();
                }
            }
        }
        if !counts {
            self.under_way.end(id);
        }
        self.end_images_of(id);
    }

    /// Ends what an instance is at, unless it has been terminated meanwhile.
    pub(crate) fn end_change(&mut self, id: &str) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.state = match instance.state {
                InstanceState::Pending if instance.falls_back => InstanceState::Stopped,
                InstanceState::Pending => InstanceState::Running,
                InstanceState::Stopping => InstanceState::Stopped,
                done @ (InstanceState::Running | InstanceState::Stopped | InstanceState::Terminated) => done,
            };
        }
    }

    /// Ends the making of the images that this snapshot is for, if it was the last one they waited for, or failed.
    fn end_images_of(&mut self, snapshot: &str) {
        let waits = |image: &&mut Image| image.state == ImageState::Pending && image.uses(snapshot);
        for image in self.images.values_mut().filter(waits) {
            let ids = image.devices.iter().filter_map(|device| device.snapshot_id.as_ref());
            let made: Vec<&Snapshot> = ids.filter_map(|id| self.snapshots.all().get(id)).collect();
            if let Some(lost) = made.iter().find(|one| one.state == SnapshotState::Error) {
                image.state = ImageState::Failed;
                image.state_message.clone_from(&lost.state_message);
            } else if made.iter().all(|one| one.state != SnapshotState::Pending) {
                image.state = ImageState::Available;
            }
        }
    }

    /// Whether EBS can use a key here.
    pub(crate) fn can_use_key(&self, place: &Place, arn: &str) -> bool {
        arn == keys::arn(place, DEFAULT_KEY) || self.keys.get(arn).is_some_and(|key| key.enabled)
    }

    /// Makes a key, or enables it again; then it is not deleted either.
    pub(crate) fn enable_key(&mut self, arn: &str, now: DateTime<Utc>) {
        let key = self.keys.entry(arn.to_owned()).or_default();
        key.enabled = true;
        key.made_at.get_or_insert(now);
        key.deletion_at = None;
    }

    /// Disables a key: whatever is being encrypted with it fails.
    pub(crate) fn disable_key(&mut self, arn: &str) {
        self.keys.entry(arn.to_owned()).or_default().enabled = false;
        for snapshot in self.snapshots.values_mut() {
            let pending = snapshot.state == SnapshotState::Pending;
            if pending && snapshot.source.is_some() && snapshot.kms_key_id.as_deref() == Some(arn) {
                snapshot.fate = Fate::Fails(KEY_NOT_ACCESSIBLE.to_owned());
            }
        }
    }
}

/// The error for what is no id of any kind.
fn no_id(id: &str) -> Error {
    Error::new("InvalidID", format!("The ID '{id}' is not valid"))
}

/// What AWS says of a copy whose key it cannot use. Source: "Copy an Amazon EBS snapshot".
pub(crate) const KEY_NOT_ACCESSIBLE: &str = "Given key ID is not accessible";
