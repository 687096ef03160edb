//! After calm and two rounds of all jobs, everything is as promised.

use super::Begun;
use super::manager::may_be_needed;
use super::place::{Enrolled, Place, Places};
use super::retention;
use super::runs::{Running, Runs, names_copy};
use super::snap::Snap;
use super::tags::{self, Choice, Due};
use crate::script::Job;
use crate::truth::{State, Tags};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What is not as promised, in words.
pub(super) fn healed(places: &Places, runs: &Runs, now: DateTime<Utc>) -> Vec<String> {
    let copies = copies(places);
    let mut wrong = Vec::new();
    for (region, place) in places {
        if let Some(creator) = last(runs, Job::Creator, region) {
            wrong.extend(without_backup(place, creator, now));
            wrong.extend(place.snapshots.iter().filter_map(|(id, snap)| undated(place, creator, id, snap)));
        }
        if let Some(copier) = last(runs, Job::Copier, region) {
            wrong.extend(without_copy(places, place, copier, last_before(runs, copier)));
            wrong.extend(copies_not_held(place, copier, &copies));
            wrong.extend(copies_undated(place, copier, &copies));
        }
        if let Some(manager) = last(runs, Job::Manager, region) {
            wrong.extend(lingering(places, place, manager));
        }
    }
    wrong
}

/// The last run of a job, which is over. What came after it began, it could not mend.
fn last<'a>(runs: &'a Runs, job: Job, region: &str) -> Option<&'a Running> {
    runs.values().rfind(|it| it.is(job, region) && it.ended.is_some())
}

/// The last run of the same job in the same region that answered to an earlier instant.
fn last_before<'a>(runs: &'a Runs, last: &Running) -> Option<&'a Running> {
    let Begun { job, region, instant, .. } = &last.begun;
    runs.values().rfind(|it| it.is(*job, region) && it.ended.is_some() && it.begun.instant < *instant)
}

/// The copies that exist and say of what: by destination, origin region and primary.
type Copies<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<(&'a str, &'a Snap)>>;

fn copies(places: &Places) -> Copies<'_> {
    let mut copies = Copies::new();
    for (region, place) in places {
        for (id, snap) in place.snapshots.iter().filter(|(_, snap)| snap.is_counterpart()) {
            if let Some((from, primary)) = &snap.copy_of {
                copies.entry((region.as_str(), from.as_str(), primary.as_str())).or_default().push((id.as_str(), snap));
            }
        }
    }
    copies
}

/// Enrolled volumes without a good backup of the last day.
fn without_backup(place: &Place, creator: &Running, now: DateTime<Utc>) -> Vec<String> {
    let since = now - TimeDelta::hours(24);
    let mut wrong = Vec::new();
    for (volume, _) in place.enrolled.iter().filter(|(_, it)| it.always(creator.window, |it| *it == Enrolled::Yes)) {
        let backups = place.by_volume.get(&(place.name.clone(), volume.clone()));
        let best = backups.and_then(|it| *it.best.now());
        let is_good = matches!(best, Some((true, at)) if at >= since);
        if !is_good && !backups.is_some_and(|it| it.is_confused) {
            let best = best.map(|(good, at)| (if good { "good" } else { "incomplete" }, tags::stamp(at)));
            wrong.push(format!(
                "{volume} in {} is enrolled, and has no good backup of the last day: its best is {best:?}",
                place.name
            ));
        }
    }
    wrong
}

/// Backups of enrolled volumes without a completed copy that they ask for: each volume's newest good one, if the last copier
/// found it, and all that were there when the one before it began.
fn without_copy(places: &Places, place: &Place, copier: &Running, before: Option<&Running>) -> Vec<String> {
    let (window, day) = (copier.window, copier.day());
    let mut newest: BTreeSet<&str> = BTreeSet::new();
    for (volume, _) in place.enrolled.iter().filter(|(_, it)| *it.now() == Enrolled::Yes) {
        let Some(backups) = place.by_volume.get(&(place.name.clone(), volume.clone())) else { continue };
        let mut ids = backups.ids.iter().rev().map(|(_, id)| id.as_str());
        newest.extend(ids.find(|id| {
            place.snapshots.get(*id).is_some_and(|it| {
                place.is_good(it) && it.was_primary(window) && it.state.always(window, |it| *it == State::Completed)
            })
        }));
    }
    let mut copied: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (id, snap) in &place.snapshots {
        let is_newest = newest.contains(id.as_str());
        let window = if is_newest { Some(window) } else { before.map(|it| it.window) };
        let is_enrolled = place.enrolled.get(&snap.of.1).is_some_and(|it| *it.now() == Enrolled::Yes);
        let Some(window) = window.filter(|_| is_enrolled) else { continue };
        let is_wanted = snap.was_primary(window)
            && snap.state.always(window, |it| *it == State::Completed)
            && snap.tags.always(window, |it| tags::is_held(it) || !tags::due(it).has_come(day));
        if !is_wanted {
            continue;
        }
        for to in &tags::destinations(snap.tags.now(), &place.name).0 {
            let asks = snap.tags.always(window, |it| tags::destinations(it, &place.name).0.contains(to));
            let Some((to, there)) = places.get_key_value(to) else { continue };
            // where it truly takes no more at once, the next run goes on
            if !asks || copier.full.contains(to) && names_copy(&copier.unfinished, id, to) {
                continue;
            }
            let there = copied.entry(to.as_str()).or_insert_with(|| copied_to(there, place, copier));
            if !there.contains(id.as_str()) {
                let which = if is_newest { "its newest good backup" } else { "which the last copier but one found" };
                wrong.push(format!("{id} of {} in {}, {which}, has no completed copy in {to}", snap.of.1, place.name));
            }
        }
    }
    wrong
}

