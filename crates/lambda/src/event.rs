//! From the event of an invocation to when and how to run.
//!
//! Three shapes are understood: a schedule of `EventBridge` rules or of `EventBridge` Scheduler without an input of its own
//! (`"detail-type": "Scheduled Event"`, with its `time`); an input of `EventBridge` Scheduler,
//! `{"scheduled_time": "<aws.scheduler.scheduled-time>"}`; and a test from the console, `{}` or `{"dry_run": true}`. The
//! creator also takes a request for snapshots of certain instances, `{"instances": ["i-…"]}`, from the console or beside
//! the `scheduled_time`.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::{Map, Value};
use snapkeeper_core::{
    on_demand::{Request, RequestError},
    plain::plain,
    run::Job,
};

/// How far ahead of the clock a scheduled instant may lie. A schedule starts a run at its instant or later, never earlier,
/// and the clocks of AWS differ by much less.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What an invocation asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The scheduled instant; `None` from the console: the present minute, of a request the present second.
    pub instant: Option<DateTime<Utc>>,
    /// Plan and report, change nothing.
    pub dry_run: bool,
    /// Snapshots of certain instances, in place of what the job's schedule is for.
    pub request: Option<Request>,
}

/// The keys of a Scheduler input: the context attributes that Scheduler can fill in, and our own.
const SCHEDULER_KEYS: [&str; 5] = ["scheduled_time", "schedule_arn", "execution_id", "attempt_number", "dry_run"];

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// If it has none of the shapes, naming what is not understood.
    pub fn read(event: &Value) -> Result<Self, BadEvent> {
        let Value::Object(event) = event else { return Err(BadEvent::new(format!("it is {event}"))) };
        if let Some(kind) = event.get("detail-type") {
            let source = event.get("source").and_then(Value::as_str).unwrap_or_default();
            if kind != "Scheduled Event" || !["aws.events", "aws.scheduler"].contains(&source) {
                return Err(BadEvent::new(format!("its detail-type is {kind} and its source `{source}`")));
            }
            // it would be a scheduled run, and not what was asked for
            if let Some(key) = Request::key_of(event) {
                return Err(BadEvent::of_both(key));
            }
            return Ok(Self { instant: Some(instant(event, "time")?), dry_run: dry_run(event)?, request: None });
        }
        if Request::key_of(event).is_some() {
            return read_request(event);
        }
        let (known, scheduled): (&[&str], bool) =
            if event.contains_key("scheduled_time") { (&SCHEDULER_KEYS, true) } else { (&["dry_run"], false) };
        if let Some(key) = event.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(BadEvent::new(format!("it has the key `{key}`")));
        }
        let instant = if scheduled { Some(instant(event, "scheduled_time")?) } else { None };
        Ok(Self { instant, dry_run: dry_run(event)?, request: None })
    }

    /// The same, if it is one for this job.
    ///
    /// # Errors
    /// If it is a request, and the job is not the one that takes snapshots.
    pub fn of(self, job: Job) -> Result<Self, BadEvent> {
        if self.request.is_some() && job != Job::Creator {
            return Err(BadEvent::new(format!(
                "it is a request for snapshots, and this is the {job}: ask the creator"
            )));
        }
        Ok(self)
    }

    /// The instant of the run: the scheduled one, or the present minute; of a request the present instant.
    ///
    /// # Errors
    /// If it lies in the future. To the manager all would be due that is due by then, and what the creator took then would
    /// look fresh until then: whoever may invoke a function could set its clock.
    pub fn instant_at(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, BadEvent> {
        match self.instant {
            // two requests of one minute are two
            None if self.request.is_some() => Ok(now),
            None => Ok(now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now)),
            Some(instant) if instant - now > AHEAD => {
                Err(BadEvent::new(format!("its instant {instant:?} lies in the future, it is {now:?}")))
            }
            Some(instant) => Ok(instant),
        }
    }
}

