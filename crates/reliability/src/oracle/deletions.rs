//! Nothing is deleted but what may go, and nothing because it was not found.

use super::place::{Enrolled, Fall, Place, Places};
use super::rules::BRAKE_FROM;
use super::runs::{Broken, Running};
use super::sets::Best;
use super::snap::Snap;
use super::tags::{self, Due};
use super::{Promise, Rules, Who};
use crate::script::Job;
use crate::truth::State;

/// A run asks for a deletion, whatever comes of it. What came to hold the snapshot only while the run was under way, it
/// could not know.
pub(super) fn asked(places: &Places, running: &Running, region: &str, id: &str, broken: &mut Broken) {
    // one that is gone may be asked for again
    let Some((place, snap)) = places.get(region).and_then(|place| Some((place, place.snapshots.get(id)?))) else {
        return;
    };
    let window = running.window;
    let what = format!("{running} asks to delete {id} of {} in {region}", snap.of.1);
    let mut wrong = not_its_business(running, region);
    if snap.tags.always(window, |it| !tags::is_automated(it)) {
        wrong.push("which has no Type=Automated".to_owned());
    }
    if snap.tags.always(window, tags::is_held) {
        wrong.push("which has a tag KeepForever".to_owned());
    }
    if snap.locked.always(window, |locked| *locked) {
        wrong.push("which is locked".to_owned());
    }
    if snap.imaged.always(window, |imaged| *imaged) {
        wrong.push("which an image uses".to_owned());
    }
    wrong.extend(not_due(snap, running));
    let falls: Vec<Fall> = place.would_fall(id).into_iter().filter(|fall| was_known(place, fall, running)).collect();
    wrong.extend(falls.iter().filter(|fall| is_enrolled(places, fall, running)).map(protects));
    broken.extend(wrong.into_iter().map(|why| (Promise::DeletesOnlyWhatMayGo, format!("{what}, {why}"))));

    if !running.read_home() {
        let why = format!("{what}, though it could not read {region} to the end");
        broken.push((Promise::AbsenceIsNoEvidence, why));
    }
    if snap.of.0 != region && running.unread.contains(&snap.of.0) && !falls.is_empty() {
        let why = format!("{what}, the last good copy here, though {} did not answer", snap.of.0);
        broken.push((Promise::AbsenceIsNoEvidence, why));
    }
}

/// A snapshot vanished by this run. A hold, a lock, an image or a missing `Type` forbid it up to the last moment.
pub(super) fn vanished(
    places: &Places,
    running: &Running,
    region: &str,
    id: &str,
    falls: &[Fall],
    broken: &mut Broken,
) {
    let Some((place, snap)) = places.get(region).and_then(|place| Some((place, place.gone.get(id)?))) else { return };
    let mut wrong = not_its_business(running, region);
    if !snap.read.automated {
        wrong.push("which had no Type=Automated".to_owned());
    }
    if tags::is_held(snap.tags.now()) {
        wrong.push("which had a tag KeepForever".to_owned());
    }
    if *snap.locked.now() {
        wrong.push("which was locked".to_owned());
    }
    if *snap.imaged.now() {
        wrong.push("which an image used".to_owned());
    }
    wrong.extend(not_due(snap, running));
    let is_protecting = |fall: &&Fall| was_known(place, fall, running) && is_enrolled(places, fall, running);
    let protecting: Vec<&Fall> = falls.iter().filter(is_protecting).collect();
    wrong.extend(protecting.iter().map(|fall| protects(fall)));
    let what = format!("{running} deleted {id} of {} in {region}", snap.of.1);
    for fall in protecting {
        if let (Some((true, _)), Some((false, _))) = (fall.from, fall.to) {
            broken.push((Promise::SetsAreWhole, format!("{what}, {}", protects(fall))));
        }
    }
    broken.extend(wrong.into_iter().map(|why| (Promise::DeletesOnlyWhatMayGo, format!("{what}, {why}"))));
    if !running.read_home() {
        let why = format!("{what}, though it could not read {region} to the end");
        broken.push((Promise::AbsenceIsNoEvidence, why));
    }
}

/// Whether the run deleted more than the brake lets pass.
pub(super) fn is_past_brake(places: &Places, rules: &Rules, running: &Running) -> Option<String> {
    let deleted = running.deleted.len();
    if deleted <= BRAKE_FROM || running.is_past_brake {
        return None;
    }
    let place = places.get(&running.begun.region)?;
    let was_automated = |snap: &Snap| snap.tags.ever(running.window, tags::is_automated);
    let automated = place.there(running.window).filter(|(_, snap)| was_automated(snap)).count();
    rules.brake_holds(deleted, automated).then(|| {
        let percent = rules.most_deleted_percent;
        format!(
            "{running} deleted {deleted} of {automated} automated snapshots: the brake should hold above {percent} %"
        )
    })
}

