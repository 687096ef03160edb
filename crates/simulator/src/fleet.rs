//! A whole fleet, put in at once: for what would take too many calls to set up.
//!
//! What is put in is as if calls had made it: AWS's rules of ids, zones, sizes and tags hold, and it is found, counted,
//! changed and deleted like everything else. It is not throttled, is no call and needs no room in the quotas.

use crate::model::ids::{Kind, hash, mix};
use crate::model::image::{Image, ImageDevice, ImageState};
use crate::model::instance::{Instance, InstanceState};
use crate::model::region::Region;
use crate::model::snapshot::{Fate, Snapshot, SnapshotState, Source, StorageTier, VOLUME_OF_COPIES, Work};
use crate::model::tags::{self, Tags};
use crate::model::volume::{Attachment, Volume, check_type};
use crate::model::{Due, Place, World};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The device that these instances boot from, if nothing else is said.
const ROOT_DEVICE: &str = "/dev/xvda";
/// The image that these instances were started from: as after most deregistrations, it is not there.
const IMAGE: &str = "ami-0f1ee700000000000";

/// What is put in at once by [`Simulator::insert`](crate::Simulator::insert): into one account and region.
///
/// - Ids are as AWS's: [`fleet_id`] makes them from a seed.
/// - The volumes say which instances have them ([`Volume::attached`]), which must be of the same fleet; the instances'
///   `devices` follow from that, and what stands in them is replaced.
/// - `owner` of snapshots and images is set to the account.
/// - A snapshot may be of a volume that is not there any more, and its source and an image's snapshots may be gone.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Made by [`Instance::running`].
    pub instances: Vec<Instance>,
    /// Made by [`Volume::sized`].
    pub volumes: Vec<Volume>,
    /// Made by [`Snapshot::completed`] or [`Snapshot::copied`].
    pub snapshots: Vec<Snapshot>,
    /// Made by [`Image::available`].
    pub images: Vec<Image>,
}

/// Why a fleet cannot be put in; then nothing of it is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no fleet: {0}")]
pub struct BadFleet(String);

/// An id, such as `snap-0123456789abcdef0` for the prefix `snap`: the same for the same prefix, seed and number, and
/// another for every other number. None of them is one that calls make but by a chance of nearly nothing.
pub fn fleet_id(prefix: &str, seed: u64, number: u64) -> String {
    format!("{prefix}-0{:016x}", mix(hash(&format!("fleet {prefix} {seed}")) ^ number))
}

impl Instance {
    /// An instance that runs, without volumes and tags.
    pub fn running(id: &str, availability_zone: &str, since: DateTime<Utc>) -> Instance {
        Instance {
            id: id.to_owned(),
            reservation_id: format!("r-{}", id.strip_prefix("i-").unwrap_or(id)),
            image_id: IMAGE.to_owned(),
            instance_type: "t3.micro".to_owned(),
            state: InstanceState::Running,
            launched_at: since,
            availability_zone: availability_zone.to_owned(),
            root_device: Some(ROOT_DEVICE.to_owned()),
            devices: BTreeMap::new(),
            hibernation: false,
            hibernated: false,
            spot: false,
            tags: Tags::new(),
            falls_back: false,
        }
    }
}

impl Volume {
    /// A volume of the type `gp3` that no instance has, without tags.
    pub fn sized(id: &str, availability_zone: &str, gib: u32, made_at: DateTime<Utc>) -> Volume {
        Volume {
            id: id.to_owned(),
            size: gib,
            volume_type: "gp3".to_owned(),
            iops: None,
            encrypted: false,
            kms_key_id: None,
            multi_attach: false,
            availability_zone: availability_zone.to_owned(),
            snapshot_id: None,
            created_at: made_at,
            attachments: Vec::new(),
            tags: Tags::new(),
            last_snapshot_at: None,
        }
    }

    /// The same attached to an instance since it was made, and staying when the instance goes. Instances boot from
    /// `/dev/xvda`.
    #[must_use]
    pub fn attached(mut self, instance: &str, device: &str) -> Volume {
        self.attachments.push(Attachment {
            instance_id: instance.to_owned(),
            device: device.to_owned(),
            attached_at: self.created_at,
            delete_on_termination: false,
        });
        self
    }
}

