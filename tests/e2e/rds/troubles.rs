//! What goes wrong for a while in the accounts themselves, at each stage: keys, quotas, copies that fail, sources that are
//! deleted while they are copied, and a live account that somebody has taken over.

use std::time::Duration;

use snapkeeper_core::run::Job::{RdsSaver, RdsSharer};
use snapkeeper_simulator::DbSnapshotState;
use snapkeeper_tests::{
    Estate,
    estate::{FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side, sdk_tags},
};

use super::{
    BETWEEN_RUNS, COPIES_TAKE, Scene, UNITS, available, config, own_of,
    stages::{ROUNDS, Stage},
};
use crate::positions::try_all;

/// What goes wrong, for as long as two runs of each job.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    LiveKeyDisabled,
    SaverKeyDisabled,
    /// No more manual snapshots of either kind.
    QuotaFull,
    /// The copies that are begun then fail.
    CopiesFail,
    /// The copies that are being made lose their sources, and what is shared is no longer shared.
    SharesDeleted,
    /// RDS does not answer in the region.
    RegionDown,
}

impl Trouble {
    const ALL: [Trouble; 6] = [
        Self::LiveKeyDisabled,
        Self::SaverKeyDisabled,
        Self::QuotaFull,
        Self::CopiesFail,
        Self::SharesDeleted,
        Self::RegionDown,
    ];

    /// A copy that failed is deleted by one run, and made again by the next.
    fn further_rounds(self) -> u32 {
        match self {
            Self::QuotaFull | Self::RegionDown => 0,
            Self::LiveKeyDisabled | Self::SaverKeyDisabled | Self::CopiesFail | Self::SharesDeleted => 1,
        }
    }

    async fn begins(self, scene: &mut Scene) -> Result<(), String> {
        let simulator = scene.estate.simulator();
        match self {
            Self::LiveKeyDisabled => simulator.disable_key(LIVE, HOME, LIVE_KEY),
            Self::SaverKeyDisabled => simulator.disable_key(FAILSAFE, HOME, SAVER_KEY),
            Self::CopiesFail => simulator.fail_db_copies(4),
            Self::RegionDown => simulator.region_down(HOME),
            Self::QuotaFull => fill(scene, true).await,
            Self::SharesDeleted => delete_shares(scene).await?,
        }
        Ok(())
    }

    async fn ends(self, scene: &mut Scene) {
        let simulator = scene.estate.simulator();
        match self {
            Self::LiveKeyDisabled => simulator.create_key(LIVE, HOME, LIVE_KEY),
            Self::SaverKeyDisabled => simulator.create_key(FAILSAFE, HOME, SAVER_KEY),
            Self::RegionDown => simulator.region_up(HOME),
            Self::QuotaFull => fill(scene, false).await,
            Self::CopiesFail => simulator.fail_db_copies(0),
            Self::SharesDeleted => {}
        }
        // a key that is made again has the policy that it had
        scene.estate.simulator().share_key(LIVE, HOME, LIVE_KEY, FAILSAFE);
    }
}

/// How many manual snapshots of a kind an account may have in these worlds.
const QUOTA: usize = 8;

/// Fills the live account's quota of DB snapshots by hand, or makes room again.
async fn fill(scene: &mut Scene, fills: bool) {
    let operator = scene.estate.operator(Side::Live).await;
    for number in 0..QUOTA {
        let name = format!("by-hand-{number}");
        if fills {
            let call = operator.rds.create_db_snapshot().db_instance_identifier("orders").db_snapshot_identifier(name);
            // until there is no more room
            if call.send().await.is_err() {
                break;
            }
        } else {
            let _ = operator.rds.delete_db_snapshot().db_snapshot_identifier(name).send().await;
        }
    }
    scene.oracle.learn(&scene.estate);
}

/// Somebody who has taken the live account over deletes every manual snapshot in it.
async fn delete_shares(scene: &mut Scene) -> Result<(), String> {
    scene.look()?;
    delete_shares_of(scene).await;
    scene.look()
}

