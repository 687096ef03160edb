//! What the jobs do together, written once and run against each door: the simulator inside the process, the simulator
//! over HTTP, and moto. Everywhere each job runs under the policy with which it is deployed, in moto as far as moto
//! evaluates it.

use std::collections::{BTreeMap, BTreeSet};

use snapkeeper_core::run::Job::{Copier, Creator, Manager, Watcher};
use snapkeeper_tests::{World, operator::tag};

/// One test for each door and scenario. moto completes snapshots at once, ignores exclusions, knows no locks (the
/// program that starts it answers that there are none), forgets which snapshots an image was registered with, keeps a
/// copy's `VolumeId`, and knows no multi-attach volumes and no hibernation; a scenario that needs more of it stands under `not on moto`.
macro_rules! scenarios {
    (everywhere { $($scenario:ident)* } not on moto { $($ours:ident)* }) => {
        mod in_process {
            $(#[tokio::test(start_paused = true)] async fn $scenario() { super::$scenario(super::World::in_process()).await; })*
            $(#[tokio::test(start_paused = true)] async fn $ours() { super::$ours(super::World::in_process()).await; })*
        }
        mod over_http {
            $(#[tokio::test] async fn $scenario() { super::$scenario(super::World::listener().await).await; })*
            $(#[tokio::test] async fn $ours() { super::$ours(super::World::listener().await).await; })*
        }
        mod moto {
            $(#[tokio::test] async fn $scenario() { super::$scenario(super::World::moto_under_policies()).await; })*
        }
    };
}

scenarios! {
    everywhere {
        a_backup_is_taken_once_a_run_and_expires_on_its_day
    copies_are_made_once_in_each_region_and_expire_like_their_primaries
    tags_that_cannot_be_read_stop_nobody_and_are_made_good_later
    what_is_held_or_made_by_hand_stays
    stopped_instances_are_backed_up_and_terminated_ones_expire
    the_last_good_backup_of_an_enrolled_volume_stays
    the_watcher_tells_of_what_is_not_protected
    }
    not on moto {
    a_volume_that_is_left_out_is_left_out
    a_shared_volume_is_taken_once_a_run
    a_locked_snapshot_stays
    an_image_holds_its_snapshots_until_it_is_deregistered
    a_hibernated_instance_is_backed_up
    }
}

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const DAY_1: &str = "2026-11-21T05:00:00Z";
const DAY_2: &str = "2026-11-22T05:00:00Z";
const DAY_8: &str = "2026-11-28T05:00:00Z";

async fn a_backup_is_taken_once_a_run_and_expires_on_its_day(world: World) {
    let operator = world.operator(EAST).await;
    let one = operator.run_instance(&[], &[("Backup", "Yes"), ("Name", "one")]).await;
    let two = operator.run_instance(&["/dev/sdf"], &[("Backup", "yes"), ("Retention", "8")]).await;
    operator.run_instance(&[], &[("Backup", "No")]).await;
    operator.run_instance(&[], &[]).await;

    let report = world.run_well(Creator, EAST, DAY_1).await;
    assert_eq!((report.counts.applied, report.kept_by_reason["opted_out"]), (2, 1));
    let snapshots = operator.automated().await;
    let of = |instance: &str| {
        let of = snapshots.iter().filter(|it| tag(it, "Source_InstanceId").as_deref() == Some(instance));
        of.map(|it| (it.volume_id().unwrap().to_owned(), it)).collect::<BTreeMap<_, _>>()
    };
    for (instance, delete_on, description) in [(&one, "2026-11-28", "one ("), (&two, "2026-11-29", "i-")] {
        let volumes: BTreeSet<String> = operator.volumes(instance).await.into_values().collect();
        let taken = of(instance);
        assert_eq!(taken.keys().cloned().collect::<BTreeSet<_>>(), volumes);
        for snapshot in taken.values() {
            let tags = ["Type", "DeleteOn", "Backup_Run", "Source_Region"].map(|key| tag(snapshot, key).unwrap());
            assert_eq!(tags, ["Automated", delete_on, DAY_1, EAST]);
            let devices = tag(snapshot, "Source_Devices").unwrap();
            assert!(volumes.iter().all(|volume| devices.contains(volume)), "{devices}");
            assert!(snapshot.description().unwrap().starts_with(description), "{snapshot:?}");
        }
    }

    // the same event again is the same run
    let again = world.run_well(Creator, EAST, DAY_1).await;
    assert_eq!((again.counts.applied, again.kept_by_reason["already_taken"]), (0, 2));
    assert_eq!(operator.automated().await.len(), 3);

    world.settle().await;
    world.until(DAY_2).await;
    world.run_well(Creator, EAST, DAY_2).await;
    world.settle().await;
    assert_eq!(operator.automated().await.len(), 6);
    let early = world.run_well(Manager, EAST, "2026-11-27T23:59:59Z").await;
    assert_eq!(early.counts.applied, 0, "{:?}", early.applied);
    let dry = world.dry_run(Manager, EAST, DAY_8).await;
    assert_eq!((dry.planned.len(), operator.automated().await.len()), (1, 6));
    let report = world.run_well(Manager, EAST, DAY_8).await;
    assert_eq!(report.applied.iter().map(|it| &it.resource).collect::<Vec<_>>(), [&dry.planned[0].resource]);
    assert_eq!(operator.automated().await.len(), 5);
    // days that were missed are caught up, but for what is the last
    let report = world.run_well(Manager, EAST, "2027-01-01T05:00:00Z").await;
    assert_eq!((report.counts.applied, report.kept_by_reason["last_good"]), (2, 3));
}

async fn copies_are_made_once_in_each_region_and_expire_like_their_primaries(world: World) {
    let (east, west, europe) =
        (world.operator(EAST).await, world.operator(WEST).await, world.operator("eu-west-1").await);
    let instance =
        east.run_instance(&[], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2, EU-west-1 us-east-1 mars")]).await;
    let report = world.run_well(Creator, EAST, DAY_1).await;
    assert_eq!(report.findings.len(), 2, "its own region, and mars: {:?}", report.findings);
    world.settle().await;
    let report = world.run_well(Copier, EAST, DAY_1).await;
    assert_eq!(report.counts.applied, 2);
    world.settle().await;
    let again = world.run_well(Copier, EAST, DAY_1).await;
    assert_eq!((again.counts.applied, again.kept_by_reason["copied"]), (0, 2));

    let primary = east.automated().await.remove(0);
    for operator in [&west, &europe] {
        let copies = operator.automated().await;
        assert_eq!(copies.len(), 1);
        for key in ["Type", "DeleteOn", "Backup_Run", "Source_InstanceId", "Source_Region", "Source_Devices"] {
            assert_eq!(tag(&copies[0], key), tag(&primary, key), "{key}");
            assert!(tag(&primary, key).is_some(), "{key}");
        }
        assert_eq!(tag(&copies[0], "Source_SnapshotId"), primary.snapshot_id);
        assert_eq!(tag(&copies[0], "Source_VolumeId"), primary.volume_id);
        assert_eq!(tag(&copies[0], "Copy_Dest"), None);
        assert_eq!(copies[0].description(), primary.description());
    }
    // copies are never copied, whoever runs there
    world.run_well(Copier, WEST, DAY_1).await;
    assert_eq!(east.automated().await.len(), 1);

    // a hold set later reaches copies made earlier
    let id = primary.snapshot_id().unwrap();
    east.tag(id, "KeepForever", "").await;
    let report = world.run_well(Copier, EAST, DAY_2).await;
    assert_eq!(report.counts.applied, 2);
    let kept = world.run_well(Manager, WEST, "2027-01-01T05:00:00Z").await;
    assert_eq!((kept.counts.applied, kept.kept_by_reason["keep_forever"]), (0, 1));

    // the copy that is the last good backup stays as long as its volume is enrolled at home
    let copy = europe.automated_ids().await.remove(0);
    europe
        .ec2
        .delete_tags()
        .resources(&copy)
        .tags(aws_sdk_ec2::types::Tag::builder().key("KeepForever").build())
        .send()
        .await
        .unwrap();
    let kept = world.run_well(Manager, "eu-west-1", DAY_8).await;
    assert_eq!((kept.counts.applied, kept.kept_by_reason["last_good"]), (0, 1));
    east.terminate(&instance).await;
    let report = world.run_well(Manager, "eu-west-1", DAY_8).await;
    assert_eq!(report.counts.applied, 1);
}

async fn tags_that_cannot_be_read_stop_nobody_and_are_made_good_later(world: World) {
    let operator = world.operator(EAST).await;
    let typo = operator.run_instance(&[], &[("Backup", "Yes"), ("Retention", "2weeks")]).await;
    let good = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    let unsure = operator.run_instance(&[], &[("Backup", "Yse")]).await;
    let report = world.run_well(Creator, EAST, DAY_1).await;
    assert_eq!(report.counts.applied, 2);
    let told: BTreeSet<&str> = report.findings.iter().map(|finding| finding.resource.as_str()).collect();
    assert_eq!(told, BTreeSet::from([typo.as_str(), unsure.as_str()]));
    let delete_on = |snapshots: Vec<aws_sdk_ec2::types::Snapshot>| -> BTreeMap<String, Option<String>> {
        snapshots.iter().map(|it| (tag(it, "Source_InstanceId").unwrap(), tag(it, "DeleteOn"))).collect()
    };
    let dates = delete_on(operator.automated().await);
    assert_eq!(dates, [(typo.clone(), None), (good.clone(), Some("2026-11-28".to_owned()))].into());

    world.settle().await;
    world.until(DAY_2).await;
    operator.tag(&typo, "Retention", "2w").await;
    operator.terminate(&good).await;
    let report = world.run_well(Creator, EAST, DAY_2).await;
    assert_eq!(report.counts.applied, 2, "a backup and a date: {:?}", report.applied);
    let first = operator.automated().await.into_iter().find(|it| tag(it, "Source_InstanceId") == Some(typo.clone()));
    assert_eq!(tag(&first.unwrap(), "DeleteOn").unwrap(), "2026-12-05", "from the day on which it was taken");
}

async fn what_is_held_or_made_by_hand_stays(world: World) {
    let operator = world.operator(EAST).await;
    let instance = operator.run_instance(&["/dev/sdf"], &[("Backup", "Yes")]).await;
    let volumes = operator.volumes(&instance).await;
    world.run_well(Creator, EAST, DAY_1).await;
    world.settle().await;
    let by_hand = operator.snapshot_by_hand(&volumes["/dev/sdf"], &[("DeleteOn", "2026-11-22")]).await;
    let ids = operator.automated_ids().await;
    operator.tag(&ids[0], "KeepForever", "").await;
    operator.terminate(&instance).await;
    let report = world.run_well(Manager, EAST, DAY_8).await;
    assert_eq!(report.applied.iter().map(|it| &it.resource).collect::<Vec<_>>(), [&ids[1]]);
    assert_eq!(report.kept_by_reason["keep_forever"], 1);
    operator.ec2.describe_snapshots().snapshot_ids(by_hand).send().await.expect("what was made by hand stays");
}

async fn stopped_instances_are_backed_up_and_terminated_ones_expire(world: World) {
    let operator = world.operator(EAST).await;
    let instance = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    operator.stop(&instance).await;
    assert_eq!(world.run_well(Creator, EAST, DAY_1).await.counts.applied, 1);
    world.settle().await;
    operator.terminate(&instance).await;
    let report = world.run_well(Creator, EAST, DAY_2).await;
    assert_eq!(report.counts.applied, 0);
    assert_eq!(world.run_well(Manager, EAST, DAY_8).await.counts.applied, 1);
    assert!(operator.automated().await.is_empty());
}

async fn a_hibernated_instance_is_backed_up(world: World) {
    let operator = world.operator(EAST).await;
    let id = operator.run_instance_that_may_hibernate(&[("Backup", "Yes")]).await;
    operator.hibernate(&id).await;
    let instance = operator.instance(&id).await;
    assert_eq!(instance.state().unwrap().name().unwrap().as_str(), "stopped");
    assert_eq!(instance.state_reason().unwrap().code(), Some("Client.UserInitiatedHibernate"));
    assert_eq!(world.run_well(Creator, EAST, DAY_1).await.counts.applied, 1);
    assert_eq!(operator.automated().await.len(), 1);
}

async fn the_last_good_backup_of_an_enrolled_volume_stays(world: World) {
    let operator = world.operator(EAST).await;
    operator.run_instance(&[], &[("Backup", "Yes")]).await;
    for day in [DAY_1, DAY_2] {
        world.until(day).await;
        world.run_well(Creator, EAST, day).await;
        world.settle().await;
    }
    // and then the creator fails for weeks
    let newest = operator.automated().await.remove(1);
    let report = world.run_well(Manager, EAST, "2027-01-01T05:00:00Z").await;
    assert_eq!((report.counts.applied, report.kept_by_reason["last_good"]), (1, 1));
    assert_eq!(operator.automated_ids().await, [newest.snapshot_id.unwrap()]);
}

async fn the_watcher_tells_of_what_is_not_protected(world: World) {
    let operator = world.operator(EAST).await;
    let enrolled = operator.run_instance(&[], &[("Backup", "Yes"), ("Copy_Dest", WEST)]).await;
    let forgotten = operator.run_instance(&[], &[]).await;
    operator.run_instance(&[], &[("Backup", "No")]).await;
    let unsure = operator.run_instance(&[], &[("Backup", "perhaps")]).await;
    let early = world.run_well(Watcher, EAST, DAY_1).await;
    let found = |report: &snapkeeper_lambda::Report| -> BTreeSet<(String, String)> {
        let kind = |kind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned();
        report.findings.iter().map(|it| (kind(it.kind), it.resource.clone())).collect()
    };
    let pair = |kind: &str, resource: &str| (kind.to_owned(), resource.to_owned());
    if !world.is_moto() {
        // moto's instances are as old as the wall clock says
        assert_eq!(found(&early), [pair("unreadable_tag", &unsure)].into(), "new ones have time until the RPO");
    }
    let later = world.run_well(Watcher, EAST, "2099-11-21T05:00:00Z").await;
    let volume = async |instance: String| operator.volumes(&instance).await.into_values().next().unwrap();
    let expected = [
        pair("no_recent_backup", &enrolled),
        pair("unprotected", &volume(forgotten).await),
        pair("unprotected", &volume(unsure.clone()).await),
        pair("unreadable_tag", &unsure),
    ];
    assert_eq!(found(&later), expected.into());
}

async fn a_volume_that_is_left_out_is_left_out(world: World) {
    let operator = world.operator(EAST).await;
    for (left_out, taken) in [("/dev/sdf", ["/dev/sdg", "/dev/xvda"]), ("/dev/xvda", ["/dev/sdf", "/dev/sdg"])] {
        let instance = operator.run_instance(&["/dev/sdf", "/dev/sdg"], &[("Backup", "Yes")]).await;
        let volumes = operator.volumes(&instance).await;
        operator.tag(&volumes[left_out], "Backup", "no").await;
        world.run_well(Creator, EAST, DAY_1).await;
        let snapshots = operator.automated().await;
        let of: BTreeSet<&str> = snapshots
            .iter()
            .filter(|it| tag(it, "Source_InstanceId").as_ref() == Some(&instance))
            .filter_map(|it| it.volume_id())
            .collect();
        assert_eq!(of, taken.iter().map(|device| volumes[*device].as_str()).collect());
        let devices = tag(&snapshots[0], "Source_Devices").unwrap();
        assert!(devices.contains(":excluded"), "{devices}");
    }
    // nor does the watcher ask for it
    world.settle().await;
    assert_eq!(world.run_well(Watcher, EAST, DAY_2).await.findings, []);
}

async fn a_shared_volume_is_taken_once_a_run(world: World) {
    let operator = world.operator(EAST).await;
    let instances = operator.run_instances(2, &[], &[("Backup", "Yes")]).await;
    let shared = operator
        .ec2
        .create_volume()
        .availability_zone("us-east-1a")
        .size(100)
        .volume_type("io2".into())
        .iops(1000)
        .multi_attach_enabled(true)
        .send()
        .await
        .unwrap()
        .volume_id
        .unwrap();
    for instance in &instances {
        operator.ec2.attach_volume().volume_id(&shared).instance_id(instance).device("/dev/sdz").send().await.unwrap();
    }
    world.run_well(Creator, EAST, DAY_1).await;
    let snapshots = operator.automated().await;
    assert_eq!(snapshots.len(), 3);
    assert_eq!(snapshots.iter().filter(|it| it.volume_id() == Some(&shared)).count(), 1);
    // both are protected by it
    world.settle().await;
    assert_eq!(world.run_well(Watcher, EAST, DAY_2).await.findings, []);
}

async fn a_locked_snapshot_stays(world: World) {
    let operator = world.operator(EAST).await;
    let instance = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    world.run_well(Creator, EAST, DAY_1).await;
    world.settle().await;
    operator.terminate(&instance).await;
    let id = operator.automated_ids().await.remove(0);
    operator
        .ec2
        .lock_snapshot()
        .snapshot_id(&id)
        .lock_mode("governance".into())
        .lock_duration(30)
        .send()
        .await
        .unwrap();
    let report = world.run_well(Manager, EAST, DAY_8).await;
    assert_eq!((report.counts.applied, report.kept_by_reason["locked"]), (0, 1));
    operator.ec2.unlock_snapshot().snapshot_id(&id).send().await.unwrap();
    assert_eq!(world.run_well(Manager, EAST, DAY_8).await.counts.applied, 1);
}

async fn an_image_holds_its_snapshots_until_it_is_deregistered(world: World) {
    let operator = world.operator(EAST).await;
    let instance = operator.run_instance(&[], &[("Backup", "Yes")]).await;
    world.run_well(Creator, EAST, DAY_1).await;
    world.settle().await;
    operator.terminate(&instance).await;
    let id = operator.automated_ids().await.remove(0);
    let image = operator.register_image(&id).await;
    for disabled in [false, true] {
        if disabled {
            operator.ec2.disable_image().image_id(&image).send().await.unwrap();
        }
        let report = world.run_well(Manager, EAST, DAY_8).await;
        assert_eq!((report.counts.applied, report.kept_by_reason["in_use"]), (0, 1), "disabled: {disabled}");
    }
    operator.ec2.deregister_image().image_id(image).send().await.unwrap();
    assert_eq!(world.run_well(Manager, EAST, DAY_8).await.counts.applied, 1);
}
