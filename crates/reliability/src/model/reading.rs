//! What the jobs read, in `core`'s types: as `snapkeeper-aws` reads it, in `ec2/describe.rs`.

use super::acts::is_automated;
use super::call;
use super::failure::{Failure, Kind};
use super::process::Process;
use super::world::World;
use crate::mutant::{Mutant, lens};
use crate::truth::{self, State, Tags, Truth};
use snapkeeper_core::enrolment::Enrolment;
use snapkeeper_core::ids::{ImageId, InstanceId, Region, SnapshotId};
use snapkeeper_core::inventory::{Device, Instance, InstanceState, Snapshot, SnapshotState, Volume};
use snapkeeper_core::tags;
use std::collections::{BTreeMap, BTreeSet};

/// The volume that AWS names for every copy.
const VOLUME_OF_COPIES: &str = "vol-ffffffff";
/// What AWS says of a copy whose key it cannot use.
const KEY_NOT_ACCESSIBLE: &str = "Given key ID is not accessible";

/// Which snapshots are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// All, whoever made them.
    Own,
    /// Those with `Type=Automated`.
    Automated,
    /// Those of them that are completed.
    Completed,
}

/// Which instances and volumes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// Those with a tag `Backup`.
    WithChoice,
}

pub(super) fn snapshots(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
    whose: Whose,
) -> Result<Vec<Snapshot>, Failure> {
    let is_wanted = |snapshot: &truth::Snapshot| match whose {
        Whose::Own => true,
        Whose::Automated => is_automated(&snapshot.tags),
        Whose::Completed => snapshot.state == State::Completed && is_automated(&snapshot.tags),
    };
    list(world, process, "DescribeSnapshots", region, |_, truth| {
        let Some(there) = truth.regions.get(region) else { return Vec::new() };
        let wanted = there.snapshots.iter().filter(|(_, it)| is_wanted(it));
        wanted.map(|(id, snapshot)| as_snapshot(id, snapshot)).collect()
    })
}

pub(super) fn instances(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
    which: Which,
) -> Result<Vec<Instance>, Failure> {
    list(world, process, "DescribeInstances", region, |world, truth| {
        let Some(there) = truth.regions.get(region) else { return Vec::new() };
        let wanted = there.instances.iter().filter(|(_, it)| is_among(which, &it.tags));
        wanted.map(|(id, instance)| as_instance(world, id, instance)).collect()
    })
}

pub(super) fn volumes(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
    which: Which,
) -> Result<Vec<Volume>, Failure> {
    list(world, process, "DescribeVolumes", region, |_, truth| {
        let Some(there) = truth.regions.get(region) else { return Vec::new() };
        let mut attached: BTreeMap<&str, Vec<InstanceId>> = BTreeMap::new();
        for (id, instance) in &there.instances {
            for volume in instance.devices.values() {
                attached.entry(volume.as_str()).or_default().push(id.as_str().into());
            }
        }
        let as_volume = |(id, volume): (&String, &truth::Volume)| Volume {
            id: id.as_str().into(),
            created: volume.created,
            attached_to: attached.get(id.as_str()).cloned().unwrap_or_default(),
            tags: as_tags(&volume.tags),
        };
        there.volumes.iter().filter(|(_, it)| is_among(which, &it.tags)).map(as_volume).collect()
    })
}

/// The enrolled volumes of a region.
pub(super) fn enrolment(world: &mut World, process: &mut Process<'_>, region: &str) -> Result<Enrolment, Failure> {
    let mut instances = instances(world, process, region, Which::WithChoice)?;
    if let Some(mutant) = world.mutant {
        lens::enrolled_instances(mutant, &mut instances);
    }
    Ok(Enrolment::of(&instances, &volumes(world, process, region, Which::WithChoice)?))
}

/// The enrolled volumes of other regions, as far as these answer.
pub(super) fn enrolments(
    world: &mut World,
    process: &mut Process<'_>,
    regions: &BTreeSet<Region>,
) -> BTreeMap<Region, Enrolment> {
    let mut enrolments = BTreeMap::new();
    for region in regions {
        if let Ok(enrolment) = enrolment(world, process, region.as_str()) {
            enrolments.insert(region.clone(), enrolment);
        }
    }
    enrolments
}

