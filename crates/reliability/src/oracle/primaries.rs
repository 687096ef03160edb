//! No primary ever exists without the tags that its later life needs, and each volume is taken once in a run.

use super::dates;
use super::history::Window;
use super::place::{Instance, Place, Places};
use super::runs::{Broken, Running, Runs};
use super::snap::Snap;
use super::tags::{self, Choice, Due};
use super::{Promise, Rules};
use crate::script::Job;
use crate::truth::Tags;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// How many primaries were made by runs: by region, volume and `Backup_Run`.
pub(super) type Taken = BTreeMap<(String, String, String), usize>;

/// The run that made a primary by a call that took effect late: of those that may have, one that could not know.
pub(super) fn made_late(runs: &Runs, region: &str, snap: &Snap, now: DateTime<Utc>) -> Option<u32> {
    let told = snap.tags.now();
    let (run, instance) = (tags::get(told, tags::BACKUP_RUN)?, tags::get(told, tags::INSTANCE));
    let may_have =
        |it: &Running| it.is(Job::Creator, region) && it.may_act_late(now) && tags::stamp(it.begun.instant) == run;
    let made: Vec<&Running> = runs.values().filter(|it| may_have(it)).collect();
    let open = made.iter().find(|it| it.doubted(|of| of == snap.of.1 || Some(of) == instance) > 0);
    open.or(made.first()).map(|it| it.begun.run)
}

/// A primary has appeared by this run.
pub(super) fn appeared(place: &Place, rules: &Rules, running: &Running, id: &str, broken: &mut Broken) {
    let Some(snap) = place.snapshots.get(id) else { return };
    let volume = &snap.of.1;
    let mut wrong: Vec<String> = Vec::new();
    if !running.is(Job::Creator, &place.name) {
        wrong.push("but only the creator of the region takes snapshots".to_owned());
    }
    let mut expect = |key: &str, expected: Option<&str>| {
        let value = tags::get(snap.tags.now(), key);
        if value != expected {
            wrong.push(format!("with the tag {key} {value:?} instead of {expected:?}"));
        }
    };
    expect(tags::TYPE, Some(tags::AUTOMATED));
    expect(tags::BACKUP_RUN, Some(tags::stamp(running.begun.instant).as_str()));
    expect(tags::REGION, Some(place.name.as_str()));
    expect(tags::SNAPSHOT, None);
    match tags::get(snap.tags.now(), tags::INSTANCE) {
        None => wrong.push(format!("without the tag {}", tags::INSTANCE)),
        Some(instance) => {
            wrong.extend(wrong_instance(place, running.window, instance, volume));
            wrong.extend(wrong_layout(place, running.window, instance, snap));
            wrong.extend(wrong_day(place, rules, running, instance, id));
        }
    }
    let what = format!("{running} took {id} of {volume} in {}", place.name);
    broken.extend(wrong.into_iter().map(|why| (Promise::TaggedFromTheStart, format!("{what} {why}"))));
}

/// A primary that is gone, or was told otherwise by an operator, is not in the way of another one.
pub(super) fn uncount(taken: &mut Taken, region: &str, snap: &Snap, before: &Tags) {
    let Some(run) = tags::get(before, tags::BACKUP_RUN) else { return };
    if let Some(count) = taken.get_mut(&(region.to_owned(), snap.of.1.clone(), run.to_owned())) {
        *count = count.saturating_sub(1);
    }
}

/// Counts a primary, and tells if it is one too many.
pub(super) fn count(taken: &mut Taken, places: &Places, runs: &Runs, region: &str, id: &str) -> Option<String> {
    let place = places.get(region)?;
    let snap = place.snapshots.get(id)?;
    let (volume, run) = (&snap.of.1, tags::get(snap.tags.now(), tags::BACKUP_RUN)?);
    let count = taken.entry((region.to_owned(), volume.clone(), run.to_owned())).or_default();
    *count += 1;
    if *count == 1 {
        return None;
    }
    let had = |of: &str| {
        let of_instance = |it: &Instance| it.devices.all().any(|it| it.values().any(|it| it == volume));
        of == volume || place.instances.get(of).is_some_and(of_instance)
    };
    let of_this_run = |it: &&Running| it.is(Job::Creator, region) && tags::stamp(it.begun.instant) == run;
    let doubts: usize = runs.values().filter(of_this_run).map(|it| it.doubted(had)).sum();
    (*count > 1 + doubts).then(|| {
        format!(
            "{id} is snapshot number {count} of {volume} in {region} for {run}, with {doubts} open \
             outcomes: expected {} at most",
            1 + doubts
        )
    })
}

