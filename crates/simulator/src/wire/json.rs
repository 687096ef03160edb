//! JSON as the services speak it that are no Query protocol: members in, an object out.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The members of an object, in their order, with those that are given twice.
struct Members(Vec<(String, Value)>);

/// The members of the object that this text is, as parameters; `None` if it is no object.
///
/// A text is itself, and every other value its own JSON. One that is null is as good as not given.
pub(crate) fn pairs(body: &[u8]) -> Option<Vec<(String, String)>> {
    let Members(members) = serde_json::from_slice(body).ok()?;
    let pair = |(name, value): (String, Value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some((name, other.to_string()))
        }
    };
    Some(members.into_iter().filter_map(pair).collect())
}

/// The object that has these parameters as its members, each a text.
pub(crate) fn object(pairs: &[(&str, &str)]) -> String {
    let members = pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Value::Object(members.collect()).to_string()
}

/// The values of all members of this name, however deep, that have no members of their own; a text as itself, and every
/// other value as its own JSON. Of what is no JSON, none.
pub(crate) fn texts(document: &str, member: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::from_str(document) {
        collect(&value, member, &mut texts);
    }
    texts
}

fn collect(value: &Value, member: &str, texts: &mut Vec<String>) {
    match value {
        Value::Array(values) => {
            for value in values {
                collect(value, member, texts);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::Array(_) | Value::Object(_) => collect(value, member, texts),
                    Value::String(text) if name == member => texts.push(text.clone()),
                    Value::Null | Value::Bool(_) | Value::Number(_) if name == member => texts.push(value.to_string()),
                    Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, Value>()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<&[(&str, &str)]>) {
        let got = pairs(body.as_bytes());
        let got: Option<Vec<(&str, &str)>> =
            got.as_ref().map(|pairs| pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
        assert_eq!(got.as_deref(), expected, "{body}");
    }

    #[test]
    fn every_member_is_a_parameter() {
        check("{}", Some(&[]));
        check(
            r#"{"B": "alias/x", "A": null, "C": ["t"], "D": [], "E": 5, "F": false}"#,
            Some(&[("B", "alias/x"), ("C", r#"["t"]"#), ("D", "[]"), ("E", "5"), ("F", "false")]),
        );
        check(r#"{"A": "1", "A": "2"}"#, Some(&[("A", "1"), ("A", "2")]));
        for no_object in ["", "KeyId=x", "[]", "{", r#"{"A": "1"} x"#, "\"A\""] {
            check(no_object, None);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let typed = [("KeyId", "<a> & \"b\"\n")];
        check(&object(&typed), Some(&typed));
        let answer = r#"{"KeyMetadata": {"Enabled": true, "KeyId": "x", "List": [{"KeyId": "y"}]}, "KeyId": {}}"#;
        assert_eq!(texts(answer, "KeyId"), ["x", "y"]);
        assert_eq!(texts(answer, "Enabled"), ["true"]);
        assert!(texts(answer, "KeyMetadata").is_empty() && texts("{", "KeyId").is_empty());
    }
}
