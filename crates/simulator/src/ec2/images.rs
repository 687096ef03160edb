//! Images: made, registered, listed, disabled, deregistered.

use crate::action::{Read, act};
use crate::ec2::devices::{Mapping, mappings};
use crate::ec2::filter::Field;
use crate::ec2::listing::{Listing, Resource};
use crate::ec2::snapshots::{check_quota, description, is_owner};
use crate::ec2::{done, tags};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::image::{Image, ImageDevice, ImageState};
use crate::model::instance::InstanceState;
use crate::model::snapshot::{Draft, Fate, SnapshotState, Work};
use crate::model::tags::{Tags, tag_set};
use crate::model::volume::Volume;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;

const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

impl Resource for Image {
    const KIND: Kind = Kind::Image;
    const FIELDS: &'static [Field<Image>] = &[
        ("image-id", |image| vec![image.id.clone()]),
        ("name", |image| vec![image.name.clone()]),
        ("state", |image| vec![image.state.as_str().to_owned()]),
        ("block-device-mapping.snapshot-id", |image| {
            image.devices.iter().filter_map(|device| device.snapshot_id.clone()).collect()
        }),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

pub(super) fn create(params: &Params) -> Read {
    let instance_id = Kind::Instance.check(params.required("InstanceId")?)?;
    let name = name(params)?;
    let description = description(params)?;
    let [image_tags, snapshot_tags] = tags::specified_each(params, [Kind::Image, Kind::Snapshot])?;
    // a reboot would be over at once
    params.flag("NoReboot")?;
    Ok(act(move |here| {
        check_name(here, &name)?;
        let instance = here.region().instance(&instance_id)?.clone();
        let Some(root_device) = instance.root_device.clone() else {
            return Err(Error::invalid(format!("Instance {instance_id} does not boot from an EBS volume.")));
        };
        if instance.state == InstanceState::Terminated {
            return Err(Error::new("IncorrectState", format!("Instance {instance_id} is terminated.")));
        }
        check_quota(here, instance.devices.len())?;
        let id = here.world.ids.fresh(Kind::Image);
        let mut devices = Vec::new();
        for (device, volume_id) in &instance.devices {
            let volume = here.region().volume(volume_id)?.clone();
            let draft = Draft {
                work: Work::Volume(volume.id.clone()),
                volume_size: volume.size,
                description: format!("Created by CreateImage({instance_id}) for {id}"),
                tags: snapshot_tags.clone(),
                kms_key_id: volume.kms_key_id.clone(),
                source: None,
                fate: Fate::Completes,
            };
            let snapshot = here.world.begin_snapshot(here.place, here.now, draft);
            devices.push(device_of(device, &volume, snapshot.id));
        }
        let image = Image {
            id,
            owner: here.place.account.clone(),
            name,
            description,
            state: ImageState::Available,
            created_at: here.now,
            architecture: "x86_64".to_owned(),
            virtualization_type: "hvm".to_owned(),
            root_device,
            devices,
            source_instance: Some(instance_id),
            tags: image_tags,
        };
        Ok(put(here, image))
    }))
}

pub(super) fn register(params: &Params) -> Read {
    let name = name(params)?;
    let description = description(params)?;
    let mappings = mappings(params)?;
    let root_device = params.required("RootDeviceName")?.to_owned();
    let architecture = params.text("Architecture").unwrap_or("i386").to_owned();
    let virtualization_type = params.text("VirtualizationType").unwrap_or("paravirtual").to_owned();
    let image_tags = tags::specified(params, Kind::Image)?;
    let root = mappings.iter().find(|mapping| mapping.device == root_device);
    if root.is_none_or(|root| root.volume.snapshot_id.is_none()) {
        let message = "The root device must be in the block device mapping, with a snapshot.";
        return Err(Error::new("InvalidBlockDeviceMapping", message));
    }
    Ok(act(move |here| {
        check_name(here, &name)?;
        let devices = mappings.iter().map(|mapping| registered(here, mapping)).collect::<Result<_, _>>()?;
        let image = Image {
            id: here.world.ids.fresh(Kind::Image),
            owner: here.place.account.clone(),
            name,
            description,
            state: ImageState::Available,
            created_at: here.now,
            architecture,
            virtualization_type,
            root_device,
            devices,
            source_instance: None,
            tags: image_tags,
        };
        Ok(put(here, image))
    }))
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<Image>::read(params)?;
    let owners: Vec<String> = params.list("Owner").into_iter().map(str::to_owned).collect();
    let disabled_too = params.flag("IncludeDisabled")?.unwrap_or_default();
    // whoever owns an image sees it deprecated as well, and there are no others here
    params.flag("IncludeDeprecated")?;
    Ok(act(move |here| {
        let own = here.place.account.clone();
        let is_shown = |image: &Image| {
            (disabled_too || image.state != ImageState::Disabled)
                && (owners.is_empty() || owners.iter().any(|owner| is_owner(owner, &image.owner, &own)))
        };
        let (images, next) = listing.pick(here.region().images.values(), is_shown)?;
        Ok(Nodes::new().items("imagesSet", images.into_iter().map(shape)).maybe("nextToken", next))
    }))
}

pub(super) fn disable(params: &Params) -> Read {
    let id = Kind::Image.check(params.required("ImageId")?)?;
    Ok(act(move |here| {
        here.region().image(&id)?.state = ImageState::Disabled;
        Ok(done())
    }))
}

pub(super) fn deregister(params: &Params) -> Read {
    let id = Kind::Image.check(params.required("ImageId")?)?;
    Ok(act(move |here| {
        let region = here.region();
        region.image(&id)?;
        region.images.remove(&id);
        Ok(done())
    }))
}

fn name(params: &Params) -> Result<String, Error> {
    let name = params.required("Name")?;
    if NAME_LENGTH.contains(&name.chars().count()) {
        return Ok(name.to_owned());
    }
    Err(Error::new("InvalidAMIName.Malformed", format!("AMI names must be {NAME_LENGTH:?} characters long")))
}

fn check_name(here: &mut Here<'_>, name: &str) -> Result<(), Error> {
    match here.region().images.values().find(|image| image.name == name) {
        None => Ok(()),
        Some(image) => {
            let message = format!("AMI name {name} is already in use by AMI {}", image.id);
            Err(Error::new("InvalidAMIName.Duplicate", message))
        }
    }
}

fn put(here: &mut Here<'_>, image: Image) -> Nodes {
    let nodes = Nodes::new().text("imageId", &image.id);
    here.region().images.insert(image.id.clone(), image);
    nodes
}

/// A device of an image that is made of an instance.
fn device_of(name: &str, volume: &Volume, snapshot_id: String) -> ImageDevice {
    ImageDevice {
        name: name.to_owned(),
        snapshot_id: Some(snapshot_id),
        size: volume.size,
        volume_type: volume.volume_type.clone(),
        encrypted: volume.encrypted,
        delete_on_termination: volume.attachments.iter().any(|one| one.delete_on_termination),
    }
}

/// A device of an image that is registered from snapshots.
fn registered(here: &mut Here<'_>, mapping: &Mapping) -> Result<ImageDevice, Error> {
    let wish = &mapping.volume;
    let snapshot = match &wish.snapshot_id {
        Some(id) => Some(here.region().snapshot(id)?.clone()),
        None => None,
    };
    if snapshot.as_ref().is_some_and(|snapshot| snapshot.state != SnapshotState::Completed) {
        return Err(Error::new("IncorrectState", "The snapshot is not completed."));
    }
    let Some(size) = wish.size.or(snapshot.as_ref().map(|snapshot| snapshot.volume_size)) else {
        return Err(Error::missing("size/snapshot"));
    };
    Ok(ImageDevice {
        name: mapping.device.clone(),
        snapshot_id: wish.snapshot_id.clone(),
        size,
        volume_type: wish.volume_type.clone().unwrap_or_else(|| "gp3".to_owned()),
        encrypted: snapshot.is_some_and(|snapshot| snapshot.encrypted),
        delete_on_termination: mapping.delete_on_termination.unwrap_or(true),
    })
}

fn shape(image: &Image) -> Nodes {
    Nodes::new()
        .text("imageId", &image.id)
        .text("imageLocation", format!("{}/{}", image.owner, image.name))
        .text("imageState", image.state.as_str())
        .text("imageOwnerId", &image.owner)
        .text("creationDate", instant(image.created_at))
        .text("isPublic", false)
        .text("architecture", &image.architecture)
        .text("imageType", "machine")
        .text("name", &image.name)
        .text("description", &image.description)
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", &image.root_device)
        .items("blockDeviceMapping", image.devices.iter().map(shape_device))
        .text("virtualizationType", &image.virtualization_type)
        .and(tag_set(&image.tags))
        .text("hypervisor", "xen")
        .maybe("sourceInstanceId", image.source_instance.as_ref())
}

fn shape_device(device: &ImageDevice) -> Nodes {
    let ebs = Nodes::new()
        .maybe("snapshotId", device.snapshot_id.as_ref())
        .text("volumeSize", device.size)
        .text("deleteOnTermination", device.delete_on_termination)
        .text("volumeType", &device.volume_type)
        .text("encrypted", device.encrypted);
    Nodes::new().text("deviceName", &device.name).nest("ebs", ebs)
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, call, instance, simulator, snapshot};
    use crate::{Simulator, Tags};

