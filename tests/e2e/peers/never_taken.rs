//! Backups that never happen, silently.

use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_simulator::{Config, Fault, FaultKind, Simulator, SnapshotState};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, instant},
};

use super::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, automated, back_up, back_up_daily, back_up_one, calls_of, copy,
    day, deleted, each_taken_once, manage, of_run, set, standing, tag,
};

/// joshtrichards: `int("2w")` ends the run, with half the fleet done and none of it dated.
#[tokio::test(start_paused = true)]
async fn one_malformed_retention_stops_nobody() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let mut instances = Vec::new();
    for retention in ["2w", "two weeks", "7"] {
        instances.push(operator.run_instance(&[], &[("Backup", "Yes"), ("Retention", retention)]).await);
    }
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert!(each_taken_once(&world, FIRST, 3));
    let dates = |at: &str| -> Vec<Option<String>> {
        let made = of_run(&world, HOME, at);
        let of = |instance: &String| made.iter().find(|it| tag(it, "Source_InstanceId") == Some(instance.as_str()));
        instances.iter().map(|it| of(it).and_then(|it| tag(it, "DeleteOn")).map(str::to_owned)).collect()
    };
    let date = |date: &str| Some(date.to_owned());
    assert_eq!(dates(FIRST), [date("2026-12-05"), None, date("2026-11-28")]);
    let told: Vec<_> = report.findings.iter().map(|finding| (finding.kind, finding.resource.as_str())).collect();
    assert_eq!(told, [(FindingKind::UnreadableTag, instances[1].as_str())]);

    operator.tag(&instances[1], "Retention", "2w").await;
    back_up(&world, &day(1)).await;
    assert_eq!(dates(FIRST)[1], date("2026-12-05"), "counted from the day on which it was taken");
    assert_eq!(dates(&day(1)), [date("2026-12-06"), date("2026-12-06"), date("2026-11-29")]);
}

/// joshtrichards, `ebs_snapper`: `DescribeInstances` is read without pages.
#[tokio::test(start_paused = true)]
async fn instances_past_the_first_page_are_backed_up() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instances(1_000, &[], ENROLLED).await;
    operator.run_instances(5, &[], ENROLLED).await;
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    assert_eq!(calls_of(&report, "DescribeInstances"), 2);
    assert!(each_taken_once(&world, FIRST, 1_005));

    let again = world.run_well(Job::Creator, HOME, FIRST).await;
    assert_eq!(calls_of(&again, "DescribeSnapshots"), 2);
    assert_eq!(again.applied.len(), 0, "snapshots past the first page are seen as well");
    assert!(each_taken_once(&world, FIRST, 1_005));
}

/// ebs-snapshot-scheduler, k8s-scheduled-volume-snapshotter: twelve days without snapshots after a shift.
#[tokio::test(start_paused = true)]
async fn a_daylight_saving_shift_costs_no_backup() {
    // at three in the morning in Berlin, each day
    check_runs(
        "2026-10-23T00:00:00Z",
        [
            ("2026-10-24T01:00:00Z", "2026-10-31"),
            ("2026-10-25T02:00:00Z", "2026-11-01"),
            ("2026-10-26T02:00:00Z", "2026-11-02"),
        ],
    )
    .await;
    check_runs(
        "2027-03-26T00:00:00Z",
        [
            ("2027-03-27T02:00:00Z", "2027-04-03"),
            ("2027-03-28T01:00:00Z", "2027-04-04"),
            ("2027-03-29T01:00:00Z", "2027-04-05"),
        ],
    )
    .await;
}

/// shelvery: the month is the run of the first, the week that of Sunday, and either may be missed.
#[tokio::test(start_paused = true)]
async fn a_missed_run_does_not_lose_the_month() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], &[("Backup", "Yes"), ("Retention", "7d 4w 12m")]).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    for (date, delete_on) in [
        ("2026-11-30", "2027-11-30"),
        // the first is missed: the second becomes the month's
        ("2026-12-02", "2027-12-02"),
        ("2026-12-03", "2026-12-10"),
        // Sunday is missed, and all before it: Monday is the week's anyway
        ("2026-12-07", "2027-01-04"),
        ("2026-12-08", "2026-12-15"),
        // the first ends in error: the second becomes the month's
        ("2027-01-01", "2028-01-01"),
        ("2027-01-02", "2028-01-02"),
        ("2027-01-03", "2027-01-10"),
    ] {
        if date == "2027-01-01" {
            world.simulator().fail_snapshots_of(&volume, 1);
        }
        let at = format!("{date}T05:00:00Z");
        back_up_one(&world, &at).await;
        assert_eq!(tag(&of_run(&world, HOME, &at)[0], "DeleteOn"), Some(delete_on), "{date}");
    }
}

