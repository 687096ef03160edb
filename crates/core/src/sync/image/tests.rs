use std::num::NonZeroU16;

use super::{
    fixtures::{copy_of, image},
    *,
};
use crate::{
    fixtures::{HOME, at, region},
    rds::fixtures::{check_told, told},
    run::Job,
    settings::Settings,
    sync::config::{ClientConfig, ImageSync},
};

mod anything;

const WEST: &str = "us-west-2";

/// The image of a stack, built on that day.
fn web(id: &str, day: &str) -> Image {
    image(id, &format!("web {day}"), day).tagged(tags::SYNC_IDENTIFIER, "web")
}

fn source() -> Image {
    web("ami-5", "2026-11-20")
}

fn run() -> Run {
    Run::new(Job::Syncer, region(HOME), at("2026-11-21T06:00:00Z"), Settings::default())
}

/// A job on the image `web`, of which so many stay.
fn job(max: Option<u16>) -> SyncJob {
    SyncJob {
        name: "sync_web".to_owned(),
        source: region(HOME),
        destinations: [region(WEST)].into(),
        client: ClientConfig::default(),
        what: What::Image(ImageSync {
            owner: None,
            identifier: Some("web".to_owned()),
            filters: Vec::new(),
            newest: false,
            max_images_to_retain: max.and_then(NonZeroU16::new),
            kms_key: Some("alias/images".to_owned()),
        }),
    }
}

fn sync(job: &mut SyncJob) -> &mut ImageSync {
    match &mut job.what {
        What::Image(sync) => sync,
        What::Database(_) => panic!("it is no job on an image"),
    }
}

/// What is found, and the images of the destination, of which these are used.
fn of(found: Vec<Image>, images: Vec<Image>, used: &[&str]) -> Inventory {
    let used = Ok(used.iter().map(|id| ImageId::from(*id)).collect());
    let there = Destination { images, used, snapshot_tags: BTreeMap::new() };
    Inventory { found, snapshot_tags: BTreeMap::new(), destinations: [(region(WEST), Ok(there))].into() }
}

/// Compares what is planned, and what is said to be there, each by its beginning.
#[track_caller]
fn check(inventory: &Inventory, job: &SyncJob, expected: &[&str]) {
    let (plan, synced) = plan(inventory, job, &run());
    let there = synced.iter().map(|it| format!("{:?}: {} in {}", it.state, it.resource, it.region));
    check_told(&told(&plan).into_iter().chain(there).collect::<Vec<_>>(), expected);
}

const COPY: &str = "copy ami-5 (web 2026-11-20) from us-east-1 to us-west-2";
const NAMED: &str = "tag ami-5 in us-east-1: Sync-us-west-2=20261121060000+0000 / ami-9";
const IN_SYNC: &str = "InSync: ami-9 in us-west-2";

#[test]
fn an_image_is_copied_once_and_its_source_tells_of_it() {
    let copied = copy_of(&source(), "ami-9");
    check(&of(vec![source()], vec![], &[]), &job(None), &[COPY]);
    check(&of(vec![source()], vec![copied.clone()], &[]), &job(None), &[NAMED, IN_SYNC]);
    let on_its_way = copied.clone().in_state(ImageState::Pending);
    check(&of(vec![source()], vec![on_its_way], &[]), &job(None), &[NAMED, "InProgress: ami-9 in us-west-2"]);
    let named = source().tagged("Sync-us-west-2", "20261120060000+0000 / ami-9");
    check(&of(vec![named], vec![copied], &[]), &job(None), &[IN_SYNC]);
    // what the tag says is not believed
    let named = source().tagged("Sync-us-west-2", "20261120060000+0000 / ami-8");
    check(&of(vec![named], vec![], &[]), &job(None), &[COPY]);
}

