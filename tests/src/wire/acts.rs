//! What an operator does, or somebody else in the account.

use chrono::{DateTime, Utc};
use snapkeeper_reliability::script::{Act, Pick};
use snapkeeper_simulator::{InstanceState, Reply, Sight, Simulator};

use super::watch::Watch;
use crate::world::ACCOUNT;

/// Parameters of a call.
type Params = Vec<(String, String)>;

/// Carries out an act, and sees what came of it. Where there is nothing to pick from, or EC2 refuses, nothing happens.
pub(super) fn carry_out(watch: &mut Watch, act: &Act) {
    watch.time_passes();
    let done = ask(&watch.simulator, act);
    match done {
        Ok(()) => watch.tell(format!("operator: {act}")),
        Err(why) => watch.tell(format!("operator: {act}: in vain, {why}")),
    }
    watch.operator_acted();
}

/// The region and id of what is picked, if there is anything to pick from.
pub(super) fn picked(simulator: &Simulator, pick: &Pick) -> Option<(String, String)> {
    let (region, number) = match pick {
        Pick::Instance(region, number)
        | Pick::Volume(region, number)
        | Pick::Snapshot(region, number)
        | Pick::Automated(region, number) => (region, *number),
    };
    let mut found = simulator.look(ACCOUNT, region, |sight| candidates(sight, pick));
    // in the order of their making
    found.sort_unstable();
    let nth = number.checked_rem(found.len())?;
    Some((region.clone(), found.swap_remove(nth).1))
}

fn candidates(sight: &Sight<'_>, pick: &Pick) -> Vec<(DateTime<Utc>, String)> {
    let there = || sight.instances.values().filter(|it| it.state != InstanceState::Terminated);
    let snapshots = sight.snapshots.values();
    match pick {
        Pick::Instance(..) => there().map(|it| (it.launched_at, it.id.clone())).collect(),
        Pick::Volume(..) => {
            let attached = there().flat_map(|it| it.devices.values()).filter_map(|id| sight.volumes.get(id));
            attached.map(|it| (it.created_at, it.id.clone())).collect()
        }
        Pick::Snapshot(..) => snapshots.map(|it| (it.start_time, it.id.clone())).collect(),
        Pick::Automated(..) => {
            let automated = snapshots.filter(|it| it.tags.get("Type").is_some_and(|kind| kind == "Automated"));
            automated.map(|it| (it.start_time, it.id.clone())).collect()
        }
    }
}

fn ask(simulator: &Simulator, act: &Act) -> Result<(), String> {
    let pick = |pick: &Pick| picked(simulator, pick).ok_or_else(|| "there is none".to_owned());
    let call = |region: &str, action: &str, params: Params| call(simulator, region, action, &params).map(drop);
    match act {
        Act::Launch { region, data, tags } => call(region, "RunInstances", launch(*data, tags)),
        Act::Tag(what, key, value) => {
            let (region, id) = pick(what)?;
            let tag = [("ResourceId.1", id.as_str()), ("Tag.1.Key", key.as_str()), ("Tag.1.Value", value.as_str())];
            call(&region, "CreateTags", owned(&tag))
        }
        Act::Untag(what, key) => {
            let (region, id) = pick(what)?;
            call(&region, "DeleteTags", owned(&[("ResourceId.1", &id), ("Tag.1.Key", key)]))
        }
        Act::Terminate(what) => {
            let (region, id) = pick(what)?;
            call(&region, "TerminateInstances", owned(&[("InstanceId.1", &id)]))
        }
        Act::Detach(what) => {
            let (region, id) = pick(what)?;
            let volume = last_data_volume(simulator, &region, &id).ok_or("it has no data volume")?;
            call(&region, "DetachVolume", owned(&[("VolumeId", &volume), ("InstanceId", &id)]))
        }
        Act::Attach(what) => {
            let (region, id) = pick(what)?;
            attach(simulator, &region, &id)
        }
        Act::Snapshot(what, tags) => {
            let (region, id) = pick(what)?;
            let mut params = owned(&[("VolumeId", &id)]);
            params.extend(specified("snapshot", tags));
            call(&region, "CreateSnapshot", params)
        }
        Act::Delete(what) => {
            let (region, id) = pick(what)?;
            call(&region, "DeleteSnapshot", owned(&[("SnapshotId", &id)]))
        }
        Act::Lock(what, days) => {
            let (region, id) = pick(what)?;
            let days = days.to_string();
            let lock = [("SnapshotId", id.as_str()), ("LockMode", "governance"), ("LockDuration", days.as_str())];
            call(&region, "LockSnapshot", owned(&lock))
        }
        Act::Image(what) => {
            let (region, id) = pick(what)?;
            // no two images are made in one instant of the same snapshot
            let name = format!("{id} {}", simulator.now().timestamp_millis());
            let image = [
                ("Name", name.as_str()),
                ("RootDeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.Ebs.SnapshotId", id.as_str()),
            ];
            call(&region, "RegisterImage", owned(&image))
        }
        Act::Deregister(region) => {
            let images = simulator.images(ACCOUNT, region);
            let first =
                images.iter().min_by_key(|image| (image.created_at, image.id.clone())).ok_or("there is none")?;
            call(region, "DeregisterImage", owned(&[("ImageId", &first.id)]))
        }
        Act::DateAll(region, day) => {
            let automated = Pick::Automated(region.clone(), 0);
            let mut all = simulator.look(ACCOUNT, region, |sight| candidates(sight, &automated));
            all.sort_unstable();
            if all.is_empty() {
                return Err("there is none".to_owned());
            }
            let mut params = owned(&[("Tag.1.Key", "DeleteOn"), ("Tag.1.Value", day)]);
            params.extend((1..).zip(all).map(|(number, (_, id))| (format!("ResourceId.{number}"), id)));
            call(region, "CreateTags", params)
        }
    }
}

