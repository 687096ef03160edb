//! Images: made, registered, listed, disabled, deregistered.

use crate::action::{Read, act};
use crate::ec2::devices::{Mapping, mappings};
use crate::ec2::filter::Field;
use crate::ec2::listing::{Listing, Resource};
use crate::ec2::snapshots::{Wish, begin, description, drafts, is_owner};
use crate::ec2::{done, tags};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::image::{Image, ImageDevice, ImageState};
use crate::model::instance::InstanceState;
use crate::model::snapshot::SnapshotState;
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
    // each snapshot is described with the id of the image, which is not known yet
    let wish = Wish { description: String::new(), tags: snapshot_tags, copy_volume_tags: false };
    // a reboot would be over at once
    params.flag("NoReboot")?;
    Ok(act(move |here| {
        check_name(here, &name)?;
        let instance = here.region().instance(&instance_id)?.clone();
        if instance.state == InstanceState::Terminated {
            return Err(Error::new("IncorrectState", format!("Instance {instance_id} is terminated.")));
        }
        let (Some(root_device), Some(_)) = (instance.root_device.clone(), instance.root_volume()) else {
            return Err(Error::invalid(format!("Instance {instance_id} does not boot from an EBS volume.")));
        };
        let region = here.region();
        let volumes: Vec<Volume> =
            instance.devices.values().map(|id| region.volume(id).cloned()).collect::<Result<_, _>>()?;
        let mut drafts = drafts(here, &volumes, &wish)?;
        let id = here.world.ids.fresh(Kind::Image);
        for draft in &mut drafts {
            draft.description = format!("Created by CreateImage({instance_id}) for {id}");
        }
        let made = begin(here, drafts);
        let parts = instance.devices.keys().zip(&volumes).zip(made);
        let devices = parts.map(|((device, volume), snapshot)| device_of(device, volume, snapshot.id)).collect();
        let image = Image {
            id,
            owner: here.place.account.clone(),
            name,
            description,
            state: ImageState::Pending,
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
        let page_size = here.world.page_size;
        let own = here.place.account.clone();
        let is_shown = |image: &Image| {
            (disabled_too || image.state != ImageState::Disabled)
                && (owners.is_empty() || owners.iter().any(|owner| is_owner(owner, &image.owner, &own)))
        };
        let (images, next) = listing.pick(page_size, here.region().images.values(), is_shown)?;
        Ok(Nodes::new().items("imagesSet", images.into_iter().map(shape)).maybe("nextToken", next))
    }))
}

pub(super) fn disable(params: &Params) -> Read {
    let id = Kind::Image.check(params.required("ImageId")?)?;
    Ok(act(move |here| {
        let image = here.region().image(&id)?;
        match image.state {
            ImageState::Available | ImageState::Disabled => image.state = ImageState::Disabled,
            ImageState::Pending | ImageState::Failed => return Err(unavailable(&id)),
        }
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

/// The error for an image that is there and cannot be used. Source: "Error codes for the Amazon EC2 API".
pub(super) fn unavailable(id: &str) -> Error {
    Error::new("InvalidAMIID.Unavailable", format!("The image ID '{id}' is not available"))
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
        Some(id) => Some(here.readable_snapshot(id)?),
        None => None,
    };
    if snapshot.as_ref().is_some_and(|snapshot| snapshot.state != SnapshotState::Completed) {
        // unconfirmed: AWS does not document the code for this call
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
    use crate::testing::{ACCOUNT, Look as _, call, instance, instance_with_data, simulator, snapshot, volume};
    use crate::{ImageState, Simulator, Tags};
    use std::time::Duration;

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

    /// Makes an image of an instance with two volumes, of which one fails its next snapshots, and checks how it ends.
    #[track_caller]
    fn check(failures: u32, expected: ImageState, name: &str) {
        let sim = simulator();
        let (instance, data) = instance_with_data(&sim, REGION);
        sim.fail_snapshots_of(&data, failures);
        let image =
            call(&sim, REGION, "CreateImage", &[("InstanceId", &instance), ("Name", "web")]).ok().first("imageId");
        let launch = [("ImageId", image.as_str()), ("MinCount", "1"), ("MaxCount", "1")];
        let state = || call(&sim, REGION, "DescribeImages", &[]).ok().first("imageState");
        assert_eq!((state().as_str(), sim.images(ACCOUNT, REGION)[0].state), ("pending", ImageState::Pending));
        assert_eq!(call(&sim, REGION, "RunInstances", &launch).code(), "InvalidAMIID.Unavailable");
        assert_eq!(call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).code(), "InvalidAMIID.Unavailable");
        sim.skip(Duration::from_secs(59));
        assert_eq!(state(), "pending");
        sim.skip(Duration::from_secs(1));
        assert_eq!((state().as_str(), sim.images(ACCOUNT, REGION)[0].state), (name, expected));
        let launched = call(&sim, REGION, "RunInstances", &launch).status == 200;
        assert_eq!(launched, expected == ImageState::Available);
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_is_pending_until_its_snapshots_are_made() {
        check(0, ImageState::Available, "available");
        check(1, ImageState::Failed, "failed");
    }

    #[tokio::test(start_paused = true)]
    async fn the_snapshots_of_an_image_are_taken_like_any_other() {
        let sim = simulator();
        let (instance, data) = instance_with_data(&sim, REGION);
        let create = || call(&sim, REGION, "CreateImage", &[("InstanceId", &instance), ("Name", "web")]);
        let snapshot = || call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &data)]);
        let count = || sim.snapshots(ACCOUNT, REGION).len();
        sim.refuse_snapshots_of(&data, "IncorrectState");
        assert_eq!(create().code(), "IncorrectState");
        sim.allow_snapshots_of(&data);
        snapshot().ok();
        assert_eq!(create().code(), "SnapshotCreationPerVolumeRateExceeded");
        assert_eq!((count(), sim.images(ACCOUNT, REGION).len()), (1, 0), "all or nothing");
        sim.skip(Duration::from_secs(15));
        create().ok();
        assert_eq!(count(), 3);
        assert_eq!(snapshot().code(), "SnapshotCreationPerVolumeRateExceeded", "the image's counts");
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_is_registered_of_completed_snapshots_at_once() {
        let sim = simulator();
        let volume = volume(&sim, REGION);
        let pending = call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
        let params = [
            ("Name", "web"),
            ("RootDeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", pending.as_str()),
        ];
        assert_eq!(call(&sim, REGION, "RegisterImage", &params).code(), "IncorrectState");
        sim.skip(Duration::from_mins(1));
        registered(&sim, &pending);
        assert_eq!(sim.images(ACCOUNT, REGION)[0].state, ImageState::Available);
    }
}
