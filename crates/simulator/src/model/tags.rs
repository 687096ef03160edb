//! Tags, and what AWS allows of them.

use crate::wire::error::Error;
use crate::wire::xml::Nodes;
use std::collections::BTreeMap;

/// The tags of a resource: key and value.
pub type Tags = BTreeMap<String, String>;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// Checks tags that a caller writes.
pub(crate) fn checked(pairs: Vec<(String, String)>) -> Result<Tags, Error> {
    let mut tags = Tags::new();
    for (key, value) in pairs {
        check_lengths(&key, &value)?;
        if is_reserved(&key) {
            return Err(Error::invalid("Tag keys starting with 'aws:' are reserved for internal use"));
        }
        if tags.contains_key(&key) {
            return Err(Error::invalid(format!("Duplicate tag key '{key}' specified.")));
        }
        tags.insert(key, value);
    }
    within_limit(&tags)?;
    Ok(tags)
}

/// Checks tags that a resource has, AWS's own among them.
pub(crate) fn check(tags: &Tags) -> Result<(), Error> {
    tags.iter().try_for_each(|(key, value)| check_lengths(key, value))?;
    within_limit(tags)
}

fn check_lengths(key: &str, value: &str) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::invalid("Tag key cannot be null or empty."));
    }
    if key.chars().count() > LONGEST_KEY {
        return Err(Error::invalid(format!("Tag key exceeds the maximum length of {LONGEST_KEY} characters")));
    }
    if value.chars().count() > LONGEST_VALUE {
        return Err(Error::invalid(format!("Tag value exceeds the maximum length of {LONGEST_VALUE} characters")));
    }
    Ok(())
}

/// `old` with `new` written over it.
pub(crate) fn merged(old: &Tags, new: &Tags) -> Result<Tags, Error> {
    let mut tags = old.clone();
    tags.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
    within_limit(&tags)?;
    Ok(tags)
}

/// Whether a key is one of AWS's own, which callers neither write nor copy.
pub(crate) fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn within_limit(tags: &Tags) -> Result<(), Error> {
    // AWS's own tags do not count
    if tags.keys().filter(|key| !is_reserved(key)).count() > MOST_TAGS {
        return Err(Error::new("TagLimitExceeded", format!("The maximum number of Tags is {MOST_TAGS}.")));
    }
    Ok(())
}

/// `<tagSet>…</tagSet>`, left out where there are no tags.
pub(crate) fn tag_set(tags: &Tags) -> Nodes {
    if tags.is_empty() {
        return Nodes::new();
    }
    Nodes::new().items("tagSet", tags.iter().map(|(key, value)| Nodes::new().text("key", key).text("value", value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&str, &str)], code: Option<&str>) {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(checked(pairs).err().map(|error| error.code).as_deref(), code);
    }

    #[test]
    fn tags_are_held_to_what_aws_allows() {
        check(&[("Backup", "Yes"), ("Empty", "")], None);
        check(&[(&"k".repeat(128), &"ü".repeat(256))], None);
        check(&[("", "x")], Some("InvalidParameterValue"));
        check(&[(&"k".repeat(129), "x")], Some("InvalidParameterValue"));
        check(&[("k", &"v".repeat(257))], Some("InvalidParameterValue"));
        check(&[("aws:k", "x")], Some("InvalidParameterValue"));
        check(&[("AWS:k", "x")], Some("InvalidParameterValue"));
        check(&[("k", "x"), ("k", "y")], Some("InvalidParameterValue"));
    }

    #[test]
    fn there_are_fifty_tags_at_most() {
        let tags = |count: usize| (0..count).map(|n| (n.to_string(), String::new())).collect::<Vec<_>>();
        assert_eq!(checked(tags(50)).map(|tags| tags.len()), Ok(50));
        assert_eq!(checked(tags(51)).unwrap_err().code, "TagLimitExceeded");
        let more = Tags::from([("more".to_owned(), String::new())]);
        assert_eq!(merged(&tags(50).into_iter().collect(), &more).unwrap_err().code, "TagLimitExceeded");
    }
}
