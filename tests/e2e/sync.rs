//! Images and database snapshots kept present in other regions: the syncer under the policy with which it is deployed, in
//! one account of the simulated AWS and in moto, judged by what truly exists.

mod documented;
mod doors;
mod identities;
mod moto;
mod options;
mod oracle;
mod others;
mod policies;
mod refusals;
mod stages;
mod struck;
mod tags_alone;
mod troubles;

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, Tag};
use chrono::{SecondsFormat, TimeDelta};
use snapkeeper_core::{
    run::Job::Syncer,
    sync::{SyncResult, SyncState},
};
use snapkeeper_lambda::{Context, Report};
use snapkeeper_simulator::{Config, DbSnapshot, DbSnapshotState, Image, ImageState, Simulator};
use snapkeeper_tests::{
    World,
    operator::Operator,
    policies::syncer_with_all,
    world::{ACCOUNT, START, instant},
};

use self::oracle::Oracle;
use crate::{
    peers::{HOME, IRELAND, WEST},
    policies::TOPIC,
};

/// Longer than any copy takes.
const COPIES_TAKE: Duration = Duration::from_mins(30);
/// How long the schedule waits.
const BETWEEN_RUNS: Duration = Duration::from_hours(1);
/// The key of copies in the destinations.
const KEY: &str = "alias/dr";

/// What a [`Scene`] keeps in sync: of each kind one, and no more than one copy of each in the end.
const CONFIG: &str = "
sync_orders:
  sync_type: rds_automated_snapshot
  source_region: us-east-1
  destination_region: us-west-2
  db_instance: orders
  kms_key_id: alias/dr
  max_snapshots_to_retain: 1
sync_shop:
  sync_type: rds_automated_snapshot
  source_region: us-east-1
  destination_region: us-west-2
  db_cluster: shop
  kms_key_id: alias/dr
  max_snapshots_to_retain: 1
sync_web:
  sync_type: ec2_ami
  source_region: us-east-1
  destination_region: us-west-2
  sync_identifier: web
  newest: true
  max_images_to_retain: 1
";
/// The databases of it.
const UNITS: [&str; 2] = ["cluster:shop", "db:orders"];

/// A simulated AWS in which answers take a moment, and readings may be stale.
fn config() -> Config {
    let mut config = Config::starting(instant(START));
    config.latency = Duration::from_millis(100);
    config.remembers = Duration::from_hours(2);
    config
}

/// A world with a key for copies in both destinations, in which the syncer has this configuration.
fn world(config: Config, text: &str) -> World {
    let world = World::of(Simulator::new(config));
    for region in [WEST, IRELAND] {
        world.simulator().create_key(ACCOUNT, region, KEY);
    }
    world.with_policy(Syncer, syncer_with_all(HOME, TOPIC)).with("SYNC_CONFIG", text)
}

/// An image, a DB instance and an Aurora cluster, what others have in both regions, and whoever watches that nothing is
/// done that must never be.
struct Scene {
    world: World,
    oracle: Oracle,
}

impl Scene {
    async fn set_in(world: World) -> Self {
        Box::pin(Self::made_in(world)).await
    }

    async fn made_in(world: World) -> Self {
        let (home, west) = (world.operator(HOME).await, world.operator(WEST).await);
        home.create_db_instance("orders", &[("Team", "Shop")]).await;
        home.create_db_cluster("shop", &[("Team", "Shop")]).await;
        west.create_db_instance("ledger", &[]).await;
        build(&world, HOME, "web-1", &[("Sync-Identifier", "web"), ("Team", "Shop")]).await;
        build(&world, HOME, "worker-1", &[("Sync-Identifier", "worker")]).await;
        // of others: images of the same identifier, a snapshot with a name and tags that are nearly its own
        build(&world, WEST, "web-by-hand", &[("Sync-Identifier", "web")]).await;
        let nearly = [("Source_Database", "db:orders"), ("Source_Region", HOME), ("Type", "Automated")];
        west.db_snapshot_by_hand("ledger", "sync-us-east-1-orders-by-hand", &nearly).await;
        world.pass(COPIES_TAKE).await;
        let oracle = Oracle::of(&world);
        let mut scene = Self { world, oracle };
        scene.until("2026-11-21T06:00:00Z").await;
        scene.world.simulator().forget_calls();
        scene.look().expect("nothing was done yet");
        scene
    }

    fn simulator(&self) -> &Simulator {
        self.world.simulator()
    }

    /// Waits for an instant.
    async fn until(&self, at: &str) {
        self.world.until(at).await;
    }

    /// Lets time pass.
    async fn pass(&self, time: Duration) {
        self.world.pass(time).await;
    }

    /// Looks at what truly exists, and at what was deleted since the last look.
    fn look(&mut self) -> Result<(), String> {
        self.oracle.look(&self.world)
    }

    /// What surrounds a run that is made now.
    fn context(&self) -> Context {
        context(&self.world)
    }

    /// Runs the syncer.
    async fn run(&mut self) -> Result<Report, String> {
        let report = Box::pin(run(&self.world)).await;
        self.look()?;
        Ok(report)
    }

