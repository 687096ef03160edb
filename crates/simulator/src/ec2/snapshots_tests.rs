//! What must hold for snapshots of volumes.

use crate::testing::{
    ACCOUNT, Look as _, Reply, call, instance_with_data, simulator, simulator_with, snapshot, volume,
};
use crate::{Simulator, SnapshotState};
use std::time::Duration;

const REGION: &str = "us-east-1";

fn create(sim: &Simulator, volume: &str) -> Reply {
    call(sim, REGION, "CreateSnapshot", &[("VolumeId", volume)])
}

fn states(sim: &Simulator) -> Vec<SnapshotState> {
    sim.snapshots(ACCOUNT, REGION).into_iter().map(|snapshot| snapshot.state).collect()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_pending_until_its_time() {
    let sim = simulator();
    let answer = create(&sim, &volume(&sim, REGION)).ok();
    assert_eq!((answer.first("status"), answer.first("progress")), ("pending".to_owned(), "0%".to_owned()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    let describe = || call(&sim, REGION, "DescribeSnapshots", &[("Owner.1", "self")]).ok();
    assert_eq!(describe().first("progress"), "50%");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((describe().first("status"), describe().first("progress")), ("completed".to_owned(), "100%".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_to_fail_ends_in_error_once() {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    sim.fail_snapshots_of(&volume, 1);
    for expected in [SnapshotState::Error, SnapshotState::Completed] {
        let id = create(&sim, &volume).ok().first("snapshotId");
        sim.skip(Duration::from_mins(1));
        let made = sim.snapshots(ACCOUNT, REGION).into_iter().find(|one| one.id == id).unwrap();
        assert_eq!((made.state, made.state_message.is_some()), (expected, expected == SnapshotState::Error));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_volume_waits_fifteen_seconds() {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    create(&sim, &volume).ok();
    sim.skip(Duration::from_secs(14));
    assert_eq!(create(&sim, &volume).code(), "SnapshotCreationPerVolumeRateExceeded");
    sim.skip(Duration::from_secs(1));
    create(&sim, &volume).ok();
}

#[tokio::test(start_paused = true)]
async fn pending_deleted_and_failed_snapshots_count_as_concurrent() {
    let sim = simulator_with(|config| config.snapshot_time = Duration::from_hours(1));
    let volume = volume(&sim, REGION);
    sim.fail_snapshots_of(&volume, 1);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(create(&sim, &volume).ok().first("snapshotId"));
        sim.skip(Duration::from_secs(15));
    }
    assert_eq!(create(&sim, &volume).code(), "ConcurrentSnapshotLimitExceeded");
    call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &made[1])]).ok();
    assert_eq!(create(&sim, &volume).code(), "ConcurrentSnapshotLimitExceeded", "deleted, but not over");
    sim.skip(Duration::from_hours(1));
    for _ in 0..4 {
        create(&sim, &volume).ok();
        sim.skip(Duration::from_secs(15));
    }
    assert_eq!(create(&sim, &volume).code(), "ConcurrentSnapshotLimitExceeded", "one failed and is still there");
    call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &made[0])]).ok();
    create(&sim, &volume).ok();
}

#[tokio::test(start_paused = true)]
async fn a_failed_snapshot_blocks_an_st1_volume_until_it_is_deleted() {
    let sim = simulator();
    let params = [("AvailabilityZone", "us-east-1a"), ("Size", "125"), ("VolumeType", "st1")];
    let volume = call(&sim, REGION, "CreateVolume", &params).ok().first("volumeId");
    sim.fail_snapshots_of(&volume, 1);
    let failed = create(&sim, &volume).ok().first("snapshotId");
    sim.skip(Duration::from_hours(24));
    assert_eq!(states(&sim), [SnapshotState::Error]);
    assert_eq!(create(&sim, &volume).code(), "ConcurrentSnapshotLimitExceeded");
    call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &failed)]).ok();
    create(&sim, &volume).ok();
    sim.skip(Duration::from_mins(1));
    create(&sim, &volume).ok();
}

