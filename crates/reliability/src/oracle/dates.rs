//! The day from which a backup may be deleted, as the tags `Retention` of its instance and its sharers give it.

use super::Rules;
use super::history::Window;
use super::place::{Instance, Place};
use super::retention::{self, Term};
use super::snap::Snap;
use super::tags::{self, Due};
use crate::truth::Tags;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// The days that are right for a backup.
#[derive(Debug)]
pub(super) struct Dates {
    /// Any of these, as some tag stood at some time in the window.
    pub(super) days: BTreeSet<NaiveDate>,
    /// Whether it may be undated, for a tag could not be read at some time.
    pub(super) may_lack: bool,
    /// Whether it must be undated, for its own instance's tag could not be read throughout.
    pub(super) must_lack: bool,
    /// Not before this day.
    pub(super) at_least: Option<NaiveDate>,
}

/// What the tags of `instance`, and of those that share volumes with it, give for a backup of `day`.
pub(super) fn of(place: &Place, rules: &Rules, window: Window, instance: &str, id: &str, day: NaiveDate) -> Dates {
    let mut dates = Dates { days: BTreeSet::new(), may_lack: false, must_lack: false, at_least: None };
    let (Some(own), Some(snap)) = (place.instances.get(instance), place.snapshots.get(id)) else { return dates };
    let mut volumes: BTreeSet<&str> =
        own.devices.within(window).flat_map(BTreeMap::values).map(String::as_str).collect();
    volumes.extend(snap.read.set.iter().flatten().map(String::as_str));
    volumes.insert(&snap.of.1);
    let shares =
        |it: &Instance| it.devices.ever(window, |devices| devices.values().any(|it| volumes.contains(it.as_str())));
    dates.must_lack = own.tags.always(window, |it| terms(it, rules).is_none());
    for (name, it) in &place.instances {
        let is_own = name == instance;
        if !is_own && !shares(it) {
            continue;
        }
        let mut soonest = None;
        let mut is_readable = true;
        for tags in it.tags.within(window) {
            let Some(terms) = terms(tags, rules) else {
                is_readable = false;
                continue;
            };
            dates.days.extend(terms.iter().map(|term| retention::until(day, *term)));
            let asked = at_least(place, rules, (id, snap), window, day, &terms);
            soonest = Some(soonest.map_or(asked, |other: NaiveDate| other.min(asked)));
        }
        dates.may_lack |= !is_readable;
        // what another instance asks for counts for certain where it shares this very volume
        let counts = is_own || (it.asks(window) && it.has(&snap.of.1, window));
        if counts && is_readable {
            dates.at_least = dates.at_least.max(soonest);
        }
    }
    dates
}

/// The terms that these tags ask for; `None` if they cannot be read.
fn terms(tags: &Tags, rules: &Rules) -> Option<Vec<Term>> {
    match tags::get(tags, tags::RETENTION) {
        None => Some(rules.default_retention.clone()),
        Some(value) => retention::read(value),
    }
}

/// The day before which these terms do not let a backup go: the finest term's, or that of a coarser one which nothing
/// else can cover.
fn at_least(
    place: &Place,
    rules: &Rules,
    (id, snap): (&str, &Snap),
    window: Window,
    day: NaiveDate,
    terms: &[Term],
) -> NaiveDate {
    let mut least = terms.first().map_or(day, |finest| retention::until(day, *finest));
    for term in terms.iter().skip(1) {
        let until = retention::until(day, *term);
        if until > least && !may_be_covered(place, rules, (id, snap), window, day, *term) {
            least = until;
        }
    }
    least
}

/// Whether another backup of the volume may have covered the week, month or year.
fn may_be_covered(
    place: &Place,
    rules: &Rules,
    (id, snap): (&str, &Snap),
    window: Window,
    day: NaiveDate,
    term: Term,
) -> bool {
    let covers = |other: &Snap| {
        let taken = rules.day_of(other.read.taken);
        let lives = |it: &Tags| match tags::due(it) {
            Due::Day(due) => due >= retention::until(taken, term),
            // undated ones are dated in the same run
            Due::Unsaid | Due::Unreadable => true,
        };
        other.of == snap.of
            && retention::together(term.0, taken, day)
            && other.state.ever(window, |it| *it == crate::truth::State::Completed)
            && other.tags.ever(window, |it| tags::is_automated(it) && (tags::is_held(it) || lives(it)))
    };
    place.there(window).any(|(name, other)| name != id && covers(other))
}