    /// Runs the syncer, which must succeed.
    async fn run_well(&mut self) -> Result<Report, String> {
        let report = self.run().await?;
        if report.succeeded() { Ok(report) } else { Err(format!("it fails: {:?}", report.failed)) }
    }

    /// So many times: a run, and the time that copies take. Runs may fail.
    async fn rounds(&mut self, rounds: u32) -> Result<(), String> {
        for _ in 0..rounds {
            Box::pin(self.run()).await?;
            self.pass(COPIES_TAKE).await;
            self.look()?;
        }
        Ok(())
    }

    /// The troubles are over. After so many runs all is as promised.
    async fn heals(&mut self, rounds: u32) -> Result<(), String> {
        self.simulator().clear_faults();
        self.pass(BETWEEN_RUNS).await;
        self.look()?;
        self.rounds(rounds).await?;
        self.is_present()?;
        // and what is superseded goes, once the newer one is there
        self.rounds(1).await?;
        self.is_as_promised()
    }

    /// Whether the newest of each is present in the destination.
    fn is_present(&self) -> Result<(), String> {
        let source = newest_image(&self.world).ok_or("there is no image")?;
        let copies = copies_of(&self.world, WEST, &source.id);
        let [copy] = copies.as_slice() else { return Err(format!("copies of {}: {copies:?}", source.id)) };
        check(copy.state == ImageState::Available, || format!("{copy:?} is not available"))?;
        check((&copy.name, &copy.description) == (&source.name, &source.description), || format!("{copy:?}"))?;
        for unit in UNITS {
            let newest = newest_automated(&self.world, unit).ok_or("there is no automated snapshot")?;
            let copies = db_copies_of(&self.world, WEST, &newest);
            let [copy] = copies.as_slice() else { return Err(format!("copies of {}: {copies:?}", newest.id)) };
            check(copy.state == DbSnapshotState::Available, || format!("{copy:?} is not available"))?;
            check(copy.kms_key_id.is_some(), || format!("{copy:?} is not encrypted"))?;
        }
        Ok(())
    }

    /// Whether, besides, sources and copies are tagged, nothing failed is left, and no more is kept than is to be.
    fn is_as_promised(&self) -> Result<(), String> {
        self.is_present()?;
        let source = newest_image(&self.world).ok_or("there is no image")?;
        let copy = copies_of(&self.world, WEST, &source.id).remove(0);
        self.is_marked(&source, &copy)?;
        let own = own_images(&self.world, WEST);
        check(own.len() == 1, || format!("{} images: {own:?}", own.len()))?;
        for unit in UNITS {
            let newest = newest_automated(&self.world, unit).ok_or("there is no automated snapshot")?;
            let copy = db_copies_of(&self.world, WEST, &newest).remove(0);
            let told = newest.tags.get("Sync-us-west-2").is_some_and(|it| it.ends_with(&copy.arn));
            check(told, || format!("{} does not tell of {}: {:?}", newest.id, copy.arn, newest.tags))?;
            let own = own_db_snapshots(&self.world, WEST, unit);
            check(own.len() == 1, || format!("{unit}: {own:?}"))?;
        }
        Ok(())
    }

    /// Whether an image and its copy tell of each other, and the copy and the snapshots behind it have their tags.
    fn is_marked(&self, source: &Image, copy: &Image) -> Result<(), String> {
        let told = source.tags.get("Sync-us-west-2").is_some_and(|it| it.ends_with(&format!(" / {}", copy.id)));
        check(told, || format!("{} does not tell of {}: {:?}", source.id, copy.id, source.tags))?;
        let told = copy.tags.get("Sync-From-us-east-1").is_some_and(|it| it.ends_with(&format!(" / {}", source.id)));
        check(told, || format!("{} does not tell of {}: {:?}", copy.id, source.id, copy.tags))?;
        for (key, value) in &source.tags {
            let is_trace = key == "Sync-us-west-2" || key == "Sync-eu-west-1";
            check(is_trace || copy.tags.get(key) == Some(value), || format!("{key} is not carried over: {copy:?}"))?;
        }
        let snapshots: BTreeMap<String, _> =
            self.simulator().snapshots(ACCOUNT, WEST).into_iter().map(|it| (it.id.clone(), it)).collect();
        for device in &copy.devices {
            let behind = device.snapshot_id.as_ref().and_then(|id| snapshots.get(id)).ok_or("nothing behind it")?;
            let expected = [("Snapkeeper_Sync", "Yes"), ("Team", "Shop"), ("Device", device.name.as_str())];
            for (key, value) in expected {
                let is_so = behind.tags.get(key).is_some_and(|it| it == value);
                check(is_so, || format!("{} has no {key}={value}: {:?}", behind.id, behind.tags))?;
            }
            check(!behind.tags.contains_key("DeleteOn"), || format!("the manager would take {}", behind.id))?;
        }
        Ok(())
    }
}