/// The same while a run may be under way.
pub(super) async fn delete_shares_of(scene: &Scene) {
    let rds = scene.estate.operator(Side::Live).await.rds;
    for unit in UNITS {
        for copy in own_of(&scene.estate, Side::Live, HOME, unit) {
            let deleted = if unit.starts_with("db:") {
                rds.delete_db_snapshot().db_snapshot_identifier(&copy.id).send().await.is_ok()
            } else {
                rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(&copy.id).send().await.is_ok()
            };
            let is_there = own_of(&scene.estate, Side::Live, HOME, unit).iter().any(|it| it.id == copy.id);
            assert!(deleted || !is_there || copy.state != DbSnapshotState::Available, "{} cannot be deleted", copy.id);
        }
    }
}

#[test]
fn troubles_of_an_account_are_mended_when_they_are_over() {
    let all: Vec<(Stage, Trouble)> =
        Stage::ALL.into_iter().flat_map(|stage| Trouble::ALL.map(|trouble| (stage, trouble))).collect();
    try_all("databases, troubles of an account", 60, &all, async |(stage, trouble)| {
        let mut config = config();
        config.db_snapshot_limit = QUOTA;
        let mut scene = stage.reached_in(config).await;
        trouble.begins(&mut scene).await?;
        scene.rounds(2).await?;
        trouble.ends(&mut scene).await;
        // what was refused, or failed, harms nothing
        scene.heals(ROUNDS + trouble.further_rounds()).await
    });
}

/// Whoever has taken over the live account has deleted everything there, and its key is disabled: what was saved stays, and
/// can be restored, for as long as nobody comes.
#[tokio::test(start_paused = true)]
async fn what_is_saved_outlives_the_live_account() {
    let mut scene = Box::pin(Stage::Due.reached()).await;
    let saved: Vec<_> = UNITS.iter().map(|unit| available(&scene.estate, Side::Failsafe, HOME, unit)).collect();
    assert!(saved.iter().all(|of| of.len() == 2), "{saved:?}");
    delete_shares(&mut scene).await.expect("deleted");
    let live = scene.estate.operator(Side::Live).await;
    live.rds
        .delete_db_instance()
        .db_instance_identifier("orders")
        .skip_final_snapshot(true)
        .send()
        .await
        .expect("orders");
    live.rds.delete_db_cluster().db_cluster_identifier("shop").skip_final_snapshot(true).send().await.expect("shop");
    scene.estate.simulator().disable_key(LIVE, HOME, LIVE_KEY);
    for _ in 0..40 {
        scene.rounds(1).await.expect("nothing that must not be");
        scene.pass(Duration::from_hours(24)).await;
    }
    // the older one has expired, the newest one never does
    for (unit, saved) in UNITS.iter().zip(saved) {
        let left = available(&scene.estate, Side::Failsafe, HOME, unit);
        assert_eq!(left.into_iter().collect::<Vec<_>>(), saved.into_iter().skip(1).collect::<Vec<_>>());
    }
}

/// The database is deleted, or is enrolled no more: what was shared last stays shared.
#[tokio::test(start_paused = true)]
async fn the_newest_shared_copy_stays_whatever_becomes_of_its_database() {
    let mut scene = Box::pin(Stage::Superseded.reached()).await;
    let live = scene.estate.operator(Side::Live).await;
    live.rds
        .delete_db_instance()
        .db_instance_identifier("orders")
        .skip_final_snapshot(true)
        .send()
        .await
        .expect("orders");
    let cluster = format!("arn:aws:rds:{HOME}:{LIVE}:cluster:shop");
    live.rds.remove_tags_from_resource().resource_name(cluster).tag_keys("Failsafe").send().await.expect("untagged");
    for _ in 0..5 {
        scene.rounds(1).await.expect("nothing that must not be");
        scene.pass(Duration::from_hours(24)).await;
    }
    for unit in UNITS {
        let left = own_of(&scene.estate, Side::Live, HOME, unit);
        assert_eq!(left.len(), 1, "{unit}: {left:?}");
        assert!(left[0].id.ends_with("2026-11-22-05-00") && left[0].shared_with.contains(FAILSAFE), "{left:?}");
    }
}

