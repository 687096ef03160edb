//! At the end of a copier's run: each primary has its copies, or the report tells which it has not.

use super::history::Window;
use super::place::{Place, Places};
use super::runs::{Broken, Running, mentions, names_copy};
use super::snap::Snap;
use super::{Promise, Rules, Told, tags};
use crate::truth::State;
use std::collections::{BTreeMap, BTreeSet};

/// A copier's run is over, and told this.
pub(super) fn ended(places: &Places, running: &Running, told: &Told, broken: &mut Broken) {
    let (region, window, day) = (&running.begun.region, running.window, running.day());
    let Some(place) = places.get(region) else { return };
    if running.came_to_nothing(told) {
        return;
    }
    let mut copied: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, snap) in &place.snapshots {
        let is_wanted = snap.was_primary(window)
            && snap.state.always(window, |it| *it == State::Completed)
            && snap.tags.always(window, |it| tags::is_held(it) || !tags::due(it).has_come(day));
        if !is_wanted {
            continue;
        }
        for to in &tags::destinations(snap.tags.now(), region).0 {
            let asks = snap.tags.always(window, |it| tags::destinations(it, region).0.contains(to));
            let Some((to, there)) = places.get_key_value(to) else { continue };
            if !asks || running.unread.contains(to) {
                continue;
            }
            let there = copied.entry(to.as_str()).or_insert_with(|| copies_in(there, running));
            if !there.contains(id.as_str()) && !is_told(running, told, id, to) {
                let what = format!(
                    "{running} is over, but there is no copy of {id} of {} in {to}, which its Copy_Dest \
                     names, and its report does not say so",
                    snap.of.1
                );
                broken.push((Promise::NothingInSilence, what));
            }
        }
    }
}

/// The primaries of the run's region of which a copy, not in `error`, was here at some time.
fn copies_in<'a>(place: &'a Place, running: &Running) -> BTreeSet<&'a str> {
    let window = running.window;
    place
        .there(window)
        .filter(|(_, snap)| snap.state.ever(window, |it| *it != State::Error))
        .filter_map(|(_, snap)| snap.copy_of.as_ref())
        .filter(|(from, _)| *from == running.begun.region)
        .map(|(_, primary)| primary.as_str())
        .collect()
}

/// The regions that may have taken no more copies at some time in the window: as many as they take were pending. A pending
/// one that was deleted counts on until its time.
pub(super) fn full(places: &Places, rules: &Rules, window: Window) -> BTreeSet<String> {
    let is_full = |place: &Place| {
        let known = place.snapshots.values().chain(place.gone.values()).filter(|snap| snap.copy_of.is_some());
        let may_count = |snap: &Snap| {
            let was_pending = snap.was_there(window) && snap.state.ever(window, |it| *it == State::Pending);
            was_pending || snap.gone.is_some() && *snap.state.now() == State::Pending
        };
        known.filter(|snap| may_count(snap)).count() >= rules.copies_at_once
    };
    places.iter().filter(|(_, place)| is_full(place)).map(|(name, _)| name.clone()).collect()
}

/// Whether the run may leave what it was to copy there to the next one.
fn may_leave(running: &Running, to: &str) -> bool {
    running.begun.has_deadline || running.full.contains(to) || running.unanswered.contains(to)
}

