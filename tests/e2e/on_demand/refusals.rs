//! What is refused, and that nothing has been touched by then.

use serde_json::{Value, json};
use snapkeeper_core::on_demand::Request;
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::{
    World,
    binaries::binary,
    runtime_api::{Posted, invoke},
};

use super::{Scene, made};
use crate::peers::HOME;

/// Ids that no instance has.
const NOBODY: &str = "i-0123456789abcdef0";
const NOBODY_EITHER: &str = "i-00000000";

/// What is no request, and what of it is named. `ID` is an instance's.
fn bad(id: &str) -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "stop": true }), "instances"),
        (json!({ "instances": [] }), "instances"),
        (json!({ "tags": {} }), "tags"),
        (json!({ "tags": {"tag:Env": []} }), "tag:Env"),
        (json!({ "tags": {"Env": "PROD"} }), "Env"),
        (json!({ "tags": {"tag:Env": 1} }), "tag:Env"),
        (json!({ "instances": id }), "instances"),
        (json!({ "instances": ["i-*"] }), "i-*"),
        (json!({ "instances": ["vol-0123456789abcdef0"] }), "vol-0123456789abcdef0"),
        (json!({ "instances": [id], "stopp": true }), "stopp"),
        (json!({ "instances": [id], "stop": "yes" }), "stop"),
        (json!({ "instances": [id], "stop": true, "stopped": true }), "stopped"),
        (json!({ "instances": [id], "sns-arn": "alerts" }), "sns-arn"),
        (json!({ "instances": [id], "sns-arn-error": 7 }), "sns-arn-error"),
        (json!({ "instances": [id], "label": ["x"] }), "label"),
        (json!({ "instances": [id], "retention": "2weeks" }), "2weeks"),
        (json!({ "instances": [id], "protected": "true" }), "protected"),
        (json!({ "instances": [id], "verbose": 1 }), "verbose"),
        (json!({ "instances": [id], "Records": [] }), "Records"),
    ]
}

/// Requests for which there is another place than this.
fn misplaced(id: &str) -> Vec<(Value, &'static str)> {
    let (kind, time) = ("Scheduled Event", "2026-11-21T05:00:00Z");
    let scheduled =
        |key: &str, value: Value| json!({ "detail-type": kind, "source": "aws.events", "time": time, key: value });
    vec![(scheduled("instances", json!([id])), "instances"), (scheduled("stop", json!(true)), "stop")]
}

#[test]
fn a_request_that_is_wrong_is_none() {
    for (payload, named) in bad(NOBODY) {
        let error = Request::from_json(&payload, "8476a536").expect_err("it is wrong").to_string();
        assert!(error.contains(named), "{payload}: {error}");
    }
}

#[tokio::test]
async fn a_function_names_what_it_does_not_understand_and_does_nothing() {
    let scene = Scene::set_in(World::listener().await).await;
    let bad = [bad(scene.id("web-1")), misplaced(scene.id("web-1"))].concat();
    let events = bad.iter().map(|(payload, _)| payload.clone()).collect();
    for (posted, (payload, named)) in invoked(&scene.world, "creator", events).await.iter().zip(&bad) {
        let Posted::Error(error) = posted else { panic!("{payload}: {posted:?}") };
        assert_eq!(error["errorType"], "BadEvent", "{payload}: {error}");
        let message = error["errorMessage"].as_str().expect("a message");
        assert!(message.contains(named), "{payload}: {message}");
    }
    assert_eq!(scene.world.simulator().calls(), []);
}

#[tokio::test]
async fn the_other_functions_take_no_requests() {
    let scene = Scene::set_in(World::listener().await).await;
    for function in ["copier", "manager", "watcher"] {
        let event = json!({ "instances": [scene.id("web-1")] });
        for posted in invoked(&scene.world, function, vec![event]).await {
            let Posted::Error(error) = &posted else { panic!("{function}: {posted:?}") };
            assert_eq!(error["errorType"], "BadEvent", "{function}: {error}");
        }
    }
    assert_eq!(scene.world.simulator().calls(), []);
}

/// An empty event is what it always was: the creator backs up what is enrolled.
#[tokio::test]
async fn an_empty_event_is_the_schedule_and_no_request() {
    let scene = Scene::set_in(World::listener().await).await;
    for posted in invoked(&scene.world, "creator", vec![json!({})]).await {
        let Posted::Response(report) = &posted else { panic!("{posted:?}") };
        assert_eq!(report["counts"]["applied"], 1, "{report}");
    }
    let taken = scene.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken.iter().all(|snapshot| !snapshot.tags.contains_key("Scripted")));
}