#[test]
fn presence_is_judged_by_what_is_there() {
    let by_hand = Image { copy_of: Some((region(HOME), "ami-5".into())), ..image("ami-9", "mine", "2026-11-20") };
    check(&of(vec![source()], vec![by_hand], &[]), &job(None), &[NAMED, IN_SYNC]);
    // EC2 does not tell of what it is a copy
    let untold = Image { copy_of: None, ..copy_of(&source(), "ami-9") };
    check(&of(vec![source()], vec![untold.clone()], &[]), &job(None), &[NAMED, IN_SYNC]);
    let other_name = |it: Image| Image { name: "other".to_owned(), ..it };
    for none in [
        other_name(untold.untagged(tags::SYNC_MADE)),
        other_name(copy_of(&web("ami-4", "2026-11-19"), "ami-9")),
        // of another region, and a copy that somebody made of our copy
        other_name(Image { copy_of: Some((region("eu-west-1"), "ami-5".into())), ..copy_of(&source(), "ami-9") }),
        other_name(Image { copy_of: Some((region(WEST), "ami-8".into())), ..copy_of(&source(), "ami-9") }),
    ] {
        check(&of(vec![source()], vec![none], &[]), &job(None), &[COPY]);
    }
}

#[test]
fn several_copies_are_told_by_the_best() {
    let (one, other) = (copy_of(&source(), "ami-8").in_state(ImageState::Pending), copy_of(&source(), "ami-9"));
    check(&of(vec![source()], vec![one, other], &[]), &job(None), &[NAMED, IN_SYNC]);
}

#[test]
fn it_comes_down_to_one_image_or_the_newest() {
    let (old, new) = (web("ami-4", "2026-11-19"), source());
    let none = "refuse sync_web: no image in us-east-1 tagged Sync-Identifier=web";
    check(&of(vec![], vec![], &[]), &job(None), &[none]);
    // a wildcard is none in an identifier
    check(&of(vec![old.clone().tagged(tags::SYNC_IDENTIFIER, "website")], vec![], &[]), &job(None), &[none]);
    check(
        &of(vec![old.clone(), new.clone()], vec![], &[]),
        &job(None),
        &["refuse sync_web: 2 images in us-east-1 tagged Sync-Identifier=web, expected one: \
           ami-5 (web 2026-11-20, made 2026-11-20T05:00:00Z), ami-4 (web 2026-11-19, made 2026-11-19T05:00:00Z); \
           narrow the filters, or set `newest: true`"],
    );
    let mut newest = job(None);
    sync(&mut newest).newest = true;
    for found in [vec![old.clone(), new.clone()], vec![new.clone(), old.clone()]] {
        check(&of(found, vec![], &[]), &newest, &[COPY]);
    }
    // only what is available can be copied
    let pending = new.in_state(ImageState::Pending);
    check(&of(vec![old, pending.clone()], vec![], &[]), &job(None), &["copy ami-4 (web 2026-11-19)"]);
    let told = "refuse sync_web: no image in us-east-1 tagged Sync-Identifier=web is available: ami-5 is pending";
    check(&of(vec![pending], vec![], &[]), &job(None), &[told]);
}

#[test]
fn a_copy_that_failed_goes_and_the_next_run_copies_again() {
    let failed =
        Image { message: Some("no key".to_owned()), ..copy_of(&source(), "ami-9") }.in_state(ImageState::Failed);
    let told = "refuse sync_web: its copy ami-9 in us-west-2 failed (no key)";
    let gone = "deregister ami-9 in us-west-2 with snap-9: it failed";
    let named = "tag ami-5 in us-east-1: Sync-us-west-2=20261121060000+0000 / ami-9 failed";
    check(&of(vec![source()], vec![failed.clone()], &[]), &job(None), &[named, gone, told]);
    let held = failed.clone().tagged(tags::KEEP_FOREVER, "");
    check(&of(vec![source()], vec![held.clone()], &[]), &job(None), &[told]);
    let golden = source().tagged(tags::KEEP_FOREVER, "");
    check(&of(vec![golden], vec![held], &[]), &job(None), &[named, gone, told]);
    check(&of(vec![source()], vec![failed.clone()], &["ami-9"]), &job(None), &[told]);
    // another one is there
    let good = copy_of(&source(), "ami-8");
    let named = "tag ami-5 in us-east-1: Sync-us-west-2=20261121060000+0000 / ami-8";
    let in_sync = "InSync: ami-8 in us-west-2";
    check(&of(vec![source()], vec![failed.clone(), good], &[]), &job(None), &[named, gone, told, in_sync]);
    // that of the last build goes as well, and somebody else's does not
    let last = copy_of(&web("ami-4", "2026-11-19"), "ami-9").in_state(ImageState::Failed);
    check(&of(vec![source()], vec![last.clone()], &[]), &job(None), &[COPY, gone, "refuse sync_web: its copy ami-9"]);
    let others = Image { name: "other".to_owned(), ..failed.untagged(tags::SYNC_MADE) };
    check(&of(vec![source()], vec![last.untagged(tags::SYNC_IDENTIFIER), others], &[]), &job(None), &[COPY]);
}

