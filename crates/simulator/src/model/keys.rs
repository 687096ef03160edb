//! KMS keys, as far as EBS and RDS care for them.

use crate::model::Place;
use crate::model::ids::{hash, uuid};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// EBS's own key. It exists everywhere and cannot be disabled.
pub(crate) const DEFAULT_KEY: &str = "alias/aws/ebs";

/// RDS's own key. It exists everywhere, cannot be disabled, and no other account can ever use it.
pub(crate) const RDS_KEY: &str = "alias/aws/rds";

/// A key that an account has made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    /// Whether it can be used.
    pub(crate) enabled: bool,
    /// When it was made, if it ever was: one can be disabled from the first.
    pub(crate) made_at: Option<DateTime<Utc>>,
    /// When it is to be deleted, if it is; it is not enabled then.
    pub(crate) deletion_at: Option<DateTime<Utc>>,
    /// The other accounts that its policy lets use it.
    pub(crate) shared_with: BTreeSet<String>,
}

/// The ARN of a key that is named by alias, by id or by either's ARN.
///
/// An alias is as good as a key here: it stands for one key of its own.
pub(crate) fn arn(place: &Place, name: &str) -> String {
    let prefix = format!("arn:aws:kms:{}:{}:", place.region, place.account);
    let local = name.strip_prefix(&prefix).unwrap_or(name);
    if local.starts_with("arn:") {
        return local.to_owned();
    }
    let id = match local.strip_prefix("key/") {
        Some(id) => id.to_owned(),
        None if local.starts_with("alias/") => uuid(hash(&format!("{prefix}{local}"))),
        None => local.to_owned(),
    };
    format!("{prefix}key/{id}")
}

/// Whether this is the ARN of EBS's or RDS's own key in a place.
pub(crate) fn is_of_aws(place: &Place, key: &str) -> bool {
    [DEFAULT_KEY, RDS_KEY].iter().any(|name| arn(place, name) == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_by_whatever_name() {
        let place = Place::new("123456789012", "us-east-1");
        let of = |name: &str| arn(&place, name);
        assert_eq!(of("1234"), "arn:aws:kms:us-east-1:123456789012:key/1234");
        assert_eq!(of("1234"), of("arn:aws:kms:us-east-1:123456789012:key/1234"));
        assert_eq!(of("alias/backup"), of("arn:aws:kms:us-east-1:123456789012:alias/backup"));
        assert_ne!(of("alias/backup"), of("alias/other"));
        assert_eq!(of("arn:aws:kms:eu-west-1:123456789012:key/1234"), "arn:aws:kms:eu-west-1:123456789012:key/1234");
    }
}
