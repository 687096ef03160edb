//! Data lost.

use chrono::{SecondsFormat, TimeDelta};
use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_simulator::{Fault, FaultKind, SnapshotState};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, instant},
};

use super::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, automated, back_up, back_up_daily, back_up_one, copy, day,
    deleted, manage, of_run, set, standing,
};

/// joshtrichards: honoured only where it is the last tag in the answer.
#[tokio::test(start_paused = true)]
async fn keep_forever_is_honoured_wherever_its_tag_stands() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 5).await;
    operator.tag(&backups[0], "KeepForever", "").await;
    for (key, value) in [("Aardvark", "before it"), ("KeepForever", "no")] {
        operator.tag(&backups[1], key, value).await;
    }
    for (key, value) in [("KeepForever", "true"), ("Zebra", "after it")] {
        operator.tag(&backups[2], key, value).await;
    }
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[3..4]), "and the fifth is the last good one");
    assert_eq!(report.kept_by_reason.get("keep_forever"), Some(&3));
}

/// `ebs_snapper`: seven expired, a minimum of five, all seven deleted.
#[tokio::test(start_paused = true)]
async fn seven_expired_backups_of_an_enrolled_volume_leave_the_last_good_one() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 7).await;
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[..6]));
    assert_eq!(standing(&world, HOME), set(&backups[6..]));
    assert_eq!(report.applied.len(), 6);
    manage(&world, HOME, "2027-01-20T08:00:00Z").await;
    assert_eq!(standing(&world, HOME), set(&backups[6..]), "nor does a later run take it");
}

/// `ebs_snapper`, sebdah: failed ones are counted among the newest that are to stay.
#[tokio::test(start_paused = true)]
async fn failed_snapshots_do_not_count_as_good_ones() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], ENROLLED).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    let good = back_up_one(&world, &day(0)).await;
    world.simulator().fail_snapshots_of(&volume, 2);
    let failed = [back_up_one(&world, &day(1)).await, back_up_one(&world, &day(2)).await];
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&failed));
    assert_eq!(standing(&world, HOME), set([&good]));
}

/// andypowe11: all copies are deleted before the new one is made, and then the copy fails.
#[tokio::test(start_paused = true)]
async fn the_last_good_copy_stays_while_newer_copies_fail() {
    let world = World::in_process().with("COPY_KMS_KEY", "alias/backup");
    world.simulator().create_key(ACCOUNT, WEST, "alias/backup");
    world.operator(HOME).await.run_instance(&[], COPIED).await;
    for number in 0..3 {
        if number == 2 {
            world.simulator().disable_key(ACCOUNT, WEST, "alias/backup");
        }
        back_up_one(&world, &day(number)).await;
        copy(&world, &day(number).replace("T05", "T06")).await;
    }
    let copies = automated(&world, WEST);
    let states: Vec<SnapshotState> = copies.iter().map(|copy| copy.state).collect();
    assert_eq!(states, [SnapshotState::Completed, SnapshotState::Completed, SnapshotState::Error]);
    manage(&world, WEST, LONG_AFTER).await;
    assert_eq!(standing(&world, WEST), set([&copies[1].id]));
}

/// `ebs_snapper`: the source is not on the only page that was read, so its copy goes.
#[tokio::test(start_paused = true)]
async fn a_copy_stays_though_its_source_is_missing_from_the_list() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], COPIED).await;
    let primaries = back_up_daily(&world, 2).await;
    copy(&world, "2026-11-22T06:00:00Z").await;
    let copies = standing(&world, WEST);
    assert_eq!(copies.len(), 2);
    for primary in &primaries {
        world.simulator().call("ec2", HOME, "DeleteSnapshot", &[("SnapshotId", primary)]).expect("DeleteSnapshot");
    }
    copy(&world, "2026-11-22T07:00:00Z").await;
    manage(&world, WEST, "2026-11-22T08:00:00Z").await;
    assert_eq!(standing(&world, WEST), copies);
    manage(&world, WEST, LONG_AFTER).await;
    assert_eq!(standing(&world, WEST), set([&of_run(&world, WEST, &day(1))[0].id]), "the last good one of its volume");
}