fn wrong_instance(place: &Place, window: Window, instance: &str, volume: &str) -> Option<String> {
    let Some(it) = place.instances.get(instance) else {
        return Some(format!("for {instance}, which does not exist"));
    };
    if !it.had(volume, window) {
        return Some(format!("for {instance}, to which it was not attached"));
    }
    let asked = it.tags.ever(window, |it| tags::choice(it) == Choice::Yes);
    (!asked).then(|| format!("for {instance}, which has no Backup=Yes"))
}

fn wrong_layout(place: &Place, window: Window, instance: &str, snap: &Snap) -> Option<String> {
    let it = place.instances.get(instance)?;
    let told = snap.tags.now();
    let Some(devices) = tags::layout(told) else {
        return Some(format!("with {} {:?}, which cannot be read", tags::DEVICES, tags::get(told, tags::DEVICES)));
    };
    // one that was attached meanwhile is taken with the others, and nobody could know
    let could_know = it.has_had(&snap.of.1, window);
    if could_know && !devices.iter().any(|device| device.volume == snap.of.1 && !device.excluded) {
        return Some(format!("with {} that do not list it", tags::DEVICES));
    }
    let as_told: BTreeSet<(&str, &str)> = devices.iter().map(|it| (it.name.as_str(), it.volume.as_str())).collect();
    let is_true = |true_ones: &BTreeMap<String, String>| {
        true_ones.len() == as_told.len()
            && true_ones.iter().all(|(name, volume)| as_told.contains(&(name.as_str(), volume.as_str())))
    };
    if devices.len() != as_told.len() || !it.devices.ever(window, is_true) {
        return Some(format!("with {} {as_told:?} instead of {:?}", tags::DEVICES, it.devices.now()));
    }
    let wrong = devices.iter().find(|device| {
        if device.excluded {
            place.volumes.contains_key(&device.volume) && !place.was_left_out(&device.volume, window)
        } else {
            place.is_left_out(&device.volume, window)
        }
    })?;
    let is = if wrong.excluded { "as left out, which it is not" } else { "as taken, though it has Backup=No" };
    Some(format!("with {} that tell of {} {is}", tags::DEVICES, wrong.volume))
}

fn wrong_day(place: &Place, rules: &Rules, running: &Running, instance: &str, id: &str) -> Option<String> {
    place.instances.get(instance)?;
    let tags = place.snapshots.get(id)?.tags.now();
    let dates = dates::of(place, rules, running.window, instance, id, running.day());
    let value = tags::get(tags, tags::DELETE_ON);
    match tags::due(tags) {
        Due::Unsaid if dates.may_lack => None,
        Due::Unsaid => Some(format!(
            "without DeleteOn, though the Retention of {instance} can be read: expected one of {:?}",
            dates.days
        )),
        Due::Unreadable => Some(format!("with the unreadable DeleteOn {value:?}")),
        Due::Day(day) if dates.must_lack => {
            Some(format!("with DeleteOn {day}, though the Retention of {instance} cannot be read: expected none"))
        }
        Due::Day(day) if !dates.days.contains(&day) => {
            Some(format!("with DeleteOn {day}: the Retention of {instance} gives one of {:?}", dates.days))
        }
        Due::Day(day) => {
            let could_know = place.instances.get(instance)?.has_had(&place.snapshots.get(id)?.of.1, running.window);
            let least = dates.at_least.filter(|least| could_know && day < *least)?;
            Some(format!("with DeleteOn {day}: the Retention of {instance} gives {least} at least"))
        }
    }
}

