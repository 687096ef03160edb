//! What an action is: first it reads its parameters, then it acts.
//!
//! An action is a function from parameters to an [`Act`]. The act owns what it needs and runs only after every
//! parameter was found to have been read, so that no action can ignore one or have an effect before it knows them all.

use crate::iam::ask::Ask;
use crate::model::Here;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::Service;
use crate::wire::xml::Nodes;
use crate::{ec2, kms, rds, sns, ssm, sts};

/// What a call does once its parameters are read: it checks, changes the world, and answers.
pub(crate) type Act = Box<dyn FnOnce(&mut Here<'_>) -> Result<Nodes, Error>>;

/// What reading a call's parameters comes to.
pub(crate) type Read = Result<Act, Error>;

pub(crate) fn act(act: impl FnOnce(&mut Here<'_>) -> Result<Nodes, Error> + 'static) -> Act {
    Box::new(act)
}

/// Whether an action only tells what there is.
pub(crate) fn is_describe(action: &str) -> bool {
    action.starts_with("Describe") || action == "GetParameter"
}

/// Carries out one call.
pub(crate) fn run(service: Service, action: &str, params: &Params, here: &mut Here<'_>) -> Result<Nodes, Error> {
    if params.text("Version") != Some(service.version()) {
        return Err(Error::new("NoSuchVersion", format!("This service speaks version {}.", service.version())));
    }
    let (act, dry_run) = match service {
        Service::Ec2 => (ec2::read(action, params)?, params.flag("DryRun")?),
        Service::Kms => (kms::read(action, params)?, None),
        Service::Rds => (rds::read(action, params)?, None),
        Service::Sns => (sns::read(action, params)?, None),
        Service::Ssm => (ssm::read(action, params)?, None),
        Service::Sts => (sts::read(action, params)?, None),
    };
    params.all_read()?;
    authorise(service, action, params, here)?;
    if dry_run == Some(true) {
        return Err(Error::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
    }
    act(here)
}

/// Refuses what the caller's policy does not let it do, on every resource that is concerned.
fn authorise(service: Service, action: &str, params: &Params, here: &mut Here<'_>) -> Result<(), Error> {
    let Some(policy) = here.policy else { return Ok(()) };
    let (code, asks): (&str, Vec<Ask>) = match service {
        Service::Ec2 => ("UnauthorizedOperation", ec2::asks(action, params, here)?),
        Service::Kms => ("AccessDeniedException", kms::asks(action, params, here)?),
        Service::Rds => ("AccessDenied", rds::asks(action, params, here)?),
        Service::Sns => ("AuthorizationError", sns::asks(action, params, here)),
        Service::Ssm => ("AccessDeniedException", ssm::asks(action, params, here)?),
        Service::Sts => ("AccessDenied", sts::asks(action, params)?),
    };
    for ask in asks {
        let ask = ask.called_in(here.place);
        policy.check(&ask).map_err(|why| Error::new(code, format!("User: {} {why}", here.caller)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, simulator};

    #[tokio::test(start_paused = true)]
    async fn what_is_not_modelled_is_an_error_that_names_it() {
        let sim = simulator();
        for (action, params, code, named) in [
            ("ModifyVolume", vec![("VolumeId", "vol-12345678")], "InvalidAction", "ModifyVolume"),
            ("DescribeVolumes", vec![("OutpostArn", "x")], "UnknownParameter", "OutpostArn"),
            (
                "DescribeVolumes",
                vec![("Filter.1.Name", "iops"), ("Filter.1.Value.1", "3")],
                "InvalidParameterValue",
                "iops",
            ),
            ("DescribeVolumes", vec![("DryRun", "perhaps")], "InvalidParameterValue", "DryRun"),
        ] {
            let answer = call(&sim, "us-east-1", action, &params);
            assert_eq!(answer.code(), code, "{action}");
            assert!(answer.body.contains(named), "{}", answer.body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dry_run_has_no_effect() {
        let sim = simulator();
        let answer = call(
            &sim,
            "us-east-1",
            "CreateVolume",
            &[("AvailabilityZone", "us-east-1a"), ("Size", "8"), ("DryRun", "true")],
        );
        assert_eq!((answer.status, answer.code().as_str()), (412, "DryRunOperation"));
        assert!(sim.volumes("123456789012", "us-east-1").is_empty());
    }
}
