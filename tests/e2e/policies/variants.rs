//! All policies that differ from a given one in one thing: something was taken out, or a resource may be anywhere.

use serde_json::Value;

/// What a variant allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allows {
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
pub(crate) struct Variant {
    /// The statement that lacks it.
    pub(crate) sid: String,
    /// What it lacks.
    pub(crate) what: String,
    /// What follows from that.
    pub(crate) allows: Allows,
    /// The policy with it.
    pub(crate) whole: Value,
    /// The policy without it.
    pub(crate) document: Value,
}

/// What a variant lacks that lacks a whole statement.
pub(crate) const STATEMENT: &str = "the statement";

/// The parts of an ARN that say where a resource is, and which they are of those between the colons.
const PLACES: [(&str, usize); 2] = [("region", 3), ("account", 4)];

/// Every policy that lacks one thing: a statement, one of several actions, resources or values of a condition, a key of a
/// condition, or the region or account of a resource.
pub(crate) fn variants(document: &Value) -> Vec<Variant> {
    let mut variants = without_things(document);
    variants.extend(without_places(document));
    variants
}

fn without_things(document: &Value) -> Vec<Variant> {
    let whole = document;
    let mut variants = Vec::new();
    for (number, statement) in statements(whole).iter().enumerate() {
        for (what, is_condition, changed) in without_one_thing(statement) {
            let mut document = whole.clone();
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
            variants.push(Variant { sid: sid(statement), what, allows, whole: whole.clone(), document });
        }
    }
    variants
}

/// Every policy in which a resource may be in any region, or of any account. A call is about several resources, and each
/// of them stops it by itself. So in these policies, all other resources may be anywhere already.
fn without_places(document: &Value) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (place, part) in PLACES {
        for (number, statement) in statements(document).iter().enumerate() {
            for arn in texts(&statement["Resource"]) {
                if statement["Effect"] == "Allow" && anywhere(arn, part).is_some() {
                    variants.push(Variant {
                        sid: sid(statement),
                        what: format!("{place} of {arn}"),
                        allows: Allows::More,
                        whole: all_anywhere(document, part, Some((number, arn))),
                        document: all_anywhere(document, part, None),
                    });
                }
            }
        }
    }
    variants
}

/// The policy with this part left open in every resource, but for one of one statement.
fn all_anywhere(document: &Value, part: usize, but: Option<(usize, &str)>) -> Value {
    let mut document = document.clone();
    for (number, statement) in document["Statement"].as_array_mut().expect("statements").iter_mut().enumerate() {
        let open = |arn: &str| {
            let open = anywhere(arn, part).filter(|_| but != Some((number, arn)));
            Value::from(open.unwrap_or_else(|| arn.to_owned()))
        };
        let resources = texts(&statement["Resource"]).into_iter().map(open).collect();
        statement["Resource"] = Value::Array(resources);
    }
    document
}

/// An ARN with one of its parts left open, if it says anything there.
fn anywhere(arn: &str, part: usize) -> Option<String> {
    let mut parts: Vec<&str> = arn.splitn(6, ':').collect();
    let place = parts.get_mut(part)?;
    if place.is_empty() || *place == "*" {
        return None;
    }
    *place = "*";
    Some(parts.join(":"))
}

fn statements(document: &Value) -> &[Value] {
    document["Statement"].as_array().expect("a list of statements")
}

fn sid(statement: &Value) -> String {
    statement["Sid"].as_str().expect("a name").to_owned()
}

/// A text, or several.
fn texts(value: &Value) -> Vec<&str> {
    match value.as_array() {
        Some(several) => several.iter().filter_map(Value::as_str).collect(),
        None => value.as_str().into_iter().collect(),
    }
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
    let values = texts(values);
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

#[test]
fn a_resource_may_be_anywhere_and_so_may_all_others_beforehand() {
    let of = |volume: &str, snapshot: &str| -> Value {
        serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "One", "Effect": "Allow", "Action": "ec2:A", "Resource": [volume]},
            {"Sid": "Two", "Effect": "Allow", "Action": "ec2:A", "Resource": [snapshot]},
            {"Sid": "Three", "Effect": "Allow", "Action": "ec2:B", "Resource": ["*"]},
        ]})
    };
    let [volume, snapshot] = ["arn:aws:ec2:here:1:volume/*", "arn:aws:ec2:here:*:snapshot/${*}"];
    let [volume_anywhere, snapshot_anywhere] = ["arn:aws:ec2:*:1:volume/*", "arn:aws:ec2:*:*:snapshot/${*}"];
    let all = variants(&of(volume, snapshot));
    let open: Vec<&Variant> = all.iter().filter(|it| it.allows == Allows::More).collect();
    let told: Vec<(&str, &str)> = open.iter().map(|it| (it.sid.as_str(), it.what.as_str())).collect();
    let expected = [
        ("One", "region of arn:aws:ec2:here:1:volume/*"),
        ("Two", "region of arn:aws:ec2:here:*:snapshot/${*}"),
        ("One", "account of arn:aws:ec2:here:1:volume/*"),
    ];
    assert_eq!(told, expected);
    for (variant, whole) in open.iter().zip([of(volume, snapshot_anywhere), of(volume_anywhere, snapshot)]) {
        assert_eq!((&variant.whole, &variant.document), (&whole, &of(volume_anywhere, snapshot_anywhere)));
    }
    assert_eq!(open[2].whole, of(volume, snapshot));
    assert_eq!(open[2].document, of("arn:aws:ec2:here:*:volume/*", snapshot));
}
