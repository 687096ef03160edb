//! Multi-volume sets of which one volume will not be snapshotted.

use std::collections::{BTreeMap, BTreeSet};

use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, SnapshotState};
use snapkeeper_tests::World;

use super::{are_tagged, made, resources, status, told};
use crate::peers::{
    ENROLLED, FIRST, HOME, LONG_AFTER, automated, back_up, calls_of, day, deleted, each_taken_once, manage, of_run,
    set, standing,
};

#[tokio::test(start_paused = true)]
async fn one_refused_volume_costs_no_other() {
    for code in ["IncorrectState", "ConcurrentSnapshotLimitExceeded"] {
        let (world, volumes) = trio().await;
        world.simulator().refuse_snapshots_of(&volumes["/dev/sdf"], code);
        let report = world.run(Job::Creator, HOME, FIRST).await;
        assert_eq!(resources(&report.failed), set([&volumes["/dev/sdf"]]), "{code}");
        assert!(report.failed[0].cause.contains(code), "{}", report.failed[0].cause);
        assert_eq!(taken_of(&world), set([&volumes["/dev/xvda"], &volumes["/dev/sdg"]]), "{code}");
        assert_eq!((calls_of(&report, "CreateSnapshots"), calls_of(&report, "CreateSnapshot")), (2, 0), "{code}");
        let last = made(&world, "CreateSnapshots").pop().expect("two calls");
        assert!(last.params.iter().any(|(_, value)| *value == volumes["/dev/sdf"]), "it is left out of the set");
        check_one_set(&world, &report);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_root_volume_costs_no_other() {
    let (world, volumes) = trio().await;
    world.simulator().refuse_snapshots_of(&volumes["/dev/xvda"], "IncorrectState");
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!(resources(&report.failed), set([&volumes["/dev/xvda"]]));
    assert_eq!(taken_of(&world), set([&volumes["/dev/sdf"], &volumes["/dev/sdg"]]));
    let last = made(&world, "CreateSnapshots").pop().expect("two calls");
    let excluded = |(name, value): &(String, String)| name.ends_with("ExcludeBootVolume") && value == "true";
    assert!(last.params.iter().any(excluded), "{:?}", last.params);
    check_one_set(&world, &report);
}

#[tokio::test(start_paused = true)]
async fn two_refused_volumes_leave_the_third_one() {
    let (world, volumes) = trio().await;
    for device in ["/dev/sdf", "/dev/sdg"] {
        world.simulator().refuse_snapshots_of(&volumes[device], "IncorrectState");
    }
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!(resources(&report.failed), set([&volumes["/dev/sdf"], &volumes["/dev/sdg"]]));
    assert_eq!(taken_of(&world), set([&volumes["/dev/xvda"]]));
    assert_eq!((calls_of(&report, "CreateSnapshots"), calls_of(&report, "CreateSnapshot")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn all_volumes_refused_are_all_reported() {
    let (world, volumes) = trio().await;
    for volume in volumes.values() {
        world.simulator().refuse_snapshots_of(volume, "IncorrectState");
    }
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!(resources(&report.failed), set(volumes.values()));
    assert!(report.applied.is_empty());
    assert!(taken_of(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_refused_without_a_name_is_taken_one_by_one() {
    let (world, volumes) = trio().await;
    world.simulator().inject(Fault::new("CreateSnapshots", status(400, "IncorrectState")).always());
    world.simulator().refuse_snapshots_of(&volumes["/dev/sdg"], "IncorrectState");
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!((calls_of(&report, "CreateSnapshots"), calls_of(&report, "CreateSnapshot")), (1, 3));
    let instance = automated(&world, HOME)[0].tags["Source_InstanceId"].clone();
    assert_eq!(resources(&report.failed), set([&volumes["/dev/sdg"], &instance]), "the set is told of as well");
    assert_eq!(taken_of(&world), set([&volumes["/dev/xvda"], &volumes["/dev/sdf"]]));
    assert_eq!(told(&report), standing(&world, HOME));
    assert!(are_tagged(&automated(&world, HOME)));
}

/// Taking its volumes one by one would hide day after day that the set is not crash-consistent.
#[tokio::test(start_paused = true)]
async fn a_set_that_the_account_may_not_take_is_not_taken_apart() {
    for code in ["UnauthorizedOperation", "PendingSnapshotLimitExceeded", "SnapshotLimitExceeded"] {
        let (world, _) = trio().await;
        world.simulator().inject(Fault::new("CreateSnapshots", status(400, code)).always());
        let report = world.run(Job::Creator, HOME, FIRST).await;
        assert_eq!((calls_of(&report, "CreateSnapshots"), calls_of(&report, "CreateSnapshot")), (1, 0), "{code}");
        assert!(report.failed.len() == 1 && report.failed[0].cause.contains(code), "{:?}", report.failed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_volume_lacks_the_same_event_brings() {
    let (world, volumes) = trio().await;
    world.simulator().refuse_snapshots_of(&volumes["/dev/sdf"], "IncorrectState");
    world.run(Job::Creator, HOME, FIRST).await;
    world.simulator().allow_snapshots_of(&volumes["/dev/sdf"]);
    world.settle().await;
    world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 3));
    // and the watcher tells that they are not of one moment
    world.settle().await;
    let found = world.run_well(Job::Watcher, HOME, FIRST).await.findings;
    assert_eq!(found.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [FindingKind::NotConsistent]);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_lacks_a_member_never_counts_as_a_backup() {
    let (world, volumes) = trio().await;
    let whole = back_up(&world, FIRST).await;
    world.simulator().refuse_snapshots_of(&volumes["/dev/sdf"], "IncorrectState");
    world.until(&day(1)).await;
    world.run(Job::Creator, HOME, &day(1)).await;
    world.settle().await;
    assert_eq!(of_run(&world, HOME, &day(1)).len(), 2);
    check_last_good(&world, &whole, FindingKind::IncompleteSet).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_with_a_failed_member_never_counts_as_a_backup() {
    let (world, volumes) = trio().await;
    let whole = back_up(&world, FIRST).await;
    world.simulator().fail_snapshots_of(&volumes["/dev/sdf"], 1);
    back_up(&world, &day(1)).await;
    assert!(of_run(&world, HOME, &day(1)).iter().any(|snapshot| snapshot.state == SnapshotState::Error));
    check_last_good(&world, &whole, FindingKind::Failed).await;
}

/// An instance with three volumes, at the time of its first backup; and the volumes by device.
async fn trio() -> (World, BTreeMap<String, String>) {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&["/dev/sdf", "/dev/sdg"], ENROLLED).await;
    let volumes = operator.volumes(&instance).await;
    world.until(FIRST).await;
    (world, volumes)
}

/// The volumes of which the first run has a snapshot.
fn taken_of(world: &World) -> BTreeSet<String> {
    of_run(world, HOME, FIRST).into_iter().map(|snapshot| snapshot.volume_id).collect()
}

/// What the first run took is one crash-consistent set, and the report tells of it.
#[track_caller]
fn check_one_set(world: &World, report: &Report) {
    let set = of_run(world, HOME, FIRST);
    assert!(set.iter().all(|snapshot| snapshot.start_time == set[0].start_time), "taken at one instant");
    assert_eq!(report.applied.len(), 1);
    assert_eq!(told(report), standing(world, HOME));
    assert!(are_tagged(&set));
}

/// The second backup is told to be none, and when both have expired it is the first that stays.
async fn check_last_good(world: &World, first: &[String], told: FindingKind) {
    let watched = world.run_well(Job::Watcher, HOME, &day(1)).await;
    assert!(watched.findings.iter().any(|finding| finding.kind == told), "{:?}", watched.findings);
    let second: Vec<String> = of_run(world, HOME, &day(1)).into_iter().map(|snapshot| snapshot.id).collect();
    manage(world, HOME, LONG_AFTER).await;
    assert_eq!(standing(world, HOME), set(first));
    assert_eq!(deleted(world), set(&second));
}