/// What surrounds a run that is made now, in whole seconds that have begun.
fn context(world: &World) -> Context {
    let now = if world.is_moto() { snapkeeper_lambda::clock::now() } else { world.simulator().now() };
    let now = now + TimeDelta::milliseconds(999);
    world.context(Syncer, HOME, &now.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Runs the syncer now.
async fn run(world: &World) -> Report {
    Box::pin(world.run_in(&context(world))).await
}

/// Runs the syncer now, which must not fail.
#[track_caller]
fn run_well(world: &World) -> impl Future<Output = Report> {
    let caller = std::panic::Location::caller();
    async move {
        let report = Box::pin(run(world)).await;
        assert!(report.failed.is_empty() && report.unfinished.is_empty(), "{caller}: {:#?}", report.failed);
        report
    }
}

/// The result of a job.
#[track_caller]
fn result<'a>(report: &'a Report, job: &str) -> &'a SyncResult {
    let found = report.results.iter().find(|it| it.name == job);
    found.unwrap_or_else(|| panic!("there is no result of {job}: {:?}", report.results))
}

/// How each destination of a job stands, in words.
#[track_caller]
fn states(report: &Report, job: &str) -> Vec<(String, SyncState)> {
    result(report, job).synced.iter().map(|it| (it.region.clone(), it.state)).collect()
}

/// Makes an image of a machine with two volumes, each snapshot of which is tagged with its device and with `Team=Shop`.
/// One of another kind, of which a backup's tags must not go along.
async fn build(world: &World, region: &str, name: &str, tags: &[(&str, &str)]) -> String {
    let operator = world.operator(region).await;
    let machine = operator.run_instance(&["/dev/sdf"], &[]).await;
    world.pass(Duration::from_mins(1)).await;
    let mut mappings = Vec::new();
    for (device, volume) in operator.volumes(&machine).await {
        let behind = [("Team", "Shop"), ("Device", device.as_str()), ("DeleteOn", "2026-11-22")];
        let snapshot = operator.snapshot_by_hand(&volume, &behind).await;
        let ebs = EbsBlockDevice::builder().snapshot_id(snapshot).build();
        mappings.push(BlockDeviceMapping::builder().device_name(device).ebs(ebs).build());
    }
    operator.terminate(&machine).await;
    world.settle().await;
    let call = operator.ec2.register_image().name(name).description(format!("{name}, built by hand"));
    let call = call.root_device_name("/dev/xvda").set_block_device_mappings(Some(mappings));
    let image = call.send().await.expect("RegisterImage").image_id.expect("an id");
    tag_all(&operator, &image, tags).await;
    image
}

/// Sets several tags in one call.
async fn tag_all(operator: &Operator, resource: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
    operator.ec2.create_tags().resources(resource).set_tags(Some(tags)).send().await.expect("CreateTags");
}

/// The newest image of the source that is to be present.
fn newest_image(world: &World) -> Option<Image> {
    let all = world.simulator().images(ACCOUNT, HOME).into_iter();
    let web = all.filter(|it| it.tags.get("Sync-Identifier").is_some_and(|value| value == "web"));
    web.filter(|it| it.state == ImageState::Available).max_by_key(|it| (it.created_at, it.id.clone()))
}

/// The images that sync has made in a region.
fn own_images(world: &World, region: &str) -> Vec<Image> {
    let mut own = world.simulator().images(ACCOUNT, region);
    own.retain(|it| it.tags.contains_key("Snapkeeper_Sync"));
    own.sort_by_key(|it| (it.created_at, it.id.clone()));
    own
}

/// The copies of an image in a region, but for those that failed: by what EC2 knows, not by tags.
fn copies_of(world: &World, region: &str, source: &str) -> Vec<Image> {
    let mut copies = world.simulator().images(ACCOUNT, region);
    copies.retain(|it| it.state != ImageState::Failed && it.source.as_ref().is_some_and(|from| from.image == source));
    copies
}

/// The newest automated snapshot of a database that is available.
fn newest_automated(world: &World, unit: &str) -> Option<DbSnapshot> {
    let all = world.simulator().db_snapshots(ACCOUNT, HOME).into_iter();
    let of = all.filter(|it| it.is_automated && it.state == DbSnapshotState::Available && unit_of(it) == unit);
    of.max_by_key(|it| it.taken_at)
}

/// The copies of an automated snapshot in a region, but for those that failed.
fn db_copies_of(world: &World, region: &str, source: &DbSnapshot) -> Vec<DbSnapshot> {
    let mut copies = world.simulator().db_snapshots(ACCOUNT, region);
    copies.retain(|it| it.state != DbSnapshotState::Failed && it.source.as_deref() == Some(source.arn.as_str()));
    copies
}

/// The copies of a database that sync has made in a region, the oldest data first.
fn own_db_snapshots(world: &World, region: &str, unit: &str) -> Vec<DbSnapshot> {
    let mut own = world.simulator().db_snapshots(ACCOUNT, region);
    own.retain(|it| it.tags.contains_key("Snapkeeper_Sync") && unit_of(it) == unit);
    own.sort_by_key(|it| (it.taken_at, it.id.clone()));
    own
}

/// The database that a snapshot is truly of.
fn unit_of(snapshot: &DbSnapshot) -> String {
    format!("{}:{}", snapshot.kind.as_str(), snapshot.database)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
