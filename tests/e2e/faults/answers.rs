//! Calls that are throttled, fail, or whose answer never comes.

use std::time::Duration;

use snapkeeper_core::run::Job;
use snapkeeper_simulator::{Config, Fault, FaultKind, Rates, Simulator};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, START, instant},
};

use super::{NOW, busy, made, resources, state, status, status_after, told, undisturbed};
use crate::peers::{
    ENROLLED, FIRST, HOME, automated, calls_of, deleted, each_taken_once, of_run, set, standing, taken,
};

/// The calls that change something, and whose they are.
const CHANGES: [(Job, &str); 5] = [
    (Job::Creator, "CreateSnapshot"),
    (Job::Creator, "CreateSnapshots"),
    (Job::Creator, "CreateTags"),
    (Job::Copier, "CopySnapshot"),
    (Job::Manager, "DeleteSnapshot"),
];
/// The calls that read, and whose they are.
const READINGS: [(Job, &str); 9] = [
    (Job::Creator, "DescribeInstances"),
    (Job::Creator, "DescribeVolumes"),
    (Job::Creator, "DescribeSnapshots"),
    (Job::Copier, "DescribeSnapshots"),
    (Job::Manager, "DescribeSnapshots"),
    (Job::Manager, "DescribeInstances"),
    (Job::Manager, "DescribeVolumes"),
    (Job::Manager, "DescribeImages"),
    (Job::Manager, "DescribeLockedSnapshots"),
];
/// The calls that create for lack of a client token twice when they are made twice.
const CREATIONS: [(Job, &str); 3] =
    [(Job::Creator, "CreateSnapshot"), (Job::Creator, "CreateSnapshots"), (Job::Copier, "CopySnapshot")];

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_repeated_until_it_passes() {
    for (job, action) in CHANGES.into_iter().chain(READINGS) {
        check(job, Fault::new(action, FaultKind::Throttle).times(3), 3, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_is_repeated_after_any_uncertain_answer() {
    for (job, action) in READINGS {
        for kind in [FaultKind::CutBefore, FaultKind::CutAfter, status(500, "InternalError"), slow()] {
            check(job, Fault::new(action, kind).times(2), 2, 0).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_or_a_tag_is_repeated_after_any_uncertain_answer() {
    for (job, action) in [(Job::Manager, "DeleteSnapshot"), (Job::Creator, "CreateTags")] {
        for kind in [
            FaultKind::CutBefore,
            FaultKind::CutAfter,
            status(503, "Unavailable"),
            status_after(500, "InternalError"),
            slow(),
        ] {
            check(job, Fault::new(action, kind), 1, 0).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_had_no_effect_is_made_once_more() {
    for (job, action) in CREATIONS {
        for kind in [FaultKind::CutBefore, status(500, "InternalError"), status(503, "Unavailable")] {
            // it is looked for three times before it is repeated
            check(job, Fault::new(action, kind), 1, 3).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_had_its_effect_is_found_and_told_of() {
    for (job, action) in CREATIONS {
        for kind in [FaultKind::CutAfter, status_after(500, "InternalError"), slow()] {
            check(job, Fault::new(action, kind), 0, 1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_not_made_a_third_time() {
    let world = busy().await;
    let volume = volume_alone(&world);
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::CutBefore).times(2));
    let report = world.run(Job::Creator, HOME, NOW).await;
    assert_eq!(calls_of(&report, "CreateSnapshot"), 2);
    assert_eq!(resources(&report.failed), set([&volume]));
    assert_eq!(taken(&world, NOW)[&volume], 0);
    // and the same event again mends it
    world.run_well(Job::Creator, HOME, NOW).await;
    assert!(each_taken_once(&world, NOW, 3));
}

#[tokio::test(start_paused = true)]
async fn a_second_uncertain_creation_is_looked_for_like_the_first() {
    let world = busy().await;
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::CutBefore));
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::CutAfter));
    let report = world.run_well(Job::Creator, HOME, NOW).await;
    assert_eq!(calls_of(&report, "CreateSnapshot"), 2);
    assert!(each_taken_once(&world, NOW, 3));
}

/// Not to know is no reason to create again.
#[tokio::test(start_paused = true)]
async fn a_creation_that_cannot_be_looked_for_is_not_repeated() {
    for kind in [FaultKind::CutBefore, FaultKind::CutAfter] {
        let world = busy().await;
        world.simulator().inject(Fault::new("CreateSnapshot", kind.clone()));
        world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Deny).after(1).always());
        let report = world.run(Job::Creator, HOME, NOW).await;
        assert_eq!(calls_of(&report, "CreateSnapshot"), 1, "{kind:?}");
        assert_eq!(report.failed.len(), 1, "{kind:?}");
        world.simulator().clear_faults();
        world.run_well(Job::Creator, HOME, NOW).await;
        assert!(each_taken_once(&world, NOW, 3), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_was_just_snapshotted_is_asked_again_after_its_time() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], ENROLLED).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    world.until(FIRST).await;
    operator.snapshot_by_hand(&volume, &[]).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert_eq!(calls_of(&report, "CreateSnapshot"), 2);
    assert!(report.duration >= Duration::from_secs(15), "{:?}", report.duration);
    assert!(report.duration < Duration::from_secs(20), "{:?}", report.duration);
    assert!(each_taken_once(&world, FIRST, 1));
}

/// Another tool has used the account's rate up.
#[tokio::test(start_paused = true)]
async fn a_throttle_storm_passes() {
    let mut config = Config::starting(instant(START));
    config.rates = Rates::Aws;
    let world = World::of(Simulator::new(config));
    world.operator(HOME).await.run_instances(60, &["/dev/sdf"], ENROLLED).await;
    world.until(FIRST).await;
    for _ in 0..100 {
        let nothing = [("InstanceSpecification.InstanceId", "i-00000000")];
        assert!(world.simulator().call("ec2", HOME, "CreateSnapshots", &nothing).is_err());
    }
    world.simulator().forget_calls();
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 120));
    assert!(calls_of(&report, "CreateSnapshots") > 60, "some were throttled");
    assert_eq!(made(&world, "CreateSnapshots").len() as u64, calls_of(&report, "CreateSnapshots"));
    assert!(report.duration >= Duration::from_secs(11), "five a second: {:?}", report.duration);
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_for_ever_fails_alone() {
    let world = busy().await;
    let volume = volume_alone(&world);
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Throttle).always());
    let report = world.run(Job::Creator, HOME, NOW).await;
    assert_eq!(calls_of(&report, "CreateSnapshot"), 10);
    assert_eq!(resources(&report.failed), set([&volume]));
    assert!(report.failed[0].cause.contains("RequestLimitExceeded"), "{}", report.failed[0].cause);
    assert_eq!(taken(&world, NOW).into_values().sum::<usize>(), 2, "the set was taken");
}

/// A call that takes effect, and is answered too late.
fn slow() -> FaultKind {
    FaultKind::Slow(Duration::from_mins(1))
}

/// The volume that is alone on its instance.
fn volume_alone(world: &World) -> String {
    let instances = world.simulator().instances(ACCOUNT, HOME);
    let alone = instances.iter().find(|instance| instance.devices.len() == 1).expect("one with a single volume");
    alone.devices.values().next().cloned().expect("its volume")
}

/// A fault that strikes a job makes no difference but in calls: so many more of the action, and so many more readings of
/// snapshots.
async fn check(job: Job, fault: Fault, repeats: u64, looks: u64) {
    let (expected, quiet) = undisturbed(job).await;
    let world = busy().await;
    world.simulator().inject(fault.clone());
    let report = world.run(job, HOME, NOW).await;
    assert!(report.failed.is_empty(), "{fault:?}: {:?}", report.failed);
    assert_eq!(state(&world), expected, "{fault:?}");
    assert_eq!(deleted(&world).len(), usize::from(job == Job::Manager), "{fault:?}");
    assert_eq!(report.counts, quiet.counts, "{fault:?}");
    let more = |action: &str| calls_of(&report, action) - calls_of(&quiet, action);
    let action = fault.action.as_deref().unwrap_or_default();
    assert_eq!(more(action), repeats, "{fault:?}");
    if action != "DescribeSnapshots" {
        assert_eq!(more("DescribeSnapshots"), looks, "{fault:?}");
    }
    let region = if job == Job::Copier { crate::peers::WEST } else { HOME };
    let there = standing(&world, region);
    assert!(told(&report).is_subset(&there), "{fault:?}: what is told of is there");
    match job {
        Job::Creator => assert_eq!(told(&report).len(), of_run(&world, HOME, NOW).len(), "{fault:?}"),
        Job::Copier => assert_eq!(told(&report).len(), automated(&world, region).len(), "{fault:?}"),
        Job::Manager | Job::Watcher | Job::RdsSharer | Job::RdsSaver | Job::Syncer => {}
    }
}
