//! What the tags say, read as `docs/tags.md` promises.

use crate::truth::Tags;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use std::collections::BTreeSet;

pub(super) const BACKUP: &str = "Backup";
pub(super) const RETENTION: &str = "Retention";
pub(super) const COPY_DEST: &str = "Copy_Dest";
pub(super) const TYPE: &str = "Type";
pub(super) const AUTOMATED: &str = "Automated";
pub(super) const DELETE_ON: &str = "DeleteOn";
pub(super) const BACKUP_RUN: &str = "Backup_Run";
pub(super) const INSTANCE: &str = "Source_InstanceId";
pub(super) const REGION: &str = "Source_Region";
pub(super) const DEVICES: &str = "Source_Devices";
pub(super) const VOLUME: &str = "Source_VolumeId";
pub(super) const SNAPSHOT: &str = "Source_SnapshotId";
pub(super) const KEEP_FOREVER: &str = "KeepForever";

/// The value of a tag.
pub(super) fn get<'a>(tags: &'a Tags, key: &str) -> Option<&'a str> {
    tags.get(key).map(String::as_str)
}

/// What the tag `Backup` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Yes,
    No,
    Unsaid,
    Unreadable,
}

/// Reads the tag `Backup`.
pub(super) fn choice(tags: &Tags) -> Choice {
    match get(tags, BACKUP).map(str::trim) {
        None => Choice::Unsaid,
        Some(value) if value.eq_ignore_ascii_case("yes") => Choice::Yes,
        Some(value) if value.eq_ignore_ascii_case("no") => Choice::No,
        Some(_) => Choice::Unreadable,
    }
}

/// What the tag `DeleteOn` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Unsaid,
    Unreadable,
    Day(NaiveDate),
}

impl Due {
    /// Whether the day can be read and has come.
    pub(super) fn has_come(self, day: NaiveDate) -> bool {
        match self {
            Self::Day(due) => due <= day,
            Self::Unsaid | Self::Unreadable => false,
        }
    }
}

/// Reads the tag `DeleteOn`: four digits, two and two, a day that exists, nothing else.
pub(super) fn due(tags: &Tags) -> Due {
    get(tags, DELETE_ON).map_or(Due::Unsaid, |value| day(value).map_or(Due::Unreadable, Due::Day))
}

fn day(value: &str) -> Option<NaiveDate> {
    let is_well_formed = value.len() == 10
        && value.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !is_well_formed {
        return None;
    }
    let number = |part: &str| part.parse::<u32>().ok();
    let year = value.get(..4)?.parse::<i32>().ok()?;
    NaiveDate::from_ymd_opt(year, number(value.get(5..7)?)?, number(value.get(8..)?)?)
}

/// Whether it is marked as one of Snapkeeper's.
pub(super) fn is_automated(tags: &Tags) -> bool {
    get(tags, TYPE) == Some(AUTOMATED)
}

/// Whether the operator wants it kept.
pub(super) fn is_held(tags: &Tags) -> bool {
    tags.contains_key(KEEP_FOREVER)
}

/// The other regions that `Copy_Dest` names, and whether something in it cannot be read.
pub(super) fn destinations(tags: &Tags, home: &str) -> (BTreeSet<String>, bool) {
    let mut named = BTreeSet::new();
    let Some(value) = get(tags, COPY_DEST) else { return (named, false) };
    let (mut words, mut unreadable) = (0, false);
    for word in value.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        words += 1;
        let name = word.trim().to_ascii_lowercase();
        if is_region(&name) && name != home {
            named.insert(name);
        } else {
            unreadable = true;
        }
    }
    (named, unreadable || words == 0)
}

fn is_region(name: &str) -> bool {
    let words: Vec<&str> = name.split('-').collect();
    let Some((number, places)) = words.split_last() else { return false };
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let are_places = places.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
    is_number && are_places && places.len() >= 2 && places.first().is_some_and(|word| word.len() >= 2)
}

/// A volume's place in `Source_Devices`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) volume: String,
    pub(super) excluded: bool,
}

/// Reads `Source_Devices`, `Source_Devices_2`, …; `None` where there is none, or a word of it cannot be read.
pub(super) fn layout(tags: &Tags) -> Option<Vec<Device>> {
    let mut devices = Vec::new();
    let mut value = get(tags, DEVICES);
    let mut next = 2;
    while let Some(text) = value {
        for word in text.split_ascii_whitespace() {
            let (name, volume) = word.split_once('=')?;
            let (volume, excluded) = match volume.strip_suffix(":excluded") {
                Some(volume) => (volume, true),
                None => (volume, false),
            };
            devices.push(Device { name: name.to_owned(), volume: volume.to_owned(), excluded });
        }
        value = get(tags, &format!("{DEVICES}_{next}"));
        next += 1;
    }
    (!devices.is_empty()).then_some(devices)
}

