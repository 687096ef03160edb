//! Who is told how a request went, and in which words.

use serde_json::{Value, json};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, FaultKind, Published};
use snapkeeper_tests::{
    World,
    binaries::binary,
    runtime_api::{Posted, invoke},
};

use super::{ALERTS, Scene, config, of};
use crate::peers::HOME;

/// The topics that a payload names, to which the stack's parameter lets the creator publish.
const DONE: &str = "arn:aws:sns:us-east-1:123456789012:done";
const ERRORS: &str = "arn:aws:sns:us-east-1:123456789012:errors";
/// One to which it does not.
const STRANGE: &str = "arn:aws:sns:us-east-1:123456789012:strange";

#[tokio::test(start_paused = true)]
async fn a_mail_tells_what_was_taken_in_its_subject_and_each_snapshot_in_a_table() {
    let scene = with_topics().await;
    let payload =
        json!({ "tags": {"tag:Name": "web-*"}, "label": "before upgrade", "sns-arn": DONE, "sns-arn-error": ERRORS });
    let report = scene.ask(payload).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    let told = scene.world.simulator().published();
    assert_eq!(topics(&told), [DONE], "nobody is told of errors that there are none of");
    let expected = "Snapkeeper us-east-1: 3 snapshots of 2 instances taken (before upgrade)";
    assert_eq!(told[0].subject.as_deref(), Some(expected));
    for snapshot in scene.taken() {
        let instance = &snapshot.tags["Source_InstanceId"];
        let is_its_line =
            |line: &str| [instance, &snapshot.volume_id, &snapshot.id].iter().all(|id| line.contains(*id));
        assert!(told[0].message.lines().any(is_its_line), "{}: {}", snapshot.id, told[0].message);
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_one() {
    let scene = with_topics().await;
    scene.ask(json!({ "instances": [scene.id("db")], "sns-arn": DONE })).await;
    let told = scene.world.simulator().published();
    assert_eq!(told[0].subject.as_deref(), Some("Snapkeeper us-east-1: 1 snapshot of 1 instance taken"));
}

#[tokio::test(start_paused = true)]
async fn errors_go_to_their_topic_else_to_that_of_the_request_else_to_the_alert_topic() {
    for (more, expected) in [
        (json!({ "sns-arn": DONE, "sns-arn-error": ERRORS }), [DONE, ERRORS].as_slice()),
        (json!({ "sns-arn-error": ERRORS }), &[ERRORS]),
        (json!({ "sns-arn": DONE }), &[DONE]),
        (json!({ "sns-arn": DONE, "sns-arn-error": DONE }), &[DONE]),
        (json!({}), &[ALERTS]),
    ] {
        let scene = with_topics().await;
        let volume = scene.look("web-2").devices.into_values().next().expect("a volume");
        scene.world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).on(&volume).always());
        let report = asked(&scene, json!({ "tags": {"tag:Name": "web-*"}, "label": "nightly" }), &more).await;
        assert!(!report.succeeded(), "{more}");
        let told = scene.world.simulator().published();
        assert_eq!(topics(&told), expected, "{more}");
        for Published { subject, message, .. } in told {
            let subject = subject.expect("a subject");
            assert!(subject.contains("failed") && subject.contains("nightly"), "{more}: {subject}");
            assert!(message.contains(&volume) && message.contains("UnauthorizedOperation"), "{more}: {message}");
            assert!(scene.taken().iter().all(|snapshot| message.contains(&snapshot.id)), "{more}: {message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_who_did_not_ask_for_it() {
    let scene = with_topics().await;
    let report = scene.ask(json!({ "instances": [scene.id("db")], "sns-arn-error": ERRORS })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(scene.world.simulator().published(), []);

    for failing in [false, true] {
        let scene = with_topics().await;
        if failing {
            scene.world.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).always());
        }
        let dry = json!({ "instances": [scene.id("db")], "sns-arn": DONE, "sns-arn-error": ERRORS, "dry_run": true });
        scene.ask(dry).await;
        assert_eq!(scene.world.simulator().published(), [], "a dry run tells nobody");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_is_told_of() {
    let nobody = "i-0123456789abcdef0";
    let scene = with_topics().await;
    let report = asked(&scene, json!({ "instances": [nobody] }), &json!({ "sns-arn-error": ERRORS })).await;
    assert!(!report.succeeded());
    let told = scene.world.simulator().published();
    assert_eq!(topics(&told), [ERRORS]);
    assert!(told[0].message.contains(nobody), "{}", told[0].message);
}

/// Of an event that nobody waits for, nobody would hear otherwise.
#[tokio::test]
async fn a_payload_that_is_not_understood_is_told_of() {
    let scene = Scene::set_in(World::listener().await).await;
    for topic in [ALERTS, ERRORS] {
        let name = topic.rsplit(':').next().expect("a name");
        scene.world.simulator().call("sns", HOME, "CreateTopic", &[("Name", name)]).expect("CreateTopic");
    }
    let mut function = binary("creator");
    function.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", scene.world.endpoint().expect("an address"));
    function.env("SNAPKEEPER_ALERT_TOPIC_ARN", ALERTS);
    let events = vec![
        json!({ "instances": [scene.id("db")], "stopp": true, "sns-arn-error": ERRORS }),
        json!({ "instances": [scene.id("db")], "stopp": true }),
        json!({ "instances": [scene.id("db")], "stopp": true, "dry_run": true }),
        json!({ "Records": [] }),
    ];
    let far = "2100-01-01T00:00:00Z".parse().expect("an instant");
    let (posted, _) = invoke(function, events, far).await;
    assert!(posted.iter().all(|it| matches!(it, Posted::Error(_))), "{posted:?}");
    let told = scene.world.simulator().published();
    assert_eq!(topics(&told), [ERRORS, ALERTS]);
    for Published { subject, message, .. } in told {
        let expected = "Snapkeeper us-east-1: the creator has refused an event, nothing was done";
        assert_eq!(subject.as_deref(), Some(expected));
        assert!(message.contains("the key `stopp`"), "{message}");
    }
}

/// Neither a topic that is not there, nor one to which the creator may not publish, costs a snapshot.
#[tokio::test(start_paused = true)]
async fn a_topic_that_cannot_be_told_is_a_failure_and_no_more() {
    for topic in [STRANGE, "arn:aws:sns:us-east-1:123456789012:nowhere"] {
        let scene = with_topics().await;
        let report = scene.ask(json!({ "instances": [scene.id("web-1")], "stop": true, "sns-arn": topic })).await;
        assert_eq!(report.failed.iter().map(|it| it.resource.as_str()).collect::<Vec<_>>(), [topic]);
        assert_eq!(scene.taken().len(), 2, "{topic}");
        scene.world.pass(super::A_WHILE).await;
        assert_eq!(scene.is_as_before(), Ok(()), "{topic}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_subject_is_what_sns_takes_whatever_the_label() {
    for label in ["x".repeat(100), "vor dem Umzug nach Übersee ✈".to_owned()] {
        let scene = with_topics().await;
        scene.ask(json!({ "instances": [scene.id("db")], "label": label, "sns-arn": DONE })).await;
        let told = scene.world.simulator().published();
        let subject = told[0].subject.clone().expect("a subject");
        assert!(subject.len() <= 100 && subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject}");
        assert!(told[0].message.contains(&label), "{}", told[0].message);
        if !label.is_ascii() {
            assert!(subject.ends_with("(vor dem Umzug nach ?bersee ?)"), "{subject}");
        }
    }
}

/// What was asked for by hand is not the run that the monitoring waits for.
#[tokio::test(start_paused = true)]
async fn the_alert_topic_hears_nothing_of_a_request_that_went_well() {
    let scene = with_topics().await;
    let report = scene.ask(json!({ "tags": {"tag:Env": "PROD"}, "stop": true })).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(scene.world.simulator().published(), []);
}

/// A scene with an alert topic and others.
async fn with_topics() -> Scene {
    let world = of(config()).with("ALERT_TOPIC_ARN", ALERTS);
    for topic in [ALERTS, DONE, ERRORS, STRANGE] {
        let name = topic.rsplit(':').next().expect("a name");
        world.simulator().call("sns", HOME, "CreateTopic", &[("Name", name)]).expect("CreateTopic");
    }
    Scene::set_in(world).await
}

/// Asks with more in the payload.
async fn asked(scene: &Scene, payload: Value, more: &Value) -> Report {
    let mut payload = payload;
    payload.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    scene.ask(payload).await
}

/// Where these went.
fn topics(told: &[Published]) -> Vec<&str> {
    told.iter().map(|it| it.topic_arn.as_str()).collect()
}
