//! A copy is made of a completed primary, where that asks for it, with the tags that its later life needs, and once.

use super::place::{Origin, Places};
use super::runs::{Broken, Running, Runs};
use super::snap::Snap;
use super::{Promise, Who, tags};
use crate::script::Job;
use crate::truth::State;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// The copies made by runs: by destination and primary.
pub(super) type Copied = BTreeMap<(String, Origin), Vec<String>>;

/// The run that made a copy by a call that took effect late: of those that may have, one that could not know.
pub(super) fn made_late(runs: &Runs, source: &Origin, now: DateTime<Utc>) -> Option<u32> {
    let may_have = |it: &Running| it.is(Job::Copier, &source.0) && it.may_act_late(now);
    let made: Vec<&Running> = runs.values().filter(|it| may_have(it)).collect();
    let open = made.iter().find(|it| it.doubted(|of| of == source.1) > 0);
    open.or(made.first()).map(|it| it.begun.run)
}

/// A copy has appeared by this run.
pub(super) fn appeared(places: &Places, running: &Running, region: &str, id: &str, broken: &mut Broken) {
    let Some(copy) = places.get(region).and_then(|place| place.snapshots.get(id)) else { return };
    let Some((from, primary)) = &copy.copy_of else { return };
    let mut wrong: Vec<String> = Vec::new();
    if !running.is(Job::Copier, from) {
        wrong.push(format!("but only the copier of {from} copies from there"));
    }
    let told = copy.tags.now();
    for (key, expected) in [
        (tags::TYPE, tags::AUTOMATED),
        (tags::SNAPSHOT, primary.as_str()),
        (tags::VOLUME, copy.of.1.as_str()),
        (tags::REGION, copy.of.0.as_str()),
    ] {
        let value = tags::get(told, key);
        if value != Some(expected) {
            wrong.push(format!("with the tag {key} {value:?} instead of {expected:?}"));
        }
    }
    match places.get(from).and_then(|place| place.known(primary)) {
        None => wrong.push("which never was".to_owned()),
        Some(source) => {
            wrong.extend(wrong_source(source, running, region, from));
            wrong.extend(wrong_carriage(source, running, copy));
        }
    }
    let what = format!("{running} made {id} in {region}, a copy of {primary} in {from},");
    broken.extend(wrong.into_iter().map(|why| (Promise::TaggedFromTheStart, format!("{what} {why}"))));
}

/// Why the primary should not have been copied there.
fn wrong_source(source: &Snap, running: &Running, region: &str, from: &str) -> Vec<String> {
    let window = running.window;
    let mut wrong = Vec::new();
    if source.copy_of.is_some() && source.tags.always(window, |it| it.contains_key(tags::SNAPSHOT)) {
        wrong.push("which is a copy itself".to_owned());
    }
    if !source.tags.ever(window, tags::is_automated) {
        wrong.push("which is not automated".to_owned());
    }
    if !source.state.ever(window, |it| *it == State::Completed) {
        wrong.push("which is not completed".to_owned());
    }
    if !source.tags.ever(window, |it| tags::destinations(it, from).0.contains(region)) {
        let value = tags::get(source.tags.now(), tags::COPY_DEST);
        wrong.push(format!("whose Copy_Dest is {value:?}"));
    }
    wrong
}

/// What the copy does not carry over as it stood on the primary at some time in the window.
fn wrong_carriage(source: &Snap, running: &Running, copy: &Snap) -> Vec<String> {
    let (window, told) = (running.window, copy.tags.now());
    let mut wrong = Vec::new();
    for key in [tags::DELETE_ON, tags::BACKUP_RUN, tags::INSTANCE] {
        let value = tags::get(told, key);
        if !source.tags.ever(window, |it| tags::get(it, key) == value) {
            let expected = tags::get(source.tags.now(), key);
            wrong.push(format!("with the tag {key} {value:?} instead of {expected:?}"));
        }
    }
    if !source.tags.ever(window, |it| tags::is_held(it) == tags::is_held(told)) {
        let how = if tags::is_held(told) { "with" } else { "without" };
        wrong.push(format!("{how} KeepForever, unlike its primary"));
    }
    let layout = tags::layout(told);
    if !source.tags.ever(window, |it| tags::layout(it) == layout) {
        wrong.push(format!("with other {} than its primary", tags::DEVICES));
    }
    wrong
}

