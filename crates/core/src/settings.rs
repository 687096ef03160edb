//! The settings: few, all optional, the same for Lambda functions and the command.

use std::{collections::BTreeSet, num::NonZeroU16, str::FromStr};

use chrono::TimeDelta;
use chrono_tz::Tz;
use url::Url;

use crate::{
    ids::Region,
    retention::{self, Retention},
    tags,
};

/// What every setting's name begins with.
const PREFIX: &str = "SNAPKEEPER_";
/// What may follow.
const NAMES: [&str; 18] = [
    "DEFAULT_RETENTION",
    "TIME_ZONE",
    "RPO_HOURS",
    "MAX_DELETE_PERCENT",
    "COPY_KMS_KEY",
    "ALERT_TOPIC_ARN",
    "HEARTBEAT_URL",
    "API_RATE",
    "DRY_RUN",
    "DB_INSTANCES",
    "FAILSAFE_ACCOUNT",
    "FAILSAFE_KMS_KEY",
    "FAILSAFE_TOPIC_ARN",
    "LIVE_ACCOUNT",
    "SAVER_KMS_KEY",
    "SAVER_COPY_DEST",
    "RETENTION",
    "SYNC_CONFIG",
];

/// The settings of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long to keep where the tag `Retention` is absent.
    pub default_retention: Retention,
    /// Says when a day begins.
    pub time_zone: Tz,
    /// Older than this, an enrolled instance's last good backup is a finding.
    pub rpo: TimeDelta,
    /// The brake: the greatest share of the automated snapshots that one run may delete, in per cent.
    pub max_delete_percent: u8,
    /// The alias or id of the KMS key for copies, in each destination.
    pub copy_kms_key: Option<String>,
    /// The SNS topic for the watcher's digest and for failures.
    pub alert_topic: Option<TopicArn>,
    /// Told of start, success and failure. Always https.
    pub heartbeat_url: Option<Url>,
    /// The client-side limit per API action.
    pub api_rate: ApiRate,
    /// Plan and report, change nothing.
    pub dry_run: bool,
    /// Of the jobs for databases.
    pub failsafe: Failsafe,
    /// The configuration of the syncer, YAML or JSON, or where it is: `ssm:NAME`, a parameter of Systems Manager.
    pub sync_config: Option<String>,
}

/// The settings of the jobs for databases.
#[derive(Clone, Debug, PartialEq)]
pub struct Failsafe {
    /// Identifiers of DB instances and clusters that are enrolled without a tag.
    pub databases: BTreeSet<String>,
    /// The account with which copies are shared, twelve digits.
    pub account: Option<String>,
    /// The alias, id or ARN of the key under which copies are shared: none of AWS's own.
    pub kms_key: Option<String>,
    /// The topic at which shared copies are announced.
    pub topic: Option<TopicArn>,
    /// The accounts whose shared snapshots are saved, twelve digits each.
    pub live_accounts: BTreeSet<String>,
    /// The alias or id of the key of saved copies, in each region.
    pub saver_kms_key: Option<String>,
    /// The regions in which a second copy is saved.
    pub copy_to: BTreeSet<Region>,
    /// How long saved copies are kept.
    pub retention: Retention,
}

impl Default for Failsafe {
    fn default() -> Self {
        Self {
            databases: BTreeSet::new(),
            account: None,
            kms_key: None,
            topic: None,
            live_accounts: BTreeSet::new(),
            saver_kms_key: None,
            copy_to: BTreeSet::new(),
            retention: Retention::days(const { NonZeroU16::new(31).unwrap() }),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_retention: Retention::days(const { NonZeroU16::new(7).unwrap() }),
            time_zone: Tz::UTC,
            rpo: TimeDelta::hours(30),
            max_delete_percent: 50,
            copy_kms_key: None,
            alert_topic: None,
            heartbeat_url: None,
            api_rate: ApiRate::Share(1.0),
            dry_run: false,
            failsafe: Failsafe::default(),
            sync_config: None,
        }
    }
}

