//! Others at work while a run is under way: before each of its calls somebody holds copies, deletes them, disables the keys,
//! or deletes a database.

use snapkeeper_simulator::DbSnapshotState;
use snapkeeper_tests::{
    estate::{FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side, sdk_tags},
    meanwhile::Meanwhile,
};

use super::{
    COPIES_TAKE, Scene, UNITS, find, own_of,
    stages::{Quiet, ROUNDS, Stage},
    troubles::delete_shares_of,
};
use crate::positions::{played, try_all};

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Tags every copy in both accounts `KeepForever`.
    Hold,
    /// Deletes every copy in the live account.
    DeleteShares,
    /// Disables the key of each account.
    DisableKeys,
    /// Deletes the DB instance, and its automated snapshots with it.
    DeleteDatabase,
}

impl Act {
    const ALL: [Act; 4] = [Self::Hold, Self::DeleteShares, Self::DisableKeys, Self::DeleteDatabase];

    async fn carry_out(self, scene: &Scene) {
        let simulator = scene.estate.simulator();
        match self {
            Self::Hold => hold(scene).await,
            Self::DeleteShares => delete_shares_of(scene).await,
            Self::DisableKeys => {
                simulator.disable_key(LIVE, HOME, LIVE_KEY);
                simulator.disable_key(FAILSAFE, HOME, SAVER_KEY);
            }
            Self::DeleteDatabase => {
                let rds = scene.estate.operator(Side::Live).await.rds;
                let call = rds.delete_db_instance().db_instance_identifier("orders").skip_final_snapshot(true);
                call.send().await.expect("DeleteDBInstance");
            }
        }
    }
}

async fn hold(scene: &Scene) {
    for side in [Side::Live, Side::Failsafe] {
        let rds = scene.estate.operator(side).await.rds;
        for unit in UNITS {
            for copy in own_of(&scene.estate, side, HOME, unit) {
                let call =
                    rds.add_tags_to_resource().resource_name(&copy.arn).set_tags(sdk_tags(&[("KeepForever", "")]));
                call.send().await.expect("AddTagsToResource");
            }
        }
    }
}

#[test]
fn whatever_others_do_at_any_call_nothing_is_lost_by_it() {
    let mut positions: Vec<(Stage, Act, u32)> = Vec::new();
    for stage in Stage::with_work() {
        let quiet = played(async || Quiet::of(stage).await);
        for (call, _) in (0..).zip(&quiet.reads) {
            positions.extend(Act::ALL.map(|act| (stage, act, call)));
        }
    }
    try_all("databases, others act", 300, &positions, async |(stage, act, call)| {
        let mut scene = stage.reached().await;
        let job = stage.job();
        let context = scene.estate.context(job);
        let way = Meanwhile::before(*call, scene.estate.simulator().http_client());
        let run = Box::pin(scene.estate.of_job(job).run_through(&context, Some(way.client())));
        let (_, acted) = Box::pin(way.both(run, Box::pin(act.carry_out(&scene)))).await;
        acted.ok_or("the run never made that call")?;
        scene.look()?;
        let held = held(&scene);
        scene.pass(COPIES_TAKE).await;
        scene.look()?;
        let simulator = scene.estate.simulator();
        simulator.create_key(LIVE, HOME, LIVE_KEY);
        simulator.share_key(LIVE, HOME, LIVE_KEY, FAILSAFE);
        simulator.create_key(FAILSAFE, HOME, SAVER_KEY);
        // a copy that lost its key or its source has failed
        scene.heals(ROUNDS + 1).await?;
        for (side, kind, name) in held {
            if find(&scene.estate, side, HOME, kind, &name).is_none() {
                return Err(format!("{name} was held, and is gone"));
            }
        }
        Ok(())
    });
}

/// What is held, by account, kind and name.
fn held(scene: &Scene) -> Vec<(Side, snapkeeper_simulator::DatabaseKind, String)> {
    let of = |side: Side| {
        let all = scene.estate.simulator().db_snapshots(side.account(), HOME).into_iter();
        all.filter(|it| it.tags.contains_key("KeepForever") && it.state == DbSnapshotState::Available)
            .map(move |it| (side, it.kind, it.id))
    };
    of(Side::Live).chain(of(Side::Failsafe)).collect()
}