/// Reads a request. Beside it may stand what Scheduler fills in: an event that is tried again is then the same run, and
/// neither stops nor takes anything twice.
fn read_request(event: &Map<String, Value>) -> Result<Event, BadEvent> {
    let mut payload = event.clone();
    let mut at = None;
    if event.contains_key("scheduled_time") {
        at = Some(instant(event, "scheduled_time")?);
        payload.retain(|key, _| key == "dry_run" || !SCHEDULER_KEYS.contains(&key.as_str()));
    }
    let request = Request::from_json(&Value::Object(payload)).map_err(|error| BadEvent::of_request(&error))?;
    Ok(Event { instant: at, dry_run: request.dry_run, request: Some(request) })
}

/// Whether a dry run is asked for, in an event of whatever shape: somebody may have added it to a scheduled one.
fn dry_run(event: &Map<String, Value>) -> Result<bool, BadEvent> {
    match event.get("dry_run") {
        None => Ok(false),
        Some(Value::Bool(dry_run)) => Ok(*dry_run),
        Some(other) => Err(BadEvent::new(format!("its dry_run is {other}, neither true nor false"))),
    }
}

fn instant(event: &Map<String, Value>, key: &str) -> Result<DateTime<Utc>, BadEvent> {
    let value = event.get(key).unwrap_or(&Value::Null);
    let instant = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    instant
        .map(|it| it.to_utc())
        .ok_or_else(|| BadEvent::new(format!("its {key} is {value}, not an instant such as 2026-11-21T05:00:00Z")))
}

/// An event that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a run of this event: {what}. {expected}")]
pub struct BadEvent {
    what: String,
    expected: &'static str,
}

const EXPECTED: &str = "Expected a scheduled event of EventBridge, \
     {\"scheduled_time\": \"2026-11-21T05:00:00Z\"} of EventBridge Scheduler, {} or {\"dry_run\": true}; \
     or to the creator a request such as {\"instances\": [\"i-0123456789abcdef0\"]}";

const ALONE: &str = "Nothing was done. As the target's input, send the request alone, with its instant: \
     {\"instances\": [\"i-0123456789abcdef0\"], \"scheduled_time\": \"2026-11-21T05:00:00Z\"}";

impl BadEvent {
    /// What is not understood, fit for one line: anyone may write into an event.
    fn new(what: impl AsRef<str>) -> Self {
        Self { what: plain(what.as_ref()), expected: EXPECTED }
    }

    /// A scheduled event with a key of a request beside it.
    fn of_both(key: &str) -> Self {
        let what = format!("it is a scheduled event of EventBridge, and has the key `{key}` of a request beside it");
        Self { expected: ALONE, ..Self::new(what) }
    }

