//! Sharer and saver as they are deployed and as a user runs them: the binaries against a Lambda Runtime API on loopback, and
//! the command.

use std::process::{Command, Output};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use snapkeeper_simulator::Config;
use snapkeeper_tests::{
    Estate,
    binaries::binary,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE_KEY, SAVER_KEY, Side, message, sns_event},
    policies::{FAILSAFE_TOPIC, LIVE_ACCOUNTS},
    runtime_api::{Posted, invoke},
    world::instant,
};

use super::{COPIES_TAKE, available, own_of};

/// When all begins: in the past, whatever the clock says, since a function refuses an event of the future.
const BEGINS: &str = "2025-11-22T04:00:00Z";
/// The settings of each account.
const OF_SHARER: [(&str, &str); 3] = [
    ("SNAPKEEPER_FAILSAFE_ACCOUNT", FAILSAFE),
    ("SNAPKEEPER_FAILSAFE_KMS_KEY", LIVE_KEY),
    ("SNAPKEEPER_FAILSAFE_TOPIC_ARN", FAILSAFE_TOPIC),
];
const OF_SAVER: [(&str, &str); 3] = [
    ("SNAPKEEPER_LIVE_ACCOUNT", LIVE_ACCOUNTS[0]),
    ("SNAPKEEPER_SAVER_KMS_KEY", SAVER_KEY),
    // an account's own id is a key of that account
    ("AWS_ACCESS_KEY_ID", FAILSAFE),
];

#[tokio::test]
async fn the_functions_copy_share_announce_and_save() {
    let estate = estate().await;
    let copied = report(&posted("rds-sharer", &estate, &OF_SHARER, scheduled("2025-11-22T04:30:00Z")).await);
    assert_eq!((&copied["job"], &copied["counts"]["applied"]), (&json!("rds-sharer"), &json!(2)), "{copied}");
    estate.live.pass(COPIES_TAKE).await;
    let shared = report(&posted("rds-sharer", &estate, &OF_SHARER, scheduled("2025-11-22T04:45:00Z")).await);
    assert_eq!(shared["counts"]["applied"], 2, "{shared}");
    let published = estate.simulator().published();
    assert_eq!(published.len(), 2);

    let saved = report(&posted("rds-saver", &estate, &OF_SAVER, sns_event(&published[0])).await);
    assert_eq!((&saved["job"], &saved["counts"]["applied"]), (&json!("rds-saver"), &json!(2)), "{saved}");
    estate.live.pass(COPIES_TAKE).await;
    for unit in super::UNITS {
        assert_eq!(available(&estate, Side::Failsafe, HOME, unit).len(), 1, "{unit}");
    }
    // the other message, and the schedule, find it all done
    for event in [sns_event(&published[1]), scheduled("2025-11-22T05:30:00Z")] {
        let again = report(&posted("rds-saver", &estate, &OF_SAVER, event).await);
        assert_eq!((&again["counts"]["applied"], &again["counts"]["findings"]), (&json!(0), &json!(0)), "{again}");
    }
}

#[tokio::test]
async fn a_message_for_another_job_or_of_another_service_does_nothing_and_says_why() {
    let estate = estate().await;
    estate.simulator().forget_calls();
    let text = json!({ "Instance": "orders", "FailsafeSnapshotID": "failsafe-orders" }).to_string();
    let of_sns = message(FAILSAFE_TOPIC, &text, "2025-11-22T05:00:00.000Z");
    let of_s3 = json!({ "Records": [{ "eventSource": "aws:s3", "s3": {} }] });
    for (job, settings, event) in
        [("rds-sharer", &OF_SHARER, of_sns), ("rds-saver", &OF_SAVER, of_s3), ("rds-saver", &OF_SAVER, json!([]))]
    {
        let Posted::Error(error) = posted(job, &estate, settings, event).await else { panic!("the {job} runs") };
        assert_eq!(error["errorType"], "BadEvent", "{error}");
    }
    assert_eq!(estate.simulator().calls(), []);
}

#[tokio::test]
async fn a_dry_run_of_the_command_tells_what_each_would_do_and_does_nothing() {
    let estate = estate().await;
    let (output, text) = commanded("rds-sharer", &estate, &OF_SHARER).await;
    assert_eq!(output.status.code(), Some(0), "{text}");
    let first = text.lines().next().unwrap_or_default();
    assert_eq!(first, "rds-sharer in us-east-1, run 2025-11-22T05:00:00Z, dry run: nothing is changed");
    for (kind, database) in [("snapshot", "orders"), ("cluster-snapshot", "shop")] {
        let expected =
            format!("would copy rds:{database}-2025-11-22-04-00 to {kind}:failsafe-{database}-2025-11-22-04-00");
        assert!(text.lines().any(|line| line.contains(&expected)), "{expected}\n{text}");
    }
    assert!(own_of(&estate, Side::Live, HOME, "db:orders").is_empty());
    let (output, text) = commanded("rds-saver", &estate, &OF_SAVER).await;
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("rds-saver in us-east-1: 0 planned"), "{text}");
    // and without its settings each says which are missing
    for (job, named) in [("rds-sharer", "SNAPKEEPER_FAILSAFE_ACCOUNT"), ("rds-saver", "SNAPKEEPER_LIVE_ACCOUNT")] {
        let (output, text) = commanded(job, &estate, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(named), "{text}");
    }
}

/// Databases whose first automated snapshots are there.
async fn estate() -> Estate {
    let estate = Estate::listening(Config::starting(instant(BEGINS))).await;
    let live = estate.operator(Side::Live).await;
    live.create_db_instance("orders", ENROLLED).await;
    live.create_db_cluster("shop", ENROLLED).await;
    estate.live.pass(COPIES_TAKE).await;
    estate
}

/// A program in an environment that leads to the simulator.
fn program(name: &str, estate: &Estate, settings: &[(&str, &str)]) -> Command {
    let mut program = binary(name);
    program.env("AWS_REGION", HOME).env("AWS_ENDPOINT_URL", estate.live.endpoint().expect("an address"));
    program.envs(settings.iter().copied());
    program
}

/// What a function posts for an event.
async fn posted(name: &str, estate: &Estate, settings: &[(&str, &str)], event: Value) -> Posted {
    let never: DateTime<Utc> = instant("2100-01-01T00:00:00Z");
    let (mut posted, output) = invoke(program(name, estate, settings), vec![event], never).await;
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

/// A dry run by the command, and what it prints.
async fn commanded(job: &str, estate: &Estate, settings: &[(&str, &str)]) -> (Output, String) {
    let mut command = program("snapkeeper", estate, settings);
    command.args(["run", job, "--region", HOME, "--at", "2025-11-22T05:00:00Z", "--dry-run"]);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    (output, told)
}

fn scheduled(time: &str) -> Value {
    json!({ "detail-type": "Scheduled Event", "source": "aws.events", "time": time })
}