    const REGION: &str = "us-east-1";

    fn registered(sim: &Simulator, snapshot: &str) -> String {
        let params = [
            ("Name", "web"),
            ("RootDeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot),
        ];
        call(sim, REGION, "RegisterImage", &params).ok().first("imageId")
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_holds_its_snapshot_even_when_disabled() {
        let sim = simulator();
        let snapshot = snapshot(&sim, REGION);
        let image = registered(&sim, &snapshot);
        let delete = || call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &snapshot)]);
        assert_eq!(delete().code(), "InvalidSnapshot.InUse");
        assert!(delete().body.contains(&image));
        call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).ok();
        assert_eq!(delete().code(), "InvalidSnapshot.InUse");
        call(&sim, REGION, "DeregisterImage", &[("ImageId", &image)]).ok();
        delete().ok();
    }

    #[tokio::test(start_paused = true)]
    async fn a_disabled_image_is_listed_only_on_demand() {
        let sim = simulator();
        let snapshot = snapshot(&sim, REGION);
        let image = registered(&sim, &snapshot);
        call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).ok();
        let filter = [
            ("Filter.1.Name", "block-device-mapping.snapshot-id"),
            ("Filter.1.Value.1", snapshot.as_str()),
            ("IncludeDisabled", "true"),
        ];
        let list = |params: &[(&str, &str)]| call(&sim, REGION, "DescribeImages", params).ok().texts("imageId");
        assert!(list(&filter[..2]).is_empty());
        assert_eq!(list(&filter), [image]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_of_an_instance_has_snapshots_of_all_its_volumes() {
        let sim = simulator();
        let instance = instance(&sim, REGION);
        let params = [("InstanceId", instance.as_str()), ("Name", "web")];
        let image = call(&sim, REGION, "CreateImage", &params).ok().first("imageId");
        let snapshots = sim.snapshots(ACCOUNT, REGION);
        assert_eq!(snapshots.len(), 1);
        assert_eq!(snapshots[0].description, format!("Created by CreateImage({instance}) for {image}"));
        assert_eq!(snapshots[0].tags, Tags::new());
        assert_eq!(call(&sim, REGION, "CreateImage", &params).code(), "InvalidAMIName.Duplicate");
    }
}
