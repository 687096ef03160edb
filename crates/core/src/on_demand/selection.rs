//! Which instances an operator asks for.

use std::{collections::BTreeMap, fmt};

use crate::{ids::InstanceId, inventory::Instance, tags::Tags};

/// Which instances. What is given of both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// By id.
    pub instances: Vec<InstanceId>,
    /// By tags, all of them: the keys, and of each the values of which it may have any, with wildcards as EC2 has them.
    pub tags: BTreeMap<String, Vec<String>>,
}

impl Selection {
    /// Where ids and tags are given, the instances that are named and not among those `found` by both: they lack a tag,
    /// or are not there. Else an empty selection, which is of none.
    #[must_use]
    pub fn lacking(&self, found: &[Instance]) -> Self {
        let is_found = |id: &InstanceId| found.iter().any(|instance| instance.id == *id);
        let named = if self.tags.is_empty() { &[][..] } else { &self.instances[..] };
        let instances = named.iter().filter(|id| !is_found(id)).cloned().collect();
        Self { instances, tags: BTreeMap::new() }
    }

    /// Which of the tags an instance does not have that EC2 has not selected by them. Where that depends on a wildcard,
    /// it is all of them: only EC2 knows.
    pub(super) fn lacks(&self, tags: &Tags) -> String {
        let may_have = |key: &str, values: &[String]| {
            let matches = |has: &str| values.iter().any(|value| value == has || value.contains(['*', '?', '\\']));
            tags.get(key).is_some_and(matches)
        };
        let lacking: Vec<String> =
            self.tags.iter().filter(|(key, values)| !may_have(key, values)).map(in_words).collect();
        if lacking.is_empty() { self.tags_in_words() } else { lacking.join(" and ") }
    }

    fn tags_in_words(&self) -> String {
        self.tags.iter().map(in_words).collect::<Vec<_>>().join(" and ")
    }
}

/// What it selects by: `tagged Env=PROD and Owner=Ann or John, among those that are named`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let among = if self.instances.is_empty() { "" } else { ", among those that are named" };
        write!(f, "tagged {}{among}", self.tags_in_words())
    }
}

/// A tag and its values: `Owner=Ann or John`.
fn in_words((key, values): (&String, &Vec<String>)) -> String {
    format!("{key}={}", values.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::instance;

    const ID: &str = "i-0123456789abcdef0";

    fn tags(tags: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        tags.iter().map(|(key, of)| ((*key).to_owned(), values(of))).collect()
    }

    #[test]
    fn the_tags_that_are_lacking_are_told_as_far_as_they_can_be_known() {
        #[track_caller]
        fn check(asked: &[(&str, &[&str])], has: &[(&str, &str)], expected: &str) {
            let selection = Selection { instances: Vec::new(), tags: tags(asked) };
            assert_eq!(selection.lacks(&has.iter().copied().collect()), expected);
        }
        let of_john: &[(&str, &[&str])] = &[("Env", &["PROD"]), ("Owner", &["Ann", "John"])];
        check(of_john, &[], "Env=PROD and Owner=Ann or John");
        check(of_john, &[("Owner", "John")], "Env=PROD");
        check(of_john, &[("Owner", "john"), ("Env", "PROD")], "Owner=Ann or John");
        // EC2 alone knows what a wildcard matches
        check(&[("Env", &["PROD"]), ("Name", &["web-*"])], &[("Name", "web-1")], "Env=PROD");
        check(
            &[("Env", &["PROD"]), ("Name", &["web-*"])],
            &[("Name", "db"), ("Env", "PROD")],
            "Env=PROD and Name=web-*",
        );
        check(&[("Name", &["web-*"])], &[], "Name=web-*");
    }

    #[test]
    fn only_with_tags_as_well_can_what_is_named_lack_one() {
        let found = [instance(ID, &["vol-a"], &[])];
        let named = Selection { instances: vec![ID.into(), "i-89abcdef".into()], tags: BTreeMap::new() };
        assert_eq!(named.lacking(&found), Selection::default());
        let both = Selection { tags: tags(&[("Env", &["PROD"])]), ..named };
        let other = Selection { instances: vec!["i-89abcdef".into()], tags: BTreeMap::new() };
        assert_eq!(both.lacking(&found), other);
    }
}
