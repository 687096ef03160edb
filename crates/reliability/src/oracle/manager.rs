//! At the end of a manager's run: what may go is gone, or the report tells that it is not.

use super::history::Window;
use super::place::{Enrolled, Place, Places};
use super::runs::{Broken, Running, mentions, names};
use super::sets::Best;
use super::snap::Snap;
use super::{Promise, Rules, Told, tags};
use crate::truth::{State, Tags};

/// A manager's run is over, and told this.
pub(super) fn ended(places: &Places, running: &Running, told: &Told, broken: &mut Broken) {
    let (region, window) = (&running.begun.region, running.window);
    let Some(place) = places.get(region) else { return };
    if running.is_braked || running.came_to_nothing(told) {
        return;
    }
    for (id, snap) in &place.snapshots {
        let may_go = (snap.was_due(window, running.day()) || snap.has_failed(window, running.failed_before))
            && snap.was_free(window)
            && snap.state.always(window, |it| *it != State::Pending)
            && !running.unread.contains(&snap.of.0)
            && !may_be_needed(places, place, id, snap, window);
        // that its day has not come is no reason where it has, nor is the brake where it cannot have held
        let is_true = |why: &str| !why.starts_with("not due") && why != "not_due" && !mentions(why, "brake");
        let is_kept = || told.kept.iter().any(|(resource, why)| resource == id && is_true(why));
        if may_go && !is_kept() && !names(&told.failed, id) && !names(&told.unfinished, id) {
            let what = format!(
                "{running} is over, but {id} of {} ({}), with {:?} and held by nothing, is still there, and \
                 its report does not say so",
                snap.of.1,
                snap.of.0,
                snap.due()
            );
            broken.push((Promise::NothingInSilence, what));
        }
    }
}

/// Whether a manager's report tells that the brake held, and that may be true: more was due than it lets pass, as far as the
/// run may have seen.
pub(super) fn is_braked(places: &Places, rules: &Rules, running: &Running, told: &Told) -> bool {
    let (region, window, day) = (&running.begun.region, running.window, running.day());
    let is_told = told.failed.iter().any(|(resource, why)| resource == region && mentions(why, "brake"));
    let Some(place) = places.get(region).filter(|_| is_told) else { return false };
    let may_be_told_to_go = |snap: &Snap| {
        let is_own = |it: &Tags| tags::is_automated(it) && !tags::is_held(it);
        let was_due = snap.tags.ever(window, |it| is_own(it) && tags::due(it).has_come(day));
        let had_failed = snap.begun < running.failed_before
            && snap.state.ever(window, |it| *it == State::Error)
            && snap.tags.ever(window, is_own);
        (was_due || had_failed)
            && snap.locked.ever(window, |locked| !locked)
            && snap.imaged.ever(window, |imaged| !imaged)
    };
    let going = place.there(window).filter(|(_, snap)| may_be_told_to_go(snap)).count();
    let automated = place.snapshots.values().filter(|snap| snap.tags.always(window, tags::is_automated)).count();
    rules.brake_holds(going, automated)
}

