//! Conditions: which there are, and when they hold.

use super::PolicyError;
use super::ask::Context;
use super::pattern::{ArnPattern, Glob};

/// The keys that have one value at most.
const KEYS: [&str; 14] = [
    "aws:requestedregion",
    "aws:principalaccount",
    "aws:resourceaccount",
    "ec2:createaction",
    "ec2:owner",
    "ec2:parentvolume",
    "ec2:region",
    "kms:calleraccount",
    "kms:grantisforawsresource",
    "kms:requestalias",
    "kms:viaservice",
    "rds:tagsfromrequest",
    "sts:externalid",
    "sts:rolesessionname",
];
/// What the keys begin with that go on with the key of a tag, and have its value.
const OF_TAGS: [&str; 9] = [
    "aws:requesttag/",
    "aws:resourcetag/",
    "ec2:resourcetag/",
    "rds:cluster-snapshot-tag/",
    "rds:cluster-tag/",
    "rds:db-tag/",
    "rds:og-tag/",
    "rds:req-tag/",
    "rds:snapshot-tag/",
];
/// The one key that has several values.
const TAG_KEYS: &str = "aws:tagkeys";

/// One key of a condition. A statement applies only where all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// In lower case.
    key: String,
    of: Of,
    test: Test,
}

/// Which values of a key must pass the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The only one.
    TheOne,
    /// The only one, unless there is none: `…IfExists`.
    TheOneIfAny,
    /// Every one, of which there may be none: `ForAllValues:`.
    All,
    /// One at least: `ForAnyValue:`.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// Whether the key must be missing.
    IsMissing(bool),
    Text(Vec<Glob>),
    Arn(Vec<ArnPattern>),
}

impl Condition {
    /// Reads a condition: operator, key, and the values of which one is enough.
    pub(super) fn read(operator: &str, key: &str, values: &[String]) -> Result<Condition, PolicyError> {
        let unknown = || PolicyError::Unknown(format!("the operator {operator} with the key {key}"));
        let lower = key.to_lowercase();
        let has_several = lower == TAG_KEYS;
        if key.contains("${") {
            return Err(PolicyError::Variable(key.to_owned()));
        }
        let is_of_tag = |prefix: &&str| lower.strip_prefix(prefix).is_some_and(|tag| !tag.is_empty());
        if !(has_several || KEYS.contains(&lower.as_str()) || OF_TAGS.iter().any(is_of_tag)) {
            return Err(PolicyError::Unknown(format!("the condition key {key}")));
        }
        let (of, name) = if let Some(name) = operator.strip_prefix("ForAllValues:") {
            (Of::All, name)
        } else if let Some(name) = operator.strip_prefix("ForAnyValue:") {
            (Of::Any, name)
        } else if let Some(name) = operator.strip_suffix("IfExists") {
            (Of::TheOneIfAny, name)
        } else {
            (Of::TheOne, operator)
        };
        let is_of_set = matches!(of, Of::All | Of::Any);
        let test = match name {
            "Null" if of == Of::TheOne => Test::IsMissing(one_flag(values)?),
            // AWS takes the one for the other and warns of it: a policy then allows more than it seems to
            _ if is_of_set != has_several => return Err(unknown()),
            "StringEquals" => Test::Text(all(values, Glob::exact)?),
            "StringLike" => Test::Text(all(values, Glob::read)?),
            "ArnLike" if !is_of_set => Test::Arn(all(values, ArnPattern::read)?),
            "Bool" if !is_of_set => {
                let value = if one_flag(values)? { "true" } else { "false" };
                Test::Text(vec![Glob::exact(value)?])
            }
            _ => return Err(unknown()),
        };
        Ok(Condition { key: lower, of, test })
    }

    pub(super) fn holds(&self, context: &Context) -> bool {
        let values = context.get(&self.key).map(Vec::as_slice).unwrap_or_default();
        match &self.test {
            // unconfirmed: AWS says "the key exists and its value is not null", and elsewhere that an empty text is as
            // good as null. Here a tag without a value is there
            Test::IsMissing(is_missing) => values.is_empty() == *is_missing,
            Test::Text(patterns) => self.of.holds(values, |value| patterns.iter().any(|one| one.matches(value))),
            Test::Arn(patterns) => self.of.holds(values, |value| patterns.iter().any(|one| one.matches(value))),
        }
    }
}

