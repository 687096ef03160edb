//! At the end of a creator's run: each enrolled volume was taken, or the report tells that it was not.

use super::history::{History, Window};
use super::place::Place;
use super::runs::{Broken, Running, mentions, names};
use super::tags::{self, Choice, Due};
use super::{Promise, Told, retention};
use crate::truth::Tags;
use std::collections::BTreeSet;

/// A creator's run is over, and told this.
pub(super) fn ended(place: &Place, running: &Running, told: &Told, broken: &mut Broken) {
    if running.came_to_nothing(told) {
        return;
    }
    let window = running.window;
    for (instance, it) in place.instances.iter().filter(|(_, it)| it.asks(window)) {
        let wanted: BTreeSet<&String> = it
            .devices
            .now()
            .values()
            .filter(|volume| it.has(volume, window) && !place.was_left_out(volume, window))
            .collect();
        let (taken, missing): (Vec<&String>, Vec<&String>) =
            wanted.into_iter().partition(|volume| is_taken(place, running, volume));
        for volume in missing {
            if is_told(place, running, told, instance, volume) {
                continue;
            }
            let what = format!(
                "{running} has no snapshot of {volume} of {instance}, which was enrolled throughout, and its \
                 report does not say so"
            );
            if taken.is_empty() {
                broken.push((Promise::NothingInSilence, what));
            } else {
                broken.push((Promise::SetsAreWhole, format!("{what}, though it has {taken:?}")));
            }
        }
    }
    unreadable(place, running, told, Promise::NothingInSilence, broken);
}

/// Whether this run, or another one of the same instant, has a snapshot of the volume, in whatever state.
fn is_taken(place: &Place, running: &Running, volume: &str) -> bool {
    let run = tags::stamp(running.begun.instant);
    let key = (place.name.clone(), run);
    place.by_run.get(&key).is_some_and(|members| members.contains_key(volume))
        || place.there(running.window).any(|(_, snap)| {
            let is_of_run = |it: &Tags| tags::get(it, tags::BACKUP_RUN) == Some(key.1.as_str());
            snap.of.1 == volume && snap.copy_of.is_none() && snap.tags.ever(running.window, is_of_run)
        })
}

/// Whether the report tells of the volume, or of an instance that has it.
fn is_told(place: &Place, running: &Running, told: &Told, instance: &str, volume: &str) -> bool {
    let had = place.instances.iter().filter(|(_, it)| it.had(volume, running.window)).map(|(id, _)| id.as_str());
    let ids: Vec<&str> = had.chain([instance, volume]).collect();
    // of all reasons to leave alone what was to be taken only one can be true: that it, or who was to be taken with it, had
    // gone
    if ids.iter().any(|id| names(&told.kept, id) && was_gone(place, id, running.window)) {
        return true;
    }
    !told.succeeded && ids.iter().any(|id| names(&told.failed, id) || names(&told.unfinished, id))
}

/// Whether the instance or volume was not there at some time.
fn was_gone(place: &Place, id: &str, window: Window) -> bool {
    match place.instances.get(id) {
        Some(it) => !it.there.always(window, |there| *there),
        None => place.volumes.get(id).is_none_or(|it| !it.existed(window)),
    }
}

/// Tags of instances that cannot be read, and are not told of.
pub(super) fn unreadable(place: &Place, running: &Running, told: &Told, promise: Promise, broken: &mut Broken) {
    let window = running.window;
    for (instance, it) in &place.instances {
        let is_asked = it.there.always(window, |there| *there)
            && it.tags.always(window, |it| matches!(tags::choice(it), Choice::Yes | Choice::Unreadable));
        if !is_asked {
            continue;
        }
        for key in [tags::BACKUP, tags::RETENTION, tags::COPY_DEST] {
            let is_told = |(kind, resource, what): &(String, String, String)| {
                kind == "unreadable_tag" && resource == instance && mentions(what, key)
            };
            if it.tags.always(window, |it| cannot_be_read(it, key, &place.name)) && !told.findings.iter().any(is_told) {
                let value = tags::get(it.tags.now(), key);
                let what =
                    format!("{running} does not tell that the tag {key} of {instance}, {value:?}, cannot be read");
                broken.push((promise, what));
            }
        }
    }
}

fn cannot_be_read(it: &Tags, key: &str, region: &str) -> bool {
    match key {
        tags::BACKUP => tags::choice(it) == Choice::Unreadable,
        tags::COPY_DEST => tags::destinations(it, region).1,
        _ => tags::get(it, key).is_some_and(|value| retention::read(value).is_none()),
    }
}

