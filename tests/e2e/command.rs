//! The `snapkeeper` command, as a user runs it.

mod snapshot;

use std::{
    io::{BufRead, BufReader},
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use snapkeeper_core::run::Job::Creator;
use snapkeeper_tests::{
    World,
    binaries::{Process, binary},
};

/// A file that is no AWS configuration.
const NO_CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/command.rs");

async fn snapkeeper(world: Option<&World>, arguments: &[&str]) -> Output {
    let mut command = binary("snapkeeper");
    command.args(arguments);
    if let Some(endpoint) = world.and_then(World::endpoint) {
        command.args(["--endpoint-url", &endpoint]);
    }
    tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn run_creator_protects_the_instances_of_a_moto_that_a_user_started() {
    let world = World::moto_as_published();
    let operator = world.operator("us-east-1").await;
    let instance = operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes")]).await;
    let run = ["run", "creator", "--region", "us-east-1", "--at", "2026-11-21T05:00:00Z", "--output", "json"];
    let output = snapkeeper(Some(&world), &run).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document on standard output");
    assert_eq!((&report["job"], &report["run"]), (&json!("creator"), &json!("2026-11-21T05:00:00Z")));
    assert_eq!(report["applied"][0]["resource"], instance);
    let mut made: Vec<&str> =
        report["applied"][0]["made"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    made.sort_unstable();
    assert_eq!(made, operator.automated_ids().await);
    assert_eq!(err(&output), "", "nothing else is said, least of all in a pipe");
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_with_a_reason_on_each_line_and_does_nothing() {
    let world = World::listener().await;
    let operator = world.operator("us-east-1").await;
    let enrolled = operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Name", "web")]).await;
    let opted_out = operator.run_instance(&[], &[("Backup", "No")]).await;
    let run = ["run", "creator", "--region", "us-east-1", "--at", "2026-11-21T05:00:00Z", "--dry-run"];
    let output = snapkeeper(Some(&world), &run).await;
    let text = out(&output);
    let expected = [
        "creator in us-east-1, run 2026-11-21T05:00:00Z, dry run: nothing is changed".to_owned(),
        format!("  would snapshot 2 volumes of {enrolled} (web) together, kept until 2026-11-28: 7d by default"),
        format!("  · {opted_out} left alone: Backup=No"),
    ];
    assert_eq!(text.lines().take(3).collect::<Vec<_>>(), expected);
    assert!(text.lines().last().unwrap().starts_with("creator in us-east-1: 1 planned, 1 left alone ("), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour in a pipe");
    assert!(operator.automated().await.is_empty());
}

#[tokio::test]
async fn the_exit_status_tells_whether_something_failed_or_the_call_was_wrong() {
    let world = World::listener().await;
    let operator = world.operator("us-east-1").await;
    let instance = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    let volume = operator.volumes(&instance).await.into_values().next().unwrap();
    world.simulator().refuse_snapshots_of(&volume, "IncorrectState");
    let output = snapkeeper(Some(&world), &["run", "creator", "--region", "us-east-1"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains(&format!("✗ failed {volume}: CreateSnapshot: IncorrectState")), "{}", out(&output));

    for (arguments, told) in [
        (&["run", "destroyer"][..], "creator, copier, manager, watcher, rds-sharer, rds-saver or syncer"),
        (&["run", "creator", "--region", "mars"], "`mars` is not a region's name"),
        (&["run", "creator", "--region", "us-east-1", "--at", "yesterday"], "expected an instant"),
        (&["run", "creator"], "no region: give --region"),
        (&["run", "creator", "--region", "us-east-1", "--endpoint-url", "127.0.0.1"], "--endpoint-url is `127.0.0.1`"),
        (&["run", "creator", "--region", "us-east-1", "--endpoint-url", "http://"], "--endpoint-url is `http://`"),
        (&["simulate", "--listen", "0.0.0.0:0"], "expected a loopback address"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let output = snapkeeper(None, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(told), "{arguments:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

/// As in the AWS CLI; else the manager would delete in another account.
#[tokio::test]
async fn a_profile_goes_before_keys_in_the_environment() {
    let world = World::listener().await;
    let place = std::env::temp_dir().join(format!("snapkeeper-profile-{}", std::process::id()));
    let keys = "aws_access_key_id = 210987654321\naws_secret_access_key = secret\n";
    std::fs::write(&place, format!("[other]\n{keys}region = eu-west-1\n")).unwrap();
    let run = async |profile: &str| {
        let mut command = binary("snapkeeper");
        command.env("AWS_SHARED_CREDENTIALS_FILE", &place);
        command.args(["run", "watcher", "--profile", profile, "--endpoint-url", &world.endpoint().unwrap()]);
        tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap()
    };
    let (known, unknown) = (run("other").await, run("nope").await);
    std::fs::remove_file(&place).unwrap();
    assert_eq!(known.status.code(), Some(0), "{}", err(&known));
    let calls = world.simulator().calls();
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| (call.account.as_str(), call.region.as_str()) == ("210987654321", "eu-west-1")));
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("profile `nope`"), "{}", err(&unknown));
}

#[tokio::test]
async fn simulate_serves_what_a_client_of_another_make_can_use() {
    let mut command = binary("snapkeeper");
    let mut process = Process::start(command.args(["simulate", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()));
    let mut line = String::new();
    BufReader::new(process.output()).read_line(&mut line).unwrap();
    let endpoint = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    let output = snapkeeper(None, &["run", "watcher", "--region", "eu-west-1", "--endpoint-url", &endpoint]).await;
    drop(process);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("watcher in eu-west-1: 0 done"), "{}", out(&output));
}

#[tokio::test]
async fn an_endpoint_variable_that_is_no_address_is_told_by_its_name() {
    for (name, value) in [("AWS_ENDPOINT_URL", "foo"), ("AWS_ENDPOINT_URL_EC2", "http://"), ("AWS_ENDPOINT_URL", "")] {
        let mut command = binary("snapkeeper");
        command.args(["run", "creator", "--region", "us-east-1"]).env(name, value);
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(err(&output).contains(&format!("error: {name} is `{value}`: expected an address")), "{}", err(&output));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_report_that_cannot_be_written_is_a_failure() {
    let world = World::listener().await;
    for format in ["text", "json"] {
        let mut command = binary("snapkeeper");
        command.args(["run", "watcher", "--region", "us-east-1", "--output", format]);
        command.args(["--endpoint-url", &world.endpoint().unwrap()]);
        command.stdout(std::fs::File::create("/dev/full").unwrap()).stderr(Stdio::piped());
        let process = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let output = process.wait_with_output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}");
        let told = err(&output);
        assert!(told.starts_with("error: cannot write to standard output: "), "{format}: {told}");
    }
}

/// Nothing of the user's AWS configuration reaches the demo's simulated account.
#[tokio::test]
async fn the_demo_needs_nothing_and_heeds_nothing() {
    let expected = out(&snapkeeper(None, &["demo"]).await);
    let mut command = binary("snapkeeper");
    command
        .arg("demo")
        .env("AWS_ENDPOINT_URL", "foo")
        .env("AWS_CONFIG_FILE", NO_CONFIGURATION)
        .env("AWS_PROFILE", "nobody");
    command.env("SNAPKEEPER_DEFAULT_RETENTION", "2weeks").env("HTTP_PROXY", "http://127.0.0.1:1");
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    assert_eq!(out(&output), expected);
}

/// The output of the demo stands in the README: the one is what the other says.
#[tokio::test]
async fn the_readme_shows_what_the_demo_prints() {
    let demo = snapkeeper(None, &["demo"]).await;
    assert_eq!(demo.status.code(), Some(0), "{}", err(&demo));
    let printed = out(&demo);
    let readme = include_str!("../../README.md");
    let (_, shown) = readme.split_once("<!-- demo -->\n```text\n").expect("the demo's output in the README");
    let (shown, _) = shown.split_once("```").unwrap();
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let parts: Vec<Vec<&str>> = shown.split("[…]\n").map(|part| part.lines().map(str::trim_end).collect()).collect();
    // the first part is the beginning, the last one the end, and each is whole
    let mut rest = lines.as_slice();
    for (number, part) in parts.iter().enumerate() {
        let at = match number {
            0 => Some(0),
            last if last + 1 == parts.len() => rest.len().checked_sub(part.len()),
            _ => rest.windows(part.len()).position(|window| window == part.as_slice()),
        };
        let Some(at) = at.filter(|at| rest[*at..].starts_with(part)) else {
            panic!("the demo does not print this part of the README, line by line:\n{}", part.join("\n"));
        };
        rest = &rest[at + part.len()..];
    }
    assert!(rest.is_empty(), "the README leaves out the demo's end: {}", rest.join("\n"));
}

#[tokio::test]
async fn both_ways_to_run_a_job_give_the_same_report() {
    let world = World::listener().await;
    let operator = world.operator("us-east-1").await;
    operator.run_instance(&[], &[("Backup", "Yes")]).await;
    let at = "2026-11-21T05:00:00Z";
    let here = serde_json::to_value(world.dry_run(Creator, "us-east-1", at).await).unwrap();
    let run = ["run", "creator", "--region", "us-east-1", "--at", at, "--dry-run", "--output", "json"];
    let there: Value = serde_json::from_slice(&snapkeeper(Some(&world), &run).await.stdout).unwrap();
    for key in ["job", "region", "run", "dry_run", "counts", "planned", "kept", "findings", "calls"] {
        assert_eq!(here[key], there[key], "{key}");
    }
}
