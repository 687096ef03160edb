//! Others at work while a run is under way: before each of its calls somebody holds copies, uses them, deregisters the
//! source, deletes the database, disables the keys, or takes the name of the next copy.

use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, RequestLaunchTemplateData};
use snapkeeper_simulator::ImageState;
use snapkeeper_tests::{estate::sdk_tags, meanwhile::Meanwhile, world::ACCOUNT};

use super::{
    BETWEEN_RUNS, COPIES_TAKE, KEY, Scene, UNITS, build, newest_image, own_db_snapshots, own_images,
    stages::{Quiet, Stage},
};
use crate::{
    peers::{HOME, WEST},
    positions::{played, try_all},
};

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Tags every copy `KeepForever`.
    Hold,
    /// Makes a launch template of each image that was copied.
    Use,
    /// Deregisters the newest image of the source.
    Deregister,
    /// Deletes the DB instance, and its automated snapshots with it.
    DeleteDatabase,
    /// Disables the key of the copies.
    DisableKey,
    /// Makes an image in the destination that has the name of the next copy.
    TakeName,
}

impl Act {
    const ALL: [Act; 6] =
        [Self::Hold, Self::Use, Self::Deregister, Self::DeleteDatabase, Self::DisableKey, Self::TakeName];

    async fn carry_out(self, scene: &Scene) {
        let (home, west) = (scene.world.operator(HOME).await, scene.world.operator(WEST).await);
        match self {
            Self::Hold => {
                for image in own_images(&scene.world, WEST) {
                    west.tag(&image.id, "KeepForever", "yes").await;
                }
                for copy in UNITS.iter().flat_map(|unit| own_db_snapshots(&scene.world, WEST, unit)) {
                    let call = west.rds.add_tags_to_resource().resource_name(&copy.arn);
                    call.set_tags(sdk_tags(&[("KeepForever", "yes")])).send().await.expect("AddTagsToResource");
                }
            }
            Self::Use => {
                for image in own_images(&scene.world, WEST) {
                    if image.state == ImageState::Available {
                        let data = RequestLaunchTemplateData::builder().image_id(&image.id).build();
                        let call = west.ec2.create_launch_template().launch_template_name(format!("of-{}", image.id));
                        call.launch_template_data(data).send().await.expect("CreateLaunchTemplate");
                    }
                }
            }
            Self::Deregister => {
                let newest = newest_image(&scene.world).expect("an image");
                home.ec2.deregister_image().image_id(newest.id).send().await.expect("DeregisterImage");
            }
            Self::DeleteDatabase => {
                let call = home.rds.delete_db_instance().db_instance_identifier("orders").skip_final_snapshot(true);
                call.send().await.expect("DeleteDBInstance");
            }
            Self::DisableKey => scene.simulator().disable_key(ACCOUNT, WEST, KEY),
            Self::TakeName => {
                let newest = newest_image(&scene.world).expect("an image");
                let there = scene.simulator().images(ACCOUNT, WEST);
                let by_hand = there.iter().find(|it| it.name == "web-by-hand").expect("somebody else's");
                if !there.iter().any(|it| it.name == newest.name) {
                    let behind = by_hand.devices[0].snapshot_id.clone().expect("a snapshot");
                    let ebs = EbsBlockDevice::builder().snapshot_id(behind).build();
                    let device = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build();
                    let call = west.ec2.register_image().name(newest.name).root_device_name("/dev/xvda");
                    call.block_device_mappings(device).send().await.expect("RegisterImage");
                }
            }
        }
    }
}

