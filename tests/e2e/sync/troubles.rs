//! What goes wrong for a while in the account itself, at each stage: keys, quotas, copies that fail, a region that is down,
//! names that are taken.

use snapkeeper_simulator::{Config, ImageState};
use snapkeeper_tests::world::{ACCOUNT, START, instant};

use super::{
    BETWEEN_RUNS, CONFIG, COPIES_TAKE, KEY, Scene, build, config, copies_of, newest_automated, own_db_snapshots,
    own_images, result, stages::Stage, world,
};
use crate::{
    peers::{HOME, WEST},
    positions::try_all,
};

/// What goes wrong, for as long as two runs.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// The key of copies.
    KeyDisabled,
    /// No more manual database snapshots of either kind in the destination.
    QuotaFull,
    /// The copies that are begun then fail.
    CopiesFail,
    /// Nobody answers in the destination.
    DestinationDown,
    /// Nobody answers where the sources are.
    SourceDown,
}

impl Trouble {
    const ALL: [Trouble; 5] =
        [Self::KeyDisabled, Self::QuotaFull, Self::CopiesFail, Self::DestinationDown, Self::SourceDown];

    /// A copy that failed is deleted by one run, and made again by the next.
    fn further_runs(self) -> u32 {
        match self {
            Self::QuotaFull | Self::DestinationDown | Self::SourceDown => 0,
            Self::KeyDisabled | Self::CopiesFail => 1,
        }
    }

    async fn begins(self, scene: &mut Scene) {
        let simulator = scene.simulator();
        match self {
            Self::KeyDisabled => simulator.disable_key(ACCOUNT, WEST, KEY),
            Self::QuotaFull => fill(scene, true).await,
            Self::CopiesFail => {
                simulator.fail_image_copies(2);
                simulator.fail_db_copies(4);
            }
            Self::DestinationDown => simulator.region_down(WEST),
            Self::SourceDown => simulator.region_down(HOME),
        }
    }

    async fn ends(self, scene: &mut Scene) {
        let simulator = scene.simulator();
        match self {
            Self::KeyDisabled => simulator.create_key(ACCOUNT, WEST, KEY),
            Self::QuotaFull => fill(scene, false).await,
            Self::CopiesFail => {
                simulator.fail_image_copies(0);
                simulator.fail_db_copies(0);
            }
            Self::DestinationDown => simulator.region_up(WEST),
            Self::SourceDown => simulator.region_up(HOME),
        }
    }
}

/// How many manual snapshots of a kind a region may have in these worlds.
const QUOTA: usize = 6;

/// Fills the destination's quota of DB snapshots by hand, or makes room again.
async fn fill(scene: &mut Scene, fills: bool) {
    let operator = scene.world.operator(WEST).await;
    for number in 0..QUOTA {
        let name = format!("by-hand-{number}");
        if fills {
            let call = operator.rds.create_db_snapshot().db_instance_identifier("ledger").db_snapshot_identifier(name);
            // until there is no more room
            if call.send().await.is_err() {
                break;
            }
        } else {
            let _ = operator.rds.delete_db_snapshot().db_snapshot_identifier(name).send().await;
        }
    }
    scene.oracle.learn(&scene.world);
}

#[test]
fn troubles_of_an_account_are_mended_when_they_are_over() {
    let all: Vec<(Stage, Trouble)> =
        Stage::ALL.into_iter().flat_map(|stage| Trouble::ALL.map(|trouble| (stage, trouble))).collect();
    try_all("sync, troubles of an account", 30, &all, async |(stage, trouble)| {
        let mut config = config();
        config.db_snapshot_limit = QUOTA;
        let mut scene = stage.reached_in(config).await;
        trouble.begins(&mut scene).await;
        scene.rounds(2).await?;
        trouble.ends(&mut scene).await;
        scene.look()?;
        // what was refused, or failed, harms nothing
        scene.heals(stage.runs() + trouble.further_runs()).await
    });
}

