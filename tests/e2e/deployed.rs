//! The whole thing, deployed: the template goes by `sam deploy` into ministack, an AWS that we did not write, with
//! several sets of parameters; its schedules fire, and the functions run under their roles for ten days. Its state
//! machine is executed by ministack's Step Functions.
//!
//! What is deployed is what is looked at and run. The template is built as `sam build` leaves it; SAM's own translator
//! and ministack's `CloudFormation` make the resources of it; each function is a process of the binary that belongs to
//! it. It has the environment that Lambda and the template give it, and beside that only the simulator's address, which
//! is its EC2 and its SNS. It calls with keys of its own role, and the simulator holds each of these to the role's
//! policies, as `CloudFormation` resolved them. The schedules fire as ministack reads their expressions, in a time of
//! ours, so that days pass in seconds. Where ministack is mended for this: see `serve_ministack.py`.
//!
//! Not proven here: that the binaries of a release, for arm64, run in Lambda; the time zones of schedules, all of which
//! ministack reads as UTC; that a schedule's role, the key of the topic and the permissions boundary do what they say;
//! that alarms are raised and the dashboard is drawn. These are looked at, but nothing here holds anyone to them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use snapkeeper_core::run::Job::{self, Creator, Manager, Watcher};
use snapkeeper_simulator::{Call, Config, Fault, FaultKind, Outcome, Simulator};
use snapkeeper_tests::{
    World,
    deployment::{Attempt, Ministack, Stack},
    policies,
    world::{ACCOUNT, instant},
};

mod look;

const HOME: &str = "us-east-1";
const ELSEWHERE: &str = "us-west-2";
/// In the past, whatever the clock says: a function refuses an event of the future.
const START: &str = "2025-11-21T04:00:00Z";

/// The architecture of the machine: there the binaries of the tests run.
fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH }
}

/// As few parameters as somebody sets who wants copies, mail, and snapshots of stopped instances on demand.
fn few() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Architecture", architecture()),
        ("CopyRegions", "us-west-2,eu-west-1"),
        ("AlertEmail", "ops@example.com"),
        ("AllowStop", "true"),
        ("OnDemandTopicArns", "arn:aws:sns:us-east-1:123456789012:done,arn:aws:sns:us-east-1:123456789012:errors"),
    ]
}

/// Many parameters, in a region that only holds copies.
fn many() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Architecture", architecture()),
        ("DeployCreator", "false"),
        ("DeployCopier", "false"),
        ("CopyRegions", "us-west-2,eu-west-1"),
        ("DefaultRetention", "7d 4w 12m"),
        ("TimeZone", "America/Los_Angeles"),
        ("RpoHours", "50"),
        ("MaxDeletePercent", "80"),
        ("CopyKmsKey", "alias/backup"),
        ("ApiRate", "0.5"),
        ("WatcherHeartbeatUrl", "https://127.0.0.1:1/uuid"),
        ("ManagerSchedule", "cron(15 10 * * ? *)"),
        ("WatcherAlarmHours", "30"),
        ("EncryptAlertTopic", "false"),
        ("MemorySize", "256"),
        ("ReservedConcurrency", "1"),
        ("Tracing", "Active"),
        ("LogLevel", "warn,snapkeeper=debug"),
        ("LogRetentionDays", "30"),
        ("RolePath", "/backup/"),
        ("PermissionsBoundary", "arn:aws:iam::123456789012:policy/limit"),
    ]
}

#[tokio::test]
async fn what_sam_deploys_backs_up_copies_expires_and_tells() {
    let world = World::listening(Simulator::new(Config::starting(instant(START)))).await;
    let mut ministack = Ministack::start(&world.endpoint().unwrap(), START).await;
    let home = ministack.deploy(HOME, "snapkeeper", &few()).await;
    let elsewhere = ministack.deploy(ELSEWHERE, "snapkeeper-of-copies", &many()).await;
    look::few(&home);
    look::many(&elsewhere);
    for stack in [&home, &elsewhere] {
        look::any(stack);
    }
    let mut keys = hold_to_roles(&world, &mut ministack, &home).await;
    keys.append(&mut hold_to_roles(&world, &mut ministack, &elsewhere).await);

    let attempts = ten_days(&world, &mut ministack, &home, &keys).await;
    look::metrics(&home, &attempts);
    look::environment(&mut ministack, &home).await;
    look::environment(&mut ministack, &elsewhere).await;
    an_event_that_no_attempt_can_finish_is_kept(&world, &mut ministack, &home, &keys).await;
}