#[tokio::test]
async fn a_command_that_is_wrong_says_why_and_does_nothing() {
    let scene = Scene::set_in(World::listener().await).await;
    let id = scene.id("web-1");
    for (options, named) in [
        (&["-s"][..], "instances"),
        (&["--verbose"], "instances"),
        (&["-i", "web-1"], "web-1"),
        (&["-i", "i-*"], "i-*"),
        (&["-t", "Env"], "Env"),
        (&["--filter", "{}"], "--filter"),
        (&["--filter", "{instances}"], "--filter"),
        (&["--filter", r#"{"instances": ["i-0123456789abcdef0"], "instances": []}"#], "`instances` twice"),
        (&["--filter", r#"{"tags": {"Env": "PROD"}}"#], "Env"),
        (&["-i", id, "-s", "-p"], "--stop"),
        (&["-i", id, "--retention", "2weeks"], "2weeks"),
        (&["-i", id, "--sns-arn", "alerts"], "sns-arn"),
        (&["-i", id, "--frobnicate"], "--frobnicate"),
    ] {
        let mut command = binary("snapkeeper");
        command.args(["snapshot", "--region", HOME, "--endpoint-url", &scene.world.endpoint().expect("an address")]);
        command.args(options);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {told}");
        assert!(told.contains(named), "{options:?}: {told}");
    }
    assert_eq!(scene.world.simulator().calls(), []);
}

/// Whatever else is asked for: it may be meant for another account, or another region.
#[tokio::test(start_paused = true)]
async fn an_instance_that_is_not_there_refuses_the_whole_request() {
    for stop in [false, true] {
        let scene = Scene::set().await;
        let both = scene.ask(json!({ "instances": [scene.id("web-1"), NOBODY, NOBODY_EITHER], "stop": stop })).await;
        let told = format!("{:?}", both.failed);
        assert!(told.contains(NOBODY) && told.contains(NOBODY_EITHER), "{told}");
        check_untouched(&scene);
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_instance_that_is_named_has_the_tags_it_is_an_error() {
    let scene = Scene::set().await;
    let payload = json!({ "instances": [scene.id("db")], "tags": {"tag:Owner": "John"}, "stop": true });
    let report = scene.ask(payload).await;
    let told = format!("{:?}", report.failed);
    assert!(told.contains("there is no instance tagged Owner=John, among those that are named"), "{told}");
    check_untouched(&scene);
}

/// It is as well if another one only lacks a tag.
#[tokio::test(start_paused = true)]
async fn with_tags_an_instance_that_is_not_there_refuses_the_whole_request_as_well() {
    let scene = Scene::set().await;
    let [web_1, db] = ["web-1", "db"].map(|name| scene.id(name));
    let payload = json!({ "instances": [web_1, db, NOBODY], "tags": {"tag:Owner": "John"}, "stop": true });
    let report = scene.ask(payload).await;
    assert_eq!(report.failed.iter().map(|told| told.resource.as_str()).collect::<Vec<_>>(), [NOBODY]);
    check_untouched(&scene);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_terminated_refuses_the_whole_request() {
    let scene = Scene::set().await;
    scene.world.operator(HOME).await.terminate(scene.id("other")).await;
    scene.world.simulator().forget_calls();
    let report = scene.ask(json!({ "instances": [scene.id("web-1"), scene.id("other")], "stop": true })).await;
    assert!(format!("{:?}", report.failed).contains(scene.id("other")), "{:?}", report.failed);
    assert!(!report.succeeded());
    assert_eq!(scene.look("web-1").state, snapkeeper_simulator::InstanceState::Running);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_refuses_the_whole_request() {
    for action in ["DescribeInstances", "DescribeVolumes"] {
        for kind in [FaultKind::Deny, FaultKind::Throttle, FaultKind::CutBefore] {
            let scene = Scene::set().await;
            scene.world.simulator().inject(Fault::new(action, kind.clone()).always());
            let report = scene.ask(super::stop_all_of_john_and_jane()).await;
            assert!(!report.succeeded(), "{action}, {kind:?}");
            check_untouched(&scene);
        }
    }
}

/// Nothing was called but readings.
#[track_caller]
fn check_untouched(scene: &Scene) {
    let calls = scene.world.simulator().calls();
    let changing: Vec<&str> =
        calls.iter().map(|call| call.action.as_str()).filter(|action| !action.starts_with("Describe")).collect();
    assert!(changing.is_empty(), "{changing:?}");
    assert!(made(scene, "DescribeInstances") > 0, "it was looked for");
    assert!(scene.taken().is_empty());
    assert_eq!(scene.is_as_before(), Ok(()));
}

/// What a function posts for each of these events.
async fn invoked(world: &World, function: &str, events: Vec<Value>) -> Vec<Posted> {
    let mut function = binary(function);
    function.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", world.endpoint().expect("an address"));
    invoke(function, events, "2100-01-01T00:00:00Z".parse().expect("an instant")).await.0
}
