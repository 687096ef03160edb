use super::*;
use crate::{
    fixtures::{automated, by_hand, instance, region, run, volume},
    inventory::{
        InstanceState::{self, Running, ShuttingDown, Stopped, Terminated},
        SnapshotState::{Error, InRecycleBin, Pending, Unknown},
    },
    tags::{BACKUP, BACKUP_RUN, DELETE_ON, KEEP_FOREVER, SOURCE_DEVICES, SOURCE_REGION, SOURCE_VOLUME_ID, TYPE, Tags},
};

mod anything;
mod reference;
mod same;

const RUN: &str = "2026-11-21T06:00:00Z";

/// What the manager reads, all at once.
#[derive(Clone, Debug, Default)]
struct Inventory {
    snapshots: Vec<Snapshot>,
    enrolment: Enrolment,
    elsewhere: BTreeMap<Region, Enrolment>,
    in_use: BTreeMap<SnapshotId, ImageId>,
    locked: BTreeSet<SnapshotId>,
}

impl Inventory {
    fn holds(&self) -> Holds {
        let Self { enrolment, elsewhere, in_use, locked, .. } = self.clone();
        Holds { enrolment, elsewhere, in_use, locked }
    }
}

fn plan(inventory: &Inventory, run: &Run) -> Plan<DeleteSnapshot> {
    super::plan(Found::of(&inventory.snapshots, run), &inventory.holds(), run)
}

fn regions_to_ask(inventory: &Inventory, run: &Run) -> BTreeSet<Region> {
    super::regions_to_ask(&Found::of(&inventory.snapshots, run), &inventory.holds(), run)
}

/// `vol-a` and `vol-b` on `i-1`.
fn enrolled() -> Enrolment {
    said(Some("Yes"), Running)
}

fn said(backup: Option<&str>, state: InstanceState) -> Enrolment {
    let tags: Vec<(&str, &str)> = backup.map(|value| (BACKUP, value)).into_iter().collect();
    Enrolment::of(&[instance("i-1", &["vol-a", "vol-b"], &tags).in_state(state)], &[])
}

/// What the plan does with each snapshot: `delete`, or why it is kept.
fn fates(plan: &Plan<DeleteSnapshot>) -> BTreeMap<String, &'static str> {
    let deleted = plan.actions.iter().map(|action| (action.snapshot.to_string(), "delete"));
    deleted.chain(plan.kept.iter().map(|kept| (kept.resource.clone(), kept.reason.kind()))).collect()
}

#[track_caller]
fn check(inventory: &Inventory, expected: &[(&str, &str)]) {
    let plan = plan(inventory, &run(RUN));
    let expected: BTreeMap<String, &str> = expected.iter().map(|(id, fate)| ((*id).to_owned(), *fate)).collect();
    assert_eq!(fates(&plan), expected);
    assert_eq!(plan.actions.len() + plan.kept.len(), inventory.snapshots.len(), "one verdict each");
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
}

/// A due snapshot that nothing holds as long as `newer` is there.
fn due() -> Snapshot {
    automated("snap-x", "vol-a", "2026-11-10").until("2026-11-17")
}

fn newer() -> Snapshot {
    automated("snap-new", "vol-a", "2026-11-20").until("2026-11-27")
}

fn beside_a_newer_one(snapshot: Snapshot) -> Inventory {
    Inventory { snapshots: vec![snapshot, newer()], enrolment: enrolled(), ..Inventory::default() }
}

