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

/// The primaries that runs made and that are in the way of others: by region and volume, and by the instant of the event to
/// which the run answered, whatever it wrote.
pub(super) type Taken = BTreeMap<(String, String), BTreeMap<DateTime<Utc>, BTreeSet<String>>>;

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
pub(super) fn uncount(taken: &mut Taken, region: &str, id: &str, snap: &Snap) {
    if let Some(of_volume) = taken.get_mut(&(region.to_owned(), snap.of.1.clone())) {
        for ids in of_volume.values_mut() {
            ids.remove(id);
        }
    }
}

/// Counts a primary made by a run that answered to the event of this instant, and tells if it is one too many.
pub(super) fn count(
    taken: &mut Taken,
    places: &Places,
    runs: &Runs,
    event: DateTime<Utc>,
    (region, id): (&str, &str),
) -> Option<String> {
    let place = places.get(region)?;
    let volume = &place.snapshots.get(id)?.of.1;
    let of_event = taken.entry((region.to_owned(), volume.clone())).or_default().entry(event).or_default();
    of_event.insert(id.to_owned());
    let count = of_event.len();
    if count == 1 {
        return None;
    }
    let had = |of: &str| {
        let of_instance = |it: &Instance| it.devices.all().any(|it| it.values().any(|it| it == volume));
        of == volume || place.instances.get(of).is_some_and(of_instance)
    };
    let of_this_event = |it: &&Running| it.is(Job::Creator, region) && it.begun.instant == event;
    let doubts: usize = runs.values().filter(of_this_event).map(|it| it.doubted(had)).sum();
    (count > 1 + doubts).then(|| {
        format!(
            "{id} is snapshot number {count} of {volume} in {region} for {}, with {doubts} open outcomes: expected {} \
             at most",
            tags::stamp(event),
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
mod tests;
