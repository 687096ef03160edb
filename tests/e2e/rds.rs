//! Failsafe copies of databases: sharer and saver in two accounts of one AWS, under the policies with which they are
//! deployed, judged by what truly exists.

mod doors;
mod forty_days;
mod found;
mod messages;
mod moto;
mod oracle;
mod others;
mod policies;
mod random;
mod regions;
mod stages;
mod struck;
mod troubles;

use std::{collections::BTreeSet, time::Duration};

use snapkeeper_core::run::Job::{self, RdsSaver, RdsSharer};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Config, DatabaseKind, DbSnapshot, DbSnapshotState};
use snapkeeper_tests::{
    Estate,
    estate::{ENROLLED, FAILSAFE, HOME, LIVE, LIVE_KEY, Side, WEST},
    world::{START, instant},
};

use self::oracle::Oracle;

/// Longer than any copy takes.
const COPIES_TAKE: Duration = Duration::from_mins(15);
/// How long the sharer's schedule waits.
const BETWEEN_RUNS: Duration = Duration::from_mins(15);
/// Another account, which is nobody's business.
const STRANGER: &str = "999999999999";

/// A small estate: one DB instance, one Aurora cluster, snapshots of others in both accounts, and whoever watches that
/// nothing is done that must never be.
struct Scene {
    estate: Estate,
    oracle: Oracle,
    /// The databases that must be failsafe.
    units: Vec<&'static str>,
}

/// What is enrolled in a [`Scene`].
const UNITS: [&str; 2] = ["cluster:shop", "db:orders"];

/// A simulated AWS in which answers take a moment, and readings may be stale.
fn config() -> Config {
    let mut config = Config::starting(instant(START));
    config.latency = Duration::from_millis(100);
    config.remembers = Duration::from_hours(2);
    config
}

impl Scene {
    async fn set() -> Self {
        Self::set_in(Estate::of(config())).await
    }

    async fn set_in(estate: Estate) -> Self {
        Box::pin(Self::made_in(estate)).await
    }

    async fn made_in(estate: Estate) -> Self {
        let (live, failsafe) = (estate.operator(Side::Live).await, estate.operator(Side::Failsafe).await);
        live.create_db_instance("orders", &[ENROLLED, &[("Team", "Shop")]].concat()).await;
        live.create_db_cluster("shop", ENROLLED).await;
        failsafe.create_db_instance("ledger", &[]).await;
        estate.live.pass(COPIES_TAKE).await;
        live.db_snapshot_by_hand("orders", "failsafe-orders-by-hand", &[]).await;
        failsafe.db_snapshot_by_hand("ledger", "failsafe-ledger-by-hand", &[("Source_Database", "db:orders")]).await;
        estate.live.pass(COPIES_TAKE).await;
        let of_others = [("Type", "Automated")];
        live.copy_db_snapshot("failsafe-orders-by-hand", "orders-for-others", LIVE_KEY, &of_others).await;
        estate.live.pass(COPIES_TAKE).await;
        // not every snapshot that the live account shares is a failsafe copy
        for account in [STRANGER, FAILSAFE] {
            live.share_db_snapshot("orders-for-others", account).await;
        }
        let oracle = Oracle::of(&estate);
        let mut scene = Self { estate, oracle, units: UNITS.to_vec() };
        scene.until("2026-11-21T06:00:00Z").await;
        scene.estate.simulator().forget_calls();
        scene.look().expect("nothing was done yet");
        scene
    }

    /// Waits for an instant.
    async fn until(&self, at: &str) {
        self.estate.live.until(at).await;
    }

    /// Lets time pass.
    async fn pass(&self, time: Duration) {
        self.estate.live.pass(time).await;
    }

    /// Looks at what truly exists, and at what was deleted since the last look.
    fn look(&mut self) -> Result<(), String> {
        self.oracle.look(&self.estate)
    }

    /// Runs a job that must succeed.
    async fn run_well(&mut self, job: Job) -> Result<Report, String> {
        let report = Box::pin(self.estate.run(job)).await;
        self.look()?;
        if report.succeeded() { Ok(report) } else { Err(format!("the {job} fails: {:?}", report.failed)) }
    }

    /// So many times: a run of each job, and the time that copies take. Runs may fail.
    async fn rounds(&mut self, rounds: u32) -> Result<(), String> {
        for _ in 0..rounds {
            for job in [RdsSharer, RdsSaver] {
                Box::pin(self.estate.run(job)).await;
                self.look()?;
                self.pass(COPIES_TAKE).await;
                self.look()?;
            }
        }
        Ok(())
    }

