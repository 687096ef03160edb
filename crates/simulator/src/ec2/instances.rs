//! Instances: listed, started, stopped, terminated.

use crate::action::{Act, Read, act};
use crate::ec2::filter::Field;
use crate::ec2::listing::{Listing, Resource};
use crate::model::ids::Kind;
use crate::model::instance::{Instance, InstanceState};
use crate::model::region::Region;
use crate::model::tags::{Tags, tag_set};
use crate::model::{Due, Here};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a terminated instance is still listed.
const LISTED_AFTER_TERMINATION: Duration = Duration::from_hours(1);

impl Resource for Instance {
    const KIND: Kind = Kind::Instance;
    const FIELDS: &'static [Field<Instance>] = &[
        ("instance-id", |instance| vec![instance.id.clone()]),
        ("instance-state-name", |instance| vec![instance.state.as_str().to_owned()]),
        ("block-device-mapping.volume-id", |instance| instance.devices.values().cloned().collect()),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<Instance>::read(params)?;
    if listing.has_ids() && listing.has_page_size() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Error::new("InvalidParameterCombination", message));
    }
    Ok(act(move |here| {
        let page_size = here.world.page_size;
        let account = here.place.account.clone();
        let region: &Region = here.region();
        let (instances, next) = listing.pick(page_size, region.instances.values(), |_| true)?;
        let mut reservations: BTreeMap<&str, Vec<Nodes>> = BTreeMap::new();
        for instance in instances {
            reservations.entry(&instance.reservation_id).or_default().push(shape(region, instance));
        }
        let reservations = reservations.into_iter().map(|(id, shapes)| reservation(id, &account, shapes));
        Ok(Nodes::new().items("reservationSet", reservations).maybe("nextToken", next))
    }))
}

pub(super) fn start(params: &Params) -> Read {
    Ok(change(instance_ids(params)?, InstanceState::Running, false))
}

pub(super) fn stop(params: &Params) -> Read {
    params.flag("Force")?;
    let hibernate = params.flag("Hibernate")?.unwrap_or_default();
    Ok(change(instance_ids(params)?, InstanceState::Stopped, hibernate))
}

pub(super) fn terminate(params: &Params) -> Read {
    Ok(change(instance_ids(params)?, InstanceState::Terminated, false))
}

fn instance_ids(params: &Params) -> Result<Vec<String>, Error> {
    let ids = params.list("InstanceId");
    if ids.is_empty() {
        return Err(Error::missing("InstanceId"));
    }
    ids.into_iter().map(|id| Kind::Instance.check(id)).collect()
}

/// Takes instances to another state, by hibernating if so wished: all of them or none.
fn change(ids: Vec<String>, to: InstanceState, hibernate: bool) -> Act {
    act(move |here| {
        for id in &ids {
            let instance = here.region().instance(id)?;
            let state = instance.state;
            if hibernate && !instance.hibernation {
                let message = format!("The instance '{id}' is not configured for hibernation.");
                return Err(Error::new("UnsupportedHibernationConfiguration", message));
            }
            if state == InstanceState::Terminated && to != InstanceState::Terminated {
                let message = format!("The instance '{id}' is not in a state from which it can be changed.");
                return Err(Error::new("IncorrectInstanceState", message));
            }
        }
        let mut changes = Vec::new();
        for id in &ids {
            let instance = here.region().instance(id)?;
            let before = std::mem::replace(&mut instance.state, to);
            if before != to {
                instance.hibernated = hibernate;
            }
            if to == InstanceState::Terminated && before != InstanceState::Terminated {
                release_volumes(here, id)?;
                here.world.schedule(here.now + LISTED_AFTER_TERMINATION, here.place, Due::Instance(id.clone()));
            }
            changes.push(
                Nodes::new()
                    .text("instanceId", id)
                    .nest("currentState", shape_state(to))
                    .nest("previousState", shape_state(before)),
            );
        }
        Ok(Nodes::new().items("instancesSet", changes))
    })
}

