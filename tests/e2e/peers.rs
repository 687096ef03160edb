//! What breaks in other tools, and holds here: a test for each such case about EBS, found in their sources and trackers.
//! The comment on a test names the tool.

mod asked_for;
mod calls;
mod duplicates;
mod limits;
mod lost;
mod never_gone;
mod never_taken;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{SecondsFormat, TimeDelta};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Config, Simulator, Snapshot};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, START, instant},
};

/// Where the instances are.
pub(crate) const HOME: &str = "us-east-1";
/// Where copies go.
pub(crate) const WEST: &str = "us-west-2";
/// Where more copies go.
pub(crate) const IRELAND: &str = "eu-west-1";

/// The tags of an instance that is backed up, and no more.
pub(crate) const ENROLLED: &[(&str, &str)] = &[("Backup", "Yes")];
/// The tags of an instance whose backups are copied to the west.
pub(crate) const COPIED: &[(&str, &str)] = &[("Backup", "Yes"), ("Copy_Dest", WEST)];

/// The first backup.
pub(crate) const FIRST: &str = "2026-11-21T05:00:00Z";
/// Long after backups of November have expired.
pub(crate) const LONG_AFTER: &str = "2026-12-20T08:00:00Z";

/// The instant so many days after the first backup.
pub(crate) fn day(days: i64) -> String {
    (instant(FIRST) + TimeDelta::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A world in which every answer takes this long.
pub(crate) fn answering_after(latency: Duration) -> World {
    let mut config = Config::starting(instant(START));
    config.latency = latency;
    World::of(Simulator::new(config))
}

/// Waits for an instant, runs the creator for it, and waits for its snapshots. Returns their ids.
pub(crate) async fn back_up(world: &World, at: &str) -> Vec<String> {
    world.until(at).await;
    world.run_well(Job::Creator, HOME, at).await;
    world.settle().await;
    of_run(world, HOME, at).into_iter().map(|snapshot| snapshot.id).collect()
}

/// Backs the only volume up. Returns the snapshot.
pub(crate) async fn back_up_one(world: &World, at: &str) -> String {
    let mut made = back_up(world, at).await;
    assert_eq!(made.len(), 1, "{made:?}");
    made.remove(0)
}

/// Backs the only volume up on so many days from the first one on. Returns the snapshots, the oldest first.
pub(crate) async fn back_up_daily(world: &World, days: i64) -> Vec<String> {
    let mut made = Vec::new();
    for number in 0..days {
        made.push(back_up_one(world, &day(number)).await);
    }
    made
}

/// Waits for an instant, runs the copier for it, and waits for its copies.
pub(crate) async fn copy(world: &World, at: &str) -> Report {
    world.until(at).await;
    let report = world.run_well(Job::Copier, HOME, at).await;
    world.settle().await;
    report
}

/// Waits for an instant and runs the manager for it.
pub(crate) async fn manage(world: &World, region: &str, at: &str) -> Report {
    world.until(at).await;
    world.run_well(Job::Manager, region, at).await
}

/// The automated snapshots of a region, the oldest first.
pub(crate) fn automated(world: &World, region: &str) -> Vec<Snapshot> {
    let mut snapshots = world.simulator().snapshots(ACCOUNT, region);
    snapshots.retain(|snapshot| tag(snapshot, "Type") == Some("Automated"));
    snapshots.sort_by_key(|snapshot| (tag(snapshot, "Backup_Run").map(str::to_owned), snapshot.id.clone()));
    snapshots
}

/// Those of one run.
pub(crate) fn of_run(world: &World, region: &str, at: &str) -> Vec<Snapshot> {
    let mut snapshots = automated(world, region);
    snapshots.retain(|snapshot| tag(snapshot, "Backup_Run") == Some(at));
    snapshots
}

/// How many snapshots each volume has of a run.
pub(crate) fn taken(world: &World, at: &str) -> BTreeMap<String, usize> {
    let volumes = world.simulator().volumes(ACCOUNT, HOME);
    let mut taken: BTreeMap<String, usize> = volumes.into_iter().map(|volume| (volume.id, 0)).collect();
    for snapshot in of_run(world, HOME, at) {
        *taken.entry(snapshot.volume_id).or_default() += 1;
    }
    taken
}

/// Whether every volume has one snapshot of a run, and there are so many volumes.
pub(crate) fn each_taken_once(world: &World, at: &str, volumes: usize) -> bool {
    let taken = taken(world, at);
    taken.len() == volumes && taken.values().all(|count| *count == 1)
}

/// The ids of the automated snapshots that a region has.
pub(crate) fn standing(world: &World, region: &str) -> BTreeSet<String> {
    automated(world, region).into_iter().map(|snapshot| snapshot.id).collect()
}

/// The ids of what was ever deleted, anywhere.
pub(crate) fn deleted(world: &World) -> BTreeSet<String> {
    world.simulator().deletions().into_iter().map(|deletion| deletion.snapshot.id).collect()
}

/// These ids.
pub(crate) fn set<'a>(ids: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    ids.into_iter().cloned().collect()
}

/// The value of a tag.
pub(crate) fn tag<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a str> {
    snapshot.tags.get(key).map(String::as_str)
}

/// How many calls of an action a run made.
pub(crate) fn calls_of(report: &Report, action: &str) -> u64 {
    report.calls.get(action).copied().unwrap_or_default()
}

/// How many calls a run made.
pub(crate) fn all_calls(report: &Report) -> u64 {
    report.calls.values().sum()
}

/// Makes an image of a snapshot. Returns its id.
pub(crate) fn register_image(world: &World, name: &str, snapshot: &str) -> String {
    let call = [
        ("Name", name),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot),
    ];
    let reply = world.simulator().call("ec2", HOME, "RegisterImage", &call).expect("RegisterImage");
    reply.text("imageId").expect("an id")
}
