//! At the end of a copier's run: each primary has its copies, or the report tells which it has not.

use super::place::{Place, Places};
use super::runs::{Broken, Running, mentions, names_copy};
use super::{Promise, Told, tags};
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
            if !there.contains(id.as_str()) && !is_told(told, id, to) {
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

/// Whether the report tells why there is no copy: that there is one is no reason.
fn is_told(told: &Told, id: &str, to: &str) -> bool {
    let has = format!("{to} has ");
    let is_kept = told.kept.iter().any(|(resource, why)| {
        let is_of_another = |region: &str| region != to && mentions(why, region);
        let elsewhere = crate::script::REGIONS.iter().any(|region| is_of_another(region)) && !mentions(why, to);
        resource == id && why != "copied" && !why.contains(&has) && !elsewhere
    });
    is_kept || names_copy(&told.failed, id, to) || names_copy(&told.unfinished, id, to)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, WEST, day, done, list};
    use super::super::{Promise, Told};
    use crate::script::Job;
    use crate::truth::State;

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
        check(&scene(), &failed(WEST, "could not be looked into"), &[]);
        check(&scene(), &failed(HOME, "an error"), missing);
        check(&scene(), &kept("us-west-2 could not be looked into"), &[]);
        check(&scene(), &kept("gone meanwhile"), &[]);
        check(&scene(), &kept("us-west-2 has snap-c"), missing);
        check(&scene(), &kept("copied"), missing);
        check(&scene(), &kept("eu-west-1 has snap-c"), missing);
        check(&scene(), &Told { unfinished: list(&[("snap-b", "full")]), ..done() }, missing);
        check(&scene(), &Told { unfinished: list(&[("snap-a", "us-west-2 is full")]), ..done() }, &[]);
        check(&scene(), &Told { unfinished: list(&[("snap-a", "no time left")]), ..done() }, &[]);
        let mut copied = scene();
        copied.copy("snap-c", "snap-a").state(State::Pending);
        check(&copied, &done(), &[]);
        copied.snapshot(WEST, "snap-c").state = State::Error;
        check(&copied, &done(), missing);
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