/// Counts a copy, and tells if it is one too many. One in `error`, or gone, is not in the way of another one.
pub(super) fn count(
    copied: &mut Copied,
    places: &Places,
    runs: &Runs,
    run: u32,
    (region, id): (&str, &str),
) -> Option<String> {
    let (running, place) = (runs.get(&run)?, places.get(region)?);
    let source = place.snapshots.get(id)?.copy_of.clone()?;
    let copies = copied.entry((region.to_owned(), source.clone())).or_default();
    copies.retain(|id| place.snapshots.contains_key(id));
    copies.push(id.to_owned());
    let is_live = |it: &Snap| it.is_counterpart() && *it.state.now() != State::Error;
    let live = copies.iter().filter(|it| *it == id || place.snapshots.get(*it).is_some_and(is_live)).count();
    if live == 1 {
        return None;
    }
    let (from, primary) = &source;
    let volume = places.get(from).and_then(|place| place.known(primary)).map(|it| it.of.1.as_str());
    // what a run could not know before the oldest of them made none of them
    let began =
        copies.iter().filter_map(|it| place.snapshots.get(it)).filter(|it| is_live(it)).map(|it| it.begun).min();
    let copiers: Vec<&Running> = runs
        .values()
        .filter(|it| it.is(Job::Copier, from) && began.is_none_or(|began| it.may_act_late(began)))
        .collect();
    let doubts: usize = copiers.iter().map(|it| it.doubted(|of| of == primary || Some(of) == volume)).sum();
    // what a copier made that had another one beside it, neither of the two could know
    let beside = copiers.iter().filter(|it| it.begun.run != run && it.overlaps(running)).count();
    let makers: BTreeSet<u32> = copies
        .iter()
        .filter_map(|it| place.snapshots.get(it).filter(|it| is_live(it)))
        .filter_map(|it| if let Who::Run(run) = it.who { Some(run) } else { None })
        .collect();
    let had_one_beside = |it: &&&Running| {
        makers.contains(&it.begun.run)
            && !it.overlaps(running)
            && copiers.iter().any(|other| other.begun.run < it.begun.run && other.overlaps(it))
    };
    let beside = beside + copiers.iter().filter(had_one_beside).count();
    (live > 1 + doubts + beside).then(|| {
        format!(
            "{id} is live copy number {live} of {primary} in {region}, made by {running}, with {doubts} open outcomes \
             and {beside} copiers at the same time: expected {} at most",
            1 + doubts + beside
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, WEST, Watched, day};
    use super::*;

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.backup("snap-a", "vol-a", day(21)).tag("Copy_Dest", "us-west-2").tag("DeleteOn", "2026-11-28");
        scene
    }

    fn copy(scene: &Scene, alter: impl FnOnce(&mut Scene)) -> Watched {
        let mut watched = scene.watch();
        let run = watched.begin(Job::Copier, HOME);
        watched.scene.copy("snap-c", "snap-a");
        alter(&mut watched.scene);
        watched.see(Who::Run(run));
        watched
    }

    #[test]
    fn a_copy_carries_what_it_needs() {
        let cases: [(&str, Option<&str>, &[&str]); 9] = [
            ("Name", Some("web"), &[]),
            ("Type", None, &["tag Type"]),
            ("Source_SnapshotId", Some("snap-b"), &["tag Source_SnapshotId"]),
            ("Source_VolumeId", Some("vol-ffffffff"), &["tag Source_VolumeId"]),
            ("Source_Region", Some(WEST), &["tag Source_Region"]),
            ("DeleteOn", None, &["tag DeleteOn None"]),
            ("Backup_Run", Some("2026-11-22T05:00:00Z"), &["tag Backup_Run"]),
            ("KeepForever", Some(""), &["with KeepForever"]),
            ("Source_Devices", None, &["other Source_Devices"]),
        ];
        for (key, value, expected) in cases {
            let watched = copy(&scene(), |scene| {
                let tags = &mut scene.snapshot(WEST, "snap-c").tags;
                match value {
                    Some(value) => tags.insert(key.to_owned(), value.to_owned()),
                    None => tags.remove(key),
                };
            });
            watched.check(Promise::TaggedFromTheStart, expected);
        }
    }

    /// What somebody does, and what is told.
    type Case = (fn(&mut Scene), &'static [&'static str]);

    #[test]
    fn only_completed_automated_primaries_are_copied_where_they_ask_for_it() {
        let cases: [Case; 4] = [
            (|scene| scene.snapshot(HOME, "snap-a").state = State::Pending, &["not completed"]),
            (
                |scene| {
                    scene.snapshot(HOME, "snap-a").tags.insert("Copy_Dest".to_owned(), "eu-west-1".to_owned());
                },
                &["whose Copy_Dest"],
            ),
            (
                |scene| {
                    scene.snapshot(HOME, "snap-a").tags.insert("KeepForever".to_owned(), String::new());
                },
                &[],
            ),
            (
                |scene| {
                    scene.snapshot(HOME, "snap-a").copy_of = Some((WEST.to_owned(), "snap-w".to_owned()));
                },
                &[],
            ),
        ];
        for (alter, expected) in cases {
            let mut scene = scene();
            alter(&mut scene);
            copy(&scene, |_| {}).check(Promise::TaggedFromTheStart, expected);
        }
        let mut of_a_copy = scene();
        of_a_copy.snapshot(HOME, "snap-a").copy_of = Some((WEST.to_owned(), "snap-w".to_owned()));
        of_a_copy.snapshot(HOME, "snap-a").tags.insert("Source_SnapshotId".to_owned(), "snap-w".to_owned());
        copy(&of_a_copy, |_| {}).check(Promise::TaggedFromTheStart, &["a copy itself"]);
    }

    #[test]
    fn one_each_but_for_failures_doubts_and_copiers_at_the_same_time() {
        let again = |watched: &mut Watched, id: &str| {
            watched.scene.copy(id, "snap-a");
            watched.see(Who::Run(watched.last_run()));
        };
        let mut watched = copy(&scene(), |_| {});
        again(&mut watched, "snap-d");
        watched.check(Promise::OneEach, &["expected 1 at most"]);

        let mut doubted = copy(&scene(), |_| {});
        doubted.oracle.doubts(1, Some("snap-a"));
        again(&mut doubted, "snap-d");
        doubted.check(Promise::OneEach, &[]);

        let mut failed = copy(&scene(), |scene| scene.snapshot(WEST, "snap-c").state = State::Error);
        again(&mut failed, "snap-d");
        failed.check(Promise::OneEach, &[]);

        let mut beside = copy(&scene(), |_| {});
        beside.begin(Job::Copier, HOME);
        again(&mut beside, "snap-d");
        beside.check(Promise::OneEach, &[]);
        again(&mut beside, "snap-e");
        beside.check(Promise::OneEach, &["live copy number 3"]);

        // the later one made no more than it could not know of
        let mut after = copy(&scene(), |_| {});
        after.begin(Job::Copier, HOME);
        again(&mut after, "snap-d");
        for run in [1, 2] {
            after.oracle.end(run, None, None, &after.scene.truth);
        }
        let later = after.begin(Job::Copier, HOME);
        after.oracle.doubts(later, Some("snap-a"));
        again(&mut after, "snap-e");
        after.check(Promise::OneEach, &[]);
        again(&mut after, "snap-f");
        after.check(Promise::OneEach, &["live copy number 4"]);
    }
}
