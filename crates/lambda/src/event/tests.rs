use chrono::SecondsFormat;
use proptest::{prelude::*, sample::select};
use serde_json::json;

use super::*;

const INVOCATION: &str = "8476a536";

#[track_caller]
fn check(event: &str, expected: Result<(Option<&str>, bool), &str>) {
    let read = Event::read(&serde_json::from_str(event).unwrap(), INVOCATION);
    match expected {
        Ok((instant, dry_run)) => {
            let instant = instant.map(|instant| instant.parse().unwrap());
            assert_eq!(read, Ok(Event { instant, ..Event::of_now(dry_run) }), "{event}");
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
fn a_run_that_goes_on_says_where_and_is_one_of_the_jobs_that_do() {
    let at = "2026-11-21T05:00:00Z";
    let read = |continuation: Value| {
        Event::read(&json!({"scheduled_time": at, "dry_run": true, "continuation": continuation}), INVOCATION)
    };
    let first = read(json!({})).unwrap();
    assert_eq!((first.instant, first.dry_run), (Some(at.parse().unwrap()), true));
    assert_eq!(first.continuation, Some(Continuation::default()));
    let next = first.continuation.unwrap().next(Some("page 2".to_owned()), std::time::Duration::from_secs(20));
    assert_eq!(read(serde_json::to_value(&next).unwrap()).unwrap().continuation, Some(next));
    for job in Job::ALL {
        let told = read(json!({})).unwrap().of(job).map_err(|error| error.to_string());
        assert_eq!(told.is_ok(), Job::OF_EC2.contains(&job), "{told:?}");
    }
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
    check(r#"{"scheduled_time": "2026-11-21T05:00:00Z", "continuation": {"page": 2}}"#, Err("the key `page`"));
    check(r#"{"scheduled_time": "2026-11-21T05:00:00Z", "continuation": null}"#, Err("its continuation is null"));
    check(r#"{"continuation": {}}"#, Err("the key `continuation`"));
    check(
        r#"{"detail-type": "Scheduled Event", "source": "aws.events", "time": "2026-11-21T05:00:00Z", "continuation": {}}"#,
        Err("has a continuation beside it"),
    );
    check(
        r#"{"tags": {"tag:Env": "PROD"}, "scheduled_time": "2026-11-21T05:00:00Z", "continuation": {}}"#,
        Err("it is a request for snapshots, and has a continuation beside it"),
    );
    check(r#"{"Records": []}"#, Err("the key `Records` has 0 records, not one"));
    check(r#"{"Records": {}}"#, Err("the key `Records` is {}"));
    check(r#"{"Records": [{"EventSource": "aws:s3", "s3": {}}]}"#, Err("no message of SNS"));
    check(r#"{"Records": [{"EventSource": "aws:sns"}]}"#, Err("no message of SNS"));
    check(r#"{"Records": [{"EventSource": "aws:sns", "Sns": {"Message": ""}}]}"#, Err("its Timestamp is null"));
    check(r#"{"a\nb\u202e": []}"#, Err(r"the key `a\nb\u{202e}`"));
}

#[test]
fn a_request_is_for_the_creator_and_of_the_present_second() {
    let read = |event: Value| Event::read(&event, INVOCATION).unwrap();
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
fn a_request_has_the_id_of_its_invocation_or_with_an_instant_one_of_its_own() {
    let id_of = |event: Value, invocation: &str| Event::read(&event, invocation).unwrap().request.unwrap().id;
    let with = |keys: Value| {
        let mut event = json!({"tags": {"tag:Env": "PROD", "tag:Role": "db"}, "stop": true});
        event.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        event
    };
    assert_eq!(id_of(with(json!({})), "one"), "one");
    let at = "2026-11-21T05:00:00Z";
    let id = id_of(with(json!({ "scheduled_time": at })), "one");
    assert_eq!(id.len(), 32, "{id}");
    // in whatever order it is written, and whoever sends it again
    let text =
        r#"{"stop": true, "scheduled_time": "2026-11-21T05:00:00Z", "tags": {"tag:Role": "db", "tag:Env": "PROD"}}"#;
    for again in [
        serde_json::from_str(text).unwrap(),
        with(json!({ "scheduled_time": at })),
        with(json!({ "scheduled_time": at, "execution_id": "e", "attempt_number": "2", "schedule_arn": "a" })),
    ] {
        assert_eq!(id_of(again, "two"), id);
    }
    for other in [
        json!({ "scheduled_time": "2026-11-21T05:00:01Z" }),
        json!({ "scheduled_time": at, "stop": false }),
        json!({ "scheduled_time": at, "label": "x" }),
        json!({ "scheduled_time": at, "tags": {"tag:Env": "PROD"} }),
    ] {
        assert_ne!(id_of(with(other.clone()), "one"), id, "{other}");
    }
}

#[test]
fn a_fingerprint_is_the_same_everywhere() {
    for (text, expected) in [
        ("", "6c62272e07bb014262b821756295c58d"),
        ("a", "d228cb696f1a8caf78912b704e4a8964"),
        (r#"{"a":1,"b":[2]}"#, "dec4d10974e3c72e3ce9ccc30e58f8d1"),
    ] {
        assert_eq!(fingerprint(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn a_request_is_not_of_long_ago() {
    #[track_caller]
    fn check_at(scheduled: &str, is_taken: bool) {
        let now = "2026-11-21T05:00:00Z".parse().unwrap();
        for (event, is_taken) in [
            (json!({ "tags": {"tag:Env": "PROD"}, "scheduled_time": scheduled }), is_taken),
            // the schedule's own is judged by its effects: see `instant_at`
            (json!({ "scheduled_time": scheduled }), true),
        ] {
            match Event::read(&event, INVOCATION).unwrap().instant_at(now) {
                Ok(instant) => assert!(is_taken && instant == scheduled.parse::<DateTime<Utc>>().unwrap()),
                Err(error) => {
                    let told = error.to_string();
                    assert!(!is_taken && told.contains("is more than a day ago"), "{event}: {told}");
                    assert!(told.contains("might be due at once. Nothing was done. Send it with"), "{told}");
                }
            }
        }
    }
    check_at("2026-11-21T05:00:00Z", true);
    check_at("2026-11-20T05:00:00Z", true);
    check_at("2026-11-20T04:59:59Z", false);
    check_at("0000-01-01T00:00:00Z", false);
}

#[test]
fn a_message_is_for_the_saver_and_of_the_instant_at_which_it_was_published() {
    let event = |message: Value| {
        let sns = json!({
            "Type": "Notification", "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Subject": "shared",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:failsafe", "Message": message,
            "Timestamp": "2026-11-21T05:00:07.000Z", "SignatureVersion": "1", "MessageAttributes": {},
        });
        let record = json!({
            "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns,
            "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:failsafe:21be56ed",
        });
        Event::read(&json!({ "Records": [record] }), INVOCATION).unwrap()
    };
    let text = r#"{"Instance": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#;
    let read = event(json!(text));
    assert_eq!(read.instant, Some("2026-11-21T05:00:07Z".parse().unwrap()));
    assert_eq!(read.announced, Some(Announcement::read(text)));
    assert!(read.announced.as_ref().is_some_and(Result::is_ok) && !read.dry_run && read.request.is_none());
    for job in Job::ALL {
        assert_eq!(read.clone().of(job).is_ok(), job == Job::RdsSaver, "{job}");
    }
    // one that is not understood starts the run all the same, which tells of it
    for message in [json!("hello"), json!(null), json!({"Instance": "orders"})] {
        let read = event(message.clone());
        assert!(read.announced.is_some_and(|it| it.is_err()), "{message}");
    }
}

#[test]
fn an_event_that_is_long_is_not_repeated_in_full() {
    let error = Event::read(&json!("x".repeat(1_000_000)), INVOCATION).unwrap_err().to_string();
    assert!(error.len() < 5_000 && error.contains("it is \"xxx"), "{error}");
}

#[test]
fn a_run_is_not_of_the_future() {
    #[track_caller]
    fn check_at(now: &str, scheduled: Option<&str>, expected: Option<&str>) {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let event = Event { instant: scheduled.map(instant), ..Event::of_now(false) };
        match (event.instant_at(instant(now)), expected) {
            (Ok(read), Some(expected)) => assert_eq!(read, instant(expected)),
            (Err(error), None) => assert!(error.to_string().contains("lies in the future"), "{error}"),
            (read, expected) => panic!("{scheduled:?} at {now} is {read:?}, expected {expected:?}"),
        }
    }
    let now = "2026-11-21T05:00:30.5Z";
    check_at(now, None, Some("2026-11-21T05:00:00Z"));
    for scheduled in ["2026-11-21T05:00:00Z", "2026-11-21T05:05:30.5Z", "2026-11-20T05:00:00Z", "0000-01-01T00:00:00Z"]
    {
        check_at(now, Some(scheduled), Some(scheduled));
    }
    for scheduled in ["2026-11-21T05:05:30.501Z", "2026-11-21T06:00:00Z", "2126-11-21T05:00:00Z"] {
        check_at(now, Some(scheduled), None);
    }
    // whatever the clock says, as far as there is time at all
    let event = |instant| Event { instant: Some(instant), ..Event::of_now(false) };
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
        match Event::read(&event, INVOCATION) {
            Ok(Event { instant, dry_run, request, announced, continuation }) => {
                prop_assert_eq!((request, announced, continuation), (None, None, None));
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
            prop_assert_eq!(Event::read(&event, INVOCATION), Ok(Event { instant, ..Event::of_now(false) }));
        }
    }
}
