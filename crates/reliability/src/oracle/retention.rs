//! The tag `Retention`, read as `docs/tags.md` promises, and the days that follow from it.

use chrono::{Datelike, Days, NaiveDate};

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// A number of units.
pub(super) type Term = (Unit, u16);

/// Reads the terms, the finest first.
pub(super) fn read(value: &str) -> Option<Vec<Term>> {
    let mut terms: Vec<Term> = Vec::new();
    for word in value.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        let (unit, count) = term(word)?;
        if terms.iter().any(|(other, _)| *other == unit) {
            return None;
        }
        terms.push((unit, count));
    }
    terms.sort_unstable();
    (!terms.is_empty()).then_some(terms)
}

fn term(word: &str) -> Option<Term> {
    // the longest span is a hundred years
    let (unit, most, digits) = match word.chars().next_back()?.to_ascii_lowercase() {
        'd' => (Unit::Day, 36_525, &word[..word.len() - 1]),
        'w' => (Unit::Week, 5_217, &word[..word.len() - 1]),
        'm' => (Unit::Month, 1_200, &word[..word.len() - 1]),
        'y' => (Unit::Year, 100, &word[..word.len() - 1]),
        _ => (Unit::Day, 36_525, word),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u16 = digits.parse().ok()?;
    (1..=most).contains(&count).then_some((unit, count))
}

/// The day on which a backup of `day` may go by this term. Where the calendar lacks the day, it is the next one.
pub(super) fn until(day: NaiveDate, (unit, count): Term) -> NaiveDate {
    let days = |count: u64| day.checked_add_days(Days::new(count));
    match unit {
        Unit::Day => days(u64::from(count)),
        Unit::Week => days(u64::from(count) * 7),
        Unit::Month => months(day, i32::from(count)),
        Unit::Year => months(day, i32::from(count) * 12),
    }
    .unwrap_or(NaiveDate::MAX)
}

fn months(day: NaiveDate, count: i32) -> Option<NaiveDate> {
    let all = day.year() * 12 + i32::try_from(day.month0()).ok()? + count;
    let month = |all: i32, day: u32| {
        NaiveDate::from_ymd_opt(all.div_euclid(12), u32::try_from(all.rem_euclid(12)).ok()? + 1, day)
    };
    month(all, day.day()).or_else(|| month(all + 1, 1))
}

/// Whether both days are in the same day, ISO week, month or year.
pub(super) fn together(unit: Unit, a: NaiveDate, b: NaiveDate) -> bool {
    match unit {
        Unit::Day => a == b,
        Unit::Week => a.iso_week() == b.iso_week(),
        Unit::Month => (a.year(), a.month()) == (b.year(), b.month()),
        Unit::Year => a.year() == b.year(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_grammar() {
        for (value, expected) in [
            ("7", Some(vec![(Unit::Day, 7)])),
            (" 7D ", Some(vec![(Unit::Day, 7)])),
            ("12m,4w , 7", Some(vec![(Unit::Day, 7), (Unit::Week, 4), (Unit::Month, 12)])),
            ("100y", Some(vec![(Unit::Year, 100)])),
            ("", None),
            ("0", None),
            ("7 d", None),
            ("7d 8d", None),
            ("7 8d", None),
            ("2weeks", None),
            ("101y", None),
            ("70000", None),
            ("+7", None),
            ("7д", None),
        ] {
            assert_eq!(read(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_day_that_the_calendar_lacks_is_the_next_one() {
        for (from, term, expected) in [
            ("2026-11-21", (Unit::Day, 7), "2026-11-28"),
            ("2026-11-21", (Unit::Week, 4), "2026-12-19"),
            ("2026-11-21", (Unit::Month, 3), "2027-02-21"),
            ("2026-12-21", (Unit::Month, 12), "2027-12-21"),
            ("2026-11-21", (Unit::Year, 3), "2029-11-21"),
            ("2026-01-31", (Unit::Month, 1), "2026-03-01"),
            ("2028-02-29", (Unit::Year, 1), "2029-03-01"),
        ] {
            assert_eq!(until(day(from), term), day(expected), "{from} {term:?}");
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        assert!(together(Unit::Week, day("2026-12-28"), day("2027-01-03")));
        assert!(!together(Unit::Week, day("2027-01-03"), day("2027-01-04")));
        assert!(together(Unit::Month, day("2026-11-01"), day("2026-11-30")));
        assert!(!together(Unit::Month, day("2025-11-01"), day("2026-11-01")));
        assert!(
            together(Unit::Year, day("2026-11-01"), day("2026-01-30"))
                && !together(Unit::Day, day("2026-11-01"), day("2026-11-02"))
        );
    }
}
