//! The document of a policy.

use super::condition::Condition;
use super::pattern::{ArnPattern, Glob};
use super::{Effect, PolicyError, Statement};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

/// The only version that knows variables, and so `${*}`.
const VERSION: &str = "2012-10-17";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: String,
    statement: Vec<Entry>,
}

/// A statement as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Entry {
    sid: Option<String>,
    effect: Effect,
    action: OneOrMore,
    resource: OneOrMore,
    #[serde(default)]
    condition: Members<Members<OneOrMore>>,
}

/// A text, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// The members of an object, of which no two have the same name: of such a pair, others see the last one only.
struct Members<T>(Vec<(String, T)>);

pub(super) fn read(document: &str) -> Result<Vec<Statement>, PolicyError> {
    let document: Document = serde_json::from_str(document).map_err(|error| malformed(error.to_string()))?;
    if document.version != VERSION {
        return Err(malformed(format!("the version is {}, not {VERSION}", document.version)));
    }
    check_sids(&document.statement)?;
    let statements: Vec<Statement> = document.statement.into_iter().map(statement).collect::<Result<_, _>>()?;
    if statements.is_empty() { Err(malformed("there is no statement")) } else { Ok(statements) }
}

fn check_sids(entries: &[Entry]) -> Result<(), PolicyError> {
    let mut sids = BTreeSet::new();
    for sid in entries.iter().filter_map(|entry| entry.sid.as_deref()) {
        if sid.is_empty() || !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) || !sids.insert(sid) {
            return Err(malformed(format!("the Sid {sid:?} is given twice, or has more than letters and digits")));
        }
    }
    Ok(())
}

fn statement(entry: Entry) -> Result<Statement, PolicyError> {
    let actions = entry.action.values()?.iter().map(|text| action(text)).collect::<Result<_, _>>()?;
    let resources = entry.resource.values()?.iter().map(|text| ArnPattern::read(text)).collect::<Result<_, _>>()?;
    let mut conditions = Vec::new();
    for (operator, keys) in entry.condition.0 {
        for (key, values) in keys.0 {
            conditions.push(Condition::read(&operator, &key, &values.values()?)?);
        }
    }
    Ok(Statement { effect: entry.effect, actions, resources, conditions })
}

/// Reads `ec2:DescribeSnapshots`. The case of its letters makes no difference.
fn action(text: &str) -> Result<Glob, PolicyError> {
    let is_whole = text.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
    if text.contains("${") {
        return Err(PolicyError::Variable(text.to_owned()));
    }
    if text != "*" && !is_whole {
        return Err(malformed(format!("{text} is no action")));
    }
    Glob::read(&text.to_lowercase())
}

fn malformed(what: impl Into<String>) -> PolicyError {
    PolicyError::Malformed(what.into())
}

impl OneOrMore {
    fn values(self) -> Result<Vec<String>, PolicyError> {
        match self {
            OneOrMore::One(value) => Ok(vec![value]),
            OneOrMore::More(values) if values.is_empty() => Err(malformed("a list is empty")),
            OneOrMore::More(values) => Ok(values),
        }
    }
}

impl<T> Default for Members<T> {
    fn default() -> Members<T> {
        Members(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<T>, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
    type Value = Members<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
        let mut members: Vec<(String, T)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if members.iter().any(|(other, _)| *other == name) {
                return Err(serde::de::Error::custom(format!("{name} is given twice")));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    /// A policy with one statement that has these elements beside its effect.
    fn with(elements: &str) -> String {
        format!(r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", {elements}}}]}}"#)
    }

    #[test]
    fn a_text_is_a_list_of_one() {
        let one = with(r#""Action": "ec2:A", "Resource": "*""#);
        let list = with(r#""Action": ["EC2:a"], "Resource": ["*"], "Condition": {}"#);
        assert_eq!(Policy::parse(&one), Policy::parse(&list));
        assert!(Policy::parse(&one).is_ok());
    }

    #[track_caller]
    fn check(document: &str, named: &str) {
        let error = Policy::parse(document).unwrap_err();
        assert!(matches!(error, PolicyError::Malformed(_)) && error.to_string().contains(named), "{error}");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        check("", "EOF");
        check(r#"{"Version": "2008-10-17", "Statement": []}"#, "2008-10-17");
        check(r#"{"Version": "2012-10-17", "Statement": []}"#, "no statement");
        check(r#"{"Version": "2012-10-17", "Id": "x", "Statement": []}"#, "Id");
        let allowed = r#""Action": "ec2:A", "Resource": "*""#;
        for (elements, named) in [
            (r#""NotAction": "ec2:A", "Resource": "*""#, "NotAction"),
            (r#""Action": "ec2:A", "NotResource": "*""#, "NotResource"),
            (r#""Action": "ec2:A""#, "Resource"),
            (r#""Resource": "*""#, "Action"),
            (r#""Action": [], "Resource": "*""#, "empty"),
            (r#""Action": "CreateTags", "Resource": "*""#, "CreateTags"),
            (r#""Action": ":", "Resource": "*""#, "no action"),
            (r#""Action": "ec2:A", "Resource": "snapshot/*""#, "snapshot/*"),
            (r#""Action": "ec2:A", "Action": "ec2:B", "Resource": "*""#, "duplicate"),
        ] {
            check(&with(elements), named);
        }
        for (more, named) in [
            (r#""Principal": "*""#, "Principal"),
            (r#""Sid": "Not this""#, "Not this"),
            (r#""Condition": {"Null": {"aws:TagKeys": "true"}, "Null": {}}"#, "Null is given twice"),
            (r#""Condition": {"Null": {"aws:TagKeys": "true", "aws:TagKeys": "false"}}"#, "aws:TagKeys is given twice"),
            (r#""Condition": {"StringEquals": {"aws:RequestedRegion": []}}"#, "empty"),
            (r#""Condition": {"StringEquals": {"aws:RequestedRegion": 1}}"#, ""),
            (r#""Condition": {"Null": "true"}"#, "an object"),
        ] {
            check(&with(&format!("{allowed}, {more}")), named);
        }
        let twice = r#"{"Sid": "A", "Effect": "Allow", "Action": "ec2:A", "Resource": "*"}"#;
        check(&format!(r#"{{"Version": "2012-10-17", "Statement": [{twice}, {twice}]}}"#), "twice");
        check(&with(allowed).replace("Allow", "Permit"), "Permit");
    }

    #[test]
    fn a_variable_is_an_error_wherever_it_stands() {
        for elements in [
            r#""Action": "ec2:${A}", "Resource": "*""#,
            r#""Action": "ec2:${*}", "Resource": "*""#,
            r#""Action": "ec2:A", "Resource": "arn:${AWS::Partition}:ec2:*:*:snapshot/*""#,
            r#""Action": "ec2:A", "Resource": "${AlertTopicArn}""#,
            r#""Action": "ec2:A", "Resource": "*", "Condition": {"StringLike": {"aws:RequestedRegion": "${R}"}}"#,
        ] {
            assert!(matches!(Policy::parse(&with(elements)), Err(PolicyError::Variable(_))), "{elements}");
        }
        let literal = with(r#""Action": "ec2:A", "Resource": "arn:aws:ec2:*:*:snapshot/${*}""#);
        assert!(Policy::parse(&literal).is_ok());
    }
}
