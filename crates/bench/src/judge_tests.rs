use super::*;
use chrono::TimeDelta;
use snapkeeper_simulator::{Config, OPERATOR};
use std::time::Duration;

const ACCOUNT: &str = "123456789012";
const HOME: &str = "us-east-1";
const AWAY: &str = "us-west-2";
const DAY: &str = "2026-11-21";

fn simulator() -> Simulator {
    let mut config = Config::starting(DateTime::from_timestamp(1_795_237_200, 0).unwrap());
    config.accounts = vec![(OPERATOR.to_owned(), ACCOUNT.to_owned())];
    Simulator::new(config)
}

fn day() -> NaiveDate {
    DAY.parse().unwrap()
}

fn before(sim: &Simulator, task: Task) -> Before {
    Before::of(sim, ACCOUNT, HOME, &task, day())
}

/// Calls, and returns the first text of this element.
#[track_caller]
fn call(sim: &Simulator, region: &str, action: &str, element: &str, params: &[(&str, &str)]) -> String {
    sim.call("ec2", region, action, params).unwrap().text(element).unwrap_or_default()
}

#[track_caller]
fn tag(sim: &Simulator, region: &str, id: &str, tags: &[(&str, &str)]) {
    for (key, value) in tags {
        call(sim, region, "CreateTags", "return", &[("ResourceId.1", id), ("Tag.1.Key", key), ("Tag.1.Value", value)]);
    }
}

/// The volume of a new instance that is enrolled.
#[track_caller]
fn enrolled_volume(sim: &Simulator) -> String {
    let params = [("ImageId", "ami-12345678"), ("MinCount", "1"), ("MaxCount", "1")];
    let instance = call(sim, HOME, "RunInstances", "instanceId", &params);
    tag(sim, HOME, &instance, &[("Backup", "Yes")]);
    sim.look(ACCOUNT, HOME, |sight| sight.instances[&instance].devices.values().next().cloned()).unwrap()
}

/// A new snapshot with these tags; a minute later it is completed.
#[track_caller]
fn snapshot(sim: &Simulator, volume: &str, tags: &[(&str, &str)]) -> String {
    let id = call(sim, HOME, "CreateSnapshot", "snapshotId", &[("VolumeId", volume)]);
    tag(sim, HOME, &id, tags);
    sim.skip(Duration::from_mins(1));
    id
}

#[track_caller]
fn copy(sim: &Simulator, source: &str, tags: &[(&str, &str)]) {
    let params = [("SourceRegion", HOME), ("SourceSnapshotId", source)];
    let id = call(sim, AWAY, "CopySnapshot", "snapshotId", &params);
    tag(sim, AWAY, &id, tags);
    sim.skip(Duration::from_mins(10));
}

#[track_caller]
fn delete(sim: &Simulator, id: &str) {
    call(sim, HOME, "DeleteSnapshot", "return", &[("SnapshotId", id)]);
}

const EXPIRES: &[(&str, &str)] = &[("Type", "Automated"), ("DeleteOn", "2026-12-01")];
const DUE: &[(&str, &str)] = &[("Type", "Automated"), ("DeleteOn", DAY)];

#[tokio::test(start_paused = true)]
async fn a_volume_is_protected_by_one_snapshot_in_the_terms_of_its_maker() {
    let sim = simulator();
    let volumes = [enrolled_volume(&sim), enrolled_volume(&sim)];
    let before = before(&sim, Task::Create);
    snapshot(&sim, &volumes[0], EXPIRES);
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!((found.volumes, found.protected, found.missing), (2, 1, 1));
    assert_eq!((found.duplicates, found.orphans, found.wrongly_deleted), (0, 0, 0));
    assert_eq!(judge(&sim, &before, Terms::Snapkeeper).protected, 0, "it could not find that one again");
}