/// An instant as `Backup_Run` tells it.
pub(super) fn stamp(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Reads `Backup_Run`.
pub(super) fn run_instant(tags: &Tags) -> Option<DateTime<Utc>> {
    let value = get(tags, BACKUP_RUN)?;
    let instant = NaiveDateTime::parse_from_str(value, "%Y-%m-%dT%H:%M:%SZ").ok()?.and_utc();
    (stamp(instant) == value).then_some(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(key: &str, value: &str) -> Tags {
        Tags::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn backup_is_read_without_regard_to_case_and_space() {
        for (value, expected) in [
            ("Yes", Choice::Yes),
            (" yES ", Choice::Yes),
            ("no", Choice::No),
            ("Yse", Choice::Unreadable),
            ("", Choice::Unreadable),
        ] {
            assert_eq!(choice(&tags(BACKUP, value)), expected, "{value:?}");
        }
        assert_eq!(choice(&Tags::new()), Choice::Unsaid);
        assert_eq!(choice(&tags("backup", "Yes")), Choice::Unsaid);
    }

    #[test]
    fn delete_on_is_read_strictly() {
        for (value, is_day) in [
            ("2026-12-01", true),
            ("2028-02-29", true),
            ("2026-02-29", false),
            ("2026-12-1", false),
            ("2026-12-01 ", false),
            ("+026-12-01", false),
            ("2026/12/01", false),
            ("", false),
            ("１２-12-01", false),
        ] {
            assert_eq!(matches!(due(&tags(DELETE_ON, value)), Due::Day(_)), is_day, "{value:?}");
        }
        let first: NaiveDate = "2026-12-01".parse().unwrap();
        assert!(Due::Day(first).has_come(first) && !Due::Day(first).has_come("2026-11-30".parse().unwrap()));
    }

    #[test]
    fn destinations_are_the_other_regions_that_can_be_read() {
        for (value, named, unreadable) in [
            ("us-west-2", "us-west-2", false),
            ("US-west-2,eu-west-1 us-west-2", "eu-west-1 us-west-2", false),
            ("us-west-2 mars", "us-west-2", true),
            ("us-east-1", "", true),
            (" , ", "", true),
            ("us-gov-west-1", "us-gov-west-1", false),
            ("us-east us-1 us-east-1a", "", true),
        ] {
            let (read, bad) = destinations(&tags(COPY_DEST, value), "us-east-1");
            assert_eq!(
                (read.into_iter().collect::<Vec<_>>().join(" "), bad),
                (named.to_owned(), unreadable),
                "{value:?}"
            );
        }
        assert_eq!(destinations(&Tags::new(), "us-east-1"), (BTreeSet::new(), false));
    }

    #[test]
    fn the_layout_goes_on_in_further_tags() {
        let mut both = tags(DEVICES, "/dev/xvda=vol-a /dev/sdf=vol-b:excluded");
        both.insert("Source_Devices_2".to_owned(), "/dev/sdg=vol-c".to_owned());
        let read: Vec<(String, bool)> = layout(&both).unwrap().into_iter().map(|it| (it.volume, it.excluded)).collect();
        assert_eq!(read, [("vol-a".to_owned(), false), ("vol-b".to_owned(), true), ("vol-c".to_owned(), false)]);
        assert_eq!(layout(&tags(DEVICES, "/dev/xvda")), None);
        assert_eq!(layout(&tags(DEVICES, " ")), None);
    }

    #[test]
    fn a_run_is_told_to_the_second() {
        let instant: DateTime<Utc> = "2026-11-21T05:00:00Z".parse().unwrap();
        assert_eq!(stamp(instant), "2026-11-21T05:00:00Z");
        assert_eq!(run_instant(&tags(BACKUP_RUN, "2026-11-21T05:00:00Z")), Some(instant));
        for value in ["2026-11-21T05:00:00+00:00", "2026-11-21T5:00:00Z", "yesterday", ""] {
            assert_eq!(run_instant(&tags(BACKUP_RUN, value)), None, "{value:?}");
        }
    }
}
