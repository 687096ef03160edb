//! How far a scene is when something happens to a run.

use std::collections::BTreeSet;

use snapkeeper_core::run::Job::Syncer;
use snapkeeper_simulator::{Config, DbSnapshot, Image};
use snapkeeper_tests::world::ACCOUNT;

use super::{CONFIG, COPIES_TAKE, Scene, build, config, world};
use crate::peers::{HOME, WEST};

/// How many runs it takes at most until the newest of each is present, whatever happened to one.
pub(super) const RUNS: u32 = 2;

/// What the next run finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Nothing was copied yet.
    NothingYet,
    /// The first copies are being made.
    Copying,
    /// The first copies are there.
    Copied,
    /// There are a newer image and newer automated snapshots.
    NextDay,
    /// Their copies are there as well, and the older ones are too many.
    Superseded,
    /// The newest copies have failed, and the older ones are there.
    Failed,
}

impl Stage {
    pub(super) const ALL: [Stage; 6] =
        [Self::NothingYet, Self::Copying, Self::Copied, Self::NextDay, Self::Superseded, Self::Failed];

    /// A copy that failed is deleted by one run, and made again by the next.
    pub(super) fn runs(self) -> u32 {
        if self == Self::Failed { RUNS + 1 } else { RUNS }
    }

    /// Brings a scene to this point.
    pub(super) async fn reached(self) -> Scene {
        self.reached_in(config()).await
    }

    /// The same in a simulated AWS that is configured so.
    pub(super) async fn reached_in(self, config: Config) -> Scene {
        Box::pin(self.made_in(config)).await.expect("nothing disturbs it so far")
    }

    async fn made_in(self, config: Config) -> Result<Scene, String> {
        let mut scene = Scene::set_in(world(config, CONFIG)).await;
        match self {
            Self::NothingYet => {}
            Self::Copying => {
                scene.run_well().await?;
                scene.pass(COPIES_TAKE / 30).await;
            }
            Self::Copied => copied(&mut scene).await?,
            Self::NextDay => next_day(&mut scene).await?,
            Self::Superseded => {
                next_day(&mut scene).await?;
                copied(&mut scene).await?;
            }
            Self::Failed => {
                next_day(&mut scene).await?;
                scene.simulator().fail_image_copies(1);
                scene.simulator().fail_db_copies(2);
                copied(&mut scene).await?;
            }
        }
        scene.look()?;
        Ok(scene)
    }
}

/// A run, and the time that copies take.
async fn copied(scene: &mut Scene) -> Result<(), String> {
    scene.run_well().await?;
    scene.pass(COPIES_TAKE).await;
    scene.look()
}

/// All is present, and then there is something newer of each.
async fn next_day(scene: &mut Scene) -> Result<(), String> {
    copied(scene).await?;
    scene.rounds(1).await?;
    scene.is_as_promised()?;
    scene.until("2026-11-22T04:00:00Z").await;
    build(&scene.world, HOME, "web-2", &[("Sync-Identifier", "web"), ("Team", "Shop")]).await;
    scene.until("2026-11-22T06:00:00Z").await;
    scene.oracle.learn(&scene.world);
    Ok(())
}

/// A run at a stage that nothing disturbs.
#[derive(Clone, Debug)]
pub(super) struct Quiet {
    /// Its calls, in order: whether each only reads.
    pub(super) reads: Vec<bool>,
    /// What there is after it.
    pub(super) done: BTreeSet<String>,
}

impl Quiet {
    /// Plays it.
    pub(super) async fn of(stage: Stage) -> Self {
        let mut scene = stage.reached().await;
        scene.simulator().forget_calls();
        let report = scene.run().await.expect("nothing that must not be");
        assert!(!report.applied.is_empty(), "{stage:?}: it has something to do");
        // a copy that failed is told
        assert_eq!(report.succeeded(), stage != Stage::Failed, "{stage:?}: {:?}", report.failed);
        let key = scene.world.access_key(Syncer, HOME);
        let calls = scene.simulator().calls();
        let reads: Vec<bool> =
            calls.iter().filter(|call| call.caller == key).map(|call| is_reading(&call.action)).collect();
        assert!(reads.len() >= 8, "{stage:?}: {reads:?}");
        let done = there_is(&scene);
        scene.pass(COPIES_TAKE).await;
        assert_eq!(scene.heals(stage.runs()).await, Ok(()), "{stage:?}");
        Self { reads, done }
    }
}

fn is_reading(action: &str) -> bool {
    action.starts_with("Describe") || action.starts_with("Get")
}

/// What there is, in words, but for what is there without the job. Ids are as they come, so they are left out.
pub(super) fn there_is(scene: &Scene) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for region in [HOME, WEST] {
        for Image { name, tags, source, .. } in scene.simulator().images(ACCOUNT, region) {
            let keys: Vec<String> = tags.into_keys().collect();
            all.insert(format!("{region} {name}, a copy: {}, {keys:?}", source.is_some()));
        }
        for DbSnapshot { kind, id, tags, .. } in scene.simulator().db_snapshots(ACCOUNT, region) {
            let keys: Vec<String> = tags.into_keys().collect();
            all.insert(format!("{region} {} {id}, {keys:?}", kind.as_str()));
        }
        for snapshot in scene.simulator().snapshots(ACCOUNT, region) {
            if snapshot.tags.contains_key("Snapkeeper_Sync") {
                let keys: Vec<String> = snapshot.tags.into_keys().collect();
                all.insert(format!("{region} behind an image: {keys:?}"));
            }
        }
    }
    all
}
