//! Instances: started, stopped, terminated.

use crate::action::{Act, Read, act};
use crate::ec2::instances::shape_state;
use crate::ec2::key_rights;
use crate::model::ids::Kind;
use crate::model::instance::{Instance, InstanceState};
use crate::model::{Due, Here};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::time::Duration;

/// How long a terminated instance is still listed.
const LISTED_AFTER_TERMINATION: Duration = Duration::from_hours(1);

/// What a call does to instances.
#[derive(Clone, Copy, Debug)]
enum Change {
    Start,
    Stop {
        /// By hibernating.
        hibernate: bool,
    },
    Terminate,
}

pub(super) fn start(params: &Params) -> Read {
    Ok(change(instance_ids(params)?, Change::Start))
}

pub(super) fn stop(params: &Params) -> Read {
    // what a system that is stopped by force loses is not modelled
    if params.flag("Force")?.unwrap_or_default() {
        return Err(Error::invalid_value("Force", "true"));
    }
    let hibernate = params.flag("Hibernate")?.unwrap_or_default();
    Ok(change(instance_ids(params)?, Change::Stop { hibernate }))
}

pub(super) fn terminate(params: &Params) -> Read {
    Ok(change(instance_ids(params)?, Change::Terminate))
}

fn instance_ids(params: &Params) -> Result<Vec<String>, Error> {
    let ids = params.list("InstanceId");
    if ids.is_empty() {
        return Err(Error::missing("InstanceId"));
    }
    ids.into_iter().map(|id| Kind::Instance.check(id)).collect()
}

/// Changes the state of instances: of all of them or none.
fn change(ids: Vec<String>, change: Change) -> Act {
    act(move |here| {
        for id in &ids {
            may(change, here.region().instance(id)?)?;
        }
        let mut changes = Vec::new();
        for id in &ids {
            let (before, after) = begin(here, id, change)?;
            changes.push(
                Nodes::new()
                    .text("instanceId", id)
                    .nest("currentState", shape_state(after))
                    .nest("previousState", shape_state(before)),
            );
        }
        Ok(Nodes::new().items("instancesSet", changes))
    })
}

/// Whether a change can be begun. Source of the states: "Amazon EC2 instance state changes"; of the texts: what EC2 has
/// answered to others.
fn may(change: Change, instance: &Instance) -> Result<(), Error> {
    use InstanceState::{Pending, Running, Stopped, Stopping, Terminated};
    let id = &instance.id;
    let no_way = |what: &str| {
        let message = format!("The instance '{id}' is not in a state from which it can be {what}.");
        Err(Error::new("IncorrectInstanceState", message))
    };
    match (change, instance.state) {
        (Change::Stop { hibernate: true }, _) if !instance.hibernation => {
            let message = format!("The instance '{id}' is not configured for hibernation.");
            Err(Error::new("UnsupportedHibernationConfiguration", message))
        }
        (Change::Start, Stopping | Terminated) => no_way("started"),
        (Change::Stop { .. }, Pending | Terminated) => no_way("stopped"),
        (Change::Stop { .. }, Running | Stopping | Stopped) if instance.root_device.is_none() => {
            let message = format!("The instance '{id}' does not have an 'ebs' root device type and cannot be stopped.");
            Err(Error::new("UnsupportedOperation", message))
        }
        (Change::Stop { .. }, Running | Stopping | Stopped) if instance.spot => {
            let message = format!(
                "You can't stop the Spot Instance '{id}' because it is associated with a one-time Spot Instance request. \
                 You can only stop Spot Instances associated with persistent Spot Instance requests."
            );
            Err(Error::new("UnsupportedOperation", message))
        }
        (Change::Start, Pending | Running | Stopped)
        | (Change::Stop { .. }, Running | Stopping | Stopped)
        | (Change::Terminate, Pending | Running | Stopping | Stopped | Terminated) => Ok(()),
    }
}

/// Begins a change, or does nothing where it is under way already, or done. Returns the state before and after.
fn begin(here: &mut Here<'_>, id: &str, change: Change) -> Result<(InstanceState, InstanceState), Error> {
    let now = here.now;
    let has_keys = has_keys(here, id)?;
    let instance = here.region().instance(id)?;
    let before = instance.state;
    let after = match (change, before) {
        (Change::Start, InstanceState::Stopped) => {
            (instance.launched_at, instance.hibernated, instance.falls_back) = (now, false, !has_keys);
            InstanceState::Pending
        }
        (Change::Stop { hibernate }, InstanceState::Running) => {
            instance.hibernated = hibernate;
            InstanceState::Stopping
        }
        (Change::Terminate, _) => InstanceState::Terminated,
        (Change::Start | Change::Stop { .. }, _) => before,
    };
    instance.state = after;
    if after == before {
        return Ok((before, after));
    }
    let (at, due) = match after {
        InstanceState::Terminated => {
            instance.hibernated = false;
            release_volumes(here, id)?;
            (now + LISTED_AFTER_TERMINATION, Due::Instance(id.to_owned()))
        }
        InstanceState::Stopping => (now + here.world.stop_time, Due::Change(id.to_owned())),
        InstanceState::Pending | InstanceState::Running | InstanceState::Stopped => {
            (now + here.world.start_time, Due::Change(id.to_owned()))
        }
    };
    here.world.schedule(at, here.place, due);
    Ok((before, after))
}