fn not_its_business(running: &Running, region: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    match running.begun.job {
        Job::Manager => {}
        Job::Creator | Job::Copier | Job::Watcher => wrong.push("but only managers delete".to_owned()),
    }
    if running.begun.region != region {
        wrong.push("which is not in its region".to_owned());
    }
    wrong
}

fn not_due(snap: &Snap, running: &Running) -> Option<String> {
    let day = running.day();
    let is_due = snap.tags.ever(running.window, |it| tags::due(it).has_come(day));
    if is_due || *snap.state.now() == State::Error && snap.begun < running.failed_before {
        return None;
    }
    Some(match snap.due() {
        Due::Unsaid => "which has no DeleteOn".to_owned(),
        Due::Unreadable => "whose DeleteOn cannot be read".to_owned(),
        Due::Day(due) => format!("which is due on {due}, not on {day}"),
    })
}

/// Whether the run could know that this was the volume's best backup: it had been for all that the run may have seen,
/// and nobody else took away or retagged what it depends on meanwhile.
fn was_known(place: &Place, fall: &Fall, running: &Running) -> bool {
    let by_others = |who: Who| who != Who::Run(running.begun.run);
    running.window.covers(fall.since)
        && place.by_volume.get(&fall.origin).is_some_and(|backups| {
            let mut lately = backups.disturbed.iter().rev().take_while(|(at, _)| !running.window.covers(*at));
            !backups.is_confused && !lately.any(|(_, who)| by_others(*who))
        })
}

/// Whether the volume was enrolled, or perhaps was, for all that the run may have seen.
pub(super) fn is_enrolled(places: &Places, fall: &Fall, running: &Running) -> bool {
    let (region, volume) = &fall.origin;
    let enrolled = places.get(region).and_then(|place| place.enrolled.get(volume));
    enrolled.is_some_and(|enrolled| enrolled.always(running.window, |it| *it != Enrolled::No))
}

