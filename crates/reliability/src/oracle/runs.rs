//! The runs: what each may have seen, what it did, and what it told.

use super::history::{Moment, Window};
use super::{Begun, Promise, Rules, Told, tags};
use crate::script::{Job, REGIONS};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The promises that were found broken, each in words.
pub(super) type Broken = Vec<(Promise, String)>;

/// The runs by number.
pub(super) type Runs = BTreeMap<u32, Running>;

/// A run, under way or over.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) begun: Begun,
    /// The day of its scheduled instant.
    day: NaiveDate,
    /// What was begun before this and failed may go: somebody has had the time to tell of it.
    pub(super) failed_before: DateTime<Utc>,
    /// From the oldest state that its readings may show.
    pub(super) window: Window,
    began: Moment,
    pub(super) ended: Option<Moment>,
    /// What it made: region and id.
    pub(super) made: Vec<(String, String)>,
    /// What of its region it deleted.
    pub(super) deleted: Vec<String>,
    /// Whether it has asked for a deletion.
    pub(super) has_asked: bool,
    /// Whether it was told already that the brake should have held.
    pub(super) is_past_brake: bool,
    /// The regions that it could not read, before it asked for any deletion.
    pub(super) unread: BTreeSet<String>,
    /// Those of which it could not list the snapshots.
    pub(super) unlisted: BTreeSet<String>,
    pub(super) doubts: Vec<Option<String>>,
    /// The regions in which a call of it that creates had no certain answer.
    pub(super) unanswered: BTreeSet<String>,
    /// The destinations that truly may have taken no more copies while it was at work.
    pub(super) full: BTreeSet<String>,
    /// Whether it told that the brake held, and that may be true.
    pub(super) is_braked: bool,
    /// What it told as unfinished, if it told anything.
    pub(super) unfinished: Vec<(String, String)>,
}

impl Running {
    pub(super) fn new(begun: Begun, began: Moment, rules: &Rules) -> Self {
        Self {
            day: rules.day_of(begun.instant),
            failed_before: begun.instant - rules.rpo,
            window: Window::new(began.at - begun.lag, began),
            begun,
            began,
            ended: None,
            made: Vec::new(),
            deleted: Vec::new(),
            has_asked: false,
            is_past_brake: false,
            unread: BTreeSet::new(),
            unlisted: BTreeSet::new(),
            doubts: Vec::new(),
            unanswered: BTreeSet::new(),
            full: BTreeSet::new(),
            is_braked: false,
            unfinished: Vec::new(),
        }
    }

    /// The day of its scheduled instant.
    pub(super) fn day(&self) -> NaiveDate {
        self.day
    }

    pub(super) fn is(&self, job: Job, region: &str) -> bool {
        self.begun.job == job && self.begun.region == region
    }

    /// Whether it read its own region.
    pub(super) fn read_home(&self) -> bool {
        !self.unread.contains(&self.begun.region)
    }

    /// Whether it could do nothing: it could not read its region, or its time was over before it had, and it says so.
    pub(super) fn came_to_nothing(&self, told: &Told) -> bool {
        let is_why = |why: &str| !self.read_home() || why.contains("deadline came before everything was read");
        !told.succeeded
            && told.applied.is_empty()
            && told.failed.iter().any(|(resource, why)| *resource == self.begun.region && is_why(why))
    }

    /// That it could not read its own region and does not say so, in words.
    pub(super) fn silence_about_home(&self, told: &Told) -> Option<String> {
        let region = &self.begun.region;
        let is_told = !told.succeeded && names(&told.failed, region);
        (!self.read_home() && !is_told).then(|| format!("{self} could not read {region}, and does not say so"))
    }

    /// How often it could not know whether such a thing was made.
    pub(super) fn doubted(&self, such: impl Fn(&str) -> bool) -> usize {
        self.doubts.iter().filter(|of| of.as_deref().is_none_or(&such)).count()
    }

    /// Whether both were under way at the same time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let begins_before_the_end = |a: &Self, b: &Self| b.ended.is_none_or(|end| a.began.order < end.order);
        begins_before_the_end(self, other) && begins_before_the_end(other, self)
    }

    /// Whether a call of it may still take effect.
    pub(super) fn may_act_late(&self, now: DateTime<Utc>) -> bool {
        self.ended.is_none_or(|end| now - end.at <= TimeDelta::hours(1))
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Begun { run, job, region, instant, .. } = &self.begun;
        let job = match job {
            Job::Creator => "creator",
            Job::Copier => "copier",
            Job::Manager => "manager",
            Job::Watcher => "watcher",
        };
        write!(f, "run {run} (the {job} of {} in {region})", tags::stamp(*instant))
    }
}

/// Whether a report's list tells of this id.
pub(super) fn tells_of(list: &[(String, String)], id: &str) -> bool {
    list.iter().any(|(resource, why)| resource == id || mentions(why, id))
}

/// Whether a report's list names this id itself.
pub(super) fn names(list: &[(String, String)], id: &str) -> bool {
    list.iter().any(|(resource, _)| resource == id)
}

/// Whether a report's list names this snapshot as one that is not copied to a region: a cause that tells of other regions
/// alone is none here.
pub(super) fn names_copy(list: &[(String, String)], id: &str, to: &str) -> bool {
    list.iter().any(|(resource, why)| {
        let is_elsewhere = || !mentions(why, to) && REGIONS.iter().any(|region| mentions(why, region));
        resource == id && !is_elsewhere()
    })
}

/// Whether a text has this word: `vol-1` does not stand in `vol-12`.
pub(super) fn mentions(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = text.get(..at).and_then(|it| it.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|it| it.chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, day, rules};
    use super::*;

    fn running(run: u32, from: u64, to: Option<u64>) -> Running {
        let at = |order| Moment { at: day(1), order };
        let (job, region, lag) = (Job::Copier, HOME.to_owned(), TimeDelta::zero());
        let begun = Begun { run, job, region, instant: day(1), lag, has_deadline: false };
        Running { ended: to.map(at), ..Running::new(begun, at(from), &rules()) }
    }

    #[test]
    fn runs_overlap_if_each_began_before_the_other_ended() {
        for (a, b, expected) in [
            ((1, Some(5)), (3, Some(7)), true),
            ((1, Some(5)), (3, None), true),
            ((1, Some(3)), (4, Some(7)), false),
            ((4, None), (1, Some(3)), false),
        ] {
            assert_eq!(running(1, a.0, a.1).overlaps(&running(2, b.0, b.1)), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn an_id_is_a_whole_word() {
        let list = [("i-1".to_owned(), "cannot take vol-12: busy".to_owned())];
        assert!(tells_of(&list, "i-1") && tells_of(&list, "vol-12"));
        assert!(!tells_of(&list, "vol-1") && !tells_of(&list, "i-12"));
    }

    #[test]
    fn a_doubt_about_nothing_in_particular_is_about_all() {
        let mut it = running(1, 1, None);
        it.doubts = vec![None, Some("vol-a".to_owned())];
        assert_eq!(it.doubted(|of| of == "vol-a"), 2);
        assert_eq!(it.doubted(|of| of == "vol-b"), 1);
    }
}
