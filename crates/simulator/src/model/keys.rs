//! KMS keys, as far as EBS cares for them.

use crate::model::Place;
use crate::model::ids::{hash, uuid};

/// EBS's own key. It exists everywhere and cannot be disabled.
pub(crate) const DEFAULT_KEY: &str = "alias/aws/ebs";

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