fn protects(fall: &Fall) -> String {
    let told = |best: Best| match best {
        None => "none".to_owned(),
        Some((true, at)) => format!("the good one of {}", tags::stamp(at)),
        Some((false, at)) => format!("the incomplete one of {}", tags::stamp(at)),
    };
    let ((region, volume), from, to) = (&fall.origin, told(fall.from), told(fall.to));
    format!("but the best backup of {volume} ({region}), which is enrolled, falls from {from} to {to}")
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, WEST, day};
    use super::*;
    use chrono::TimeDelta;

    /// An enrolled volume, an old backup of it that is due and a new one.
    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
        scene.backup("snap-old", "vol-a", day(1)).tag("DeleteOn", "2026-11-08");
        scene.backup("snap-new", "vol-a", day(20)).tag("DeleteOn", "2026-11-21");
        scene
    }

    /// What is broken if the manager of 2026-11-22 deletes this.
    #[track_caller]
    fn check(scene: &Scene, id: &str, expected: &[&str]) {
        let mut watched = scene.watch();
        watched.begin(Job::Manager, HOME);
        watched.delete(HOME, id);
        watched.check(Promise::DeletesOnlyWhatMayGo, expected);
    }

    #[test]
    fn what_is_automated_due_and_free_may_go() {
        check(&scene(), "snap-old", &[]);
    }

    #[test]
    fn what_is_held_locked_used_or_not_due_may_not() {
        for (tag, value, why) in [
            ("KeepForever", "", "KeepForever"),
            ("DeleteOn", "2026-11-23", "due on 2026-11-23, not on 2026-11-22"),
            ("DeleteOn", "2026-11-8", "cannot be read"),
            ("Type", "automated", "Type=Automated"),
        ] {
            let mut scene = scene();
            scene.snapshot(HOME, "snap-old").tags.insert(tag.to_owned(), value.to_owned());
            check(&scene, "snap-old", &[why, why]);
        }
        let mut locked = scene();
        locked.snapshot(HOME, "snap-old").locked = true;
        check(&locked, "snap-old", &["which is locked", "which was locked"]);
        let mut used = scene();
        used.snapshot(HOME, "snap-old").images.insert("ami-1".to_owned());
        check(&used, "snap-old", &["which an image uses", "which an image used"]);
        let mut undated = scene();
        undated.snapshot(HOME, "snap-old").tags.remove("DeleteOn");
        check(&undated, "snap-old", &["no DeleteOn", "no DeleteOn"]);
    }

    #[test]
    fn the_last_good_one_of_an_enrolled_volume_may_not() {
        check(&scene(), "snap-new", &["falls from the good one of 2026-11-20", "falls from"]);
        let cases: [(&str, &[&str]); 2] = [("no", &[]), ("Yse", &["falls", "falls"])];
        for (backup, expected) in cases {
            let mut scene = scene();
            scene.tag_instance("i-a", "Backup", backup);
            check(&scene, "snap-new", expected);
        }
        let mut unfinished = scene();
        unfinished.snapshot(HOME, "snap-new").state = crate::truth::State::Pending;
        check(&unfinished, "snap-old", &["falls", "falls"]);
    }

    #[test]
    fn a_good_one_does_not_go_for_part_of_a_set() {
        for (devices, expected) in [("vol-a vol-b", 1), ("vol-a", 0)] {
            let mut scene = scene();
            scene.backup("snap-new", "vol-a", day(20)).tag("DeleteOn", "2026-11-21").set(devices);
            let mut watched = scene.watch();
            watched.begin(Job::Manager, HOME);
            watched.delete(HOME, "snap-old");
            watched.check(Promise::SetsAreWhole, &vec!["falls from the good one"; expected]);
        }
    }

    #[test]
    fn what_came_to_protect_it_meanwhile_could_not_be_known() {
        let mut scene = scene();
        scene.tag_instance("i-a", "Backup", "no");
        let mut watched = scene.watch();
        watched.begin(Job::Manager, HOME);
        watched.scene.tag_instance("i-a", "Backup", "yes");
        watched.see(Who::Operator);
        watched.delete(HOME, "snap-new");
        watched.check(Promise::DeletesOnlyWhatMayGo, &[]);
    }

    #[test]
    fn a_hold_set_meanwhile_forbids_the_deletion_but_not_the_asking() {
        let mut watched = scene().watch();
        let run = watched.begin(Job::Manager, HOME);
        watched.scene.snapshot(HOME, "snap-old").tags.insert("KeepForever".to_owned(), String::new());
        watched.see(Who::Operator);
        watched.oracle.asks_to_delete(run, HOME, "snap-old", &watched.scene.truth);
        watched.check(Promise::DeletesOnlyWhatMayGo, &[]);
        watched.scene.home().snapshots.remove("snap-old");
        watched.see(Who::Run(run));
        watched.check(Promise::DeletesOnlyWhatMayGo, &["which had a tag KeepForever"]);
    }

    #[test]
    fn only_the_manager_of_the_region_deletes() {
        let mut watched = scene().watch();
        watched.begin(Job::Copier, HOME);
        watched.delete(HOME, "snap-old");
        watched.check(Promise::DeletesOnlyWhatMayGo, &["only managers", "only managers"]);
        let mut watched = scene().watch();
        watched.begin(Job::Manager, WEST);
        watched.delete(HOME, "snap-old");
        watched.check(Promise::DeletesOnlyWhatMayGo, &["not in its region", "not in its region"]);
    }

    #[test]
    fn a_reading_that_failed_deletes_nothing() {
        let mut watched = scene().watch();
        let run = watched.begin(Job::Manager, HOME);
        watched.oracle.could_not_read(run, HOME, "DescribeSnapshots");
        watched.delete(HOME, "snap-old");
        watched.check(Promise::AbsenceIsNoEvidence, &["could not read us-east-1", "could not read us-east-1"]);
    }

    #[test]
    fn the_last_copy_stays_where_home_does_not_answer() {
        let mut scene = scene();
        scene.copy("snap-c1", "snap-old");
        scene.copy("snap-c2", "snap-new");
        scene.tag_instance("i-a", "Backup", "no");
        let cases: [(&str, bool, &[&str]); 3] =
            [("snap-c2", true, &["us-east-1 did not answer"]), ("snap-c2", false, &[]), ("snap-c1", true, &[])];
        for (id, fails, expected) in cases {
            let mut watched = scene.watch();
            let run = watched.begin(Job::Manager, WEST);
            if fails {
                watched.oracle.could_not_read(run, HOME, "DescribeInstances");
            }
            watched.delete(WEST, id);
            watched.check(Promise::AbsenceIsNoEvidence, expected);
            watched.check(Promise::DeletesOnlyWhatMayGo, &[]);
        }
    }

    #[test]
    fn the_brake_holds_what_is_more_than_half_and_more_than_fifty() {
        for (all, deleted, expected) in [(120, 60, 0), (119, 60, 1), (51, 50, 0), (51, 51, 1)] {
            let mut scene = Scene::new();
            for n in 0..all {
                scene
                    .backup(&format!("snap-{n:03}"), "vol-a", day(1) + TimeDelta::minutes(n))
                    .tag("DeleteOn", "2026-11-08");
            }
            let mut watched = scene.watch();
            watched.begin(Job::Manager, HOME);
            for n in 0..deleted {
                watched.delete(HOME, &format!("snap-{n:03}"));
            }
            let brakes = vec!["the brake should hold"; expected];
            watched.check(Promise::DeletesOnlyWhatMayGo, &brakes);
        }
    }
}
