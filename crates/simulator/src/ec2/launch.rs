//! `RunInstances`.

use crate::action::{Read, act};
use crate::ec2::devices::{Mapping, VolumeWish, mappings};
use crate::ec2::images::unavailable;
use crate::ec2::instances::{self, reservation};
use crate::ec2::tags;
use crate::ec2::volumes::check_zone;
use crate::model::ids::Kind;
use crate::model::image::ImageState;
use crate::model::instance::{Instance, InstanceState};
use crate::model::tags::Tags;
use crate::model::volume::{Attachment, Volume};
use crate::model::{Due, Here};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

/// An AMI whose instances have no EBS volume. Any other well-formed id boots from one.
const INSTANCE_STORE_IMAGE: &str = "ami-0000000000000000e";
const ROOT_DEVICE: &str = "/dev/xvda";
const ROOT_SIZE: u32 = 8;
/// As many as AWS starts in one call without asking.
const MOST_INSTANCES: usize = 1000;

/// What a call of `RunInstances` asks for.
struct Launch {
    image_id: String,
    instance_type: String,
    count: usize,
    zone: Option<String>,
    mappings: Vec<Mapping>,
    hibernation: bool,
    spot: bool,
    instance_tags: Tags,
    volume_tags: Tags,
}

/// What an image says of its instances.
struct Boot {
    root_device: Option<String>,
    mappings: Vec<Mapping>,
}

pub(super) fn run(params: &Params) -> Read {
    let least: usize = params.parsed("MinCount")?.ok_or_else(|| Error::missing("MinCount"))?;
    let most: usize = params.parsed("MaxCount")?.ok_or_else(|| Error::missing("MaxCount"))?;
    if least == 0 || most < least || most > MOST_INSTANCES {
        return Err(Error::invalid(format!("Invalid value '{most}' for MaxCount with MinCount '{least}'.")));
    }
    let [instance_tags, volume_tags] = tags::specified_each(params, [Kind::Instance, Kind::Volume])?;
    let launch = Launch {
        image_id: Kind::Image.check(params.required("ImageId")?)?,
        instance_type: params.text("InstanceType").unwrap_or("m1.small").to_owned(),
        // there is always room for the most here
        count: most,
        zone: params.text("Placement.AvailabilityZone").map(str::to_owned),
        mappings: mappings(params)?,
        hibernation: params.flag("HibernationOptions.Configured")?.unwrap_or_default(),
        spot: is_spot(params)?,
        instance_tags,
        volume_tags,
    };
    let token = params.text("ClientToken").map(|token| ("RunInstances", token.to_owned()));
    Ok(act(move |here| {
        let known = token.as_ref().and_then(|token| here.region().client_tokens.get(token).cloned());
        let ids = match known {
            Some(ids) => ids,
            None => start(here, &launch)?,
        };
        if let Some(token) = token {
            here.region().client_tokens.insert(token, ids.clone());
        }
        answer(here, &ids)
    }))
}

/// Whether Spot instances are wished for. Only one-time requests are modelled, which is what a request is by default.
fn is_spot(params: &Params) -> Result<bool, Error> {
    match params.text("InstanceMarketOptions.MarketType") {
        None => Ok(false),
        Some("spot") => Ok(true),
        Some(other) => Err(Error::invalid_value("InstanceMarketOptions.MarketType", other)),
    }
}

/// Starts all instances, or none.
fn start(here: &mut Here<'_>, launch: &Launch) -> Result<Vec<String>, Error> {
    let zone = launch.zone.clone().unwrap_or_else(|| format!("{}a", here.place.region));
    check_zone(here, &zone)?;
    let boot = boot(here, &launch.image_id)?;
    let mappings = overridden(boot.mappings, &launch.mappings);
    let reservation_id = here.world.ids.with_prefix("r");
    let mut drafts: Vec<(Instance, Vec<(Volume, Attachment)>)> = Vec::new();
    for _ in 0..launch.count {
        let instance = Instance {
            id: here.world.ids.fresh(Kind::Instance),
            reservation_id: reservation_id.clone(),
            image_id: launch.image_id.clone(),
            instance_type: launch.instance_type.clone(),
            state: InstanceState::Pending,
            launched_at: here.now,
            availability_zone: zone.clone(),
            root_device: boot.root_device.clone(),
            devices: std::collections::BTreeMap::new(),
            hibernation: launch.hibernation,
            hibernated: false,
            spot: launch.spot,
            tags: launch.instance_tags.clone(),
            falls_back: false,
        };
        let mut volumes = Vec::new();
        for mapping in &mappings {
            let attachment = Attachment {
                instance_id: instance.id.clone(),
                device: mapping.device.clone(),
                attached_at: here.now,
                delete_on_termination: mapping.delete_on_termination.unwrap_or(true),
            };
            volumes.push((mapping.volume.draft(here, &zone, &launch.volume_tags)?, attachment));
        }
        drafts.push((instance, volumes));
    }
    let runs_at = here.now + here.world.start_time;
    for (instance, _) in &drafts {
        here.world.schedule(runs_at, here.place, Due::Change(instance.id.clone()));
    }
    let region = here.region();
    let mut ids = Vec::new();
    for (instance, volumes) in drafts {
        ids.push(instance.id.clone());
        region.instances.insert(instance.id.clone(), instance);
        for (volume, attachment) in volumes {
            let id = volume.id.clone();
            region.volumes.insert(id.clone(), volume);
            region.attach(&id, attachment)?;
        }
    }
    Ok(ids)
}