/// Whether the report tells why there is no copy. It is no reason that there is one, that the primary had gone, or that the
/// region could not be read: none of that was so.
fn is_told(running: &Running, told: &Told, id: &str, to: &str) -> bool {
    let has = format!("{to} has ");
    let untrue = [has.as_str(), "gone", "destination_unknown", "could not be looked into"];
    let is_kept = told.kept.iter().any(|(resource, why)| {
        let is_of_another = |region: &str| region != to && mentions(why, region);
        let elsewhere = crate::script::REGIONS.iter().any(|region| is_of_another(region)) && !mentions(why, to);
        resource == id && why != "copied" && !untrue.iter().any(|it| why.contains(it)) && !elsewhere
    });
    let is_left = may_leave(running, to) && names_copy(&told.unfinished, id, to);
    is_kept || is_left || names_copy(&told.failed, id, to)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, WEST, Watched, day, done, list};
    use super::super::{Begun, Promise, Told, Who};
    use crate::script::{Job, Setting};
    use crate::truth::State;
    use chrono::TimeDelta;

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene
            .backup("snap-a", "vol-a", day(21))
            .tag("Copy_Dest", "us-west-2 mars-north-1")
            .tag("DeleteOn", "2026-11-28");
        scene
    }

    #[track_caller]
    fn check(scene: &Scene, told: &Told, expected: &[&str]) {
        let mut watched = scene.watch();
        watched.run(Job::Copier, HOME, told);
        watched.check(Promise::NothingInSilence, expected);
    }

    #[test]
    fn each_primary_is_copied_or_told_of() {
        let missing: &[&str] = &["no copy of snap-a of vol-a in us-west-2"];
        let kept = |why: &str| Told { kept: list(&[("snap-a", why)]), ..done() };
        check(&scene(), &done(), missing);
        let failed = |of: &str, why: &str| Told { failed: list(&[(of, why)]), ..Told::default() };
        check(&scene(), &failed("snap-b", "to us-west-2: denied"), missing);
        check(&scene(), &failed("snap-a", "to us-west-2: denied"), &[]);
        check(&scene(), &failed("snap-a", "to eu-west-1: denied"), missing);
        check(&scene(), &failed(WEST, "could not be looked into"), missing);
        check(&scene(), &failed(HOME, "an error"), missing);
        check(&scene(), &kept("copies of its volume fail in us-west-2 (snap-c): the newest is tried first"), &[]);
        check(&scene(), &kept("us-west-2 could not be looked into"), missing);
        check(&scene(), &kept("destination_unknown"), missing);
        check(&scene(), &kept("gone meanwhile"), missing);
        check(&scene(), &kept("us-west-2 has snap-c"), missing);
        check(&scene(), &kept("copied"), missing);
        check(&scene(), &kept("eu-west-1 has snap-c"), missing);
        let mut copied = scene();
        copied.copy("snap-c", "snap-a").state(State::Pending);
        check(&copied, &done(), &[]);
        copied.snapshot(WEST, "snap-c").state = State::Error;
        check(&copied, &done(), missing);
    }

    /// Two copies go at once. Before the copier tells this, others are under way, and this may have happened to it.
    #[track_caller]
    fn check_left(why: &str, under_way: usize, happens: impl FnOnce(&mut Watched, u32), expected: usize) {
        let mut scene = scene();
        for n in 0..under_way {
            let other = format!("snap-{n}");
            scene.backup(&other, "vol-b", day(20)).tag("DeleteOn", "2026-11-28");
            scene.copy(&format!("snap-c{n}"), &other).state(State::Pending);
        }
        let mut watched = scene.watch_with(Setting { copies_at_once: 2, ..Setting::default() });
        let run = watched.begin(Job::Copier, HOME);
        happens(&mut watched, run);
        watched.end(&Told { unfinished: list(&[("snap-a", why)]), ..done() });
        watched.check(Promise::NothingInSilence, &vec!["no copy of snap-a of vol-a in us-west-2"; expected]);
    }

    #[test]
    fn what_is_left_is_left_for_a_true_reason() {
        let full = "us-west-2 copies as many at once as it can";
        check_left(full, 0, |_, _| {}, 1);
        check_left(full, 1, |_, _| {}, 1);
        check_left(full, 2, |_, _| {}, 0);
        check_left("eu-west-1 copies as many at once as it can", 2, |_, _| {}, 1);
        let silent = "us-west-2 has stopped answering";
        check_left(silent, 0, |watched, run| watched.oracle.had_no_answer(run, WEST), 0);
        check_left(silent, 0, |watched, run| watched.oracle.had_no_answer(run, HOME), 1);
        check_left("no time left", 0, |_, _| {}, 1);
    }

    #[test]
    fn what_was_pending_while_the_copier_was_at_work_counts() {
        let full = "us-west-2 copies as many at once as it can";
        let ends = |watched: &mut Watched| {
            watched.scene.snapshot(WEST, "snap-c0").state = State::Completed;
            watched.see(Who::Time);
        };
        check_left(full, 2, |watched, _| ends(watched), 0);
        // before the run that tells it
        let ends_and_begins = |watched: &mut Watched| {
            ends(watched);
            watched.wait(1);
            watched.begin(Job::Copier, HOME);
        };
        check_left(full, 2, |watched, _| ends_and_begins(watched), 1);
        let deletes = |watched: &mut Watched| {
            watched.scene.truth.regions.get_mut(WEST).unwrap().snapshots.remove("snap-c0");
            watched.see(Who::Operator);
            watched.wait(1);
            watched.begin(Job::Copier, HOME);
        };
        check_left(full, 2, |watched, _| deletes(watched), 0);
    }

    #[test]
    fn who_is_cut_off_may_leave_what_is_to_be_done() {
        let mut watched = scene().watch();
        let (region, instant, lag) = (HOME.to_owned(), watched.scene.truth.now, TimeDelta::zero());
        let begun = Begun { run: 7, job: Job::Copier, region, instant, lag, has_deadline: true };
        watched.oracle.begin(begun, &watched.scene.truth);
        let told = Told { unfinished: list(&[("snap-a", "no time left")]), ..done() };
        watched.oracle.end(7, Some(&told), None, &watched.scene.truth);
        watched.check(Promise::NothingInSilence, &[]);
    }

    #[test]
    fn a_region_that_could_not_be_read_gets_nothing() {
        let mut watched = scene().watch();
        let run = watched.begin(Job::Copier, HOME);
        watched.oracle.could_not_read(run, WEST, "DescribeSnapshots");
        watched.end(&Told { failed: list(&[(WEST, "could not be looked into")]), ..Told::default() });
        watched.check(Promise::NothingInSilence, &[]);
    }

    #[test]
    fn what_is_due_or_not_completed_is_not_missed() {
        let mut due = scene();
        due.snapshot(HOME, "snap-a").tags.insert("DeleteOn".to_owned(), "2026-11-22".to_owned());
        check(&due, &done(), &[]);
        due.snapshot(HOME, "snap-a").tags.insert("KeepForever".to_owned(), String::new());
        check(&due, &done(), &["no copy of snap-a"]);
        let mut pending = scene();
        pending.snapshot(HOME, "snap-a").state = State::Pending;
        check(&pending, &done(), &[]);
    }
}
