//! JSON as people type it: a key that stands twice is refused. Otherwise the last would count, and of the first nobody
//! would hear.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::plain::plain;

/// Reads a text as JSON in which no object has a key twice.
///
/// # Errors
/// If it is not JSON, or an object in it, at whatever depth, has a key twice.
pub fn read_json(text: &str) -> serde_json::Result<Value> {
    let Once(value) = serde_json::from_str(text)?;
    Ok(value)
}

/// A value in which no key stands twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Once(value)) = values.next_element::<Once>()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Once(value))) = entries.next_entry::<String, Once>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(format_args!("it has the key `{}` twice", plain(&key))));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_any_other() {
        for text in [
            "null",
            r#"{"instances": ["i-1", "i-1"], "tags": {"tag:Env": ["PROD", "T\u00e9st"], "tags": {}}}"#,
            r#"[true, -1, 1, 1.5, 18446744073709551615, "", {"a": {"a": 1}}, {"a": 2}]"#,
        ] {
            assert_eq!(read_json(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
        for text in ["", "{", "{instances}", "{} {}"] {
            assert!(read_json(text).unwrap_err().classify() != serde_json::error::Category::Data, "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named_at_whatever_depth() {
        for (text, named) in [
            (r#"{"instances": ["i-1"], "instances": ["i-2"]}"#, "the key `instances` twice"),
            (r#"{"instances": ["i-1"], "instances": ["i-1"]}"#, "the key `instances` twice"),
            (r#"{"tags": {"tag:Env": "PROD", "tag:\u0045nv": "TEST"}}"#, "the key `tag:Env` twice"),
            (r#"[{"a\n": 1, "a\n": 2}]"#, r"the key `a\n` twice"),
        ] {
            let error = read_json(text).unwrap_err();
            assert!(error.is_data() && error.to_string().contains(named), "{text}: {error}");
        }
    }
}
