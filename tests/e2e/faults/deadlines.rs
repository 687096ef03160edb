//! Runs that have too little time: what was not begun is left for the next one, and every number adds up.

use std::{collections::BTreeMap, time::Duration};

use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Deadline, Report};
use snapkeeper_simulator::{Fault, FaultKind};
use snapkeeper_tests::World;
use tokio::time::Instant;

use crate::peers::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, answering_after, automated, back_up, day, deleted,
    each_taken_once, of_run, set, taken,
};

/// How long every answer takes here.
const LATENCY: Duration = Duration::from_secs(10);

/// Five readings take 50 seconds, and twenty deletions, sixteen at once, 20 more.
#[tokio::test(start_paused = true)]
async fn what_the_manager_has_no_time_for_is_left_over() {
    // too little time to read everything
    check(20, [0, 0, 1]).await;
    check(50, [0, 0, 1]).await;
    // time enough to read, and too little to begin anything: a quarter of the time is kept back
    check(60, [0, 20, 0]).await;
    // one round of deletions
    check(70, [16, 4, 0]).await;
    // all of them
    check(90, [20, 0, 0]).await;
    check(300, [20, 0, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn an_action_that_the_deadline_cuts_off_is_perhaps_done() {
    let world = with_twenty_due().await;
    let due = of_run(&world, HOME, FIRST);
    world.simulator().inject(Fault::new("DeleteSnapshot", FaultKind::Slow(Duration::from_secs(15))).on(&due[3].id));
    let report = within(&world, 70, Job::Manager, LONG_AFTER).await;
    assert_eq!((report.applied.len(), report.unfinished.len(), report.failed.len()), (15, 5, 0));
    let cut_off: Vec<_> = report.unfinished.iter().filter(|left| left.cause.contains("perhaps done")).collect();
    assert_eq!(cut_off.len(), 1, "{:?}", report.unfinished);
    assert_eq!(cut_off[0].resource, due[3].id);
    assert_eq!(deleted(&world).len(), 16, "it was");
    let next = world.run_well(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!((next.applied.len(), deleted(&world).len()), (4, 20));
}

/// Three readings take 30 seconds, and the first sixteen creations are under way at the deadline.
#[tokio::test(start_paused = true)]
async fn what_the_creator_has_no_time_for_the_same_event_makes_up_for() {
    for (seconds, made) in [(20, 0), (36, 0), (44, 16), (50, 16), (80, 20)] {
        let world = answering_after(LATENCY);
        world.operator(HOME).await.run_instances(20, &[], ENROLLED).await;
        world.until(FIRST).await;
        let report = within(&world, seconds, Job::Creator, FIRST).await;
        assert_eq!(automated(&world, HOME).len(), made, "{seconds} s");
        let all = report.applied.len() + report.unfinished.len();
        let expected = if report.failed.is_empty() { 20 } else { 0 };
        assert_eq!(all, expected, "{seconds} s: {:?}", report.failed);
        // else nobody would try the event again, and the next run is another
        assert_eq!(report.succeeded(), made == 20, "{seconds} s");
        world.run_well(Job::Creator, HOME, FIRST).await;
        assert!(each_taken_once(&world, FIRST, 20), "{seconds} s: {:?}", taken(&world, FIRST));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_copier_has_no_time_for_the_next_run_makes_up_for() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instances(18, &[], COPIED).await;
    let primaries = back_up(&world, FIRST).await;
    world.until("2026-11-21T06:00:00Z").await;
    // two readings take 20 seconds, and sixteen copies 10 more
    let report = within(&world, 38, Job::Copier, "2026-11-21T06:00:00Z").await;
    assert_eq!((report.applied.len(), report.unfinished.len(), report.failed.len()), (16, 2, 0));
    assert!(report.succeeded());
    world.settle().await;
    world.run_well(Job::Copier, HOME, "2026-11-21T07:00:00Z").await;
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    let there = automated(&world, WEST);
    for copy in &there {
        *copies.entry(copy.tags["Source_SnapshotId"].as_str()).or_default() += 1;
    }
    let expected: BTreeMap<&str, usize> = primaries.iter().map(|primary| (primary.as_str(), 1)).collect();
    assert_eq!(copies, expected);
}

/// Lambda ends a function that goes on past its deadline, and its report is lost.
#[tokio::test(start_paused = true)]
async fn an_alert_topic_that_does_not_answer_does_not_cost_the_report() {
    let world = World::in_process().with("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts");
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    world.until(FIRST).await;
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).always());
    world.simulator().inject(Fault::new("Publish", FaultKind::Slow(Duration::from_mins(5))).always());
    let begun = Instant::now();
    let report = within(&world, 60, Job::Creator, FIRST).await;
    assert!(begun.elapsed() <= Duration::from_mins(1), "it took {:?}", begun.elapsed());
    assert!(!report.failed.is_empty());
}

/// Reading takes 70 seconds. Then it is too late to begin the digest.
#[tokio::test(start_paused = true)]
async fn a_digest_for_which_there_is_no_time_fails_the_watcher() {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    world.until(LONG_AFTER).await;
    let world = world.with("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts");
    let report = within(&world, 84, Job::Watcher, LONG_AFTER).await;
    assert!(!report.findings.is_empty());
    assert_eq!(report.unfinished.len(), 1, "{:?}", report.unfinished);
    assert!(!report.succeeded(), "nobody has heard of what it found");
}

/// Twenty volumes with two backups each, of which all but the last ones are due.
async fn with_twenty_due() -> World {
    let world = answering_after(LATENCY);
    world.operator(HOME).await.run_instances(20, &[], ENROLLED).await;
    let due = back_up(&world, FIRST).await;
    back_up(&world, &day(1)).await;
    assert_eq!(set(&due).len(), 20);
    world.until(LONG_AFTER).await;
    world
}

/// Within so many seconds the run does, leaves over and fails so many.
async fn check(seconds: u64, expected: [usize; 3]) {
    let world = with_twenty_due().await;
    let report = within(&world, seconds, Job::Manager, LONG_AFTER).await;
    let counts = [report.applied.len(), report.unfinished.len(), report.failed.len()];
    assert_eq!(counts, expected, "{seconds} s");
    assert_eq!(deleted(&world).len(), report.applied.len(), "{seconds} s: and these are the true numbers");
    assert!(report.duration <= Duration::from_secs(seconds), "{seconds} s");
    world.run_well(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world).len(), 20, "{seconds} s: the next run goes on");
}

/// Runs a job with so many seconds.
async fn within(world: &World, seconds: u64, job: Job, at: &str) -> Report {
    let mut context = world.context(job, HOME, at);
    context.deadline = Deadline::within(Duration::from_secs(seconds));
    world.run_in(&context).await
}