impl Snapshot {
    /// A snapshot of a volume, completed at once, without tags.
    pub fn completed(id: &str, volume: &str, gib: u32, begun_at: DateTime<Utc>) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            owner: String::new(),
            volume_id: volume.to_owned(),
            volume_size: gib,
            state: SnapshotState::Completed,
            state_message: None,
            start_time: begun_at,
            completed_at: Some(begun_at),
            description: String::new(),
            tags: Tags::new(),
            encrypted: false,
            kms_key_id: None,
            source: None,
            storage_tier: StorageTier::Standard,
            lock: None,
            ends_at: begun_at,
            fate: Fate::Completes,
        }
    }

    /// A copy of a snapshot in another region, completed at once, without tags.
    pub fn copied(id: &str, from_region: &str, from: &str, gib: u32, begun_at: DateTime<Utc>) -> Snapshot {
        let source = Source { region: from_region.to_owned(), snapshot: from.to_owned() };
        Snapshot { source: Some(source), ..Snapshot::completed(id, VOLUME_OF_COPIES, gib, begun_at) }
    }

    /// The same, pending until an instant.
    #[must_use]
    pub fn pending_until(self, ends_at: DateTime<Utc>) -> Snapshot {
        Snapshot { state: SnapshotState::Pending, completed_at: None, ends_at, ..self }
    }

    /// What counts as concurrent because of it.
    fn work(&self) -> Option<Work> {
        let work = if self.source.is_some() { Work::Copy } else { Work::Volume(self.volume_id.clone()) };
        match self.state {
            SnapshotState::Pending => Some(work),
            SnapshotState::Error if self.source.is_none() => Some(work),
            SnapshotState::Error | SnapshotState::Completed => None,
        }
    }
}

impl Image {
    /// An image with one device, which is made from a snapshot, without tags.
    pub fn available(id: &str, name: &str, snapshot: &str, gib: u32, made_at: DateTime<Utc>) -> Image {
        Image {
            id: id.to_owned(),
            owner: String::new(),
            name: name.to_owned(),
            description: String::new(),
            state: ImageState::Available,
            state_message: None,
            created_at: made_at,
            architecture: "x86_64".to_owned(),
            virtualization_type: "hvm".to_owned(),
            root_device: ROOT_DEVICE.to_owned(),
            devices: vec![ImageDevice {
                name: ROOT_DEVICE.to_owned(),
                snapshot_id: Some(snapshot.to_owned()),
                size: gib,
                volume_type: "gp3".to_owned(),
                encrypted: false,
                delete_on_termination: true,
            }],
            source_instance: None,
            source: None,
            shared_with: BTreeSet::new(),
            tags: Tags::new(),
        }
    }
}

