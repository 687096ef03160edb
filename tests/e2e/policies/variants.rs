//! All policies that differ from a given one in that something was taken out.

use serde_json::Value;

/// What a variant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allows {
    /// Less than the whole policy.
    Less,
    /// More.
    More,
}

impl Allows {
    fn other(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::More => Self::Less,
        }
    }
}

/// A policy that lacks something.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    /// The statement that lacks it.
    pub(super) sid: String,
    /// What it lacks.
    pub(super) what: String,
    /// What follows from that.
    pub(super) allows: Allows,
    /// The policy without it.
    pub(super) document: Value,
}

/// What a variant lacks that lacks a whole statement.
pub(super) const STATEMENT: &str = "the statement";

/// Every policy that lacks one thing: a statement, one of several actions, resources or values of a condition, or a key of
/// a condition.
pub(super) fn variants(document: &Value) -> Vec<Variant> {
    let statements = document["Statement"].as_array().expect("a list of statements");
    let mut variants = Vec::new();
    for (number, statement) in statements.iter().enumerate() {
        for (what, is_condition, changed) in without_one_thing(statement) {
            let mut document = document.clone();
            let statements = document["Statement"].as_array_mut().expect("a list of statements");
            match changed {
                Some(changed) => statements[number] = changed,
                None => {
                    statements.remove(number);
                }
            }
            // what a Deny lacks is not denied, and where a condition is lacking, more is allowed or denied
            let of_allow = if is_condition { Allows::More } else { Allows::Less };
            let allows = match statement["Effect"].as_str() {
                Some("Allow") => of_allow,
                Some("Deny") => of_allow.other(),
                effect => panic!("{effect:?} is no effect"),
            };
            let sid = statement["Sid"].as_str().expect("a name").to_owned();
            variants.push(Variant { sid, what, allows, document });
        }
    }
    variants
}

/// What can be taken out of a statement, whether that is a condition, and what is then left, if anything.
fn without_one_thing(statement: &Value) -> Vec<(String, bool, Option<Value>)> {
    let mut without = vec![(STATEMENT.to_owned(), false, None)];
    for element in ["Action", "Resource"] {
        for (value, rest) in without_one(&statement[element]) {
            let mut changed = statement.clone();
            changed[element] = rest;
            without.push((format!("{element} {value}"), false, Some(changed)));
        }
    }
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().expect("keys and values") {
            let mut changed = statement.clone();
            // an operator without keys holds always
            changed["Condition"][operator].as_object_mut().expect("keys and values").remove(key);
            without.push((format!("{operator} {key}"), true, Some(changed)));
            for (value, rest) in without_one(values) {
                let mut changed = statement.clone();
                changed["Condition"][operator][key] = rest;
                without.push((format!("{operator} {key} {value}"), false, Some(changed)));
            }
        }
    }
    without
}

/// Each of several values, and the others.
fn without_one(values: &Value) -> Vec<(String, Value)> {
    let values: Vec<&str> = values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if values.len() < 2 {
        return Vec::new();
    }
    let others =
        |one: &str| -> Value { values.iter().copied().filter(|value| *value != one).map(Value::from).collect() };
    values.iter().map(|one| ((*one).to_owned(), others(one))).collect()
}

#[test]
fn one_thing_is_taken_out_at_a_time() {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "One", "Effect": "Allow", "Action": ["ec2:A", "ec2:B"], "Resource": "*", "Condition": {
            "StringEquals": {"aws:RequestedRegion": ["here", "there"], "aws:RequestTag/Type": "Automated"},
        }},
        {"Sid": "Two", "Effect": "Deny", "Action": "ec2:A", "Resource": "*", "Condition": {
            "Null": {"aws:ResourceTag/KeepForever": "false"},
        }},
    ]});
    let variants = variants(&document);
    let told: Vec<(&str, &str, Allows)> =
        variants.iter().map(|it| (it.sid.as_str(), it.what.as_str(), it.allows)).collect();
    let expected = [
        ("One", STATEMENT, Allows::Less),
        ("One", "Action ec2:A", Allows::Less),
        ("One", "Action ec2:B", Allows::Less),
        ("One", "StringEquals aws:RequestTag/Type", Allows::More),
        ("One", "StringEquals aws:RequestedRegion", Allows::More),
        ("One", "StringEquals aws:RequestedRegion here", Allows::Less),
        ("One", "StringEquals aws:RequestedRegion there", Allows::Less),
        ("Two", STATEMENT, Allows::More),
        ("Two", "Null aws:ResourceTag/KeepForever", Allows::Less),
    ];
    assert_eq!(told, expected);
    assert_eq!(variants[1].document["Statement"][0]["Action"], serde_json::json!(["ec2:B"]));
    assert_eq!(variants[7].document["Statement"].as_array().map(Vec::len), Some(1));
}
