//! The state machine that carries jobs on, as `template.yaml` has it, in moto's Step Functions: an engine that we did
//! not write. The functions are played; what they answer is what is given here. That it starts, with real functions
//! behind it, is shown in `deployed.rs`.

use std::{collections::BTreeMap, io::Write, process::Stdio};

use serde_json::{Value, json};
use snapkeeper_tests::python::program;

const ALL: [&str; 4] = ["creator", "copier", "manager", "watcher"];

/// What became of an execution.
struct Played {
    /// `SUCCEEDED` or `FAILED`.
    status: String,
    /// What it says of each job, if it failed.
    cause: Value,
    /// By invocation the job, its event, and how long after the invocation before.
    invoked: Vec<(String, Value, f64)>,
    /// The length of the longest text with which the invoking state was entered.
    longest_before_an_invocation: u64,
}

impl Played {
    /// Which jobs were invoked, in that order.
    fn jobs(&self) -> Vec<&str> {
        self.invoked.iter().map(|(job, _, _)| job.as_str()).collect()
    }

    /// The continuations that a job was given.
    fn continuations(&self, job: &str) -> Vec<&Value> {
        self.invoked.iter().filter(|(it, _, _)| it == job).map(|(_, event, _)| &event["continuation"]).collect()
    }
}

/// Plays an execution: jobs that have no answers are through at once.
#[track_caller]
fn play(deployed: &[&str], limit: u32, answers: &[(&str, Vec<Value>)]) -> Played {
    let mut all: BTreeMap<&str, Vec<Value>> = deployed.iter().map(|job| (*job, vec![through()])).collect();
    all.extend(answers.iter().cloned());
    let play = json!({"deployed": deployed, "limit": limit, "answers": all});
    let mut player = program("play_machine.py");
    let mut player =
        player.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python starts");
    player.stdin.take().unwrap().write_all(play.to_string().as_bytes()).unwrap();
    let output = player.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let invoked = told["invoked"].as_array().unwrap().iter();
    let cause = told["cause"].as_str().map_or(Value::Null, |cause| serde_json::from_str(cause).unwrap());
    Played {
        status: told["status"].as_str().unwrap().to_owned(),
        cause,
        invoked: invoked
            .map(|it| (it[0].as_str().unwrap().to_owned(), it[1].clone(), it[2].as_f64().unwrap()))
            .collect(),
        longest_before_an_invocation: told["longest"].as_u64().unwrap(),
    }
}

fn through() -> Value {
    json!({"result": {"job": "some", "succeeded": true}})
}

fn failed() -> Value {
    json!({"result": {"job": "some", "succeeded": false}})
}

fn more(continuation: &Value) -> Value {
    json!({"result": {"job": "some", "succeeded": true, "continuation": continuation}})
}

fn crashed(kind: &str) -> Value {
    json!({"error": {"errorType": kind, "errorMessage": "it did not come to its end"}})
}

fn refused() -> Value {
    json!({"refused": "TooManyRequestsException"})
}

#[test]
fn the_jobs_run_one_after_the_other_with_the_scheduled_time() {
    let played = play(&ALL, 500, &[]);
    assert_eq!((played.status.as_str(), played.jobs()), ("SUCCEEDED", ALL.to_vec()));
    let event = json!({"scheduled_time": "2026-11-21T05:00:00Z", "continuation": {}});
    for (job, given, _) in &played.invoked {
        assert_eq!(*given, event, "{job}");
    }
}

#[test]
fn a_job_gets_back_exactly_what_it_handed_over_after_the_time_that_it_asked_for() {
    let first = json!({"token": "eyJ2IjoiMiJ9/+=\"\\ü", "invocations": 1, "failed": false, "wait_seconds": 2});
    let second = json!({"token": "another", "invocations": 2, "failed": true, "wait_seconds": 0, "later": [1, 2.5]});
    let played = play(&ALL, 500, &[("creator", vec![more(&first), more(&second), through()])]);
    assert_eq!(played.status, "SUCCEEDED");
    assert_eq!(played.jobs(), ["creator", "creator", "creator", "copier", "manager", "watcher"]);
    assert_eq!(played.continuations("creator"), [&json!({}), &first, &second]);
    assert_eq!(played.continuations("copier"), [&json!({})]);
    let (_, event, after) = &played.invoked[1];
    assert_eq!(event["scheduled_time"], "2026-11-21T05:00:00Z");
    assert!(*after > 1.9, "after {after} s");
}

