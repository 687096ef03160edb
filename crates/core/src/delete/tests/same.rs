//! Folding snapshots as they come, and forgetting what can matter no more, changes no plan.

use chrono::TimeDelta;
use proptest::{prelude::*, sample::select};

use super::{Inventory, reference};
use crate::{
    backup::{Backups, Whence, origin},
    delete::{self, DeleteSnapshot, Found},
    enrolment::Enrolment,
    fixtures::{at, automated, by_hand, instance, region, run, volume},
    inventory::{
        Snapshot,
        SnapshotState::{self, Completed, Error, InRecycleBin, Pending, Unknown},
    },
    plan::Plan,
    run::Run,
    tags::{
        AUTOMATED, BACKUP, BACKUP_REQUEST, BACKUP_RUN, DELETE_ON, KEEP_FOREVER, SOURCE_DEVICES, SOURCE_INSTANCE_ID,
        SOURCE_REGION, SOURCE_SNAPSHOT_ID, SOURCE_VOLUME_ID, TYPE,
    },
};

const NOW: &str = "2026-11-21T06:00:00Z";
const VOLUMES: [&str; 4] = ["vol-a", "vol-b", "vol-c", "vol-0123456789abcdef0"];

/// An id of EC2's, or another one.
fn id(number: usize) -> String {
    if number.is_multiple_of(5) { format!("snap-{number:x}") } else { format!("snap-{number:017x}") }
}