/// A copy that failed is told, with what AWS says of it, in each run until it is made good.
#[tokio::test(start_paused = true)]
async fn a_copy_that_failed_is_told_and_made_again() {
    let mut scene = Box::pin(Stage::NothingYet.reached()).await;
    scene.simulator().disable_key(ACCOUNT, WEST, KEY);
    scene.simulator().fail_image_copies(1);
    scene.rounds(1).await.expect("nothing that must not be");
    scene.simulator().create_key(ACCOUNT, WEST, KEY);
    let failed = own_images(&scene.world, WEST);
    assert!(failed.len() == 1 && failed[0].state == ImageState::Failed, "{failed:?}");
    let report = scene.run().await.expect("nothing that must not be");
    let told = result(&report, "sync_web").errors.join("\n");
    assert!(told.contains(&failed[0].id), "{told}");
    assert!(own_images(&scene.world, WEST).is_empty(), "it holds nothing, and goes");
    scene.pass(BETWEEN_RUNS).await;
    scene.rounds(2).await.expect("nothing that must not be");
    scene.is_present().expect("made again");
}

/// Somebody's own image, or snapshot, has the very name of the copy: it is named in the report, and left alone, and the
/// other jobs go on.
#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_told_and_left_alone() {
    let world = world(Config::starting(instant(START)), CONFIG);
    let mut scene = Scene::set_in(world).await;
    let taken = build(&scene.world, WEST, "web-1", &[("Team", "Others")]).await;
    let source = newest_automated(&scene.world, "db:orders").expect("an automated one");
    let name = source.id.replacen("rds:", "sync-us-east-1-", 1);
    scene.world.operator(WEST).await.db_snapshot_by_hand("ledger", &name, &[("Type", "Automated")]).await;
    scene.oracle.learn(&scene.world);
    scene.pass(COPIES_TAKE).await;
    for _ in 0..2 {
        let report = scene.run().await.expect("left alone");
        for (job, named) in [("sync_web", &taken), ("sync_orders", &name)] {
            let errors = result(&report, job).errors.join("\n");
            assert!(errors.contains(named.as_str()), "{job}: {errors}");
        }
        assert!(result(&report, "sync_shop").succeeded(), "{:?}", report.results);
        scene.pass(COPIES_TAKE).await;
        scene.look().expect("left alone");
    }
    let source = super::newest_image(&scene.world).expect("an image");
    assert!(copies_of(&scene.world, WEST, &source.id).is_empty());
    assert_eq!(own_db_snapshots(&scene.world, WEST, "cluster:shop").len(), 1);
}

/// More copies than AWS makes at once: those that found no room are left to the next run, which is no failure.
#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_left_to_the_next_run() {
    let mut config = Config::starting(instant(START));
    config.db_copies_at_once = 2;
    let jobs = |number: usize| {
        format!(
            "sync_{number}:\n  sync_type: rds_automated_snapshot\n  source_region: us-east-1\n  destination_region: \
             us-west-2\n  db_instance: db{number}\n  kms_key_id: alias/dr\n"
        )
    };
    let world = world(config, &(0..5).map(jobs).collect::<String>());
    let home = world.operator(HOME).await;
    for number in 0..5 {
        home.create_db_instance(&format!("db{number}"), &[]).await;
    }
    world.until("2026-11-21T06:00:00Z").await;
    let present = |world: &snapkeeper_tests::World| {
        (0..5).map(|number| own_db_snapshots(world, WEST, &format!("db:db{number}")).len()).sum::<usize>()
    };
    let report = super::run(&world).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!((present(&world), report.unfinished.is_empty()), (2, false), "{:?}", report.unfinished);
    for expected in [4, 5, 5] {
        world.pass(COPIES_TAKE).await;
        let report = super::run(&world).await;
        assert!(report.succeeded(), "{:?}", report.failed);
        assert_eq!(present(&world), expected);
    }
}
