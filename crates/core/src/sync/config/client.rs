//! As whom AWS is called: the key `aws_client_config`, of the whole and of each job.

use url::Url;

use super::{
    ClientConfig,
    options::{Errors, Options},
    tree::Tree,
};
use crate::{ids::Region, settings};

/// The key.
pub(super) const CLIENT: &str = "aws_client_config";

const ACCOUNT: &str = "aws_account_id";
const PROFILE: &str = "profile";
const ROLE: &str = "role_arn";
const EXTERNAL_ID: &str = "external_id";
const ENDPOINT: &str = "endpoint_url";

const ACCOUNT_EXPECTED: &str = "an AWS account's twelve digits, in quotes where they begin with 0";

/// Reads the mapping at `path`.
pub(super) fn read(path: &str, tree: &Tree, errors: &mut Errors<'_>) -> ClientConfig {
    let Some(mut options) = Options::of(path, tree, errors) else { return ClientConfig::default() };
    let client = ClientConfig {
        account: options.account(ACCOUNT, errors),
        profile: options.text(PROFILE, "the name of a profile of the AWS configuration files", errors, |text| {
            (!text.chars().any(char::is_control)).then(|| text.to_owned())
        }),
        role_arn: options.text(
            ROLE,
            "a role's ARN, such as arn:aws:iam::123456789012:role/snapkeeper",
            errors,
            |text| account_of_role(text).map(|_| text.to_owned()),
        ),
        external_id: options.secret(
            EXTERNAL_ID,
            "2 to 1224 letters, digits and `_+=,.@:/-`, as the role's trust policy has them",
            errors,
            |text| is_external_id(text).then(|| text.to_owned()),
        ),
        endpoint_url: options.secret(
            ENDPOINT,
            "an address that begins with https:// or http://, without user and password",
            errors,
            |text| is_endpoint(text).then(|| text.to_owned()),
        ),
    };
    options.done(&[ACCOUNT, PROFILE, ROLE, EXTERNAL_ID, ENDPOINT], &[], errors);
    client
}

/// The job's own over the global one, key by key.
pub(super) fn merged(path: &str, own: ClientConfig, global: &ClientConfig, errors: &mut Errors<'_>) -> ClientConfig {
    let merged = ClientConfig {
        account: own.account.or_else(|| global.account.clone()),
        profile: own.profile.or_else(|| global.profile.clone()),
        role_arn: own.role_arn.or_else(|| global.role_arn.clone()),
        external_id: own.external_id.or_else(|| global.external_id.clone()),
        endpoint_url: own.endpoint_url.or_else(|| global.endpoint_url.clone()),
    };
    if merged.external_id.is_some() && merged.role_arn.is_none() {
        errors
            .wrong(&format!("{path}.{CLIENT}.{EXTERNAL_ID}"), format!("there is no {ROLE}, expected both or neither"));
    }
    let of_role = merged.role_arn.as_deref().and_then(account_of_role);
    if let (Some(account), Some(of_role)) = (&merged.account, of_role)
        && account != of_role
    {
        let expected = format!("expected a role of {ACCOUNT}, which is {account}");
        errors.wrong(&format!("{path}.{CLIENT}.{ROLE}"), format!("it is one of {of_role}, {expected}"));
    }
    merged
}

impl Options<'_> {
    /// The twelve digits of an account; YAML takes them for a number, unless they begin with 0.
    fn account(&mut self, key: &'static str, errors: &mut Errors<'_>) -> Option<String> {
        self.word(key, ACCOUNT_EXPECTED, errors, |text| settings::read_account(text).ok())
    }
}

/// Of which account a role is, by its ARN, `arn:aws:iam::123456789012:role/path/name`.
fn account_of_role(arn: &str) -> Option<&str> {
    match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "iam", "", account, role] => {
            let name = role.strip_prefix("role/")?;
            let is_one = partition.starts_with("aws")
                && settings::read_account(account).is_ok()
                && !name.is_empty()
                && !name.ends_with('/')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b));
            is_one.then_some(*account)
        }
        _ => None,
    }
}

/// The bounds of AWS (STS API, `AssumeRole`, parameter `ExternalId`).
fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b))
}

fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Reads one region.
pub(super) fn region(text: &str) -> Option<Region> {
    text.parse().ok().filter(is_like_those_of_aws)
}

/// Whether a region is named as AWS names them: by where it lies, and a small number. So a slip is found before anything
/// is done; whether there is such a region only AWS can tell (EC2 user guide, "Regions and Zones").
fn is_like_those_of_aws(region: &Region) -> bool {
    const PLACES: [&str; 9] =
        ["north", "south", "east", "west", "central", "northeast", "southeast", "northwest", "southwest"];
    let mut parts = region.as_str().rsplit('-');
    let number = parts.next().and_then(|number| number.parse::<u8>().ok());
    let place = parts.next().unwrap_or_default();
    // `eu`, `us-gov`, `eusc-de`
    let area = parts.next_back().unwrap_or_default();
    matches!(number, Some(1..=9)) && PLACES.contains(&place) && (2..=4).contains(&area.len())
}