/// A tag, now and then spoiled, and now and then not there.
fn tag(usual: &[&'static str], spoiled: &[&'static str]) -> impl Strategy<Value = Option<&'static str>> + use<> {
    let (usual, spoiled) = (select(usual.to_vec()), select(spoiled.to_vec()));
    prop_oneof![16 => usual.prop_map(Some), 1 => spoiled.prop_map(Some), 1 => Just(None)]
}

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let layouts = [
        "/dev/xvda=vol-a",
        "/dev/xvda=vol-a /dev/sdb=vol-b",
        "/dev/xvda=vol-a /dev/sdb=vol-b /dev/sdc=vol-c",
        "/dev/xvda=vol-b /dev/sdb=vol-0123456789abcdef0",
        "/dev/xvda=vol-c",
        "/dev/xvda=vol-b /dev/sdb=vol-c:excluded",
    ];
    let runs = ["2026-11-17T05:00:00Z", "2026-11-18T05:00:00Z", "2026-11-19T05:00:00Z", "2026-11-20T05:00:00Z"];
    let days = ["2026-11-18", "2026-11-20", "2026-11-21", "2026-11-22", "2026-12-21", "2027-11-21"];
    let states: Vec<SnapshotState> = [[Completed; 3], [Completed; 3], [Completed, Pending, Error]].concat();
    (
        (select(VOLUMES.to_vec()), prop_oneof![12 => select(states), 1 => select(vec![InRecycleBin, Unknown])]),
        // days, seconds and thousandths of them before now
        (0..5_i64, 0..3_i64, select(vec![0, 0, 0, 700_i64])),
        tag(&[AUTOMATED], &["Manual", "automated", ""]),
        (
            tag(&runs, &["yesterday", "2026-11-20T05:00:00+00:00", ""]),
            prop_oneof![9 => Just(None::<&'static str>), 1 => select(vec![Some("request-1"), Some("")])],
        ),
        (
            tag(&["i-1", "i-1", "i-2"], &[""]),
            tag(&layouts, &["", "?", "/dev/xvda=vol-a ?", "/dev/xvda=vol-a:excluded"]),
        ),
        (tag(&days, &["soon", "", "2026-11-1"]), prop_oneof![12 => Just(None::<&'static str>), 1 => Just(Some("no"))]),
        // of copies: from where, and of what
        prop::option::weighted(
            0.3,
            (tag(&["eu-west-1", "eu-west-1", "us-east-1"], &["mars"]), tag(&VOLUMES, &["vol-z", ""])),
        ),
    )
        .prop_map(|((volume, state), (days, seconds, thousandths), kind, (run, request), of, until, copy)| {
            let mut snapshot = by_hand("snap-", volume, "2026-11-20");
            snapshot.state = state;
            snapshot.started =
                at(NOW) - TimeDelta::days(days) - TimeDelta::seconds(seconds) - TimeDelta::milliseconds(thousandths);
            let (from, source) = copy.unwrap_or_default();
            let tags = [
                (TYPE, kind),
                (BACKUP_RUN, run),
                (BACKUP_REQUEST, request),
                (SOURCE_INSTANCE_ID, of.0),
                (SOURCE_DEVICES, of.1),
                (DELETE_ON, until.0),
                (KEEP_FOREVER, until.1),
                (SOURCE_SNAPSHOT_ID, copy.map(|_| "snap-primary")),
                (SOURCE_REGION, from),
                (SOURCE_VOLUME_ID, source),
            ];
            tags.into_iter().fold(snapshot, |snapshot, (key, value)| match value {
                Some(value) => snapshot.tagged(key, value),
                None => snapshot,
            })
        })
}

fn enrolments() -> impl Strategy<Value = Enrolment> {
    let says = || select(vec!["Yes", "Yes", "Yse", "No"]);
    (says(), says(), prop::bool::weighted(0.2)).prop_map(|(one, two, left_out)| {
        let instances = [
            instance("i-1", &["vol-a", "vol-b", "vol-c"], &[(BACKUP, one)]),
            instance("i-2", &["vol-b", VOLUMES[3]], &[(BACKUP, two)]),
        ];
        let volumes = [volume("vol-b", &[(BACKUP, if left_out { "No" } else { "Yes" })])];
        Enrolment::of(&instances, &volumes)
    })
}

fn inventories() -> impl Strategy<Value = Inventory> {
    (
        prop::collection::vec((snapshots(), prop::bool::weighted(0.05), prop::bool::weighted(0.05)), 0..40),
        enrolments(),
        prop::option::of(enrolments()),
    )
        .prop_map(|(drawn, enrolment, ireland)| {
            let elsewhere = ireland.into_iter().map(|enrolment| (region("eu-west-1"), enrolment)).collect();
            let mut inventory = Inventory { enrolment, elsewhere, ..Inventory::default() };
            for (number, (snapshot, is_used, is_locked)) in drawn.into_iter().enumerate() {
                let snapshot = Snapshot { id: id(number).into(), ..snapshot };
                inventory.in_use.extend(is_used.then(|| (snapshot.id.clone(), "ami-1".into())));
                inventory.locked.extend(is_locked.then(|| snapshot.id.clone()));
                inventory.snapshots.push(snapshot);
            }
            inventory
        })
}

/// The same, where whatever can be forgotten is, whenever so many have come.
fn found(inventory: &Inventory, run: &Run, every: usize) -> Found {
    let mut found = Found::new(run);
    for (number, snapshot) in inventory.snapshots.iter().enumerate() {
        found.add(snapshot);
        if number.is_multiple_of(every) {
            found.backups.prune();
        }
    }
    found
}

/// What is kept, in one order, and whatever else the plan is.
fn told(mut plan: Plan<DeleteSnapshot>) -> Plan<DeleteSnapshot> {
    plan.kept.sort_by(|a, b| (&a.resource, a.reason.kind()).cmp(&(&b.resource, b.reason.kind())));
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_forgotten_changes_no_plan(
        inventory in inventories(),
        every in 1..8_usize,
        listed in 0..40_usize,
    ) {
        let (mut run, holds) = (run(NOW), inventory.holds());
        let expected = told(reference::plan(&inventory, &run));
        let asked = reference::regions_to_ask(&inventory, &run);
        for found in [Found::of(&inventory.snapshots, &run), found(&inventory, &run, every)] {
            prop_assert_eq!(delete::regions_to_ask(&found, &holds, &run), asked.clone());
            prop_assert_eq!(told(delete::plan(found, &holds, &run)), expected.clone());
        }
        run.listed = listed;
        let plan = delete::plan(found(&inventory, &run, every), &holds, &run);
        prop_assert_eq!(plan.kept.len(), listed.min(expected.kept.len()));
        prop_assert_eq!(plan.kept.len() + plan.kept_unlisted.values().sum::<usize>(), expected.kept.len());
        prop_assert_eq!(plan.findings.len(), listed.min(expected.findings.len()));
        prop_assert_eq!(plan.findings.len() + plan.findings_unlisted, expected.findings.len());
        prop_assert_eq!(plan.actions, expected.actions);
    }

    #[test]
    fn what_is_asked_of_backups_is_answered_as_ever(inventory in inventories()) {
        let (backups, expected) =
            (Backups::of(&inventory.snapshots), reference::Backups::of(&inventory.snapshots));
        for snapshot in inventory.snapshots.iter().filter(|snapshot| snapshot.is_automated()) {
            let origin = origin(snapshot);
            prop_assert_eq!(backups.set_of(snapshot), expected.set_of(snapshot));
            prop_assert_eq!(backups.missing_from_set_of(snapshot), expected.missing_from_set_of(snapshot));
            prop_assert_eq!(backups.is_good(snapshot), expected.is_good(snapshot));
            prop_assert_eq!(backups.is_of_several_moments(snapshot), expected.is_of_several_moments(snapshot));
            prop_assert_eq!(backups.last_good_at(&origin), expected.last_good_at(&origin));
            let rows: Vec<_> = backups
                .of_volume(&origin)
                .map(|row| (row.id(), row.state(), row.taken(), row.started(), row.is_good()))
                .collect();
            let expected: Vec<_> = expected
                .of_volume(&origin)
                .iter()
                .map(|it| (it.id.clone(), it.state, it.taken(), it.started, expected.is_good(it)))
                .collect();
            prop_assert_eq!(rows, expected);
        }
        let last: Vec<_> = backups
            .last_good()
            .map(|(whence, volume, row)| ((whence.clone(), volume.clone()), row.id()))
            .collect();
        for (origin, last) in &last {
            prop_assert_eq!(expected.last_good(origin).map(|it| &it.id), Some(last));
        }
        let with_one = expected.volumes().filter(|origin| expected.last_good(origin).is_some());
        prop_assert_eq!(last.len(), with_one.count());
    }
}

/// Three weeks of a thousand volumes: what stays in memory is what is due, and each volume's newest.
#[test]
fn of_what_is_superseded_little_stays() {
    let run = run(NOW);
    let mut found = Found::new(&run);
    for days in 0..21 {
        let day = run.day() - TimeDelta::days(21 - days);
        for number in 0..1_000 {
            let volume = format!("vol-{number:017x}");
            let until = day + TimeDelta::days(if number % 100 == 0 { 7 } else { 30 });
            let id = format!("snap-{days:08x}{number:09x}");
            found.add(&automated(&id, &volume, &day.to_string()).until(&until.to_string()));
        }
    }
    found.backups.prune();
    // of ten volumes those of fifteen days
    assert_eq!(found.due().count(), 10 * 15);
    assert_eq!(found.backups.len(), 1_000 + 10 * 15);
    assert!(found.backups.rows().all(|row| *row.whence() == Whence::Home));
}