#[tokio::test(start_paused = true)]
async fn a_second_snapshot_is_a_duplicate_and_one_without_tags_an_orphan() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    snapshot(&sim, &volume, &[]);
    let before = before(&sim, Task::Create);
    snapshot(&sim, &volume, EXPIRES);
    snapshot(&sim, &volume, &[]);
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!((found.volumes, found.protected, found.missing), (1, 0, 0));
    assert_eq!((found.duplicates, found.orphans), (1, 1), "what was there before is nobody's fault");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_fails_protects_nothing() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let before = before(&sim, Task::Create);
    sim.fail_snapshots_of(&volume, 1);
    snapshot(&sim, &volume, EXPIRES);
    assert_eq!(judge(&sim, &before, Terms::Peer).missing, 1);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_left_out_is_not_missed() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    tag(&sim, HOME, &volume, &[("Backup", "No")]);
    assert_eq!(judge(&sim, &before(&sim, Task::Create), Terms::Peer).volumes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_had_one_is_a_duplicate() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let since = sim.now();
    let sources = [snapshot(&sim, &volume, EXPIRES), snapshot(&sim, &volume, EXPIRES)];
    copy(&sim, &sources[0], EXPIRES);
    let before = before(&sim, Task::Copy { to: vec![AWAY.to_owned()], since });
    for source in &sources {
        copy(&sim, source, EXPIRES);
    }
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!((found.volumes, found.protected, found.missing, found.duplicates), (1, 1, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn old_snapshots_need_no_copy() {
    let sim = simulator();
    snapshot(&sim, &enrolled_volume(&sim), EXPIRES);
    let since = sim.now() + TimeDelta::seconds(1);
    let before = before(&sim, Task::Copy { to: vec![AWAY.to_owned()], since });
    assert_eq!(judge(&sim, &before, Terms::Peer).volumes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_and_left_is_counted() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let due = [snapshot(&sim, &volume, DUE), snapshot(&sim, &volume, DUE)];
    snapshot(&sim, &volume, EXPIRES);
    let before = before(&sim, Task::Delete);
    delete(&sim, &due[0]);
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!((found.due, found.left, found.wrongly_deleted), (2, 1, 0));
}

/// Deletes a due snapshot with these tags besides, of which there is a newer one if it is said.
#[track_caller]
fn check_wrong(tags: &[(&str, &str)], newer: bool, expected: Option<Wrong>) {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let id = snapshot(&sim, &volume, DUE);
    tag(&sim, HOME, &id, tags);
    if newer {
        snapshot(&sim, &volume, EXPIRES);
    }
    let before = before(&sim, Task::Delete);
    delete(&sim, &id);
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!(found.wrongs.keys().next().copied(), expected);
    assert_eq!(found.wrongly_deleted, usize::from(expected.is_some()));
    assert_eq!(found.due, usize::from(expected.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_wrong_for_a_cause() {
    check_wrong(&[], true, None);
    check_wrong(&[], false, Some(Wrong::LastGood));
    check_wrong(&[("KeepForever", "Yes")], true, Some(Wrong::KeepForever));
    check_wrong(&[("Type", "Manual")], true, Some(Wrong::Foreign));
    check_wrong(&[("DeleteOn", "2026-11-22")], true, Some(Wrong::NotDue));
    check_wrong(&[("DeleteOn", "soon")], true, Some(Wrong::NotDue));
}

#[tokio::test(start_paused = true)]
async fn an_image_holds_its_snapshots_even_after_it_is_gone() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let id = snapshot(&sim, &volume, DUE);
    snapshot(&sim, &volume, EXPIRES);
    let image = [
        ("Name", "golden"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", id.as_str()),
    ];
    let image = call(&sim, HOME, "RegisterImage", "imageId", &image);
    let before = before(&sim, Task::Delete);
    assert!(before.due.is_empty());
    call(&sim, HOME, "DeregisterImage", "return", &[("ImageId", &image)]);
    delete(&sim, &id);
    assert_eq!(judge(&sim, &before, Terms::Peer).wrongs, BTreeMap::from([(Wrong::UsedByImage, 1)]));
}

#[tokio::test(start_paused = true)]
async fn what_a_contender_made_it_may_take_back() {
    let sim = simulator();
    let volume = enrolled_volume(&sim);
    let before = before(&sim, Task::Create);
    let id = snapshot(&sim, &volume, EXPIRES);
    delete(&sim, &id);
    let found = judge(&sim, &before, Terms::Peer);
    assert_eq!((found.missing, found.wrongly_deleted), (1, 0));
}