/// aws-step-functions-ebs-snapshot-mgmt: AWS looks at the key after the call, and the tool no more.
#[tokio::test(start_paused = true)]
async fn a_copy_that_ends_in_error_is_reported_and_made_again() {
    let world = World::in_process().with("COPY_KMS_KEY", "alias/backup");
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], COPIED).await;
    let volume = operator.volumes(&instance).await.remove("/dev/xvda").expect("a root volume");
    back_up_one(&world, FIRST).await;
    let states = || -> Vec<SnapshotState> {
        let mut copies = automated(&world, WEST);
        copies.sort_by_key(|copy| copy.start_time);
        copies.into_iter().map(|copy| copy.state).collect()
    };
    copy(&world, "2026-11-21T06:00:00Z").await;
    assert_eq!(states(), [SnapshotState::Error], "there is no such key");
    assert_eq!(copies_told_to_have_failed(&world, "2026-11-21T07:00:00Z").await, [volume.as_str()]);

    copy(&world, "2026-11-21T08:00:00Z").await;
    assert_eq!(states(), [SnapshotState::Error, SnapshotState::Error], "it is tried again");

    world.simulator().create_key(ACCOUNT, WEST, "alias/backup");
    copy(&world, "2026-11-21T10:00:00Z").await;
    assert_eq!(states(), [SnapshotState::Error, SnapshotState::Error, SnapshotState::Completed]);
    assert!(copies_told_to_have_failed(&world, "2026-11-21T11:00:00Z").await.is_empty());
    let report = copy(&world, "2026-11-21T12:00:00Z").await;
    assert_eq!((report.applied.len(), states().len()), (0, 3), "and no more than it takes");
}

/// c7n: the ids that were to be deleted are listed as deleted.
#[tokio::test(start_paused = true)]
async fn a_failed_delete_is_not_reported_as_done() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    world.simulator().inject(Fault::new("DeleteSnapshot", FaultKind::Deny).on(&backups[0]).always());
    world.until(LONG_AFTER).await;
    let report = world.run(Job::Manager, HOME, LONG_AFTER).await;
    let resources = |all: &[snapkeeper_lambda::Told]| all.iter().map(|it| it.resource.clone()).collect::<Vec<_>>();
    assert_eq!(resources(&report.failed), [backups[0].as_str()]);
    assert!(report.failed[0].cause.contains("UnauthorizedOperation"), "{}", report.failed[0].cause);
    assert_eq!(report.applied.iter().map(|it| it.resource.as_str()).collect::<Vec<_>>(), [backups[1].as_str()]);
    assert_eq!(deleted(&world), set(&backups[1..2]));

    world.simulator().clear_faults();
    manage(&world, HOME, "2026-12-21T08:00:00Z").await;
    assert_eq!(standing(&world, HOME), set(&backups[2..]), "the next run does it");
}

/// Of which volumes the watcher says that a copy failed.
async fn copies_told_to_have_failed(world: &World, at: &str) -> Vec<String> {
    world.until(at).await;
    let report = world.run_well(Job::Watcher, HOME, at).await;
    let failed = report.findings.into_iter().filter(|finding| finding.kind == FindingKind::CopyFailed);
    failed.map(|finding| finding.resource).collect()
}

/// Each run takes its backup, on its own day, and the watcher never misses one.
async fn check_runs(start: &str, runs: [(&str, &str); 3]) {
    let world = World::of(Simulator::new(Config::starting(instant(start)))).with("TIME_ZONE", "Europe/Berlin");
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    for (at, delete_on) in runs {
        world.until(at).await;
        let watched = world.run_well(Job::Watcher, HOME, at).await;
        assert!(watched.findings.is_empty(), "{at}: {:?}", watched.findings);
        back_up_one(&world, at).await;
        assert_eq!(tag(&of_run(&world, HOME, at)[0], "DeleteOn"), Some(delete_on), "{at}");
    }
}