    /// The troubles are over. Within so many rounds all is as promised.
    async fn heals(&mut self, rounds: u32) -> Result<(), String> {
        self.estate.simulator().clear_faults();
        self.pass(BETWEEN_RUNS).await;
        self.look()?;
        self.rounds(rounds).await?;
        self.is_as_promised()
    }

    /// Whether the newest automated snapshot of each database is copied, shared, announced and saved, nothing failed is
    /// left, and no more is kept than is promised. If not, what is wrong.
    fn is_as_promised(&self) -> Result<(), String> {
        for &unit in &self.units {
            let Some(newest) = newest_automated(&self.estate, unit) else { continue };
            let name = newest.id.replacen("rds:", "failsafe-", 1);
            let shared = find(&self.estate, Side::Live, HOME, newest.kind, &name);
            let shared = shared.ok_or_else(|| format!("{unit}: there is no {name}"))?;
            let is_shared = shared.shared_with.contains(FAILSAFE) && shared.state == DbSnapshotState::Available;
            check(is_shared, || format!("{unit}: {name} is {:?}, shared with {:?}", shared.state, shared.shared_with))?;
            check(shared.tags.contains_key("Failsafe_Announced"), || format!("{unit}: {name} is not announced"))?;
            let saved = find(&self.estate, Side::Failsafe, HOME, newest.kind, &name);
            let saved = saved.ok_or_else(|| format!("{unit}: {name} is not saved"))?;
            check(saved.state == DbSnapshotState::Available, || format!("{unit}: saved {name} is {:?}", saved.state))?;
            check(saved.taken_at == newest.taken_at, || format!("{unit}: saved {name} is of other data"))?;
            let source = tag(&saved, "Source_DBSnapshot");
            check(source == Some(shared.arn.as_str()), || format!("{unit}: saved {name} is a copy of {source:?}"))?;
        }
        for (side, region, most) in [(Side::Live, HOME, 3), (Side::Failsafe, HOME, 32), (Side::Failsafe, WEST, 32)] {
            for &unit in &self.units {
                let own = own_of(&self.estate, side, region, unit);
                let failed = own.iter().find(|it| it.state == DbSnapshotState::Failed);
                check(failed.is_none(), || format!("{unit}: failed and still there: {failed:?}"))?;
                check(own.len() <= most, || format!("{unit}: {} copies in {region} of {side:?}", own.len()))?;
            }
        }
        Ok(())
    }
}

/// The newest automated snapshot of a database that is available.
fn newest_automated(estate: &Estate, unit: &str) -> Option<DbSnapshot> {
    let all = estate.simulator().db_snapshots(LIVE, HOME).into_iter();
    let of = all.filter(|it| it.is_automated && it.state == DbSnapshotState::Available && unit_of_data(it) == unit);
    of.max_by_key(|it| it.taken_at)
}

/// A snapshot by its name.
fn find(estate: &Estate, side: Side, region: &str, kind: DatabaseKind, name: &str) -> Option<DbSnapshot> {
    let mut all = estate.simulator().db_snapshots(side.account(), region).into_iter();
    all.find(|it| it.kind == kind && it.id == name)
}

/// Our own copies of a database, the oldest data first.
fn own_of(estate: &Estate, side: Side, region: &str, unit: &str) -> Vec<DbSnapshot> {
    let mut own = estate.simulator().db_snapshots(side.account(), region);
    own.retain(|it| is_own(it) && unit_of(it) == unit);
    own.sort_by_key(|it| (it.taken_at, it.id.clone()));
    own
}

/// The names of those that are available.
fn available(estate: &Estate, side: Side, region: &str, unit: &str) -> BTreeSet<String> {
    let own = own_of(estate, side, region, unit).into_iter();
    own.filter(|it| it.state == DbSnapshotState::Available).map(|it| it.id).collect()
}

/// Whether Snapkeeper made it.
fn is_own(snapshot: &DbSnapshot) -> bool {
    let is_tagged = tag(snapshot, "Type") == Some("Automated") && tag(snapshot, "Source_DBSnapshot").is_some();
    !snapshot.is_automated && snapshot.id.starts_with("failsafe-") && is_tagged
}

/// The database that an own copy says it is of.
fn unit_of(snapshot: &DbSnapshot) -> &str {
    tag(snapshot, "Source_Database").unwrap_or_default()
}

/// The database that a snapshot is truly of.
fn unit_of_data(snapshot: &DbSnapshot) -> String {
    format!("{}:{}", snapshot.kind.as_str(), snapshot.database)
}

/// The value of a tag.
fn tag<'a>(snapshot: &'a DbSnapshot, key: &str) -> Option<&'a str> {
    snapshot.tags.get(key).map(String::as_str)
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
