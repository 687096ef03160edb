//! How far two accounts are when something happens to a run.

use std::collections::BTreeSet;

use snapkeeper_core::run::Job::{self, RdsSaver, RdsSharer};
use snapkeeper_simulator::{Config, DbSnapshot, Fault, FaultKind};
use snapkeeper_tests::{
    Estate,
    estate::{HOME, Side, WEST},
};

use super::{BETWEEN_RUNS, COPIES_TAKE, Scene, config};

/// How many rounds it takes at most until all is as promised, whatever happened to a run: what is copied in one is shared
/// and saved in the next.
pub(super) const ROUNDS: u32 = 2;

/// What the next run of a job finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Sharer: nothing was copied yet.
    NothingYet,
    /// Sharer: the first copies are being made.
    Copying,
    /// Sharer: the first copies are there, and to be shared.
    Copied,
    /// Sharer: they are shared, and nobody was told.
    Unannounced,
    /// Sharer: there are newer automated snapshots.
    NextDay,
    /// Sharer: the newest copies are shared, and old ones have had their time.
    Superseded,
    /// Saver: the first copies are shared.
    Shared,
    /// Saver: they are being saved.
    Saving,
    /// Saver: they are saved, and are to be saved once more elsewhere.
    Saved,
    /// Saver: newer ones are saved, and the old ones are due.
    Due,
}

impl Stage {
    pub(super) const ALL: [Stage; 10] = [
        Self::NothingYet,
        Self::Copying,
        Self::Copied,
        Self::Unannounced,
        Self::NextDay,
        Self::Superseded,
        Self::Shared,
        Self::Saving,
        Self::Saved,
        Self::Due,
    ];

    /// Those of which the run changes something.
    pub(super) fn with_work() -> impl Iterator<Item = Stage> {
        Self::ALL.into_iter().filter(|stage| !matches!(stage, Self::Copying | Self::Saving))
    }

    /// Whose run it is.
    pub(super) fn job(self) -> Job {
        match self {
            Self::NothingYet | Self::Copying | Self::Copied | Self::Unannounced | Self::NextDay | Self::Superseded => {
                RdsSharer
            }
            Self::Shared | Self::Saving | Self::Saved | Self::Due => RdsSaver,
        }
    }

    /// Brings two accounts to this point.
    pub(super) async fn reached(self) -> Scene {
        self.reached_in(config()).await
    }

    /// The same in a simulated AWS that is configured so.
    pub(super) async fn reached_in(self, config: Config) -> Scene {
        Box::pin(self.made_in(config)).await.expect("nothing disturbs it so far")
    }

    async fn made_in(self, config: Config) -> Result<Scene, String> {
        let estate = Estate::of(config);
        let estate = match self {
            Self::Saved => estate.with_second_copies(),
            Self::Due => estate.with_failsafe("RETENTION", "1d"),
            Self::NothingYet
            | Self::Copying
            | Self::Copied
            | Self::Unannounced
            | Self::NextDay
            | Self::Superseded
            | Self::Shared
            | Self::Saving => estate,
        };
        let mut scene = Scene::set_in(estate).await;
        match self {
            Self::NothingYet => {}
            Self::Copying => {
                scene.run_well(RdsSharer).await?;
                scene.pass(COPIES_TAKE / 5).await;
            }
            Self::Copied => copied(&mut scene).await?,
            Self::Unannounced => {
                copied(&mut scene).await?;
                let simulator = scene.estate.simulator();
                simulator.inject(Fault::new("Publish", FaultKind::Deny).always());
                let report = Box::pin(scene.estate.run(RdsSharer)).await;
                scene.estate.simulator().clear_faults();
                scene.look()?;
                assert!(!report.succeeded(), "nobody was told");
                scene.pass(BETWEEN_RUNS).await;
            }
            Self::NextDay => {
                shared(&mut scene).await?;
                saved(&mut scene).await?;
                scene.until("2026-11-22T06:00:00Z").await;
            }
            Self::Superseded => {
                for day in ["2026-11-21", "2026-11-22"] {
                    scene.until(&format!("{day}T06:00:00Z")).await;
                    shared(&mut scene).await?;
                }
                saved(&mut scene).await?;
                // the first day's are older than the RPO of 30 hours
                scene.until("2026-11-22T13:00:00Z").await;
            }
            Self::Shared => shared(&mut scene).await?,
            Self::Saving => {
                shared(&mut scene).await?;
                scene.run_well(RdsSaver).await?;
                scene.pass(COPIES_TAKE / 5).await;
            }
            Self::Saved => {
                shared(&mut scene).await?;
                saved(&mut scene).await?;
            }
            Self::Due => {
                shared(&mut scene).await?;
                saved(&mut scene).await?;
                scene.until("2026-11-22T06:00:00Z").await;
                shared(&mut scene).await?;
                saved(&mut scene).await?;
            }
        }
        scene.look()?;
        Ok(scene)
    }
}

/// The newest automated snapshots are copied.
async fn copied(scene: &mut Scene) -> Result<(), String> {
    scene.run_well(RdsSharer).await?;
    scene.pass(COPIES_TAKE).await;
    Ok(())
}

/// And shared.
async fn shared(scene: &mut Scene) -> Result<(), String> {
    copied(scene).await?;
    scene.run_well(RdsSharer).await?;
    scene.pass(BETWEEN_RUNS).await;
    Ok(())
}

/// What is shared is saved.
async fn saved(scene: &mut Scene) -> Result<(), String> {
    scene.run_well(RdsSaver).await?;
    scene.pass(COPIES_TAKE).await;
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
        scene.estate.simulator().forget_calls();
        let report = scene.run_well(stage.job()).await.expect("nothing disturbs it");
        let works = Stage::with_work().any(|it| it == stage);
        assert_eq!(!report.applied.is_empty(), works, "{stage:?}: {:?}", report.applied);
        let key = scene.estate.of_job(stage.job()).access_key(stage.job(), HOME);
        let calls = scene.estate.simulator().calls();
        let reads: Vec<bool> =
            calls.iter().filter(|call| call.caller == key).map(|call| call.action.starts_with("Describe")).collect();
        assert!(reads.len() >= 5, "{stage:?}: {reads:?}");
        let done = there_is(&scene);
        scene.pass(COPIES_TAKE).await;
        assert_eq!(scene.heals(ROUNDS).await, Ok(()), "{stage:?}");
        Self { reads, done }
    }
}

/// What there is, in words, but for what RDS takes by itself.
pub(super) fn there_is(scene: &Scene) -> BTreeSet<String> {
    let places = [(Side::Live, HOME), (Side::Failsafe, HOME), (Side::Failsafe, WEST)];
    let of = |(side, region): (Side, &str)| {
        let all = scene.estate.simulator().db_snapshots(side.account(), region).into_iter();
        let words = move |DbSnapshot { kind, id, shared_with, tags, .. }| {
            let keys: Vec<String> = tags.into_keys().collect();
            format!("{side:?} {} {id}, shared with {shared_with:?}, {keys:?}", kind.as_str())
        };
        all.filter(|it| !it.is_automated).map(words).collect::<Vec<_>>()
    };
    places.into_iter().flat_map(of).collect()
}
