//! SSM: parameters, told one by one.

use crate::action::{Read, act};
use crate::iam::ask::Ask;
use crate::model::Here;
use crate::model::parameter::{Parameter, arn};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "GetParameter" => get(params),
        other => Err(Error::new("UnknownOperationException", format!("The action {other} is not modelled."))),
    }
}

/// What an action asks of the caller's policy: each is about one parameter, whether it is there or not. Source: Service
/// Authorization Reference.
pub(crate) fn asks(action: &str, params: &Params, here: &Here<'_>) -> Result<Vec<Ask>, Error> {
    let Named { name, .. } = Named::read(params)?;
    let arn = if name.starts_with("arn:") { name } else { arn(here.place, &name) };
    Ok(vec![Ask::new(format!("ssm:{action}"), arn).with("aws:ResourceAccount", &here.place.account)])
}

/// A parameter that a caller names: `/backup/sync`, its ARN, either with `:3` for its third version.
struct Named {
    name: String,
    version: Option<String>,
}

impl Named {
    fn read(params: &Params) -> Result<Named, Error> {
        let missing = "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not \
                       be null";
        let name = params.text("Name").ok_or_else(|| Error::new("ValidationException", missing))?.trim();
        // "If the specified name for a parameter contains spaces between characters, the request fails"
        if name.is_empty() || name.contains(' ') {
            return Err(Error::new("ValidationException", format!("Parameter name {name:?} is not valid.")));
        }
        let colons = if name.starts_with("arn:") { 5 } else { 0 };
        let (name, version) = match name.match_indices(':').nth(colons) {
            Some((at, _)) => (&name[..at], Some(name[at + 1..].to_owned())),
            None => (name, None),
        };
        Ok(Named { name: name.to_owned(), version })
    }
}

fn get(params: &Params) -> Read {
    let Named { name, version } = Named::read(params)?;
    // all parameters are of the type String, for which it "is ignored"
    params.flag("WithDecryption")?;
    Ok(act(move |here| {
        let place = here.place;
        let is_meant = |of: &str| of == name || arn(place, of) == name;
        let found = here.region().parameters.iter().find(|(of, _)| is_meant(of));
        // AWS says no more than this code
        let (name, parameter) = found.ok_or_else(|| Error::new("ParameterNotFound", ""))?;
        // labels and versions that were written over are not modelled
        if version.as_ref().is_some_and(|version| *version != parameter.version.to_string()) {
            return Err(Error::new("ParameterVersionNotFound", ""));
        }
        let told = shape(name, parameter)
            .text("ARN", arn(place, name))
            .maybe("Selector", version.map(|version| format!(":{version}")));
        Ok(Nodes::new().nest("Parameter", told))
    }))
}

fn shape(name: &str, parameter: &Parameter) -> Nodes {
    Nodes::new()
        .text("Name", name)
        .text("Type", "String")
        .text("Value", &parameter.value)
        .number("Version", parameter.version)
        .number("LastModifiedDate", parameter.changed_at.timestamp())
        .text("DataType", "text")
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, Reply, call_service, simulator, simulator_with};
    use crate::{Fault, FaultKind, Policy, Simulator};
    use std::time::Duration;

    const REGION: &str = "us-east-1";
    const NAME: &str = "/backup/sync";
    const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:parameter/backup/sync";

    fn get(sim: &Simulator, name: &str) -> Reply {
        call_service(sim, "ssm", REGION, "GetParameter", &[("Name", name), ("WithDecryption", "true")])
    }

    #[tokio::test(start_paused = true)]
    async fn a_parameter_is_told_by_name_or_arn_as_it_was_written_last() {
        let sim = simulator();
        sim.put_parameter(ACCOUNT, REGION, NAME, "a: 1");
        sim.put_parameter(ACCOUNT, REGION, NAME, "b: \"2\"\n");
        for name in [NAME, ARN, "/backup/sync:2", " /backup/sync "] {
            let told = get(&sim, name).ok();
            assert_eq!(told.first("Value"), "b: \"2\"\n", "{name}");
            assert_eq!((told.first("ARN").as_str(), told.first("Version").as_str()), (ARN, "2"));
        }
        let told = get(&sim, NAME).ok();
        assert!(told.body.starts_with(r#"{"Parameter":{"#) && told.body.contains(r#""Version":2"#), "{}", told.body);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_has_a_code() {
        let sim = simulator();
        sim.put_parameter(ACCOUNT, "us-west-2", NAME, "there");
        sim.put_parameter(ACCOUNT, REGION, "other", "here");
        for (name, code) in [
            (NAME, "ParameterNotFound"),
            ("other:2", "ParameterVersionNotFound"),
            ("a b", "ValidationException"),
            ("", "ValidationException"),
        ] {
            let refused = get(&sim, name);
            assert_eq!((refused.status, refused.code().as_str()), (400, code), "{name}");
        }
        let unknown = call_service(&sim, "ssm", REGION, "PutParameter", &[]);
        assert_eq!(unknown.code(), "UnknownOperationException");
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_names_the_parameter() {
        let sim = simulator();
        sim.put_parameter(ACCOUNT, REGION, NAME, "x");
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": [
                {{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "{ARN}"}}]}}"#
        );
        sim.attach_policy("AKID", Policy::parse(&document).unwrap());
        for name in [NAME, ARN, "/backup/sync:1"] {
            get(&sim, name).ok();
        }
        let refused = get(&sim, "/backup/other");
        assert_eq!((refused.status, refused.code().as_str()), (400, "AccessDeniedException"));
    }

    #[tokio::test(start_paused = true)]
    async fn faults_speak_as_ssm_does_and_a_reading_may_be_stale() {
        let sim = simulator_with(|config| config.remembers = Duration::from_mins(5));
        sim.put_parameter(ACCOUNT, REGION, NAME, "old");
        sim.skip(Duration::from_mins(1));
        sim.put_parameter(ACCOUNT, REGION, NAME, "new");
        for (kind, status, code) in [
            (FaultKind::Throttle, 400, "ThrottlingException"),
            (FaultKind::Deny, 400, "AccessDeniedException"),
            (FaultKind::CutBefore, 0, ""),
        ] {
            sim.inject(Fault::new("GetParameter", kind).on(NAME));
            let answer = get(&sim, NAME);
            assert_eq!((answer.status, answer.code().as_str()), (status, code));
        }
        sim.inject(Fault::new("GetParameter", FaultKind::Stale(Duration::from_secs(1))));
        assert_eq!((get(&sim, NAME).first("Value"), get(&sim, NAME).first("Value")), ("old".into(), "new".into()));
    }
}
