//! The documented example on moto, an EC2 and an RDS that we did not write, as far as they go. The job runs under its policy
//! there, as far as moto evaluates it (`moto_users.py`).
//!
//! What moto 5.2.5 cannot:
//!
//! - it takes no notice of a `ClientToken`: the second of two equal calls makes a second image, of the same name. So nothing
//!   is struck here;
//! - it copies images without the tags of the call, which `serve_moto.py` mends, and does not tell of what an image is a
//!   copy, so that the job knows its own by their tags alone;
//! - `RegisterImage` takes no notice of tags and devices: each image has one device of moto's own, whose snapshot is new
//!   with each copy;
//! - images and snapshots are `available` at once, so nothing is ever in progress or fails;
//! - `DeregisterImage` deletes no snapshots and tells of none, so that nothing is superseded here;
//! - it takes an automated snapshot when a database is made, and none ever again;
//! - of `DescribeImages` it knows some filters only: those of the example are among them.

use snapkeeper_core::{run::Job::Syncer, sync::SyncState::InSync};
use snapkeeper_tests::{World, operator::Operator, policies::syncer_with_all};

use super::{KEY, documented::example, run_well, states, tag_all};
use crate::{
    peers::{HOME, IRELAND, WEST},
    policies::TOPIC,
};

#[tokio::test]
async fn in_moto_the_example_keeps_both_present_and_a_second_run_makes_nothing() {
    let policies = serde_json::json!({ Syncer.name(): syncer_with_all(HOME, TOPIC) });
    let world = World::under(&policies).with("SYNC_CONFIG", example());
    let (home, west) = (world.operator(HOME).await, world.operator(WEST).await);
    for region in [WEST, IRELAND] {
        world.operator(region).await.create_kms_key(KEY).await;
    }
    for (name, environment) in [("web-1", "Staging"), ("web-2", "Production")] {
        let call = home.ec2.register_image().name(name).description("the web servers").root_device_name("/dev/xvda");
        let image = call.send().await.expect("RegisterImage").image_id.expect("an id");
        tag_all(&home, &image, &[("Sync-Identifier", "web"), ("Environment", environment), ("Team", "Shop")]).await;
    }
    home.create_db_instance("orders", &[]).await;

    let first = run_well(&world).await;
    assert_eq!(first.results.len(), 2, "{:?}", first.results);
    for _ in 0..2 {
        let again = run_well(&world).await;
        assert!(again.applied.iter().all(|step| step.made.is_empty()), "{:?}", again.applied);
        assert_eq!(states(&again, "sync_web"), [(WEST.to_owned(), InSync)]);
        assert_eq!(states(&again, "sync_orders"), [(IRELAND.to_owned(), InSync), (WEST.to_owned(), InSync)]);
    }
    let images = west.ec2.describe_images().owners("self").send().await.expect("DescribeImages");
    let [image] = images.images() else { panic!("{images:?}") };
    assert_eq!((image.name(), image.description()), (Some("web-2"), Some("the web servers")));
    let has = |key: &str, value: &str| image.tags().iter().any(|it| (it.key(), it.value()) == (Some(key), Some(value)));
    assert!(has("Snapkeeper_Sync", "Yes") && has("Team", "Shop") && has("Sync-Identifier", "web"), "{image:?}");
    let sources = home.ec2.describe_images().owners("self").send().await.expect("DescribeImages");
    let source = sources.images().iter().find(|it| it.name() == Some("web-2")).expect("the source");
    let told = source.tags().iter().find(|it| it.key() == Some("Sync-us-west-2")).and_then(|it| it.value());
    assert!(told.is_some_and(|told| told.ends_with(image.image_id().expect("an id"))), "{source:?}");
    for region in [WEST, IRELAND] {
        let names = manual(&world.operator(region).await).await;
        assert!(names.len() == 1 && names[0].starts_with("sync-us-east-1-orders-"), "{region}: {names:?}");
    }
}

/// The names of the manual snapshots of DB instances.
async fn manual(operator: &Operator) -> Vec<String> {
    let all = operator.rds.describe_db_snapshots().snapshot_type("manual").send().await.expect("DescribeDBSnapshots");
    all.db_snapshots().iter().filter_map(|it| it.db_snapshot_identifier.clone()).collect()
}