#[tokio::test(start_paused = true)]
async fn a_public_snapshot_can_be_read_and_not_changed() {
    let sim = simulator();
    let mine = snapshot(&sim, REGION);
    let ids = call(&sim, REGION, "DescribeSnapshots", &[("Owner.1", "amazon")]).ok().texts("snapshotId");
    let public = ids[0].as_str();
    for (action, params) in [
        ("DeleteSnapshot", vec![("SnapshotId", public)]),
        ("CreateTags", vec![("ResourceId.1", mine.as_str()), ("ResourceId.2", public), ("Tag.1.Key", "Name")]),
        ("DeleteTags", vec![("ResourceId.1", public)]),
        ("LockSnapshot", vec![("SnapshotId", public), ("LockMode", "governance"), ("LockDuration", "1")]),
        ("UnlockSnapshot", vec![("SnapshotId", public)]),
    ] {
        let answer = call(&sim, REGION, action, &params);
        assert_eq!((answer.status, answer.code().as_str()), (403, "UnauthorizedOperation"), "{action}");
        assert!(answer.body.contains(public), "{}", answer.body);
    }
    assert!(sim.snapshots(ACCOUNT, REGION)[0].tags.is_empty(), "all or nothing");

    let made = [("AvailabilityZone", "us-east-1a"), ("SnapshotId", public)];
    call(&sim, REGION, "CreateVolume", &made).ok();
    assert!(sim.volumes(ACCOUNT, REGION).iter().any(|one| one.snapshot_id.as_deref() == Some(public) && one.size == 8));
    let image = [
        ("Name", "web"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", public),
    ];
    call(&sim, REGION, "RegisterImage", &image).ok();
    let source = [("SourceRegion", REGION), ("SourceSnapshotId", public)];
    for to in [REGION, "us-west-2"] {
        let copy = call(&sim, to, "CopySnapshot", &source).ok().first("snapshotId");
        sim.skip(Duration::from_mins(5));
        let copied = sim.snapshots(ACCOUNT, to).into_iter().find(|one| one.id == copy).unwrap();
        assert_eq!((copied.state, copied.owner.as_str()), (SnapshotState::Completed, ACCOUNT));
    }
    let elsewhere = call(&sim, "us-west-2", "DeleteSnapshot", &[("SnapshotId", public)]);
    assert_eq!(elsewhere.code(), "InvalidSnapshot.NotFound", "another region has others");
}

#[tokio::test(start_paused = true)]
async fn a_region_holds_so_many_snapshots() {
    let sim = simulator_with(|config| config.snapshot_limit = 1);
    create(&sim, &volume(&sim, REGION)).ok();
    assert_eq!(create(&sim, &volume(&sim, REGION)).code(), "SnapshotLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_set_is_refused_as_a_whole_and_the_volume_named() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    sim.refuse_snapshots_of(&data, "IncorrectState");
    let set = || call(&sim, REGION, "CreateSnapshots", &[("InstanceSpecification.InstanceId", &instance)]);
    let answer = set();
    assert_eq!(answer.code(), "IncorrectState");
    assert!(answer.body.contains(&data), "{}", answer.body);
    assert!(sim.snapshots(ACCOUNT, REGION).is_empty());
    sim.allow_snapshots_of(&data);
    assert_eq!(set().ok().texts("state"), ["pending", "pending"]);
}

#[tokio::test(start_paused = true)]
async fn a_set_fails_as_a_whole() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    sim.fail_snapshots_of(&data, 1);
    call(&sim, REGION, "CreateSnapshots", &[("InstanceSpecification.InstanceId", &instance)]).ok();
    sim.skip(Duration::from_mins(1));
    assert_eq!(states(&sim), [SnapshotState::Error, SnapshotState::Error]);
}

#[tokio::test(start_paused = true)]
async fn a_set_leaves_out_what_it_is_told_to() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    let root = sim.instances(ACCOUNT, REGION).remove(0).root_volume().unwrap().to_owned();
    let other = volume(&sim, REGION);
    let set = |more: &[(&str, &str)]| {
        let params = [[("InstanceSpecification.InstanceId", instance.as_str())].as_slice(), more].concat();
        call(&sim, REGION, "CreateSnapshots", &params)
    };
    let no_boot = ("InstanceSpecification.ExcludeBootVolume", "true");
    let without = |id| ("InstanceSpecification.ExcludeDataVolumeId.1", id);
    assert_eq!(set(&[without(root.as_str())]).code(), "InvalidParameterValue", "the root volume");
    assert_eq!(set(&[without(other.as_str())]).code(), "InvalidParameterValue", "a volume of no one");
    assert_eq!(set(&[no_boot, without(data.as_str())]).code(), "InvalidParameterValue", "nothing left");
    assert_eq!(set(&[no_boot]).ok().texts("volumeId"), [data.as_str()]);
    sim.skip(Duration::from_secs(15));
    assert_eq!(set(&[without(data.as_str())]).ok().texts("volumeId"), [root.as_str()]);
}

