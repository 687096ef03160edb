//! Instances: listed. What starts and stops them is in [`super::power`].

use crate::action::{Read, act};
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::model::ids::Kind;
use crate::model::instance::{Instance, InstanceState};
use crate::model::region::Region;
use crate::model::tags::{Tags, tag_set};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use std::collections::BTreeMap;

/// How a Spot instance is called. An instance on demand has no lifecycle.
const SPOT: &str = "spot";

impl Resource for Instance {
    const KIND: Kind = Kind::Instance;
    const FIELDS: &'static [Field<Instance>] = &[
        ("instance-id", |instance, passes| passes(&instance.id)),
        ("instance-state-name", |instance, passes| passes(instance.state.as_str())),
        ("instance-lifecycle", |instance, passes| instance.spot && passes(SPOT)),
        ("block-device-mapping.volume-id", |instance, passes| instance.devices.values().any(|id| passes(id))),
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
        let all = All::of(&region.instances);
        let all = match listing.exactly("instance-id") {
            Some(ids) => all.only(ids),
            None => all,
        };
        let (instances, next) = listing.pick(page_size, all, |_| true)?;
        let mut reservations: BTreeMap<&str, Vec<Nodes>> = BTreeMap::new();
        for instance in instances {
            reservations.entry(&instance.reservation_id).or_default().push(shape(region, instance));
        }
        let reservations = reservations.into_iter().map(|(id, shapes)| reservation(id, &account, shapes));
        Ok(Nodes::new().items("reservationSet", reservations).maybe("nextToken", next))
    }))
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
        .maybe("instanceLifecycle", instance.spot.then_some(SPOT))
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

pub(super) fn shape_state(state: InstanceState) -> Nodes {
    Nodes::new().text("code", state.code()).text("name", state.as_str())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, instance, simulator};

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