    fn of_request(error: &RequestError) -> Self {
        Self { expected: "Nothing was done", ..Self::new(format!("as a request, {error}")) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::{prelude::*, sample::select};
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(event: &str, expected: Result<(Option<&str>, bool), &str>) {
        let read = Event::read(&serde_json::from_str(event).unwrap());
        match expected {
            Ok((instant, dry_run)) => {
                let instant = instant.map(|instant| instant.parse().unwrap());
                assert_eq!(read, Ok(Event { instant, dry_run, request: None }), "{event}");
            }
            Err(part) => {
                let error = read.expect_err(event).to_string();
                assert!(error.contains(part), "{event} gave: {error}");
            }
        }
    }

    #[test]
    fn three_shapes_are_understood() {
        check(
            r#"{"version":"0","id":"b3","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",
                "time":"2026-11-21T05:00:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/x"],"detail":{}}"#,
            Ok((Some("2026-11-21T05:00:00Z"), false)),
        );
        check(
            r#"{"version":"0","id":"b3","detail-type":"Scheduled Event","source":"aws.scheduler","account":"123456789012",
                "time":"2026-11-21T05:00:00Z","region":"us-east-1","resources":[],"detail":"{}"}"#,
            Ok((Some("2026-11-21T05:00:00Z"), false)),
        );
        check(r#"{"scheduled_time":"2026-11-21T05:00:00Z"}"#, Ok((Some("2026-11-21T05:00:00Z"), false)));
        check(
            r#"{"scheduled_time":"2026-11-21T06:00:00+01:00","execution_id":"e","attempt_number":"1","schedule_arn":"a","dry_run":true}"#,
            Ok((Some("2026-11-21T05:00:00Z"), true)),
        );
        check("{}", Ok((None, false)));
        check(r#"{"dry_run": true}"#, Ok((None, true)));
        check(r#"{"dry_run": false}"#, Ok((None, false)));
    }

    #[test]
    fn anything_else_is_named_in_the_error() {
        check("null", Err("it is null"));
        check("[]", Err("it is []"));
        check(r#""{}""#, Err(r#"it is "{}""#));
        check(r#"{"dryrun": true}"#, Err("the key `dryrun`"));
        check(r#"{"dry_run": "true"}"#, Err(r#"its dry_run is "true""#));
        check(r#"{"instance": ["i-0123456789abcdef0"]}"#, Err("the key `instance`"));
        check(r#"{"instances": ["i-1"]}"#, Err("as a request, instances has \"i-1\""));
        check(r#"{"tags": {}, "dry_run": 1}"#, Err("tags is {}: expected an object"));
        check(r#"{"label": "x"}"#, Err("neither instances nor tags are given"));
        check(r#"{"tags": {"tag:Env": "PROD"}, "attempt_number": "1"}"#, Err("the key `attempt_number`"));
        check(r#"{"tags": {"tag:Env": "PROD"}, "scheduled_time": "now"}"#, Err("its scheduled_time is \"now\""));
        check(r#"{"scheduled_time": "<aws.scheduler.scheduled-time>"}"#, Err("its scheduled_time is"));
        check(r#"{"scheduled_time": "2026-11-21T05:00:00Z", "x": 1}"#, Err("the key `x`"));
        check(r#"{"detail-type": "Scheduled Event", "source": "aws.events"}"#, Err("its time is null"));
        check(r#"{"detail-type": "EBS Snapshot Notification", "source": "aws.ec2"}"#, Err("EBS Snapshot Notification"));
        for key in ["instances", "tags", "stop", "stopped", "label", "sns-arn"] {
            for source in ["aws.events", "aws.scheduler"] {
                let time = "2026-11-21T05:00:00Z";
                let event = json!({"detail-type": "Scheduled Event", "source": source, "time": time, key: null});
                let expected = format!("the key `{key}` of a request beside it. Nothing was done. As the");
                check(&event.to_string(), Err(expected.as_str()));
            }
        }
        check(r#"{"Records": []}"#, Err("the key `Records`"));
        check(r#"{"a\nb\u202e": []}"#, Err(r"the key `a\nb\u{202e}`"));
    }

    #[test]
    fn a_request_is_for_the_creator_and_of_the_present_second() {
        let read = |event: Value| Event::read(&event).unwrap();
        let now = "2026-11-21T05:00:30Z".parse().unwrap();
        let event = read(json!({"instances": ["i-0123456789abcdef0"], "stop": true, "dry_run": true}));
        assert!(event.dry_run && event.request.is_some());
        assert_eq!(event.instant_at(now), Ok(now));
        for job in Job::ALL {
            let told = event.clone().of(job).map_err(|error| error.to_string());
            assert_eq!(told.is_ok(), job == Job::Creator, "{told:?}");
            assert!(read(json!({})).of(job).is_ok());
        }
        // tried again, it is the same run
        let event = read(json!({
            "tags": {"tag:Env": "PROD"}, "scheduled_time": "2026-11-21T05:00:00Z", "attempt_number": "2",
        }));
        assert_eq!(event.instant_at(now), Ok("2026-11-21T05:00:00Z".parse().unwrap()));
        assert!(!event.dry_run && event.request.is_some());
    }

    #[test]
    fn an_event_that_is_long_is_not_repeated_in_full() {
        let error = Event::read(&json!("x".repeat(1_000_000))).unwrap_err().to_string();
        assert!(error.len() < 5_000 && error.contains("it is \"xxx"), "{error}");
    }

    #[test]
    fn a_run_is_not_of_the_future() {
        #[track_caller]
        fn check_at(now: &str, scheduled: Option<&str>, expected: Option<&str>) {
            let instant = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
            let event = Event { instant: scheduled.map(instant), dry_run: false, request: None };
            match (event.instant_at(instant(now)), expected) {
                (Ok(read), Some(expected)) => assert_eq!(read, instant(expected)),
                (Err(error), None) => assert!(error.to_string().contains("lies in the future"), "{error}"),
                (read, expected) => panic!("{scheduled:?} at {now} is {read:?}, expected {expected:?}"),
            }
        }
        let now = "2026-11-21T05:00:30.5Z";
        check_at(now, None, Some("2026-11-21T05:00:00Z"));
        for scheduled in
            ["2026-11-21T05:00:00Z", "2026-11-21T05:05:30.5Z", "2026-11-20T05:00:00Z", "0000-01-01T00:00:00Z"]
        {
            check_at(now, Some(scheduled), Some(scheduled));
        }
        for scheduled in ["2026-11-21T05:05:30.501Z", "2026-11-21T06:00:00Z", "2126-11-21T05:00:00Z"] {
            check_at(now, Some(scheduled), None);
        }
        // whatever the clock says, as far as there is time at all
        let event = |instant| Event { instant: Some(instant), dry_run: false, request: None };
        assert!(event(DateTime::<Utc>::MAX_UTC).instant_at(DateTime::<Utc>::MIN_UTC).is_err());
        assert!(event(DateTime::<Utc>::MIN_UTC).instant_at(DateTime::<Utc>::MAX_UTC).is_ok());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let object = prop::collection::btree_map(keys(), inner.clone(), 0..6);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Value::Array),
                object.prop_map(|object| Value::Object(object.into_iter().collect())),
            ]
        })
    }

    fn keys() -> impl Strategy<Value = String> {
        let known = ["detail-type", "source", "time", "scheduled_time", "schedule_arn", "dry_run", "detail"];
        prop_oneof![6 => select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,12}"]
    }

    /// What may stand at a key: mostly what is expected at one or another.
    fn values() -> impl Strategy<Value = Value> {
        let texts = [
            "Scheduled Event",
            "scheduled event",
            "aws.events",
            "aws.scheduler",
            "2026-11-21T05:00:00Z",
            "2026-11-21T05:00:60.5Z",
            "2026-11-21 05:00:00+01:00",
            "2026-11-21T05:00:00",
            "0000-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
            "+10000-01-01T00:00:00Z",
            "2026-02-29T05:00:00Z",
            "true",
        ];
        prop_oneof![
            6 => select(texts.to_vec()).prop_map(Value::from),
            2 => any::<bool>().prop_map(Value::Bool),
            1 => any_json(),
        ]
    }

    fn events() -> impl Strategy<Value = Value> {
        let objects = prop::collection::btree_map(keys(), values(), 0..5);
        prop_oneof![8 => objects.prop_map(|object| Value::Object(object.into_iter().collect())), 1 => any_json()]
    }

    proptest! {
        #[test]
        fn an_event_is_read_as_it_says_or_named(event in events()) {
            match Event::read(&event) {
                Ok(Event { instant, dry_run, request }) => {
                    prop_assert_eq!(request, None);
                    let text = |key: &str| event.get(key).and_then(Value::as_str);
                    let said = if event.get("detail-type").is_some() { text("time") } else { text("scheduled_time") };
                    let said = said.map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc());
                    prop_assert_eq!(instant, said);
                    // one from a schedule is never a dry run, unless its input says so
                    let asks = event.get("dry_run") == Some(&Value::Bool(true));
                    prop_assert_eq!(dry_run, asks);
                }
                Err(error) => prop_assert!(error.to_string().starts_with("cannot make a run of this event: ")),
            }
        }

        #[test]
        fn every_instant_of_a_schedule_is_read_as_it_is(seconds in 0..253_402_300_800_i64) {
            let instant = DateTime::from_timestamp(seconds, 0);
            let time = instant.unwrap().to_rfc3339_opts(SecondsFormat::Secs, true);
            for event in [
                json!({ "scheduled_time": time }),
                json!({ "detail-type": "Scheduled Event", "source": "aws.events", "time": time }),
            ] {
                prop_assert_eq!(Event::read(&event), Ok(Event { instant, dry_run: false, request: None }));
            }
        }
    }
}