/// A run has changed the tags of a snapshot: only a day may be added by the creator, and by the copier what a copy
/// lacks.
pub(super) fn retagged(
    places: &Places,
    rules: &Rules,
    running: &Running,
    region: &str,
    (id, before): (&str, &Tags),
    broken: &mut Broken,
) {
    let Some((place, snap)) = places.get(region).and_then(|place| Some((place, place.snapshots.get(id)?))) else {
        return;
    };
    let now = snap.tags.now();
    let source = snap.copy_of.as_ref().and_then(|(region, id)| places.get(region)?.known(id));
    let (is_creator, is_copier) = match running.begun.job {
        Job::Creator => (true, false),
        Job::Copier => (false, true),
        Job::Manager | Job::Watcher => (false, false),
    };
    let mut wrong: Vec<String> = Vec::new();
    if !tags::is_automated(before) {
        wrong.push("which is not automated".to_owned());
    }
    for key in before.keys().filter(|key| !now.contains_key(*key)) {
        wrong.push(format!("and takes {key} away"));
    }
    for (key, value) in now.iter().filter(|(key, value)| before.get(*key) != Some(*value)) {
        let is_from_source =
            |source: &Snap| source.tags.ever(running.window, |it| tags::get(it, key) == Some(value.as_str()));
        // any value keeps, so that one may be written over another
        let may = (!before.contains_key(key) || key == tags::KEEP_FOREVER)
            && match key.as_str() {
                tags::DELETE_ON if snap.copy_of.is_none() => is_creator && running.begun.region == region,
                tags::DELETE_ON => is_copier && source.is_none_or(is_from_source),
                tags::KEEP_FOREVER => {
                    let held = |source: &Snap| source.tags.ever(running.window, tags::is_held);
                    is_copier && snap.copy_of.is_some() && source.is_none_or(held)
                }
                _ => false,
            };
        if !may {
            wrong.push(format!("and sets {key} to {value:?}, which was {:?}", before.get(key)));
        }
    }
    let what = format!("{running} changes the tags of {id} in {region},");
    broken.extend(wrong.into_iter().map(|why| (Promise::DeletesOnlyWhatMayGo, format!("{what} {why}"))));
    if let Some(why) = wrong_later_day(place, rules, running, id, before) {
        broken.push((Promise::TaggedFromTheStart, format!("{what} {why}")));
    }
}

/// The tags of a snapshot were changed by a call that took effect late: what is wrong, whichever of the runs that may have
/// made it did so.
pub(super) fn retagged_late(
    places: &Places,
    rules: &Rules,
    runs: &Runs,
    region: &str,
    (id, before): (&str, &Tags),
    now: DateTime<Utc>,
) -> Broken {
    let may_tag = |it: &Running| it.is(Job::Creator, region) || it.begun.job == Job::Copier;
    let mut first = None;
    for running in runs.values().rev().filter(|it| may_tag(it) && it.may_act_late(now)) {
        let mut broken = Broken::new();
        retagged(places, rules, running, region, (id, before), &mut broken);
        if broken.is_empty() {
            return broken;
        }
        first = first.or(Some(broken));
    }
    first.unwrap_or_else(|| {
        let what = format!("{id} in {region} has other tags than before, and no run can have set them");
        vec![(Promise::DeletesOnlyWhatMayGo, what)]
    })
}

/// What is wrong with the day that a primary got after it was made.
fn wrong_later_day(place: &Place, rules: &Rules, running: &Running, id: &str, before: &Tags) -> Option<String> {
    let snap = place.snapshots.get(id).filter(|snap| snap.copy_of.is_none())?;
    let instance = snap.read.instance.as_deref().filter(|it| place.instances.contains_key(*it))?;
    let now = snap.tags.now();
    if before.contains_key(tags::DELETE_ON) || !now.contains_key(tags::DELETE_ON) {
        return None;
    }
    let taken = rules.day_of(snap.read.taken);
    let dates = dates::of(place, rules, running.window, instance, id, taken);
    match tags::due(now) {
        Due::Day(day) if dates.days.contains(&day) => None,
        Due::Day(_) | Due::Unreadable | Due::Unsaid => Some(format!(
            "and dates it {:?}: for a backup of {taken} the Retention of {instance} gives one of {:?}",
            tags::get(now, tags::DELETE_ON),
            dates.days
        )),
    }
}

#[cfg(test)]
mod tests {
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
}