/// Detaches the volumes of an instance that is going, and deletes those that go with it.
fn release_volumes(here: &mut Here<'_>, id: &str) -> Result<(), Error> {
    let region = here.region();
    let volumes: Vec<String> = region.instance(id)?.devices.values().cloned().collect();
    for volume in volumes {
        let attachments = &region.volume(&volume)?.attachments;
        let goes = attachments.iter().any(|one| one.instance_id == id && one.delete_on_termination);
        // a volume that another instance has as well stays
        let goes = goes && attachments.len() == 1;
        region.detach(&volume, id);
        if goes {
            region.volumes.remove(&volume);
        }
    }
    Ok(())
}

/// The instances that one call made.
pub(super) fn reservation(id: &str, account: &str, instances: Vec<Nodes>) -> Nodes {
    Nodes::new().text("reservationId", id).text("ownerId", account).items("instancesSet", instances)
}

pub(super) fn shape(region: &Region, instance: &Instance) -> Nodes {
    let root_device_type = if instance.root_device.is_some() { "ebs" } else { "instance-store" };
    Nodes::new()
        .text("instanceId", &instance.id)
        .text("imageId", &instance.image_id)
        .nest("instanceState", shape_state(instance.state))
        .text("privateDnsName", "")
        .text("dnsName", "")
        .text("amiLaunchIndex", 0)
        .text("instanceType", &instance.instance_type)
        .text("launchTime", instant(instance.launched_at))
        .nest(
            "placement",
            Nodes::new().text("availabilityZone", &instance.availability_zone).text("tenancy", "default"),
        )
        .text("architecture", "x86_64")
        .text("rootDeviceType", root_device_type)
        .maybe("rootDeviceName", instance.root_device.as_ref())
        .items(
            "blockDeviceMapping",
            instance.devices.iter().map(|(device, id)| shape_device(region, instance, device, id)),
        )
        .text("virtualizationType", "hvm")
        .and(tag_set(&instance.tags))
        .and(if instance.hibernated { hibernated() } else { Nodes::new() })
        .text("hypervisor", "xen")
        .nest("hibernationOptions", Nodes::new().text("configured", instance.hibernation))
}

fn shape_device(region: &Region, instance: &Instance, device: &str, volume_id: &str) -> Nodes {
    let attachments = region.volumes.get(volume_id).map(|volume| volume.attachments.as_slice()).unwrap_or_default();
    let attachment = attachments.iter().find(|attachment| attachment.instance_id == instance.id);
    let ebs = Nodes::new()
        .text("volumeId", volume_id)
        .text("status", "attached")
        .maybe("attachTime", attachment.map(|attachment| instant(attachment.attached_at)))
        .maybe("deleteOnTermination", attachment.map(|attachment| attachment.delete_on_termination));
    Nodes::new().text("deviceName", device).nest("ebs", ebs)
}

/// Why an instance that hibernates is stopped. Source: `StateReason` in the API reference; the other reasons there are
/// not modelled.
fn hibernated() -> Nodes {
    let code = "Client.UserInitiatedHibernate";
    let reason =
        Nodes::new().text("code", code).text("message", format!("{code}: Hibernation was initiated on the instance."));
    Nodes::new().nest("stateReason", reason)
}

fn shape_state(state: InstanceState) -> Nodes {
    Nodes::new().text("code", state.code()).text("name", state.as_str())
}

#[cfg(test)]
mod tests {
    use crate::InstanceState;
    use crate::testing::{Look as _, call, instance, simulator, volume};
    use std::time::Duration;

    const ACCOUNT: &str = "123456789012";