/// What an image says of its instances. Any well-formed id is an image that boots from one small volume.
fn boot(here: &mut Here<'_>, image_id: &str) -> Result<Boot, Error> {
    if image_id == INSTANCE_STORE_IMAGE {
        return Ok(Boot { root_device: None, mappings: Vec::new() });
    }
    let Some(image) = here.region().images.get(image_id) else {
        let volume = VolumeWish { size: Some(ROOT_SIZE), ..VolumeWish::default() };
        let root = Mapping { device: ROOT_DEVICE.to_owned(), volume, delete_on_termination: None };
        return Ok(Boot { root_device: Some(ROOT_DEVICE.to_owned()), mappings: vec![root] });
    };
    if image.state != ImageState::Available {
        return Err(unavailable(image_id));
    }
    let mappings = image.devices.iter().map(|device| Mapping {
        device: device.name.clone(),
        volume: VolumeWish {
            size: Some(device.size),
            volume_type: Some(device.volume_type.clone()),
            snapshot_id: device.snapshot_id.clone(),
            ..VolumeWish::default()
        },
        delete_on_termination: Some(device.delete_on_termination),
    });
    Ok(Boot { root_device: Some(image.root_device.clone()), mappings: mappings.collect() })
}

/// The image's devices with the caller's written over them, device by device and field by field.
fn overridden(of_image: Vec<Mapping>, of_caller: &[Mapping]) -> Vec<Mapping> {
    let mut mappings = of_image;
    for wanted in of_caller {
        let Some(mapping) = mappings.iter_mut().find(|mapping| mapping.device == wanted.device) else {
            mappings.push(wanted.clone());
            continue;
        };
        let image = std::mem::take(&mut mapping.volume);
        let caller = wanted.volume.clone();
        mapping.volume = VolumeWish {
            size: caller.size.or(image.size),
            volume_type: caller.volume_type.or(image.volume_type),
            iops: caller.iops.or(image.iops),
            encrypted: caller.encrypted.or(image.encrypted),
            kms_key: caller.kms_key.or(image.kms_key),
            snapshot_id: caller.snapshot_id.or(image.snapshot_id),
            multi_attach: false,
        };
        mapping.delete_on_termination = wanted.delete_on_termination.or(mapping.delete_on_termination);
    }
    mappings
}

fn answer(here: &mut Here<'_>, ids: &[String]) -> Result<Nodes, Error> {
    let account = here.place.account.clone();
    let region = here.region();
    let started: Vec<Instance> = ids.iter().map(|id| region.instance(id).cloned()).collect::<Result<_, _>>()?;
    let shapes: Vec<Nodes> = started.iter().map(|instance| instances::shape(region, instance)).collect();
    let reservation_id = started.first().map(|instance| instance.reservation_id.as_str()).unwrap_or_default();
    Ok(reservation(reservation_id, &account, shapes))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, simulator};

    const ACCOUNT: &str = "123456789012";

    #[tokio::test(start_paused = true)]
    async fn an_instance_boots_from_a_volume_unless_its_image_is_an_instance_store() {
        let sim = simulator();
        for (image, volumes) in [("ami-12345678", 1), ("ami-0000000000000000e", 0)] {
            let params = [("ImageId", image), ("MinCount", "1"), ("MaxCount", "1")];
            let id = call(&sim, "us-east-1", "RunInstances", &params).ok().first("instanceId");
            let instance = sim.instances(ACCOUNT, "us-east-1").into_iter().find(|one| one.id == id).unwrap();
            assert_eq!((instance.devices.len(), instance.root_volume().is_some()), (volumes, volumes == 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn mappings_add_to_the_root_volume_or_change_it() {
        let sim = simulator();
        let params = [
            ("ImageId", "ami-12345678"),
            ("MinCount", "2"),
            ("MaxCount", "2"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
            ("BlockDeviceMapping.2.DeviceName", "/dev/sdf"),
            ("BlockDeviceMapping.2.Ebs.VolumeSize", "500"),
            ("BlockDeviceMapping.2.Ebs.VolumeType", "st1"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
        ];
        call(&sim, "us-east-1", "RunInstances", &params).ok();
        let mut volumes: Vec<(u32, String, usize)> = sim
            .volumes(ACCOUNT, "us-east-1")
            .into_iter()
            .map(|volume| (volume.size, volume.volume_type, volume.tags.len()))
            .collect();
        volumes.sort();
        let expected = [(20, "gp3"), (20, "gp3"), (500, "st1"), (500, "st1")];
        assert_eq!(volumes, expected.map(|(size, kind)| (size, kind.to_owned(), 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_instances_start_or_none() {
        let sim = simulator();
        let params = [
            ("ImageId", "ami-12345678"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sdf"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
            ("BlockDeviceMapping.1.Ebs.VolumeType", "st1"),
        ];
        assert_eq!(call(&sim, "us-east-1", "RunInstances", &params).code(), "InvalidParameterValue");
        assert!(sim.instances(ACCOUNT, "us-east-1").is_empty() && sim.volumes(ACCOUNT, "us-east-1").is_empty());
    }
}