impl Settings {
    /// Reads the settings among `variables`, an environment. An empty value is as good as none.
    ///
    /// # Errors
    /// Every value that cannot be read and every unknown name that begins like a setting's, all at once.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSettings> {
        let mut settings = Self::default();
        let mut bad = Vec::new();
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            let value = value.trim();
            if !NAMES.contains(&name) {
                bad.push(format!(
                    "{variable} is no setting: there are {}",
                    NAMES.map(|name| format!("{PREFIX}{name}")).join(", ")
                ));
            } else if !value.is_empty()
                && let Err(expected) = settings.read(name, value)
            {
                // the address of a webhook is a secret of sorts
                let value = if name == "HEARTBEAT_URL" { "…" } else { value };
                bad.push(format!("{variable} is `{value}`: expected {expected}"));
            }
        }
        bad.sort();
        if bad.is_empty() { Ok(settings) } else { Err(BadSettings(bad)) }
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match name {
            "DEFAULT_RETENTION" => self.default_retention = value.parse().map_err(|_| retention::EXPECTED)?,
            "TIME_ZONE" => self.time_zone = value.parse().map_err(|_| "an IANA time zone, such as Europe/Berlin")?,
            "RPO_HOURS" => {
                let hours: NonZeroU16 = value.parse().map_err(|_| "whole hours, from 1 to 65535")?;
                self.rpo = TimeDelta::hours(hours.get().into());
            }
            "MAX_DELETE_PERCENT" => {
                let percent = value.parse().ok().filter(|percent| *percent <= 100);
                self.max_delete_percent = percent.ok_or("a percentage from 0 to 100, without a sign")?;
            }
            "COPY_KMS_KEY" => self.copy_kms_key = Some(read_key(value)?),
            "ALERT_TOPIC_ARN" => self.alert_topic = Some(value.parse().map_err(|_| TopicArn::EXPECTED)?),
            "HEARTBEAT_URL" => {
                let url = Url::parse(value).ok().filter(|url| url.scheme() == "https");
                self.heartbeat_url = Some(url.ok_or("an https address")?);
            }
            "API_RATE" => self.api_rate = ApiRate::read(value)?,
            "DB_INSTANCES" => self.failsafe.databases = read_list(value, read_database)?,
            "FAILSAFE_ACCOUNT" => self.failsafe.account = Some(read_account(value)?),
            "FAILSAFE_KMS_KEY" => self.failsafe.kms_key = Some(read_sharing_key(value)?),
            "FAILSAFE_TOPIC_ARN" => self.failsafe.topic = Some(value.parse().map_err(|_| TopicArn::EXPECTED)?),
            "LIVE_ACCOUNT" => self.failsafe.live_accounts = read_list(value, read_account)?,
            "SAVER_KMS_KEY" => self.failsafe.saver_kms_key = Some(read_saving_key(value)?),
            "SAVER_COPY_DEST" => self.failsafe.copy_to = read_list(value, read_region)?,
            "RETENTION" => self.failsafe.retention = value.parse().map_err(|_| retention::EXPECTED)?,
            "DRY_RUN" => {
                self.dry_run = match value.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "1" => true,
                    "false" | "no" | "0" => false,
                    _ => return Err("true or false"),
                }
            }
            // what is wrong with it the syncer says: it concerns no other job
            "SYNC_CONFIG" => self.sync_config = Some(value.to_owned()),
            // `NAMES` has no other, and a test reads each
            _ => return Err("a known setting"),
        }
        Ok(())
    }
}

/// Reads a list, its entries parted by commas or space.
fn read_list<T: Ord>(value: &str, read: impl Fn(&str) -> Result<T, &'static str>) -> Result<BTreeSet<T>, &'static str> {
    let entries: BTreeSet<T> =
        value.split(tags::between).filter(|entry| !entry.is_empty()).map(&read).collect::<Result<_, _>>()?;
    // a comma alone is no list: the entry that is read of it tells what is expected
    if entries.is_empty() { read("").map(|_| entries) } else { Ok(entries) }
}

/// Reads the identifier of a DB instance or cluster; RDS stores it in lower case (RDS API, `CreateDBInstance`).
pub(crate) fn read_database(value: &str) -> Result<String, &'static str> {
    let well_formed = value.len() <= 63
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if well_formed {
        Ok(value.to_ascii_lowercase())
    } else {
        Err("identifiers of DB instances and clusters, such as `orders billing`: not ARNs")
    }
}

