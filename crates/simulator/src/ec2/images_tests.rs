//! What must hold for images, but for their copies.

use crate::testing::{ACCOUNT, Look as _, call, image_of, instance, instance_with_data, simulator, snapshot, volume};
use crate::{ImageState, Simulator, Tags};
use std::time::Duration;

const REGION: &str = "us-east-1";

fn registered(sim: &Simulator, snapshot: &str) -> String {
    image_of(sim, REGION, "web", snapshot)
}

#[tokio::test(start_paused = true)]
async fn an_image_holds_its_snapshot_even_when_disabled() {
    let sim = simulator();
    let snapshot = snapshot(&sim, REGION);
    let image = registered(&sim, &snapshot);
    let delete = || call(&sim, REGION, "DeleteSnapshot", &[("SnapshotId", &snapshot)]);
    assert_eq!(delete().code(), "InvalidSnapshot.InUse");
    assert!(delete().body.contains(&image));
    call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).ok();
    assert_eq!(delete().code(), "InvalidSnapshot.InUse");
    call(&sim, REGION, "DeregisterImage", &[("ImageId", &image)]).ok();
    delete().ok();
}

#[tokio::test(start_paused = true)]
async fn a_disabled_image_is_listed_only_on_demand() {
    let sim = simulator();
    let snapshot = snapshot(&sim, REGION);
    let image = registered(&sim, &snapshot);
    call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).ok();
    let filter = [
        ("Filter.1.Name", "block-device-mapping.snapshot-id"),
        ("Filter.1.Value.1", snapshot.as_str()),
        ("IncludeDisabled", "true"),
    ];
    let list = |params: &[(&str, &str)]| call(&sim, REGION, "DescribeImages", params).ok().texts("imageId");
    assert!(list(&filter[..2]).is_empty());
    assert_eq!(list(&filter), [image]);
}

#[tokio::test(start_paused = true)]
async fn an_image_of_an_instance_has_snapshots_of_all_its_volumes() {
    let sim = simulator();
    let instance = instance(&sim, REGION);
    let params = [("InstanceId", instance.as_str()), ("Name", "web")];
    let image = call(&sim, REGION, "CreateImage", &params).ok().first("imageId");
    let snapshots = sim.snapshots(ACCOUNT, REGION);
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].description, format!("Created by CreateImage({instance}) for {image}"));
    assert_eq!(snapshots[0].tags, Tags::new());
    assert_eq!(call(&sim, REGION, "CreateImage", &params).code(), "InvalidAMIName.Duplicate");
}

/// Makes an image of an instance with two volumes, of which one fails its next snapshots, and checks how it ends.
#[track_caller]
fn check(failures: u32, expected: ImageState, name: &str) {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    sim.fail_snapshots_of(&data, failures);
    let image = call(&sim, REGION, "CreateImage", &[("InstanceId", &instance), ("Name", "web")]).ok().first("imageId");
    let launch = [("ImageId", image.as_str()), ("MinCount", "1"), ("MaxCount", "1")];
    let state = || call(&sim, REGION, "DescribeImages", &[("Owner.1", "self")]).ok().first("imageState");
    assert_eq!((state().as_str(), sim.images(ACCOUNT, REGION)[0].state), ("pending", ImageState::Pending));
    assert_eq!(call(&sim, REGION, "RunInstances", &launch).code(), "InvalidAMIID.Unavailable");
    assert_eq!(call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).code(), "InvalidAMIID.Unavailable");
    sim.skip(Duration::from_secs(59));
    assert_eq!(state(), "pending");
    sim.skip(Duration::from_secs(1));
    assert_eq!((state().as_str(), sim.images(ACCOUNT, REGION)[0].state), (name, expected));
    let launched = call(&sim, REGION, "RunInstances", &launch).status == 200;
    assert_eq!(launched, expected == ImageState::Available);
}

#[tokio::test(start_paused = true)]
async fn an_image_is_pending_until_its_snapshots_are_made() {
    check(0, ImageState::Available, "available");
    check(1, ImageState::Failed, "failed");
}