    #[tokio::test(start_paused = true)]
    async fn a_terminated_instance_is_listed_for_an_hour_and_takes_its_own_volumes_with_it() {
        let sim = simulator();
        let id = instance(&sim, "us-east-1");
        let data = volume(&sim, "us-east-1");
        let params = [("VolumeId", data.as_str()), ("InstanceId", id.as_str()), ("Device", "/dev/sdf")];
        call(&sim, "us-east-1", "AttachVolume", &params).ok();
        call(&sim, "us-east-1", "TerminateInstances", &[("InstanceId.1", &id)]).ok();

        let volumes = sim.volumes(ACCOUNT, "us-east-1");
        assert_eq!(volumes.iter().map(|volume| volume.id.as_str()).collect::<Vec<_>>(), [data.as_str()]);
        assert!(volumes[0].attachments.is_empty());
        let describe = || call(&sim, "us-east-1", "DescribeInstances", &[]).ok();
        assert_eq!(describe().texts("name"), ["terminated"]);
        assert!(describe().texts("volumeId").is_empty());
        assert_eq!(
            call(&sim, "us-east-1", "StartInstances", &[("InstanceId.1", &id)]).code(),
            "IncorrectInstanceState"
        );
        sim.skip(Duration::from_hours(1));
        assert!(describe().texts("instanceId").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_instance_made_for_it_hibernates_and_says_so() {
        let sim = simulator();
        let (plain, launch) = (instance(&sim, "us-east-1"), [("ImageId", "ami-12345678"), ("MinCount", "1")]);
        let made_for_it = [launch.as_slice(), &[("MaxCount", "1"), ("HibernationOptions.Configured", "true")]].concat();
        let able = call(&sim, "us-east-1", "RunInstances", &made_for_it).ok().first("instanceId");
        let change = |action: &str, params: &[(&str, &str)]| call(&sim, "us-east-1", action, params);
        let reasons = || {
            let codes = change("DescribeInstances", &[]).ok().texts("code");
            codes.into_iter().filter(|code| code.starts_with("Client.")).collect::<Vec<_>>()
        };
        let both = [("InstanceId.1", able.as_str()), ("InstanceId.2", plain.as_str()), ("Hibernate", "true")];
        assert_eq!(change("StopInstances", &both).code(), "UnsupportedHibernationConfiguration");
        assert!(sim.instances(ACCOUNT, "us-east-1").iter().all(|one| one.state == InstanceState::Running));

        change("StopInstances", &[("InstanceId.1", &able), ("Hibernate", "true")]).ok();
        assert_eq!(reasons(), ["Client.UserInitiatedHibernate"]);
        let hibernated = sim.instances(ACCOUNT, "us-east-1").into_iter().find(|one| one.id == able).unwrap();
        assert_eq!((hibernated.state, hibernated.hibernated), (InstanceState::Stopped, true));
        change("StartInstances", &[("InstanceId.1", &able)]).ok();
        change("StopInstances", &[("InstanceId.1", &able)]).ok();
        assert!(reasons().is_empty(), "stopped, not hibernated");
    }

    #[tokio::test(start_paused = true)]
    async fn page_size_and_ids_do_not_go_together() {
        let sim = simulator();
        let id = instance(&sim, "us-east-1");
        let describe = |params: &[(&str, &str)]| call(&sim, "us-east-1", "DescribeInstances", params);
        assert_eq!(describe(&[("InstanceId.1", &id), ("MaxResults", "5")]).code(), "InvalidParameterCombination");
        assert_eq!(describe(&[("InstanceId.1", &id)]).ok().texts("instanceId").len(), 1);
        assert_eq!(describe(&[("InstanceId.1", "i-00000000")]).code(), "InvalidInstanceID.NotFound");
        assert_eq!(describe(&[("InstanceId.1", "x")]).code(), "InvalidInstanceID.Malformed");
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_and_regions_do_not_see_each_other() {
        let sim = simulator();
        instance(&sim, "us-east-1");
        assert!(call(&sim, "us-west-2", "DescribeInstances", &[]).ok().texts("instanceId").is_empty());
        assert_eq!(sim.instances("210987654321", "us-east-1").len(), 0);
    }
}
