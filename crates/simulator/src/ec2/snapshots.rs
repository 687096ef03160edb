//! Snapshots of volumes: taken one by one or as a set, listed, deleted.

use crate::action::{Read, act};
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::ec2::{done, tags};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::instance::{Instance, InstanceState};
use crate::model::snapshot::{Draft, Fate, PUBLIC_OWNER, PUBLIC_OWNER_ALIAS, Snapshot, SnapshotState, Work, public};
use crate::model::snapshots::INDEXED;
use crate::model::tags::{Tags, is_reserved, merged, tag_set};
use crate::model::volume::Volume;
use crate::record::Deletion;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use chrono::{DateTime, TimeDelta, Utc};

const LONGEST_DESCRIPTION: usize = 255;
const MOST_EXCLUDED: usize = 40;
/// How long AWS wants between two snapshots of one volume. Source: "Error codes for the Amazon EC2 API".
const BETWEEN_SNAPSHOTS: TimeDelta = TimeDelta::seconds(15);

impl Resource for Snapshot {
    const KIND: Kind = Kind::Snapshot;
    const FIELDS: &'static [Field<Snapshot>] = &[
        ("snapshot-id", |snapshot, passes| passes(&snapshot.id)),
        ("volume-id", |snapshot, passes| passes(&snapshot.volume_id)),
        ("status", |snapshot, passes| passes(snapshot.state.as_str())),
        ("owner-id", |snapshot, passes| passes(&snapshot.owner)),
        ("description", |snapshot, passes| passes(&snapshot.description)),
        ("encrypted", |snapshot, passes| passes(&snapshot.encrypted.to_string())),
        ("storage-tier", |snapshot, passes| passes(snapshot.storage_tier.as_str())),
        ("start-time", |snapshot, passes| passes(&instant(snapshot.start_time))),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// What a caller wants of new snapshots, beside the volumes.
pub(super) struct Wish {
    pub(super) description: String,
    pub(super) tags: Tags,
    pub(super) copy_volume_tags: bool,
}

/// What a caller wants of a set, beside what it wants of each snapshot.
struct SetWish {
    instance_id: String,
    exclude_boot: bool,
    excluded: Vec<String>,
}

pub(super) fn create(params: &Params) -> Read {
    let volume_id = Kind::Volume.check(params.required("VolumeId")?)?;
    let tags = tags::specified(params, Kind::Snapshot)?;
    let wish = Wish { description: description(params)?, tags, copy_volume_tags: false };
    Ok(act(move |here| {
        let volume = here.region().volume(&volume_id)?.clone();
        let drafts = drafts(here, &[volume], &wish)?;
        let made = begin(here, drafts);
        Ok(made.iter().fold(Nodes::new(), |nodes, snapshot| nodes.and(shape(snapshot, here.now))))
    }))
}

pub(super) fn create_set(params: &Params) -> Read {
    let set = SetWish {
        instance_id: Kind::Instance.check(params.required("InstanceSpecification.InstanceId")?)?,
        exclude_boot: params.flag("InstanceSpecification.ExcludeBootVolume")?.unwrap_or_default(),
        excluded: params
            .list("InstanceSpecification.ExcludeDataVolumeId")
            .into_iter()
            .map(|id| Kind::Volume.check(id))
            .collect::<Result<_, _>>()?,
    };
    if set.excluded.len() > MOST_EXCLUDED {
        return Err(Error::invalid(format!("At most {MOST_EXCLUDED} data volumes can be excluded.")));
    }
    let copy_volume_tags = match params.text("CopyTagsFromSource") {
        None => false,
        Some("volume") => true,
        Some(other) => return Err(Error::invalid_value("CopyTagsFromSource", other)),
    };
    let tags = tags::specified(params, Kind::Snapshot)?;
    let wish = Wish { description: description(params)?, tags, copy_volume_tags };
    Ok(act(move |here| {
        let volumes = chosen(here, &set)?;
        let drafts = drafts(here, &volumes, &wish)?;
        let made = begin(here, drafts);
        Ok(Nodes::new().items("snapshotSet", made.iter().map(|snapshot| shape_in_set(snapshot, here.now))))
    }))
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<Snapshot>::read(params)?;
    let owners: Vec<String> = params.list("Owner").into_iter().map(str::to_owned).collect();
    Ok(act(move |here| {
        let (now, page_size) = (here.now, here.world.page_size);
        let own = here.place.account.clone();
        let public = public(&here.place.region);
        let snapshots = &here.region().snapshots;
        let all = All::of(snapshots.all()).and(&public);
        let indexed = INDEXED.into_iter().find_map(|filter| Some((filter, listing.exactly(filter)?)));
        let all = match (listing.exactly("snapshot-id"), indexed) {
            (Some(ids), _) => all.only(ids),
            (None, Some((filter, values))) => all.only(snapshots.having(filter, values)),
            (None, None) => all,
        };
        let is_shown = |snapshot: &Snapshot| {
            owners.is_empty() || owners.iter().any(|owner| is_owner(owner, &snapshot.owner, &own))
        };
        let (page, next) = listing.pick(page_size, all, is_shown)?;
        let shapes = page.into_iter().map(|snapshot| shape(snapshot, now));
        Ok(Nodes::new().items("snapshotSet", shapes).maybe("nextToken", next))
    }))
}

pub(super) fn delete(params: &Params) -> Read {
    let id = Kind::Snapshot.check(params.required("SnapshotId")?)?;
    Ok(act(move |here| remove(here, &id).map(|()| done())))
}

/// Deletes a snapshot, if nothing holds it.
pub(super) fn remove(here: &mut Here<'_>, id: &str) -> Result<(), Error> {
    let now = here.now;
    let snapshot = here.own_snapshot(id)?.clone();
    let region = here.region();
    // whether the image is registered, deprecated or disabled makes no difference
    if let Some(image) = region.images.values().find(|image| image.uses(id)) {
        let message = format!("The snapshot {id} is currently in use by {}", image.id);
        return Err(Error::new("InvalidSnapshot.InUse", message));
    }
    if snapshot.is_locked(now) {
        // unconfirmed: AWS does not document the code
        return Err(Error::new("SnapshotLocked", format!("The snapshot {id} is locked.")));
    }
    region.snapshots.remove(id);
    region.locked.remove(id);
    // a pending one goes on counting as concurrent until its time
    if snapshot.state == SnapshotState::Error {
        region.under_way.end(id);
    }
    let Here { world, place, caller, .. } = here;
    world.deletions.push(Deletion {
        at: now,
        caller: String::from(*caller),
        account: place.account.clone(),
        region: place.region.clone(),
        snapshot,
    });
    Ok(())
}

/// The description that a call gives.
pub(super) fn description(params: &Params) -> Result<String, Error> {
    let description = params.text("Description").unwrap_or_default();
    if description.chars().count() > LONGEST_DESCRIPTION {
        return Err(Error::invalid(format!(
            "Description exceeds the maximum length of {LONGEST_DESCRIPTION} characters"
        )));
    }
    Ok(description.to_owned())
}

/// Refuses new snapshots past the quota of the region.
pub(super) fn check_quota(here: &mut Here<'_>, more: usize) -> Result<(), Error> {
    if here.region().snapshots.all().len() + more > here.world.snapshot_limit {
        return Err(Error::new("SnapshotLimitExceeded", "Maximum number of snapshots reached for this account."));
    }
    Ok(())
}

/// Whether an owner that a caller names is the owner of something.
pub(super) fn is_owner(named: &str, owner: &str, own: &str) -> bool {
    match named {
        "self" => owner == own,
        PUBLIC_OWNER_ALIAS => owner == PUBLIC_OWNER,
        account => owner == account,
    }
}

/// The volumes of an instance that a set is to cover, in the order of their devices.
fn chosen(here: &mut Here<'_>, set: &SetWish) -> Result<Vec<Volume>, Error> {
    let region = here.region();
    let instance: Instance = region.instance(&set.instance_id)?.clone();
    if instance.state == InstanceState::Terminated {
        let message = format!("The instance '{}' is terminated.", set.instance_id);
        return Err(Error::new("IncorrectInstanceState", message));
    }
    let root = instance.root_volume();
    for excluded in &set.excluded {
        if root == Some(excluded.as_str()) {
            return Err(Error::invalid(format!("Volume {excluded} is the root volume; use ExcludeBootVolume.")));
        }
        if !instance.devices.values().any(|attached| attached == excluded) {
            return Err(Error::invalid(format!("Volume {excluded} is not attached to {}.", set.instance_id)));
        }
    }
    let is_chosen = |id: &&String| !(set.excluded.contains(id) || set.exclude_boot && root == Some(id.as_str()));
    let ids = instance.devices.values().filter(is_chosen);
    let volumes: Vec<Volume> = ids.map(|id| region.volume(id).cloned()).collect::<Result<_, _>>()?;
    if volumes.is_empty() {
        return Err(Error::invalid(format!("Instance {} has no EBS volume to snapshot.", set.instance_id)));
    }
    Ok(volumes)
}

/// The snapshots of all these volumes as they are to be begun, or the error why one of them may not be. Every action
/// that takes snapshots of volumes comes by here, and then has nothing left that could go wrong before [`begin`].
pub(super) fn drafts(here: &mut Here<'_>, volumes: &[Volume], wish: &Wish) -> Result<Vec<Draft>, Error> {
    let mut tags = Vec::new();
    for volume in volumes {
        check_allowed(here, volume)?;
        tags.push(tags_for(volume, wish)?);
    }
    check_quota(here, volumes.len())?;

    let fates: Vec<Fate> = volumes.iter().map(|volume| here.world.fate_of(&volume.id)).collect();
    // where one member of a set fails, all do
    let failure = fates.into_iter().find(|fate| *fate != Fate::Completes).unwrap_or(Fate::Completes);
    let draft = |(volume, tags): (&Volume, Tags)| Draft {
        work: Work::Volume(volume.id.clone()),
        volume_size: volume.size,
        description: wish.description.clone(),
        tags,
        kms_key_id: volume.kms_key_id.clone(),
        source: None,
        fate: failure.clone(),
    };
    Ok(volumes.iter().zip(tags).map(draft).collect())
}

/// Begins these snapshots, in their order.
pub(super) fn begin(here: &mut Here<'_>, drafts: Vec<Draft>) -> Vec<Snapshot> {
    drafts.into_iter().map(|draft| here.world.begin_snapshot(here.place, here.now, draft)).collect()
}

/// Refuses a volume of which no snapshot may be taken now.
fn check_allowed(here: &mut Here<'_>, volume: &Volume) -> Result<(), Error> {
    let id = &volume.id;
    if let Some(code) = here.world.refusals.get(id) {
        return Err(Error::new(code, format!("A snapshot of volume {id} is not possible now.")));
    }
    if volume.last_snapshot_at.is_some_and(|last| here.now - last < BETWEEN_SNAPSHOTS) {
        let message = format!("The maximum per volume CreateSnapshot request rate has been exceeded for {id}.");
        return Err(Error::new("SnapshotCreationPerVolumeRateExceeded", message));
    }
    if here.region().under_way.of_volume(id) >= volume.concurrent_snapshots() {
        let message = format!("Maximum concurrent snapshots reached for volume {id}.");
        return Err(Error::new("ConcurrentSnapshotLimitExceeded", message));
    }
    Ok(())
}

/// The volume's own tags where they are to be copied, and those that the caller specified written over them.
///
/// Unconfirmed: AWS does not document which of two equal keys wins.
fn tags_for(volume: &Volume, wish: &Wish) -> Result<Tags, Error> {
    let copied = if wish.copy_volume_tags { volume.tags.clone() } else { Tags::new() };
    let own: Tags = copied.into_iter().filter(|(key, _)| !is_reserved(key)).collect();
    merged(&own, &wish.tags)
}

fn shape(snapshot: &Snapshot, now: DateTime<Utc>) -> Nodes {
    let owner_alias = (snapshot.owner == PUBLIC_OWNER).then_some(PUBLIC_OWNER_ALIAS);
    Nodes::new()
        .text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume_id)
        .text("status", snapshot.state.as_str())
        .maybe("statusMessage", snapshot.state_message.as_ref())
        .text("startTime", instant(snapshot.start_time))
        .maybe("completionTime", snapshot.completed_at.map(instant))
        .text("progress", snapshot.progress(now))
        .text("ownerId", &snapshot.owner)
        .maybe("ownerAlias", owner_alias)
        .text("volumeSize", snapshot.volume_size)
        .text("description", &snapshot.description)
        .and(tag_set(&snapshot.tags))
        .text("encrypted", snapshot.encrypted)
        .maybe("kmsKeyId", snapshot.kms_key_id.as_ref())
        .text("storageTier", snapshot.storage_tier.as_str())
}

/// A member of a set, which AWS describes with fewer fields and one other name.
fn shape_in_set(snapshot: &Snapshot, now: DateTime<Utc>) -> Nodes {
    Nodes::new()
        .text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume_id)
        .text("state", snapshot.state.as_str())
        .text("startTime", instant(snapshot.start_time))
        .text("progress", snapshot.progress(now))
        .text("ownerId", &snapshot.owner)
        .text("volumeSize", snapshot.volume_size)
        .text("description", &snapshot.description)
        .and(tag_set(&snapshot.tags))
        .text("encrypted", snapshot.encrypted)
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
