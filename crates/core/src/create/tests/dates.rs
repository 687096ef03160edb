//! `DeleteOn`: of what is taken now, and of what was taken while the tag `Retention` could not be read.

use super::{YES, after, check, told};
use crate::{
    create::{Create, Inventory, plan},
    fixtures::{automated, by_hand, instance, run, volume},
    inventory::{
        Snapshot,
        SnapshotState::{Error, InRecycleBin, Pending},
    },
    tags::{BACKUP, DELETE_ON, KEEP_FOREVER, RETENTION},
};

const GRANDFATHER: (&str, &str) = (RETENTION, "7d 4w 12m");

/// The `DeleteOn` that `i-1` is given by the run at five o'clock on `day`.
#[track_caller]
fn delete_on(inventory: &Inventory, day: &str) -> Option<String> {
    delete_on_at(inventory, &format!("{day}T05:00:00Z"), "UTC")
}

#[track_caller]
fn delete_on_at(inventory: &Inventory, instant: &str, zone: &str) -> Option<String> {
    let mut run = run(instant);
    run.settings.time_zone = zone.parse().unwrap();
    let plan = plan(inventory, &run);
    let Some(Create::Backup(backup)) = plan.actions.first() else { panic!("{:?}", told(&plan)) };
    backup.tags.get(DELETE_ON).map(str::to_owned)
}

/// The `DeleteOn` under `7d 4w 12m` after `before` on `day`.
#[track_caller]
fn check_date(before: Vec<Snapshot>, day: &str, expected: &str) {
    assert_eq!(delete_on(&after(before, &[YES, GRANDFATHER]), day).as_deref(), Some(expected));
}

#[test]
fn the_tag_retention_or_else_the_setting_says_how_long() {
    for (retention, expected) in [
        (None, Some("2026-12-05")),
        (Some("7"), Some("2026-11-28")),
        (Some("4W"), Some("2026-12-19")),
        (Some("3m"), Some("2027-02-21")),
        (Some("3y"), Some("2029-11-21")),
        (Some("0"), None),
        (Some("2weeks"), None),
        (Some(""), None),
    ] {
        let tags: Vec<_> = [YES].into_iter().chain(retention.map(|value| (RETENTION, value))).collect();
        let mut run = run(super::RUN);
        run.settings.default_retention = "14d".parse().unwrap();
        let plan = plan(&after(vec![], &tags), &run);
        let Some(Create::Backup(backup)) = plan.actions.first() else { panic!("{:?}", told(&plan)) };
        assert_eq!(backup.tags.get(DELETE_ON), expected, "{retention:?}");
    }
}

/// The first of November, a Sunday: the month's.
fn of_the_month() -> Snapshot {
    automated("snap-month", "vol-a", "2026-11-01").until("2027-11-01")
}

/// The Monday after: its week's.
fn of_the_week() -> Snapshot {
    automated("snap-week", "vol-a", "2026-11-02").until("2026-11-30")
}

#[test]
fn the_first_good_backup_of_a_week_or_month_is_kept_longer() {
    check_date(vec![], "2026-11-03", "2027-11-03");
    check_date(vec![of_the_month()], "2026-11-03", "2026-12-01");
    check_date(vec![of_the_month(), of_the_week()], "2026-11-03", "2026-11-10");
    check_date(vec![of_the_month(), of_the_week()], "2026-11-08", "2026-11-15");
    check_date(vec![of_the_month(), of_the_week()], "2026-11-09", "2026-12-07");
    check_date(vec![of_the_month(), of_the_week()], "2026-12-01", "2027-12-01");
    check_date(vec![of_the_week()], "2026-11-03", "2027-11-03");
    // a year later it is another November
    check_date(vec![of_the_month()], "2027-11-02", "2028-11-02");
    // one week, two years; and the other way round
    let december = automated("snap-28", "vol-a", "2026-12-28").until("2027-01-25");
    check_date(vec![december], "2027-01-01", "2028-01-01");
    let january = automated("snap-1", "vol-a", "2027-01-01").until("2028-01-01");
    check_date(vec![january], "2027-01-03", "2027-01-10");
    // where the calendar lacks the day it is the next one
    check_date(vec![], "2028-02-29", "2029-03-01");
}

#[test]
fn what_failed_or_is_not_done_covers_no_week() {
    for state in [Error, Pending, InRecycleBin] {
        check_date(vec![of_the_month(), of_the_week().in_state(state)], "2026-11-03", "2026-12-01");
        check_date(vec![of_the_month().in_state(state), of_the_week()], "2026-11-03", "2027-11-03");
    }
    // the day after it is the second good one
    let tuesday = automated("snap-3", "vol-a", "2026-11-03").until("2026-12-01");
    check_date(vec![of_the_month(), of_the_week().in_state(Error), tuesday], "2026-11-04", "2026-11-11");
}