#[test]
fn a_copy_that_cannot_be_launched_is_told() {
    for (state, told) in
        [(ImageState::Disabled, "is disabled"), (ImageState::Unknown, "is in a state that is not known")]
    {
        let told = format!("refuse sync_web: its copy ami-9 in us-west-2 {told}");
        check(&of(vec![source()], vec![copy_of(&source(), "ami-9").in_state(state)], &[]), &job(None), &[&told]);
    }
}

#[test]
fn a_name_that_is_taken_is_told_and_left_alone() {
    let namesake = image("ami-7", "web 2026-11-20", "2026-11-01");
    for state in [ImageState::Available, ImageState::Failed, ImageState::Disabled] {
        let told = "refuse sync_web: ami-5 cannot be copied to us-west-2: ami-7 there has its name";
        check(&of(vec![source()], vec![namesake.clone().in_state(state)], &[]), &job(None), &[told]);
    }
}

#[test]
fn a_destination_that_cannot_be_read_stops_no_other() {
    let mut job = job(None);
    job.destinations.extend([region("eu-west-1"), region("eu-central-1")]);
    let mut inventory = of(vec![source()], vec![], &[]);
    inventory.destinations.insert(region("eu-west-1"), Err("no answer".to_owned()));
    let told = ["eu-central-1 was not looked into", "eu-west-1 could not be looked into: no answer"];
    check(
        &inventory,
        &job,
        &[COPY, &format!("refuse sync_web: {}", told[0]), &format!("refuse sync_web: {}", told[1])],
    );
}

