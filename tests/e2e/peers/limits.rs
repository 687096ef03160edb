//! Limits.

use std::collections::BTreeSet;

use snapkeeper_core::run::Job;
use snapkeeper_simulator::{Call, Outcome, SnapshotState};
use snapkeeper_tests::{World, world::ACCOUNT};

use super::{COPIED, FIRST, HOME, WEST, automated, back_up, back_up_one, copy, tag};

/// aws-step-functions-ebs, shelvery: copies past the destination's quota fail one after the other.
#[tokio::test(start_paused = true)]
async fn copies_past_the_quota_wait_for_the_next_run() {
    let world = World::in_process();
    world.operator(HOME).await.run_instances(25, &[], COPIED).await;
    let primaries = back_up(&world, FIRST).await;
    world.simulator().forget_calls();
    let first = copy(&world, "2026-11-21T06:00:00Z").await;
    assert_eq!((first.applied.len(), first.unfinished.len(), first.failed.len()), (20, 5, 0));
    assert!(first.unfinished.iter().all(|left| left.cause.contains(WEST)), "{:?}", first.unfinished);
    let refused = world.simulator().calls().into_iter().filter(is_refused).count();
    assert!((1..=5).contains(&refused), "{refused}");

    let next = copy(&world, "2026-11-21T07:00:00Z").await;
    assert_eq!((next.applied.len(), next.unfinished.len(), next.failed.len()), (5, 0, 0));
    let copies = automated(&world, WEST);
    let sources: BTreeSet<&str> = copies.iter().filter_map(|copy| tag(copy, "Source_SnapshotId")).collect();
    assert_eq!((copies.len(), sources.len()), (25, primaries.len()));
    assert!(copies.iter().all(|copy| copy.state == SnapshotState::Completed));
}

/// c7n: copying all tags fails, of `aws:` tags and past the fiftieth. (None but AWS can write the former.)
#[tokio::test(start_paused = true)]
async fn fifty_tags_on_a_snapshot_do_not_stop_its_copy() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], &[COPIED, &[("Name", "db")]].concat()).await;
    let primary = back_up_one(&world, FIRST).await;
    let there = world.simulator().snapshots(ACCOUNT, HOME)[0].tags.len();
    for number in there..50 {
        operator.tag(&primary, &format!("Apart-{number:02}"), "x").await;
    }
    assert_eq!(world.simulator().snapshots(ACCOUNT, HOME)[0].tags.len(), 50);
    copy(&world, "2026-11-21T06:00:00Z").await;
    let copies = automated(&world, WEST);
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].tags.len(), 49, "there is room for a hold that comes later");
    for (key, value) in [
        ("DeleteOn", "2026-11-28"),
        ("Backup_Run", FIRST),
        ("Source_SnapshotId", primary.as_str()),
        ("Source_Region", HOME),
        ("Name", "db"),
    ] {
        assert_eq!(tag(&copies[0], key), Some(value), "{key}");
    }
    for key in ["Source_VolumeId", "Source_InstanceId", "Source_Devices"] {
        assert!(tag(&copies[0], key).is_some(), "{key}");
    }
}

/// joshtrichards 0.0.4: a pending snapshot is copied, and the copy ends in `error`.
#[tokio::test(start_paused = true)]
async fn a_pending_snapshot_is_not_copied() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], COPIED).await;
    world.until(FIRST).await;
    world.run_well(Job::Creator, HOME, FIRST).await;
    world.run_well(Job::Copier, HOME, FIRST).await;
    assert!(world.simulator().calls().iter().all(|call| call.action != "CopySnapshot"));
    world.settle().await;
    copy(&world, "2026-11-21T06:00:00Z").await;
    let copies = automated(&world, WEST);
    assert_eq!(copies.iter().map(|copy| copy.state).collect::<Vec<_>>(), [SnapshotState::Completed]);
}

fn is_refused(call: &Call) -> bool {
    match &call.answer {
        Outcome::Error { code, .. } => code == "ResourceLimitExceeded",
        Outcome::Ok | Outcome::Cut => false,
    }
}
