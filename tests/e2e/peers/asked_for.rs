//! What people ask for, in vain or for years.

use std::collections::BTreeSet;

use snapkeeper_core::run::Job;
use snapkeeper_simulator::SnapshotState;
use snapkeeper_tests::{World, world::ACCOUNT};

use super::{
    ENROLLED, FIRST, HOME, IRELAND, LONG_AFTER, WEST, automated, back_up_daily, back_up_one, copy, day, deleted,
    manage, of_run, standing, tag,
};

/// c7n, since 2016: keep days, weeks and months together.
#[tokio::test(start_paused = true)]
async fn days_weeks_and_months_can_be_kept_together() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], &[("Backup", "Yes"), ("Retention", "3d 2w 2m")]).await;
    for number in 0..=40 {
        back_up_one(&world, &day(number)).await;
        manage(&world, HOME, &day(number)).await;
    }
    let backups = automated(&world, HOME);
    let days: Vec<&str> = backups.iter().filter_map(|backup| tag(backup, "Backup_Run")?.get(..10)).collect();
    let months = ["2026-11-21", "2026-12-01"];
    let weeks = ["2026-12-21", "2026-12-28"];
    let last_days = ["2026-12-29", "2026-12-30", "2026-12-31"];
    assert_eq!(days, [months.as_slice(), &weeks, &last_days].concat());
}

/// `ebs_snapper`: leave volumes out.
#[tokio::test(start_paused = true)]
async fn volumes_can_be_left_out() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let mut expected = BTreeSet::new();
    for left_out in ["/dev/sdf", "/dev/xvda"] {
        let instance = operator.run_instance(&["/dev/sdf", "/dev/sdg"], ENROLLED).await;
        let mut volumes = operator.volumes(&instance).await;
        let volume = volumes.remove(left_out).expect("a volume");
        operator.tag(&volume, "Backup", "No").await;
        expected.extend(volumes.into_values());
    }
    world.until(FIRST).await;
    let report = world.run_well(Job::Creator, HOME, FIRST).await;
    let made: Vec<String> = of_run(&world, HOME, FIRST).into_iter().map(|snapshot| snapshot.volume_id).collect();
    assert_eq!(made.len(), 4);
    assert_eq!(made.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(super::calls_of(&report, "CreateSnapshots"), 2, "the others are still one set each");
    world.settle().await;
    world.until(&day(1)).await;
    let watched = world.run_well(Job::Watcher, HOME, &day(1)).await;
    assert!(watched.findings.is_empty(), "nor is anybody asked for them: {:?}", watched.findings);
}

/// Several copy regions.
#[tokio::test(start_paused = true)]
async fn a_backup_can_be_copied_to_several_regions() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], &[("Backup", "Yes"), ("Copy_Dest", "eu-west-1, us-west-2")]).await;
    let primary = back_up_one(&world, FIRST).await;
    copy(&world, "2026-11-21T06:00:00Z").await;
    for region in [WEST, IRELAND] {
        let copies = automated(&world, region);
        assert_eq!(copies.len(), 1, "{region}");
        assert_eq!(tag(&copies[0], "Source_SnapshotId"), Some(primary.as_str()), "{region}");
        assert_eq!(copies[0].state, SnapshotState::Completed, "{region}");
    }
}

/// Encrypt copies with a key of their region.
#[tokio::test(start_paused = true)]
async fn copies_are_encrypted_again_with_the_key_of_their_region() {
    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let world = World::in_process().with("COPY_KMS_KEY", KEY);
    world.simulator().create_key(ACCOUNT, WEST, KEY);
    let operator = world.operator(HOME).await;
    let tags = [("Backup", "Yes"), ("Copy_Dest", WEST)];
    let instance = operator.run_instance(&[], &tags).await;
    let encrypted = operator.ec2.create_volume().availability_zone("us-east-1a").size(8).encrypted(true);
    let encrypted = encrypted.send().await.expect("CreateVolume").volume_id.expect("an id");
    let attach = operator.ec2.attach_volume().volume_id(&encrypted).instance_id(&instance).device("/dev/sdf");
    attach.send().await.expect("AttachVolume");
    super::back_up(&world, FIRST).await;
    let primaries = automated(&world, HOME);
    assert_eq!(primaries.iter().filter(|primary| primary.encrypted).count(), 1, "one of the two, with another key");

    copy(&world, "2026-11-21T06:00:00Z").await;
    let copies = automated(&world, WEST);
    assert_eq!(copies.len(), 2);
    for copy in copies {
        let key = format!("arn:aws:kms:{WEST}:{ACCOUNT}:key/{KEY}");
        assert_eq!((copy.kms_key_id, copy.state), (Some(key), SnapshotState::Completed));
    }
}