/// Whether the tag `DeleteOn` was there throughout, and could not be read.
pub(super) fn has_unreadable_day(it: &History<Tags>, window: Window) -> bool {
    it.always(window, |it| tags::is_automated(it) && !tags::is_held(it) && tags::due(it) == Due::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, day, done, findings, list};
    use super::super::{Promise, Told, Who};
    use crate::script::Job;

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.instance("i-a", &[("Backup", "Yes")], &["vol-a", "vol-b"]);
        scene
    }

    #[track_caller]
    fn check(scene: &Scene, taken: &[&str], told: &Told, promise: Promise, expected: &[&str]) {
        let mut watched = scene.watch();
        let run = watched.begin(Job::Creator, HOME);
        for volume in taken {
            let id = format!("snap-{volume}");
            watched.scene.backup(&id, volume, day(22)).set("vol-a vol-b").tag("DeleteOn", "2026-11-29");
            watched.see(Who::Run(run));
        }
        watched.end(told);
        watched.check(promise, expected);
    }

    #[test]
    fn each_enrolled_volume_is_taken_or_told_of() {
        let failed = |of: &str| Told {
            failed: list(&[(of, "busy")]),
            findings: findings(&[("x", "y", "z")]),
            ..Told::default()
        };
        let kept = |why: &str| Told { kept: list(&[("i-a", why)]), ..done() };
        let none: &[&str] = &[];
        let both: &[&str] = &["vol-a", "vol-b"];
        let silence = Promise::NothingInSilence;
        check(&scene(), both, &done(), silence, &[]);
        check(&scene(), none, &done(), silence, both);
        check(&scene(), none, &failed("i-a"), silence, &[]);
        check(&scene(), none, &failed("vol-a"), silence, &["vol-b"]);
        check(&scene(), none, &failed("i-x"), silence, both);
        check(&scene(), none, &kept("gone meanwhile"), silence, both);
        check(&scene(), none, &kept("Backup=No"), silence, both);
        check(&scene(), none, &kept("this run has it already"), silence, both);
        check(&scene(), none, &failed(HOME), silence, both);
        let too_late = list(&[(HOME, "the deadline came before everything was read: nothing was done")]);
        check(&scene(), none, &Told { failed: too_late, ..Told::default() }, silence, &[]);
    }

    #[test]
    fn what_has_gone_is_gone_in_truth() {
        for (id, expected) in [("i-b", 0), ("i-a", 1)] {
            let mut scene = Scene::new();
            for instance in ["i-a", "i-b"] {
                scene.instance(instance, &[("Backup", "Yes")], &["vol-a"]);
            }
            let mut watched = scene.watch();
            watched.begin(Job::Creator, HOME);
            let gone = watched.scene.home().instances.get_mut("i-b").unwrap();
            gone.is_there = false;
            gone.devices.clear();
            watched.see(Who::Operator);
            watched.end(&Told { kept: list(&[(id, "gone meanwhile")]), ..done() });
            watched.check(Promise::NothingInSilence, &vec!["no snapshot of vol-a of i-a"; expected]);
        }
    }

    #[test]
    fn half_a_set_is_told_of() {
        check(&scene(), &["vol-a"], &done(), Promise::SetsAreWhole, &["no snapshot of vol-b of i-a"]);
        let told = Told { failed: list(&[("vol-b", "busy")]), ..Told::default() };
        let told = Told { applied: vec![("i-a".to_owned(), vec!["snap-vol-a".to_owned()])], ..told };
        check(&scene(), &["vol-a"], &told, Promise::SetsAreWhole, &[]);
    }

    #[test]
    fn what_is_left_out_is_not_missed() {
        let mut scene = scene();
        scene.tag_volume("vol-b", "Backup", "no");
        check(&scene, &["vol-a"], &done(), Promise::SetsAreWhole, &[]);
        scene.tag_instance("i-a", "Backup", "no");
        check(&scene, &[], &done(), Promise::NothingInSilence, &[]);
    }

    #[test]
    fn tags_that_cannot_be_read_are_told_of() {
        for (key, value) in [("Backup", "Yse"), ("Retention", "2weeks"), ("Copy_Dest", "mars")] {
            let mut scene = scene();
            scene.tag_instance("i-a", key, value);
            let told = Told { failed: list(&[("i-a", "busy")]), ..Told::default() };
            check(&scene, &[], &told, Promise::NothingInSilence, &[format!("tag {key} of i-a").as_str()]);
            let what = format!("tag {key} is \"{value}\"");
            let told = Told { findings: findings(&[("unreadable_tag", "i-a", what.as_str())]), ..told };
            check(&scene, &[], &told, Promise::NothingInSilence, &[]);
            scene.tag_instance("i-a", "Backup", "no");
            check(&scene, &[], &done(), Promise::NothingInSilence, &[]);
        }
    }
}
