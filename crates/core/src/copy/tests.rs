mod pages;

use super::{reference::Inventory, *};
use crate::{
    fixtures::{automated, by_hand, region, run},
    inventory::SnapshotState::{Completed, Error, InRecycleBin, Pending, Unknown},
    plan::FindingKind,
    tags::{
        BACKUP_RUN, COPY_DEST, DELETE_ON, KEEP_FOREVER, NAME, SOURCE_DEVICES, SOURCE_INSTANCE_ID, SOURCE_SNAPSHOT_ID,
        TYPE,
    },
};

const RUN: &str = "2026-11-21T07:00:00Z";
const IRELAND: &str = "eu-west-1";
const OREGON: &str = "us-west-2";

fn primary(id: &str, day: &str) -> Snapshot {
    automated(id, "vol-a", day).until("2026-12-01").tagged(COPY_DEST, IRELAND)
}

/// The only primary, unless a test needs several.
fn yesterday() -> Snapshot {
    primary("snap-p", "2026-11-20")
}

/// Its copy in Ireland.
fn copied() -> Snapshot {
    yesterday().untagged(COPY_DEST).made_copy_of("snap-p", "us-east-1").named("snap-c")
}

impl Snapshot {
    fn named(mut self, id: &str) -> Self {
        self.id = id.into();
        self
    }
}

/// Ireland and Oregon answer, and have these.
fn inventory(snapshots: Vec<Snapshot>, ireland: Vec<Snapshot>, oregon: Vec<Snapshot>) -> Inventory {
    let destinations = BTreeMap::from([(region(IRELAND), Ok(ireland)), (region(OREGON), Ok(oregon))]);
    Inventory { snapshots, destinations }
}

/// The plan of one page.
fn plan(inventory: &Inventory, run: &Run) -> Plan<Copy> {
    let mut found = Found::new(run);
    found.add(inventory.snapshots.clone());
    for (region, there) in &inventory.destinations {
        found.there(region.clone(), there.clone().map(|there| there.iter().collect()));
    }
    found.settle();
    let folded = super::plan(found);
    assert_eq!(folded, reference::plan(inventory, run));
    folded
}

/// The plan in one line for each thing that it says.
fn told(plan: &Plan<Copy>) -> Vec<String> {
    let actions = plan.actions.iter().map(|action| action.to_string().replace(": no copy there yet", ""));
    let kept = plan.kept.iter().map(|kept| format!("keep {}: {}", kept.resource, kept.reason));
    let findings = plan.findings.iter().map(|finding| {
        let what = finding.what.split(": expected").next().unwrap();
        format!("find {}: {what}", finding.resource)
    });
    let refusals = plan.refusals.iter().map(|refusal| format!("refuse {}: {}", refusal.resource, refusal.cause));
    actions.chain(kept).chain(findings).chain(refusals).collect()
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[&str]) {
    assert_eq!(told(&plan(inventory, &run(RUN))), expected);
}

/// One primary, Ireland empty.
#[track_caller]
fn check_one(primary: Snapshot, expected: &[&str]) {
    check(&inventory(vec![primary], vec![], vec![]), expected);
}

const TO_IRELAND: &str = "copy snap-p of vol-a to eu-west-1";
const TO_OREGON: &str = "copy snap-p of vol-a to us-west-2";

#[test]
fn each_destination_gets_its_copy() {
    check_one(yesterday(), &[TO_IRELAND]);
    check_one(yesterday().tagged(COPY_DEST, "us-west-2, EU-west-1"), &[TO_IRELAND, TO_OREGON]);
    check_one(yesterday().untagged(COPY_DEST), &[]);
    // what one has the other may lack
    check(
        &inventory(vec![yesterday().tagged(COPY_DEST, "eu-west-1 us-west-2")], vec![copied()], vec![]),
        &[TO_OREGON, "keep snap-p: eu-west-1 has snap-c"],
    );
}

#[test]
fn only_own_completed_primaries_are_copied() {
    check_one(by_hand("snap-p", "vol-a", "2026-11-20").tagged(COPY_DEST, IRELAND), &[]);
    check_one(yesterday().tagged(TYPE, "Manual"), &[]);
    check_one(yesterday().made_copy_of("snap-q", OREGON), &[]);
    for state in [Pending, Error, InRecycleBin] {
        let plan = plan(&inventory(vec![yesterday().in_state(state)], vec![], vec![]), &run(RUN));
        assert!(plan.actions.is_empty(), "{state:?}: {:?}", told(&plan));
    }
}

