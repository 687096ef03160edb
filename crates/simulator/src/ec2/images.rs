//! Images: made, registered, listed, disabled. What copies and deregisters them is in [`super::copy_image`] and
//! [`super::deregister`].

use crate::action::{Read, act};
use crate::ec2::devices::{Mapping, mappings};
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::ec2::snapshots::{Wish, begin, description, drafts, is_owner};
use crate::ec2::{done, tags};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::image::{Image, ImageDevice, ImageSource, ImageState, public_image};
use crate::model::instance::InstanceState;
use crate::model::snapshot::{PUBLIC_OWNER_ALIAS, SnapshotState};
use crate::model::tags::{Tags, tag_set};
use crate::model::volume::Volume;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use std::collections::BTreeSet;

const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;
const HYPERVISOR: &str = "xen";
const IMAGE_TYPE: &str = "machine";
const ROOT_DEVICE_TYPE: &str = "ebs";
/// The code that goes with the reason why an image failed. Unconfirmed: AWS documents none for images.
const FAILURE: &str = "Client.InternalError";

impl Resource for Image {
    const KIND: Kind = Kind::Image;
    const FIELDS: &'static [Field<Image>] = &[
        ("architecture", |image, passes| passes(&image.architecture)),
        ("block-device-mapping.delete-on-termination", |image, passes| {
            image.devices.iter().any(|device| passes(&device.delete_on_termination.to_string()))
        }),
        ("block-device-mapping.device-name", |image, passes| image.devices.iter().any(|device| passes(&device.name))),
        ("block-device-mapping.encrypted", |image, passes| {
            image.devices.iter().any(|device| passes(&device.encrypted.to_string()))
        }),
        ("block-device-mapping.snapshot-id", |image, passes| {
            image.devices.iter().any(|device| device.snapshot_id.as_deref().is_some_and(passes))
        }),
        ("block-device-mapping.volume-size", |image, passes| {
            image.devices.iter().any(|device| passes(&device.size.to_string()))
        }),
        ("block-device-mapping.volume-type", |image, passes| {
            image.devices.iter().any(|device| passes(&device.volume_type))
        }),
        ("creation-date", |image, passes| passes(&instant(image.created_at))),
        ("description", |image, passes| passes(&image.description)),
        ("hypervisor", |_, passes| passes(HYPERVISOR)),
        ("image-id", |image, passes| passes(&image.id)),
        ("image-type", |_, passes| passes(IMAGE_TYPE)),
        ("is-public", |image, passes| passes(&image.is_public().to_string())),
        ("name", |image, passes| passes(&image.name)),
        ("owner-alias", |image, passes| image.is_public() && passes(PUBLIC_OWNER_ALIAS)),
        ("owner-id", |image, passes| passes(&image.owner)),
        ("root-device-name", |image, passes| passes(&image.root_device)),
        ("root-device-type", |_, passes| passes(ROOT_DEVICE_TYPE)),
        ("source-image-id", |image, passes| image.source.iter().any(|source| passes(&source.image))),
        ("source-image-region", |image, passes| image.source.iter().any(|source| passes(&source.region))),
        ("source-instance-id", |image, passes| image.source_instance.as_deref().is_some_and(passes)),
        ("state", |image, passes| passes(image.state.as_str())),
        ("state-reason-code", |image, passes| image.state_message.is_some() && passes(FAILURE)),
        ("state-reason-message", |image, passes| image.state_message.as_deref().is_some_and(passes)),
        ("virtualization-type", |image, passes| passes(&image.virtualization_type)),
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
            state_message: None,
            created_at: here.now,
            architecture: "x86_64".to_owned(),
            virtualization_type: "hvm".to_owned(),
            root_device,
            devices,
            source_instance: Some(instance_id),
            // "Identify the source AMI used to create a new AMI": the one that the instance was started from
            source: Some(ImageSource { region: here.place.region.clone(), image: instance.image_id.clone() }),
            shared_with: BTreeSet::new(),
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
            state_message: None,
            created_at: here.now,
            architecture,
            virtualization_type,
            root_device,
            devices,
            source_instance: None,
            source: None,
            shared_with: BTreeSet::new(),
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
        let foreign = foreign(here);
        let is_shown = |image: &Image| {
            (disabled_too || image.state != ImageState::Disabled)
                && (owners.is_empty() || owners.iter().any(|owner| is_owner(owner, &image.owner, &own)))
        };
        let all = All::of(&here.region().images).and(&foreign);
        let (images, next) = listing.pick(page_size, all, is_shown)?;
        Ok(Nodes::new().items("imagesSet", images.into_iter().map(shape)).maybe("nextToken", next))
    }))
}

/// The images of others that the caller may read, without their tags, which one account never sees of another.
fn foreign(here: &Here<'_>) -> Vec<Image> {
    let shared = here.world.shared_images(here.place).map(|image| Image { tags: Tags::new(), ..image.clone() });
    shared.chain([public_image(&here.place.region)]).collect()
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

/// The error for an image that is there and cannot be used. Source: "Error codes for the Amazon EC2 API".
pub(super) fn unavailable(id: &str) -> Error {
    Error::new("InvalidAMIID.Unavailable", format!("The image ID '{id}' is not available"))
}

/// The name that a call gives.
pub(super) fn name(params: &Params) -> Result<String, Error> {
    let name = params.required("Name")?;
    if NAME_LENGTH.contains(&name.chars().count()) {
        return Ok(name.to_owned());
    }
    Err(Error::new("InvalidAMIName.Malformed", format!("AMI names must be {NAME_LENGTH:?} characters long")))
}

/// Refuses a name that another image of the caller's has.
pub(super) fn check_name(here: &mut Here<'_>, name: &str) -> Result<(), Error> {
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
        .text("isPublic", image.is_public())
        .text("architecture", &image.architecture)
        .text("imageType", IMAGE_TYPE)
        .text("name", &image.name)
        .text("description", &image.description)
        .text("rootDeviceType", ROOT_DEVICE_TYPE)
        .text("rootDeviceName", &image.root_device)
        .items("blockDeviceMapping", image.devices.iter().map(shape_device))
        .text("virtualizationType", &image.virtualization_type)
        .and(tag_set(&image.tags))
        .text("hypervisor", HYPERVISOR)
        .maybe("imageOwnerAlias", image.is_public().then_some(PUBLIC_OWNER_ALIAS))
        .maybe("sourceInstanceId", image.source_instance.as_ref())
        .maybe("sourceImageId", image.source.as_ref().map(|source| &source.image))
        .maybe("sourceImageRegion", image.source.as_ref().map(|source| &source.region))
        .and(image.state_message.as_deref().map(shape_failure).unwrap_or_default())
}

/// Why an image failed.
fn shape_failure(message: &str) -> Nodes {
    Nodes::new().nest("stateReason", Nodes::new().text("code", FAILURE).text("message", message))
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
#[path = "images_tests.rs"]
mod tests;