/// Whether the snapshot may be needed, at some time in the window, as part of the best backup of a volume that may be
/// enrolled. Where the promises leave a choice, it may.
pub(super) fn may_be_needed(places: &Places, place: &Place, id: &str, snap: &Snap, window: Window) -> bool {
    if !snap.counts() {
        return true;
    }
    let home = places.get(&snap.of.0);
    let may_be_enrolled = |volume: &str| {
        let enrolled = home.and_then(|home| home.enrolled.get(volume));
        enrolled.is_some_and(|it| it.ever(window, |it| *it != Enrolled::No))
    };
    if place.would_fall(id).iter().any(|fall| may_be_enrolled(&fall.origin.1)) {
        return true;
    }
    let mut volumes: Vec<&str> = snap.read.set.iter().flatten().map(String::as_str).collect();
    let together = place.depending_on(snap);
    volumes.extend(together.iter().map(|(_, volume)| volume.as_str()));
    volumes.into_iter().any(|volume| {
        let backups = place.by_volume.get(&(snap.of.0.clone(), volume.to_owned()));
        may_be_enrolled(volume)
            && backups.is_none_or(|it| {
                let is_its_run = |best: &Best| best.is_some_and(|(_, taken)| taken == snap.read.taken);
                it.is_confused || it.best.ever(window, is_its_run)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, day, done, list};
    use super::super::{Promise, Told, Who};
    use crate::script::Job;
    use chrono::TimeDelta;

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
        scene.backup("snap-old", "vol-a", day(1)).tag("DeleteOn", "2026-11-22");
        scene.backup("snap-new", "vol-a", day(15)).tag("DeleteOn", "2026-11-22");
        scene
    }

    #[track_caller]
    fn check(scene: &Scene, told: &Told, expected: &[&str]) {
        let mut watched = scene.watch();
        watched.run(Job::Manager, HOME, told);
        watched.check(Promise::NothingInSilence, expected);
    }

    #[test]
    fn what_is_due_and_free_is_gone_or_told_of() {
        let kept = |why: &str| Told { kept: list(&[("snap-old", why)]), ..done() };
        check(&scene(), &done(), &["snap-old of vol-a"]);
        let failed = |of: &str, why: &str| Told { failed: list(&[(of, why)]), ..Told::default() };
        check(&scene(), &failed("snap-x", "no answer about snap-old"), &["snap-old of vol-a"]);
        check(&scene(), &failed("snap-old", "no answer"), &[]);
        check(&scene(), &failed(HOME, "an error"), &["snap-old of vol-a"]);
        check(&scene(), &failed(HOME, "brake: 60 of 61"), &["snap-old of vol-a"]);
        check(&scene(), &kept("gone meanwhile"), &[]);
        check(&scene(), &kept("not due before 2026-11-22"), &["snap-old of vol-a"]);
        check(&scene(), &kept("due, but the brake holds"), &["snap-old of vol-a"]);
        check(&scene(), &Told { unfinished: list(&[("snap-old", "no time left")]), ..done() }, &[]);
        let mut disenrolled = scene();
        disenrolled.tag_instance("i-a", "Backup", "no");
        check(&disenrolled, &done(), &["snap-new", "snap-old"]);
    }

    #[test]
    fn the_brake_is_a_reason_where_it_holds() {
        for (due, others, is_true) in [(51, 50, true), (50, 0, false), (51, 51, false), (60, 50, true)] {
            let mut scene = Scene::new();
            for n in 0..due + others {
                let day_of_deletion = if n < due { "2026-11-22" } else { "2026-11-23" };
                let taken = day(1) + TimeDelta::minutes(n);
                scene.backup(&format!("snap-{n:03}"), "vol-a", taken).tag("DeleteOn", day_of_deletion);
            }
            let mut watched = scene.watch();
            let told = Told { failed: list(&[(HOME, "brake: too many are due")]), ..Told::default() };
            watched.run(Job::Manager, HOME, &told);
            let due = usize::try_from(due).unwrap();
            watched.check(
                Promise::NothingInSilence,
                &vec!["held by nothing, is still there"; if is_true { 0 } else { due }],
            );
        }
    }

    #[test]
    fn what_was_due_at_some_time_counts_for_the_brake() {
        let mut scene = Scene::new();
        for n in 0..60 {
            scene
                .backup(&format!("snap-{n:03}"), "vol-a", day(1) + TimeDelta::minutes(n))
                .tag("DeleteOn", "2026-11-22");
        }
        let mut watched = scene.watch();
        watched.begin(Job::Manager, HOME);
        for n in 0..30 {
            let tags = &mut watched.scene.snapshot(HOME, &format!("snap-{n:03}")).tags;
            tags.insert("KeepForever".to_owned(), String::new());
        }
        watched.see(Who::Operator);
        watched.end(&Told { failed: list(&[(HOME, "brake: 60 of 60")]), ..Told::default() });
        watched.check(Promise::NothingInSilence, &[]);
    }

    #[test]
    fn what_is_held_or_not_due_is_not_missed() {
        for (key, value) in [("KeepForever", ""), ("DeleteOn", "2026-11-23"), ("DeleteOn", "soon"), ("Type", "x")] {
            let mut scene = scene();
            scene.snapshot(HOME, "snap-old").tags.insert(key.to_owned(), value.to_owned());
            check(&scene, &done(), &[]);
        }
        let mut locked = scene();
        locked.snapshot(HOME, "snap-old").locked = true;
        check(&locked, &done(), &[]);
    }
}
