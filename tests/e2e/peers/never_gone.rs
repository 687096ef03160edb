//! Snapshots that never go away.

use std::{collections::BTreeSet, time::Duration};

use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Deadline, Report};
use snapkeeper_simulator::{Call, Fault, FaultKind};
use snapkeeper_tests::{World, world::ACCOUNT};

use super::{
    COPIED, ENROLLED, FIRST, HOME, LONG_AFTER, WEST, answering_after, automated, back_up, back_up_daily, copy, day,
    deleted, manage, of_run, register_image, set, standing,
};

/// joshtrichards: `DeleteOn == today`, and a missed day leaks for ever; `ebs_snapper`: after eight days.
#[tokio::test(start_paused = true)]
async fn a_missed_day_is_caught_up() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 4).await;
    manage(&world, HOME, "2026-11-27T08:00:00Z").await;
    assert!(deleted(&world).is_empty(), "no day has come yet");
    manage(&world, HOME, "2027-03-01T08:00:00Z").await;
    assert_eq!(deleted(&world), set(&backups[..3]), "nobody ran for three months");
}

/// cmachler, osiegmar, joshtrichards: created first and tagged then; 165 orphans after a run was killed.
#[tokio::test(start_paused = true)]
async fn the_tags_are_in_the_call_that_creates() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], COPIED).await;
    operator.run_instance(&["/dev/sdf"], COPIED).await;
    world.simulator().forget_calls();
    back_up(&world, FIRST).await;
    copy(&world, "2026-11-21T06:00:00Z").await;

    let calls = world.simulator().calls();
    assert!(calls.iter().all(|call| call.action != "CreateTags"), "no snapshot was ever without them");
    let creating = |action: &str| calls.iter().filter(|call| call.action == action).map(tag_keys).collect::<Vec<_>>();
    let primary =
        ["Type", "DeleteOn", "Backup_Run", "Source_InstanceId", "Source_Region", "Source_Devices", "Copy_Dest"];
    let copied = [
        "Type",
        "DeleteOn",
        "Backup_Run",
        "Source_InstanceId",
        "Source_Region",
        "Source_Devices",
        "Source_VolumeId",
        "Source_SnapshotId",
    ];
    for (action, count, wanted) in [
        ("CreateSnapshot", 1, primary.as_slice()),
        ("CreateSnapshots", 1, primary.as_slice()),
        ("CopySnapshot", 3, copied.as_slice()),
    ] {
        let keys = creating(action);
        assert_eq!(keys.len(), count, "{action}");
        for keys in keys {
            assert!(wanted.iter().all(|key| keys.contains(*key)), "{action} has only {keys:?}");
        }
    }
}

/// `ebs_snapper`: 5,987 snapshots past their date, since their instance is gone.
#[tokio::test(start_paused = true)]
async fn backups_of_a_terminated_instance_expire() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&["/dev/sdf"], COPIED).await;
    back_up(&world, FIRST).await;
    copy(&world, "2026-11-21T06:00:00Z").await;
    operator.terminate(&instance).await;
    manage(&world, HOME, "2026-11-27T08:00:00Z").await;
    assert_eq!(standing(&world, HOME).len(), 2, "not before their day");
    manage(&world, HOME, LONG_AFTER).await;
    manage(&world, WEST, LONG_AFTER).await;
    assert!(standing(&world, HOME).is_empty());
    assert!(standing(&world, WEST).is_empty(), "nor do their copies stay");
}

/// AWS DLM: stops managing the snapshots of a volume that was deleted.
#[tokio::test(start_paused = true)]
async fn backups_of_a_deleted_volume_expire() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&["/dev/sdf"], ENROLLED).await;
    let data = operator.volumes(&instance).await.remove("/dev/sdf").expect("a data volume");
    back_up(&world, FIRST).await;
    operator.ec2.detach_volume().volume_id(&data).send().await.expect("DetachVolume");
    operator.ec2.delete_volume().volume_id(&data).send().await.expect("DeleteVolume");
    let newest = back_up(&world, &day(1)).await;
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(newest.len(), 1);
    assert_eq!(standing(&world, HOME), set(&newest), "the last good one of the volume that is still there");
}