#[test]
fn its_own_tags_and_state_decide_first() {
    for (snapshot, fate) in [
        (due(), "delete"),
        (due().in_state(Error), "delete"),
        (due().in_state(Pending), "delete"),
        (due().in_state(InRecycleBin), "in_recycle_bin"),
        (due().in_state(Unknown), "unknown_state"),
        (due().untagged(TYPE), "not_automated"),
        (due().tagged(TYPE, "Manual"), "not_automated"),
        (due().tagged(TYPE, "automated"), "not_automated"),
        (due().tagged(TYPE, ""), "not_automated"),
        (due().tagged(KEEP_FOREVER, "yes"), "keep_forever"),
        (due().tagged(KEEP_FOREVER, "no"), "keep_forever"),
        (due().tagged(KEEP_FOREVER, ""), "keep_forever"),
        (due().untagged(DELETE_ON), "undated"),
        (due().until("2026-11-1"), "unreadable_date"),
        (due().until("2026-11-17 "), "unreadable_date"),
        (due().until("2026-02-29"), "unreadable_date"),
        (due().until("17.11.2026"), "unreadable_date"),
        (due().until(""), "unreadable_date"),
        (due().until("2026-11-22"), "not_due"),
        (due().until("2026-11-21"), "delete"),
        (due().until("2001-01-01"), "delete"),
    ] {
        let tags = snapshot.tags.clone();
        let plan = plan(&beside_a_newer_one(snapshot), &run(RUN));
        assert_eq!(fates(&plan)["snap-x"], fate, "{tags:?}");
        assert_eq!(plan.findings.len(), usize::from(fate == "unreadable_date"), "{tags:?}");
    }
}

#[test]
fn of_many_dates_that_cannot_be_read_the_first_are_told_and_the_others_counted() {
    let unreadable = |number: usize| automated(&format!("snap-{number:04}"), "vol-a", "2026-11-01").until("soon");
    let inventory = Inventory { snapshots: (0..1_000).map(unreadable).collect(), ..Inventory::default() };
    let plan = plan(&inventory, &Run { listed: 100, ..run(RUN) });
    assert_eq!((plan.findings.len(), plan.findings_unlisted), (100, 900));
    assert_eq!(plan.findings[99].resource, "snap-0099");
    assert_eq!((plan.kept.len(), plan.kept_unlisted["unreadable_date"]), (100, 900));
}

/// Five of them stop the backups of their volume, however long they were to be kept.
#[test]
fn a_failed_one_goes_when_the_watcher_has_had_the_time_to_tell_of_it() {
    let failed = || automated("snap-x", "vol-a", "2026-11-19").until("2027-11-19").in_state(Error);
    for (snapshot, fate) in [
        (failed(), "delete"),
        (failed().untagged(DELETE_ON), "delete"),
        (failed().until("one day"), "delete"),
        (failed().tagged(KEEP_FOREVER, ""), "keep_forever"),
        (failed().untagged(TYPE), "not_automated"),
        (failed().in_state(Pending), "not_due"),
        (automated("snap-x", "vol-a", "2026-11-20").until("2027-11-19").in_state(Error), "not_due"),
        (automated("snap-x", "vol-a", "2026-11-20").in_state(Error), "undated"),
    ] {
        let told = format!("{snapshot:?}");
        assert_eq!(fates(&plan(&beside_a_newer_one(snapshot), &run(RUN)))["snap-x"], fate, "{told}");
    }
    // the RPO is 30 hours: it was begun at five o'clock
    let inventory = beside_a_newer_one(automated("snap-x", "vol-a", "2026-11-20").in_state(Error));
    for (instant, fate) in [("2026-11-21T11:00:00Z", "undated"), ("2026-11-21T11:00:01Z", "delete")] {
        let plan = plan(&inventory, &run(instant));
        assert_eq!(fates(&plan)["snap-x"], fate);
        assert!(fate == "undated" || plan.actions[0].to_string() == "delete snap-x, failed on 2026-11-20");
    }
    let mut held = beside_a_newer_one(failed());
    held.locked.insert("snap-x".into());
    check(&held, &[("snap-x", "locked"), ("snap-new", "not_due")]);
    // the run that is the last good one holds none that failed
    let twin = Snapshot { id: "snap-y".into(), ..due().in_state(Error) };
    check_enrolled(vec![due(), twin], &[("snap-x", "last_good"), ("snap-y", "delete")]);
}

/// The volume of the spoiled one has a newer backup; that of the other has none but this set.
#[test]
fn a_member_whose_own_layout_was_spoiled_is_held_by_the_others_of_its_set() {
    let old = |id, volume| automated(id, volume, "2026-11-10").in_set("i-1", &["vol-a", "vol-b"]).until("2026-11-17");
    for layout in ["", "?", "/dev/xvda=", "/dev/xvda=vol-a"] {
        let inventory = Inventory {
            snapshots: vec![old("snap-a", "vol-a").tagged(SOURCE_DEVICES, layout), old("snap-b", "vol-b"), newer()],
            enrolment: enrolled(),
            ..Inventory::default()
        };
        check(&inventory, &[("snap-a", "last_good"), ("snap-b", "last_good"), ("snap-new", "not_due")]);
    }
}

