//! Copies that are not where the tags promise them.

use super::{Inventory, RUN, YES, check, check_at, of, plan, since};
use crate::{
    copy::Copies,
    fixtures::{at, automated, instance, region, run},
    inventory::{
        Snapshot,
        SnapshotState::{Error, InRecycleBin, Pending},
    },
    plan::FindingKind,
    tags::{BACKUP, COPY_DEST, KEEP_FOREVER, TYPE},
    watch::Seen,
};

const IRELAND: &str = "eu-west-1";

/// Primaries of `vol-a` that name Ireland, and what is there.
fn with(primaries: Vec<Snapshot>, copies: Vec<Snapshot>) -> Inventory {
    let mut inventory = of(&["vol-a"], primaries);
    inventory.destinations.insert(region(IRELAND), Ok(copies.iter().collect()));
    inventory
}

fn primary(day: &str) -> Snapshot {
    automated(&format!("snap-{day}"), "vol-a", day).tagged(COPY_DEST, IRELAND)
}

/// The copy of that day's primary.
fn copy(id: &str, day: &str) -> Snapshot {
    automated(id, "vol-a", day).made_copy_of(&format!("snap-{day}"), "us-east-1")
}

fn today() -> Snapshot {
    primary("2026-11-21")
}

#[test]
fn a_copy_that_is_there_is_no_finding() {
    check(&with(vec![today()], vec![copy("snap-c", "2026-11-21")]), &[]);
    let failed_first = vec![copy("snap-c1", "2026-11-21").in_state(Error), copy("snap-c2", "2026-11-21")];
    check(&with(vec![today()], failed_first), &[]);
}

#[test]
fn a_missing_copy_is_found_after_its_time() {
    let yesterday = || primary("2026-11-20");
    let missing = "CopyMissing vol-a: snap-2026-11-20 in eu-west-1: there is no copy";
    check_at("2026-11-21T11:00:00Z", &with(vec![yesterday()], vec![]), &[]);
    check_at("2026-11-21T11:00:01Z", &with(vec![yesterday(), today()], vec![]), &[missing]);
    // what is in the bin, of another primary, or by hand is no copy of this one
    for none in [
        copy("snap-c", "2026-11-20").in_state(InRecycleBin),
        copy("snap-c", "2026-11-20").untagged(TYPE),
        copy("snap-c", "2026-11-21"),
    ] {
        check_at("2026-11-21T11:00:01Z", &with(vec![yesterday(), today()], vec![none]), &[missing]);
    }
}

#[test]
fn what_is_promised_no_copy_is_not_missed() {
    let old = || primary("2026-11-18");
    let copied_today = || copy("snap-c", "2026-11-21");
    let found = "CopyMissing vol-a: snap-2026-11-18 in eu-west-1";
    check(&with(vec![old(), today()], vec![copied_today()]), &[found]);
    check(&with(vec![old().untagged(COPY_DEST), today()], vec![copied_today()]), &[]);
    check(&with(vec![old().untagged(TYPE), today()], vec![copied_today()]), &[]);
    check(&with(vec![old().made_copy_of("snap-p", "us-west-2"), today()], vec![copied_today()]), &[]);
    // today's due is due
    check(&with(vec![old().until("2026-11-21"), today()], vec![copied_today()]), &[]);
    check(&with(vec![old().until("2026-11-22"), today()], vec![copied_today()]), &[found]);
    let held = old().until("2026-11-20").tagged(KEEP_FOREVER, "");
    check(&with(vec![held, today()], vec![copied_today()]), &[found]);
    // a primary that is not complete has none to miss
    let pending = primary("2026-11-21").in_state(Pending);
    let good = automated("snap-good", "vol-a", "2026-11-20");
    check(&with(vec![pending, good], vec![]), &[]);
}

#[test]
fn a_copy_that_stays_pending_is_found() {
    let pending = |started: &str| {
        let mut copy = copy("snap-c", "2026-11-18").in_state(Pending);
        copy.started = at(started);
        with(vec![primary("2026-11-18"), today()], vec![copy, self::copy("snap-today", "2026-11-21")])
    };
    check(&pending("2026-11-20T03:00:00Z"), &[]);
    let stuck = "CopyStuck vol-a: snap-2026-11-18 in eu-west-1: copy snap-c is still pending";
    check(&pending("2026-11-20T02:59:59Z"), &[stuck]);
}

#[test]
fn a_failed_copy_is_found_at_once_with_the_cause() {
    let failed = |message: Option<&str>| {
        let message = message.map(str::to_owned);
        let copy = Snapshot { message, ..copy("snap-c", "2026-11-21").in_state(Error) };
        with(vec![today()], vec![copy])
    };
    let begin = "CopyFailed vol-a: snap-2026-11-21 in eu-west-1: copy snap-c ended in error: ";
    check(&failed(Some("Given key ID is not accessible")), &[&format!("{begin}Given key ID is not accessible")]);
    check(&failed(None), &[&format!("{begin}AWS does not say why")]);
    // one that is being made again has its time
    let again = vec![copy("snap-c", "2026-11-21").in_state(Error), copy("snap-d", "2026-11-21").in_state(Pending)];
    check(&with(vec![today()], again), &[]);
}