/// Nearly all: age decides, and after weeks of failing creation the last good backup goes.
#[tokio::test(start_paused = true)]
async fn the_last_good_backup_outlives_weeks_of_failing_creation() {
    let world = World::in_process();
    let instance = world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let good = back_up_one(&world, FIRST).await;
    world.simulator().inject(Fault::new("CreateSnapshot", FaultKind::Deny).always());
    for number in 1..=28 {
        world.until(&day(number)).await;
        let report = world.run(Job::Creator, HOME, &day(number)).await;
        assert_eq!(report.failed.len(), 1, "it is said on each day");
        manage(&world, HOME, &day(number)).await;
        let watched = world.run_well(Job::Watcher, HOME, &day(number)).await;
        let told = |finding: FindingKind| watched.findings.iter().any(|it| it.kind == finding);
        assert_eq!(told(FindingKind::NoRecentBackup), number > 1, "{instance} on day {number}");
    }
    assert_eq!(standing(&world, HOME), set([&good]));
    assert!(deleted(&world).is_empty());

    world.simulator().clear_faults();
    let newer = back_up(&world, &day(29)).await;
    manage(&world, HOME, &day(30)).await;
    assert_eq!(standing(&world, HOME), set(&newer), "it goes when there is a newer good one");
}

/// c7n: the date was in another time zone.
#[tokio::test(start_paused = true)]
async fn nothing_goes_a_day_early_in_another_time_zone() {
    // nine in the evening of the 20th, kept to the 27th
    check_zone("America/Los_Angeles", "2026-11-21T05:00:00Z", "2026-11-27T07:59:59Z", "2026-11-27T08:00:00Z").await;
    // one in the morning of the 22nd, kept to the 29th
    check_zone("Pacific/Auckland", "2026-11-21T12:00:00Z", "2026-11-28T10:59:59Z", "2026-11-28T11:00:00Z").await;
}

/// sebdah: counted among those to keep, and deleted. AWS Backup's cannot be deleted here (c7n).
#[tokio::test(start_paused = true)]
async fn hand_made_snapshots_are_neither_counted_nor_deleted() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], ENROLLED).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    let backups = back_up_daily(&world, 2).await;
    let of_others: [&[(&str, &str)]; 4] = [
        &[],
        &[("DeleteOn", "2026-11-01")],
        &[("Type", "automated"), ("DeleteOn", "2026-11-01")],
        &[("Type", "Manual"), ("DeleteOn", "2026-11-01")],
    ];
    let mut by_hand = Vec::new();
    for tags in of_others {
        by_hand.push(operator.snapshot_by_hand(&volume, tags).await);
        world.settle().await;
    }
    world.simulator().forget_calls();
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[..1]), "newer ones by hand do not make the last good one superfluous");
    let there: Vec<String> = world.simulator().snapshots(ACCOUNT, HOME).into_iter().map(|it| it.id).collect();
    assert!(by_hand.iter().all(|id| there.contains(id)));
    let asked = world.simulator().calls().into_iter().filter(|call| call.action == "DeleteSnapshot").count();
    assert_eq!(asked, 1, "no other was so much as tried");
}

/// What was taken at an instant stays to the last second before its day begins in that zone, and no longer.
async fn check_zone(zone: &str, taken: &str, last_second: &str, first_second: &str) {
    let world = World::in_process().with("TIME_ZONE", zone);
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let old = back_up_one(&world, taken).await;
    let next = instant(taken) + TimeDelta::days(1);
    back_up_one(&world, &next.to_rfc3339_opts(SecondsFormat::Secs, true)).await;
    manage(&world, HOME, last_second).await;
    assert!(deleted(&world).is_empty(), "{zone}: still the day before");
    manage(&world, HOME, first_second).await;
    assert_eq!(deleted(&world), set([&old]), "{zone}: its day has begun");
}