/// The snapshots that images use.
pub(super) fn in_use(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
) -> Result<BTreeMap<SnapshotId, ImageId>, Failure> {
    let used: Vec<(SnapshotId, ImageId)> = list(world, process, "DescribeImages", region, |_, truth| {
        let Some(there) = truth.regions.get(region) else { return Vec::new() };
        let uses = there.snapshots.iter().flat_map(|(id, it)| it.images.iter().map(move |image| (id, image)));
        uses.map(|(id, image)| (id.as_str().into(), image.as_str().into())).collect()
    })?;
    Ok(used.into_iter().collect())
}

/// The snapshots that are locked.
pub(super) fn locked(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
) -> Result<BTreeSet<SnapshotId>, Failure> {
    let locked = list(world, process, "DescribeLockedSnapshots", region, |_, truth| ids_of_locked(truth, region))?;
    Ok(locked.into_iter().collect())
}

/// Whether an instance has certainly gone. It is taken to be there where that cannot be read.
pub(super) fn is_gone(world: &mut World, process: &mut Process<'_>, region: &str, id: &str) -> bool {
    let found = call::read(world, process, "DescribeInstances", region, |_, truth| {
        let there = truth.regions.get(region).and_then(|there| there.instances.get(id));
        there.iter().map(|instance| instance.is_there).collect()
    });
    found.is_ok_and(|found| !found.contains(&true))
}

/// Whether the operator holds a snapshot now.
pub(super) fn is_held(
    world: &mut World,
    process: &mut Process<'_>,
    region: &str,
    id: &SnapshotId,
) -> Result<bool, Failure> {
    let tagged = call::read(world, process, "DescribeSnapshots", region, |_, truth| {
        let snapshot = truth.regions.get(region).and_then(|there| there.snapshots.get(id.as_str()));
        snapshot.iter().map(|it| it.tags.contains_key(tags::KEEP_FOREVER)).collect()
    })?;
    if tagged.contains(&true) {
        return Ok(true);
    }
    let locked =
        call::read(world, process, "DescribeLockedSnapshots", region, |_, truth| ids_of_locked(truth, region))?;
    Ok(locked.contains(id))
}

/// Reads a list on which a plan is founded: the oracle hears of it if that fails.
fn list<T>(
    world: &mut World,
    process: &mut Process<'_>,
    action: &'static str,
    region: &str,
    look: impl Fn(&World, &Truth) -> Vec<T>,
) -> Result<Vec<T>, Failure> {
    let found = call::read(world, process, action, region, look);
    if let Err(failure) = &found
        && failure.kind != Kind::Killed
    {
        world.oracle.could_not_read(process.number, region, action);
        if world.mutant == Some(Mutant::UnreadHomeIsEmpty) && region == process.region {
            return Ok(Vec::new());
        }
    }
    found
}

fn ids_of_locked(truth: &Truth, region: &str) -> Vec<SnapshotId> {
    let Some(there) = truth.regions.get(region) else { return Vec::new() };
    let locked = there.snapshots.iter().filter(|(_, snapshot)| snapshot.locked);
    locked.map(|(id, _)| id.as_str().into()).collect()
}

fn is_among(which: Which, tags: &Tags) -> bool {
    match which {
        Which::All => true,
        Which::WithChoice => tags.contains_key(tags::BACKUP),
    }
}

fn as_snapshot(id: &str, snapshot: &truth::Snapshot) -> Snapshot {
    let is_copy = snapshot.copy_of.is_some();
    let is_failed_copy = is_copy && snapshot.state == State::Error;
    Snapshot {
        id: id.into(),
        volume_as_told: if is_copy { VOLUME_OF_COPIES } else { snapshot.of.1.as_str() }.into(),
        state: match snapshot.state {
            State::Pending => SnapshotState::Pending,
            State::Completed => SnapshotState::Completed,
            State::Error => SnapshotState::Error,
        },
        message: is_failed_copy.then(|| KEY_NOT_ACCESSIBLE.to_owned()),
        started: snapshot.begun,
        description: String::new(),
        archived: false,
        tags: as_tags(&snapshot.tags),
    }
}

fn as_instance(world: &World, id: &str, instance: &truth::Instance) -> Instance {
    let device = |(name, volume): (&String, &String)| Device {
        name: name.clone(),
        volume: volume.as_str().into(),
        attached: world.since.get(volume).copied(),
    };
    Instance {
        id: id.into(),
        state: if instance.is_there { InstanceState::Running } else { InstanceState::Terminated },
        launched: world.since.get(id).copied().unwrap_or_default(),
        root_device: instance.root.clone(),
        devices: instance.devices.iter().map(device).collect(),
        root_is_store: false,
        is_spot: false,
        tags: as_tags(&instance.tags),
    }
}

fn as_tags(tags: &Tags) -> tags::Tags {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}
