//! STS: who is calling, and who may call as someone else.

use crate::action::{Act, Read, act};
use crate::iam::ask::Ask;
use crate::model::Place;
use crate::model::ids::hash;
use crate::model::session::Session;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use chrono::TimeDelta;
use std::ops::RangeInclusive;

/// How long credentials hold, in seconds, if nobody says. That they hold no longer is told, and not enforced.
const DURATION: i64 = 3600;
const DURATIONS: RangeInclusive<i64> = 900..=43_200;
/// Source for both: the API model.
const SESSION_NAME_LENGTH: RangeInclusive<usize> = 2..=64;
const EXTERNAL_ID_LENGTH: RangeInclusive<usize> = 2..=1224;
/// How many characters an access key has after `ASIA`.
const KEY_DIGITS: usize = 16;

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "GetCallerIdentity" => Ok(identity()),
        "AssumeRole" => assume(params),
        other => Err(Error::unknown_action(other)),
    }
}

/// What an action asks of the caller's policy. Source: Service Authorization Reference; of `GetCallerIdentity`: "No
/// permissions are required to perform this operation".
///
/// In its own account a role that trusts its account lets in only whom a policy lets; that one which trusts a user needs
/// no policy is not modelled.
pub(crate) fn asks(action: &str, params: &Params) -> Result<Vec<Ask>, Error> {
    if action != "AssumeRole" {
        return Ok(Vec::new());
    }
    let role = required(params, "RoleArn")?;
    let owner = Place::of_arn(role).map(|place| place.account).unwrap_or_default();
    let mut ask = Ask::new("sts:AssumeRole", role).with("aws:ResourceAccount", &owner);
    for (key, parameter) in [("sts:RoleSessionName", "RoleSessionName"), ("sts:ExternalId", "ExternalId")] {
        if let Some(value) = params.text(parameter) {
            ask = ask.with(key, value);
        }
    }
    Ok(vec![ask])
}

fn identity() -> Act {
    act(|here| {
        let account = &here.place.account;
        let (arn, user) = match here.world.sessions.get(here.caller) {
            Some(session) => (session_arn(session), format!("{}:{}", role_id(&session.role), session.name)),
            None => (format!("arn:aws:iam::{account}:root"), account.clone()),
        };
        Ok(Nodes::new().text("Arn", arn).text("UserId", user).text("Account", account))
    })
}

fn assume(params: &Params) -> Read {
    let role = required(params, "RoleArn")?.to_owned();
    let name = text(required(params, "RoleSessionName")?, "RoleSessionName", &SESSION_NAME_LENGTH, "_+=,.@-")?;
    let external_id = match params.text("ExternalId") {
        Some(id) => Some(text(id, "ExternalId", &EXTERNAL_ID_LENGTH, "_+=,.@:/-")?),
        None => None,
    };
    let seconds = params.parsed::<i64>("DurationSeconds")?.unwrap_or(DURATION);
    if !DURATIONS.contains(&seconds) {
        return Err(invalid(&format!("DurationSeconds must be in {DURATIONS:?}")));
    }
    let account = match role.splitn(6, ':').collect::<Vec<&str>>().as_slice() {
        ["arn", "aws", "iam", "", account, name] if name.starts_with("role/") => (*account).to_owned(),
        _ => return Err(invalid(&format!("{role} is invalid"))),
    };
    Ok(act(move |here| {
        let found = here.world.roles.get(&role);
        if !found.is_some_and(|found| found.admits(&here.place.account, external_id.as_deref())) {
            // a role that is not there is not told from one that does not let in
            let message =
                format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {role}", here.caller);
            return Err(Error::new("AccessDenied", message));
        }
        let digits = here.world.ids.uuid().replace('-', "").to_uppercase();
        let key = format!("ASIA{}", digits.chars().take(KEY_DIGITS).collect::<String>());
        let session = Session { account, role, name };
        let credentials = Nodes::new()
            .text("AccessKeyId", &key)
            .text("SecretAccessKey", format!("secret-of-{key}"))
            .text("SessionToken", format!("token-of-{key}"))
            .text("Expiration", instant(here.now + TimeDelta::seconds(seconds)));
        let user = Nodes::new()
            .text("AssumedRoleId", format!("{}:{}", role_id(&session.role), session.name))
            .text("Arn", session_arn(&session));
        here.world.sessions.insert(key, session);
        Ok(Nodes::new().nest("Credentials", credentials).nest("AssumedRoleUser", user))
    }))
}

/// The ARN of whoever assumed a role, which has the role's name without its path.
fn session_arn(session: &Session) -> String {
    let role = session.role.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{}:assumed-role/{role}/{}", session.account, session.name)
}

fn role_id(role: &str) -> String {
    format!("AROA{:016X}", hash(role))
}

fn required<'a>(params: &'a Params, name: &str) -> Result<&'a str, Error> {
    params.text(name).ok_or_else(|| invalid(&format!("{name} must not be null")))
}

/// A text that is held to a length, and to letters, digits and these characters.
fn text(text: &str, name: &str, lengths: &RangeInclusive<usize>, others: &str) -> Result<String, Error> {
    let is_known = |one: char| one.is_ascii_alphanumeric() || others.contains(one);
    if lengths.contains(&text.len()) && text.chars().all(is_known) {
        return Ok(text.to_owned());
    }
    Err(invalid(&format!("Value '{text}' at '{name}' failed to satisfy its pattern or length")))
}

