//! How long to keep a backup: the grammar of the tag `Retention` and the day that follows from it.

use std::{collections::BTreeMap, fmt, num::NonZeroU16, str::FromStr};

use chrono::NaiveDate;

use crate::{calendar::Unit, tags};

/// The longest span that is taken for meant: a hundred years, in days.
const MAX_DAYS: u32 = 36_525;

/// What was asked for, such as `7d 4w 12m`: the finest term holds for every backup, each coarser one for the first
/// good backup of its week, month or year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention(BTreeMap<Unit, NonZeroU16>);

impl Retention {
    /// Every backup for `days` days.
    pub fn days(days: NonZeroU16) -> Self {
        Self(BTreeMap::from([(Unit::Day, days)]))
    }

    /// The first day on which a backup taken on `day` may be deleted, and the unit of which the backup is the first good
    /// one, if that is why.
    ///
    /// `covered` tells of a coarser term whether the week, month or year of `day` has another good backup that lives
    /// at least until its own day plus this span.
    pub fn decide(
        &self,
        day: NaiveDate,
        mut covered: impl FnMut(Unit, NonZeroU16) -> bool,
    ) -> (NaiveDate, Option<Unit>) {
        let mut decision = (NaiveDate::MIN, None);
        for (rank, (unit, count)) in self.0.iter().enumerate() {
            let until = unit.after(day, count.get());
            if until > decision.0 && (rank == 0 || !covered(*unit, *count)) {
                decision = (until, (rank > 0).then_some(*unit));
            }
        }
        decision
    }
}

impl FromStr for Retention {
    type Err = NotARetention;

    fn from_str(text: &str) -> Result<Self, NotARetention> {
        let refuse = || NotARetention(text.to_owned());
        let mut terms = BTreeMap::new();
        for term in text.split(tags::between).filter(|term| !term.is_empty()) {
            let (unit, count) = read_term(term).ok_or_else(refuse)?;
            if terms.insert(unit, count).is_some() {
                return Err(refuse());
            }
        }
        if terms.is_empty() { Err(refuse()) } else { Ok(Self(terms)) }
    }
}

fn read_term(term: &str) -> Option<(Unit, NonZeroU16)> {
    let (unit, days_each, digits) = match term.char_indices().next_back()? {
        (at, 'd' | 'D') => (Unit::Day, 1, &term[..at]),
        (at, 'w' | 'W') => (Unit::Week, 7, &term[..at]),
        (at, 'm' | 'M') => (Unit::Month, 30, &term[..at]),
        (at, 'y' | 'Y') => (Unit::Year, 365, &term[..at]),
        _ => (Unit::Day, 1, term),
    };
    // `u16::from_str` takes a plus sign
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: NonZeroU16 = digits.parse().ok()?;
    (u32::from(count.get()) * days_each <= MAX_DAYS).then_some((unit, count))
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (rank, (unit, count)) in self.0.iter().enumerate() {
            let gap = if rank == 0 { "" } else { " " };
            write!(f, "{gap}{count}{}", unit.letter())?;
        }
        Ok(())
    }
}

/// A text that is no retention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a retention: expected {EXPECTED}")]
pub struct NotARetention(String);

/// What a retention looks like, for messages.
pub const EXPECTED: &str =
    "7, 7d, 4w, 12m, 3y, or several with different units such as `7d 4w 12m`, up to a hundred years";

#[cfg(test)]
mod tests {
    use chrono::Datelike;
    use proptest::prelude::*;

    use super::*;
    use crate::near::near;

    #[test]
    fn the_grammar() {
        for (text, printed) in [
            ("7", Some("7d")),
            ("7d", Some("7d")),
            (" 7D ", Some("7d")),
            ("4w", Some("4w")),
            ("12m", Some("12m")),
            ("3y", Some("3y")),
            ("7d 4w 12m", Some("7d 4w 12m")),
            ("12m,4w , 7", Some("7d 4w 12m")),
            ("007d", Some("7d")),
            ("100y", Some("100y")),
            ("", None),
            (" , ", None),
            ("0", None),
            ("0d", None),
            ("-1", None),
            ("+7", None),
            ("7.5d", None),
            ("2weeks", None),
            ("d", None),
            ("7 d", None),
            ("7d 8d", None),
            ("7 8d", None),
            ("7d 4x", None),
            ("7d;4w", None),
            ("101y", None),
            ("65536", None),
            ("99999999999999999999", None),
            ("sieben", None),
            ("7д", None),
            ("７d", None),
        ] {
            assert_eq!(text.parse::<Retention>().ok().map(|r| r.to_string()).as_deref(), printed, "{text:?}");
        }
    }

