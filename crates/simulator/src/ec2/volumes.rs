//! Volumes: made, listed, attached, detached, deleted.

use crate::action::{Read, act};
use crate::ec2::devices::VolumeWish;
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::ec2::{done, tags};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::instance::InstanceState;
use crate::model::region::Region;
use crate::model::tags::{Tags, tag_set};
use crate::model::volume::{Attachment, Volume};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;

impl Resource for Volume {
    const KIND: Kind = Kind::Volume;
    const FIELDS: &'static [Field<Volume>] = &[
        ("volume-id", |volume, passes| passes(&volume.id)),
        ("status", |volume, passes| passes(volume.state())),
        ("attachment.instance-id", |volume, passes| {
            volume.attachments.iter().any(|attachment| passes(&attachment.instance_id))
        }),
        // attaching is done at once, so nothing is ever on the way
        ("attachment.status", |volume, passes| !volume.attachments.is_empty() && passes(ATTACHED)),
        ("multi-attach-enabled", |volume, passes| passes(&volume.multi_attach.to_string())),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// What a change answers with is still under way in EC2; here it is done before anyone can look again.
const CREATING: &str = "creating";
const ATTACHING: &str = "attaching";
const ATTACHED: &str = "attached";
const DETACHING: &str = "detaching";

pub(super) fn create(params: &Params) -> Read {
    let zone = params.required("AvailabilityZone")?.to_owned();
    let mut wish = VolumeWish::read(params, "", "Size")?;
    wish.multi_attach = params.flag("MultiAttachEnabled")?.unwrap_or_default();
    let tags = tags::specified(params, Kind::Volume)?;
    let token = params.text("ClientToken").map(|token| ("CreateVolume", token.to_owned()));
    Ok(act(move |here| {
        check_zone(here, &zone)?;
        let known = token.as_ref().and_then(|token| here.region().client_tokens.get(token)?.first().cloned());
        if let Some(id) = known {
            return Ok(shape(here.region().volume(&id)?, CREATING));
        }
        let volume = wish.draft(here, &zone, &tags)?;
        let region = here.region();
        if let Some(token) = token {
            region.client_tokens.insert(token, vec![volume.id.clone()]);
        }
        region.volumes.insert(volume.id.clone(), volume.clone());
        Ok(shape(&volume, CREATING))
    }))
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<Volume>::read(params)?;
    Ok(act(move |here| {
        let page_size = here.world.page_size;
        let region: &Region = here.region();
        let all = All::of(&region.volumes);
        let all = match (listing.exactly("volume-id"), listing.exactly("attachment.instance-id")) {
            (Some(ids), _) => all.only(ids),
            (None, Some(ids)) => {
                let instances = ids.iter().filter_map(|id| region.instances.get(id));
                all.only(instances.flat_map(|instance| instance.devices.values()))
            }
            (None, None) => all,
        };
        let (volumes, next) = listing.pick(page_size, all, |_| true)?;
        Ok(Nodes::new()
            .items("volumeSet", volumes.into_iter().map(|volume| shape(volume, volume.state())))
            .maybe("nextToken", next))
    }))
}

pub(super) fn attach(params: &Params) -> Read {
    let volume_id = Kind::Volume.check(params.required("VolumeId")?)?;
    let instance_id = Kind::Instance.check(params.required("InstanceId")?)?;
    let device = params.required("Device")?.to_owned();
    Ok(act(move |here| {
        let now = here.now;
        let region = here.region();
        let volume = region.volume(&volume_id)?.clone();
        let instance = region.instance(&instance_id)?;
        if !matches!(instance.state, InstanceState::Running | InstanceState::Stopped) {
            return Err(Error::new(
                "IncorrectState",
                format!("Instance '{instance_id}' is not 'running' or 'stopped'."),
            ));
        }
        if instance.availability_zone != volume.availability_zone {
            let message =
                format!("The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'");
            return Err(Error::new("InvalidVolume.ZoneMismatch", message));
        }
        if instance.devices.contains_key(&device) {
            return Err(Error::invalid(format!("Attachment point {device} is already in use")));
        }
        let is_there = instance.devices.values().any(|attached| *attached == volume_id);
        if is_there || !(volume.attachments.is_empty() || volume.multi_attach) {
            return Err(Error::new("VolumeInUse", format!("{volume_id} is already attached to an instance")));
        }
        let attachment = Attachment { instance_id, device, attached_at: now, delete_on_termination: false };
        region.attach(&volume_id, attachment.clone())?;
        Ok(shape_attachment(&volume_id, &attachment, ATTACHING))
    }))
}

pub(super) fn detach(params: &Params) -> Read {
    let volume_id = Kind::Volume.check(params.required("VolumeId")?)?;
    let instance_id = params.text("InstanceId").map(|id| Kind::Instance.check(id)).transpose()?;
    let device = params.text("Device").map(str::to_owned);
    params.flag("Force")?;
    Ok(act(move |here| {
        let region = here.region();
        let attachments = region.volume(&volume_id)?.attachments.clone();
        let meant: Vec<Attachment> = attachments
            .into_iter()
            .filter(|one| instance_id.as_ref().is_none_or(|id| *id == one.instance_id))
            .filter(|one| device.as_ref().is_none_or(|device| *device == one.device))
            .collect();
        let [attachment] = meant.as_slice() else {
            return Err(match meant.len() {
                0 => Error::new("IncorrectState", format!("Volume '{volume_id}' is in the 'available' state.")),
                _ => Error::missing("InstanceId"),
            });
        };
        let instance = region.instance(&attachment.instance_id)?;
        if instance.root_volume() == Some(volume_id.as_str()) && instance.state != InstanceState::Stopped {
            return Err(Error::new("OperationNotPermitted", "Unable to detach root volume from running instance"));
        }
        region.detach(&volume_id, &attachment.instance_id);
        Ok(shape_attachment(&volume_id, attachment, DETACHING))
    }))
}

pub(super) fn delete(params: &Params) -> Read {
    let id = Kind::Volume.check(params.required("VolumeId")?)?;
    Ok(act(move |here| {
        let region = here.region();
        if !region.volume(&id)?.attachments.is_empty() {
            return Err(Error::new("VolumeInUse", format!("Volume {id} is currently attached to an instance")));
        }
        region.volumes.remove(&id);
        Ok(done())
    }))
}

/// Refuses an availability zone of another region.
pub(super) fn check_zone(here: &Here<'_>, zone: &str) -> Result<(), Error> {
    let letter = zone.strip_prefix(here.place.region.as_str());
    if letter.is_some_and(|letter| letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase())) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid availability zone: [{zone}]")))
}