impl Of {
    fn holds(self, values: &[String], passes: impl Fn(&str) -> bool) -> bool {
        match self {
            Of::All => values.iter().all(|value| passes(value)),
            Of::Any => values.iter().any(|value| passes(value)),
            Of::TheOne | Of::TheOneIfAny => match values {
                [] => self == Of::TheOneIfAny,
                [value] => passes(value),
                // a key that is met in two spellings: AWS matches "either … but not both"
                [_, _, ..] => false,
            },
        }
    }
}

fn all<T>(values: &[String], read: impl Fn(&str) -> Result<T, PolicyError>) -> Result<Vec<T>, PolicyError> {
    values.iter().map(|value| read(value)).collect()
}

/// The one value of an operator that knows but two.
fn one_flag(values: &[String]) -> Result<bool, PolicyError> {
    match values {
        [value] if value == "true" => Ok(true),
        [value] if value == "false" => Ok(false),
        _ => Err(PolicyError::Malformed(format!("\"true\" or \"false\" is wanted, not {values:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::Ask;
    use super::*;
    use crate::Tags;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn read(operator: &str, key: &str, values: &[&str]) -> Result<Condition, PolicyError> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Condition::read(operator, key, &values)
    }

    /// Checks whether a condition holds where a resource has these tags.
    #[track_caller]
    fn check(operator: &str, key: &str, values: &[&str], resource: &[(&str, &str)], expected: bool) {
        let ask = Ask::new("a:B", "*").with_resource_tags(&tags(resource));
        let condition = read(operator, key, values).unwrap();
        assert_eq!(condition.holds(&ask.context), expected, "{operator} {key} {values:?} {resource:?}");
    }

    const TYPE: &str = "aws:ResourceTag/Type";

    #[test]
    fn a_text_is_equal_or_alike() {
        for (operator, value, of_tag, expected) in [
            ("StringEquals", "Automated", "Automated", true),
            ("StringEquals", "Automated", "automated", false),
            ("StringEquals", "Auto*", "Automated", false),
            ("StringEquals", "Auto*", "Auto*", true),
            ("StringLike", "Auto*", "Automated", true),
            ("StringLike", "auto*", "Automated", false),
            ("StringLike", "*", "", true),
            ("StringLike", "Automate?", "Automated", true),
            ("StringLike", "Auto${*}", "Automated", false),
            ("Bool", "true", "true", true),
            ("Bool", "true", "false", false),
            ("Bool", "false", "false", true),
            ("ArnLike", "arn:aws:ec2:*:*:volume/vol-1*", "arn:aws:ec2:us-east-1:1:volume/vol-12", true),
            ("ArnLike", "arn:aws:ec2:*:*:volume/vol-1*", "arn:aws:ec2:us-east-1:1:volume/vol-2", false),
            ("ArnLike", "arn:aws:ec2:*:*:volume/*", "x", false),
        ] {
            check(operator, TYPE, &[value], &[("Type", of_tag)], expected);
        }
        check("StringEquals", TYPE, &["A", "B"], &[("Type", "B")], true);
    }

    #[test]
    fn a_missing_key_fails_every_operator_that_does_not_say_otherwise() {
        for operator in ["StringEquals", "StringLike", "ArnLike", "Bool"] {
            let value = if operator == "Bool" { "true" } else { "*" };
            check(operator, TYPE, &[value], &[("Other", "x")], false);
            check(&format!("{operator}IfExists"), TYPE, &[value], &[("Other", "x")], true);
        }
        check("StringEqualsIfExists", TYPE, &["Automated"], &[("Type", "x")], false);
        check("StringEqualsIfExists", TYPE, &["Automated"], &[("Type", "Automated")], true);
    }

    #[test]
    fn null_asks_whether_a_key_is_missing() {
        for (value, resource, expected) in [
            ("true", vec![], true),
            ("true", vec![("Type", "x")], false),
            ("false", vec![], false),
            ("false", vec![("Type", "x")], true),
            ("false", vec![("Type", "")], true),
        ] {
            check("Null", TYPE, &[value], &resource, expected);
        }
    }

    #[test]
    fn the_names_of_keys_are_not_case_sensitive() {
        check("StringEquals", "AWS:resourcetag/TYPE", &["x"], &[("tYpe", "x")], true);
        check("StringEquals", "ec2:ResourceTag/Type", &["x"], &[("type", "x")], true);
        check("StringEquals", TYPE, &["x"], &[("Type", "x"), ("type", "x")], false);
        check("Null", TYPE, &["false"], &[("Type", "x"), ("type", "x")], true);
    }

    /// Checks whether a condition on the keys of tags holds where a call writes these.
    #[track_caller]
    fn check_keys(operator: &str, values: &[&str], written: &[&str], expected: bool) {
        let written: Vec<(&str, &str)> = written.iter().map(|key| (*key, "")).collect();
        let ask = Ask::new("a:B", "*").with_request_tags(&tags(&written));
        let condition = read(operator, "aws:TagKeys", values).unwrap();
        assert_eq!(condition.holds(&ask.context), expected, "{operator} {values:?} {written:?}");
    }

    #[test]
    fn a_set_of_keys_must_pass_as_a_whole_or_in_part() {
        for (operator, values, written, expected) in [
            ("ForAllValues:StringEquals", vec!["A", "B"], vec!["A"], true),
            ("ForAllValues:StringEquals", vec!["A", "B"], vec!["A", "B"], true),
            ("ForAllValues:StringEquals", vec!["A", "B"], vec!["A", "C"], false),
            ("ForAllValues:StringEquals", vec!["A"], vec!["a"], false),
            ("ForAllValues:StringEquals", vec!["A"], vec![], true),
            ("ForAllValues:StringLike", vec!["A*"], vec!["A1", "A2"], true),
            ("ForAllValues:StringLike", vec!["A*"], vec!["A1", "B"], false),
            ("ForAnyValue:StringEquals", vec!["A"], vec!["A", "C"], true),
            ("ForAnyValue:StringEquals", vec!["A"], vec!["C"], false),
            ("ForAnyValue:StringEquals", vec!["A"], vec![], false),
            ("ForAnyValue:StringLike", vec!["A*"], vec!["A1", "C"], true),
            ("ForAnyValue:StringLike", vec!["A*"], vec!["C"], false),
            ("Null", vec!["true"], vec![], true),
            ("Null", vec!["false"], vec!["A"], true),
        ] {
            check_keys(operator, &values, &written, expected);
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (operator, key) in [
            ("StringNotEquals", TYPE),
            ("StringEqualsIgnoreCase", TYPE),
            ("stringEquals", TYPE),
            ("NullIfExists", TYPE),
            ("ForAllValues:Null", "aws:TagKeys"),
            ("ForAllValues:StringEqualsIfExists", "aws:TagKeys"),
            ("ForAllValues:ArnLike", "aws:TagKeys"),
            ("ForAllValues:Bool", "aws:TagKeys"),
            ("ForSomeValues:StringEquals", "aws:TagKeys"),
            ("StringEquals", "aws:TagKeys"),
            ("ForAllValues:StringEquals", TYPE),
            ("StringEquals", "aws:SourceIp"),
            ("StringEquals", "aws:ResourceTag/"),
            ("StringEquals", "aws:ResourceTag"),
            ("StringEquals", "ec2:Encrypted"),
            ("StringEquals", "rds:snapshot-tag/"),
            ("StringEquals", "rds:DatabaseEngine"),
        ] {
            assert!(matches!(read(operator, key, &["true"]), Err(PolicyError::Unknown(_))), "{operator} {key}");
        }
        for (operator, values) in [("Null", vec!["yes"]), ("Bool", vec!["True"]), ("Null", vec!["true", "false"])] {
            assert!(matches!(read(operator, TYPE, &values), Err(PolicyError::Malformed(_))), "{operator} {values:?}");
        }
        for (key, value) in [(TYPE, "${aws:username}"), ("aws:ResourceTag/${Key}", "x")] {
            assert!(matches!(read("StringEquals", key, &[value]), Err(PolicyError::Variable(_))), "{key} {value}");
        }
    }
}
