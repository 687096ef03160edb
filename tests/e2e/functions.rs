//! The four Lambda functions as processes, against a Lambda Runtime API on loopback.

use std::process::Command;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::clock;
use snapkeeper_simulator::{Config, Fault, FaultKind, Simulator};
use snapkeeper_tests::{
    World,
    binaries::binary,
    runtime_api::{Posted, invoke},
    world::instant,
};

/// A world that begins in the past, whatever the clock says: a function refuses an event of the future.
async fn world() -> World {
    World::listening(Simulator::new(Config::starting(instant("2025-11-22T04:00:00Z")))).await
}

/// A world in which it is now, for events without an instant of their own: they mean the present minute.
async fn present_world() -> World {
    World::listening(Simulator::new(Config::starting(clock::now()))).await
}

/// Far from now, whatever the clock says.
fn no_deadline() -> DateTime<Utc> {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

fn function(name: &str, world: &World) -> Command {
    let mut function = binary(name);
    function.env("AWS_REGION", "us-east-1").env("AWS_ENDPOINT_URL", world.endpoint().unwrap());
    function
}

fn scheduled(time: &str) -> Value {
    json!({
        "version": "0", "id": "89d1a02d-5ec7-412e-82f5-13505f849b41", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": time, "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/snapkeeper"], "detail": {}
    })
}

#[track_caller]
fn report(posted: &Posted) -> &Value {
    match posted {
        Posted::Response(report) => report,
        Posted::Error(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn each_function_answers_an_event_with_its_report() {
    let world = world().await;
    let operator = world.operator("us-east-1").await;
    operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2")]).await;
    let at = "2025-11-22T05:00:00Z";
    for (job, event, applied, made) in [
        // one set of two volumes
        ("creator", scheduled(at), 1, 2),
        ("creator", json!({"scheduled_time": at}), 0, 0),
        ("copier", scheduled("2025-11-22T06:00:00Z"), 2, 2),
        ("manager", scheduled("2025-11-22T07:00:00Z"), 0, 0),
        ("watcher", scheduled("2025-11-22T08:00:00Z"), 0, 0),
    ] {
        let (posted, output) = invoke(function(job, &world), vec![event.clone()], no_deadline()).await;
        let report = report(&posted[0]);
        assert_eq!((&report["job"], &report["region"]), (&json!(job), &json!("us-east-1")));
        assert_eq!(report["counts"]["applied"], applied, "{job} on {event}: {report}");
        assert!(report["calls"]["DescribeSnapshots"].as_u64() >= Some(1), "{report}");
        // a line of log with the report, and a line of metrics
        let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert!(
            lines.iter().any(|line| line["report"]["counts"]["applied"] == applied && line["level"] == "INFO"),
            "{output}"
        );
        let metrics = lines.iter().find(|line| line.get("_aws").is_some()).expect("a line of metrics");
        assert_eq!(
            (&metrics["Job"], &metrics["Applied"], &metrics["Made"], &metrics["Succeeded"]),
            (&json!(job), &json!(applied), &json!(made), &json!(1))
        );
        let told = metrics["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        let protected = (job == "watcher").then_some((2, 3 * 3_600));
        let told_so = |name: &str| metrics.get(name).and_then(Value::as_i64);
        assert_eq!(told_so("VolumesProtected").zip(told_so("OldestBackupAge")), protected, "{job}: {metrics}");
        assert!(told.iter().all(|metric| metrics.get(metric["Name"].as_str().unwrap()).is_some_and(Value::is_u64)));
        world.settle().await;
    }
}

#[tokio::test]
async fn the_test_events_of_the_docs_do_what_the_docs_say() {
    let events = documented().into_iter().filter(|(jobs, block)| !is_report(block) && *jobs != [Job::RdsSaver]);
    let events: Vec<(Vec<Job>, Value)> = events.collect();
    assert!(events.len() >= 2, "{events:?}");
    for (jobs, event) in events {
        let world = present_world().await;
        let operator = world.operator("us-east-1").await;
        let instance = operator.run_instance(&[], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2")]).await;
        let event: Value = serde_json::from_str(&event.to_string().replace(INSTANCE, &instance)).unwrap();
        let dry_run = event["dry_run"] == true;
        for job in jobs {
            let before = clock::now();
            let (posted, _) = invoke(function(job.name(), &world), vec![event.clone()], no_deadline()).await;
            let report = report(&posted[0]);
            assert_eq!((&report["job"], &report["dry_run"]), (&json!(job), &json!(dry_run)), "{event}: {report}");
            let run: DateTime<Utc> = report["run"].as_str().unwrap().parse().unwrap();
            assert!((before - TimeDelta::minutes(1)..=clock::now()).contains(&run), "the present minute: {report}");
            world.settle().await;
        }
        let snapshots = world.simulator().snapshots("123456789012", "us-east-1");
        assert_eq!(snapshots.len(), usize::from(!dry_run), "{event}");
    }
}

/// The message of a topic in the docs: a run as of its time, which finds that nobody shares what it announces.
#[tokio::test]
async fn the_message_of_the_docs_starts_the_saver() {
    let [(_, event)]: [(Vec<Job>, Value); 1] =
        documented().into_iter().filter(|(jobs, _)| *jobs == [Job::RdsSaver]).collect::<Vec<_>>().try_into().unwrap();
    let told = event["Records"][0]["Sns"]["Timestamp"].as_str().unwrap();
    // it lies in no future, whatever the clock says
    let now = clock::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let event: Value = serde_json::from_str(&event.to_string().replace(told, &now)).unwrap();
    let world = present_world().await;
    let mut saver = function("rds-saver", &world);
    saver.env("SNAPKEEPER_LIVE_ACCOUNT", "111122223333").env("SNAPKEEPER_SAVER_KMS_KEY", "alias/snapkeeper");
    let (posted, _) = invoke(saver, vec![event], no_deadline()).await;
    let report = report(&posted[0]);
    assert_eq!(report["run"].as_str().unwrap()[..19], now[..19], "{report}");
    assert_eq!(report["findings"][0]["kind"], "false_announcement", "{report}");
}

#[tokio::test]
async fn what_the_docs_show_comes_back() {
    let reports = documented().into_iter().map(|(_, block)| block).filter(is_report);
    let [shown]: [Value; 1] = reports.collect::<Vec<_>>().try_into().unwrap();
    // wrapped at its spaces
    let (_, error) = test_events().split_once("\n```text\n").unwrap();
    let error: Value = serde_json::from_str(&error.split_once("\n```").unwrap().0.replace("\n ", " ")).unwrap();

    let world = present_world().await;
    let events = vec![json!({"dry_run": true}), json!({"dryrun": true})];
    let (posted, _) = invoke(function("creator", &world), events, no_deadline()).await;
    let mut report = report(&posted[0]).clone();
    for differing in ["run", "duration_ms"] {
        assert!(report[differing].is_string() || report[differing].is_u64(), "{report}");
        report[differing] = shown[differing].clone();
    }
    assert_eq!(report, shown);
    let Posted::Error(posted) = &posted[1] else { panic!("{posted:?}") };
    for part in ["errorType", "errorMessage"] {
        assert_eq!(posted[part], error[part]);
    }
}

/// The instance that the docs name: one that is there takes its place.
const INSTANCE: &str = "i-0123456789abcdef0";

/// What docs/deploy.md says of test events.
fn test_events() -> &'static str {
    let (_, after) = include_str!("../../docs/deploy.md").split_once("\n### Test events\n").expect("the heading");
    after.split_once("\n### ").map_or(after, |(part, _)| part)
}

/// The blocks of JSON in it, and for which jobs each is: for those in the comment right before it, such as
/// `<!-- creator, copier -->`, or else for all.
fn documented() -> Vec<(Vec<Job>, Value)> {
    let parts: Vec<&str> = test_events().split("\n```json\n").collect();
    let blocks = parts.windows(2).map(|pair| {
        let (before, (block, _)) = (pair[0].trim_end(), pair[1].split_once("\n```").expect("the end of a block"));
        let line = before.lines().last().unwrap_or_default();
        let jobs: Vec<Job> = match line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) {
            Some(names) => names.split(", ").map(|name| name.parse::<Job>().expect("a job")).collect(),
            None => Job::OF_EC2.to_vec(),
        };
        (jobs, serde_json::from_str::<Value>(block).expect("JSON"))
    });
    blocks.collect()
}

/// Whether a block is what comes back, and no event.
fn is_report(block: &Value) -> bool {
    block.get("counts").is_some()
}

#[tokio::test]
async fn a_failed_invocation_posts_an_error_that_carries_the_report() {
    let world = world().await;
    let operator = world.operator("us-east-1").await;
    let broken = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    operator.run_instance(&[], &[("Backup", "Yes")]).await;
    let volume = operator.volumes(&broken).await.into_values().next().unwrap();
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).on(&volume).always());
    let (posted, output) =
        invoke(function("creator", &world), vec![scheduled("2025-11-22T05:00:00Z")], no_deadline()).await;
    let Posted::Error(error) = &posted[0] else { panic!("{posted:?}") };
    assert_eq!(error["errorType"], "RunFailed");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("creator in us-east-1: 1 done, 1 failed; first "), "{message}");
    let (_, report) = message.split_once("Report: ").unwrap();
    let report: Value = serde_json::from_str(report).unwrap();
    assert_eq!((&report["counts"]["applied"], &report["counts"]["failed"]), (&json!(1), &json!(1)));
    assert!(report["failed"][0]["cause"].as_str().unwrap().contains("UnauthorizedOperation"), "{report}");
    assert!(output.contains("\"Succeeded\":0"), "{output}");
}

#[tokio::test]
async fn an_event_that_is_not_understood_does_nothing_and_says_why() {
    let world = world().await;
    world.operator("us-east-1").await.run_instance(&[], &[("Backup", "Yes")]).await;
    let events = vec![json!({"dryrun": true}), json!({"dry_run": true}), json!({"Records": []})];
    let (posted, _) = invoke(function("creator", &world), events, no_deadline()).await;
    for (posted, key) in [(&posted[0], "`dryrun`"), (&posted[2], "`Records`")] {
        let Posted::Error(error) = posted else { panic!("{posted:?}") };
        assert_eq!(error["errorType"], "BadEvent");
        assert!(error["errorMessage"].as_str().unwrap().contains(key), "{error}");
    }
    // and a dry run plans, in the same warm function
    let dry = report(&posted[1]);
    assert_eq!(
        (&dry["dry_run"], &dry["counts"]["planned"], &dry["counts"]["applied"]),
        (&json!(true), &json!(1), &json!(0))
    );
    assert_eq!(world.simulator().snapshots("123456789012", "us-east-1"), []);
}

#[tokio::test]
async fn an_event_of_the_future_does_nothing_and_says_why() {
    let world = world().await;
    world.operator("us-east-1").await.run_instance(&[], &[("Backup", "Yes")]).await;
    world.simulator().forget_calls();
    for job in ["creator", "copier", "manager", "watcher"] {
        let events = vec![scheduled("2999-11-22T05:00:00Z"), json!({"scheduled_time": "2999-11-22T05:00:00Z"})];
        let (posted, _) = invoke(function(job, &world), events, no_deadline()).await;
        for posted in posted {
            let Posted::Error(error) = &posted else { panic!("{posted:?}") };
            assert_eq!(error["errorType"], "BadEvent");
            let message = error["errorMessage"].as_str().unwrap();
            assert!(message.contains("its instant 2999-11-22T05:00:00Z lies in the future"), "{message}");
        }
    }
    assert_eq!(world.simulator().calls(), []);
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_stops_the_run_before_it_does_anything() {
    let world = world().await;
    world.operator("us-east-1").await.run_instance(&[], &[("Backup", "Yes")]).await;
    world.simulator().forget_calls();
    let mut creator = function("creator", &world);
    creator.env("SNAPKEEPER_DEFAULT_RETENTION", "2weeks").env("SNAPKEEPER_RETENTON", "7d");
    let (posted, _) = invoke(creator, vec![json!({})], no_deadline()).await;
    let Posted::Error(error) = &posted[0] else { panic!("{posted:?}") };
    assert_eq!(error["errorType"], "Settings");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("SNAPKEEPER_DEFAULT_RETENTION is `2weeks`"), "{message}");
    assert!(message.contains("SNAPKEEPER_RETENTON is no setting"), "{message}");
    assert_eq!(world.simulator().calls(), []);
}

#[tokio::test]
async fn a_deadline_that_has_come_leaves_the_rest_unfinished() {
    let world = world().await;
    world.operator("us-east-1").await.run_instance(&[], &[("Backup", "Yes")]).await;
    let past = "2020-01-01T00:00:00Z".parse().unwrap();
    let (posted, _) = invoke(function("creator", &world), vec![scheduled("2025-11-22T05:00:00Z")], past).await;
    let Posted::Error(error) = &posted[0] else { panic!("{posted:?}") };
    assert!(
        error["errorMessage"].as_str().unwrap().contains("the deadline came before everything was read"),
        "{error}"
    );
    assert_eq!(world.simulator().snapshots("123456789012", "us-east-1"), []);
}
