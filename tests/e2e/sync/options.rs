//! What each option of a job does, alone and with others.

use std::{collections::BTreeSet, time::Duration};

use snapkeeper_core::sync::SyncState::{Created, InProgress, InSync};
use snapkeeper_simulator::{Config, DbSnapshotState, Fault, FaultKind, ImageState};
use snapkeeper_tests::{
    World,
    world::{ACCOUNT, START, instant},
};

use super::{COPIES_TAKE, build, config, own_db_snapshots, own_images, result, run, run_well, states, tag_all, world};
use crate::peers::{HOME, IRELAND, WEST};

/// Another account, which shares its images.
const PARTNER: &str = "444455556666";

/// The images of the account, in the order in which they are made.
const IMAGES: [(&str, &[(&str, &str)]); 4] = [
    ("web-1", &[("Sync-Identifier", "web"), ("Environment", "Production")]),
    ("web-2", &[("Sync-Identifier", "web"), ("Environment", "Staging")]),
    ("web-3", &[("Sync-Identifier", "web"), ("Environment", "Production"), ("Sync", "Yes")]),
    ("worker-1", &[("Sync-Identifier", "worker"), ("Environment", "Production")]),
];

/// An account with these images.
async fn account(text: &str) -> World {
    let world = world(Config::starting(instant(START)), text);
    for (name, tags) in IMAGES {
        build(&world, HOME, name, tags).await;
    }
    world
}

/// A job on an image, with these options.
fn job(options: &str) -> String {
    let common = "  sync_type: ec2_ami\n  source_region: us-east-1\n";
    let to = if options.contains("destination_region") { "" } else { "  destination_region: us-west-2\n" };
    let options: Vec<String> = options.lines().map(|line| format!("  {line}\n")).collect();
    let options = options.concat();
    format!("sync_it:\n{common}{to}{options}")
}

/// Which copies a job with these options makes, as `region name`.
async fn check(options: &str, expected: &[&str]) {
    let world = account(&job(options)).await;
    let report = run_well(&world).await;
    let made: Vec<String> = [WEST, IRELAND]
        .into_iter()
        .flat_map(|region| own_images(&world, region).into_iter().map(move |it| format!("{region} {}", it.name)))
        .collect();
    assert_eq!(made, expected, "{options}");
    assert!(states(&report, "sync_it").iter().all(|(_, state)| *state == Created), "{options}: {:?}", report.results);
    // it was made from what is named, and is there once
    world.pass(COPIES_TAKE).await;
    let again = run_well(&world).await;
    assert!(again.applied.iter().all(|step| step.made.is_empty()), "{options}: {:?}", again.applied);
    assert!(states(&again, "sync_it").iter().all(|(_, state)| *state == InSync), "{options}: {:?}", again.results);
}