fn the_copy(inventory: &Inventory, job: &SyncJob, run: &Run) -> CopyImage {
    let (plan, _) = plan(inventory, job, run);
    match plan.actions.as_slice() {
        [SyncImage::Copy(copy)] => copy.clone(),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_copy_is_as_its_source_and_says_from_where_it_is() {
    let source = source()
        .tagged("Name", "web")
        .tagged("Team", "shop")
        .tagged("Copy_Dest", "us-west-2")
        .tagged("Sync-eu-west-1", "20261120060000+0000 / ami-1")
        .tagged("Sync-From-eu-west-1", "20261120060000+0000 / ami-2");
    let mut inventory = of(vec![source], vec![], &[]);
    inventory.found[0].devices.push(("/dev/sdf".to_owned(), "snap-data".into()));
    let device = |more: &[(&str, &str)]| -> Tags {
        let own = [("Type", "Automated"), ("DeleteOn", "2026-12-01"), ("Source_Devices_2", "x"), ("Team", "shop")];
        own.iter().chain(more).copied().collect()
    };
    inventory.snapshot_tags =
        [("snap-5".into(), device(&[("Disk", "root")])), ("snap-data".into(), device(&[("Disk", "data")]))].into();
    let copy = the_copy(&inventory, &job(None), &run());
    assert_eq!((copy.name.as_str(), copy.description.as_str()), ("web 2026-11-20", "what a stack starts from"));
    assert_eq!(copy.kms_key.as_deref(), Some("alias/images"));
    let mark = ("Sync-From-us-east-1", "20261121060000+0000 / ami-5");
    let made = ("Snapkeeper_Sync", "Yes");
    let expected = [("Name", "web"), made, mark, ("Sync-Identifier", "web"), ("Team", "shop")];
    assert_eq!(copy.tags.iter().collect::<Vec<_>>(), expected);
    assert_eq!(copy.snapshot_tags.iter().collect::<Vec<_>>(), [made, mark, ("Team", "shop")]);
    // what differs from device to device follows
    let mut copied = copy_of(&inventory.found[0], "ami-9");
    copied.devices[1].1 = "snap-8".into();
    let there = Destination {
        images: vec![copied],
        used: Err("not asked".to_owned()),
        snapshot_tags: [("snap-9".into(), copy.snapshot_tags.clone()), ("snap-8".into(), copy.snapshot_tags)].into(),
    };
    inventory.destinations = [(region(WEST), Ok(there))].into();
    let (root, data) = ("tag snap-9 in us-west-2: Disk=root", "tag snap-8 in us-west-2: Disk=data");
    check(&inventory, &job(None), &[NAMED, root, data, IN_SYNC]);
}

#[test]
fn the_token_is_the_same_for_a_retry_and_another_for_another_try() {
    let token = |source: Image, job: &SyncJob, to: &str, instant: &str| {
        let mut inventory = of(vec![source], vec![], &[]);
        let there = inventory.destinations.remove(&region(WEST)).unwrap();
        inventory.destinations.insert(region(to), there);
        let job = SyncJob { destinations: [region(to)].into(), ..job.clone() };
        let run = Run::new(Job::Syncer, region(HOME), at(instant), Settings::default());
        the_copy(&inventory, &job, &run).client_token
    };
    let (now, later) = ("2026-11-21T06:00:00Z", "2026-11-22T06:00:00Z");
    let first = token(source(), &job(None), WEST, now);
    assert!(first.is_ascii() && first.len() <= 64, "{first}");
    assert_eq!(token(source(), &job(None), WEST, later), first);
    assert_ne!(token(source(), &job(None), "eu-west-1", now), first);
    assert_ne!(token(web("ami-6", "2026-11-20"), &job(None), WEST, now), first);
    let named = |value: &str| source().tagged("Sync-us-west-2", value);
    // begun a quarter of an hour ago, and not told of yet
    let begun = named("20261121054500+0000 / ami-9");
    assert_eq!(token(begun.clone(), &job(None), WEST, now), first);
    // it is gone, or failed
    let gone = token(begun, &job(None), WEST, later);
    let failed = token(named("20261121054500+0000 / ami-9 failed"), &job(None), WEST, now);
    assert!(gone != first && failed != first && gone != failed);
    // another account's image cannot be tagged
    let mut others = job(None);
    sync(&mut others).owner = Some("999999999999".to_owned());
    let foreign = Image { owner: "999999999999".to_owned(), ..source() };
    let this_hour = token(foreign.clone(), &others, WEST, "2026-11-21T22:00:00Z");
    assert_eq!(token(foreign.clone(), &others, WEST, "2026-11-21T22:59:59Z"), this_hour);
    assert_ne!(token(foreign, &others, WEST, "2026-11-21T23:00:00Z"), this_hour);
}

#[test]
fn only_an_own_source_is_tagged() {
    let mut job = job(None);
    sync(&mut job).owner = Some("999999999999".to_owned());
    let foreign = Image { owner: "999999999999".to_owned(), ..source() };
    let copied = Image { owner: "111111111111".to_owned(), ..copy_of(&foreign, "ami-9") };
    check(&of(vec![foreign.clone()], vec![copied.clone()], &[]), &job, &[IN_SYNC]);
    job.client.account = Some("999999999999".to_owned());
    check(&of(vec![foreign], vec![copied], &[]), &job, &[NAMED, IN_SYNC]);
}

/// Copies of three builds, the newest of which is in sync.
fn three() -> Vec<Image> {
    let last = [web("ami-3", "2026-11-18"), web("ami-4", "2026-11-19")];
    vec![copy_of(&last[0], "ami-7"), copy_of(&last[1], "ami-8"), copy_of(&source(), "ami-9")]
}

const DEREGISTER_7: &str = "deregister ami-7 in us-west-2 with snap-7: older than the newest 2 of its identifier";

#[test]
fn what_is_superseded_goes_if_it_is_asked_for() {
    let named = || source().tagged("Sync-us-west-2", "20261120060000+0000 / ami-9");
    check(&of(vec![named()], three(), &[]), &job(None), &[IN_SYNC]);
    check(&of(vec![named()], three(), &[]), &job(Some(3)), &[IN_SYNC]);
    check(&of(vec![named()], three(), &[]), &job(Some(2)), &[DEREGISTER_7, IN_SYNC]);
    check(&of(vec![named()], three(), &[]), &job(Some(1)), &["deregister ami-7", "deregister ami-8", IN_SYNC]);
    let in_use = "keep ami-7 in us-west-2: image_in_use";
    check(&of(vec![named()], three(), &["ami-7"]), &job(Some(2)), &[in_use, IN_SYNC]);
}

#[test]
fn nothing_goes_while_the_newest_is_not_there_or_what_is_used_is_not_known() {
    let not_there = "keep ami-7 in us-west-2: newest_not_there";
    let mut images = three();
    images[2].state = ImageState::Pending;
    check(&of(vec![source()], images, &[]), &job(Some(1)), &[NAMED, not_there, "InProgress: ami-9 in us-west-2"]);
    check(&of(vec![source()], three()[..2].to_vec(), &[]), &job(Some(1)), &[COPY, not_there]);
    let mut inventory = of(vec![source()], three(), &[]);
    for there in inventory.destinations.values_mut().flatten() {
        there.used = Err("denied".to_owned());
    }
    let told = "refuse sync_web: nothing is deregistered in us-west-2: which images are in use";
    check(&inventory, &job(Some(1)), &[NAMED, told, IN_SYNC]);
    check(&inventory, &job(None), &[NAMED, IN_SYNC]);
}

#[test]
fn what_is_not_ours_or_is_held_stays() {
    let with = |first: Image| [vec![first], three()[1..].to_vec()].concat();
    let old = || three().swap_remove(0);
    for (first, reason) in [
        (old().tagged(tags::KEEP_FOREVER, "no"), Some("keep_forever")),
        (Image { created: None, ..old() }, Some("no_instant")),
        (old().untagged(tags::SYNC_MADE), None),
        (old().untagged("Sync-From-us-east-1"), None),
        (old().tagged(tags::SYNC_IDENTIFIER, "worker"), None),
        (old().untagged(tags::SYNC_IDENTIFIER), None),
        (old().in_state(ImageState::Disabled), None),
        (old().in_state(ImageState::Pending), None),
        (Image { copy_of: Some((region(WEST), "ami-9".into())), ..old() }, None),
    ] {
        let kept = reason.map(|reason| format!("keep ami-7 in us-west-2: {reason}"));
        let expected: Vec<&str> = [NAMED].into_iter().chain(kept.as_deref()).chain([IN_SYNC]).collect();
        check(&of(vec![source()], with(first), &[]), &job(Some(2)), &expected);
    }
}

/// The operator may hold the snapshot rather than the image.
#[test]
fn a_hold_on_a_snapshot_behind_an_image_holds_the_image() {
    let mut inventory = of(vec![source()], three(), &[]);
    for there in inventory.destinations.values_mut().flatten() {
        there.snapshot_tags.insert("snap-7".into(), [(tags::KEEP_FOREVER, "yes")].into_iter().collect());
    }
    check(&inventory, &job(Some(2)), &[NAMED, "keep ami-7 in us-west-2: keep_forever", IN_SYNC]);
}