impl Fleet {
    /// Refuses what no calls could have made.
    pub(crate) fn check(&self, place: &Place, region: &Region) -> Result<(), BadFleet> {
        let Fleet { instances, volumes, snapshots, images } = self;
        let of_instances = instances.iter().map(|one| (one.id.as_str(), &one.tags));
        check_ids(Kind::Instance, of_instances, |id| region.instances.contains_key(id))?;
        let of_volumes = volumes.iter().map(|one| (one.id.as_str(), &one.tags));
        check_ids(Kind::Volume, of_volumes, |id| region.volumes.contains_key(id))?;
        let of_snapshots = snapshots.iter().map(|one| (one.id.as_str(), &one.tags));
        check_ids(Kind::Snapshot, of_snapshots, |id| region.snapshots.all().contains_key(id))?;
        let of_images = images.iter().map(|one| (one.id.as_str(), &one.tags));
        check_ids(Kind::Image, of_images, |id| region.images.contains_key(id))?;

        let zones = instances.iter().map(|one| &one.availability_zone);
        for zone in zones.chain(volumes.iter().map(|one| &one.availability_zone)) {
            let letter = zone.strip_prefix(place.region.as_str());
            if !letter.is_some_and(|letter| letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase())) {
                return Err(BadFleet(format!("{zone} is no zone of {}", place.region)));
            }
        }
        self.check_volumes()
    }

    fn check_volumes(&self) -> Result<(), BadFleet> {
        let zones: BTreeMap<&str, &str> =
            self.instances.iter().map(|one| (one.id.as_str(), one.availability_zone.as_str())).collect();
        let mut taken: BTreeSet<(&str, &str)> = BTreeSet::new();
        for Volume { id, volume_type, size, attachments, multi_attach, availability_zone, .. } in &self.volumes {
            check_type(volume_type, *size).map_err(|error| BadFleet(format!("{id}: {}", error.message)))?;
            if attachments.len() > 1 && !multi_attach {
                return Err(BadFleet(format!("{id} is attached twice")));
            }
            for Attachment { instance_id, device, .. } in attachments {
                if zones.get(instance_id.as_str()).copied() != Some(availability_zone.as_str()) {
                    return Err(BadFleet(format!("{id} is of {instance_id}, which is not there in its zone")));
                }
                if !taken.insert((instance_id.as_str(), device.as_str())) {
                    return Err(BadFleet(format!("{device} of {instance_id} is taken twice")));
                }
            }
        }
        Ok(())
    }

    /// Puts all of it in.
    pub(crate) fn put(self, place: &Place, world: &mut World) {
        let Fleet { mut instances, volumes, mut snapshots, mut images } = self;
        let mut devices: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for volume in &volumes {
            for Attachment { instance_id, device, .. } in &volume.attachments {
                devices.entry(instance_id.as_str()).or_default().insert(device.clone(), volume.id.clone());
            }
        }
        for instance in &mut instances {
            instance.devices = devices.remove(instance.id.as_str()).unwrap_or_default();
        }
        for image in &mut images {
            image.owner.clone_from(&place.account);
        }
        for snapshot in &mut snapshots {
            snapshot.owner.clone_from(&place.account);
        }
        for snapshot in snapshots.iter().filter(|one| one.state == SnapshotState::Pending) {
            world.schedule(snapshot.ends_at, place, Due::Snapshot(snapshot.id.clone()));
        }
        let region = world.region(place);
        region.instances.append(&mut instances.into_iter().map(|one| (one.id.clone(), one)).collect());
        region.volumes.append(&mut volumes.into_iter().map(|one| (one.id.clone(), one)).collect());
        region.images.append(&mut images.into_iter().map(|one| (one.id.clone(), one)).collect());
        for snapshot in &snapshots {
            if let Some(work) = snapshot.work() {
                region.under_way.begin(&snapshot.id, work);
            }
            if snapshot.lock.is_some() {
                region.locked.insert(snapshot.id.clone());
            }
            if let Some(volume) = region.volumes.get_mut(&snapshot.volume_id) {
                volume.last_snapshot_at = volume.last_snapshot_at.max(Some(snapshot.start_time));
            }
        }
        region.snapshots.insert_all(snapshots);
    }
}

