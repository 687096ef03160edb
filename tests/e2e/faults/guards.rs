//! What the manager's guards hold: for each a snapshot that would go without it, beside one that goes.

use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::SnapshotState;
use snapkeeper_tests::{World, operator::Operator};

use super::made;
use crate::peers::{
    COPIED, ENROLLED, HOME, LONG_AFTER, WEST, automated, back_up, back_up_daily, copy, day, deleted, manage,
    register_image, set, standing,
};

#[tokio::test(start_paused = true)]
async fn keep_forever_holds_a_snapshot() {
    let (world, operator, backups) = expired().await;
    operator.tag(&backups[0], "KeepForever", "").await;
    check(&world, &backups, Some("keep_forever")).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_automated_any_more_stays() {
    let (world, operator, backups) = expired().await;
    untag(&world, &backups[0], "Type");
    check(&world, &backups, None).await;
    operator.tag(&backups[0], "Type", "AUTOMATED").await;
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[1..2]));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_tomorrow_stays_until_then() {
    let (world, operator, backups) = expired().await;
    operator.tag(&backups[0], "DeleteOn", "2026-12-21").await;
    check(&world, &backups, Some("not_due")).await;
    manage(&world, HOME, "2026-12-20T23:59:59Z").await;
    assert_eq!(deleted(&world), set(&backups[1..2]));
    manage(&world, HOME, "2026-12-21T00:00:00Z").await;
    assert_eq!(deleted(&world), set(&backups[..2]));
}

#[tokio::test(start_paused = true)]
async fn what_is_undated_stays() {
    let (world, _, backups) = expired().await;
    untag(&world, &backups[0], "DeleteOn");
    check(&world, &backups, Some("undated")).await;
}

#[tokio::test(start_paused = true)]
async fn a_date_that_cannot_be_read_deletes_nothing() {
    for date in ["2026-12-1", "01.12.2026", "2026-02-29", "yesterday", ""] {
        let (world, operator, backups) = expired().await;
        operator.tag(&backups[0], "DeleteOn", date).await;
        let report = check(&world, &backups, Some("unreadable_date")).await;
        let told: Vec<_> = report.findings.iter().map(|finding| (finding.kind, finding.resource.as_str())).collect();
        assert_eq!(told, [(FindingKind::UnreadableTag, backups[0].as_str())], "{date:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_holds_its_snapshots() {
    let (world, _, backups) = expired().await;
    let image = register_image(&world, "golden", &backups[0]);
    check(&world, &backups, Some("in_use")).await;
    world.simulator().call("ec2", HOME, "DeregisterImage", &[("ImageId", &image)]).expect("DeregisterImage");
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[..2]), "until it is deregistered");
}

#[tokio::test(start_paused = true)]
async fn a_lock_holds_a_snapshot_until_it_expires() {
    let (world, _, backups) = expired().await;
    let lock = [("SnapshotId", backups[0].as_str()), ("LockMode", "compliance"), ("LockDuration", "30")];
    world.simulator().call("ec2", HOME, "LockSnapshot", &lock).expect("LockSnapshot");
    check(&world, &backups, Some("locked")).await;
    manage(&world, HOME, "2026-12-24T08:00:00Z").await;
    assert_eq!(deleted(&world), set(&backups[..2]));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_one_stays_while_its_volume_is_enrolled() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 2).await;
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!((deleted(&world), report.kept_by_reason.get("last_good")), (set(&backups[..1]), Some(&1)));

    operator.tag(&instance, "Backup", "Yse").await;
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!((deleted(&world), report.kept_by_reason.get("last_good_perhaps")), (set(&backups[..1]), Some(&1)));

    operator.tag(&instance, "Backup", "No").await;
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups), "nobody asks for it any more");
}

#[tokio::test(start_paused = true)]
async fn a_pending_snapshot_does_not_make_the_last_good_one_superfluous() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 2).await;
    world.until(LONG_AFTER).await;
    world.run_well(Job::Creator, HOME, LONG_AFTER).await;
    assert_eq!(automated(&world, HOME)[2].state, SnapshotState::Pending);
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[..1]));
    world.settle().await;
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups), "but when it is completed");
}

#[tokio::test(start_paused = true)]
async fn a_hold_on_a_primary_holds_its_copies_too() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], COPIED).await;
    let backups = back_up_daily(&world, 3).await;
    copy(&world, "2026-11-23T06:00:00Z").await;
    operator.tag(&backups[0], "KeepForever", "").await;
    copy(&world, "2026-11-23T07:00:00Z").await;
    let copies: Vec<String> = automated(&world, WEST).into_iter().map(|copy| copy.id).collect();
    assert_eq!(copies.len(), 3);
    let report = manage(&world, WEST, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&copies[1..2]));
    assert_eq!(report.kept_by_reason.get("keep_forever"), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn fifty_deletions_at_once_pass_and_more_are_held_by_the_brake() {
    for (instances, due, held) in [(25, 50, false), (26, 52, true)] {
        let world = World::in_process();
        world.operator(HOME).await.run_instances(instances, &[], ENROLLED).await;
        for number in 0..3 {
            back_up(&world, &day(number)).await;
        }
        world.until(LONG_AFTER).await;
        let report = world.run(Job::Manager, HOME, LONG_AFTER).await;
        if !held {
            assert_eq!((deleted(&world).len(), report.failed.len()), (due, 0));
            continue;
        }
        assert!(made(&world, "DeleteSnapshot").is_empty(), "not one is so much as tried");
        assert_eq!(report.kept_by_reason.get("brake"), Some(&due));
        assert_eq!(report.failed.len(), 1);
        assert!(report.failed[0].cause.contains("brake"), "{}", report.failed[0].cause);

        let mut context = world.context(Job::Manager, HOME, LONG_AFTER);
        context.run.settings.max_delete_percent = 100;
        let report = world.run_in(&context).await;
        assert_eq!((deleted(&world).len(), report.failed.len()), (due, 0), "as it says itself");
    }
}

/// A volume with three backups, all expired long after; and an operator.
async fn expired() -> (World, Operator, Vec<String>) {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    (world, operator, backups)
}

/// Takes a tag off a snapshot.
fn untag(world: &World, snapshot: &str, key: &str) {
    let call = [("ResourceId.1", snapshot), ("Tag.1.Key", key)];
    world.simulator().call("ec2", HOME, "DeleteTags", &call).expect("DeleteTags");
}

/// Of three expired backups the first is held, for that reason; the second goes; and the third is the last good one.
async fn check(world: &World, backups: &[String], reason: Option<&str>) -> Report {
    let report = manage(world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(world), set(&backups[1..2]), "{reason:?}");
    let called = made(world, "DeleteSnapshot");
    assert_eq!(called.len(), 1, "{reason:?}: what is held is not so much as tried");
    if let Some(reason) = reason {
        assert_eq!(report.kept_by_reason.get(reason), Some(&1), "{:?}", report.kept);
        assert!(standing(world, HOME).contains(&backups[0]), "{reason}");
    }
    assert_eq!(report.kept_by_reason.get("last_good"), Some(&1), "{:?}", report.kept);
    report
}