#[test]
fn what_has_expired_is_not_copied_unless_it_is_kept_forever() {
    check_one(yesterday().until("2026-11-22"), &[TO_IRELAND]);
    check_one(yesterday().until("2026-11-21"), &["keep snap-p: expired on 2026-11-21"]);
    check_one(yesterday().until("2026-11-20"), &["keep snap-p: expired on 2026-11-20"]);
    check_one(yesterday().until("2026-11-20").tagged(KEEP_FOREVER, ""), &[TO_IRELAND]);
    // what has no readable day has not expired
    check_one(yesterday().untagged(DELETE_ON), &[TO_IRELAND]);
    check_one(yesterday().until("soon"), &[TO_IRELAND]);
}

#[test]
fn what_is_archived_cannot_be_copied() {
    let archived = Snapshot { archived: true, ..yesterday() };
    check_one(archived, &["keep snap-p: in the archive tier, which cannot be copied from"]);
}

#[test]
fn a_copy_counts_while_it_is_one_or_may_become_one() {
    #[track_caller]
    fn check_with(copies: Vec<Snapshot>, expected: &str) {
        check(&inventory(vec![yesterday()], copies, vec![]), &[expected]);
    }
    let has_it = "keep snap-p: eu-west-1 has snap-c";
    for state in [Completed, Pending, Unknown] {
        check_with(vec![copied().in_state(state)], has_it);
        check_with(vec![copied().named("snap-failed").in_state(Error), copied().in_state(state)], has_it);
    }
    for state in [Error, InRecycleBin] {
        let failed = format!("{TO_IRELAND}: its last copy there failed (snap-c)");
        check_with(vec![copied().in_state(state)], if state == Error { &failed } else { TO_IRELAND });
    }
    // a copy of another snapshot, by another hand, or elsewhere is none of this one
    check_with(vec![copied().tagged(SOURCE_SNAPSHOT_ID, "snap-other")], TO_IRELAND);
    check_with(vec![copied().untagged(TYPE)], TO_IRELAND);
    check(&inventory(vec![yesterday()], vec![], vec![copied()]), &[TO_IRELAND]);
}

#[test]
fn each_volumes_newest_comes_first_then_the_older_ones() {
    let of = |id, volume, day| automated(id, volume, day).until("2026-12-01").tagged(COPY_DEST, "eu-west-1 us-west-2");
    let snapshots = vec![
        of("snap-a1", "vol-a", "2026-11-17"),
        of("snap-a3", "vol-a", "2026-11-19"),
        of("snap-a2", "vol-a", "2026-11-18"),
        of("snap-b1", "vol-b", "2026-11-15"),
        of("snap-b2", "vol-b", "2026-11-16"),
        of("snap-c1", "vol-c", "2026-11-20"),
    ];
    // Oregon has the newest of vol-c
    let oregon = vec![of("snap-x", "vol-c", "2026-11-20").made_copy_of("snap-c1", "us-east-1")];
    check(
        &inventory(snapshots, vec![], oregon),
        &[
            "copy snap-c1 of vol-c to eu-west-1",
            "copy snap-a3 of vol-a to eu-west-1",
            "copy snap-a3 of vol-a to us-west-2",
            "copy snap-b2 of vol-b to eu-west-1",
            "copy snap-b2 of vol-b to us-west-2",
            "copy snap-a2 of vol-a to eu-west-1",
            "copy snap-a2 of vol-a to us-west-2",
            "copy snap-b1 of vol-b to eu-west-1",
            "copy snap-b1 of vol-b to us-west-2",
            "copy snap-a1 of vol-a to eu-west-1",
            "copy snap-a1 of vol-a to us-west-2",
            "keep snap-c1: us-west-2 has snap-x",
        ],
    );
}

/// The only copy that is planned.
#[track_caller]
fn only_copy(primary: Snapshot, run: &Run) -> CopySnapshot {
    let plan = plan(&inventory(vec![primary], vec![], vec![]), run);
    let [Copy::Snapshot(copy)] = plan.actions.as_slice() else { panic!("{:?}", told(&plan)) };
    copy.clone()
}

