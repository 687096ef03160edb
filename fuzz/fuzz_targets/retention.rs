//! The tag `Retention`, and the day that follows from it for any day of the calendar.

#![no_main]

use chrono::NaiveDate;
use libfuzzer_sys::fuzz_target;
use snapkeeper_core::{calendar::Unit, retention::Retention};

fuzz_target!(|said: (String, i32, [bool; 4])| {
    let (text, day, covered) = said;
    let Ok(retention) = text.parse::<Retention>() else { return };
    assert_eq!(retention.to_string().parse::<Retention>().as_ref(), Ok(&retention));
    // chrono's calendar ends some 95.7 million days from its beginning, either way
    let Some(day) = NaiveDate::from_num_days_from_ce_opt(day % 95_800_000) else { return };
    let is_covered = |unit: Unit| covered[Unit::ALL.iter().position(|it| *it == unit).unwrap()];
    let (on, first_of) = retention.decide(day, |unit, _| is_covered(unit));
    assert!(on > day || on == NaiveDate::MAX, "{retention} from {day} gives {on}");
    assert!(first_of.is_none_or(|unit| !is_covered(unit)));
    assert!(on <= retention.decide(day, |_, _| false).0);
    assert!(on >= retention.decide(day, |_, _| true).0);
});
