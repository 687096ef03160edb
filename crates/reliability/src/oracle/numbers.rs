//! What a run reports is what it did.

use super::place::Places;
use super::runs::{Broken, Running, tells_of};
use super::{Promise, Told, Who, tags};
use crate::script::Job;
use std::collections::{BTreeMap, BTreeSet};

/// A run is over, and told this.
pub(super) fn ended(
    places: &Places,
    running: &Running,
    told: &Told,
    calls: Option<&BTreeMap<String, u64>>,
    broken: &mut Broken,
) {
    let mut wrong = Vec::new();
    if told.succeeded && !told.failed.is_empty() {
        wrong.push(format!("says that it succeeded, and that {:?} failed", told.failed));
    }
    if let (Some(told), Some(made)) = (&told.calls, calls)
        && told != made
    {
        wrong.push(format!("counts the calls {told:?}, and made {made:?}"));
    }
    match running.begun.job {
        Job::Creator | Job::Copier => {
            wrong.extend(never_made(places, running, told));
            wrong.extend(untold(places, running, told));
        }
        Job::Manager => wrong.extend(deleted(places, running, told)),
        Job::Watcher => {}
    }
    broken.extend(wrong.into_iter().map(|why| (Promise::NumbersAreTrue, format!("{running} {why}"))));
}

/// What it says to have made, and what does not exist as something that it makes.
fn never_made(places: &Places, running: &Running, told: &Told) -> Vec<String> {
    let region = &running.begun.region;
    let run = tags::stamp(running.begun.instant);
    let is_there = |id: &str| match running.begun.job {
        Job::Creator => places
            .get(region)
            .and_then(|place| place.known(id))
            .is_some_and(|snap| snap.tags.all().any(|it| tags::get(it, tags::BACKUP_RUN) == Some(run.as_str()))),
        Job::Copier => places
            .values()
            .filter_map(|place| place.known(id))
            .any(|snap| snap.copy_of.as_ref().is_some_and(|(from, _)| from == region)),
        Job::Manager | Job::Watcher => false,
    };
    let made = told.applied.iter().flat_map(|(of, made)| made.iter().map(move |id| (of, id)));
    made.filter(|(_, id)| !is_there(id))
        .map(|(of, id)| format!("says that it made {id} for {of}, and there is none such"))
        .collect()
}

/// What it made and does not tell of, nor of its failing.
fn untold(places: &Places, running: &Running, told: &Told) -> Vec<String> {
    let as_told: BTreeSet<&str> = told.applied.iter().flat_map(|(_, made)| made).map(String::as_str).collect();
    let home = places.get(&running.begun.region);
    let mut wrong = Vec::new();
    for (region, id) in running.made.iter().filter(|(_, id)| !as_told.contains(id.as_str())) {
        let Some(snap) = places.get(region).and_then(|place| place.known(id)) else { continue };
        let volume = &snap.of.1;
        let instances = home.into_iter().flat_map(|home| &home.instances);
        let had = instances.filter(|(_, it)| it.had(volume, running.window)).map(|(id, _)| id.as_str());
        let source = snap.copy_of.iter().map(|(_, source)| source.as_str());
        let named: Vec<&str> = had.chain(source).chain([volume.as_str(), id.as_str()]).collect();
        // where it could not know, it may not know: a stale reading hides only what others made, or what came late
        let is_late = snap.who == Who::Time;
        let is_open = running.doubts.iter().any(|of| of.as_deref().map_or(is_late, |of| named.contains(&of)));
        let is_told = named.iter().any(|it| tells_of(&told.failed, it) || tells_of(&told.unfinished, it));
        let is_all = told.failed.iter().any(|(resource, _)| *resource == running.begun.region);
        if !is_open && !is_told && !is_all {
            wrong.push(format!("made {id} of {volume} in {region}, and does not say so"));
        }
    }
    wrong
}