/// The primaries of which there is a completed copy, or was any until after the last copier. What the tags of a copy tell
/// counts as well: the copier goes by it.
fn copied_to<'a>(there: &'a Place, home: &Place, copier: &Running) -> BTreeSet<&'a str> {
    let is_one = |snap: &Snap| snap.read.automated && (snap.gone.is_some() || snap.is_completed());
    let sources = |snap: &'a Snap| {
        let truly = snap.copy_of.as_ref().filter(|(from, _)| *from == home.name).map(|(_, id)| id.as_str());
        truly.into_iter().chain(tags::get(snap.tags.now(), tags::SNAPSHOT))
    };
    there.there(copier.window).filter(|(_, snap)| is_one(snap)).flat_map(|(_, snap)| sources(snap)).collect()
}

/// Live copies without the hold that their primary has.
fn copies_not_held(place: &Place, copier: &Running, copies: &Copies<'_>) -> Vec<String> {
    let lacking = copies_lacking(place, copier, copies, tags::is_held, |copy| !tags::is_held(copy));
    let told = |(id, copy, to): Lacking| {
        format!("{id} in {} has KeepForever, and its copy {copy} in {to} has not", place.name)
    };
    lacking.into_iter().map(told).collect()
}

/// Live copies without any `DeleteOn`, though their primary has one that can be read.
fn copies_undated(place: &Place, copier: &Running, copies: &Copies<'_>) -> Vec<String> {
    let is_dated = |primary: &Tags| matches!(tags::due(primary), Due::Day(_));
    let lacking = copies_lacking(place, copier, copies, is_dated, |copy| tags::due(copy) == Due::Unsaid);
    let told = |(id, copy, to): Lacking| {
        format!("{id} in {} has a DeleteOn, and its copy {copy} in {to} has none", place.name)
    };
    lacking.into_iter().map(told).collect()
}

/// A primary, a copy of it, and where that is.
type Lacking = (String, String, String);

/// The live copies that lacked something, and whose primary had it, all the while that the last copier may have looked.
fn copies_lacking(
    place: &Place,
    copier: &Running,
    copies: &Copies<'_>,
    has: impl Fn(&Tags) -> bool,
    lacks: impl Fn(&Tags) -> bool,
) -> Vec<Lacking> {
    let window = copier.window;
    let mut lacking = Vec::new();
    for (id, snap) in &place.snapshots {
        let has_it = snap.was_primary(window)
            && snap.state.always(window, |it| *it == State::Completed)
            && snap.tags.always(window, &has);
        if !has_it {
            continue;
        }
        for to in tags::destinations(snap.tags.now(), &place.name).0 {
            let asks = snap.tags.always(window, |it| tags::destinations(it, &place.name).0.contains(&to));
            let there = copies.get(&(to.as_str(), place.name.as_str(), id.as_str()));
            for (copy, it) in there.into_iter().flatten().filter(|_| asks) {
                let lacks_it = it.state.always(window, |it| *it != State::Error)
                    && it.tags.always(window, |it| tags::is_automated(it) && lacks(it));
                if lacks_it {
                    lacking.push((id.clone(), (*copy).to_owned(), to.clone()));
                }
            }
        }
    }
    lacking
}

/// Automated snapshots that were due before the last manager's day or failed, and that nothing holds.
fn lingering(places: &Places, place: &Place, manager: &Running) -> Vec<String> {
    // where it has reason to, the brake holds until somebody looks
    if manager.is_braked {
        return Vec::new();
    }
    let window = manager.window;
    let is_late = |snap: &Snap| matches!(snap.due(), Due::Day(due) if due < manager.day());
    let lingers = |id: &str, snap: &Snap| {
        (snap.was_due(window, manager.day()) && is_late(snap) || snap.has_failed(window, manager.failed_before))
            && snap.was_free(window)
            && snap.state.always(window, |it| *it != State::Pending)
            && !may_be_needed(places, place, id, snap, window)
    };
    let told = |id: &str, snap: &Snap| {
        format!(
            "{id} of {} ({}) in {}, due on {:?} and held by nothing, is still there",
            snap.of.1,
            snap.of.0,
            place.name,
            snap.due()
        )
    };
    place.snapshots.iter().filter(|(id, snap)| lingers(id, snap)).map(|(id, snap)| told(id, snap)).collect()
}

/// A primary without `DeleteOn`, though its instances have a `Retention` that can be read.
fn undated(place: &Place, creator: &Running, id: &str, snap: &Snap) -> Option<String> {
    let window = creator.window;
    let is_undated = snap.was_primary(window)
        && snap.tags.always(window, |it| !tags::is_held(it) && tags::due(it) == Due::Unsaid && it == snap.tags.now());
    let instance = snap.read.instance.as_ref().filter(|_| is_undated)?;
    let own = place.instances.get(instance)?;
    let says = |it: &Tags| tags::get(it, tags::RETENTION).is_some_and(|value| retention::read(value).is_some());
    let is_asked = own.there.always(window, |there| *there)
        && own.tags.always(window, |it| tags::choice(it) != Choice::Unsaid && says(it));
    let volumes: Vec<&String> = snap.read.set.iter().flatten().chain([&snap.of.1]).collect();
    let mut sharers = place.instances.values().filter(|it| volumes.iter().any(|volume| it.had(volume, window)));
    let all_say = sharers.all(|it| it.tags.always(window, says));
    (is_asked && all_say).then(|| {
        format!(
            "{id} of {} in {} has no DeleteOn, though the Retention of {instance} can be read",
            snap.of.1, place.name
        )
    })
}

#[cfg(test)]
mod tests;