#[test]
fn a_week_is_covered_by_what_lives_as_long_as_promised() {
    check_date(vec![of_the_month(), of_the_week().until("2026-11-09")], "2026-11-03", "2026-12-01");
    check_date(vec![of_the_month(), of_the_week().until("2026-11-29")], "2026-11-03", "2026-12-01");
    check_date(vec![of_the_month(), of_the_week().until("2027-11-02")], "2026-11-03", "2026-11-10");
    // a hold is as good as a late date, a date that cannot be read never comes
    let held = of_the_week().until("2026-11-09").tagged(KEEP_FOREVER, "");
    check_date(vec![of_the_month(), held], "2026-11-03", "2026-11-10");
    check_date(vec![of_the_month(), of_the_week().until("soon")], "2026-11-03", "2026-11-10");
    // a longer retention than before finds nothing that covers it
    let longer = after(vec![of_the_month(), of_the_week()], &[YES, (RETENTION, "7d 8w 12m")]);
    assert_eq!(delete_on(&longer, "2026-11-03").as_deref(), Some("2026-12-29"));
}

#[test]
fn only_own_primaries_of_the_same_volume_cover() {
    let by_hand = by_hand("snap-hand", "vol-a", "2026-11-02");
    check_date(vec![of_the_month(), by_hand], "2026-11-03", "2026-12-01");
    check_date(vec![of_the_month(), of_the_week().made_copy_of("snap-p", "eu-west-1")], "2026-11-03", "2026-12-01");
    let of_another = automated("snap-b", "vol-b", "2026-11-02").until("2026-11-30");
    check_date(vec![of_the_month(), of_another], "2026-11-03", "2026-12-01");
}

#[test]
fn a_set_counts_where_it_is_whole() {
    #[track_caller]
    fn check_set(before: Vec<Snapshot>, expected: &str) {
        let mut inventory = after(before, &[]);
        inventory.instances = vec![instance("i-1", &["vol-a", "vol-b"], &[YES, GRANDFATHER])];
        assert_eq!(delete_on(&inventory, "2026-11-03").as_deref(), Some(expected));
    }
    let both = |snapshot: Snapshot| snapshot.in_set("i-1", &["vol-a", "vol-b"]);
    let month = || {
        let b = automated("snap-month-b", "vol-b", "2026-11-01").until("2027-11-01");
        [both(of_the_month()), both(b)].to_vec()
    };
    let a = || both(of_the_week());
    let b = || both(automated("snap-week-b", "vol-b", "2026-11-02").until("2026-11-30"));
    check_set(month(), "2026-12-01");
    check_set([month(), vec![a(), b()]].concat(), "2026-11-10");
    check_set([month(), vec![a(), b().in_state(Error)]].concat(), "2026-12-01");
    check_set([month(), vec![a().in_state(Pending), b()]].concat(), "2026-12-01");
    check_set([month(), vec![a()]].concat(), "2026-12-01");
    // a volume that came later has had no backup this month
    check_set(vec![of_the_month(), of_the_week()], "2027-11-03");
}

#[test]
fn a_day_begins_where_the_time_zone_says() {
    let weekly = |before| after(before, &[YES, GRANDFATHER]);
    for (before, instant, zone, expected) in [
        (vec![], "2026-11-21T05:00:00Z", "UTC", "2027-11-21"),
        (vec![], "2026-11-21T05:00:00Z", "America/Los_Angeles", "2027-11-20"),
        (vec![], "2026-11-21T23:30:00Z", "Europe/Berlin", "2027-11-22"),
        // five o'clock on the first of November is still October in California
        (vec![of_the_month()], "2026-12-01T05:00:00Z", "UTC", "2027-12-01"),
        (vec![of_the_month()], "2026-11-30T05:00:00Z", "UTC", "2026-12-28"),
        (vec![of_the_month()], "2026-12-01T05:00:00Z", "America/Los_Angeles", "2027-11-30"),
        // and on Monday still Sunday: the week before
        (vec![of_the_month(), of_the_week()], "2026-11-03T05:00:00Z", "UTC", "2026-11-10"),
        (vec![of_the_month(), of_the_week()], "2026-11-03T05:00:00Z", "America/Los_Angeles", "2027-11-02"),
    ] {
        let delete_on = delete_on_at(&weekly(before), instant, zone);
        assert_eq!(delete_on.as_deref(), Some(expected), "{instant} in {zone}");
    }
}

/// What an earlier run took undated, on a Tuesday.
fn undated() -> Snapshot {
    automated("snap-1", "vol-a", "2026-11-10")
}

