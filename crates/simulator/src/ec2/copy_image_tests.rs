//! What must hold for copies of images.

use crate::testing::{ACCOUNT, Look as _, Reply, call, image_of, simulator, simulator_with, snapshot, volume_with};
use crate::{Fault, FaultKind, Image, ImageSource, ImageState, Policy, Simulator, SnapshotState};
use std::time::Duration;

const FROM: &str = "us-east-1";
const TO: &str = "us-west-2";
const OTHER: &str = "210987654321";

fn params<'a>(image: &'a str, name: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [[("SourceRegion", FROM), ("SourceImageId", image), ("Name", name)].as_slice(), more].concat()
}

fn copy(sim: &Simulator, image: &str, name: &str, more: &[(&str, &str)]) -> Reply {
    call(sim, TO, "CopyImage", &params(image, name, more))
}

/// A new image of one snapshot.
#[track_caller]
fn image(sim: &Simulator) -> String {
    let snapshot = snapshot(sim, FROM);
    image_of(sim, FROM, "web", &snapshot)
}

/// A new image of one encrypted snapshot.
#[track_caller]
fn encrypted_image(sim: &Simulator, key: &str) -> String {
    let volume = volume_with(sim, FROM, &[("Encrypted", "true"), ("KmsKeyId", key)]);
    let snapshot = call(sim, FROM, "CreateSnapshot", &[("VolumeId", &volume)]).ok().first("snapshotId");
    sim.skip(Duration::from_mins(1));
    image_of(sim, FROM, "web", &snapshot)
}

/// The only image of an account in the destination.
#[track_caller]
fn copied(sim: &Simulator) -> Image {
    let images = sim.images(ACCOUNT, TO);
    assert_eq!(images.len(), 1);
    images.into_iter().next().unwrap()
}

fn is_empty(sim: &Simulator) -> bool {
    sim.images(ACCOUNT, TO).is_empty() && sim.snapshots(ACCOUNT, TO).is_empty()
}

const TAGS: [(&str, &str); 6] = [
    ("TagSpecification.1.ResourceType", "image"),
    ("TagSpecification.1.Tag.1.Key", "Name"),
    ("TagSpecification.1.Tag.1.Value", "copy"),
    ("TagSpecification.2.ResourceType", "snapshot"),
    ("TagSpecification.2.Tag.1.Key", "Of"),
    ("TagSpecification.2.Tag.1.Value", "image"),
];