#[test]
fn what_to_do_about_a_copy_follows_from_what_is_wrong_with_it() {
    let (failed, stuck) =
        (copy("snap-c", "2026-11-18").in_state(Error), copy("snap-c", "2026-11-18").in_state(Pending));
    let (key, copier) = ("check the KMS key of the destination", "look at the copier's last reports");
    for (copies, todo) in [(vec![], copier), (vec![stuck], copier), (vec![failed], key)] {
        let copies = [copies, vec![copy("snap-today", "2026-11-21")]].concat();
        let findings = plan(&with(vec![primary("2026-11-18"), today()], copies), &run(RUN)).findings;
        let [finding] = findings.as_slice() else { panic!("{findings:#?}") };
        assert!(finding.todo.starts_with(todo), "{finding:#?}");
    }
}

#[test]
fn each_volume_and_destination_is_told_of_once() {
    let both = |id: &str, volume: &str, day: &str| automated(id, volume, day).tagged(COPY_DEST, "eu-west-1 us-west-2");
    let days = ["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-21"];
    let primaries = days
        .iter()
        .flat_map(|day| [both(&format!("snap-a-{day}"), "vol-a", day), both(&format!("snap-b-{day}"), "vol-b", day)]);
    let mut inventory = of(&["vol-a", "vol-b"], primaries.collect());
    let copies = |volume: &str, copied: &[&str]| -> Vec<Snapshot> {
        let name = volume.trim_start_matches("vol-");
        let copy = |day: &&str| {
            automated(&format!("copy-{name}-{day}"), volume, day)
                .made_copy_of(&format!("snap-{name}-{day}"), "us-east-1")
        };
        copied.iter().map(copy).collect()
    };
    let ireland = [copies("vol-a", &days), copies("vol-b", &days[..1])].concat();
    inventory.destinations.insert(region(IRELAND), Ok(ireland.iter().collect()));
    inventory.destinations.insert(region("us-west-2"), Ok(copies("vol-b", &days[1..]).iter().collect()));
    check(
        &inventory,
        &[
            "CopyMissing vol-a: snap-a-2026-11-19 (and 2 older) in us-west-2: there is no copy",
            "CopyMissing vol-b: snap-b-2026-11-17 in us-west-2: there is no copy",
            "CopyMissing vol-b: snap-b-2026-11-19 (and 1 older) in eu-west-1: there is no copy",
        ],
    );
    inventory.destinations.remove(&region(IRELAND));
    let oregon = [copies("vol-a", &days), copies("vol-b", &days[2..])].concat();
    inventory.destinations.insert(region("us-west-2"), Ok(oregon.iter().collect()));
    assert_eq!(since(&inventory, FindingKind::CopyMissing), Some(at("2026-11-17T05:00:00Z")));
}

#[test]
fn a_destination_that_cannot_be_looked_into_is_found_once() {
    let mut inventory = with(vec![primary("2026-11-17"), primary("2026-11-18"), today()], vec![]);
    inventory.destinations.insert(region(IRELAND), Err("timed out".to_owned()));
    check(&inventory, &["DestinationUnknown eu-west-1: copies there could not be looked at: timed out"]);
}

#[test]
fn a_destination_that_cannot_be_read_is_found() {
    let odd = today().tagged(COPY_DEST, "mars us-east-1");
    check(
        &with(vec![odd], vec![]),
        &[
            "UnreadableTag snap-2026-11-21: tag Copy_Dest is \"mars\"",
            "UnreadableTag snap-2026-11-21: tag Copy_Dest is \"us-east-1\"",
        ],
    );
}

#[test]
fn the_regions_to_read_are_those_that_instances_or_snapshots_name() {
    let instances = [
        instance("i-1", &[], &[YES, (COPY_DEST, "us-west-2 mars")]),
        instance("i-2", &[], &[(BACKUP, "No"), (COPY_DEST, "sa-east-1")]),
        instance("i-3", &[], &[(BACKUP, "Yse"), (COPY_DEST, "sa-east-1")]),
    ];
    let snapshots = [today(), primary("2026-11-20").tagged(COPY_DEST, "ap-south-1").untagged(TYPE)];
    let mut seen = Seen::new(&run(RUN));
    assert!(seen.unread().is_empty());
    seen.add_instances(&instances);
    assert_eq!(seen.unread(), [region("us-west-2")].into());
    seen.add_snapshots(&snapshots);
    assert_eq!(seen.unread(), [region(IRELAND), region("us-west-2")].into());
    // what has been told of once is not to be read again, even if it could not be
    seen.there(region(IRELAND), Err("timed out".to_owned()));
    seen.there(region("us-west-2"), Ok(Copies::default()));
    seen.add_snapshots(&snapshots);
    assert!(seen.unread().is_empty());
}
