//! AWS's token buckets: no time is lost beside what they take, hardly a call is throttled, and of the two buckets of the
//! calls that take snapshots both are used.

use std::time::Duration;

use snapkeeper_core::run::Job;
use snapkeeper_simulator::{Config, Fault, FaultKind, Rates, Simulator};
use snapkeeper_tests::{
    World,
    world::{START, instant},
};

use super::status;
use crate::peers::{ENROLLED, FIRST, HOME, calls_of, each_taken_once};

/// How many instances of one volume it takes to empty the bucket of `CreateSnapshot`, and some more.
const MORE_THAN_A_BURST: i32 = 110;

/// Both buckets hold 100, and each gets five a second.
#[tokio::test(start_paused = true)]
async fn single_volumes_are_taken_ten_a_second() {
    let world = limited();
    world.operator(HOME).await.run_instances(600, &[], ENROLLED).await;
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 600));
    let (ones, sets) = (calls_of(&report, "CreateSnapshot"), calls_of(&report, "CreateSnapshots"));
    assert_eq!(ones + sets, 600, "none was throttled");
    assert!(ones.abs_diff(sets) <= 10, "{ones} and {sets}");
    check_duration(report.duration, (600.0 - 200.0) / 10.0);
}

#[tokio::test(start_paused = true)]
async fn sets_are_taken_five_a_second() {
    let world = limited();
    world.operator(HOME).await.run_instances(300, &["/dev/sdf"], ENROLLED).await;
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 600));
    assert_eq!(calls_of(&report, "CreateSnapshots"), 300, "none was throttled");
    assert_eq!(calls_of(&report, "CreateSnapshot"), 0);
    check_duration(report.duration, (300.0 - 100.0) / 5.0);
}

/// Each region has a bucket of its own, of 50 and five a second.
#[tokio::test(start_paused = true)]
async fn regions_take_turns_so_that_two_take_no_longer_than_one() {
    let world = limited_by(|config| config.copies_at_once = usize::MAX);
    let copied = [("Backup", "Yes"), ("Copy_Dest", "us-west-2 eu-west-1")];
    world.operator(HOME).await.run_instances(250, &[], &copied).await;
    world.until(FIRST).await;
    world.run_well(Job::Creator, HOME, FIRST).await;
    world.settle().await;
    let report = world.run_well(Job::Copier, HOME, "2026-11-21T08:00:00Z").await;
    assert_eq!(calls_of(&report, "CopySnapshot"), 500, "none was throttled");
    check_duration(report.duration, (250.0 - 50.0) / 5.0);
}

/// Another tool has emptied it before, and goes on to take one or two tokens of five.
#[tokio::test(start_paused = true)]
async fn where_somebody_else_drains_the_bucket_all_is_done_with_few_throttled_calls() {
    let world = limited();
    world.operator(HOME).await.run_instances(400, &["/dev/sdf"], ENROLLED).await;
    world.until(FIRST).await;
    let drain = || {
        let nothing = [("InstanceSpecification.InstanceId", "i-00000000")];
        assert!(world.simulator().call("ec2", HOME, "CreateSnapshots", &nothing).is_err());
    };
    for _ in 0..100 {
        drain();
    }
    let others = async {
        for _ in 0..160 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            drain();
        }
    };
    let (report, ()) = tokio::join!(Box::pin(world.run_well(Job::Creator, HOME, FIRST)), others);
    assert!(each_taken_once(&world, FIRST, 800));
    let throttled = calls_of(&report, "CreateSnapshots") - 400;
    // the first 16 are under way together before the first of them is answered
    assert!(throttled <= 16 + 16, "{throttled} of 400 calls");
    assert!(report.duration <= Duration::from_mins(3), "{:?}", report.duration);
}

/// `CreateSnapshots` would take what it must leave out by name: that is not the same.
#[tokio::test(start_paused = true)]
async fn a_volume_beside_one_that_is_opted_out_is_taken_alone_however_long_it_takes() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    for instance in operator.run_instances(MORE_THAN_A_BURST, &["/dev/sdf"], ENROLLED).await {
        let volume = operator.volumes(&instance).await.remove("/dev/sdf").expect("a data volume");
        operator.tag(&volume, "Backup", "No").await;
    }
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert_eq!((calls_of(&report, "CreateSnapshot"), calls_of(&report, "CreateSnapshots")), (110, 0));
}

#[tokio::test(start_paused = true)]
async fn what_an_instance_alone_refuses_is_asked_of_its_volume() {
    for (code, answer) in
        [(400, "IncorrectInstanceState"), (400, "InvalidParameterValue"), (403, "UnauthorizedOperation")]
    {
        check(Fault::new("CreateSnapshots", status(code, answer)).always()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_was_made_none_is_made_twice() {
    for kind in [FaultKind::CutAfter, FaultKind::CutBefore, status(500, "InternalError"), FaultKind::Throttle] {
        check(Fault::new("CreateSnapshots", kind).times(3)).await;
    }
}

/// A fault of the calls that take sets makes no difference to instances of one volume.
async fn check(fault: Fault) {
    let world = World::in_process();
    world.operator(HOME).await.run_instances(MORE_THAN_A_BURST, &[], ENROLLED).await;
    world.until(FIRST).await;
    world.simulator().inject(fault.clone());
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(calls_of(&report, "CreateSnapshots") > 0, "{fault:?}");
    assert!(each_taken_once(&world, FIRST, 110), "{fault:?}");
}

/// An AWS that throttles, and takes its time to answer.
fn limited() -> World {
    limited_by(|_| {})
}

fn limited_by(more: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::starting(instant(START));
    config.rates = Rates::Aws;
    config.latency = Duration::from_millis(50);
    more(&mut config);
    World::of(Simulator::new(config))
}

/// It took as long as the buckets take, and at most 2 % longer.
#[track_caller]
fn check_duration(took: Duration, bound: f64) {
    let took = took.as_secs_f64();
    assert!((bound..=bound * 1.02).contains(&took), "{took} s where {bound} s must pass");
}
