//! KMS: what a key is, and who may know it.

use crate::action::{Read, act};
use crate::iam::ask::Ask;
use crate::model::keys::{self, Key};
use crate::model::{Here, Place};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

/// What the ARN of a key begins with.
const PREFIX: &str = "arn:aws:kms:";

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "DescribeKey" => describe(params),
        other => Err(Error::new("UnknownOperationException", format!("The action {other} is not modelled."))),
    }
}

/// What an action asks of the caller's policy: each is about one key. Source: Service Authorization Reference.
///
/// The key's own policy leaves it to IAM what its account may do, as the default one does.
pub(crate) fn asks(action: &str, params: &Params, here: &mut Here<'_>) -> Result<Vec<Ask>, Error> {
    let name = key_id(params)?;
    let place = place(here.place, name)?;
    let ask = Ask::new(format!("kms:{action}"), keys::arn(&place, name))
        .with("kms:CallerAccount", &here.place.account)
        .with("aws:ResourceAccount", &place.account);
    let ask = match alias(name) {
        Some(alias) => ask.with("kms:RequestAlias", alias),
        None => ask,
    };
    Ok(vec![if find(here, name).is_ok() { ask } else { ask.of_nothing() }])
}

fn describe(params: &Params) -> Read {
    let name = key_id(params)?.to_owned();
    Ok(act(move |here| {
        let (place, found) = find(here, &name)?;
        let arn = keys::arn(&place, &name);
        let id = arn.rsplit_once('/').map_or(arn.as_str(), |(_, id)| id);
        let (manager, key) = match found {
            Found::OfAws => ("AWS", Key { enabled: true, ..Key::default() }),
            Found::OfAccount(key) => ("CUSTOMER", key),
        };
        // it may be some time before a key is gone. That it ever is, is not modelled
        let state = match (key.deletion_at, key.enabled) {
            (Some(_), _) => "PendingDeletion",
            (None, true) => "Enabled",
            (None, false) => "Disabled",
        };
        let mut told = Nodes::new()
            .text("AWSAccountId", &place.account)
            .text("KeyId", id)
            .text("Arn", &arn)
            .flag("Enabled", state == "Enabled")
            .text("Description", "")
            .text("KeyUsage", "ENCRYPT_DECRYPT")
            .text("KeySpec", "SYMMETRIC_DEFAULT")
            .text("KeyState", state)
            .text("Origin", "AWS_KMS")
            .text("KeyManager", manager)
            .flag("MultiRegion", false);
        for (name, at) in [("CreationDate", key.made_at), ("DeletionDate", key.deletion_at)] {
            if let Some(at) = at {
                told = told.number(name, at.timestamp());
            }
        }
        Ok(Nodes::new().nest("KeyMetadata", told))
    }))
}

/// A key that is there.
enum Found {
    /// Of a service's own: there is one in every account and region.
    OfAws,
    OfAccount(Key),
}

/// The key of this name, if there is one and the caller's account may know of it, and where it is.
fn find(here: &mut Here<'_>, name: &str) -> Result<(Place, Found), Error> {
    let place = place(here.place, name)?;
    let arn = keys::arn(&place, name);
    if place.region != here.place.region {
        return Err(Error::new("NotFoundException", format!("Invalid arn {}", place.region)));
    }
    let is_own = place.account == here.place.account;
    let is_of_aws = alias(name).is_some_and(|alias| alias.starts_with("alias/aws/")) || keys::is_of_aws(&place, &arn);
    if is_own && is_of_aws {
        return Ok((place, Found::OfAws));
    }
    let key = here.world.region(&place).keys.get(&arn).cloned();
    match key.filter(|key| is_own || key.shared_with.contains(&here.place.account)) {
        Some(key) => Ok((place, Found::OfAccount(key))),
        None if is_own => {
            let message = match alias(name) {
                Some(alias) => format!("Alias {PREFIX}{}:{}:{alias} is not found.", place.region, place.account),
                None => format!("Key '{arn}' does not exist"),
            };
            Err(Error::new("NotFoundException", message))
        }
        // another's key that is not there is not told from one that is not shared
        None => {
            let message = format!(
                "User: {} is not authorized to perform: kms:DescribeKey on resource: {arn} because the resource does \
                 not exist in this Region, no resource-based policies allow access, or a resource-based policy \
                 explicitly denies access",
                here.caller
            );
            Err(Error::new("AccessDeniedException", message))
        }
    }
}