#[test]
fn a_copy_has_every_tag_that_its_later_life_needs() {
    let source = yesterday()
        .tagged(NAME, "web")
        .tagged("Team", "x")
        .tagged("aws:backup:source-resource", "x")
        .tagged(KEEP_FOREVER, "why not");
    let copy = only_copy(Snapshot { description: "web (i-1)".to_owned(), ..source }, &run(RUN));
    let expected: Tags = [
        ("Type", "Automated"),
        ("DeleteOn", "2026-12-01"),
        ("KeepForever", "why not"),
        ("Backup_Run", "2026-11-20T05:00:00Z"),
        ("Source_InstanceId", "i-1"),
        ("Source_Region", "us-east-1"),
        ("Source_VolumeId", "vol-a"),
        ("Source_SnapshotId", "snap-p"),
        ("Source_Devices", "/dev/xvda=vol-a"),
        ("Name", "web"),
        ("Team", "x"),
    ]
    .into_iter()
    .collect();
    assert_eq!(*copy.tags, expected);
    assert_eq!(
        (copy.source.as_str(), copy.volume.as_str(), copy.from.as_str(), copy.to.as_str()),
        ("snap-p", "vol-a", "us-east-1", IRELAND)
    );
    assert_eq!(copy.description, "web (i-1)");
    assert_eq!(Copy::Snapshot(copy).resource(), "snap-p");
    // a layout that takes fewer tags when it is written anew leaves none of the old ones behind
    let apart = yesterday().tagged(SOURCE_DEVICES, "/dev/xvda=vol-a").tagged("Source_Devices_2", "/dev/sdf=vol-b");
    let together = only_copy(apart.tagged("Source_Devices_2_b", "x"), &run(RUN)).tags;
    assert_eq!(together.get(SOURCE_DEVICES), Some("/dev/xvda=vol-a /dev/sdf=vol-b"));
    assert_eq!((together.has("Source_Devices_2"), together.has("Source_Devices_2_b")), (false, true));
    // a layout that cannot be read is carried over as it is
    let odd = only_copy(yesterday().tagged(SOURCE_DEVICES, "?"), &run(RUN));
    assert_eq!(odd.tags.get(SOURCE_DEVICES), Some("?"));
    assert!(!only_copy(yesterday(), &run(RUN)).tags.has(KEEP_FOREVER));
    assert!(!only_copy(yesterday().untagged(DELETE_ON), &run(RUN)).tags.has(DELETE_ON));
}

#[test]
fn where_fifty_tags_are_too_few_our_own_and_the_name_come_first() {
    let many = (0..41).fold(yesterday().tagged(NAME, "web"), |it, n| it.tagged(&format!("0-tag{n:02}"), "x"));
    let many = many.tagged("Source_Devices_2", "/dev/sdz=vol-z");
    let tags = only_copy(many, &run(RUN)).tags;
    assert_eq!(tags.iter().count(), 49, "there is room for a hold that comes later");
    for key in [TYPE, DELETE_ON, BACKUP_RUN, SOURCE_INSTANCE_ID, SOURCE_SNAPSHOT_ID, SOURCE_DEVICES, NAME] {
        assert!(tags.has(key), "{key}");
    }
    let layout: Vec<String> = layout::read(&tags).unwrap().into_iter().map(|place| place.volume.to_string()).collect();
    assert_eq!(layout, ["vol-a", "vol-z"]);
}

#[test]
fn the_key_is_the_settings() {
    assert_eq!(only_copy(yesterday(), &run(RUN)).kms_key, None);
    let mut run = run(RUN);
    run.settings.copy_kms_key = Some("alias/backup".to_owned());
    assert_eq!(only_copy(yesterday(), &run).kms_key.as_deref(), Some("alias/backup"));
}

#[test]
fn a_copy_made_earlier_gets_the_hold_and_the_date_that_its_primary_got_since() {
    #[track_caller]
    fn check_carried(primary: Snapshot, copy: Snapshot, tag: Option<&str>) {
        let plan = plan(&inventory(vec![primary], vec![copy], vec![]), &run(RUN));
        let tags: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
        let expected: Vec<String> =
            tag.iter().map(|tag| format!("tag snap-c in eu-west-1 as its primary: {tag}")).collect();
        assert_eq!(tags, expected);
        assert!(plan.actions.iter().all(|action| action.resource() == "snap-c"));
    }
    let held = || yesterday().tagged(KEEP_FOREVER, "audit");
    check_carried(held(), copied(), Some("KeepForever=audit"));
    check_carried(yesterday().tagged(KEEP_FOREVER, ""), copied(), Some("KeepForever="));
    check_carried(held(), copied().in_state(Pending), Some("KeepForever=audit"));
    check_carried(held().until("2026-11-20"), copied(), Some("KeepForever=audit"));
    check_carried(held(), copied().tagged(KEEP_FOREVER, "no"), None);
    check_carried(yesterday(), copied().tagged(KEEP_FOREVER, "no"), None);
    check_carried(yesterday(), copied().untagged(DELETE_ON), Some("DeleteOn=2026-12-01"));
    check_carried(held(), copied().untagged(DELETE_ON), Some("DeleteOn=2026-12-01 KeepForever=audit"));
    // what the copy says of itself stays
    check_carried(yesterday(), copied().until("2027-01-01"), None);
    check_carried(yesterday(), copied().until("soon"), None);
    check_carried(yesterday().until("soon"), copied().untagged(DELETE_ON), None);
    check_carried(yesterday().untagged(DELETE_ON), copied(), None);
}

