//! Duplicates.

use snapkeeper_core::run::Job;
use snapkeeper_simulator::{Fault, FaultKind, Outcome};
use snapkeeper_tests::World;

use super::{COPIED, ENROLLED, FIRST, HOME, WEST, automated, back_up, copy, each_taken_once, of_run, tag};

/// c7n: an internal error, the platform's own retry, and 4,000 snapshots instead of 1,000.
#[tokio::test(start_paused = true)]
async fn an_internal_error_and_a_retry_make_no_second_set() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&["/dev/sdf"], ENROLLED).await;
    let (status, code) = (500, "InternalError".to_owned());
    world.simulator().inject(Fault::new("CreateSnapshots", FaultKind::StatusAfter { status, code: code.clone() }));
    // nor can the first run look whether it was done
    world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Status { status, code }).after(1).always());
    world.until(FIRST).await;
    let first = world.run(Job::Creator, HOME, FIRST).await;
    assert_eq!(first.failed.len(), 1, "it does not know, and says so");

    world.simulator().clear_faults();
    let retry = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(retry.applied.is_empty());
    assert!(each_taken_once(&world, FIRST, 2));
}

/// joshtrichards, c7n: 2 % of answers lost, and every one of those calls made twice.
#[tokio::test(start_paused = true)]
async fn lost_answers_make_no_duplicates() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instances(40, &[], ENROLLED).await;
    operator.run_instances(10, &["/dev/sdf"], ENROLLED).await;
    for (action, lost) in [("CreateSnapshot", [0, 7, 39]), ("CreateSnapshots", [0, 1, 9])] {
        for after in lost {
            world.simulator().inject(Fault::new(action, FaultKind::CutAfter).after(after));
        }
    }
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 60));
    let cut = world.simulator().calls().into_iter().filter(|call| call.answer == Outcome::Cut).count();
    assert_eq!(cut, 6, "all six struck");
    let told: usize = report.applied.iter().map(|step| step.made.len()).sum();
    assert_eq!(told, 60, "and those that were found are told of like any other");
}

/// c7n: nobody looks whether there is a copy.
#[tokio::test(start_paused = true)]
async fn a_copy_is_not_made_again() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&["/dev/sdf"], COPIED).await;
    let primaries = back_up(&world, FIRST).await;
    world.simulator().inject(Fault::new("CopySnapshot", FaultKind::CutAfter).in_region(WEST));
    world.until("2026-11-21T06:00:00Z").await;
    for _ in 0..2 {
        world.run_well(Job::Copier, HOME, "2026-11-21T06:00:00Z").await;
        assert_eq!(automated(&world, WEST).len(), 2, "while it is pending");
    }
    world.settle().await;
    let report = copy(&world, "2026-11-21T07:00:00Z").await;
    assert!(report.applied.is_empty(), "when it is completed");
    let copies = of_run(&world, WEST, FIRST);
    let mut sources: Vec<&str> = copies.iter().filter_map(|copy| tag(copy, "Source_SnapshotId")).collect();
    sources.sort_unstable();
    assert_eq!(sources, primaries);
}