/// What it says to have deleted and is there, and what it deleted and does not tell of.
fn deleted(places: &Places, running: &Running, told: &Told) -> Vec<String> {
    let region = &running.begun.region;
    let Some(place) = places.get(region) else { return Vec::new() };
    let as_told: BTreeSet<&str> = told.applied.iter().map(|(resource, _)| resource.as_str()).collect();
    let mut wrong = Vec::new();
    for id in &as_told {
        if place.snapshots.contains_key(*id) {
            wrong.push(format!("says that it deleted {id}, which is still there"));
        } else if !place.gone.contains_key(*id) {
            wrong.push(format!("says that it deleted {id}, which never was"));
        }
    }
    for id in running.deleted.iter().filter(|id| !as_told.contains(id.as_str())) {
        let is_all = told.failed.iter().any(|(resource, _)| resource == region);
        if !is_all && !tells_of(&told.failed, id) && !tells_of(&told.unfinished, id) {
            wrong.push(format!("deleted {id}, and does not say so"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::super::Oracle;
    use super::super::scene::{HOME, Scene, WEST, day, done, list};
    use super::*;

    fn made(of: &str, ids: &[&str]) -> Told {
        Told { applied: vec![(of.to_owned(), ids.iter().map(|it| (*it).to_owned()).collect())], ..done() }
    }

    /// The creator takes `snap-a` of `vol-a`.
    #[track_caller]
    fn check(told: &Told, prepare: impl FnOnce(&mut Oracle), expected: &[&str]) {
        let mut scene = Scene::new();
        scene.instance("i-a", &[("Backup", "Yes")], &["vol-a"]);
        scene.backup("snap-old", "vol-a", day(2));
        let mut watched = scene.watch();
        let run = watched.begin(Job::Creator, HOME);
        watched.scene.backup("snap-a", "vol-a", day(22)).tag("DeleteOn", "2026-11-29");
        watched.see(Who::Run(run));
        prepare(&mut watched.oracle);
        watched.end(told);
        watched.check(Promise::NumbersAreTrue, expected);
    }

    #[test]
    fn what_was_made_is_told_and_what_is_told_was_made() {
        check(&made("i-a", &["snap-a"]), |_| {}, &[]);
        check(&made("i-a", &[]), |_| {}, &["made snap-a of vol-a in us-east-1, and does not say so"]);
        check(&made("i-a", &["snap-a", "snap-b"]), |_| {}, &["says that it made snap-b for i-a"]);
        check(&made("i-a", &["snap-a", "snap-old"]), |_| {}, &["says that it made snap-old"]);
        let cut_off = Told { unfinished: list(&[("i-a", "perhaps done")]), ..Told::default() };
        check(&cut_off, |_| {}, &[]);
        check(&made("i-a", &[]), |oracle| oracle.doubts(1, Some("vol-a")), &[]);
        check(&made("i-a", &[]), |oracle| oracle.doubts(1, Some("vol-b")), &["does not say so"]);
        check(&made("i-a", &[]), |oracle| oracle.doubts(1, None), &["does not say so"]);
    }

    #[test]
    fn what_failed_did_not_succeed() {
        let told = Told { failed: list(&[("i-b", "busy")]), ..made("i-a", &["snap-a"]) };
        check(&told, |_| {}, &["says that it succeeded"]);
        check(&Told { succeeded: false, ..told }, |_| {}, &[]);
    }

    #[test]
    fn what_was_deleted_is_told_and_what_is_told_was_deleted() {
        let cases: [(Told, &[&str]); 4] = [
            (made("snap-a", &[]), &[]),
            (made("snap-b", &[]), &["snap-b, which is still there", "deleted snap-a, and does not say so"]),
            (made("snap-x", &[]), &["snap-x, which never was", "deleted snap-a"]),
            (Told { failed: list(&[("snap-a", "no answer")]), ..Told::default() }, &[]),
        ];
        for (told, expected) in cases {
            let mut scene = Scene::new();
            scene.backup("snap-a", "vol-a", day(1)).tag("DeleteOn", "2026-11-08");
            scene.backup("snap-b", "vol-a", day(2)).tag("DeleteOn", "2026-11-09");
            let mut watched = scene.watch();
            watched.begin(Job::Manager, HOME);
            watched.delete(HOME, "snap-a");
            watched.end(&told);
            watched.check(Promise::NumbersAreTrue, expected);
        }
    }

    #[test]
    fn copies_are_told_of_too() {
        for (told, expected) in [(made("snap-a", &["snap-c"]), 0), (made("snap-a", &[]), 1)] {
            let mut scene = Scene::new();
            scene.backup("snap-a", "vol-a", day(21)).tag("DeleteOn", "2026-11-28").tag("Copy_Dest", WEST);
            let mut watched = scene.watch();
            let run = watched.begin(Job::Copier, HOME);
            watched.scene.copy("snap-c", "snap-a");
            watched.see(Who::Run(run));
            watched.end(&told);
            watched.check(Promise::NumbersAreTrue, &vec!["made snap-c"; expected]);
        }
    }

    #[test]
    fn calls_are_counted() {
        for (told, expected) in [(2, 0), (3, 1)] {
            let calls = |n: u64| BTreeMap::from([("DescribeInstances".to_owned(), n)]);
            let mut watched = Scene::new().watch();
            let run = watched.begin(Job::Watcher, HOME);
            let report = Told { calls: Some(calls(told)), ..done() };
            watched.oracle.end(run, Some(&report), Some(&calls(2)), &watched.scene.truth);
            watched.check(Promise::NumbersAreTrue, &vec!["counts the calls"; expected]);
        }
    }
}