#[test]
fn keep_forever_holds_wherever_it_stands_among_the_tags() {
    let others = || (0..20).map(|n| (format!("tag{n:02}"), "x".to_owned()));
    let own = || {
        let due = due();
        due.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let hold = || [(KEEP_FOREVER.to_owned(), String::new())];
    let orders: [Tags; 3] = [
        hold().into_iter().chain(own()).chain(others()).collect(),
        own().into_iter().chain(hold()).chain(others()).collect(),
        own().into_iter().chain(others()).chain(hold()).collect(),
    ];
    for tags in orders {
        check(&beside_a_newer_one(Snapshot { tags, ..due() }), &[("snap-x", "keep_forever"), ("snap-new", "not_due")]);
    }
}

#[test]
fn an_image_or_a_lock_holds() {
    let mut inventory = beside_a_newer_one(due());
    inventory.in_use.insert("snap-x".into(), "ami-1".into());
    check(&inventory, &[("snap-x", "in_use"), ("snap-new", "not_due")]);

    let mut inventory = beside_a_newer_one(due());
    inventory.locked.insert("snap-x".into());
    check(&inventory, &[("snap-x", "locked"), ("snap-new", "not_due")]);

    // of others they hold nothing
    let mut inventory = beside_a_newer_one(due());
    inventory.in_use.insert("snap-new".into(), "ami-1".into());
    inventory.locked.insert("snap-new".into());
    check(&inventory, &[("snap-x", "delete"), ("snap-new", "not_due")]);
}

#[test]
fn a_day_begins_where_the_time_zone_says() {
    for (zone, fate) in [("UTC", "delete"), ("America/Los_Angeles", "not_due")] {
        let mut run = run(RUN);
        run.settings.time_zone = zone.parse().unwrap();
        let plan = plan(&beside_a_newer_one(due().until("2026-11-21")), &run);
        assert_eq!(fates(&plan)["snap-x"], fate, "{zone}");
    }
}

#[track_caller]
fn check_last_good(enrolment: Enrolment, snapshots: Vec<Snapshot>, expected: &[(&str, &str)]) {
    check(&Inventory { snapshots, enrolment, ..Inventory::default() }, expected);
}

#[track_caller]
fn check_enrolled(snapshots: Vec<Snapshot>, expected: &[(&str, &str)]) {
    check_last_good(enrolled(), snapshots, expected);
}

#[test]
fn the_last_good_backup_of_an_enrolled_volume_stays() {
    let older = || automated("snap-old", "vol-a", "2026-11-09").until("2026-11-16");
    check_enrolled(vec![due()], &[("snap-x", "last_good")]);
    check_enrolled(vec![due(), older()], &[("snap-old", "delete"), ("snap-x", "last_good")]);
    // what is no restore point does not count
    for state in [Pending, Error, InRecycleBin] {
        let newer = || newer().in_state(state);
        check_enrolled(vec![due(), newer()], &[("snap-x", "last_good"), ("snap-new", "not_due")]);
        check_enrolled(
            vec![due(), older(), newer()],
            &[("snap-old", "delete"), ("snap-x", "last_good"), ("snap-new", "not_due")],
        );
    }
    // nor does what nobody promised to keep, or what holds another volume
    check_enrolled(
        vec![due(), by_hand("snap-hand", "vol-a", "2026-11-20").until("2026-11-20")],
        &[("snap-x", "last_good"), ("snap-hand", "not_automated")],
    );
    check_enrolled(
        vec![due(), automated("snap-b", "vol-b", "2026-11-20").until("2026-11-27")],
        &[("snap-x", "last_good"), ("snap-b", "not_due")],
    );
    // which volume a primary holds is EC2's to say
    check_enrolled(vec![due().tagged(SOURCE_VOLUME_ID, "vol-z")], &[("snap-x", "last_good")]);
    // the run tells which is newer, not the moment in which AWS began
    let mut late = older();
    late.started = newer().started;
    check_enrolled(vec![due(), late], &[("snap-old", "delete"), ("snap-x", "last_good")]);
}

/// A member of the set that a run takes of `vol-a` and `vol-b`.
fn member(id: &str, volume: &str, day: &str, until: &str) -> Snapshot {
    automated(id, volume, day).until(until).in_set("i-1", &["vol-a", "vol-b"])
}

#[test]
fn a_set_with_a_failed_member_is_no_last_good_backup() {
    let a1 = || member("snap-a1", "vol-a", "2026-11-10", "2026-11-17");
    let b1 = || member("snap-b1", "vol-b", "2026-11-10", "2026-11-17");
    let a2 = || member("snap-a2", "vol-a", "2026-11-11", "2026-11-18");
    let b2 = || member("snap-b2", "vol-b", "2026-11-11", "2026-11-18");
    let whole = [("snap-a1", "last_good"), ("snap-b1", "last_good")];
    // the newer set is whole
    check_enrolled(
        vec![a1(), b1(), a2(), b2()],
        &[("snap-a1", "delete"), ("snap-b1", "delete"), ("snap-a2", "last_good"), ("snap-b2", "last_good")],
    );
    // one of its members failed, is not done, or never was
    check_enrolled(
        vec![a1(), b1(), a2(), b2().in_state(Error)],
        &[whole[0], whole[1], ("snap-a2", "delete"), ("snap-b2", "delete")],
    );
    check_enrolled(
        vec![a1(), b1(), a2(), b2().in_state(Pending)],
        &[whole[0], whole[1], ("snap-a2", "delete"), ("snap-b2", "delete")],
    );
    check_enrolled(vec![a1(), b1(), a2()], &[whole[0], whole[1], ("snap-a2", "delete")]);
    // where there is no whole one, the last completed one is held by itself
    check_enrolled(vec![a2(), b2().in_state(Pending)], &[("snap-a2", "last_good"), ("snap-b2", "delete")]);
    // without a readable list the set is what the run has of the instance
    let unlisted = |snapshot: Snapshot| snapshot.tagged(SOURCE_DEVICES, "?");
    check_enrolled(
        vec![a1(), b1(), unlisted(a2()), unlisted(b2()).in_state(Error)],
        &[whole[0], whole[1], ("snap-a2", "delete"), ("snap-b2", "delete")],
    );
    // a volume that the operator left out is not missed
    let before = automated("snap-a0", "vol-a", "2026-11-09").until("2026-11-16");
    let alone = a2().tagged(SOURCE_DEVICES, "/dev/xvda=vol-a /dev/sd1=vol-b:excluded");
    check_enrolled(vec![before, alone], &[("snap-a0", "delete"), ("snap-a2", "last_good")]);
    // where no set is whole, the newest part of one is better than nothing
    check_enrolled(
        vec![a1(), b1().in_state(Error), a2(), b2().in_state(Error)],
        &[("snap-a1", "delete"), ("snap-b1", "delete"), ("snap-a2", "last_good"), ("snap-b2", "delete")],
    );
}

/// The second run at the same instant sees what the first one left.
#[test]
fn a_second_run_does_not_take_what_the_first_one_kept_as_last_good() {
    let run = run(RUN);
    let left_out = [volume("vol-b", &[(BACKUP, "No")])];
    let enrolment = Enrolment::of(&[instance("i-1", &["vol-a", "vol-b", "vol-c"], &[(BACKUP, "Yes")])], &left_out);
    // vol-b has been left out since, and vol-c fails
    let after = |id, volume| automated(id, volume, "2026-11-20").until("2026-11-27").in_set("i-1", &["vol-a", "vol-c"]);
    let mut inventory = Inventory {
        snapshots: vec![
            member("snap-a1", "vol-a", "2026-11-10", "2026-11-17"),
            member("snap-b1", "vol-b", "2026-11-10", "2026-11-17"),
            after("snap-a2", "vol-a"),
            after("snap-c2", "vol-c").in_state(Error),
        ],
        enrolment,
        ..Inventory::default()
    };
    for time in ["first", "second"] {
        let plan = plan(&inventory, &run);
        assert_eq!(fates(&plan)["snap-a1"], "last_good", "the {time} time");
        inventory.snapshots.retain(|snapshot| plan.actions.iter().all(|action| action.snapshot != snapshot.id));
    }
}

#[test]
fn of_a_volume_that_is_not_enrolled_everything_expires() {
    for (enrolment, fate) in [
        (said(Some("Yes"), Running), "last_good"),
        (said(Some("Yes"), Stopped), "last_good"),
        (said(Some(" yES "), Running), "last_good"),
        (said(Some("No"), Running), "delete"),
        (said(None, Running), "delete"),
        (said(Some("Yes"), ShuttingDown), "delete"),
        (said(Some("Yes"), Terminated), "delete"),
        (Enrolment::default(), "delete"),
        // in doubt the data is kept
        (said(Some("Yse"), Running), "last_good_perhaps"),
        (said(Some(""), Running), "last_good_perhaps"),
        (said(Some("Yse"), Terminated), "delete"),
    ] {
        let told = format!("{enrolment:?}");
        let inventory = Inventory { snapshots: vec![due()], enrolment, ..Inventory::default() };
        assert_eq!(fates(&plan(&inventory, &run(RUN)))["snap-x"], fate, "{told}");
    }
    for (backup, fate) in [("No", "delete"), ("Nope", "last_good"), ("Yes", "last_good")] {
        let enrolment = Enrolment::of(
            &[instance("i-1", &["vol-a", "vol-b"], &[(BACKUP, "Yes")])],
            &[volume("vol-a", &[(BACKUP, backup)])],
        );
        check_last_good(enrolment, vec![due()], &[("snap-x", fate)]);
    }
    // shared with an instance whose tag can be read
    let sharing = [instance("i-1", &["vol-a"], &[(BACKUP, "Yse")]), instance("i-2", &["vol-a"], &[(BACKUP, "Yes")])];
    check_last_good(Enrolment::of(&sharing, &[]), vec![due()], &[("snap-x", "last_good")]);
}

/// The copy of a snapshot of `vol-a` in Ireland.
fn copy() -> Snapshot {
    due().made_copy_of("snap-primary", "eu-west-1")
}

fn elsewhere(answers: &[(&str, Enrolment)]) -> BTreeMap<Region, Enrolment> {
    answers.iter().map(|(name, enrolment)| (region(name), enrolment.clone())).collect()
}

#[test]
fn of_a_copy_the_source_region_knows_whether_its_volume_is_enrolled() {
    #[track_caller]
    fn check(snapshots: &[Snapshot], answers: &[(&str, Enrolment)], fate: &str, ask: &[&str]) {
        let asking = Inventory { snapshots: snapshots.to_vec(), ..Inventory::default() };
        let asked = regions_to_ask(&asking, &run(RUN));
        assert_eq!(asked.iter().map(Region::as_str).collect::<Vec<_>>(), ask, "the regions to ask");
        let inventory = Inventory { elsewhere: elsewhere(answers), ..asking };
        assert_eq!(fates(&plan(&inventory, &run(RUN)))["snap-x"], fate);
    }
    let not_enrolled = said(Some("No"), Running);
    let newer = || newer().made_copy_of("snap-newer-primary", "eu-west-1");
    let ireland = ["eu-west-1"];
    check(&[copy()], &[("eu-west-1", enrolled())], "last_good", &ireland);
    check(&[copy()], &[("eu-west-1", not_enrolled.clone())], "delete", &ireland);
    check(&[copy()], &[("eu-west-1", said(Some("Yse"), Running))], "last_good_perhaps", &ireland);
    // no answer, or one of another region, is no evidence
    check(&[copy()], &[], "last_good_perhaps", &ireland);
    check(&[copy()], &[("eu-west-2", not_enrolled.clone())], "last_good_perhaps", &ireland);
    check(&[copy().tagged(SOURCE_REGION, "mars")], &[("eu-west-1", not_enrolled.clone())], "last_good_perhaps", &[]);
    check(&[copy().untagged(SOURCE_REGION)], &[], "last_good_perhaps", &[]);
    // of its own region the manager has read all
    check(&[copy().tagged(SOURCE_REGION, run(RUN).region.as_str())], &[], "delete", &[]);
    // a newer copy makes the question needless, if it is a good one from the same region
    check(&[copy(), newer()], &[], "delete", &[]);
    check(&[copy(), newer().in_state(Error)], &[], "last_good_perhaps", &ireland);
    check(&[copy(), newer().in_state(Pending)], &[], "last_good_perhaps", &ireland);
    check(&[copy(), newer().tagged(SOURCE_REGION, "eu-west-2")], &[], "last_good_perhaps", &ireland);
    // nobody is asked about what stays anyhow, or belongs here
    check(&[copy().until("2026-11-22")], &[], "not_due", &[]);
    check(&[copy().tagged(KEEP_FOREVER, "")], &[], "keep_forever", &[]);
    check(&[copy().untagged(TYPE)], &[], "not_automated", &[]);
    check(&[due()], &[], "delete", &[]);
}

/// Copies of different volumes look alike then: each may be the last of its own. Nor would an answer help.
#[test]
fn copies_that_do_not_tell_of_which_volume_they_are_all_stay() {
    let nameless = || copy().untagged(SOURCE_VOLUME_ID);
    let newer = Snapshot { id: "snap-y".into(), ..nameless().tagged(BACKUP_RUN, "2026-11-19T05:00:00Z") };
    let elsewhere = elsewhere(&[("eu-west-1", said(Some("No"), Running))]);
    let inventory = Inventory { snapshots: vec![nameless(), newer], elsewhere, ..Inventory::default() };
    check(&inventory, &[("snap-x", "last_good_perhaps"), ("snap-y", "last_good_perhaps")]);
    assert!(regions_to_ask(&inventory, &run(RUN)).is_empty());
}

/// `due` snapshots that may go, so many others, and one by hand, which does not count.
#[track_caller]
fn check_brake(due: usize, others: usize, percent: u8, passes: bool) {
    let due_one = |n: usize| automated(&format!("snap-due-{n}"), &format!("vol-{n}"), "2026-11-10").until("2026-11-17");
    let other = |n: usize| automated(&format!("snap-other-{n}"), &format!("vol-{n}"), "2026-11-20").until("2026-11-27");
    let hand = by_hand("snap-hand", "vol-hand", "2026-11-10").until("2026-11-17");
    let snapshots = (0..due).map(due_one).chain((0..others).map(other)).chain([hand]).collect();
    let mut run = run(RUN);
    run.settings.max_delete_percent = percent;
    let plan = plan(&Inventory { snapshots, ..Inventory::default() }, &run);
    let braked = plan.kept.iter().filter(|kept| kept.reason == Reason::Brake).count();
    let expected = if passes { (due, 0, 0) } else { (0, due, 1) };
    assert_eq!((plan.actions.len(), braked, plan.refusals.len()), expected);
    assert_eq!(plan.kept.len(), others + 1 + braked, "each is told of once");
    for refusal in &plan.refusals {
        assert!(refusal.cause.contains(&format!("{due} of {} automated", due + others)), "{}", refusal.cause);
    }
}

#[test]
fn the_brake_holds_above_fifty_deletions_and_the_share() {
    check_brake(50, 0, 50, true);
    check_brake(51, 50, 50, false);
    check_brake(51, 51, 50, true);
    check_brake(51, 0, 50, false);
    check_brake(500, 499, 50, false);
    check_brake(500, 500, 50, true);
    check_brake(51, 0, 99, false);
    check_brake(51, 0, 100, true);
    check_brake(50, 1_000, 0, true);
    check_brake(51, 1_000, 0, false);
    check_brake(0, 0, 0, true);
}

#[test]
fn the_longest_overdue_goes_first() {
    let snapshots =
        [("snap-4", "2026-11-21"), ("snap-3", "2026-11-20"), ("snap-1", "2024-01-01"), ("snap-2", "2026-11-20")]
            .map(|(id, until)| automated(id, id, "2026-11-10").until(until))
            .to_vec();
    let plan = plan(&Inventory { snapshots, ..Inventory::default() }, &run(RUN));
    let order: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
    assert_eq!(
        order,
        [
            "delete snap-1, due since 2024-01-01",
            "delete snap-2, due since 2026-11-20",
            "delete snap-3, due since 2026-11-20",
            "delete snap-4, due since 2026-11-21",
        ]
    );
    assert_eq!(plan.actions[0].resource(), "snap-1");
}