/// The parameter that names the key: "its key ID, key ARN, alias name, or alias ARN". Source: API reference.
fn key_id(params: &Params) -> Result<&str, Error> {
    let missing = "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be \
                   null";
    params.text("KeyId").ok_or_else(|| Error::new("ValidationException", missing))
}

/// Where a key of this name is looked for: where its ARN says, and otherwise where the call was made.
fn place(called: &Place, name: &str) -> Result<Place, Error> {
    if !name.starts_with("arn:") {
        return Ok(called.clone());
    }
    let is_whole = name.starts_with(PREFIX) && resource(name).is_some_and(|it| it.contains('/'));
    let place = Place::of_arn(name).filter(|_| is_whole);
    place.ok_or_else(|| Error::new("InvalidArnException", format!("Invalid arn {name}")))
}

/// The alias by which a key is named, if it is: `alias/backup`.
fn alias(name: &str) -> Option<&str> {
    resource(name).filter(|resource| resource.starts_with("alias/"))
}

/// What a name says without its account and region.
fn resource(name: &str) -> Option<&str> {
    if name.starts_with("arn:") { name.splitn(6, ':').nth(5) } else { Some(name) }
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, Reply, call_service, simulator};
    use crate::{Fault, FaultKind, Policy, Simulator};
    use std::time::Duration;

    const REGION: &str = "us-east-1";
    const OTHER: &str = "210987654321";

    fn describe(sim: &Simulator, name: &str) -> Reply {
        call_service(sim, "kms", REGION, "DescribeKey", &[("KeyId", name)])
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_told_by_whatever_name() {
        let sim = simulator();
        sim.create_key(ACCOUNT, REGION, "alias/backup");
        let told = describe(&sim, "alias/backup").ok();
        let (id, arn) = (told.first("KeyId"), told.first("Arn"));
        assert_eq!(arn, format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"));
        for name in [id, arn, format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/backup")] {
            assert_eq!(describe(&sim, &name).ok().body, told.body, "{name}");
        }
        let seconds = sim.now().timestamp();
        for part in [
            r#""AWSAccountId":"123456789012""#.to_owned(),
            r#""KeyManager":"CUSTOMER""#.to_owned(),
            r#""KeyState":"Enabled""#.to_owned(),
            r#""Enabled":true"#.to_owned(),
            format!(r#""CreationDate":{seconds}"#),
        ] {
            assert!(told.body.starts_with(r#"{"KeyMetadata":{"#) && told.body.contains(&part), "{part}: {}", told.body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_enabled_or_disabled_or_is_going_to_be_deleted() {
        let sim = simulator();
        let told = || {
            let reply = describe(&sim, "alias/backup").ok();
            (reply.first("KeyState"), reply.first("Enabled"), reply.text("DeletionDate"))
        };
        let is = |state: &str, enabled: &str| (state.to_owned(), enabled.to_owned(), None);
        sim.create_key(ACCOUNT, REGION, "alias/backup");
        sim.disable_key(ACCOUNT, REGION, "alias/backup");
        assert_eq!(told(), is("Disabled", "false"));
        sim.create_key(ACCOUNT, REGION, "alias/backup");
        assert_eq!(told(), is("Enabled", "true"));
        sim.schedule_key_deletion(ACCOUNT, REGION, "alias/backup");
        let (state, enabled, deletion) = told();
        let in_thirty_days = (sim.now() + Duration::from_hours(24 * 30)).timestamp().to_string();
        assert_eq!((state.as_str(), enabled.as_str(), deletion), ("PendingDeletion", "false", Some(in_thirty_days)));
        sim.create_key(ACCOUNT, REGION, "alias/backup");
        assert_eq!(told(), is("Enabled", "true"), "cancelled");
    }

    #[tokio::test(start_paused = true)]
    async fn the_keys_of_services_are_there_from_the_first() {
        let sim = simulator();
        for name in ["alias/aws/rds", "alias/aws/ebs", "alias/aws/sns"] {
            let told = describe(&sim, name).ok();
            assert_eq!((told.first("KeyManager").as_str(), told.first("KeyState").as_str()), ("AWS", "Enabled"));
        }
        let arn = describe(&sim, "alias/aws/rds").first("Arn");
        assert_eq!(describe(&sim, &arn).ok().first("KeyManager"), "AWS");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_key_is_named() {
        let sim = simulator();
        sim.create_key(ACCOUNT, "us-west-2", "alias/away");
        for (name, code, named) in [
            ("alias/away", "NotFoundException", "arn:aws:kms:us-east-1:123456789012:alias/away"),
            ("1234", "NotFoundException", "key/1234"),
            ("arn:aws:kms:us-west-2:123456789012:alias/away", "NotFoundException", "us-west-2"),
            ("arn:aws:sns:us-east-1:123456789012:x", "InvalidArnException", "sns"),
            ("arn:aws:kms:us-east-1:123456789012", "InvalidArnException", "123456789012"),
        ] {
            let refused = describe(&sim, name);
            assert_eq!((refused.status, refused.code().as_str()), (400, code), "{name}");
            assert!(refused.first("message").contains(named), "{}", refused.body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_accounts_key_is_told_to_whom_it_is_shared_with() {
        let sim = simulator();
        sim.create_key(OTHER, REGION, "alias/failsafe");
        let name = format!("arn:aws:kms:{REGION}:{OTHER}:alias/failsafe");
        let code = |name: &str| describe(&sim, name).code();
        assert_eq!(code(&name), "AccessDeniedException");
        assert_eq!(code(&name.replace("failsafe", "missing")), "AccessDeniedException");
        assert_eq!(code(&name.replace("failsafe", "aws/rds")), "AccessDeniedException");
        sim.share_key(OTHER, REGION, "alias/failsafe", ACCOUNT);
        assert_eq!(describe(&sim, &name).ok().first("AWSAccountId"), OTHER);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_modelled_is_an_error_that_names_it() {
        let sim = simulator();
        let ask = |action: &str, params: &[(&str, &str)]| call_service(&sim, "kms", REGION, action, params);
        let refused = ask("DescribeKey", &[("KeyId", "alias/aws/rds"), ("GrantTokens", "t")]);
        assert!(refused.status == 400 && refused.body.contains("GrantTokens"), "{}", refused.body);
        let refused = ask("ListKeys", &[]);
        assert_eq!(refused.code(), "UnknownOperationException");
        assert!(refused.body.contains("ListKeys"), "{}", refused.body);
        assert_eq!(ask("DescribeKey", &[]).code(), "ValidationException");
    }

    #[tokio::test(start_paused = true)]
    async fn faults_speak_as_kms_does() {
        let sim = simulator();
        for (kind, status, code) in [
            (FaultKind::Throttle, 400, "ThrottlingException"),
            (FaultKind::Deny, 400, "AccessDeniedException"),
            (FaultKind::Status { status: 500, code: "KMSInternalException".to_owned() }, 500, "KMSInternalException"),
            (FaultKind::StatusAfter { status: 503, code: "Broken".to_owned() }, 503, "Broken"),
            (FaultKind::CutAfter, 0, ""),
        ] {
            sim.inject(Fault::new("DescribeKey", kind).on("alias/aws/rds"));
            let answer = describe(&sim, "alias/aws/rds");
            assert_eq!((answer.status, answer.code().as_str()), (status, code));
        }
        describe(&sim, "alias/aws/rds").ok();
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_told_to_whom_a_policy_lets_know() {
        let sim = simulator();
        for name in ["alias/mine", "alias/other"] {
            sim.create_key(ACCOUNT, REGION, name);
        }
        let arn = describe(&sim, "alias/mine").first("Arn");
        let attach = |condition: &str| {
            let document = format!(
                r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "kms:DescribeKey",
                    "Resource": "{arn}", "Condition": {{"StringEquals": {{{condition}}}}}}}]}}"#
            );
            sim.attach_policy("AKID", Policy::parse(&document).unwrap());
        };
        attach(r#""aws:ResourceAccount": "123456789012", "kms:CallerAccount": "123456789012""#);
        for name in ["alias/mine", arn.as_str()] {
            describe(&sim, name).ok();
        }
        let refused = describe(&sim, "alias/other");
        assert_eq!((refused.status, refused.code().as_str()), (400, "AccessDeniedException"));
        assert!(refused.first("message").contains("perform: kms:DescribeKey on resource: arn:"), "{}", refused.body);
        assert_eq!(describe(&sim, "alias/missing").code(), "NotFoundException");
        attach(r#""kms:RequestAlias": "alias/mine""#);
        describe(&sim, "alias/mine").ok();
        assert_eq!(describe(&sim, &arn).code(), "AccessDeniedException", "it is not named by its alias");
    }
}
