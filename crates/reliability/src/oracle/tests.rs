//! What no single predicate shows: who is held to what, and whose doing a change was.

use super::scene::{HOME, Scene, WEST, day, done, list};
use super::{Begun, Promise, Told, Who};
use crate::script::{Job, Setting};
use crate::truth::State;
use chrono::TimeDelta;

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
    scene.backup("snap-old", "vol-a", day(1)).tag("DeleteOn", "2026-11-08");
    scene.backup("snap-new", "vol-a", day(20)).tag("DeleteOn", "2026-11-27");
    scene
}

#[test]
fn an_operator_may_do_anything() {
    let mut watched = scene().watch();
    watched.scene.home().snapshots.remove("snap-new");
    watched.see(Who::Operator);
    watched.scene.backup("snap-x", "vol-a", day(22)).without("Backup_Run").without("Source_InstanceId");
    watched.see(Who::Operator);
    watched.scene.tag_instance("i-a", "Backup", "no");
    watched.see(Who::Operator);
    assert!(watched.oracle.violations().is_empty(), "{:#?}", watched.oracle.violations());
}

#[test]
fn a_run_changes_no_instances_and_volumes() {
    let mut watched = scene().watch();
    let run = watched.begin(Job::Creator, HOME);
    watched.scene.tag_instance("i-a", "Backup", "no");
    watched.scene.tag_volume("vol-a", "Backup", "no");
    watched.see(Who::Run(run));
    watched.check(Promise::DeletesOnlyWhatMayGo, &["i-a is not as it was", "vol-a is not as it was"]);
}

#[test]
fn what_takes_effect_late_is_held_to_the_same() {
    let mut watched = scene().watch();
    let run = watched.begin(Job::Manager, HOME);
    for id in ["snap-old", "snap-new"] {
        watched.oracle.asks_to_delete(run, HOME, id, &watched.scene.truth);
    }
    watched.check(Promise::DeletesOnlyWhatMayGo, &["snap-new of vol-a in us-east-1, which is due on", "snap-new"]);
    for id in ["snap-old", "snap-new"] {
        watched.scene.home().snapshots.remove(id);
        watched.see(Who::Time);
    }
    let expected = ["asks to delete snap-new", "asks to delete snap-new", "deleted snap-new", "deleted snap-new"];
    watched.check(Promise::DeletesOnlyWhatMayGo, &expected);
}

#[test]
fn a_snapshot_made_late_belongs_to_the_run_of_its_instant() {
    let mut watched = scene().watch();
    watched.run(Job::Creator, HOME, &done());
    watched.scene.backup("snap-late", "vol-a", day(22)).tag("DeleteOn", "2026-11-29");
    watched.see(Who::Time);
    watched.check(Promise::TaggedFromTheStart, &[]);
    watched.wait(24);
    watched.scene.backup("snap-stray", "vol-a", day(22)).tag("DeleteOn", "2026-11-29");
    watched.see(Who::Time);
    watched.check(Promise::TaggedFromTheStart, &["snap-stray appeared in us-east-1, and no run can have made it"]);
}

#[test]
fn tags_set_late_are_held_to_the_same() {
    for (key, value, hours, expected) in [
        ("DeleteOn", "2026-11-27", 0, None),
        ("DeleteOn", "2026-11-26", 0, Some((Promise::TaggedFromTheStart, "gives one of"))),
        ("KeepForever", "", 0, Some((Promise::DeletesOnlyWhatMayGo, "and sets KeepForever"))),
        ("DeleteOn", "2026-11-27", 24, Some((Promise::DeletesOnlyWhatMayGo, "no run can have set them"))),
    ] {
        let mut scene = scene();
        scene.backup("snap-x", "vol-a", day(20));
        let mut watched = scene.watch();
        watched.run(Job::Creator, HOME, &done());
        watched.wait(hours);
        watched.scene.snapshot(HOME, "snap-x").tags.insert(key.to_owned(), value.to_owned());
        watched.see(Who::Time);
        for promise in [Promise::TaggedFromTheStart, Promise::DeletesOnlyWhatMayGo] {
            let words: Vec<&str> = expected.iter().filter(|(of, _)| *of == promise).map(|(_, what)| *what).collect();
            watched.check(promise, &words);
        }
    }
}

#[test]
fn what_came_within_the_lag_of_the_readings_could_not_be_known() {
    let mut late = scene();
    late.snapshot(HOME, "snap-new").state = State::Pending;
    for (lag, expected) in [(TimeDelta::minutes(1), 1), (TimeDelta::minutes(10), 0)] {
        let mut watched = late.watch();
        watched.wait(1);
        // from now on the old one is the best no more, and then it is again
        watched.scene.snapshot(HOME, "snap-new").state = State::Completed;
        watched.see(Who::Time);
        watched.wait(1);
        watched.scene.home().snapshots.remove("snap-new");
        watched.see(Who::Operator);
        watched.scene.truth.now += TimeDelta::minutes(5);
        let truth = &watched.scene.truth;
        let (job, region, instant) = (Job::Manager, HOME.to_owned(), truth.now);
        let begun = Begun { run: 1, job, region, instant, lag, has_deadline: false };
        watched.oracle.begin(begun, truth);
        watched.oracle.asks_to_delete(1, HOME, "snap-old", truth);
        watched.check(Promise::DeletesOnlyWhatMayGo, &vec!["the best backup of vol-a"; expected]);
    }
}

