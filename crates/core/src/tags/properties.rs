//! The readers of tags among values that are nearly right: what they read is what was written, and nothing is read into
//! what was not.

use proptest::prelude::*;

use super::*;
use crate::near::near;

const BACKUPS: &[&str] = &["Yes", "No", "yes please", "true"];
const RETENTIONS: &[&str] = &["7", "7d", "4w", "12m", "3y", "7d 4w 12m", "7d,4w", "36525d", "65535", "0d"];
const DESTINATIONS: &[&str] =
    &["us-west-2", "us-west-2 eu-west-1", "us-east-1", "us-gov-west-1,us-east-1", "us-west-2 mars", "ap-southeast-12"];
const DAYS: &[&str] = &["2026-12-01", "2028-02-29", "0000-01-01", "9999-12-31", "-001-01-01", "2026-02-29"];
const INSTANTS: &[&str] = &[
    "2026-11-21T05:00:00Z",
    "2026-11-21T05:00:60Z",
    "2026-11-21t05:00:00z",
    "2026-11-21T05:00:00+00:00",
    "2026-11-21T05:00:00.5Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
];

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

fn tagged(key: &str, value: &str) -> Tags {
    [(key, value)].into_iter().collect()
}

fn enrolled(more: &[(&str, &str)]) -> Tags {
    more.iter().copied().chain([(BACKUP, "Yes")]).collect()
}

fn policy(tags: &Tags) -> (BackupPolicy, Vec<TagError>) {
    BackupPolicy::from_tags(tags, &region("us-east-1"), &"7d".parse().unwrap())
}

/// A value for a key, or for another key than it is meant for.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![near(BACKUPS), near(RETENTIONS), near(DESTINATIONS), near(DAYS), near(INSTANTS)]
}

proptest! {
    #[test]
    fn no_value_makes_a_reader_panic(said in prop::collection::vec(values(), 5)) {
        let keys = [BACKUP, RETENTION, COPY_DEST, DELETE_ON, BACKUP_RUN];
        let tags: Tags = keys.into_iter().zip(&said).collect();
        let (_, errors) = policy(&tags);
        prop_assert!(!errors.iter().any(|error| error.to_string().contains('\n')), "each is told on one line");
        DeleteOn::from_tags(&tags);
        run_instant(&tags);
    }

    #[test]
    fn only_yes_enrols_and_only_no_opts_out(value in near(BACKUPS)) {
        let (choice, error) = Choice::from_tags(&tagged(BACKUP, &value));
        let says = |word: &str| value.trim().eq_ignore_ascii_case(word);
        prop_assert_eq!(choice == Choice::Yes, says("yes"));
        prop_assert_eq!(choice == Choice::No, says("no"));
        prop_assert_eq!(error.map(|error| error.value), (!says("yes") && !says("no")).then_some(value));
    }

    #[test]
    fn a_retention_that_cannot_be_read_is_told_of_and_is_not_the_default(value in near(RETENTIONS)) {
        let (read, errors) = policy(&enrolled(&[(RETENTION, &value)]));
        prop_assert_eq!(errors.len(), usize::from(read.retention.is_none()));
        prop_assert_eq!(read.retention, value.parse::<Retention>().ok());
    }

    #[test]
    fn of_destinations_each_word_is_read_or_told_of(value in near(DESTINATIONS), retention in near(RETENTIONS)) {
        let home = region("us-east-1");
        let (regions, errors) = destinations(&tagged(COPY_DEST, &value), &home);
        let words: Vec<&str> = value.split(between).filter(|word| !word.is_empty()).collect();
        let is_read = |word: &&&str| regions.iter().any(|region| word.trim().eq_ignore_ascii_case(region.as_str()));
        let read = words.iter().filter(is_read).count();
        prop_assert_eq!(errors.len(), if words.is_empty() { 1 } else { words.len() - read });
        prop_assert!(read >= regions.len(), "none is made up");
        prop_assert!(!regions.contains(&home));

        let alone = policy(&enrolled(&[(RETENTION, &retention)])).0;
        let both = policy(&enrolled(&[(RETENTION, &retention), (COPY_DEST, &value)])).0;
        prop_assert_eq!((both.copy_to, both.retention), (regions, alone.retention));
    }

    #[test]
    fn what_reads_as_a_day_is_its_own_text(value in near(DAYS)) {
        match DeleteOn::from_tags(&tagged(DELETE_ON, &value)) {
            DeleteOn::Day(day) => {
                let digits = |range: std::ops::Range<usize>| value.as_bytes()[range].iter().all(u8::is_ascii_digit);
                prop_assert_eq!(value.len(), 10);
                prop_assert!(digits(0..4) && digits(5..7) && digits(8..10), "{:?}", value);
                prop_assert_eq!(day.to_string(), value);
            }
            DeleteOn::Unreadable(error) => prop_assert_eq!(error.value, value),
            DeleteOn::Unsaid => return Err(TestCaseError::fail("it is said")),
        }
    }

    #[test]
    fn every_day_of_four_digits_is_read(year in 0..=9999_i32, ordinal in 1..=365_u32) {
        let day = NaiveDate::from_yo_opt(year, ordinal).unwrap();
        prop_assert_eq!(DeleteOn::from_tags(&tagged(DELETE_ON, &day.to_string())), DeleteOn::Day(day));
    }

    #[test]
    fn what_reads_as_an_instant_is_its_own_text(value in near(INSTANTS)) {
        if let Some(instant) = run_instant(&tagged(BACKUP_RUN, &value)) {
            prop_assert_eq!(stamp(instant), value);
        }
    }

    /// From the year 0 to the end of the year 9999.
    #[test]
    fn every_stamp_is_read(seconds in -62_167_219_200..253_402_300_800_i64) {
        let instant = DateTime::from_timestamp(seconds, 0).unwrap();
        prop_assert_eq!(run_instant(&tagged(BACKUP_RUN, &stamp(instant))), Some(instant));
    }

    #[test]
    fn tags_that_are_added_fit_and_take_nothing_away(
        own in prop::collection::btree_map("[A-Z][a-z]{0,7}", "[a-z]{0,3}", 0..48),
        others in prop::collection::vec((near(&["aws:x", "AWS:backup", "Name", "KeepForever", "k"]), values()), 0..80),
    ) {
        let before: Tags = own.into_iter().collect();
        let after = before.clone().and_what_fits_of(others.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let held = [KEEP_FOREVER, DELETE_ON].iter().filter(|key| after.has(key)).count();
        prop_assert!(after.iter().count() + 2 - held <= MAX_TAGS, "room is left for a hold and a date");
        for (key, value) in before.iter() {
            prop_assert_eq!(after.get(key), Some(value));
        }
        for (key, value) in after.iter().filter(|(key, _)| !before.has(key)) {
            prop_assert!(others.iter().any(|(other, said)| (other.as_str(), said.as_str()) == (key, value)));
            prop_assert!((1..=MAX_KEY).contains(&key.chars().count()) && value.chars().count() <= MAX_VALUE);
            prop_assert!(!key.to_ascii_lowercase().starts_with("aws:"), "{:?}", key);
        }
    }
}