#[tokio::test(start_paused = true)]
async fn a_copy_is_pending_until_its_snapshots_are_copied() {
    let sim = simulator();
    let source = image(&sim);
    let id =
        copy(&sim, &source, "web", &[TAGS.as_slice(), &[("Description", "a copy")]].concat()).ok().first("imageId");
    let begun = copied(&sim);
    assert_eq!((begun.id.as_str(), begun.state, begun.created_at), (id.as_str(), ImageState::Pending, sim.now()));
    assert_eq!(begun.source, Some(ImageSource { region: FROM.to_owned(), image: source.clone() }));
    assert_eq!(
        (begun.name.as_str(), begun.description.as_str(), begun.tags["Name"].as_str()),
        ("web", "a copy", "copy")
    );
    let snapshot = sim.snapshots(ACCOUNT, TO).remove(0);
    assert_eq!((begun.devices[0].snapshot_id.as_ref(), snapshot.tags["Of"].as_str()), (Some(&snapshot.id), "image"));
    let told = format!("Copied for DestinationAmi {id} from SourceAmi {source} for SourceSnapshot ");
    assert!(snapshot.description.starts_with(&told), "{}", snapshot.description);
    assert!(snapshot.description.ends_with(" Task created on 1,795,237,260,000."), "{}", snapshot.description);
    sim.skip(Duration::from_secs(299));
    assert_eq!(copied(&sim).state, ImageState::Pending);
    sim.skip(Duration::from_secs(1));
    assert_eq!(copied(&sim).state, ImageState::Available);
    let listed = call(&sim, TO, "DescribeImages", &[("Owner.1", "self")]).ok();
    assert_eq!((listed.first("sourceImageId"), listed.first("sourceImageRegion")), (source, FROM.to_owned()));
    assert_eq!((listed.first("imageState"), listed.text("message")), ("available".to_owned(), None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_again_makes_no_second_image() {
    let sim = simulator();
    let source = image(&sim);
    let token = [("ClientToken", "once")];
    sim.inject(Fault::new("CopyImage", FaultKind::CutAfter));
    assert_eq!(copy(&sim, &source, "web", &token).status, 0);
    let id = copied(&sim).id;
    // the order of parameters makes no difference
    let again = [token.as_slice(), &[("CopyImageTags", "false"), ("Encrypted", "false")]].concat();
    assert_eq!(copy(&sim, &source, "web", &again).ok().first("imageId"), id);
    for other in [[("Description", "other")], [("Encrypted", "true")], [TAGS[0]]] {
        let refused = copy(&sim, &source, "web", &[token.as_slice(), &other].concat());
        let expected = if other[0] == TAGS[0] { "InvalidParameterValue" } else { "IdempotentParameterMismatch" };
        assert_eq!(refused.code(), expected, "{other:?}");
    }
    assert_eq!(copy(&sim, &source, "other", &token).code(), "IdempotentParameterMismatch");
    assert_eq!(copy(&sim, &source, "web", &[]).code(), "InvalidAMIName.Duplicate");
    call(&sim, TO, "DeregisterImage", &[("ImageId", &id)]).ok();
    assert_eq!(copy(&sim, &source, "web", &token).ok().first("imageId"), id, "as it was");
    assert!(sim.images(ACCOUNT, TO).is_empty());
    assert_ne!(copy(&sim, &source, "web", &[("ClientToken", "twice")]).ok().first("imageId"), id);
    let long = "x".repeat(65);
    for token in [long.as_str(), "ü"] {
        assert_eq!(copy(&sim, &source, "other", &[("ClientToken", token)]).code(), "InvalidParameterValue");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_must_be_there_and_available() {
    let sim = simulator();
    let code = |image: &str| copy(&sim, image, "copy", &[]).code();
    assert_eq!(code("ami-00000000"), "InvalidAMIID.NotFound");
    let source = image(&sim);
    sim.region_down(FROM);
    assert_eq!(code(&source), "Unavailable");
    sim.region_up(FROM);
    let of = sim.images(ACCOUNT, FROM)[0].devices[0].snapshot_id.clone().unwrap();
    sim.archive(ACCOUNT, FROM, &of);
    assert_eq!(code(&source), "InvalidRequest");
    call(&sim, FROM, "DisableImage", &[("ImageId", &source)]).ok();
    assert_eq!(code(&source), "InvalidAMIID.Unavailable");
    let key = copy(&sim, &source, "copy", &[("KmsKeyId", "alias/aws/ebs")]);
    assert_eq!(key.code(), "InvalidParameterDependency");
    assert!(is_empty(&sim));
}

#[tokio::test(start_paused = true)]
async fn copies_of_images_count_as_copies_of_their_snapshots() {
    let sim = simulator_with(|config| config.copies_at_once = 1);
    let source = image(&sim);
    copy(&sim, &source, "one", &[]).ok();
    assert_eq!(copy(&sim, &source, "two", &[]).code(), "ResourceLimitExceeded");
    assert_eq!((sim.images(ACCOUNT, TO).len(), sim.snapshots(ACCOUNT, TO).len()), (1, 1));
    sim.hurry(ACCOUNT, TO);
    copy(&sim, &source, "two", &[]).ok();
    let full = simulator_with(|config| config.snapshot_limit = 1);
    let source = image(&full);
    copy(&full, &source, "one", &[]).ok();
    assert_eq!(copy(&full, &source, "two", &[]).code(), "SnapshotLimitExceeded");
}

/// Checks that the only image of the destination fails after its time, and tells why.
#[track_caller]
fn check_failure(sim: &Simulator, why: &str) {
    sim.skip(Duration::from_mins(5));
    let failed = copied(sim);
    assert_eq!((failed.state, failed.state_message.as_deref()), (ImageState::Failed, Some(why)));
    assert!(sim.snapshots(ACCOUNT, TO).iter().all(|one| one.state == SnapshotState::Error));
    let told = call(sim, TO, "DescribeImages", &[("ImageId.1", &failed.id)]).ok();
    assert_eq!((told.first("imageState").as_str(), told.first("message").as_str()), ("failed", why));
    let filter = [("Filter.1.Name", "state-reason-message"), ("Filter.1.Value.1", why)];
    assert_eq!(call(sim, TO, "DescribeImages", &filter).ok().texts("imageId"), [failed.id]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_looked_at_only_after_the_call() {
    for is_disabled in [false, true] {
        let sim = simulator();
        let source = image(&sim);
        if is_disabled {
            sim.create_key(ACCOUNT, TO, "alias/backup");
        }
        copy(&sim, &source, "web", &[("Encrypted", "true"), ("KmsKeyId", "alias/backup")]).ok();
        sim.disable_key(ACCOUNT, TO, "alias/backup");
        check_failure(&sim, "Given key ID is not accessible");
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_copies_fail_as_are_to() {
    let sim = simulator();
    let source = image(&sim);
    sim.fail_image_copies(1);
    let id = copy(&sim, &source, "web", &[]).ok().first("imageId");
    check_failure(&sim, "Copy image failed with an internal error.");
    call(&sim, TO, "DeregisterImage", &[("ImageId", &id), ("DeleteAssociatedSnapshots", "true")]).ok();
    assert!(is_empty(&sim));
    copy(&sim, &source, "web", &[]).ok();
    sim.hurry(ACCOUNT, TO);
    assert_eq!(copied(&sim).state, ImageState::Available);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_is_encrypted_is_encrypted() {
    let sim = simulator();
    sim.create_key(ACCOUNT, FROM, "alias/backup");
    let source = encrypted_image(&sim, "alias/backup");
    copy(&sim, &source, "web", &[("Encrypted", "false")]).ok();
    sim.hurry(ACCOUNT, TO);
    assert!(copied(&sim).devices[0].encrypted && copied(&sim).state == ImageState::Available);
}

#[tokio::test(start_paused = true)]
async fn own_tags_come_along_where_that_is_asked_for() {
    let sim = simulator();
    let source = image(&sim);
    for (key, value) in [("Name", "source"), ("Team", "shop")] {
        call(&sim, FROM, "CreateTags", &[("ResourceId.1", &source), ("Tag.1.Key", key), ("Tag.1.Value", value)]).ok();
    }
    let tags = |sim: &Simulator, id: &str| {
        let found = sim.images(ACCOUNT, TO).into_iter().find(|image| image.id == id);
        found.unwrap().tags.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let plain = copy(&sim, &source, "plain", &[]).ok().first("imageId");
    let tagged = copy(&sim, &source, "tagged", &[TAGS.as_slice(), &[("CopyImageTags", "true")]].concat());
    assert!(tags(&sim, &plain).is_empty());
    assert_eq!(tags(&sim, &tagged.ok().first("imageId")), ["Name=copy", "Team=shop"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_public_or_shared_can_be_copied_and_nothing_else_of_others() {
    let sim = simulator();
    let public = call(&sim, FROM, "DescribeImages", &[("Owner.1", "amazon")]).ok().first("imageId");
    copy(&sim, &public, "public", &[]).ok();
    let source = image(&sim);
    let by_other = || sim.ask(OTHER, "ec2", TO, "CopyImage", &params(&source, "web", &[]));
    assert_eq!(by_other().code(), "InvalidAMIID.NotFound");
    sim.share_image(ACCOUNT, FROM, &source, OTHER);
    let listed = sim.ask(OTHER, "ec2", FROM, "DescribeImages", &[("Owner.1", ACCOUNT)]).ok();
    assert_eq!(listed.texts("imageId"), std::slice::from_ref(&source));
    by_other().ok();
    sim.hurry(OTHER, TO);
    assert_eq!(sim.images(OTHER, TO)[0].state, ImageState::Available);
    assert_eq!(sim.images(ACCOUNT, TO).len(), 1, "the public one");
}

#[tokio::test(start_paused = true)]
async fn the_key_of_a_shared_image_must_be_shared_too() {
    for (is_shared, state) in [(false, ImageState::Failed), (true, ImageState::Available)] {
        let sim = simulator();
        sim.create_key(ACCOUNT, FROM, "alias/backup");
        let source = encrypted_image(&sim, "alias/backup");
        sim.share_image(ACCOUNT, FROM, &source, OTHER);
        if is_shared {
            sim.share_key(ACCOUNT, FROM, "alias/backup", OTHER);
        }
        sim.ask(OTHER, "ec2", TO, "CopyImage", &params(&source, "web", &[])).ok();
        sim.hurry(OTHER, TO);
        assert_eq!(sim.images(OTHER, TO)[0].state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_makes_nothing() {
    let sim = simulator();
    let source = image(&sim);
    let token = ("ClientToken", "once");
    assert_eq!(copy(&sim, &source, "web", &[token, ("DryRun", "true")]).code(), "DryRunOperation");
    assert!(is_empty(&sim));
    copy(&sim, &source, "web", &[token]).ok();
}

#[tokio::test(start_paused = true)]
async fn a_copy_asks_for_its_source_itself_its_snapshots_and_their_tags() {
    let sim = simulator();
    let source = image(&sim);
    let allow = |action: &str, resource: &str, condition: &str| {
        format!(
            r#"{{"Effect": "Allow", "Action": "ec2:{action}", "Resource": "{resource}",
                "Condition": {{"StringEquals": {{{condition}}}}}}}"#
        )
    };
    let statements = [
        (
            allow("CopyImage", &format!("arn:aws:ec2:us-east-1::image/{source}"), r#""ec2:Owner": "123456789012""#),
            format!("ec2:CopyImage on resource: arn:aws:ec2:us-east-1::image/{source}"),
        ),
        (
            allow("CopyImage", "arn:aws:ec2:us-west-2::image/${*}", r#""aws:RequestTag/Name": "copy""#),
            "ec2:CopyImage on resource: arn:aws:ec2:us-west-2::image/*".to_owned(),
        ),
        (
            allow("CopyImage", "arn:aws:ec2:us-west-2::snapshot/${*}", r#""aws:RequestTag/Of": "image""#),
            "ec2:CopyImage on resource: arn:aws:ec2:us-west-2::snapshot/*".to_owned(),
        ),
        (
            allow("CreateTags", "arn:aws:ec2:us-west-2::image/*", r#""ec2:CreateAction": "CopyImage""#),
            "ec2:CreateTags on resource: arn:aws:ec2:us-west-2::image/*".to_owned(),
        ),
        (
            allow("CreateTags", "arn:aws:ec2:us-west-2::snapshot/*", r#""ec2:CreateAction": "CopyImage""#),
            "ec2:CreateTags on resource: arn:aws:ec2:us-west-2::snapshot/*".to_owned(),
        ),
    ];
    let attach = |left_out: Option<&str>| {
        let others = statements.iter().map(|(one, _)| one.as_str()).filter(|one| Some(*one) != left_out);
        let document =
            format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, others.collect::<Vec<_>>().join(", "));
        sim.attach_policy("AKID", Policy::parse(&document).unwrap());
    };
    for (statement, named) in &statements {
        attach(Some(statement.as_str()));
        let refused = copy(&sim, &source, "web", &TAGS);
        assert_eq!((refused.status, refused.code().as_str()), (403, "UnauthorizedOperation"), "{statement}");
        assert!(refused.body.contains(named.as_str()), "{named}: {}", refused.body);
    }
    attach(None);
    assert_eq!(copy(&sim, "ami-00000000", "web", &TAGS).code(), "InvalidAMIID.NotFound");
    copy(&sim, &source, "web", &TAGS).ok();
}
