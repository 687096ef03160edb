//! Runs of several invocations: driven as the state machine drives them, they do what one whole run would do, once.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Context, Counts, Deadline, Event, Report};
use snapkeeper_simulator::{Config, Fault, Outcome, Rates, Simulator, Snapshot};
use snapkeeper_tests::{
    World,
    mortal::{Death, Mortal},
    world::{ACCOUNT, START, instant},
};

use crate::{
    faults::status,
    peers::{
        COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, answering_after, automated, back_up, day, deleted,
        each_taken_once, of_run, set, taken,
    },
};

/// How long Lambda lets an invocation run.
const INVOCATION: Duration = Duration::from_mins(15);
/// How many entries a list has in Lambda.
const LISTED: usize = 100;
/// More invocations than any run here needs.
const LIMIT: usize = 60;
/// After how long, and how often, a failed invocation is tried again.
const TRIES: (Duration, usize) = (Duration::from_mins(1), 3);

#[tokio::test(start_paused = true)]
async fn page_by_page_a_region_is_backed_up_as_by_one_whole_run() {
    let (whole, paged) = (region().await, region().await);
    let today = day(1);
    for world in [&whole, &paged] {
        world.until(&today).await;
        world.simulator().forget_calls();
    }
    let report = whole.run(Job::Creator, HOME, &today).await;
    let reports = play(&paged, Job::Creator, &today).await;
    assert_eq!(state(&paged, &today), state(&whole, &today));
    assert!(reports.len() > 1, "{} invocations", reports.len());
    assert_eq!(sum(&reports, |counts| counts.applied), report.counts.applied);
    assert_eq!(throttled(&paged), Vec::<String>::new());
    for (number, part) in reports.iter().enumerate() {
        assert!(part.failed.is_empty() && part.unfinished.is_empty(), "{number}: {:?}", part.failed);
        assert!(part.applied.len() <= LISTED, "{number}");
        assert_eq!(part.continuation.is_none(), number + 1 == reports.len());
        // the buckets fill outside
        assert!(part.duration <= Duration::from_mins(1), "{number} took {:?}", part.duration);
    }
    // what is told of each instance is told once
    let kept = reports.iter().fold(BTreeMap::new(), |mut kept: BTreeMap<&str, usize>, part| {
        for (reason, count) in &part.kept_by_reason {
            *kept.entry(*reason).or_default() += count;
        }
        kept
    });
    assert_eq!(kept["unreadable_backup"], report.kept_by_reason["unreadable_backup"]);
    assert_eq!(sum(&reports, |counts| counts.findings), report.counts.findings);
    // again there is nothing left to do
    let calls = paged.simulator().calls().len();
    let again = play(&paged, Job::Creator, &today).await;
    assert_eq!(sum(&again, |counts| counts.applied), 0);
    let read = paged.simulator().calls().split_off(calls);
    assert!(read.iter().all(|call| call.action.starts_with("Describe")));
    assert_eq!(state(&paged, &today), state(&whole, &today));
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_is_killed_and_tried_again_loses_and_doubles_nothing() {
    // while it reads, at the first creation, and in the midst of them; in the first page, and in the second
    for (pages_before, call) in [(0, 0), (0, 3), (0, 5), (0, 60), (0, 103), (1, 0), (1, 2), (1, 12)] {
        for after in [false, true] {
            let (case, world) = (format!("{pages_before} {call} {after}"), two_pages().await);
            let mut begin = json!({});
            if pages_before > 0 {
                let first = invoke(&world, Job::Creator, FIRST, &begin, INVOCATION).await;
                let next = first.continuation.expect("there is a second page");
                world.pass(next.wait).await;
                begin = serde_json::to_value(next).expect("JSON");
            }
            let way = Mortal::new(Death { call, after }, world.simulator().http_client());
            let context = context(&world, Job::Creator, FIRST, &begin, INVOCATION);
            let killed = way.alive(Box::pin(world.run_through(&context, Some(way.client())))).await;
            assert!(killed.is_none(), "{case}: it made too few calls");
            world.pass(TRIES.0).await;
            play_from(&world, Job::Creator, FIRST, begin, INVOCATION).await;
            assert!(each_taken_once(&world, FIRST, VOLUMES), "{case}: {:?}", taken(&world, FIRST));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_read_is_tried_again_and_nothing_is_lost() {
    // what the volumes are like is read with the first page
    for (action, is_second) in [("DescribeInstances", true), ("DescribeVolumes", false), ("DescribeSnapshots", true)] {
        let (world, mut next) = (two_pages().await, json!({}));
        if is_second {
            let first = invoke(&world, Job::Creator, FIRST, &next, INVOCATION).await;
            let continuation = first.continuation.expect("there is a second page");
            world.pass(continuation.wait).await;
            next = serde_json::to_value(continuation).expect("JSON");
        }
        world.simulator().inject(Fault::new(action, status(403, "UnauthorizedOperation")));
        let report = invoke(&world, Job::Creator, FIRST, &next, INVOCATION).await;
        assert!(report.began_nothing() && report.continuation.is_none() && !report.succeeded(), "{action}");
        play_from(&world, Job::Creator, FIRST, next, INVOCATION).await;
        assert!(each_taken_once(&world, FIRST, VOLUMES), "{action}: {:?}", taken(&world, FIRST));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_known_any_more_begins_with_the_first_page() {
    let world = two_pages().await;
    let unknown = json!({"token": "0123456789abcdef", "invocations": 7, "failed": false, "wait_seconds": 20});
    let reports = play_from(&world, Job::Creator, FIRST, unknown, INVOCATION).await;
    assert!(reports.iter().all(|report| report.failed.is_empty()));
    assert!(each_taken_once(&world, FIRST, VOLUMES), "{:?}", taken(&world, FIRST));
}

/// Every answer takes ten seconds, and an invocation takes some sixty of a page.
#[tokio::test(start_paused = true)]
async fn a_page_that_the_deadline_cuts_is_done_again_until_it_is_done() {
    let world = answering_after(Duration::from_secs(10));
    world.operator(HOME).await.run_instances(140, &[], ENROLLED).await;
    world.until(FIRST).await;
    let reports = play_from(&world, Job::Creator, FIRST, json!({}), Duration::from_secs(100)).await;
    assert!(reports.len() >= 3, "{} invocations", reports.len());
    assert!(reports.iter().all(|report| report.failed.is_empty() && report.succeeded()));
    assert!(reports.iter().any(|report| !report.unfinished.is_empty()));
    assert!(each_taken_once(&world, FIRST, 140), "{:?}", taken(&world, FIRST));
}

/// What one invocation fails at, the last one remembers.
#[tokio::test(start_paused = true)]
async fn a_failure_in_between_is_told_at_once_and_at_the_end() {
    let topic = "arn:aws:sns:us-east-1:123456789012:alerts";
    let world = two_pages().await.with("ALERT_TOPIC_ARN", topic);
    world.simulator().call("sns", HOME, "CreateTopic", &[("Name", "alerts")]).expect("CreateTopic");
    let refused = world.simulator().instances(ACCOUNT, HOME)[0].id.clone();
    world.simulator().inject(Fault::new("CreateSnapshots", status(400, "InvalidParameterValue")).on(&refused));
    let reports = play(&world, Job::Creator, FIRST).await;
    let failed: Vec<bool> = reports.iter().map(|report| !report.failed.is_empty()).collect();
    assert_eq!(failed, [true, false]);
    assert!(each_taken_once(&world, FIRST, VOLUMES), "one by one");
    assert!(!reports.last().is_some_and(Report::succeeded), "it is remembered");
    assert_eq!(world.simulator().published().len(), 2, "and told again");
}

#[tokio::test(start_paused = true)]
async fn the_manager_goes_on_with_what_it_has_left() {
    let world = throttling();
    world.operator(HOME).await.run_instances(400, &[], ENROLLED).await;
    let due = back_up(&world, FIRST).await;
    back_up(&world, &day(1)).await;
    world.until(LONG_AFTER).await;
    world.simulator().forget_calls();
    let reports = play(&world, Job::Manager, LONG_AFTER).await;
    assert!(reports.len() > 1, "{} invocations", reports.len());
    assert!(reports.iter().all(Report::succeeded));
    assert_eq!(deleted(&world), set(&due));
    assert_eq!(sum(&reports, |counts| counts.applied), 400);
    assert_eq!(throttled(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted_holds_up_nothing_that_comes_after_it() {
    let world = throttling();
    world.operator(HOME).await.run_instances(400, &[], ENROLLED).await;
    let due = set(&back_up(&world, FIRST).await);
    back_up(&world, &day(1)).await;
    world.until(LONG_AFTER).await;
    // the first ones of the plan
    for refused in due.iter().take(60) {
        let fault = Fault::new("DeleteSnapshot", status(400, "InvalidParameterValue")).on(refused);
        world.simulator().inject(fault.always());
    }
    let reports = play(&world, Job::Manager, LONG_AFTER).await;
    assert!(reports.len() > 1, "{} invocations", reports.len());
    assert!(reports.iter().all(|report| report.counts.failed == 60 && !report.succeeded()));
    assert_eq!(deleted(&world), set(due.iter().skip(60)));
}

#[tokio::test(start_paused = true)]
async fn the_copier_leaves_a_region_that_copies_as_many_as_it_can_to_the_next_run() {
    let world = throttling();
    world.operator(HOME).await.run_instances(50, &[], COPIED).await;
    let primaries = back_up(&world, FIRST).await;
    for (at, made, left) in
        [("2026-11-21T06:00:00Z", 20, 30), ("2026-11-21T07:00:00Z", 20, 10), ("2026-11-21T08:00:00Z", 10, 0)]
    {
        world.until(at).await;
        let reports = play(&world, Job::Copier, at).await;
        let counts: Vec<(usize, usize)> =
            reports.iter().map(|report| (report.counts.applied, report.counts.unfinished)).collect();
        assert_eq!(counts, [(made, left)]);
        assert!(reports[0].succeeded());
    }
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for copy in automated(&world, WEST) {
        *copies.entry(copy.tags["Source_SnapshotId"].clone()).or_default() += 1;
    }
    let expected: BTreeMap<String, usize> = primaries.into_iter().map(|primary| (primary, 1)).collect();
    assert_eq!(copies, expected);
}

/// A run of one invocation, which says so.
#[tokio::test(start_paused = true)]
async fn the_watcher_is_through_at_once() {
    let world = throttling();
    world.operator(HOME).await.run_instances(3, &[], ENROLLED).await;
    world.until(LONG_AFTER).await;
    let reports = play(&world, Job::Watcher, LONG_AFTER).await;
    assert_eq!(reports.len(), 1);
    assert!(reports[0].succeeded() && !reports[0].findings.is_empty());
}

/// How many volumes [`two_pages`] has.
const VOLUMES: usize = 280;

/// A world with AWS's token buckets.
fn throttling() -> World {
    let mut config = Config::starting(instant(START));
    config.rates = Rates::Aws;
    config.latency = Duration::from_millis(50);
    World::of(Simulator::new(config))
}

/// A small world of two pages of instances with two volumes each, when its first backup is due. A page takes more than
/// the bucket holds.
async fn two_pages() -> World {
    let world = throttling();
    world.operator(HOME).await.run_instances(140, &["/dev/sdf"], ENROLLED).await;
    world.until(FIRST).await;
    world
}

/// A region with 400 instances of all kinds, backed up once.
async fn region() -> World {
    let world = throttling();
    let operator = world.operator(HOME).await;
    let singles = operator.run_instances(200, &[], ENROLLED).await;
    let pairs = operator.run_instances(110, &["/dev/sdf"], ENROLLED).await;
    let triples = operator.run_instances(60, &["/dev/sdf", "/dev/sdg"], COPIED).await;
    operator.run_instances(15, &[], &[("Backup", "No")]).await;
    operator.run_instances(15, &[], &[("Backup", "perhaps")]).await;
    for instance in pairs.iter().step_by(10) {
        let data = operator.volumes(instance).await["/dev/sdf"].clone();
        operator.tag(&data, "Backup", "No").await;
    }
    for (instance, retention) in [(&triples[0], "a while"), (&pairs[1], "7d"), (&singles[1], "90d")] {
        operator.tag(instance, "Retention", retention).await;
    }
    // in pages of their own, perhaps: the order of a listing is that of the ids
    let shared = share(&world, &[&singles[0], &singles[199], &pairs[55], &triples[30]]);
    operator.tag(&shared, "Name", "shared").await;
    operator.tag(&triples[30], "Retention", "400d").await;
    world.until(FIRST).await;
    world.run(Job::Creator, HOME, FIRST).await;
    world.settle().await;
    // what could not be dated is dated in the next run
    operator.tag(&triples[0], "Retention", "30d").await;
    // a set of which a volume is gone
    let gone = operator.volumes(&triples[1]).await["/dev/sdg"].clone();
    operator.ec2.detach_volume().volume_id(&gone).send().await.expect("DetachVolume");
    world
}

/// Makes a volume that all of these have. Returns its id.
fn share(world: &World, instances: &[&String]) -> String {
    let simulator = world.simulator();
    let zone = simulator.instances(ACCOUNT, HOME)[0].availability_zone.clone();
    let wish = [
        ("AvailabilityZone", zone.as_str()),
        ("Size", "8"),
        ("VolumeType", "io2"),
        ("Iops", "100"),
        ("MultiAttachEnabled", "true"),
    ];
    let made = simulator.call("ec2", HOME, "CreateVolume", &wish).expect("CreateVolume");
    let volume = made.text("volumeId").expect("an id");
    for instance in instances {
        let attach = [("VolumeId", volume.as_str()), ("InstanceId", instance.as_str()), ("Device", "/dev/sdz")];
        simulator.call("ec2", HOME, "AttachVolume", &attach).expect("AttachVolume");
    }
    volume
}

/// What a run has taken, and all that is dated, without the ids of snapshots.
fn state(world: &World, at: &str) -> Vec<String> {
    let line = |snapshot: Snapshot| format!("{} {:?}", snapshot.volume_id, snapshot.tags);
    let mut lines: Vec<String> = of_run(world, HOME, at).into_iter().chain(automated(world, HOME)).map(line).collect();
    lines.sort_unstable();
    lines
}

/// Invokes a job until it is through, as the state machine does. Returns all reports.
async fn play(world: &World, job: Job, at: &str) -> Vec<Report> {
    play_from(world, job, at, json!({}), INVOCATION).await
}

async fn play_from(world: &World, job: Job, at: &str, continuation: Value, time: Duration) -> Vec<Report> {
    let (mut continuation, mut reports, mut tries) = (continuation, Vec::new(), 1);
    loop {
        let report = invoke(world, job, at, &continuation, time).await;
        if report.began_nothing() {
            assert!(tries < TRIES.1, "{:?}", report.failed);
            tries += 1;
            world.pass(TRIES.0).await;
            continue;
        }
        tries = 1;
        let next = report.continuation.as_ref().map(|next| serde_json::to_value(next).expect("JSON"));
        reports.push(report);
        assert!(reports.len() < LIMIT, "it does not end: {:?}", reports.last());
        let Some(next) = next else { return reports };
        let seconds = next["wait_seconds"].as_u64().expect("a number");
        world.pass(Duration::from_secs(seconds)).await;
        continuation = next;
    }
}

/// One invocation.
async fn invoke(world: &World, job: Job, at: &str, continuation: &Value, time: Duration) -> Report {
    let context = context(world, job, at, continuation, time);
    Box::pin(world.run_in(&context)).await
}

fn context(world: &World, job: Job, at: &str, continuation: &Value, time: Duration) -> Context {
    let event = json!({"scheduled_time": at, "continuation": continuation});
    let event = Event::read(&event, "").expect("an event").of(job).expect("one of the job");
    let mut context = world.context(job, HOME, at);
    context.continuation = event.continuation;
    context.deadline = Deadline::within(time);
    context.run.listed = LISTED;
    context
}

/// A number of all reports together.
fn sum(reports: &[Report], count: impl Fn(&Counts) -> usize) -> usize {
    reports.iter().map(|report| count(&report.counts)).sum()
}

/// The calls that were throttled.
fn throttled(world: &World) -> Vec<String> {
    let calls = world.simulator().calls().into_iter();
    let is_throttled =
        |answer: &Outcome| matches!(answer, Outcome::Error { code, .. } if code == "RequestLimitExceeded");
    calls.filter(|call| is_throttled(&call.answer)).map(|call| call.action).collect()
}