/// An alert when a daily snapshot did not happen.
#[tokio::test(start_paused = true)]
async fn a_daily_snapshot_that_did_not_happen_is_told() {
    let world = World::in_process().with("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts");
    world.simulator().call("sns", HOME, "CreateTopic", &[("Name", "alerts")]).expect("CreateTopic");
    let instance = world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    back_up_one(&world, FIRST).await;
    for at in ["2026-11-22T05:00:00Z", "2026-11-22T11:00:00Z"] {
        world.until(at).await;
        world.run_well(Job::Watcher, HOME, at).await;
    }
    assert!(world.simulator().published().is_empty(), "it is not thirty hours yet");
    world.until("2026-11-22T11:00:01Z").await;
    world.run_well(Job::Watcher, HOME, "2026-11-22T11:00:01Z").await;
    let published = world.simulator().published();
    assert_eq!(published.len(), 1);
    assert!(published[0].message.contains(&instance), "{}", published[0].message);
    assert!(published[0].message.contains(FIRST), "it says when the last good one was: {}", published[0].message);
}

/// A dry run. (That it changes nothing, whatever the job, is told in `faults`.)
#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_the_run_then_does() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 2).await;
    world.until(LONG_AFTER).await;
    let planned = world.dry_run(Job::Manager, HOME, LONG_AFTER).await;
    assert_eq!(planned.planned.iter().map(|step| step.resource.as_str()).collect::<Vec<_>>(), [backups[0].as_str()]);
    assert!(planned.applied.is_empty());
    assert!(deleted(&world).is_empty());
    let done = manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(done.applied, planned.planned);
    assert_eq!(standing(&world, HOME).len(), 1);
}

/// c7n: lock snapshots. Who locks one finds it still there, and nothing fails.
#[tokio::test(start_paused = true)]
async fn a_locked_snapshot_stays_and_fails_nobody() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    operator.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(&world, 3).await;
    let lock = operator.ec2.lock_snapshot().snapshot_id(&backups[0]).lock_mode("governance".into()).lock_duration(3650);
    lock.send().await.expect("LockSnapshot");
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), super::set(&backups[1..2]));
}

/// c7n: archive snapshots. One that was archived expires like any other, and nobody tries to copy it.
#[tokio::test(start_paused = true)]
async fn an_archived_snapshot_is_not_copied_and_expires() {
    let world = World::in_process();
    world.operator(HOME).await.run_instance(&[], &[ENROLLED, &[("Copy_Dest", WEST)]].concat()).await;
    let backups = back_up_daily(&world, 2).await;
    world.simulator().archive(ACCOUNT, HOME, &backups[0]);
    copy(&world, &day(2)).await;
    assert_eq!(automated(&world, WEST).len(), 1);
    manage(&world, HOME, LONG_AFTER).await;
    assert_eq!(deleted(&world), super::set(&backups[..1]));
}

/// Proof that a backup can be restored: what its tags tell is enough to build the same layout again.
#[tokio::test(start_paused = true)]
async fn what_the_tags_tell_is_enough_to_restore() {
    let world = World::in_process();
    let operator = world.operator(HOME).await;
    let lost = operator.run_instance(&["/dev/sdf", "/dev/sdg"], ENROLLED).await;
    let layout = operator.volumes(&lost).await;
    super::back_up(&world, FIRST).await;
    operator.terminate(&lost).await;

    let members = of_run(&world, HOME, FIRST);
    let devices = tag(&members[0], "Source_Devices").expect("a layout");
    let new = operator.run_instance(&[], &[]).await;
    let zone = "us-east-1a";
    for word in devices.split(' ') {
        let (device, volume) = word.split_once('=').expect("a device and its volume");
        let snapshot = members.iter().find(|member| member.volume_id == volume).expect("a snapshot of it");
        let made = operator.ec2.create_volume().snapshot_id(&snapshot.id).availability_zone(zone).send().await;
        let made = made.expect("CreateVolume").volume_id.expect("an id");
        // the new instance has a root of its own
        if device != "/dev/xvda" {
            let attach = operator.ec2.attach_volume().instance_id(&new).volume_id(made).device(device);
            attach.send().await.expect("AttachVolume");
        }
    }
    let restored: Vec<String> = operator.volumes(&new).await.into_keys().collect();
    assert_eq!(restored, layout.into_keys().collect::<Vec<_>>());
}
