//! What an operator asks for, as a payload of the creator's function and as the options of `snapkeeper snapshot`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Selection;
use crate::{
    ids::InstanceId,
    plain::plain,
    retention::{self, Retention},
    settings::TopicArn,
};

/// What a tag's key begins with in a selection, as in EC2's filters.
const TAG: &str = "tag:";
/// The longest label, in characters: beside it the ids must find room in a description.
const MAX_LABEL: usize = 100;

const INSTANCES: &str = "instances";
const TAGS: &str = "tags";
const STOP: &str = "stop";
const STOPPED: &str = "stopped";
const VERBOSE: &str = "verbose";
const TOPIC: &str = "sns-arn";
const ERROR_TOPIC: &str = "sns-arn-error";
const LABEL: &str = "label";
const PROTECTED: &str = "protected";
const RETENTION: &str = "retention";
const DRY_RUN: &str = "dry_run";

/// The keys of a payload. Any of them but the last makes an event a request.
const KEYS: [&str; 11] =
    [INSTANCES, TAGS, LABEL, STOP, STOPPED, PROTECTED, RETENTION, TOPIC, ERROR_TOPIC, VERBOSE, DRY_RUN];

/// Snapshots of certain instances, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Of which instances.
    pub selection: Selection,
    /// Put into the descriptions.
    pub label: Option<String>,
    /// What is done with running instances.
    pub mode: Mode,
    /// The snapshots never expire.
    pub protected: bool,
    /// How long to keep, in place of what the instance's tag says.
    pub retention: Option<Retention>,
    /// The topic that is told when all is done.
    pub topic: Option<TopicArn>,
    /// The topic that is told of errors.
    pub error_topic: Option<TopicArn>,
    /// Tell each step.
    pub verbose: bool,
    /// Plan and report, change nothing.
    pub dry_run: bool,
    /// What tells it from any other request, and is the same when it is tried again. It stands in no payload.
    pub id: String,
}

/// What is done with running instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are taken as they run.
    AsIs,
    /// They are stopped before, and started again after.
    Stop,
    /// They are left alone, and are errors.
    OnlyStopped,
}

impl Request {
    /// The first key by which a payload asks for snapshots of certain instances, rightly or wrongly, if it has one.
    pub fn key_of(payload: &Map<String, Value>) -> Option<&str> {
        payload.keys().map(String::as_str).find(|key| *key != DRY_RUN && KEYS.contains(key))
    }

    /// The topics that a payload names, as far as they can be read, and whatever else of it cannot be.
    pub fn topics(payload: &Value) -> Vec<TopicArn> {
        let read = |key: &str| -> Option<TopicArn> { payload.get(key)?.as_str()?.trim().parse().ok() };
        let mut topics: Vec<TopicArn> = [TOPIC, ERROR_TOPIC].into_iter().filter_map(read).collect();
        topics.dedup();
        topics
    }

    /// Reads a payload: `{"instances": ["i-…"], "tags": {"tag:Env": "PROD"}, "stop": true, …}`. No other request may
    /// have this `id`.
    ///
    /// # Errors
    /// Every key and value that is not understood, all at once; and a selection that is empty: it would be of every
    /// instance.
    pub fn from_json(payload: &Value, id: &str) -> Result<Self, RequestError> {
        let mut reader = Reader::of(payload, &KEYS)?;
        let selection = reader.selection();
        let mode = match (reader.flag(STOP), reader.flag(STOPPED)) {
            (true, true) => {
                reader.wrong(format!("{STOP} and {STOPPED} are both true: expected one of them"));
                Mode::AsIs
            }
            (true, false) => Mode::Stop,
            (false, true) => Mode::OnlyStopped,
            (false, false) => Mode::AsIs,
        };
        let is_label = |text: &str| text.chars().count() <= MAX_LABEL && !text.chars().any(char::is_control);
        let request = Self {
            selection,
            label: reader
                .text(LABEL, "one line of at most 100 characters", |text| is_label(text).then(|| text.to_owned())),
            mode,
            protected: reader.flag(PROTECTED),
            retention: reader.text(RETENTION, retention::EXPECTED, |text| apart(text).parse().ok()),
            topic: reader.text(TOPIC, TopicArn::EXPECTED, |text| text.parse().ok()),
            error_topic: reader.text(ERROR_TOPIC, TopicArn::EXPECTED, |text| text.parse().ok()),
            verbose: reader.flag(VERBOSE),
            dry_run: reader.flag(DRY_RUN),
            id: id.to_owned(),
        };
        if request.protected
            && let Some(retention) = &request.retention
        {
            reader.wrong(format!("{RETENTION} is {retention}: expected none, for what is {PROTECTED} never expires"));
        }
        reader.end(request)
    }
}