/// What an operator holds stays for ever, in each account.
#[tokio::test(start_paused = true)]
async fn what_is_held_stays() {
    let mut scene = Box::pin(Stage::Due.reached()).await;
    for side in [Side::Live, Side::Failsafe] {
        let oldest = own_of(&scene.estate, side, HOME, "db:orders").remove(0);
        let rds = scene.estate.operator(side).await.rds;
        let held = sdk_tags(&[("KeepForever", "")]);
        rds.add_tags_to_resource().resource_name(&oldest.arn).set_tags(held).send().await.expect("a tag");
    }
    for _ in 0..5 {
        scene.rounds(1).await.expect("nothing that must not be");
        scene.pass(Duration::from_hours(24)).await;
    }
    for side in [Side::Live, Side::Failsafe] {
        let oldest = own_of(&scene.estate, side, HOME, "db:orders").remove(0);
        assert!(oldest.id.ends_with("2026-11-21-05-00"), "{side:?}: {oldest:?}");
        let of_cluster = own_of(&scene.estate, side, HOME, "cluster:shop").remove(0);
        assert!(!of_cluster.id.ends_with("2026-11-21-05-00"), "{side:?}: {of_cluster:?}");
    }
}

/// Somebody's own snapshot has the very name that the copy is to have: it is named in the report, and left alone, and the
/// other database goes on.
#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_told_and_left_alone() {
    for side in [Side::Live, Side::Failsafe] {
        let mut scene = Scene::set_in(Estate::in_process()).await;
        let operator = scene.estate.operator(side).await;
        let name = "failsafe-orders-2026-11-21-05-00";
        let database = if side == Side::Live { "orders" } else { "ledger" };
        operator.db_snapshot_by_hand(database, name, &[("Type", "Automated")]).await;
        scene.oracle.learn(&scene.estate);
        scene.pass(COPIES_TAKE).await;
        scene.rounds(2).await.expect("nothing that must not be");
        let job = if side == Side::Live { RdsSharer } else { RdsSaver };
        let report = Box::pin(scene.estate.run(job)).await;
        let told = report.failed.iter().any(|it| it.cause.contains(name) || it.resource.contains(name));
        assert!(told, "{side:?}: {:?}", report.failed);
        scene.pass(BETWEEN_RUNS).await;
        scene.look().expect("left alone");
        assert_eq!(available(&scene.estate, Side::Failsafe, HOME, "cluster:shop").len(), 1, "{side:?}");
        assert_eq!(own_of(&scene.estate, side, HOME, "db:orders"), [], "{side:?}");
    }
}

/// Somebody has copied ours under other names, all tags with them: nothing is done to those copies, and they stand in
/// nobody's way.
#[tokio::test(start_paused = true)]
async fn copies_by_hand_that_have_all_our_tags_are_left_alone() {
    let mut scene = Box::pin(Stage::Superseded.reached()).await;
    for (side, key) in [(Side::Live, LIVE_KEY), (Side::Failsafe, SAVER_KEY)] {
        let newest = own_of(&scene.estate, side, HOME, "db:orders").pop().expect("a copy");
        let tags: Vec<(&str, &str)> = newest.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let operator = scene.estate.operator(side).await;
        operator.copy_db_snapshot(&newest.id, "orders-before-upgrade", key, &tags).await;
    }
    scene.oracle.learn(&scene.estate);
    for _ in 0..5 {
        scene.rounds(1).await.expect("nothing that must not be");
        scene.pass(Duration::from_hours(24)).await;
    }
    assert_eq!(scene.heals(ROUNDS).await, Ok(()));
}