fn invalid(what: &str) -> Error {
    Error::new("ValidationError", format!("1 validation error detected: {what}"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, Reply, call_service, simulator};
    use crate::{Fault, FaultKind, Policy, Simulator};

    const REGION: &str = "us-east-1";
    const OTHER: &str = "210987654321";
    const ROLE: &str = "arn:aws:iam::210987654321:role/backup/sync";

    fn assume(sim: &Simulator, more: &[(&str, &str)]) -> Reply {
        let params = [[("RoleArn", ROLE), ("RoleSessionName", "nightly")].as_slice(), more].concat();
        call_service(sim, "sts", REGION, "AssumeRole", &params)
    }

    #[tokio::test(start_paused = true)]
    async fn the_caller_is_told_its_account() {
        let answer = call_service(&simulator(), "sts", REGION, "GetCallerIdentity", &[]);
        assert_eq!(answer.ok().first("Account"), "123456789012");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_assumes_a_role_calls_as_its_account() {
        let sim = simulator();
        sim.allow_role(ROLE, None, "123456789012");
        let assumed = assume(&sim, &[]).ok();
        let key = assumed.first("AccessKeyId");
        assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
        assert_eq!(assumed.first("Expiration"), "2026-11-21T06:00:00.000Z");
        let who = sim.ask(&key, "sts", REGION, "GetCallerIdentity", &[]).ok();
        let arn = "arn:aws:sts::210987654321:assumed-role/sync/nightly";
        assert_eq!((who.first("Account").as_str(), who.first("Arn").as_str()), (OTHER, arn));
        assert_eq!(assumed.first("Arn"), arn);
        assert_eq!(assumed.first("AssumedRoleId"), who.first("UserId"));
        sim.ask(&key, "ec2", REGION, "CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "8")]).ok();
        assert_eq!(sim.volumes(OTHER, REGION).len(), 1);
        let again = assume(&sim, &[]).ok().first("AccessKeyId");
        assert_ne!(again, key, "a session each");
        assert_eq!(sim.calls().pop().map(|call| call.account).as_deref(), Some("123456789012"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_role_lets_in_whom_it_trusts_if_they_say_what_they_must() {
        let sim = simulator();
        let code = |more: &[(&str, &str)]| {
            let refused = assume(&sim, more);
            (refused.status, refused.code())
        };
        let denied = (403, "AccessDenied".to_owned());
        assert_eq!(code(&[]), denied, "no such role");
        sim.allow_role(ROLE, Some("secret"), OTHER);
        assert_eq!(code(&[("ExternalId", "secret")]), denied, "another account");
        sim.allow_role(ROLE, Some("secret"), "123456789012");
        assert_eq!((code(&[]), code(&[("ExternalId", "other")])), (denied.clone(), denied));
        assume(&sim, &[("ExternalId", "secret"), ("DurationSeconds", "900")]).ok();
    }

    #[tokio::test(start_paused = true)]
    async fn parameters_are_held_to_what_sts_takes() {
        let sim = simulator();
        sim.allow_role(ROLE, None, "123456789012");
        for (role, name, more) in [
            ("arn:aws:iam::210987654321:user/sync", "nightly", ("DurationSeconds", "900")),
            (ROLE, "a b", ("DurationSeconds", "900")),
            (ROLE, "x", ("DurationSeconds", "900")),
            (ROLE, "nightly", ("DurationSeconds", "899")),
            (ROLE, "nightly", ("ExternalId", "x")),
        ] {
            let params = [("RoleArn", role), ("RoleSessionName", name), more];
            let refused = call_service(&sim, "sts", REGION, "AssumeRole", &params);
            assert_eq!((refused.status, refused.code().as_str()), (400, "ValidationError"), "{params:?}");
        }
        assert_eq!(assume(&sim, &[("SourceIdentity", "x")]).code(), "UnknownParameter");
    }

    #[tokio::test(start_paused = true)]
    async fn policies_hold_for_who_assumes_and_for_every_session() {
        let sim = simulator();
        sim.allow_role(ROLE, Some("secret"), "123456789012");
        let parse = |statement: &str| {
            Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#)).unwrap()
        };
        let condition = r#"{"StringEquals": {"sts:ExternalId": "secret", "sts:RoleSessionName": "nightly"}}"#;
        let allowed = format!(
            r#"{{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "{ROLE}", "Condition": {condition}}}"#
        );
        sim.attach_policy("AKID", parse(&allowed.replace("backup", "other")));
        let refused = assume(&sim, &[("ExternalId", "secret")]);
        assert_eq!((refused.status, refused.code().as_str()), (403, "AccessDenied"));
        sim.attach_policy("AKID", parse(&allowed));
        sim.attach_policy(ROLE, parse(r#"{"Effect": "Allow", "Action": "ec2:DescribeVolumes", "Resource": "*"}"#));
        let key = assume(&sim, &[("ExternalId", "secret")]).ok().first("AccessKeyId");
        sim.ask(&key, "ec2", REGION, "DescribeVolumes", &[]).ok();
        assert_eq!(sim.ask(&key, "ec2", REGION, "DescribeSnapshots", &[]).code(), "UnauthorizedOperation");
    }

    #[tokio::test(start_paused = true)]
    async fn faults_speak_as_sts_does() {
        let sim = simulator();
        sim.allow_role(ROLE, None, "123456789012");
        for (kind, status, code) in [
            (FaultKind::Throttle, 400, "Throttling"),
            (FaultKind::Deny, 403, "AccessDenied"),
            (FaultKind::CutAfter, 0, ""),
        ] {
            sim.inject(Fault::new("AssumeRole", kind).on(ROLE));
            let answer = assume(&sim, &[]);
            assert_eq!((answer.status, answer.code().as_str()), (status, code));
        }
        assume(&sim, &[]).ok();
    }
}
