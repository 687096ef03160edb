use super::super::Who;
use super::super::scene::{HOME, Scene, Watched, day};
use super::*;

fn scene(retention: Option<&str>) -> Scene {
    let mut scene = Scene::new();
    scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
    if let Some(retention) = retention {
        scene.tag_instance("i-a", "Retention", retention);
    }
    scene
}

/// The creator of 2026-11-22 takes a snapshot with `DeleteOn` 2026-11-29, as altered.
fn take(scene: &Scene, alter: impl FnOnce(&mut Tags)) -> Watched {
    let mut watched = scene.watch();
    let run = watched.begin(Job::Creator, HOME);
    watched.scene.backup("snap-a", "vol-a", day(22)).instance("i-a").tag("DeleteOn", "2026-11-29");
    alter(&mut watched.scene.snapshot(HOME, "snap-a").tags);
    watched.see(Who::Run(run));
    watched
}

#[track_caller]
fn check(scene: &Scene, key: &str, value: Option<&str>, expected: &[&str]) {
    let watched = take(scene, |tags| {
        match value {
            Some(value) => tags.insert(key.to_owned(), value.to_owned()),
            None => tags.remove(key),
        };
    });
    watched.check(Promise::TaggedFromTheStart, expected);
}

#[test]
fn each_tag_must_be_there_and_true() {
    let scene = scene(None);
    check(&scene, "Name", Some("web"), &[]);
    check(&scene, "Type", None, &["tag Type None"]);
    check(&scene, "Backup_Run", Some("2026-11-22T05:00:01Z"), &["tag Backup_Run"]);
    check(&scene, "Source_Region", Some("eu-west-1"), &["tag Source_Region"]);
    check(&scene, "Source_SnapshotId", Some("snap-x"), &["tag Source_SnapshotId"]);
    check(&scene, "Source_InstanceId", None, &["without the tag Source_InstanceId"]);
    check(&scene, "Source_InstanceId", Some("i-x"), &["does not exist"]);
    check(&scene, "Source_Devices", None, &["cannot be read"]);
    check(&scene, "Source_Devices", Some("/dev/sd0=vol-b"), &["do not list it"]);
    check(&scene, "Source_Devices", Some("/dev/sd0=vol-a:excluded"), &["do not list it"]);
    check(&scene, "Source_Devices", Some("/dev/sd0=vol-a /dev/sd1=vol-b"), &["instead of"]);
}

#[test]
fn the_day_is_one_that_the_retention_gives() {
    for (retention, delete_on, expected) in [
        (None, Some("2026-11-29"), None),
        (None, Some("2026-11-28"), Some("gives one of")),
        (None, None, Some("without DeleteOn")),
        (None, Some("2026-11-29 "), Some("unreadable DeleteOn")),
        (Some("2w"), Some("2026-12-06"), None),
        (Some("2w"), Some("2026-11-29"), Some("gives one of")),
        // the first of its week
        (Some("1d 1w"), Some("2026-11-29"), None),
        (Some("1d 1w"), Some("2026-11-23"), Some("gives 2026-11-29 at least")),
        (Some("soon"), None, None),
        (Some("soon"), Some("2026-11-29"), Some("expected none")),
    ] {
        let expected: Vec<&str> = expected.into_iter().collect();
        check(&scene(retention), "DeleteOn", delete_on, &expected);
    }
}

#[test]
fn a_week_that_is_covered_needs_no_second_one() {
    let mut scene = scene(Some("1d 1w"));
    scene.backup("snap-0", "vol-a", day(18)).tag("DeleteOn", "2026-11-25");
    check(&scene, "DeleteOn", Some("2026-11-23"), &[]);
    scene.snapshot(HOME, "snap-0").state = crate::truth::State::Error;
    check(&scene, "DeleteOn", Some("2026-11-23"), &["at least"]);
}

#[test]
fn who_shares_the_volume_has_a_say() {
    let mut scene = scene(Some("7d"));
    scene.instance("i-b", &[("Backup", "Yes"), ("Retention", "9d")], &["vol-a"]);
    check(&scene, "DeleteOn", Some("2026-12-01"), &[]);
    check(&scene, "DeleteOn", Some("2026-11-29"), &["gives 2026-12-01 at least"]);
    scene.tag_instance("i-b", "Retention", "x");
    check(&scene, "DeleteOn", None, &[]);
}