#[test]
fn a_job_that_failed_does_not_keep_the_others_from_their_turn_and_the_execution_fails() {
    let played = play(&ALL, 500, &[("copier", vec![failed()])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("FAILED", ALL.to_vec()));
    assert_eq!(
        played.cause,
        json!([
            {"job": "creator", "succeeded": true},
            {"job": "copier", "succeeded": false, "why": "its report says so"},
            {"job": "manager", "succeeded": true},
            {"job": "watcher", "succeeded": true},
        ])
    );
}

#[test]
fn a_creator_whose_run_failed_begins_it_once_more() {
    let played = play(&["creator", "copier"], 500, &[("creator", vec![failed(), through()])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("SUCCEEDED", vec!["creator", "creator", "copier"]));
    for (_, event, _) in &played.invoked {
        assert_eq!(event["scheduled_time"], "2026-11-21T05:00:00Z");
    }
    // with nothing of the first: it begins with the first page, and what failed is forgotten
    let again = played.continuations("creator")[1].as_object().unwrap();
    assert_eq!(again.keys().collect::<Vec<_>>(), ["wait_seconds"]);
    let (_, _, after) = &played.invoked[1];
    assert!(*after > 0.9, "after {after} s");
}

#[test]
fn a_creator_that_failed_half_way_is_carried_on_and_then_begins_once_more() {
    let first = json!({"token": "half", "invocations": 1, "failed": true, "wait_seconds": 0});
    let second = json!({"token": "half", "invocations": 1, "failed": false, "wait_seconds": 0});
    let answers = vec![more(&first), failed(), more(&second), through()];
    let played = play(&["creator", "copier"], 500, &[("creator", answers)]);
    assert_eq!(played.status, "SUCCEEDED");
    assert_eq!(played.continuations("creator")[1], &first);
    assert_eq!(played.continuations("creator")[3], &second);
    assert_eq!(played.jobs(), ["creator", "creator", "creator", "creator", "copier"]);
}

#[test]
fn a_creator_that_fails_twice_is_left_and_the_execution_fails() {
    let half = json!({"token": "half", "invocations": 1, "failed": false, "wait_seconds": 0});
    let answers = vec![failed(), more(&half), failed(), through()];
    let played = play(&["creator", "copier"], 500, &[("creator", answers)]);
    assert_eq!(played.status, "FAILED");
    assert_eq!(played.jobs(), ["creator", "creator", "creator", "copier"]);
    assert_eq!(played.cause[0], json!({"job": "creator", "succeeded": false, "why": "its report says so"}));
}

#[test]
fn a_copier_that_failed_or_that_left_something_to_its_own_schedule_is_not_run_once_more() {
    let played = play(&["copier"], 500, &[("copier", vec![failed(), through()])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("FAILED", vec!["copier"]));
    let full = json!({"resource": "snap-0", "cause": "us-west-2 copies as many at once as it can"});
    let answer = json!({"result": {"job": "copier", "succeeded": true, "unfinished": [full]}});
    let played = play(&["copier", "manager"], 500, &[("copier", vec![answer])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("SUCCEEDED", vec!["copier", "manager"]));
}

#[test]
fn the_last_job_can_fail_an_execution_as_well() {
    let played = play(&ALL, 500, &[("watcher", vec![failed()])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("FAILED", ALL.to_vec()));
}

#[test]
fn what_one_invocation_could_not_do_is_tried_twice_more_with_the_same_event() {
    let half = json!({"token": "half", "invocations": 1, "failed": false, "wait_seconds": 0});
    let answers = vec![more(&half), crashed("RunFailed"), crashed("Runtime.ExitError"), through()];
    let played = play(&ALL, 500, &[("creator", answers)]);
    assert_eq!(played.status, "SUCCEEDED");
    assert_eq!(played.continuations("creator"), [&json!({}), &half, &half, &half]);
}

#[test]
fn a_job_that_no_try_could_finish_is_left_and_the_execution_fails() {
    let tries = vec![crashed("RunFailed"), crashed("RunFailed"), crashed("RunFailed"), through()];
    let played = play(&ALL, 500, &[("manager", tries)]);
    assert_eq!(played.status, "FAILED");
    assert_eq!(played.jobs(), ["creator", "copier", "manager", "manager", "manager", "watcher"]);
    assert_eq!(played.cause[2], json!({"job": "manager", "succeeded": false, "why": "RunFailed"}));
}

#[test]
fn a_function_without_room_is_waited_for() {
    let answers = vec![refused(), refused(), refused(), refused(), through()];
    let played = play(&["creator"], 500, &[("creator", answers)]);
    assert_eq!((played.status.as_str(), played.invoked.len()), ("SUCCEEDED", 5));
}

#[test]
fn a_job_that_asks_for_ever_is_invoked_as_often_as_is_allowed() {
    let again =
        |invocations: u32| more(&json!({"token": "t", "invocations": invocations, "failed": false, "wait_seconds": 0}));
    let played = play(&ALL, 3, &[("creator", (1..10).map(again).collect())]);
    assert_eq!(played.status, "FAILED");
    assert_eq!(played.jobs(), ["creator", "creator", "creator", "copier", "manager", "watcher"]);
    assert_eq!(played.cause[0]["why"], "3 invocations were not enough");
}

#[test]
fn only_what_is_deployed_is_run() {
    let played = play(&["manager", "watcher"], 500, &[("watcher", vec![failed()])]);
    assert_eq!((played.status.as_str(), played.jobs()), ("FAILED", vec!["manager", "watcher"]));
    let played = play(&["copier"], 500, &[]);
    assert_eq!((played.status.as_str(), played.jobs()), ("SUCCEEDED", vec!["copier"]));
}

#[test]
fn of_a_long_report_only_the_continuation_stays() {
    let kept: Vec<String> =
        (0..4_000).map(|number| format!("a snapshot that is kept for a reason, {number}")).collect();
    let continuation = json!({"token": "t", "invocations": 1, "failed": false, "wait_seconds": 0});
    let long = json!({"result": {"succeeded": true, "continuation": continuation, "kept": kept}});
    assert!(long.to_string().len() > 150_000);
    let played = play(&["creator"], 500, &[("creator", vec![long, through()])]);
    assert_eq!((played.status.as_str(), played.invoked.len()), ("SUCCEEDED", 2));
    assert!(played.longest_before_an_invocation < 1_000, "{}", played.longest_before_an_invocation);
}