/// Spans that stand close together, `7d4w`, as the tag has them: `7d 4w`.
fn apart(text: &str) -> String {
    let mut spaced = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() && spaced.ends_with(|before: char| before.is_ascii_alphabetic()) {
            spaced.push(' ');
        }
        spaced.push(character);
    }
    spaced
}

impl Selection {
    /// Reads a selection alone: `{"instances": ["i-…"], "tags": {"tag:Owner": "John", "tag:Env": ["PROD", "TEST"]}}`.
    ///
    /// # Errors
    /// As [`Request::from_json`].
    pub fn from_json(selection: &Value) -> Result<Self, RequestError> {
        let mut reader = Reader::of(selection, &[INSTANCES, TAGS])?;
        let selection = reader.selection();
        reader.end(selection)
    }
}

/// Reads the keys of an object, and gathers what is wrong.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    wrong: Vec<String>,
}

impl<'a> Reader<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self, RequestError> {
        let Value::Object(object) = value else {
            return Err(RequestError(vec![format!("it is {}: expected an object", told(value))]));
        };
        let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
        let wrong =
            unknown.map(|key| format!("it has the key `{}`: there are {}", plain(key), known.join(", "))).collect();
        Ok(Self { object, wrong })
    }

    fn end<T>(self, read: T) -> Result<T, RequestError> {
        if self.wrong.is_empty() { Ok(read) } else { Err(RequestError(self.wrong)) }
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    fn expected(&mut self, key: &str, value: &Value, expected: &str) {
        self.wrong(format!("{} is {}: expected {expected}", plain(key), told(value)));
    }

    fn flag(&mut self, key: &str) -> bool {
        match self.object.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.expected(key, other, "true or false");
                false
            }
        }
    }

    /// Reads a text. An empty one is as good as none, as of a setting.
    fn text<T>(&mut self, key: &str, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.object.get(key)?;
        let text = value.as_str().map(str::trim);
        if text == Some("") {
            return None;
        }
        let read = text.and_then(read);
        if read.is_none() {
            self.expected(key, value, expected);
        }
        read
    }

    fn selection(&mut self) -> Selection {
        let object = self.object;
        let selection = Selection { instances: self.instances(), tags: self.tags() };
        // a list that is empty by mistake must not let the other key select more than was meant
        if !object.contains_key(INSTANCES) && !object.contains_key(TAGS) {
            self.wrong(format!("neither {INSTANCES} nor {TAGS} are given: expected one of them, or both"));
        }
        selection
    }

    fn instances(&mut self) -> Vec<InstanceId> {
        const EXPECTED: &str = "a list of ids such as i-0123456789abcdef0, at least one";
        let Some(value) = self.object.get(INSTANCES) else { return Vec::new() };
        let Some(ids) = value.as_array().filter(|ids| !ids.is_empty()) else {
            self.expected(INSTANCES, value, EXPECTED);
            return Vec::new();
        };
        let mut instances = Vec::new();
        for id in ids {
            if let Some(id) = id.as_str().filter(|id| is_instance(id)) {
                instances.push(InstanceId::from(id));
            } else {
                self.wrong(format!("{INSTANCES} has {}: expected an id such as i-0123456789abcdef0", told(id)));
            }
        }
        instances.sort();
        instances.dedup();
        instances
    }

    fn tags(&mut self) -> BTreeMap<String, Vec<String>> {
        const EXPECTED: &str = "an object such as {\"tag:Env\": \"PROD\"}, with at least one tag";
        let Some(value) = self.object.get(TAGS) else { return BTreeMap::new() };
        let Some(object) = value.as_object().filter(|tags| !tags.is_empty()) else {
            self.expected(TAGS, value, EXPECTED);
            return BTreeMap::new();
        };
        let mut tags = BTreeMap::new();
        for (name, value) in object {
            let Some(key) = name.strip_prefix(TAG).filter(|key| !key.is_empty()) else {
                self.wrong(format!("{TAGS} has the key `{}`: expected one such as tag:Env", plain(name)));
                continue;
            };
            let given = match value {
                Value::Array(values) => values.as_slice(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    std::slice::from_ref(value)
                }
            };
            let texts: Vec<String> =
                given.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect();
            if texts.is_empty() || texts.len() < given.len() {
                self.expected(name, value, "a text, or a list of texts, none of them empty");
            } else {
                tags.insert(key.to_owned(), texts);
            }
        }
        tags
    }
}

