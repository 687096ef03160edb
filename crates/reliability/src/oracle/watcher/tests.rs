use super::super::scene::{HOME, Scene, WEST, day, done, findings};
use super::super::{Promise, Told};
use crate::script::Job;
use crate::truth::State;
use chrono::TimeDelta;

/// An enrolled volume, attached for three days, with a good backup of two hours ago.
fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.truth.now = day(19);
    scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
    scene.backup("snap-a", "vol-a", day(22) - TimeDelta::hours(2)).tag("DeleteOn", "2026-11-29");
    scene
}

/// The watcher of 2026-11-22 reports these findings.
#[track_caller]
fn check(scene: &Scene, reported: &[(&str, &str, &str)], expected: &[&str]) {
    let mut watched = scene.watch();
    watched.wait(3 * 24);
    let told = Told { findings: findings(reported), ..done() };
    watched.run(Job::Watcher, HOME, &told);
    watched.check(Promise::GapsAreReported, expected);
}

#[test]
fn an_old_backup_is_reported_and_a_recent_one_is_not() {
    let alarm = [("no_recent_backup", "i-a", "no good backup within 30 hours")];
    check(&scene(), &[], &[]);
    check(&scene(), &alarm, &["but [\"vol-a\"] have good ones"]);
    let mut old = scene();
    old.backup("snap-a", "vol-a", day(20)).tag("DeleteOn", "2026-11-29");
    check(&old, &[], &["does not report no_recent_backup of i-a"]);
    check(&old, &alarm, &[]);
    old.tag_volume("vol-a", "Backup", "no");
    check(&old, &[], &[]);
}

#[test]
fn part_of_a_set_is_no_recent_backup() {
    let mut scene = scene();
    scene.backup("snap-a", "vol-a", day(20)).tag("DeleteOn", "2026-11-29");
    scene.backup("snap-b", "vol-a", day(22) - TimeDelta::hours(1)).tag("DeleteOn", "2026-11-29").set("vol-a vol-b");
    for (reported, expected) in [(vec![], 1), (vec![("no_recent_backup", "i-a", "")], 0)] {
        let mut watched = scene.watch();
        watched.wait(3 * 24);
        let told = Told { findings: findings(&reported), ..done() };
        watched.run(Job::Watcher, HOME, &told);
        watched.check(Promise::SetsAreWhole, &vec!["does not report no_recent_backup of i-a"; expected]);
    }
}

#[test]
fn what_should_be_gone_is_reported() {
    for (value, kind, resource) in [
        (Some("2026-11-21"), "not_deleted", "snap-b"),
        (Some("soon"), "unreadable_tag", "snap-b"),
        (None, "undated", "i-a"),
    ] {
        let mut scene = scene();
        let made = scene.backup("snap-b", "vol-a", day(15));
        if let Some(value) = value {
            made.tag("DeleteOn", value);
        }
        check(&scene, &[], &[format!("does not report {kind} of {resource}").as_str()]);
        check(&scene, &[(kind, resource, "")], &[]);
        scene.snapshot(HOME, "snap-b").tags.insert("KeepForever".to_owned(), String::new());
        check(&scene, &[], &[]);
    }
    let mut of_today = scene();
    of_today.backup("snap-b", "vol-a", day(15)).tag("DeleteOn", "2026-11-22");
    check(&of_today, &[], &[]);
}

#[test]
fn failed_stuck_and_incomplete_ones_are_reported() {
    let mut failed = scene();
    failed.backup("snap-b", "vol-a", day(22) - TimeDelta::hours(1)).tag("DeleteOn", "2026-11-29").state(State::Error);
    check(&failed, &[], &["does not report failed of snap-b"]);
    check(&failed, &[("failed", "snap-b", "")], &[]);

    let mut stuck = scene();
    stuck.backup("snap-b", "vol-a", day(20)).tag("DeleteOn", "2026-11-29").state(State::Pending);
    check(&stuck, &[], &["does not report stuck_pending of snap-b"]);
    check(&stuck, &[("stuck_pending", "snap-b", "")], &[]);

    let mut half = scene();
    let made = half.backup("snap-b", "vol-a", day(22) - TimeDelta::hours(1));
    made.tag("DeleteOn", "2026-11-29").set("vol-a vol-b");
    check(&half, &[], &["does not report incomplete_set of snap-b: of vol-b"]);
    check(&half, &[("incomplete_set", "snap-x", "backup of i-a lacks vol-b")], &[]);
    half.backup("snap-c", "vol-b", day(22) - TimeDelta::hours(1)).tag("DeleteOn", "2026-11-29").state(State::Pending);
    check(&half, &[], &[]);
}

#[test]
fn copies_that_are_not_there_are_reported() {
    let mut scene = scene();
    scene.instance("i-a", &[], &["vol-a"]);
    scene.backup("snap-a", "vol-a", day(20)).tag("DeleteOn", "2026-11-29").tag("Copy_Dest", WEST);
    check(&scene, &[], &["does not report copy_missing of vol-a in us-west-2"]);
    check(&scene, &[("copy_missing", "vol-a", "snap-a in us-west-2: there is no copy")], &[]);
    scene.copy("snap-c", "snap-a").state(State::Error);
    check(&scene, &[], &["does not report copy_failed of vol-a"]);
    scene.copy("snap-d", "snap-a").state(State::Pending);
    check(&scene, &[], &["does not report copy_stuck of vol-a"]);
    scene.snapshot(WEST, "snap-d").state = State::Completed;
    check(&scene, &[], &[]);
}

#[test]
fn a_destination_that_could_not_be_read_is_reported() {
    let mut scene = scene();
    scene.backup("snap-a", "vol-a", day(22) - TimeDelta::hours(2)).tag("DeleteOn", "2026-11-29").tag("Copy_Dest", WEST);
    let mut watched = scene.watch();
    watched.wait(3 * 24);
    let run = watched.begin(Job::Watcher, HOME);
    watched.oracle.could_not_read(run, WEST, "DescribeSnapshots");
    watched.end(&done());
    watched.check(Promise::GapsAreReported, &["does not report destination_unknown of us-west-2"]);
}

#[test]
fn unreadable_tags_are_reported() {
    let mut scene = scene();
    scene.tag_instance("i-a", "Retention", "2weeks");
    check(&scene, &[], &["the tag Retention of i-a"]);
    check(&scene, &[("unreadable_tag", "i-a", "tag Retention is \"2weeks\"")], &[]);
}