#[test]
fn what_was_taken_undated_is_dated_from_its_day_once_the_tag_can_be_read() {
    #[track_caller]
    fn check_dating(snapshot: Snapshot, tags: &[(&str, &str)], expected: &[&str]) {
        check(&after(vec![snapshot], tags), expected);
    }
    let backup = "backup i-1: vol-a";
    let again = [YES, (RETENTION, "7d")];
    check_dating(undated(), &again, &[backup, "date snap-1: 2026-11-17"]);
    check_dating(undated(), &[YES, (RETENTION, "3m")], &[backup, "date snap-1: 2027-02-10"]);
    check_dating(undated().in_state(Error), &again, &[backup, "date snap-1: 2026-11-17"]);
    check_dating(undated().in_state(Pending), &again, &[backup, "date snap-1: 2026-11-17"]);
    check_dating(undated(), &[YES, (RETENTION, "x")], &[backup, "find i-1: tag Retention is \"x\""]);
    // a tag that was taken away is not one that can be read again
    check_dating(undated(), &[YES], &[backup]);
    // it expires although nothing more is taken of its instance
    check_dating(undated(), &[(BACKUP, "No"), (RETENTION, "7d")], &["date snap-1: 2026-11-17", "keep i-1: opted_out"]);
    // nothing else is touched
    check_dating(undated().until("2026-12-24"), &again, &[backup]);
    check_dating(undated().until("soon"), &again, &[backup]);
    check_dating(undated().tagged(KEEP_FOREVER, ""), &again, &[backup]);
    check_dating(undated().untagged(crate::tags::TYPE), &again, &[backup]);
    check_dating(undated().made_copy_of("snap-p", "eu-west-1"), &again, &[backup]);
    check_dating(undated().in_set("i-2", &["vol-a"]), &again, &[backup]);
    check_dating(undated().untagged(crate::tags::SOURCE_INSTANCE_ID), &again, &[backup]);
}

#[test]
fn a_volume_left_out_since_is_dated_all_the_same() {
    let mut inventory = after(vec![undated()], &[YES, (RETENTION, "7d")]);
    inventory.volumes = vec![volume("vol-a", &[(BACKUP, "No")])];
    check(&inventory, &["date snap-1: 2026-11-17", "keep i-1: opted_out"]);
}

#[test]
fn an_undated_snapshot_gets_the_date_that_it_would_have_got() {
    let older = |day, until| automated("snap-0", "vol-a", day).until(until);
    let backup = "backup i-1: vol-a";
    let tags = [YES, GRANDFATHER];
    // the month's, the week's, none
    check(&after(vec![undated()], &tags), &[backup, "date snap-1: 2027-11-10"]);
    check(&after(vec![undated(), older("2026-11-01", "2027-11-01")], &tags), &[backup, "date snap-1: 2026-12-08"]);
    check(&after(vec![undated(), older("2026-11-09", "2027-11-09")], &tags), &[backup, "date snap-1: 2026-11-17"]);
    // and what is taken now heeds it: the twelfth is of the same week and month
    assert_eq!(delete_on(&after(vec![undated()], &tags), "2026-11-12").as_deref(), Some("2026-11-19"));
    assert_eq!(delete_on(&after(vec![undated().in_state(Error)], &tags), "2026-11-12").as_deref(), Some("2027-11-12"));
}

#[test]
fn of_several_undated_ones_the_first_good_one_is_kept_longer() {
    let undated = |id, day| automated(id, "vol-a", day);
    let inventory = after(
        vec![
            undated("snap-wednesday", "2026-11-18"),
            undated("snap-monday", "2026-11-16"),
            undated("snap-tuesday", "2026-11-17"),
        ],
        &[YES, (RETENTION, "7d 4w")],
    );
    check(
        &inventory,
        &[
            "backup i-1: vol-a",
            "date snap-monday: 2026-12-14",
            "date snap-tuesday: 2026-11-24",
            "date snap-wednesday: 2026-11-25",
        ],
    );
}

/// Nobody's backup goes before the one who keeps it longest lets go.
#[test]
fn what_is_shared_is_dated_by_whoever_keeps_it_longest_and_by_nobody_who_cannot_be_read() {
    let shared = || automated("snap-1", "vol-a", "2026-11-10").in_set("i-1", &["vol-a"]);
    let of = |first: &[(&str, &str)], second: &[(&str, &str)]| {
        let instances = vec![instance("i-1", &["vol-a"], first), instance("i-2", &["vol-a"], second)];
        Inventory { instances, snapshots: vec![shared()], ..Inventory::default() }
    };
    let (week, year, typo) = ([YES, (RETENTION, "7d")], [YES, (RETENTION, "1y")], [YES, (RETENTION, "x")]);
    let taken_with = "keep i-2: taken_with_another";
    let found = "find i-2: tag Retention is \"x\"";
    check(&of(&week, &year), &["backup i-1: vol-a", "date snap-1: 2027-11-10", taken_with]);
    check(&of(&week, &typo), &["backup i-1: vol-a", taken_with, found]);
    // one that was taken away may have meant longer
    check(&of(&week, &[YES]), &["backup i-1: vol-a", taken_with]);
    assert_eq!(delete_on(&of(&week, &year), "2026-11-12").as_deref(), Some("2027-11-12"));
    assert_eq!(delete_on(&of(&week, &typo), "2026-11-12"), None);
}

/// Whom the volume serves now has no say in what was taken before.
#[test]
fn what_is_on_another_instance_since_is_dated_by_the_one_of_which_it_was_taken() {
    let instances = vec![
        instance("i-1", &["vol-b"], &[YES, (RETENTION, "7d")]),
        instance("i-2", &["vol-a"], &[YES, (RETENTION, "1y")]),
    ];
    let moved = Inventory { instances, snapshots: vec![undated()], ..Inventory::default() };
    check(&moved, &["backup i-1: vol-b", "backup i-2: vol-a", "date snap-1: 2026-11-17"]);
}
