use super::super::scene::{HOME, Scene, WEST, day, done, list};
use super::super::{Promise, Told};
use super::*;
use crate::script::Setting;

/// An enrolled volume with a good backup of today, and its copy.
fn with_a_copy() -> Scene {
    let mut scene = Scene::new();
    scene.instance("i-a", &[("Backup", "Yes"), ("Retention", "7d")], &["vol-a"]);
    scene.backup("snap-a", "vol-a", day(22)).tag("DeleteOn", "2026-11-29").tag("Copy_Dest", WEST);
    scene.copy("snap-c", "snap-a");
    scene
}

#[track_caller]
fn check(scene: &Scene, expected: &[&str]) {
    check_told(scene, |_| done(), expected);
}

/// The jobs at home tell this.
#[track_caller]
fn check_told(scene: &Scene, told: impl Fn(Job) -> Told, expected: &[&str]) {
    let mut watched = scene.watch_with(Setting { copies_at_once: 2, ..Setting::default() });
    for _ in 0..2 {
        for job in [Job::Creator, Job::Copier, Job::Manager] {
            watched.run(job, HOME, &told(job));
            watched.run(job, WEST, &done());
        }
        watched.wait(1);
    }
    watched.oracle.healed(&watched.scene.truth);
    watched.check(Promise::Heals, expected);
}

#[test]
fn an_enrolled_volume_has_a_good_backup_of_the_last_day() {
    check(&with_a_copy(), &[]);
    let mut old = with_a_copy();
    old.backup("snap-a", "vol-a", day(20)).tag("DeleteOn", "2026-11-29");
    check(&old, &["vol-a in us-east-1 is enrolled, and has no good backup"]);
    old.tag_instance("i-a", "Backup", "no");
    check(&old, &[]);
}

#[test]
fn the_newest_backup_has_its_copies() {
    for state in [State::Pending, State::Error] {
        let mut scene = with_a_copy();
        scene.snapshot(WEST, "snap-c").state = state;
        check(&scene, &["snap-a of vol-a in us-east-1, its newest good backup, has no completed copy in us-west-2"]);
    }
    let mut elsewhere = with_a_copy();
    elsewhere.snapshot(HOME, "snap-a").tags.insert("Copy_Dest".to_owned(), "mars-north-1".to_owned());
    check(&elsewhere, &[]);
}

#[test]
fn older_backups_have_their_copies_too() {
    let mut scene = with_a_copy();
    scene.backup("snap-old", "vol-a", day(21)).tag("DeleteOn", "2026-11-28").tag("Copy_Dest", WEST);
    check(&scene, &["snap-old of vol-a in us-east-1, which the last copier but one found, has no completed copy"]);
    scene.snapshot(HOME, "snap-old").tags.insert("DeleteOn".to_owned(), "2026-11-22".to_owned());
    check(&scene, &[]);
    scene.snapshot(HOME, "snap-old").tags.insert("KeepForever".to_owned(), String::new());
    check(&scene, &["snap-old of vol-a"]);
    scene.copy("snap-d", "snap-old");
    check(&scene, &[]);
}

#[test]
fn nothing_lingers_that_may_go() {
    let mut scene = with_a_copy();
    scene.backup("snap-old", "vol-a", day(1)).tag("DeleteOn", "2026-11-21");
    check(&scene, &["snap-old of vol-a"]);
    scene.snapshot(HOME, "snap-old").locked = true;
    check(&scene, &[]);
    let mut of_today = with_a_copy();
    of_today.backup("snap-old", "vol-a", day(1)).tag("DeleteOn", "2026-11-22");
    check(&of_today, &[]);
    let mut last_one = with_a_copy();
    last_one.instance("i-b", &[("Backup", "Yse")], &["vol-b"]);
    last_one.backup("snap-old", "vol-b", day(1)).tag("DeleteOn", "2026-11-21");
    check(&last_one, &[]);
}

#[test]
fn what_can_be_dated_is_dated() {
    let mut scene = with_a_copy();
    scene.backup("snap-old", "vol-a", day(15));
    check(&scene, &["snap-old of vol-a in us-east-1 has no DeleteOn"]);
    scene.tag_instance("i-a", "Retention", "2weeks");
    check(&scene, &[]);
}