#[tokio::test(start_paused = true)]
async fn an_image_is_found_by_identifier_and_by_filters_all_of_which_must_hold() {
    check("sync_identifier: worker", &["us-west-2 worker-1"]).await;
    check("filters: [\"tag:Environment=Staging\"]", &["us-west-2 web-2"]).await;
    check("filters: [\"name=worker-*\"]", &["us-west-2 worker-1"]).await;
    check("filters: [\"tag:Environment=Production\", \"tag-key=Sync\"]", &["us-west-2 web-3"]).await;
    check("filters: [\"tag:Environment=Staging,Testing\"]", &["us-west-2 web-2"]).await;
    check("sync_identifier: web\nfilters: [\"tag:Sync=Yes\"]", &["us-west-2 web-3"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_is_taken_where_that_is_asked_for() {
    check("sync_identifier: web\nnewest: true", &["us-west-2 web-3"]).await;
    check("filters: [\"tag:Environment=Production\"]\nnewest: true", &["us-west-2 worker-1"]).await;
    check("ami_owner: \"123456789012\"\nsync_identifier: web\nnewest: true", &["us-west-2 web-3"]).await;
}

#[tokio::test(start_paused = true)]
async fn there_may_be_several_destinations() {
    let both = ["us-west-2 worker-1", "eu-west-1 worker-1"];
    for regions in ["[us-west-2, eu-west-1]", "us-west-2 eu-west-1", "\"us-west-2, eu-west-1\""] {
        check(&format!("sync_identifier: worker\ndestination_region: {regions}"), &both).await;
    }
}

#[tokio::test(start_paused = true)]
async fn none_or_several_are_an_error_that_names_them_and_nothing_is_done() {
    for (options, found) in [
        ("sync_identifier: web", &["web-1", "web-2", "web-3"][..]),
        ("filters: [\"tag:Environment=Production\"]", &["web-1", "web-3", "worker-1"]),
        ("sync_identifier: mail", &[]),
        ("sync_identifier: web\nfilters: [\"tag:Environment=Testing\"]\nnewest: true", &[]),
    ] {
        let world = account(&job(options)).await;
        let report = run(&world).await;
        let errors = result(&report, "sync_it").errors.join("\n");
        assert!(!errors.is_empty() && !report.succeeded(), "{options}");
        for image in world.simulator().images(ACCOUNT, HOME) {
            let is_named = errors.contains(&image.id);
            assert_eq!(is_named, found.contains(&image.name.as_str()), "{options}: {}: {errors}", image.name);
        }
        assert!(own_images(&world, WEST).is_empty(), "{options}");
        assert!(report.failed.iter().any(|it| it.resource == "sync_it"), "{options}: {:?}", report.failed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_of_another_account_is_copied_where_it_is_shared_and_only_its_own_tags_are_ours() {
    let text = job(&format!("ami_owner: \"{PARTNER}\"\nfilters: [\"name=golden-*\"]\nnewest: true"));
    let world = account(&text).await;
    let partner = world.beside(PARTNER);
    let image = build(&partner, HOME, "golden-1", &[("Team", "Partner")]).await;
    let report = run(&world).await;
    assert!(!report.succeeded() && own_images(&world, WEST).is_empty(), "it is not shared: {:?}", report.results);
    world.simulator().share_image(PARTNER, HOME, &image, ACCOUNT);
    run_well(&world).await;
    world.pass(COPIES_TAKE).await;
    let report = run_well(&world).await;
    assert_eq!(states(&report, "sync_it"), [(WEST.to_owned(), InSync)]);
    let own = own_images(&world, WEST);
    let [copy] = own.as_slice() else { panic!("{own:?}") };
    assert_eq!((copy.name.as_str(), copy.state, copy.owner.as_str()), ("golden-1", ImageState::Available, ACCOUNT));
    let source = world.simulator().images(PARTNER, HOME).into_iter().find(|it| it.id == image).expect("the source");
    let keys: Vec<String> = source.tags.into_keys().collect();
    assert_eq!(keys, ["Team"], "what is another's is not tagged");
}

#[tokio::test(start_paused = true)]
async fn a_key_encrypts_the_copy() {
    for (options, is_encrypted) in [("kms_key_id: alias/dr\n", true), ("", false)] {
        let world = account(&job(&format!("{options}sync_identifier: worker"))).await;
        run_well(&world).await;
        world.pass(COPIES_TAKE).await;
        let own = own_images(&world, WEST);
        assert!(own.len() == 1 && own[0].state == ImageState::Available, "{own:?}");
        let behind = world.simulator().snapshots(ACCOUNT, WEST).into_iter();
        let keys: BTreeSet<bool> = behind.filter(|it| own[0].uses(&it.id)).map(|it| it.kms_key_id.is_some()).collect();
        assert_eq!(keys, BTreeSet::from([is_encrypted]), "{options}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_images_stay_as_are_to_stay_and_all_where_nothing_is_said() {
    for (options, left) in [
        ("max_images_to_retain: 2\n", &["web-4", "web-5"][..]),
        ("max_images_to_retain: 1\n", &["web-5"]),
        ("", &["web-3", "web-4", "web-5"]),
    ] {
        let world = account(&job(&format!("{options}sync_identifier: web\nnewest: true"))).await;
        for name in ["web-4", "web-5"] {
            run_well(&world).await;
            world.pass(COPIES_TAKE).await;
            run_well(&world).await;
            build(&world, HOME, name, &[("Sync-Identifier", "web")]).await;
        }
        for _ in 0..2 {
            run_well(&world).await;
            world.pass(COPIES_TAKE).await;
        }
        run_well(&world).await;
        let names: Vec<String> = own_images(&world, WEST).into_iter().map(|it| it.name).collect();
        assert_eq!(names, left, "{options}");
        let own = own_images(&world, WEST);
        let snapshots = world.simulator().snapshots(ACCOUNT, WEST).into_iter();
        let stray: Vec<String> = snapshots
            .filter(|it| it.tags.contains_key("Snapkeeper_Sync") && !own.iter().any(|image| image.uses(&it.id)))
            .map(|it| it.id)
            .collect();
        assert_eq!(stray, Vec::<String>::new(), "snapshots go with their images: {options}");
    }
}

/// One that an instance or a launch template uses, in whatever version, stays for as long as that is so, and so does one
/// that is held.
#[tokio::test(start_paused = true)]
async fn an_image_that_is_used_or_held_stays() {
    let world = account(&job("max_images_to_retain: 1\nsync_identifier: web\nnewest: true")).await;
    let west = world.operator(WEST).await;
    let names = ["web-3", "web-4", "web-5", "web-6", "web-7"];
    for (number, name) in names.into_iter().enumerate() {
        if number > 0 {
            build(&world, HOME, name, &[("Sync-Identifier", "web")]).await;
        }
        run_well(&world).await;
        world.pass(COPIES_TAKE).await;
        let newest = own_images(&world, WEST).pop().expect("a copy");
        assert_eq!(newest.name, name);
        let id = newest.id.as_str();
        let calls = match number {
            0 => vec![("RunInstances", vec![("ImageId", id), ("MinCount", "1"), ("MaxCount", "1")])],
            1 => {
                vec![("CreateLaunchTemplate", vec![("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", id)])]
            }
            // neither the latest nor the default version of that template any more
            2 => vec![
                (
                    "CreateLaunchTemplateVersion",
                    vec![("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", id)],
                ),
                (
                    "CreateLaunchTemplateVersion",
                    vec![("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", "ami-12345678")],
                ),
            ],
            _ => vec![("CreateTags", vec![("ResourceId.1", id), ("Tag.1.Key", "KeepForever"), ("Tag.1.Value", "yes")])],
        };
        for (action, parameters) in calls {
            world.simulator().call("ec2", WEST, action, &parameters).expect("an operator's call");
        }
        run_well(&world).await;
    }
    let left = |world: &World| -> Vec<String> { own_images(world, WEST).into_iter().map(|it| it.name).collect() };
    assert_eq!(left(&world), names);
    // an instance that is stopped uses it still, one that is terminated does not
    let instances = world.simulator().instances(ACCOUNT, WEST).into_iter();
    let copies = own_images(&world, WEST);
    let user =
        instances.map(|it| (it.id, it.image_id)).find(|(_, image)| *image == copies[0].id).expect("an instance").0;
    west.stop(&user).await;
    world.pass(Duration::from_mins(30)).await;
    run_well(&world).await;
    assert_eq!(left(&world), names);
    west.terminate(&user).await;
    world.pass(Duration::from_mins(30)).await;
    run_well(&world).await;
    assert_eq!(left(&world), names[1..]);
    west.ec2.delete_launch_template().launch_template_name("web").send().await.expect("DeleteLaunchTemplate");
    run_well(&world).await;
    assert_eq!(left(&world), ["web-6", "web-7"], "those that are held");
}

#[tokio::test(start_paused = true)]
async fn of_a_database_the_newest_copies_stay_beside_the_one_in_the_making() {
    for (kind, unit, options, most) in [
        ("db_instance: orders", "db:orders", "max_snapshots_to_retain: 1\n", 1),
        ("db_instance: orders", "db:orders", "", 2),
        ("db_cluster: shop", "cluster:shop", "", 2),
        ("db_cluster: shop", "cluster:shop", "max_snapshots_to_retain: 3\n", 3),
    ] {
        let options: Vec<String> = options.lines().map(|line| format!("  {line}\n")).collect();
        let options = options.concat();
        let text = format!(
            "sync_it:\n  sync_type: rds_automated_snapshot\n  source_region: us-east-1\n  destination_region: us-west-2\n  \
             kms_key_id: alias/dr\n  {kind}\n{options}"
        );
        let world = world(config(), &text);
        let home = world.operator(HOME).await;
        home.create_db_instance("orders", &[]).await;
        home.create_db_cluster("shop", &[]).await;
        for day in 21..=26_usize {
            world.until(&format!("2026-11-{day}T06:00:00Z")).await;
            let report = run_well(&world).await;
            assert_eq!(states(&report, "sync_it"), [(WEST.to_owned(), Created)], "{unit} {day}");
            let report = run_well(&world).await;
            assert_eq!(states(&report, "sync_it"), [(WEST.to_owned(), InProgress)], "{unit} {day}");
            let own = own_db_snapshots(&world, WEST, unit);
            let available = own.iter().filter(|it| it.state == DbSnapshotState::Available).count();
            let days = day - 21;
            assert_eq!((available, own.len() - available), (days.min(most), 1), "{unit} {day}");
            world.pass(COPIES_TAKE).await;
            let report = run_well(&world).await;
            assert_eq!(states(&report, "sync_it"), [(WEST.to_owned(), InSync)], "{unit} {day}");
            assert_eq!(own_db_snapshots(&world, WEST, unit).len(), (days + 1).min(most), "{unit} {day}");
        }
    }
}

/// With a run a day the surplus goes in the run that begins the next copy; but not where AWS refuses that copy.
#[tokio::test(start_paused = true)]
async fn where_the_newest_cannot_be_copied_the_older_copies_stay() {
    let text = "sync_it: {sync_type: rds_automated_snapshot, source_region: us-east-1, destination_region: us-west-2, \
                kms_key_id: alias/dr, db_instance: orders, max_snapshots_to_retain: 1}";
    for is_refused in [false, true] {
        let world = world(config(), text);
        world.operator(HOME).await.create_db_instance("orders", &[]).await;
        for day in [21, 22] {
            world.until(&format!("2026-11-{day}T06:00:00Z")).await;
            run_well(&world).await;
        }
        world.until("2026-11-23T06:00:00Z").await;
        if is_refused {
            world.simulator().inject(Fault::new("CopyDBSnapshot", FaultKind::Deny).always());
        }
        let report = run(&world).await;
        assert_eq!(report.succeeded(), !is_refused, "{:?}", report.failed);
        let days: Vec<bool> = ["11-21", "11-22", "11-23"]
            .into_iter()
            .map(|day| own_db_snapshots(&world, WEST, "db:orders").iter().any(|copy| copy.id.contains(day)))
            .collect();
        assert_eq!(days, [is_refused, true, !is_refused]);
        assert_eq!(report.unfinished.len(), usize::from(is_refused), "{:?}", report.unfinished);
    }
}

/// One job's trouble is no other's.
#[tokio::test(start_paused = true)]
async fn a_job_that_fails_stops_no_other() {
    let text =
        format!("{}\n{}", job("sync_identifier: mail"), job("sync_identifier: worker").replace("sync_it", "sync_ok"));
    let world = account(&text).await;
    let report = run(&world).await;
    assert!(!report.succeeded());
    assert!(!result(&report, "sync_it").succeeded() && result(&report, "sync_ok").succeeded(), "{:?}", report.results);
    assert_eq!(own_images(&world, WEST).len(), 1);
    // nor is one destination's trouble another's
    let text = job("sync_identifier: worker\ndestination_region: us-west-2 eu-west-1");
    let world = account(&text).await;
    world.simulator().region_down(WEST);
    let report = run(&world).await;
    let told = result(&report, "sync_it");
    assert!(!told.succeeded() && told.errors.iter().any(|it| it.contains(WEST)), "{told:?}");
    assert_eq!(own_images(&world, IRELAND).len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_what_it_would_do_and_does_nothing() {
    let world = account(&job("sync_identifier: worker")).await;
    let mut context = super::context(&world);
    context.run.dry_run = true;
    let report = Box::pin(world.run_in(&context)).await;
    assert!(report.succeeded(), "{:?}", report.failed);
    assert_eq!(report.planned.len(), 1, "{:?}", report.planned);
    assert_eq!(states(&report, "sync_it"), [(WEST.to_owned(), Created)]);
    assert!(own_images(&world, WEST).is_empty());
}

/// All that an operator has set on an image goes along, whatever it begins with, but for what asks for copies and what
/// tells of them. Of the snapshots behind it the tags of backups do not: the manager would take the copies for some.
#[tokio::test(start_paused = true)]
async fn tags_of_the_operator_are_carried_over_and_those_of_backups_are_not() {
    let world = account(&job("sync_identifier: worker")).await;
    let source = world.simulator().images(ACCOUNT, HOME).into_iter().find(|it| it.name == "worker-1").expect("one");
    let tags = [("Sync-Team", "us"), ("Copy_Dest", "mars"), ("Sync-eu-west-1", "20251121000000+0000 / ami-1")];
    tag_all(&world.operator(HOME).await, &source.id, &tags).await;
    run(&world).await;
    world.pass(COPIES_TAKE).await;
    run(&world).await;
    let copy = own_images(&world, WEST).remove(0);
    let keys: Vec<&str> = copy.tags.keys().map(String::as_str).collect();
    let expected = ["Environment", "Snapkeeper_Sync", "Sync-From-us-east-1", "Sync-Identifier", "Sync-Team"];
    assert_eq!(keys, expected);
    for snapshot in world.simulator().snapshots(ACCOUNT, WEST) {
        let keys: Vec<&str> = snapshot.tags.keys().map(String::as_str).collect();
        assert_eq!(keys, ["Device", "Snapkeeper_Sync", "Sync-From-us-east-1", "Team"]);
    }
}