#[test]
fn whatever_others_do_at_any_call_nothing_is_lost_by_it() {
    let mut positions: Vec<(Stage, Act, u32)> = Vec::new();
    for stage in [Stage::NothingYet, Stage::NextDay, Stage::Superseded] {
        let quiet = played(async || Quiet::of(stage).await);
        for (call, _) in (0..).zip(&quiet.reads) {
            positions.extend(Act::ALL.map(|act| (stage, act, call)));
        }
    }
    try_all("sync, others act", 180, &positions, async |(stage, act, call)| {
        let mut scene = stage.reached().await;
        let context = scene.context();
        let way = Meanwhile::before(*call, scene.simulator().http_client());
        let run = Box::pin(scene.world.run_through(&context, Some(way.client())));
        let (_, acted) = Box::pin(way.both(run, Box::pin(act.carry_out(&scene)))).await;
        acted.ok_or("the run never made that call")?;
        scene.look()?;
        let (held, used) = (held(&scene), used(&scene));
        scene.pass(COPIES_TAKE).await;
        scene.look()?;
        if *act == Act::DisableKey {
            scene.simulator().create_key(ACCOUNT, WEST, KEY);
        }
        // nobody can make good what somebody else has taken away: but nothing that was there goes for it
        scene.rounds(3).await?;
        if matches!(act, Act::Hold | Act::Use | Act::DisableKey) {
            scene.is_present()?;
        }
        for image in held.iter().chain(&used) {
            if !own_images(&scene.world, WEST).iter().any(|it| it.id == *image) {
                return Err(format!("{image} was held or used, and is gone"));
            }
        }
        Ok(())
    });
}

/// Once somebody has deregistered a copy or deleted it, it is made again.
#[tokio::test(start_paused = true)]
async fn a_copy_that_somebody_takes_away_is_made_again() {
    let mut scene = Box::pin(Stage::Copied.reached()).await;
    scene.rounds(1).await.expect("nothing that must not be");
    scene.is_as_promised().expect("all is there");
    let west = scene.world.operator(WEST).await;
    let copy = own_images(&scene.world, WEST).remove(0);
    west.ec2.deregister_image().image_id(&copy.id).send().await.expect("DeregisterImage");
    for unit in UNITS {
        let copy = own_db_snapshots(&scene.world, WEST, unit).remove(0);
        let is_gone = if unit.starts_with("db:") {
            west.rds.delete_db_snapshot().db_snapshot_identifier(copy.id).send().await.is_ok()
        } else {
            west.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(copy.id).send().await.is_ok()
        };
        assert!(is_gone, "{unit}");
    }
    scene.oracle.learn(&scene.world);
    // EC2 may be late to tell of an image: one that was begun a moment ago is not missed yet
    scene.pass(BETWEEN_RUNS).await;
    let report = scene.run_well().await.expect("nothing that must not be");
    let made: usize = report.applied.iter().map(|step| step.made.len()).sum();
    assert_eq!(made, 3, "{:?}", report.applied);
    scene.pass(COPIES_TAKE).await;
    scene.is_present().expect("all is there again");
}

/// Somebody builds another image while the copy of the first is being made: each is present in its turn, and the first goes
/// only when the second is there.
#[tokio::test(start_paused = true)]
async fn a_newer_build_while_the_last_is_being_copied_takes_its_place_later() {
    let mut scene = Box::pin(Stage::Copying.reached()).await;
    build(&scene.world, HOME, "web-2", &[("Sync-Identifier", "web"), ("Team", "Shop")]).await;
    scene.oracle.learn(&scene.world);
    let first = own_images(&scene.world, WEST).remove(0);
    scene.run_well().await.expect("nothing that must not be");
    assert!(own_images(&scene.world, WEST).iter().any(|it| it.id == first.id), "the second is not there yet");
    scene.pass(COPIES_TAKE).await;
    scene.rounds(2).await.expect("nothing that must not be");
    assert!(!own_images(&scene.world, WEST).iter().any(|it| it.id == first.id), "one is enough");
    scene.is_as_promised().expect("the newest is there");
}

/// The own images that are held.
fn held(scene: &Scene) -> Vec<String> {
    let own = own_images(&scene.world, WEST).into_iter();
    own.filter(|it| it.tags.contains_key("KeepForever") && it.state == ImageState::Available).map(|it| it.id).collect()
}

/// Those that a launch template uses now. One that was deregistered a moment before somebody used it is not there.
fn used(scene: &Scene) -> Vec<String> {
    let own = own_images(&scene.world, WEST).into_iter().map(|it| it.id);
    let named = scene.simulator().calls();
    let is_named = |id: &String| {
        named.iter().any(|it| it.action == "CreateLaunchTemplate" && it.params.iter().any(|(_, value)| value == id))
    };
    own.filter(is_named).collect()
}
