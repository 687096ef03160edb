//! What the jobs are told by their settings, read as `docs/settings.md` promises.

use super::retention::{self, Term};
use crate::script::Setting;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// By how many minutes the clocks of a time zone are ahead of UTC. None of these has summer time.
const ZONES: [(&str, i64); 4] =
    [("UTC", 0), ("Asia/Tokyo", 9 * 60), ("America/Phoenix", -7 * 60), ("Asia/Kolkata", 5 * 60 + 30)];

/// Up to here the brake lets everything pass.
pub(super) const BRAKE_FROM: usize = 50;

/// What the jobs are told by their settings, and how much AWS takes at once.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Where there is no tag `Retention`, the finest term first.
    pub(super) default_retention: Vec<Term>,
    /// Older than this, a last good backup is a gap.
    pub(super) rpo: TimeDelta,
    /// The brake: a run that deletes more than 50 snapshots and more than this share of the automated ones, in per cent.
    pub(super) most_deleted_percent: usize,
    /// How many copies a region takes at once.
    pub(super) copies_at_once: usize,
    /// How far the clocks that say when a day begins are ahead of UTC.
    ahead: TimeDelta,
}

impl Rules {
    pub(super) fn of(setting: &Setting) -> Self {
        let ahead = ZONES.iter().find(|(name, _)| *name == setting.time_zone).map_or(0, |(_, minutes)| *minutes);
        Self {
            default_retention: retention::read(setting.default_retention).unwrap_or_default(),
            rpo: TimeDelta::hours(setting.rpo_hours.into()),
            most_deleted_percent: setting.max_delete_percent.into(),
            copies_at_once: setting.copies_at_once,
            ahead: TimeDelta::minutes(ahead),
        }
    }

    /// Whether the brake is to hold where so many are to go of so many automated snapshots.
    pub(super) fn brake_holds(&self, going: usize, automated: usize) -> bool {
        going > BRAKE_FROM && going * 100 > automated * self.most_deleted_percent
    }

    /// The day on which an instant falls.
    pub(super) fn day_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        (instant + self.ahead).date_naive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Options, make};

    #[test]
    fn a_day_begins_where_the_time_zone_says() {
        let day = |zone: &'static str, instant: &str| {
            let rules = Rules::of(&Setting { time_zone: zone, ..Setting::default() });
            rules.day_of(instant.parse().unwrap()).to_string()
        };
        for (zone, before, from) in [
            ("UTC", "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"),
            ("Asia/Tokyo", "2026-11-22T14:59:59Z", "2026-11-22T15:00:00Z"),
            ("America/Phoenix", "2026-11-23T06:59:59Z", "2026-11-23T07:00:00Z"),
            ("Asia/Kolkata", "2026-11-22T18:29:59Z", "2026-11-22T18:30:00Z"),
        ] {
            assert_eq!([day(zone, before), day(zone, from)], ["2026-11-22", "2026-11-23"], "{zone}");
        }
    }

    #[test]
    fn whatever_scripts_set_is_known() {
        for setting in (0..400).map(|seed| make(seed, &Options::default()).setting) {
            assert!(ZONES.iter().any(|(name, _)| *name == setting.time_zone), "{}", setting.time_zone);
            assert!(!Rules::of(&setting).default_retention.is_empty(), "{}", setting.default_retention);
        }
    }
}