pub(crate) fn read_account(value: &str) -> Result<String, &'static str> {
    if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
        Ok(value.to_owned())
    } else {
        Err("an AWS account's twelve digits")
    }
}

fn read_region(value: &str) -> Result<Region, &'static str> {
    value.parse().map_err(|_| "one or more region names, such as `us-west-2 eu-west-1`")
}

pub(crate) fn read_key(value: &str) -> Result<String, &'static str> {
    if is_key(value) {
        Ok(value.to_owned())
    } else {
        Err("a key's alias or id, such as alias/backup: not an ARN, since each destination has a key of its own")
    }
}

/// Reads the key under which copies are shared.
fn read_sharing_key(value: &str) -> Result<String, &'static str> {
    // arn:aws:kms:REGION:ACCOUNT:key/ID, or :alias/NAME
    let key = match value.split(':').collect::<Vec<_>>().as_slice() {
        [key] => *key,
        ["arn", partition, "kms", region, account, key]
            if partition.starts_with("aws")
                && region.parse::<Region>().is_ok()
                && read_account(account).is_ok()
                && (key.starts_with("key/") || key.starts_with("alias/")) =>
        {
            let key: &str = key;
            key.strip_prefix("key/").unwrap_or(key)
        }
        _ => "",
    };
    if key.starts_with("alias/aws/") {
        Err("a key of your own: a snapshot under AWS's own key cannot be shared")
    } else if is_key(key) {
        Ok(value.to_owned())
    } else {
        Err("a key's alias, id or ARN, such as alias/failsafe")
    }
}

/// Reads the key of saved copies.
fn read_saving_key(value: &str) -> Result<String, &'static str> {
    if value.starts_with("alias/aws/") {
        return Err("a key of your own: a copy under AWS's own key cannot be shared back");
    }
    read_key(value)
}

/// Whether it is a key's alias or id.
fn is_key(value: &str) -> bool {
    let alias = value.strip_prefix("alias/").is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
    });
    let id = value.len() >= 32 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    alias || id
}

/// An SNS topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArn {
    /// The whole ARN.
    pub arn: String,
    /// The topic's region.
    pub region: Region,
}

impl TopicArn {
    /// What one looks like, for messages.
    pub const EXPECTED: &str = "an SNS topic's ARN, such as arn:aws:sns:us-east-1:123456789012:alerts";
}

impl FromStr for TopicArn {
    type Err = NotATopic;

    fn from_str(value: &str) -> Result<Self, NotATopic> {
        let refuse = || NotATopic(value.to_owned());
        let parts: Vec<&str> = value.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sns", region, account, topic]
                if partition.starts_with("aws")
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && !topic.is_empty() =>
            {
                let region = region.parse().map_err(|_| refuse())?;
                Ok(Self { arn: value.to_owned(), region })
            }
            _ => Err(refuse()),
        }
    }
}

/// A text that is no topic's ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {expected}", expected = TopicArn::EXPECTED)]
pub struct NotATopic(String);

/// The client-side limit per API action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ApiRate {
    /// This share of AWS's documented rates, above 0 and at most 1.
    Share(f64),
    /// No limit.
    Off,
}

impl ApiRate {
    fn read(value: &str) -> Result<Self, &'static str> {
        match value.to_ascii_lowercase().as_str() {
            "aws" => Ok(Self::Share(1.0)),
            "off" => Ok(Self::Off),
            number => match number.parse::<f64>() {
                Ok(share) if (0.01..=1.0).contains(&share) => Ok(Self::Share(share)),
                Ok(_) | Err(_) => Err("`aws`, `off`, or a share of AWS's rates from 0.01 to 1"),
            },
        }
    }
}

/// Settings that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct BadSettings(Vec<String>);

#[cfg(test)]
mod tests;