    #[test]
    fn the_finest_term_holds_always_and_coarser_ones_where_uncovered() {
        #[track_caller]
        fn check(retention: &str, covered: &[Unit], expected: &str, first_of: Option<Unit>) {
            let retention: Retention = retention.parse().unwrap();
            let day = "2026-11-21".parse().unwrap();
            let (delete_on, unit) = retention.decide(day, |unit, _| covered.contains(&unit));
            assert_eq!((delete_on.to_string().as_str(), unit), (expected, first_of));
        }
        check("7d", &[], "2026-11-28", None);
        check("4w", &[Unit::Week], "2026-12-19", None);
        check("12m", &[Unit::Month], "2027-11-21", None);
        check("7d 4w 12m", &[], "2027-11-21", Some(Unit::Month));
        check("7d 4w 12m", &[Unit::Month], "2026-12-19", Some(Unit::Week));
        check("7d 4w 12m", &[Unit::Month, Unit::Week], "2026-11-28", None);
        check("7d 4w 12m", &[Unit::Week], "2027-11-21", Some(Unit::Month));
        // a coarse term shorter than the finest takes nothing away, and one as long adds nothing
        check("30d 1w", &[], "2026-12-21", None);
        check("7d 1w", &[], "2026-11-28", None);
    }

    proptest! {
        #[test]
        fn printing_and_parsing_give_the_same(terms in prop::collection::btree_map(
            prop::sample::select(Unit::ALL.to_vec()), (1_u16..=100).prop_map(|n| NonZeroU16::new(n).unwrap()), 1..=4,
        )) {
            let retention = Retention(terms);
            prop_assert_eq!(retention.to_string().parse::<Retention>(), Ok(retention));
        }

        #[test]
        fn what_reads_is_numbers_with_units_and_prints_as_the_same(
            text in near(&["7", "7d", "4w", "12m", "3y", "7d 4w 12m", "3y,1d", "36525d", "1217m", "65535", "007d"]),
        ) {
            if let Ok(retention) = text.parse::<Retention>() {
                let is_term = |term: &str| {
                    let digits = term.trim_end_matches(['d', 'D', 'w', 'W', 'm', 'M', 'y', 'Y']);
                    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && term.len() - digits.len() <= 1
                };
                prop_assert!(text.split(tags::between).filter(|term| !term.is_empty()).all(is_term), "{:?}", text);
                prop_assert_eq!(retention.to_string().parse::<Retention>(), Ok(retention));
            }
        }

        /// Also in the years in which the calendar ends.
        #[test]
        fn no_day_is_too_late_for_a_date_that_is_not_before_it(
            day in prop_oneof![
                NaiveDate::MIN.num_days_from_ce()..=NaiveDate::MAX.num_days_from_ce(),
                NaiveDate::MAX.num_days_from_ce() - 40_000..=NaiveDate::MAX.num_days_from_ce(),
            ],
            terms in prop::sample::select(vec!["1d", "36525d", "5217w", "1m", "1217m", "100y", "1d 9w 1217m 100y"]),
            covered: [bool; 4],
        ) {
            let day = NaiveDate::from_num_days_from_ce_opt(day).unwrap();
            let retention: Retention = terms.parse().unwrap();
            let (on, first_of) = retention.decide(day, |unit, _| covered[unit as usize]);
            prop_assert!(on > day || on == NaiveDate::MAX);
            prop_assert!(first_of.is_none_or(|unit| !covered[unit as usize]));
            prop_assert!(on <= retention.decide(day, |_, _| false).0, "what is covered lives no longer for it");
            prop_assert!(on >= retention.decide(day, |_, _| true).0, "and never shorter than the finest term");
        }

        #[test]
        fn the_day_is_never_earlier_than_asked(
            days in 0_i32..40_000, n in 1_u16..400, w in 1_u16..100, m in 1_u16..100, covered: [bool; 2],
        ) {
            let day = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + chrono::TimeDelta::days(days.into());
            let retention: Retention = format!("{n}d {w}w {m}m").parse().unwrap();
            let on = retention.decide(day, |unit, _| covered[usize::from(unit == Unit::Month)]).0;
            prop_assert!(on >= day + chrono::TimeDelta::days(n.into()));
            prop_assert!(covered[0] || on >= day + chrono::TimeDelta::days(i64::from(w) * 7));
            prop_assert!(covered[1] || on >= day.checked_add_months(chrono::Months::new(m.into())).unwrap());
        }
    }
}