/// Refuses ids that are not of this kind or not new, and tags that AWS does not allow.
fn check_ids<'a>(
    kind: Kind,
    resources: impl Iterator<Item = (&'a str, &'a Tags)>,
    is_there: impl Fn(&str) -> bool,
) -> Result<(), BadFleet> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (id, tags) in resources {
        kind.check(id).map_err(|error| BadFleet(error.message))?;
        if is_there(id) || !seen.insert(id) {
            return Err(BadFleet(format!("{id} is there already")));
        }
        tags::check(tags).map_err(|error| BadFleet(format!("{id}: {}", error.message)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, Look as _, call, simulator};
    use chrono::TimeDelta;

    const REGION: &str = "us-east-1";
    const ZONE: &str = "us-east-1a";

    /// So many instances with two volumes each, and a snapshot of every volume.
    fn fleet(count: u64, now: DateTime<Utc>) -> Fleet {
        let (mut fleet, before) = (Fleet::default(), now - TimeDelta::days(1));
        for number in 0..count {
            let mut instance = Instance::running(&fleet_id("i", 7, number), ZONE, before);
            instance.tags.insert("Backup".to_owned(), "Yes".to_owned());
            for (at, device) in [(0, ROOT_DEVICE), (1, "/dev/sdf")] {
                let volume = Volume::sized(&fleet_id("vol", 7, number * 2 + at), ZONE, 8, before);
                let id = fleet_id("snap", 7, number * 2 + at);
                fleet.snapshots.push(Snapshot::completed(&id, &volume.id, 8, before));
                fleet.volumes.push(volume.attached(&instance.id, device));
            }
            fleet.instances.push(instance);
        }
        fleet
    }

    #[tokio::test(start_paused = true)]
    async fn a_fleet_is_as_if_made_by_calls() {
        let sim = simulator();
        sim.insert(ACCOUNT, REGION, fleet(20, sim.now())).unwrap();
        let instance = fleet_id("i", 7, 3);
        let ask = |action: &str, params: &[(&str, &str)]| call(&sim, REGION, action, params).ok();
        let by_tag = [("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "Backup"), ("MaxResults", "15")];
        let page = ask("DescribeInstances", &by_tag);
        assert_eq!(page.texts("instanceId").len(), 15);
        let next = page.first("nextToken");
        let rest = ask("DescribeInstances", &[by_tag.as_slice(), &[("NextToken", next.as_str())]].concat());
        assert_eq!(rest.texts("instanceId").len(), 5);
        let of_instance = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance.as_str())];
        let mut volumes = [fleet_id("vol", 7, 6), fleet_id("vol", 7, 7)];
        volumes.sort();
        let listed = ask("DescribeVolumes", &of_instance);
        let shared = [of_instance.as_slice(), &[("Filter.2.Name", "multi-attach-enabled")]].concat();
        for (value, count) in [("false", 2), ("true", 0)] {
            let filtered = ask("DescribeVolumes", &[shared.as_slice(), &[("Filter.2.Value.1", value)]].concat());
            assert_eq!(filtered.texts("size").len(), count, "{value}");
        }
        assert_eq!(listed.texts("size").len(), 2);
        assert!(volumes.iter().all(|volume| listed.texts("volumeId").contains(volume)));

        let set = ask("CreateSnapshots", &[("InstanceSpecification.InstanceId", &instance)]);
        assert_eq!(set.texts("snapshotId").len(), 2);
        let of_volume = [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volumes[0].as_str())];
        assert_eq!(ask("DescribeSnapshots", &of_volume).texts("snapshotId").len(), 2);
        let old = fleet_id("snap", 7, 6);
        ask("DeleteSnapshot", &[("SnapshotId", &old)]);
        assert_eq!(sim.deletions()[0].snapshot.owner, ACCOUNT);
        assert_eq!(sim.look(ACCOUNT, REGION, |sight| sight.snapshots.len()), 41);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_pending_ends_and_counts_until_then() {
        let sim = simulator();
        let mut all = fleet(1, sim.now());
        let until = sim.now() + TimeDelta::minutes(10);
        let pending = |number: u64| {
            let id = fleet_id("snap", 8, number);
            Snapshot::completed(&id, &all.volumes[0].id, 8, sim.now() - TimeDelta::hours(1)).pending_until(until)
        };
        let more: Vec<Snapshot> = (0..5).map(pending).collect();
        all.snapshots.extend(more);
        let volume = all.volumes[0].id.clone();
        sim.insert(ACCOUNT, REGION, all).unwrap();
        let create = || call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]);
        assert_eq!(create().code(), "ConcurrentSnapshotLimitExceeded");
        sim.skip(std::time::Duration::from_mins(10));
        create().ok();
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Fleet), named: &str) {
        let sim = simulator();
        let mut all = fleet(2, sim.now());
        change(&mut all);
        let error = sim.insert(ACCOUNT, REGION, all).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
        assert!(sim.volumes(ACCOUNT, REGION).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_calls_could_have_made_is_refused_as_a_whole() {
        check(|all| all.volumes[0].id = "vol-1".to_owned(), "vol-1");
        check(|all| all.snapshots[1].id = all.snapshots[0].id.clone(), "there already");
        check(|all| all.instances[0].availability_zone = "us-west-2a".to_owned(), "us-west-2a");
        check(|all| all.instances[0].id = "i-00000000".to_owned(), "not there");
        check(|all| all.volumes[1].attachments[0].device = ROOT_DEVICE.to_owned(), "taken twice");
        check(|all| all.volumes[1].volume_type = "st1".to_owned(), "st1");
        check(|all| drop(all.instances[0].tags.insert(String::new(), String::new())), "Tag key");
    }

    #[test]
    fn ids_follow_from_the_seed() {
        assert_eq!(fleet_id("snap", 1, 2), fleet_id("snap", 1, 2));
        assert_ne!(fleet_id("snap", 1, 2), fleet_id("snap", 2, 2));
        assert_ne!(fleet_id("snap", 1, 2), fleet_id("snap", 1, 3));
        assert_eq!(Kind::of(&fleet_id("snap", 1, 2)), Some(Kind::Snapshot));
    }
}