#[test]
fn a_hold_is_on_the_copies_too() {
    let mut scene = with_a_copy();
    scene.snapshot(HOME, "snap-a").tags.insert("KeepForever".to_owned(), String::new());
    check(&scene, &["its copy snap-c in us-west-2 has not"]);
    scene.snapshot(WEST, "snap-c").tags.insert("KeepForever".to_owned(), String::new());
    check(&scene, &[]);
}

#[test]
fn a_day_is_on_the_copies_too() {
    let lacks: &[&str] = &["snap-a in us-east-1 has a DeleteOn, and its copy snap-c in us-west-2 has none"];
    let mut scene = with_a_copy();
    scene.snapshot(WEST, "snap-c").tags.remove("DeleteOn");
    check(&scene, lacks);
    scene.snapshot(HOME, "snap-a").tags.insert("KeepForever".to_owned(), String::new());
    scene.snapshot(WEST, "snap-c").tags.insert("KeepForever".to_owned(), String::new());
    check(&scene, lacks);
    // what somebody wrote there stays
    for value in ["2026-12-24", "soon"] {
        scene.snapshot(WEST, "snap-c").tags.insert("DeleteOn".to_owned(), value.to_owned());
        check(&scene, &[]);
    }
    scene.snapshot(WEST, "snap-c").tags.remove("DeleteOn");
    scene.snapshot(HOME, "snap-a").tags.insert("DeleteOn".to_owned(), "soon".to_owned());
    check(&scene, &[]);
}

#[test]
fn a_copy_that_does_not_say_of_what_gets_nothing() {
    for (key, value) in [("Source_SnapshotId", "snap-x"), ("Type", "x")] {
        let mut scene = with_a_copy();
        scene.tag_instance("i-a", "Backup", "no");
        scene.snapshot(HOME, "snap-a").tags.insert("KeepForever".to_owned(), String::new());
        let copy = scene.snapshot(WEST, "snap-c");
        copy.tags.remove("DeleteOn");
        copy.tags.insert(key.to_owned(), value.to_owned());
        check(&scene, &[]);
    }
}

#[test]
fn only_a_brake_that_holds_excuses_what_lingers() {
    let failed = |why: &str| Told { failed: list(&[(HOME, why)]), ..Told::default() };
    for (due, why, is_excused) in [(1, "brake: 1 of 2", false), (60, "brake: 60 of 61", true), (60, "an error", false)]
    {
        let mut scene = with_a_copy();
        for n in 0..due {
            let taken = day(1) + TimeDelta::minutes(n);
            scene.backup(&format!("snap-{n:03}"), "vol-a", taken).tag("DeleteOn", "2026-11-21");
        }
        let told = |job: Job| if job == Job::Manager { failed(why) } else { done() };
        let lingering = if is_excused { 0 } else { usize::try_from(due).unwrap() };
        check_told(&scene, told, &vec!["held by nothing, is still there"; lingering]);
    }
}

#[test]
fn only_a_region_that_is_full_excuses_copies_that_are_missing() {
    let full = "us-west-2 copies as many at once as it can";
    for (under_way, why, missing) in
        [(1, full, 1), (2, full, 0), (2, "eu-west-1 copies as many at once as it can", 1), (0, "no time left", 1)]
    {
        let mut scene = with_a_copy();
        scene.truth.regions.get_mut(WEST).unwrap().snapshots.clear();
        for n in 0..under_way {
            let other = format!("snap-{n}");
            scene.backup(&other, "vol-b", day(20)).tag("DeleteOn", "2026-11-29");
            scene.copy(&format!("snap-c{n}"), &other).state(State::Pending);
        }
        let left = || Told { unfinished: list(&[("snap-a", why)]), ..done() };
        let expected = vec!["snap-a of vol-a in us-east-1, its newest good backup, has no completed copy"; missing];
        check_told(&scene, |job| if job == Job::Copier { left() } else { done() }, &expected);
    }
}