#[tokio::test(start_paused = true)]
async fn the_snapshots_of_an_image_are_taken_like_any_other() {
    let sim = simulator();
    let (instance, data) = instance_with_data(&sim, REGION);
    let create = || call(&sim, REGION, "CreateImage", &[("InstanceId", &instance), ("Name", "web")]);
    let snapshot = || call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &data)]);
    let count = || sim.snapshots(ACCOUNT, REGION).len();
    sim.refuse_snapshots_of(&data, "IncorrectState");
    assert_eq!(create().code(), "IncorrectState");
    sim.allow_snapshots_of(&data);
    snapshot().ok();
    assert_eq!(create().code(), "SnapshotCreationPerVolumeRateExceeded");
    assert_eq!((count(), sim.images(ACCOUNT, REGION).len()), (1, 0), "all or nothing");
    sim.skip(Duration::from_secs(15));
    create().ok();
    assert_eq!(count(), 3);
    assert_eq!(snapshot().code(), "SnapshotCreationPerVolumeRateExceeded", "the image's counts");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_registered_of_completed_snapshots_at_once() {
    let sim = simulator();
    let volume = volume(&sim, REGION);
    let pending = call(&sim, REGION, "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
    let params = [
        ("Name", "web"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", pending.as_str()),
    ];
    assert_eq!(call(&sim, REGION, "RegisterImage", &params).code(), "IncorrectState");
    sim.skip(Duration::from_mins(1));
    registered(&sim, &pending);
    assert_eq!(sim.images(ACCOUNT, REGION)[0].state, ImageState::Available);
}

#[tokio::test(start_paused = true)]
async fn images_are_listed_by_their_owners() {
    let sim = simulator();
    let (other, snapshot) = ("210987654321", snapshot(&sim, REGION));
    let image = registered(&sim, &snapshot);
    call(&sim, REGION, "CreateTags", &[("ResourceId.1", &image), ("Tag.1.Key", "Name")]).ok();
    let list = |key: &str, owners: &[&str]| {
        let names: Vec<String> = (1..=owners.len()).map(|n| format!("Owner.{n}")).collect();
        let params: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(owners.iter().copied()).collect();
        sim.ask(key, "ec2", REGION, "DescribeImages", &params).ok()
    };
    let ids = |key: &str, owners: &[&str]| list(key, owners).texts("imageId");
    assert_eq!(ids("AKID", &["self"]), std::slice::from_ref(&image));
    assert_eq!(ids("AKID", &[ACCOUNT]), std::slice::from_ref(&image));
    let public = ids("AKID", &["amazon"]);
    assert_eq!((public.len(), list("AKID", &["amazon"]).first("isPublic")), (1, "true".to_owned()));
    assert_eq!((ids("AKID", &[]).len(), ids("AKID", &["self", "amazon"]).len()), (2, 2));
    assert_eq!((ids(other, &[]), ids(other, &[ACCOUNT])), (public, Vec::new()));
    sim.share_image(ACCOUNT, REGION, &image, other);
    assert_eq!(ids(other, &[ACCOUNT]), std::slice::from_ref(&image));
    assert!(ids(other, &["self"]).is_empty() && list(other, &[ACCOUNT]).texts("key").is_empty());
    call(&sim, REGION, "DisableImage", &[("ImageId", &image)]).ok();
    assert!(ids(other, &[ACCOUNT]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn filters_add_up_and_one_that_is_not_known_is_named() {
    let sim = simulator();
    let snapshot = snapshot(&sim, REGION);
    let [web, batch] = ["web-1", "batch-1"].map(|name| image_of(&sim, REGION, name, &snapshot));
    for (id, key, value) in [(&web, "Environment", "Production"), (&web, "Role", "Sync"), (&batch, "Role", "Sync")] {
        let tag = [("ResourceId.1", id.as_str()), ("Tag.1.Key", key), ("Tag.1.Value", value)];
        call(&sim, REGION, "CreateTags", &tag).ok();
    }
    let list = |filters: &[(&str, &str)]| {
        let names: Vec<[String; 2]> =
            (1..=filters.len()).map(|n| [format!("Filter.{n}.Name"), format!("Filter.{n}.Value.1")]).collect();
        let mut params = vec![("Owner.1", "self")];
        for ([name, value], filter) in names.iter().zip(filters) {
            params.extend([(name.as_str(), filter.0), (value.as_str(), filter.1)]);
        }
        call(&sim, REGION, "DescribeImages", &params)
    };
    for (filters, count) in [
        ([("tag:Environment", "Production"), ("tag-value", "Sync")], 1),
        ([("tag-key", "Role"), ("tag-value", "Sync")], 2),
        ([("name", "web-*"), ("state", "available")], 1),
        ([("name", "web-*"), ("state", "pending")], 0),
        ([("owner-id", ACCOUNT), ("is-public", "false")], 2),
        ([("image-id", batch.as_str()), ("name", "web-1")], 0),
        ([("root-device-type", "ebs"), ("creation-date", "2026-11-21T*")], 2),
        ([("block-device-mapping.snapshot-id", snapshot.as_str()), ("architecture", "i386")], 2),
    ] {
        assert_eq!(list(&filters).ok().texts("imageId").len(), count, "{filters:?}");
    }
    let unknown = list(&[("colour", "blue")]);
    assert!(unknown.code() == "InvalidParameterValue" && unknown.body.contains("colour"), "{}", unknown.body);
}

#[tokio::test(start_paused = true)]
async fn an_image_of_an_instance_tells_where_that_came_from_and_an_instance_its_image() {
    let sim = simulator();
    let id = instance(&sim, REGION);
    let told = call(&sim, REGION, "DescribeInstances", &[("InstanceId.1", &id)]).ok();
    assert_eq!(told.first("imageId"), "ami-12345678");
    call(&sim, REGION, "CreateImage", &[("InstanceId", &id), ("Name", "web")]).ok();
    let image = call(&sim, REGION, "DescribeImages", &[("Owner.1", "self")]).ok();
    assert_eq!(
        (image.first("sourceImageId"), image.first("sourceImageRegion")),
        (told.first("imageId"), REGION.into())
    );
}
