//! Days, ISO weeks, months and years. All arithmetic is on calendar days; hours, and so daylight-saving shifts, end at
//! [`day_of`].

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The calendar day on which `instant` falls in `zone`.
pub fn day_of(instant: DateTime<Utc>, zone: Tz) -> NaiveDate {
    instant.with_timezone(&zone).date_naive()
}

/// The instant at which `day` begins in `zone`; of a day that the zone skips, midnight in UTC.
pub fn begin_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    // where the clocks go forward at midnight, the day begins an hour later
    [0, 1]
        .iter()
        .find_map(|hours| zone.from_local_datetime(&(midnight + TimeDelta::hours(*hours))).earliest())
        .map_or_else(|| midnight.and_utc(), |instant| instant.to_utc())
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// A calendar day.
    Day,
    /// An ISO week, Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Unit {
    /// Every unit, the finest first.
    pub const ALL: [Unit; 4] = [Unit::Day, Unit::Week, Unit::Month, Unit::Year];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }

    /// The letter by which the tag `Retention` names it.
    pub fn letter(self) -> char {
        match self {
            Unit::Day => 'd',
            Unit::Week => 'w',
            Unit::Month => 'm',
            Unit::Year => 'y',
        }
    }

    /// Whether both days lie in the same day, ISO week, month or year.
    pub fn same(self, a: NaiveDate, b: NaiveDate) -> bool {
        match self {
            Unit::Day => a == b,
            Unit::Week => a.iso_week() == b.iso_week(),
            Unit::Month => (a.year(), a.month()) == (b.year(), b.month()),
            Unit::Year => a.year() == b.year(),
        }
    }

    /// The day `count` units after `day`. Where the calendar has no such day (31 January and a month, 29 February and
    /// a year) it is the next day that there is: what is kept is never kept too short.
    pub fn after(self, day: NaiveDate, count: u16) -> NaiveDate {
        let count = u32::from(count);
        match self {
            Unit::Day => day.checked_add_days(Days::new(count.into())),
            Unit::Week => day.checked_add_days(Days::new(u64::from(count) * 7)),
            Unit::Month => months_after(day, count),
            Unit::Year => months_after(day, count * 12),
        }
        .unwrap_or(NaiveDate::MAX)
    }
}

fn months_after(day: NaiveDate, months: u32) -> Option<NaiveDate> {
    let clamped = day.checked_add_months(Months::new(months))?;
    if clamped.day() == day.day() { Some(clamped) } else { clamped.succ_opt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_where_the_time_zone_says() {
        for (instant, zone, expected) in [
            ("2026-11-21T05:00:00Z", "UTC", "2026-11-21"),
            ("2026-11-21T05:00:00Z", "America/Los_Angeles", "2026-11-20"),
            ("2026-11-21T23:30:00Z", "Europe/Berlin", "2026-11-22"),
            // the hours around the shifts to and from daylight-saving time
            ("2026-03-29T00:59:59Z", "Europe/Berlin", "2026-03-29"),
            ("2026-03-28T22:59:59Z", "Europe/Berlin", "2026-03-28"),
            ("2026-03-29T22:00:00Z", "Europe/Berlin", "2026-03-30"),
            ("2026-10-25T22:59:59Z", "Europe/Berlin", "2026-10-25"),
            ("2026-10-25T23:00:00Z", "Europe/Berlin", "2026-10-26"),
            // a zone that skipped a whole day
            ("2011-12-30T09:59:59Z", "Pacific/Apia", "2011-12-29"),
            ("2011-12-30T10:00:00Z", "Pacific/Apia", "2011-12-31"),
        ] {
            let zone: Tz = zone.parse().unwrap();
            assert_eq!(day_of(instant.parse().unwrap(), zone), day(expected), "{instant} in {zone}");
        }
    }

    #[test]
    fn a_day_begins_at_its_first_instant() {
        for (day_begun, zone, instant) in [
            ("2026-11-21", "UTC", "2026-11-21T00:00:00Z"),
            ("2026-11-21", "America/Los_Angeles", "2026-11-21T08:00:00Z"),
            // the clocks go forward at midnight
            ("2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z"),
        ] {
            assert_eq!(begin_of(day(day_begun), zone.parse().unwrap()), instant.parse::<DateTime<Utc>>().unwrap());
        }
    }

    #[test]
    fn adding_a_month_or_year_never_comes_too_early() {
        for (from, unit, count, expected) in [
            ("2026-11-21", Unit::Day, 7, "2026-11-28"),
            ("2026-12-28", Unit::Week, 4, "2027-01-25"),
            ("2026-11-30", Unit::Month, 3, "2027-03-01"),
            ("2027-11-30", Unit::Month, 3, "2028-03-01"),
            ("2027-11-29", Unit::Month, 3, "2028-02-29"),
            ("2026-01-31", Unit::Month, 1, "2026-03-01"),
            ("2026-01-31", Unit::Month, 12, "2027-01-31"),
            ("2026-12-31", Unit::Month, 2, "2027-03-01"),
            ("2028-02-29", Unit::Year, 1, "2029-03-01"),
            ("2028-02-29", Unit::Year, 4, "2032-02-29"),
        ] {
            assert_eq!(unit.after(day(from), count), day(expected), "{from} + {count}{}", unit.letter());
        }
    }

    #[test]
    fn weeks_are_iso_weeks_across_the_turn_of_the_year() {
        for (a, b, unit, same) in [
            ("2026-12-28", "2027-01-03", Unit::Week, true),
            ("2027-01-03", "2027-01-04", Unit::Week, false),
            ("2024-12-30", "2025-01-05", Unit::Week, true),
            ("2026-01-05", "2027-01-04", Unit::Week, false),
            ("2026-11-01", "2026-11-30", Unit::Month, true),
            ("2025-11-01", "2026-11-01", Unit::Month, false),
            ("2026-01-01", "2026-12-31", Unit::Year, true),
            ("2026-12-31", "2027-01-01", Unit::Year, false),
            ("2026-11-21", "2026-11-21", Unit::Day, true),
            ("2026-11-21", "2026-11-22", Unit::Day, false),
        ] {
            assert_eq!(unit.same(day(a), day(b)), same, "{a}, {b}, {unit:?}");
        }
    }
}