/// The parameters that start an instance.
fn launch(data: u8, tags: &[(String, String)]) -> Params {
    let mut params = owned(&[("ImageId", "ami-12345678"), ("MinCount", "1"), ("MaxCount", "1")]);
    for (number, letter) in (1..).zip('f'..='z').take(data.into()) {
        let mapping = format!("BlockDeviceMapping.{number}");
        params.push((format!("{mapping}.DeviceName"), format!("/dev/sd{letter}")));
        params.push((format!("{mapping}.Ebs.VolumeSize"), "8".to_owned()));
    }
    params.extend(specified("instance", tags));
    params
}

/// Makes a volume and attaches it to an instance.
fn attach(simulator: &Simulator, region: &str, instance: &str) -> Result<(), String> {
    let (zone, device) = simulator
        .look(ACCOUNT, region, |sight| {
            let there = sight.instances.get(instance)?;
            let mut devices = ('f'..='z').map(|letter| format!("/dev/sd{letter}"));
            Some((there.availability_zone.clone(), devices.find(|device| !there.devices.contains_key(device))?))
        })
        .ok_or("there is no room")?;
    let made = call(simulator, region, "CreateVolume", &owned(&[("AvailabilityZone", &zone), ("Size", "8")]))?;
    let volume = made.text("volumeId").ok_or("no volume was made")?;
    let attachment = [("VolumeId", volume.as_str()), ("InstanceId", instance), ("Device", device.as_str())];
    call(simulator, region, "AttachVolume", &owned(&attachment)).map(drop)
}

fn last_data_volume(simulator: &Simulator, region: &str, instance: &str) -> Option<String> {
    simulator.look(ACCOUNT, region, |sight| {
        let there = sight.instances.get(instance)?;
        let mut data = there.devices.iter().filter(|(device, _)| Some(*device) != there.root_device.as_ref());
        data.next_back().map(|(_, volume)| volume.clone())
    })
}

/// The tags of what a call makes.
fn specified(kind: &str, tags: &[(String, String)]) -> Params {
    let mut params = Params::new();
    if !tags.is_empty() {
        params.push(("TagSpecification.1.ResourceType".to_owned(), kind.to_owned()));
    }
    for (number, (key, value)) in (1..).zip(tags) {
        params.push((format!("TagSpecification.1.Tag.{number}.Key"), key.clone()));
        params.push((format!("TagSpecification.1.Tag.{number}.Value"), value.clone()));
    }
    params
}

fn owned(params: &[(&str, &str)]) -> Params {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn call(simulator: &Simulator, region: &str, action: &str, params: &Params) -> Result<Reply, String> {
    let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    simulator.call("ec2", region, action, &params)
}