#[test]
fn a_copy_outlives_its_primary_as_long_as_its_volume_is_enrolled() {
    let mut scene = scene();
    scene.copy("snap-c", "snap-old");
    let mut watched = scene.watch();
    watched.begin(Job::Manager, WEST);
    watched.delete(WEST, "snap-c");
    watched.check(Promise::DeletesOnlyWhatMayGo, &["the best backup of vol-a (us-east-1)", "falls from"]);
}

#[test]
fn a_day_begins_where_the_settings_say() {
    for (time_zone, expected) in [("UTC", 0), ("America/Phoenix", 2)] {
        let mut scene = scene();
        scene.snapshot(HOME, "snap-old").tags.insert("DeleteOn".to_owned(), "2026-11-22".to_owned());
        let mut watched = scene.watch_with(Setting { time_zone, ..Setting::default() });
        watched.begin(Job::Manager, HOME);
        watched.delete(HOME, "snap-old");
        let early = vec!["due on 2026-11-22, not on 2026-11-21"; expected];
        watched.check(Promise::DeletesOnlyWhatMayGo, &early);
    }
}

#[test]
fn where_no_retention_is_said_that_of_the_settings_counts() {
    for (delete_on, expected) in [("2026-12-06", 0), ("2026-11-25", 1), ("2026-11-29", 1)] {
        let mut watched = scene().watch_with(Setting { default_retention: "3d 2w", ..Setting::default() });
        let run = watched.begin(Job::Creator, HOME);
        watched.scene.backup("snap-a", "vol-a", day(22)).tag("DeleteOn", delete_on);
        watched.see(Who::Run(run));
        watched.check(Promise::TaggedFromTheStart, &vec!["with DeleteOn"; expected]);
    }
}

#[test]
fn a_gap_is_as_old_as_the_settings_say() {
    for (rpo_hours, expected) in [(30, 1), (50, 0)] {
        let mut scene = Scene::new();
        scene.truth.now = day(19);
        scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
        scene.backup("snap-a", "vol-a", day(20)).tag("DeleteOn", "2026-11-29");
        let mut watched = scene.watch_with(Setting { rpo_hours, ..Setting::default() });
        watched.wait(3 * 24);
        watched.run(Job::Watcher, HOME, &done());
        watched.check(Promise::GapsAreReported, &vec!["does not report no_recent_backup of i-a"; expected]);
    }
}

#[test]
fn the_brake_holds_where_the_settings_say() {
    for (max_delete_percent, expected) in [(100, 0), (50, 0), (30, 1), (0, 1)] {
        let mut scene = Scene::new();
        for n in 0..120 {
            let id = format!("snap-{n:03}");
            scene.backup(&id, "vol-a", day(1) + TimeDelta::minutes(n)).tag("DeleteOn", "2026-11-08");
        }
        let mut watched = scene.watch_with(Setting { max_delete_percent, ..Setting::default() });
        watched.begin(Job::Manager, HOME);
        for n in 0..60 {
            watched.delete(HOME, &format!("snap-{n:03}"));
        }
        watched.check(Promise::DeletesOnlyWhatMayGo, &vec!["the brake should hold"; expected]);
    }
}

#[test]
fn a_job_that_could_not_read_its_region_says_so() {
    for job in [Job::Creator, Job::Copier, Job::Manager, Job::Watcher] {
        let failed = |of: &str| Told { failed: list(&[(of, "denied")]), ..Told::default() };
        for (unread, told, expected) in [
            (HOME, done(), 1),
            (HOME, failed(WEST), 1),
            (HOME, failed(HOME), 0),
            (HOME, Told { succeeded: true, ..failed(HOME) }, 1),
            (WEST, done(), 0),
        ] {
            let mut watched = Scene::new().watch();
            let run = watched.begin(job, HOME);
            watched.oracle.could_not_read(run, unread, "DescribeSnapshots");
            watched.end(&told);
            let silent = vec!["could not read us-east-1, and does not say so"; expected];
            watched.check(Promise::NothingInSilence, &silent);
        }
    }
}

#[test]
fn what_was_not_read_is_an_excuse_only_where_that_is_told() {
    for (told, expected) in [
        (done(), vec!["does not say so", "no snapshot of vol-a"]),
        (Told { failed: list(&[(HOME, "denied")]), ..Told::default() }, vec![]),
    ] {
        let mut watched = scene().watch();
        let run = watched.begin(Job::Creator, HOME);
        watched.oracle.could_not_read(run, HOME, "DescribeInstances");
        watched.end(&told);
        watched.check(Promise::NothingInSilence, &expected);
    }
}