fn shape(volume: &Volume, status: &str) -> Nodes {
    let attachments = volume.attachments.iter().map(|attachment| shape_attachment(&volume.id, attachment, ATTACHED));
    Nodes::new()
        .text("volumeId", &volume.id)
        .text("size", volume.size)
        .maybe("snapshotId", volume.snapshot_id.as_ref())
        .text("availabilityZone", &volume.availability_zone)
        .text("status", status)
        .text("createTime", instant(volume.created_at))
        .items("attachmentSet", attachments)
        .and(tag_set(&volume.tags))
        .text("volumeType", &volume.volume_type)
        .maybe("iops", volume.iops)
        .text("encrypted", volume.encrypted)
        .maybe("kmsKeyId", volume.kms_key_id.as_ref())
        .text("multiAttachEnabled", volume.multi_attach)
}

fn shape_attachment(volume: &str, attachment: &Attachment, status: &str) -> Nodes {
    Nodes::new()
        .text("volumeId", volume)
        .text("instanceId", &attachment.instance_id)
        .text("device", &attachment.device)
        .text("status", status)
        .text("attachTime", instant(attachment.attached_at))
        .text("deleteOnTermination", attachment.delete_on_termination)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, instance, simulator, volume};

    const CREATE: [(&str, &str); 2] = [("AvailabilityZone", "us-east-1a"), ("Size", "8")];

    #[tokio::test(start_paused = true)]
    async fn only_a_multi_attach_volume_goes_to_two_instances() {
        let sim = simulator();
        let instances = [instance(&sim, "us-east-1"), instance(&sim, "us-east-1")];
        let attach = |volume: &str, instance: &str| {
            let params = [("VolumeId", volume), ("InstanceId", instance), ("Device", "/dev/sdf")];
            call(&sim, "us-east-1", "AttachVolume", &params)
        };
        let single = volume(&sim, "us-east-1");
        attach(&single, &instances[0]).ok();
        assert_eq!(attach(&single, &instances[1]).code(), "VolumeInUse");

        let shared = [CREATE.as_slice(), &[("MultiAttachEnabled", "true")]].concat();
        assert_eq!(call(&sim, "us-east-1", "CreateVolume", &shared).code(), "InvalidParameterValue", "not on gp3");
        let shared = [shared.as_slice(), &[("VolumeType", "io2")]].concat();
        let shared = call(&sim, "us-east-1", "CreateVolume", &shared).ok().first("volumeId");
        let attach = |instance: &str| {
            let params = [("VolumeId", shared.as_str()), ("InstanceId", instance), ("Device", "/dev/sdg")];
            call(&sim, "us-east-1", "AttachVolume", &params)
        };
        attach(&instances[0]).ok();
        attach(&instances[1]).ok();
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_client_token_makes_the_same_volume() {
        let sim = simulator();
        let params = [CREATE.as_slice(), &[("ClientToken", "once")]].concat();
        let first = call(&sim, "us-east-1", "CreateVolume", &params).ok().first("volumeId");
        assert_eq!(call(&sim, "us-east-1", "CreateVolume", &params).ok().first("volumeId"), first);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attached_volume_is_not_deleted() {
        let sim = simulator();
        instance(&sim, "us-east-1");
        let root = sim.volumes("123456789012", "us-east-1").remove(0).id;
        assert_eq!(call(&sim, "us-east-1", "DeleteVolume", &[("VolumeId", &root)]).code(), "VolumeInUse");
        assert_eq!(call(&sim, "us-east-1", "DetachVolume", &[("VolumeId", &root)]).code(), "OperationNotPermitted");
    }
}
