//! The syncer as it is deployed and as a user runs it: the binary against a Lambda Runtime API on loopback, and the command.

use std::process::{Command, Output};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    binaries::binary,
    policies::SYNC_PARAMETER,
    runtime_api::{Posted, invoke},
    world::{ACCOUNT, instant},
};

use super::{
    COPIES_TAKE, KEY,
    documented::{example, made, states_in},
    own_images,
};
use crate::peers::{HOME, IRELAND, WEST};

/// When all begins: in the past, whatever the clock says, since a function refuses an event of the future.
const BEGINS: &str = "2025-11-22T04:00:00Z";

#[tokio::test]
async fn the_function_returns_a_result_for_each_job() {
    let world = world().await;
    let settings = [("SNAPKEEPER_SYNC_CONFIG", format!("ssm:{SYNC_PARAMETER}"))];
    world.simulator().put_parameter(ACCOUNT, HOME, SYNC_PARAMETER, example());
    let planned = report(&posted(&world, &settings, json!({ "dry_run": true })).await);
    assert_eq!((&planned["job"], &planned["dry_run"]), (&json!("syncer"), &json!(true)), "{planned}");
    assert_eq!(states_in(&planned), ["sync_orders created created", "sync_web created"]);
    let first = report(&posted(&world, &settings, scheduled("2025-11-22T06:00:00Z")).await);
    assert_eq!(states_in(&first), ["sync_orders created created", "sync_web created"]);
    world.pass(COPIES_TAKE).await;
    let again = report(&posted(&world, &settings, scheduled("2025-11-22T07:00:00Z")).await);
    assert_eq!(states_in(&again), ["sync_orders in_sync in_sync", "sync_web in_sync"]);
    assert_eq!(again["counts"]["failed"], 0, "{again}");
    assert_eq!(own_images(&world, WEST).len(), 1);
}

#[tokio::test]
async fn the_function_fails_with_a_result_for_each_job_where_one_fails() {
    let world = world().await;
    let text = format!("{}\n{}", example(), example_of("sync_mail", "mail"));
    let Posted::Error(error) =
        posted(&world, &[("SNAPKEEPER_SYNC_CONFIG", text)], scheduled("2025-11-22T06:00:00Z")).await
    else {
        panic!("it succeeds");
    };
    assert_eq!(error["errorType"], "RunFailed", "{error}");
    let message = error["errorMessage"].as_str().expect("a message");
    for part in ["sync_mail", "\"results\"", "sync_web"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(own_images(&world, WEST).len(), 1, "the others were done");
}

#[tokio::test]
async fn without_work_the_function_does_nothing_and_succeeds() {
    let world = world().await;
    let idle = report(&posted(&world, &[], scheduled("2025-11-22T06:00:00Z")).await);
    assert_eq!((&idle["counts"]["applied"], &idle["counts"]["failed"]), (&json!(0), &json!(0)), "{idle}");
    assert!(idle.get("results").is_none(), "{idle}");
}

/// What the command and the function do for the same setting is the same.
#[tokio::test]
async fn run_syncer_heeds_setting_and_tags_and_tells_what_is_wrong_with_status_2() {
    let world = world().await;
    let run = async |text: &str| {
        let mut command = program("snapkeeper", &world, &[("SNAPKEEPER_SYNC_CONFIG", text.to_owned())]);
        command.args(["run", "syncer", "--region", HOME, "--at", "2025-11-22T06:00:00Z", "--output", "json"]);
        tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs")
    };
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = run("sync_web: {}").await;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("SNAPKEEPER_SYNC_CONFIG: sync_web.sync_type"), "{}", told(&output));
    let output = run(example()).await;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(states_in(&report), ["sync_orders created created", "sync_web created"]);
    let output = run(&example_of("sync_mail", "mail")).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}

/// What the example is about, and keys for its copies.
async fn world() -> World {
    let world = World::listening(Simulator::new(Config::starting(instant(BEGINS)))).await;
    for region in [WEST, IRELAND] {
        world.simulator().create_key(ACCOUNT, region, KEY);
    }
    made(&world).await;
    world
}

/// A job on an image with an identifier.
fn example_of(name: &str, identifier: &str) -> String {
    format!(
        "{name}:\n  sync_type: ec2_ami\n  source_region: us-east-1\n  destination_region: us-west-2\n  \
         sync_identifier: {identifier}\n"
    )
}

/// A program in an environment that leads to the simulator.
fn program(name: &str, world: &World, settings: &[(&str, String)]) -> Command {
    let mut program = binary(name);
    program.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", world.endpoint().expect("an address"));
    program.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
    program
}

/// What the function posts for an event.
async fn posted(world: &World, settings: &[(&str, String)], event: Value) -> Posted {
    let never: DateTime<Utc> = instant("2100-01-01T00:00:00Z");
    let (mut posted, output) = invoke(program("syncer", world, settings), vec![event], never).await;
    assert_eq!(posted.len(), 1, "{output}");
    posted.remove(0)
}

#[track_caller]
fn report(posted: &Posted) -> Value {
    match posted {
        Posted::Response(report) => report.clone(),
        Posted::Error(error) => panic!("{error}"),
    }
}

fn scheduled(time: &str) -> Value {
    json!({ "detail-type": "Scheduled Event", "source": "aws.events", "time": time })
}