/// Whether a text is an instance's id: in EC2's filters, one that is not could be a wildcard.
fn is_instance(id: &str) -> bool {
    id.strip_prefix("i-").is_some_and(|digits| {
        (8..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// A value as it stands in JSON, fit for one line and not long.
fn told(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = plain(&value.to_string());
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// A request that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct RequestError(Vec<String>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "i-0123456789abcdef0";

    fn tags(tags: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        tags.iter().map(|(key, of)| ((*key).to_owned(), values(of))).collect()
    }

    fn read(payload: &Value) -> Result<Request, RequestError> {
        Request::from_json(payload, "8476a536")
    }

    #[test]
    fn a_request_is_read_whole() {
        let topic = "arn:aws:sns:us-east-1:123456789012:done";
        let errors = "arn:aws:sns:eu-west-1:123456789012:errors";
        let whole = read(&json!({
            "instances": ["i-89abcdef", ID, ID],
            "tags": {"tag:Env": ["PROD", "TEST"], "tag:Name": "web-*", "tag:tag:x": "y"},
            "stop": true, "stopped": false, "verbose": true, "sns-arn": topic, "sns-arn-error": errors,
            "label": " before upgrade ", "protected": false, "retention": "7d 4w", "dry_run": true,
        }));
        let expected = Request {
            selection: Selection {
                instances: vec![ID.into(), "i-89abcdef".into()],
                tags: tags(&[("Env", &["PROD", "TEST"]), ("Name", &["web-*"]), ("tag:x", &["y"])]),
            },
            label: Some("before upgrade".to_owned()),
            mode: Mode::Stop,
            protected: false,
            retention: Some("7d 4w".parse().unwrap()),
            topic: Some(topic.parse().unwrap()),
            error_topic: Some(errors.parse().unwrap()),
            verbose: true,
            dry_run: true,
            id: "8476a536".to_owned(),
        };
        assert_eq!(whole, Ok(expected));
    }

    #[test]
    fn what_is_not_given_is_not_asked_for() {
        for payload in [
            json!({ "instances": [ID] }),
            json!({ "instances": [ID], "label": "", "sns-arn": " ", "retention": "", "stop": false }),
        ] {
            let selection = Selection { instances: vec![ID.into()], tags: BTreeMap::new() };
            let expected = Request {
                selection,
                label: None,
                mode: Mode::AsIs,
                protected: false,
                retention: None,
                topic: None,
                error_topic: None,
                verbose: false,
                dry_run: false,
                id: "8476a536".to_owned(),
            };
            assert_eq!(read(&payload), Ok(expected), "{payload}");
        }
        let stopped = read(&json!({ "tags": {"tag:Env": "PROD"}, "stopped": true })).unwrap();
        assert_eq!((stopped.mode, stopped.selection.instances), (Mode::OnlyStopped, Vec::new()));
    }

    #[test]
    fn whatever_is_wrong_is_named_with_what_was_expected() {
        #[track_caller]
        fn check(payload: Value, expected: &[&str]) {
            let error = read(&payload).unwrap_err();
            assert_eq!(error.0.len(), expected.len(), "{error}");
            for part in expected {
                assert!(error.0.iter().any(|it| it.contains(part)), "{error} lacks {part}");
            }
        }
        let with = |key: &str, value: Value| {
            let mut payload = json!({ "instances": [ID] });
            payload.as_object_mut().unwrap().insert(key.to_owned(), value);
            payload
        };
        check(json!(null), &["it is null: expected an object"]);
        check(json!([ID]), &["expected an object"]);
        // nothing selected is not everything
        check(json!({}), &["neither instances nor tags"]);
        check(json!({ "stop": true }), &["neither instances nor tags"]);
        check(json!({ "instances": [] }), &["instances is []: expected a list of ids"]);
        check(json!({ "tags": {} }), &["tags is {}: expected an object"]);
        check(json!({ "instances": [], "tags": {"tag:Env": "PROD"} }), &["instances is []"]);
        check(json!({ "instances": [ID], "tags": {} }), &["tags is {}"]);
        for value in [json!([]), json!(""), json!(null), json!(["PROD", 1]), json!(["PROD", ""]), json!({"a": "b"})] {
            check(json!({ "tags": {"tag:Env": value} }), &["tag:Env is"]);
        }
        check(json!({ "tags": {"Env": "PROD", "tag:": "x"} }), &["the key `Env`", "the key `tag:`"]);
        check(json!({ "tags": "tag:Env=PROD" }), &["tags is \"tag:Env=PROD\""]);
        check(json!({ "instances": ID }), &["instances is"]);
        for id in ["i-*", "i-0123456789abcdef?", "vol-0123456789abcdef0", "i-", "i-12", " i-0123456789abcdef0", ""] {
            check(json!({ "instances": [id] }), &[&format!("instances has \"{id}\"")]);
        }
        check(with("stopp", json!(true)), &["the key `stopp`"]);
        check(with("stop", json!("true")), &["stop is \"true\": expected true or false"]);
        check(with("sns-arn", json!("alerts")), &["sns-arn is \"alerts\": expected an SNS topic's ARN"]);
        check(with("sns-arn-error", json!(1)), &["sns-arn-error is 1"]);
        check(with("label", json!("a\nb")), &["label is"]);
        check(with("label", json!("x".repeat(101))), &["label is"]);
        for together in ["7d4w", "7d 4w", "7D,4w"] {
            let request = read(&with("retention", json!(together))).unwrap();
            assert_eq!(request.retention, Some("7d 4w".parse().unwrap()), "{together}");
        }
        let months = read(&with("retention", json!("14d12m"))).unwrap();
        assert_eq!(months.retention, Some("14d 12m".parse().unwrap()));
        check(with("retention", json!("2weeks")), &["retention is \"2weeks\": expected 7, 7d"]);
        check(with("retention", json!(7)), &["retention is 7"]);
        let mut both = with("stop", json!(true));
        both["stopped"] = json!(true);
        check(both, &["both true"]);
        let mut kept = with("protected", json!(true));
        kept["retention"] = json!("7d");
        check(kept, &["never expires"]);
        // all at once
        check(json!({ "instances": ["x"], "stop": 1, "a\nb": 2 }), &["instances has", "stop is 1", r"the key `a\nb`"]);
    }

    #[test]
    fn a_long_value_is_not_repeated_in_full() {
        let error = read(&json!("x".repeat(100_000))).unwrap_err().to_string();
        assert!(error.len() < 1_000, "{error}");
        // the quotation marks count
        assert_eq!(told(&json!("x".repeat(198))).chars().count(), 200);
        assert_eq!(told(&json!("x".repeat(199))), format!("\"{}…", "x".repeat(198)));
    }

    #[test]
    fn a_selection_alone_has_no_other_keys() {
        let read = Selection::from_json(&json!({ "instances": [ID], "tags": {"tag:Owner": "John"} }));
        assert_eq!(read, Ok(Selection { instances: vec![ID.into()], tags: tags(&[("Owner", &["John"])]) }));
        assert!(Selection::from_json(&json!({})).is_err());
        assert!(Selection::from_json(&json!({ "instances": [ID], "stop": true })).is_err());
    }

    #[test]
    fn any_key_of_a_request_makes_one() {
        for (payload, key) in [
            (json!({}), None),
            (json!({ "dry_run": true }), None),
            (json!({ "scheduled_time": "2026-11-21T05:00:00Z" }), None),
            (json!({ "label": "x" }), Some("label")),
            (json!({ "instances": null }), Some("instances")),
            (json!({ "stop": false, "x": 1 }), Some("stop")),
        ] {
            assert_eq!(Request::key_of(payload.as_object().unwrap()), key, "{payload}");
        }
    }

    #[test]
    fn topics_are_read_also_of_what_is_wrong() {
        #[track_caller]
        fn check(payload: Value, expected: &[&str]) {
            let topics = Request::topics(&payload);
            assert_eq!(topics.iter().map(|topic| topic.arn.as_str()).collect::<Vec<_>>(), expected, "{payload}");
        }
        let (done, errors) = ("arn:aws:sns:us-east-1:123456789012:done", "arn:aws:sns:us-east-1:123456789012:errors");
        check(json!({ "stopp": true, "sns-arn-error": errors }), &[errors]);
        check(json!({ "sns-arn-error": errors, "sns-arn": done }), &[done, errors]);
        check(json!({ "sns-arn-error": done, "sns-arn": format!(" {done}") }), &[done]);
        check(json!({ "sns-arn": "alerts", "sns-arn-error": [errors] }), &[]);
        check(json!([errors]), &[]);
        check(json!(errors), &[]);
    }
}
