//! Readings that fail for good, lists that end too early, regions that do not answer. Absence is never evidence.

use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_simulator::{Fault, FaultKind, SnapshotState};
use snapkeeper_tests::World;

use super::{NOW, busy, changing, resources, state, status};
use crate::peers::{
    COPIED, ENROLLED, FIRST, HOME, IRELAND, LONG_AFTER, WEST, automated, back_up, back_up_daily, calls_of, copy,
    deleted, manage, set, standing,
};

#[tokio::test(start_paused = true)]
async fn without_a_whole_reading_nothing_is_changed() {
    let readings: [(Job, &[&str]); 3] = [
        (Job::Creator, &["DescribeInstances", "DescribeVolumes", "DescribeSnapshots"]),
        (Job::Copier, &["DescribeSnapshots"]),
        (
            Job::Manager,
            &["DescribeSnapshots", "DescribeInstances", "DescribeVolumes", "DescribeImages", "DescribeLockedSnapshots"],
        ),
    ];
    for (job, actions) in readings {
        for action in actions {
            for kind in [FaultKind::Deny, FaultKind::Throttle, FaultKind::CutBefore, status(500, "InternalError")] {
                check_nothing_changed(job, Fault::new(action, kind).always()).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_down_is_left_alone() {
    for job in [Job::Creator, Job::Copier, Job::Manager, Job::Watcher] {
        let world = busy().await;
        let before = state(&world);
        world.simulator().region_down(HOME);
        let report = world.run(job, HOME, NOW).await;
        assert_eq!(resources(&report.failed), set([&HOME.to_owned()]), "{job}");
        world.simulator().region_up(HOME);
        assert_eq!(state(&world), before, "{job}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_instances_that_ends_too_early_creates_nothing() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instances(1_000, &[], ENROLLED).await;
    operator.run_instances(5, &[], ENROLLED).await;
    world.simulator().forget_calls();
    world.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).after(1));
    let report = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!(calls_of(&report, "DescribeInstances"), 2, "the second page was denied");
    assert_eq!(report.failed.len(), 1);
    assert!(changing(&world).is_empty());
}

/// What is not on the first page is no less enrolled.
#[tokio::test(start_paused = true)]
async fn a_list_of_instances_that_ends_too_early_deletes_nothing() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 2).await;
    operator.run_instances(1_000, &[], ENROLLED).await;
    operator.run_instances(5, &[], ENROLLED).await;
    world.until(LONG_AFTER).await;
    world.simulator().inject(Fault::new("DescribeInstances", FaultKind::Deny).after(1));
    let report = world.run(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!(report.failed.len(), 1);
    assert!(deleted(&world).is_empty());
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(
        deleted(&world),
        set(&backups[..1]),
        "with the whole list, what is due goes, and the last good one stays"
    );
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_down_costs_no_other_its_copies() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2 eu-west-1")]).await;
    back_up(&world, FIRST).await;
    world.simulator().region_down(WEST);
    world.until("2026-11-21T06:00:00Z").await;
    let report = world.run(Job::Copier, HOME, "2026-11-21T06:00:00Z").await;
    assert_eq!(resources(&report.failed), set([&WEST.to_owned()]));
    assert_eq!((report.applied.len(), automated(&world, IRELAND).len()), (2, 2));
    let watched = world.run_well(Job::Watcher, HOME, "2026-11-21T06:30:00Z").await;
    let told: Vec<_> = watched.findings.iter().map(|finding| (finding.kind, finding.resource.as_str())).collect();
    assert_eq!(told, [(FindingKind::DestinationUnknown, WEST)]);

    world.simulator().region_up(WEST);
    copy(&world, "2026-11-21T07:00:00Z").await;
    assert_eq!((automated(&world, WEST).len(), automated(&world, IRELAND).len()), (2, 2));
}

/// One that answers readings but takes no copy.
#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_copies_costs_no_other_its_copies() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2 eu-west-1")]).await;
    let primaries = back_up(&world, FIRST).await;
    world.simulator().inject(Fault::new("CopySnapshot", FaultKind::Deny).in_region(WEST).always());
    world.until("2026-11-21T06:00:00Z").await;
    let report = world.run(Job::Copier, HOME, "2026-11-21T06:00:00Z").await;
    assert_eq!(resources(&report.failed), set(&primaries));
    assert!(report.failed.iter().all(|failed| failed.cause.contains(WEST)), "{:?}", report.failed);
    assert!(automated(&world, WEST).is_empty());
    assert_eq!(automated(&world, IRELAND).len(), 2);
}

/// Whether its volume is still enrolled, only the source region can tell.
#[tokio::test(start_paused = true)]
async fn a_last_good_copy_stays_while_its_source_region_is_silent() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], COPIED).await;
    back_up_daily(&world, 2).await;
    copy(&world, "2026-11-22T06:00:00Z").await;
    operator.terminate(&instance).await;
    let copies = automated(&world, WEST);
    assert!(copies.iter().all(|copy| copy.state == SnapshotState::Completed));
    world.simulator().region_down(HOME);
    let report = manage(&world, WEST, LONG_AFTER).await;
    assert_eq!(standing(&world, WEST), set([&copies[1].id]), "the older one goes by its date alone");
    assert_eq!(report.kept_by_reason.get("last_good_perhaps"), Some(&1));
    world.simulator().region_up(HOME);
    manage(&world, WEST, LONG_AFTER).await;
    assert!(standing(&world, WEST).is_empty(), "its instance is gone");
}

/// A job that cannot read changes nothing, and says so.
async fn check_nothing_changed(job: Job, fault: Fault) {
    let world = busy().await;
    world.simulator().inject(fault.clone());
    let report = world.run(job, HOME, NOW).await;
    assert_eq!(resources(&report.failed), set([&HOME.to_owned()]), "{job}, {fault:?}");
    assert!(report.applied.is_empty(), "{job}, {fault:?}");
    assert!(changing(&world).is_empty(), "{job}, {fault:?}");
    let action = fault.action.as_deref().unwrap_or_default();
    assert!(report.failed[0].cause.contains(action), "{}", report.failed[0].cause);
}