#[test]
fn nothing_is_taken_that_nobody_asked_for() {
    let mut scene = scene(None);
    scene.tag_instance("i-a", "Backup", "no");
    take(&scene, |_| {}).check(Promise::TaggedFromTheStart, &["no Backup=Yes"]);
}

#[test]
fn one_each_and_one_more_for_each_doubt() {
    let mut watched = take(&scene(None), |_| {});
    let run = watched.last_run();
    for (id, doubt, expected) in [("snap-b", Some("vol-a"), 0), ("snap-c", Some("i-a"), 0), ("snap-d", None, 1)] {
        if let Some(of) = doubt {
            watched.oracle.doubts(run, Some(of));
        }
        watched.scene.backup(id, "vol-a", day(22)).instance("i-a").tag("DeleteOn", "2026-11-29");
        watched.see(Who::Run(run));
        watched.check(Promise::OneEach, &vec!["expected 3 at most"; expected]);
    }
    watched.oracle.doubts(run, Some("vol-b"));
    watched.scene.backup("snap-e", "vol-a", day(22)).instance("i-a").tag("DeleteOn", "2026-11-29");
    watched.see(Who::Run(run));
    watched.check(Promise::OneEach, &["number 4", "number 5"]);
}

#[test]
fn one_each_of_an_event_whatever_its_runs_call_themselves() {
    for (hours, expected) in [(0, 1), (1, 0)] {
        let mut watched = take(&scene(None), |_| {});
        // the scene's runs answer to the instant at which they begin
        watched.wait(hours);
        let run = watched.begin(Job::Creator, HOME);
        let made = watched.scene.backup("snap-b", "vol-a", day(22)).instance("i-a");
        made.tag("DeleteOn", "2026-11-29").tag("Backup_Run", "2026-11-22T05:07:00Z");
        watched.see(Who::Run(run));
        watched.check(Promise::OneEach, &vec!["number 2 of vol-a in us-east-1 for 2026-11-22T05:00:00Z"; expected]);
    }
}

#[test]
fn one_that_has_gone_is_in_nobodys_way() {
    let mut watched = take(&scene(None), |_| {});
    let run = watched.last_run();
    let again = |watched: &mut Watched, id: &str| {
        watched.scene.backup(id, "vol-a", day(22)).instance("i-a").tag("DeleteOn", "2026-11-29");
        watched.see(Who::Run(run));
    };
    watched.scene.home().snapshots.remove("snap-a");
    watched.see(Who::Operator);
    again(&mut watched, "snap-b");
    watched.check(Promise::OneEach, &[]);
    // told otherwise first, and gone then, it is out of the way once
    watched.scene.snapshot(HOME, "snap-b").tags.remove("Type");
    watched.see(Who::Operator);
    again(&mut watched, "snap-c");
    watched.scene.home().snapshots.remove("snap-b");
    watched.see(Who::Operator);
    watched.check(Promise::OneEach, &[]);
    again(&mut watched, "snap-d");
    watched.check(Promise::OneEach, &["snap-d is snapshot number 2 of vol-a"]);
}

#[test]
fn only_a_day_is_added_later() {
    let mut scene = scene(Some("7d"));
    scene.backup("snap-0", "vol-a", day(20)).instance("i-a");
    for (key, value, job, tagged, touched) in [
        ("DeleteOn", "2026-11-27", Job::Creator, 0, 0),
        ("DeleteOn", "2026-11-26", Job::Creator, 1, 0),
        ("DeleteOn", "2026-11-27", Job::Manager, 0, 1),
        ("KeepForever", "", Job::Creator, 0, 1),
        ("Backup_Run", "x", Job::Creator, 0, 1),
    ] {
        let mut watched = scene.watch();
        let run = watched.begin(job, HOME);
        watched.scene.snapshot(HOME, "snap-0").tags.insert(key.to_owned(), value.to_owned());
        watched.see(Who::Run(run));
        watched.check(Promise::TaggedFromTheStart, &vec!["gives one of"; tagged]);
        watched.check(Promise::DeletesOnlyWhatMayGo, &vec!["and sets"; touched]);
    }
}