/// c7n: the snapshot of an image fails the chunk, and a disabled image is not listed unless it is asked for.
#[tokio::test(start_paused = true)]
async fn a_snapshot_of_a_disabled_image_stays_and_fails_nobody() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 4).await;
    register_image(&world, "registered", &backups[0]);
    let disabled = register_image(&world, "disabled", &backups[1]);
    world.simulator().call("ec2", HOME, "DisableImage", &[("ImageId", &disabled)]).expect("DisableImage");
    world.simulator().forget_calls();
    let report = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), set(&backups[2..3]));
    assert_eq!(report.kept_by_reason.get("in_use"), Some(&2));
    let tried = world.simulator().calls().into_iter().filter(|call| call.action == "DeleteSnapshot").count();
    assert_eq!(tried, 1);
}

/// c7n: one that cannot be deleted, such as AWS Backup's, fails the chunk of fifty around it.
#[tokio::test(start_paused = true)]
async fn one_snapshot_that_cannot_be_deleted_stops_no_other() {
    let world = World::in_process();
    world.operator(HOME).await.run_instances(30, &[], ENROLLED).await;
    let due = back_up(&world, &day(0)).await;
    let last = back_up(&world, &day(1)).await;
    let refused = FaultKind::Status { status: 400, code: "InvalidParameterValue".to_owned() };
    world.simulator().inject(Fault::new("DeleteSnapshot", FaultKind::Deny).on(&due[0]).always());
    world.simulator().inject(Fault::new("DeleteSnapshot", refused).on(&due[17]).always());
    world.until(LONG_AFTER).await;
    let report = world.run(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!((report.applied.len(), report.failed.len()), (28, 2));
    let stuck: BTreeSet<String> = report.failed.into_iter().map(|it| it.resource).collect();
    assert_eq!(stuck, set([&due[0], &due[17]]));
    assert_eq!(standing(&world, HOME), set(last.iter().chain([&due[0], &due[17]])));
}

/// shelvery, `ebs_snapper`: clean-up does not finish in time, every day anew.
#[tokio::test(start_paused = true)]
async fn clean_up_that_runs_out_of_time_goes_on_in_the_next_run() {
    let world = answering_after(Duration::from_secs(10));
    world.operator(HOME).await.run_instances(40, &[], ENROLLED).await;
    let due = back_up(&world, &day(0)).await;
    back_up(&world, &day(1)).await;
    // 50 seconds for reading, then 16 deletions in each 10 seconds, none begun after 67
    let first = manage_within(&world, Duration::from_secs(90), LONG_AFTER).await;
    assert_eq!((first.applied.len(), first.unfinished.len(), first.failed.len()), (32, 8, 0));
    assert_eq!(deleted(&world).len(), 32);
    let next = manage_within(&world, Duration::from_secs(90), "2026-12-21T08:00:00Z").await;
    assert_eq!((next.applied.len(), next.unfinished.len(), next.failed.len()), (8, 0, 0));
    assert_eq!(deleted(&world), set(&due));
}

/// Everything that a snapshot's later life needs is there although its run was killed; see `faults`.
#[tokio::test(start_paused = true)]
async fn a_killed_run_leaves_no_orphans() {
    let world = answering_after(Duration::from_secs(1));
    world.operator(HOME).await.run_instances(20, &[], ENROLLED).await;
    world.until(FIRST).await;
    let run = world.run(Job::Creator, HOME, FIRST);
    assert!(tokio::time::timeout(Duration::from_millis(3_500), run).await.is_err(), "killed after 3.5 seconds");
    let there = world.simulator().snapshots(ACCOUNT, HOME).len();
    assert!(there > 0 && there < 20, "{there}");
    assert_eq!(of_run(&world, HOME, FIRST).len(), there, "each is automated");
    assert!(automated(&world, HOME).iter().all(|snapshot| snapshot.tags.contains_key("DeleteOn")), "and dated");
}

/// Runs the manager with so much time.
async fn manage_within(world: &World, time: Duration, at: &str) -> Report {
    world.until(at).await;
    let mut context = world.context(Job::Manager, HOME, at);
    context.deadline = Deadline::within(time);
    world.run_in(&context).await
}

/// The keys of the tags that a call carries.
fn tag_keys(call: &Call) -> BTreeSet<String> {
    let is_key = |name: &str| name.starts_with("TagSpecification.1.Tag.") && name.ends_with(".Key");
    call.params.iter().filter(|(name, _)| is_key(name)).map(|(_, key)| key.clone()).collect()
}