/// Whether EC2 can use the keys of an instance's volumes for the caller. If it cannot, the call succeeds all the same, and
/// the instance falls back to `stopped`. Source: "How Amazon EBS encryption works" and "Troubleshoot launch issues"
/// (`Client.InternalError`). How long that takes is unconfirmed.
fn has_keys(here: &mut Here<'_>, id: &str) -> Result<bool, Error> {
    let place = here.place;
    let region = here.region();
    let volumes: Vec<String> = region.instance(id)?.devices.values().cloned().collect();
    let keys: Vec<String> = volumes.iter().filter_map(|id| region.volumes.get(id)?.kms_key_id.clone()).collect();
    let are_enabled = keys.iter().all(|key| region.can_use_key(place, key));
    Ok(are_enabled && keys.iter().all(|key| key_rights::may_start(here, key)))
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

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, instance, simulator, simulator_with, volume, volume_with};
    use crate::{InstanceState, Simulator};
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

    /// A simulator whose instances take two seconds to start and thirty to stop.
    fn slow() -> Simulator {
        simulator_with(|config| {
            (config.start_time, config.stop_time) = (Duration::from_secs(2), Duration::from_secs(30));
        })
    }

    fn states(sim: &Simulator) -> Vec<InstanceState> {
        sim.instances(ACCOUNT, "us-east-1").iter().map(|one| one.state).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn starting_and_stopping_take_their_time() {
        let sim = slow();
        let id = instance(&sim, "us-east-1");
        let change = |action: &str| call(&sim, "us-east-1", action, &[("InstanceId.1", &id)]);
        let check = |state: InstanceState| assert_eq!(states(&sim), [state]);
        check(InstanceState::Pending);
        assert_eq!(change("StopInstances").code(), "IncorrectInstanceState", "it does not run yet");
        sim.skip(Duration::from_secs(2));
        check(InstanceState::Running);
        assert_eq!(change("StartInstances").ok().texts("name"), ["running", "running"], "it runs already");
        assert_eq!(change("StopInstances").ok().texts("name"), ["stopping", "running"], "the new state comes first");
        sim.skip(Duration::from_secs(29));
        assert_eq!(change("StopInstances").ok().texts("name"), ["stopping", "stopping"], "no new time begins");
        assert_eq!(change("StartInstances").code(), "IncorrectInstanceState", "it is not stopped yet");
        sim.skip(Duration::from_secs(1));
        check(InstanceState::Stopped);
        assert_eq!(change("StopInstances").ok().texts("name"), ["stopped", "stopped"]);
        assert_eq!(change("StartInstances").ok().texts("name"), ["pending", "stopped"]);
        let launched = sim.instances(ACCOUNT, "us-east-1")[0].launched_at;
        assert_eq!(launched, sim.now(), "the time of the launch is that of the last start");
        sim.skip(Duration::from_secs(2));
        check(InstanceState::Running);
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_is_terminated_on_its_way_stays_so() {
        let sim = slow();
        let id = instance(&sim, "us-east-1");
        sim.skip(Duration::from_secs(2));
        for action in ["StopInstances", "TerminateInstances"] {
            call(&sim, "us-east-1", action, &[("InstanceId.1", &id)]).ok();
        }
        sim.skip(Duration::from_secs(30));
        assert_eq!(states(&sim), [InstanceState::Terminated]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_stopped_is_not_and_neither_is_what_is_named_with_it() {
        let sim = simulator();
        let plain = instance(&sim, "us-east-1");
        let launch = [("MinCount", "1"), ("MaxCount", "1")];
        for (more, what) in [
            ([("ImageId", "ami-12345678"), ("InstanceMarketOptions.MarketType", "spot")].as_slice(), "Spot"),
            (&[("ImageId", "ami-0000000000000000e")], "root device type"),
        ] {
            let made = call(&sim, "us-east-1", "RunInstances", &[launch.as_slice(), more].concat()).ok();
            let id = made.first("instanceId");
            let both = [("InstanceId.1", plain.as_str()), ("InstanceId.2", id.as_str())];
            let refused = call(&sim, "us-east-1", "StopInstances", &both);
            assert_eq!(refused.code(), "UnsupportedOperation", "{what}");
            assert!(refused.body.contains(what), "{}", refused.body);
        }
        assert_eq!(states(&sim), [InstanceState::Running; 3]);
        let spot = [("Filter.1.Name", "instance-lifecycle"), ("Filter.1.Value.1", "spot")];
        let spot = call(&sim, "us-east-1", "DescribeInstances", &spot).ok();
        assert_eq!(spot.texts("instanceLifecycle"), ["spot"]);
        let force = [("InstanceId.1", plain.as_str()), ("Force", "true")];
        assert_eq!(call(&sim, "us-east-1", "StopInstances", &force).code(), "InvalidParameterValue");
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_whose_key_cannot_be_used_falls_back_to_stopped() {
        let sim = slow();
        let id = instance(&sim, "us-east-1");
        sim.create_key(ACCOUNT, "us-east-1", "alias/own");
        let encrypted = [("Encrypted", "true"), ("KmsKeyId", "alias/own")];
        let volume = volume_with(&sim, "us-east-1", &encrypted);
        sim.skip(Duration::from_secs(2));
        let attach = [("VolumeId", volume.as_str()), ("InstanceId", id.as_str()), ("Device", "/dev/sdf")];
        call(&sim, "us-east-1", "AttachVolume", &attach).ok();
        call(&sim, "us-east-1", "StopInstances", &[("InstanceId.1", &id)]).ok();
        sim.skip(Duration::from_secs(30));
        for is_enabled in [false, true] {
            if is_enabled {
                sim.create_key(ACCOUNT, "us-east-1", "alias/own");
            } else {
                sim.disable_key(ACCOUNT, "us-east-1", "alias/own");
            }
            call(&sim, "us-east-1", "StartInstances", &[("InstanceId.1", &id)]).ok();
            assert_eq!(states(&sim), [InstanceState::Pending]);
            sim.skip(Duration::from_secs(2));
            let expected = if is_enabled { InstanceState::Running } else { InstanceState::Stopped };
            assert_eq!(states(&sim), [expected]);
        }
    }
}