#[tokio::test(start_paused = true)]
async fn a_set_copies_tags_of_volumes_and_the_specified_ones_win() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    let tag = |key: &str, value: &str| {
        let params = [("ResourceId.1", data.as_str()), ("Tag.1.Key", key), ("Tag.1.Value", value)];
        call(&sim, REGION, "CreateTags", &params).ok();
    };
    tag("Name", "of the volume");
    tag("Only", "here");
    let params = [
        ("InstanceSpecification.InstanceId", instance.as_str()),
        ("InstanceSpecification.ExcludeBootVolume", "true"),
        ("CopyTagsFromSource", "volume"),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "specified"),
    ];
    call(&sim, REGION, "CreateSnapshots", &params).ok();
    let tags = sim.snapshots(ACCOUNT, REGION).remove(0).tags;
    let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(tags, [("Name", "specified"), ("Only", "here")]);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_ask_for_his_own_sees_public_snapshots_too() {
    let sim = simulator();
    let own = snapshot(&sim, REGION);
    let ids = |params: &[(&str, &str)]| call(&sim, REGION, "DescribeSnapshots", params).ok().texts("snapshotId");
    assert_eq!(ids(&[]).len(), 4);
    assert_eq!(ids(&[("Owner.1", "self")]), [own.as_str()]);
    assert_eq!(ids(&[("Owner.1", ACCOUNT)]), [own.as_str()]);
    assert_eq!(ids(&[("Owner.1", "amazon")]).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_snapshot_is_remembered_as_it_was() {
    let sim = simulator();
    let id = snapshot(&sim, REGION);
    let delete = || call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &id)]);
    delete().ok();
    assert_eq!(delete().code(), "InvalidSnapshot.NotFound");
    let deletions: Vec<String> = sim.deletions().into_iter().map(|deletion| deletion.snapshot.id).collect();
    assert_eq!(deletions, [id]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_takes_as_long_as_was_set_or_ends_when_it_is_hurried() {
    let sim = simulator();
    let (slow, quick, failing) = (volume(&sim, REGION), volume(&sim, REGION), volume(&sim, REGION));
    sim.set_snapshot_time(Duration::from_hours(24 * 7));
    create(&sim, &slow).ok();
    sim.fail_snapshots_of(&failing, 1);
    create(&sim, &failing).ok();
    sim.set_snapshot_time(Duration::from_secs(1));
    create(&sim, &quick).ok();
    sim.skip(Duration::from_hours(24));
    let of = |volume: &str| sim.snapshots(ACCOUNT, REGION).into_iter().find(|one| one.volume_id == volume).unwrap();
    assert_eq!(of(&quick).state, SnapshotState::Completed);
    assert_eq!((of(&slow).state, of(&failing).state), (SnapshotState::Pending, SnapshotState::Pending));
    sim.hurry(ACCOUNT, "us-west-2");
    assert_eq!(of(&slow).state, SnapshotState::Pending, "another region");
    sim.hurry(ACCOUNT, REGION);
    assert_eq!((of(&slow).state, of(&slow).completed_at), (SnapshotState::Completed, Some(sim.now())));
    assert_eq!(of(&failing).state, SnapshotState::Error);
}