#[test]
fn a_failed_copy_or_one_by_hand_is_not_tagged() {
    for copy in [copied().in_state(Error), copied().untagged(TYPE)] {
        let held = yesterday().tagged(KEEP_FOREVER, "");
        let told = told(&plan(&inventory(vec![held], vec![copy], vec![]), &run(RUN)));
        assert!(told.len() == 1 && told[0].starts_with(TO_IRELAND), "{told:?}");
    }
}

#[test]
fn an_urgent_hold_goes_before_new_copies() {
    let held = yesterday().tagged(KEEP_FOREVER, "").tagged(COPY_DEST, "eu-west-1 us-west-2");
    check(
        &inventory(vec![primary("snap-q", "2026-11-21"), held], vec![copied()], vec![]),
        &[
            "tag snap-c in eu-west-1 as its primary: KeepForever=",
            "copy snap-q of vol-a to eu-west-1",
            TO_OREGON,
            "keep snap-p: eu-west-1 has snap-c",
        ],
    );
}

#[test]
fn a_destination_that_does_not_answer_is_named_and_harms_no_other() {
    let mut inventory = inventory(vec![yesterday().tagged(COPY_DEST, "eu-west-1 us-west-2")], vec![], vec![]);
    inventory.destinations.insert(region(IRELAND), Err("timed out".to_owned()));
    let unknown = "keep snap-p: eu-west-1 could not be looked into";
    check(&inventory, &[TO_OREGON, unknown, "refuse eu-west-1: could not be looked into: timed out"]);
    // nor is one copied to of which nothing was read
    inventory.destinations.remove(&region(IRELAND));
    check(&inventory, &[TO_OREGON, unknown]);
}

#[test]
fn a_destination_that_cannot_be_read_is_reported_and_harms_no_other() {
    let snapshot = yesterday().tagged(COPY_DEST, "mars us-east-1 eu-west-1");
    let plan = plan(&inventory(vec![snapshot], vec![], vec![]), &run(RUN));
    let mars = "find snap-p: tag Copy_Dest is \"mars\"";
    assert_eq!(told(&plan), [TO_IRELAND, mars, "find snap-p: tag Copy_Dest is \"us-east-1\""]);
    assert!(plan.findings.iter().all(|finding| finding.kind == FindingKind::UnreadableTag));
}

#[test]
fn the_regions_to_read_are_those_that_primaries_name() {
    let snapshots = [
        yesterday(),
        yesterday().tagged(COPY_DEST, "eu-west-1 us-west-2 mars us-east-1"),
        yesterday().tagged(COPY_DEST, "sa-east-1").untagged(TYPE),
        yesterday().tagged(COPY_DEST, "ap-south-1").made_copy_of("snap-q", OREGON),
        yesterday().untagged(COPY_DEST),
    ];
    let run = run(RUN);
    let mut found = Found::new(&run);
    found.add(snapshots.to_vec());
    assert_eq!(found.unread().into_iter().collect::<Vec<_>>(), [region(IRELAND), region(OREGON)]);
    assert_eq!(found.unread(), reference::destinations(&snapshots, &run));
    // what has been told of once is not to be read again, even if it could not be
    found.there(region(IRELAND), Err("timed out".to_owned()));
    found.there(region(OREGON), Ok(Copies::default()));
    found.settle();
    found.add(vec![yesterday()]);
    assert_eq!(found.unread(), BTreeSet::new());
}

/// Each try leaves a snapshot in `error` behind.
#[test]
fn while_copies_of_a_volume_fail_only_its_newest_primary_is_tried() {
    let primary = |id, day| automated(id, "vol-a", day).until("2027-01-01").tagged(COPY_DEST, IRELAND).named(id);
    let copy = |id: &str, of: &str, state| {
        automated(id, "vol-a", "2026-11-20").until("2027-01-01").made_copy_of(of, "us-east-1").in_state(state)
    };
    let primaries =
        || vec![primary("snap-1", "2026-11-18"), primary("snap-2", "2026-11-19"), primary("snap-3", "2026-11-20")];
    check(
        &inventory(primaries(), vec![copy("snap-c", "snap-2", Error)], vec![]),
        &[
            "copy snap-3 of vol-a to eu-west-1: its last copy there failed (snap-c)",
            "keep snap-2: copies of its volume fail in eu-west-1 (snap-c): the newest is tried first",
            "keep snap-1: copies of its volume fail in eu-west-1 (snap-c): the newest is tried first",
        ],
    );
    // once one is under way again, all are
    check(
        &inventory(primaries(), vec![copy("snap-c", "snap-2", Error), copy("snap-d", "snap-3", Pending)], vec![]),
        &[
            "copy snap-2 of vol-a to eu-west-1",
            "copy snap-1 of vol-a to eu-west-1",
            "keep snap-3: eu-west-1 has snap-d",
        ],
    );
}