/// More instances than one invocation takes. Waits, and the time between tries, take no time here.
#[tokio::test]
async fn the_state_machine_carries_a_run_on_until_all_is_backed_up() {
    let world = World::listening(Simulator::new(Config::starting(instant(START)))).await;
    let mut ministack = Ministack::start(&world.endpoint().unwrap(), START).await;
    let stack = ministack.deploy(HOME, "snapkeeper", &[("Architecture", architecture()), ("CarryOn", "true")]).await;
    let keys = hold_to_roles(&world, &mut ministack, &stack).await;
    let operator = world.operator(HOME).await;
    operator.run_instances(120, &["/dev/sdf"], &[("Backup", "Yes")]).await;
    let attempts = pass(&world, &mut ministack, "2025-11-21T05:10:00Z").await;
    assert_eq!(failures(&attempts), Vec::<&Attempt>::new());

    // the machine alone starts the creator, which gets back what it handed over, and is through at its last time
    let of = |job: Job| -> Vec<&Attempt> {
        let by_machine =
            attempts.iter().filter(|it| it.function == stack.arn(job) && !it.event["continuation"].is_null());
        by_machine.collect()
    };
    let creator = of(Creator);
    assert_eq!(creator.len(), attempts.iter().filter(|it| it.function == stack.arn(Creator)).count());
    assert!(creator.len() > 1, "{creator:#?}");
    let mut expected = json!({});
    for attempt in &creator {
        assert_eq!(attempt.event, json!({"scheduled_time": "2025-11-21T05:00:00Z", "continuation": expected}));
        expected = attempt.result["continuation"].clone();
    }
    assert!(expected.is_null(), "{expected}");
    for job in [Job::Copier, Manager, Watcher] {
        assert_eq!(of(job).len(), 1, "{job}");
    }
    assert_eq!(ministack.executions().await, [json!({"status": "SUCCEEDED", "cause": null})]);

    // each volume has one snapshot of that run
    let snapshots = world.simulator().snapshots(ACCOUNT, HOME);
    let volumes: BTreeSet<String> = snapshots.iter().map(|it| it.volume_id.clone()).collect();
    let runs: BTreeSet<&String> = snapshots.iter().map(|it| &it.tags["Backup_Run"]).collect();
    assert_eq!((snapshots.len(), volumes.len(), runs.len()), (240, 240, 1));

    // on the next day one backup fails at first: the run is begun once more, and takes that one
    let trouble = FaultKind::Status { status: 400, code: "OptInRequired".to_owned() };
    world.simulator().inject(Fault::new("CreateSnapshots", trouble).by(key_of(&keys, Creator)));
    let attempts = pass(&world, &mut ministack, "2025-11-22T05:10:00Z").await;
    let begun: Vec<&Value> = attempts
        .iter()
        .filter(|it| it.function == stack.arn(Creator) && it.event["continuation"]["invocations"].is_null())
        .map(|it| &it.event["continuation"])
        .collect();
    assert_eq!(begun, [&json!({}), &json!({"wait_seconds": 120})]);
    let done = json!({"status": "SUCCEEDED", "cause": null});
    assert_eq!(ministack.executions().await, [done.clone(), done]);
    assert_eq!(world.simulator().snapshots(ACCOUNT, HOME).len(), 480);
    assert_eq!(refused(&world), []);
}

/// Lets each function do what its role may do, and no more, and gives the stack its topic. Returns whose the keys are.
async fn hold_to_roles(world: &World, ministack: &mut Ministack, stack: &Stack) -> BTreeMap<String, (String, Job)> {
    let topic = stack.outputs["AlertTopic"].rsplit(':').next().unwrap();
    world.simulator().call("sns", &stack.region, "CreateTopic", &[("Name", topic)]).unwrap();
    let mut keys = BTreeMap::new();
    for job in stack.jobs() {
        let key = ministack.access_key(&stack.arn(job)).await;
        world.simulator().attach_policy(&key, policies::policy(&stack.policy(job)));
        keys.insert(key, (stack.region.clone(), job));
    }
    keys
}

/// The key under which a job of the home region calls.
fn key_of(keys: &BTreeMap<String, (String, Job)>, job: Job) -> &str {
    keys.iter().find(|(_, (region, it))| region == HOME && *it == job).map(|(key, _)| key.as_str()).unwrap()
}

/// Lets time pass until an instant, for the schedules and in the simulator, and each schedule fire when it is due.
async fn pass(world: &World, ministack: &mut Ministack, until: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    loop {
        let due = ministack.next().await;
        if due > instant(until) {
            world.until(until).await;
            return attempts;
        }
        world.until(&due.to_rfc3339()).await;
        attempts.extend(ministack.at(due).await);
    }
}

