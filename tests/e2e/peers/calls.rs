//! How many calls it takes: others need two to twenty times as many as there is work to do.

use snapkeeper_core::run::Job;
use snapkeeper_tests::World;

use super::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, all_calls, back_up, calls_of, copy, day, deleted, each_taken_once,
    manage, standing,
};

/// 200 instances with 500 volumes: 504 calls by joshtrichards, 1,660 by `ebs_snapper`, 4,000 by shelvery; and 502, 665 and
/// 3,001 for the deletion of the 500 snapshots.
#[tokio::test(start_paused = true)]
async fn creation_and_deletion_make_hardly_a_call_too_many() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instances(100, &["/dev/sdf"], ENROLLED).await;
    operator.run_instances(100, &["/dev/sdf", "/dev/sdg"], ENROLLED).await;
    world.until(FIRST).await;
    world.simulator().forget_calls();
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 500));
    assert_eq!(calls_of(&report, "CreateSnapshots"), 200);
    assert!(all_calls(&report) <= 205, "{:?}", report.calls);
    assert_eq!(all_calls(&report), world.simulator().calls().len() as u64, "the report counts every call");
    world.settle().await;

    back_up(&world, &day(1)).await;
    world.until(LONG_AFTER).await;
    world.simulator().forget_calls();
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!((deleted(&world).len(), standing(&world, HOME).len()), (500, 500), "one day's go, the last day's stay");
    assert_eq!(calls_of(&report, "DeleteSnapshot"), 500);
    assert!(all_calls(&report) <= 508, "{:?}", report.calls);
    assert_eq!(all_calls(&report), world.simulator().calls().len() as u64, "the report counts every call");
}

/// 1,000 calls and polls by c7n for 500 copies.
#[tokio::test(start_paused = true)]
async fn a_full_destination_is_hardly_asked_in_vain() {
    let world = World::in_process();
    world.operator(HOME).await.run_instances(60, &[], COPIED).await;
    back_up(&world, FIRST).await;
    let mut all = 0;
    for at in ["2026-11-21T06:00:00Z", "2026-11-21T07:00:00Z", "2026-11-21T08:00:00Z"] {
        let report = copy(&world, at).await;
        assert_eq!(report.applied.len(), 20);
        all += all_calls(&report);
    }
    // a run reads both regions, and what is under way when the first is refused may be refused as well
    assert!(all <= 60 + 3 * (2 + 16), "{all}");
}