/// Nine backups, of which two expire. Returns all attempts at all invocations.
async fn ten_days(
    world: &World,
    ministack: &mut Ministack,
    stack: &Stack,
    keys: &BTreeMap<String, (String, Job)>,
) -> Vec<Attempt> {
    let operator = world.operator(HOME).await;
    operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", ELSEWHERE), ("Name", "web")]).await;
    operator.run_instance(&[], &[("Backup", "Yes"), ("Name", "db")]).await;
    let forgotten = operator.run_instance(&[], &[("Name", "forgotten")]).await;
    let forgotten = operator.volumes(&forgotten).await.into_values().next().unwrap();
    let simulator = world.simulator();

    // the first day: three volumes, two of them with copies
    let mut attempts = pass(world, ministack, "2025-11-21T14:00:00Z").await;
    let dates = |region: &str| -> Vec<String> {
        simulator.snapshots(ACCOUNT, region).iter().map(|snapshot| snapshot.tags["DeleteOn"].clone()).collect()
    };
    assert_eq!(dates(HOME), ["2025-11-28"; 3]);
    assert_eq!(dates(ELSEWHERE), ["2025-11-28"; 2]);
    assert_eq!(failures(&attempts), Vec::<&Attempt>::new());

    // the second: Lambda repeats what failed, and that is the same run
    let trouble = FaultKind::Status { status: 400, code: "OptInRequired".to_owned() };
    simulator.inject(Fault::new("DescribeInstances", trouble).by(key_of(keys, Creator)));
    let second = pass(world, ministack, "2025-11-22T14:00:00Z").await;
    let tries: Vec<(bool, &Value)> =
        second.iter().filter(|it| it.function == stack.arn(Creator)).map(|it| (it.failed, &it.event)).collect();
    let event = json!({"scheduled_time": "2025-11-22T05:00:00Z"});
    assert_eq!(tries, [(true, &event), (false, &event)]);
    assert_eq!((dates(HOME).len(), dates(ELSEWHERE).len()), (6, 4));
    attempts.extend(second);

    // the rest: what is due goes, here and there, by the managers' hands
    let rest = pass(world, ministack, "2025-11-29T14:00:00Z").await;
    assert_eq!(failures(&rest), Vec::<&Attempt>::new());
    attempts.extend(rest);
    assert_eq!((dates(HOME).len(), dates(ELSEWHERE).len()), (3 * 7, 2 * 7));
    let gone: Vec<(String, String, String)> = simulator
        .deletions()
        .into_iter()
        .map(|it| (it.region, it.snapshot.tags["DeleteOn"].clone(), it.caller))
        .collect();
    assert_eq!(gone.len(), 3 * 2 + 2 * 2, "{gone:#?}");
    for (region, date, caller) in &gone {
        assert_eq!(keys.get(caller), Some(&(region.clone(), Manager)));
        assert!(["2025-11-28", "2025-11-29"].contains(&date.as_str()), "{date}");
    }

    // the digest has come, and all that was done was done under the roles, which allow all of it
    let topic = &stack.outputs["AlertTopic"];
    let published = simulator.published();
    let mut digests = published.iter().filter(|it| it.topic_arn == *topic && it.message.contains(&forgotten));
    let digest = digests.next().expect("a digest that tells of the volume that nobody enrolled");
    assert!(digest.subject.as_deref().unwrap().ends_with("to look at"), "{digest:?}");
    assert_eq!(digest.at.date_naive(), instant("2025-11-22T13:00:00Z").date_naive());
    assert_eq!(refused(world), []);
    let callers: BTreeSet<String> = simulator.calls().into_iter().map(|call| call.caller).collect();
    let functions: BTreeSet<&String> = callers.iter().filter(|caller| caller.starts_with("ASIA")).collect();
    assert_eq!(functions, keys.keys().collect::<BTreeSet<_>>());
    attempts
}

/// A role that lost its rights: the creator may only look, as the watcher may.
async fn an_event_that_no_attempt_can_finish_is_kept(
    world: &World,
    ministack: &mut Ministack,
    stack: &Stack,
    keys: &BTreeMap<String, (String, Job)>,
) {
    let simulator = world.simulator();
    let before = simulator.snapshots(ACCOUNT, HOME).len();
    simulator.attach_policy(key_of(keys, Creator), policies::policy(&stack.policy(Watcher)));
    let attempts = pass(world, ministack, "2025-11-30T05:10:00Z").await;
    let event = json!({"scheduled_time": "2025-11-30T05:00:00Z"});
    let tries: Vec<&Attempt> = attempts.iter().filter(|it| it.function == stack.arn(Creator)).collect();
    assert_eq!(tries.len(), 3);
    for attempt in tries {
        assert!(attempt.failed && attempt.event == event, "{attempt:#?}");
        assert_eq!(attempt.result["errorType"], "RunFailed");
        assert!(attempt.result["errorMessage"].as_str().unwrap().contains("UnauthorizedOperation"), "{attempt:#?}");
    }
    assert_ne!(refused(world), []);
    assert_eq!(simulator.snapshots(ACCOUNT, HOME).len(), before);
    let kept = ministack.queue(&queue(stack)).await;
    let payloads: Vec<&Value> = kept.iter().map(|message| &message["requestPayload"]).collect();
    assert_eq!(payloads, [&event]);
}

fn failures(attempts: &[Attempt]) -> Vec<&Attempt> {
    attempts.iter().filter(|attempt| attempt.failed).collect()
}

/// The calls that a policy refused.
fn refused(world: &World) -> Vec<Call> {
    let denied = |call: &Call| matches!(&call.answer, Outcome::Error { status: 403, .. });
    world.simulator().calls().into_iter().filter(denied).collect()
}

/// The ARN of the queue of dead events.
fn queue(stack: &Stack) -> String {
    let configs = stack.of_kind("AWS::Lambda::EventInvokeConfig");
    let arn = &configs[0].properties["DestinationConfig"]["OnFailure"]["Destination"];
    arn.as_str().unwrap().to_owned()
}
