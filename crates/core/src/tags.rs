//! The tags: the whole user interface, and all that Snapkeeper remembers.
//!
//! What the operator wrote is read here, once. A value that cannot be read is a [`TagError`] beside the policy, so that
//! one bad tag never stops the other instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::{
    ids::Region,
    retention::{self, Retention},
};

/// On instances: `Yes` enrols, `No` opts out. On volumes: `No` leaves it out.
pub const BACKUP: &str = "Backup";
/// On instances: how long to keep.
pub const RETENTION: &str = "Retention";
/// On instances, and from there on primary snapshots: the regions in which to keep copies.
pub const COPY_DEST: &str = "Copy_Dest";
/// EC2's own name tag.
pub const NAME: &str = "Name";
/// On snapshots: [`AUTOMATED`] marks what Snapkeeper made.
pub const TYPE: &str = "Type";
/// The value of [`TYPE`] on each of Snapkeeper's snapshots.
pub const AUTOMATED: &str = "Automated";
/// On snapshots: the first day on which it may be deleted, `2026-12-01`.
pub const DELETE_ON: &str = "DeleteOn";
/// On snapshots: the scheduled instant that the run answered to, `2026-11-21T05:00:00Z`.
pub const BACKUP_RUN: &str = "Backup_Run";
/// On snapshots: the instance.
pub const SOURCE_INSTANCE_ID: &str = "Source_InstanceId";
/// On snapshots: the region in which the primary was taken.
pub const SOURCE_REGION: &str = "Source_Region";
/// On snapshots: the instance's layout; see [`crate::layout`].
pub const SOURCE_DEVICES: &str = "Source_Devices";
/// On copies: the volume, since a copy's own `VolumeId` is bogus in AWS.
pub const SOURCE_VOLUME_ID: &str = "Source_VolumeId";
/// On copies: the primary. Marks a copy.
pub const SOURCE_SNAPSHOT_ID: &str = "Source_SnapshotId";
/// On snapshots, by the operator: never delete, whatever the value.
pub const KEEP_FOREVER: &str = "KeepForever";
/// On snapshots that were asked for by hand: `Yes`.
pub const SCRIPTED: &str = "Scripted";
/// On snapshots: [`PROTECTED`] tells people that it never expires. What holds it is [`KEEP_FOREVER`].
pub const STATE: &str = "State";
/// The value of [`STATE`] on snapshots that were asked for to be kept.
pub const PROTECTED: &str = "Protected";
/// On snapshots that were asked for by hand: what tells the request from any other, the same if it is tried again.
pub const BACKUP_REQUEST: &str = "Backup_Request";
/// The value of tags of ours that only have to be there.
pub const YES: &str = "Yes";
/// On instances: we have stopped it, or are about to; the instant at which it was marked,
/// `2026-11-21T05:00:00Z`, and a word that no other run has.
pub const STOPPED: &str = "Snapkeeper_Stopped";

/// On DB instances and clusters: `Yes` asks for a copy in the failsafe account.
pub const FAILSAFE: &str = "Failsafe";
/// On database snapshots: the snapshot of which it is a copy, by its ARN. Marks, with [`TYPE`], what is ours.
pub const SOURCE_DB_SNAPSHOT: &str = "Source_DBSnapshot";
/// On database snapshots: the database, `db:orders` or `cluster:orders`.
pub const SOURCE_DATABASE: &str = "Source_Database";
/// On database snapshots: the moment of the data, `2026-11-21T05:12:07Z`. RDS does not tell it of every copy.
pub const SOURCE_TAKEN: &str = "Source_Taken";
/// On database snapshots of the failsafe account: the live account.
pub const SOURCE_ACCOUNT: &str = "Source_Account";
/// On database snapshots of the live account: the instant at which it was announced, once it was shared.
pub const FAILSAFE_ANNOUNCED: &str = "Failsafe_Announced";

/// On images: which image of a stack it is, the same from build to build.
pub const SYNC_IDENTIFIER: &str = "Sync-Identifier";
/// On DB instances and clusters: the regions in which the newest automated snapshot is to be present.
pub const BACKUP_SYNC: &str = "Backup_Sync";
/// What the tag begins with that tells on a source what was made of it in a region: `Sync-us-west-2`.
pub const SYNC: &str = "Sync-";
/// What the tag begins with that tells on a copy from where it is: `Sync-From-us-east-1`.
pub const SYNC_FROM: &str = "Sync-From-";
/// On images, their snapshots, and database snapshots that sync has made: `Yes`. Nothing without it is ever deleted.
pub const SYNC_MADE: &str = "Snapkeeper_Sync";

/// What AWS takes: tags on one resource, characters of a key, characters of a value (EC2 user guide, tag restrictions).
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
/// The longest value of a tag, in characters.
pub const MAX_VALUE: usize = 256;

/// The tags of one resource, in one piece of memory: of whole lists they are most of what is held.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Keys and values in turn, by key.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[usize]>,
}

impl Tags {
    /// The value of the tag `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(other, value)| (other == key).then_some(value))
    }

    /// Whether there is a tag `key`, even an empty one.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a tag.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        let others = self.iter().filter(|(other, _)| *other != key);
        let mut all: Vec<(&str, &str)> = others.chain([(key.as_str(), value.as_str())]).collect();
        all.sort_unstable();
        *self = Self::sorted(&all);
    }

    /// Every tag, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.text;
        let mut begin = 0;
        let mut part = move |end: usize| {
            let (part, more) = rest.split_at(end - begin);
            (rest, begin) = (more, end);
            part
        };
        self.ends.as_chunks::<2>().0.iter().map(move |[key, value]| (part(*key), part(*value)))
    }

    /// Tags that are in the order of their keys, of each key one.
    fn sorted(tags: &[(&str, &str)]) -> Self {
        let parts = || tags.iter().flat_map(|(key, value)| [*key, *value]);
        let ends = parts().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        Self { text: parts().collect::<String>().into(), ends: ends.collect() }
    }

    /// These tags and, as far as AWS takes them, `others`: none that is reserved (`aws:`), too long, or past the
    /// fiftieth, with room left for a hold and a date that may come later. What stands in both is as here.
    #[must_use]
    pub fn and_what_fits_of<'a>(mut self, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let to_come = [KEEP_FOREVER, DELETE_ON].iter().filter(|key| !self.has(key)).count();
        for (key, value) in others {
            let fits = !key.is_empty()
                && key.chars().count() <= MAX_KEY
                && value.chars().count() <= MAX_VALUE
                && !key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
            if fits && self.ends.len() / 2 < MAX_TAGS - to_come && !self.has(key) {
                self.set(key, value);
            }
        }
        self
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(tags: I) -> Self {
        let tags: BTreeMap<String, String> = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let sorted: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Self::sorted(&sorted)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A tag whose value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tag {key} is {value:?}: expected {expected}")]
pub struct TagError {
    /// The tag's key.
    pub key: &'static str,
    /// Its value, or the part of it that cannot be read.
    pub value: String,
    /// What could be read.
    pub expected: &'static str,
}

/// What the tag `Backup` says, or `Failsafe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `Yes`.
    Yes,
    /// `No`.
    No,
    /// There is no such tag.
    Unsaid,
    /// Neither: a typing error, perhaps of `Yes`.
    Unreadable,
}

impl Choice {
    /// Reads the tag `Backup` of an instance or a volume.
    pub fn from_tags(tags: &Tags) -> (Self, Option<TagError>) {
        Self::of(BACKUP, tags)
    }

    /// Reads a tag that says `Yes` or `No`.
    pub fn of(key: &'static str, tags: &Tags) -> (Self, Option<TagError>) {
        let Some(value) = tags.get(key) else { return (Self::Unsaid, None) };
        match value.trim().to_ascii_lowercase().as_str() {
            "yes" => (Self::Yes, None),
            "no" => (Self::No, None),
            _ => (Self::Unreadable, Some(TagError { key, value: value.to_owned(), expected: "Yes or No" })),
        }
    }
}

/// What the tags of an instance ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPolicy {
    /// Whether it is enrolled.
    pub backup: Choice,
    /// How long to keep; `None` where that cannot be read, so that nothing expires too early.
    pub retention: Option<Retention>,
    /// Whether the tag says so, rather than the default.
    pub says_retention: bool,
    /// The other regions in which to keep copies.
    pub copy_to: BTreeSet<Region>,
}

impl BackupPolicy {
    /// Reads the tags of an instance in the region `home`.
    pub fn from_tags(tags: &Tags, home: &Region, default: &Retention) -> (Self, Vec<TagError>) {
        let (backup, error) = Choice::from_tags(tags);
        let mut errors: Vec<TagError> = error.into_iter().collect();
        let retention = match tags.get(RETENTION) {
            None => Some(default.clone()),
            Some(value) => value.parse().map_or_else(
                |_| {
                    let value = value.to_owned();
                    errors.push(TagError { key: RETENTION, value, expected: retention::EXPECTED });
                    None
                },
                Some,
            ),
        };
        let (copy_to, more) = destinations(tags, home);
        errors.extend(more);
        if matches!(backup, Choice::No | Choice::Unsaid) {
            errors.clear();
        }
        (Self { backup, retention, says_retention: tags.has(RETENTION), copy_to }, errors)
    }
}

/// Reads the tag `Copy_Dest` of an instance or a primary snapshot in the region `home`.
pub fn destinations(tags: &Tags, home: &Region) -> (BTreeSet<Region>, Vec<TagError>) {
    regions(COPY_DEST, tags, home)
}

/// Reads a tag that names regions other than `home`.
pub fn regions(key: &'static str, tags: &Tags, home: &Region) -> (BTreeSet<Region>, Vec<TagError>) {
    let mut regions = BTreeSet::new();
    let mut errors = Vec::new();
    let Some(value) = tags.get(key) else { return (regions, errors) };
    let mut refuse = |value: &str, expected| errors.push(TagError { key, value: value.to_owned(), expected });
    let mut names = value.split(between).filter(|name| !name.is_empty()).peekable();
    if names.peek().is_none() {
        refuse(value, "one or more region names, such as `us-west-2 eu-west-1`");
    }
    for name in names {
        match name.parse::<Region>() {
            Ok(region) if region == *home => refuse(name, "a region other than its own"),
            Ok(region) => {
                regions.insert(region);
            }
            Err(_) => refuse(name, "a region's name, such as us-west-2"),
        }
    }
    (regions, errors)
}

/// What parts a list that an operator typed or pasted.
pub(crate) fn between(character: char) -> bool {
    character == ',' || character.is_whitespace()
}

/// What the tag `DeleteOn` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteOn {
    /// There is no such tag.
    Unsaid,
    /// Not a day in the form `2026-12-01`.
    Unreadable(TagError),
    /// The first day on which it may be deleted.
    Day(NaiveDate),
}

impl DeleteOn {
    /// Reads the tag. Strictly: four digits, two and two, a day that exists, nothing else.
    pub fn from_tags(tags: &Tags) -> Self {
        let Some(value) = tags.get(DELETE_ON) else { return Self::Unsaid };
        match NaiveDate::parse_from_str(value, "%Y-%m-%d") {
            Ok(day) if day.to_string() == value && value.len() == 10 => Self::Day(day),
            Ok(_) | Err(_) => Self::Unreadable(TagError {
                key: DELETE_ON,
                value: value.to_owned(),
                expected: "a day in the form 2026-12-01",
            }),
        }
    }
}

/// An instant as the tag `Backup_Run` writes it.
pub fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Reads the tag `Backup_Run`.
pub fn run_instant(tags: &Tags) -> Option<DateTime<Utc>> {
    instant(BACKUP_RUN, tags)
}

/// Reads a tag that says an instant, as [`stamp`] writes it.
pub fn instant(key: &str, tags: &Tags) -> Option<DateTime<Utc>> {
    let value = tags.get(key)?;
    let instant = DateTime::parse_from_rfc3339(value).ok()?.to_utc();
    (stamp(instant) == value).then_some(instant)
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    #[test]
    fn backup_is_read_without_regard_to_case_and_space() {
        for (value, choice) in [
            (Some("Yes"), Choice::Yes),
            (Some(" yES "), Choice::Yes),
            (Some("No"), Choice::No),
            (Some("no"), Choice::No),
            (None, Choice::Unsaid),
            (Some("Yse"), Choice::Unreadable),
            (Some("true1"), Choice::Unreadable),
            (Some(""), Choice::Unreadable),
            (Some("yes please"), Choice::Unreadable),
        ] {
            let tags: Tags = value.map(|value| (BACKUP, value)).into_iter().collect();
            let (read, error) = Choice::from_tags(&tags);
            assert_eq!(read, choice, "{value:?}");
            assert_eq!(error.is_some(), choice == Choice::Unreadable, "{value:?}");
        }
    }

    #[test]
    fn each_choice_is_read_of_its_own_tag() {
        let tags: Tags = [(BACKUP, "No"), (FAILSAFE, "Yse")].into_iter().collect();
        assert_eq!(Choice::of(BACKUP, &tags), (Choice::No, None));
        let (choice, error) = Choice::of(FAILSAFE, &tags);
        assert_eq!(choice, Choice::Unreadable);
        assert_eq!(error.unwrap().to_string(), "tag Failsafe is \"Yse\": expected Yes or No");
    }

    #[test]
    fn one_bad_tag_takes_nothing_from_the_others() {
        #[track_caller]
        fn check(tags: &[(&str, &str)], retention: Option<&str>, copy_to: &[&str], errors: &[&str]) {
            let tags: Tags = tags.iter().copied().chain([(BACKUP, "Yes")]).collect();
            let (policy, found) = BackupPolicy::from_tags(&tags, &region("us-east-1"), &"7d".parse().unwrap());
            assert_eq!(policy.retention.map(|r| r.to_string()).as_deref(), retention);
            assert_eq!(policy.copy_to.iter().map(Region::as_str).collect::<Vec<_>>(), copy_to);
            assert_eq!(found.iter().map(|error| error.value.as_str()).collect::<Vec<_>>(), errors);
        }
        check(&[], Some("7d"), &[], &[]);
        check(&[(RETENTION, "4w, 12m")], Some("4w 12m"), &[], &[]);
        check(&[(RETENTION, "2weeks")], None, &[], &["2weeks"]);
        check(&[(COPY_DEST, "us-west-2,EU-west-1 us-west-2")], Some("7d"), &["eu-west-1", "us-west-2"], &[]);
        check(&[(COPY_DEST, "us-west-2 mars us-east-1")], Some("7d"), &["us-west-2"], &["mars", "us-east-1"]);
        check(&[(COPY_DEST, " ")], Some("7d"), &[], &[" "]);
        check(&[(RETENTION, ""), (COPY_DEST, "x")], None, &[], &["", "x"]);
    }

    #[test]
    fn an_instance_that_is_not_enrolled_is_not_asked_for_its_other_tags() {
        let tags: Tags = [(BACKUP, "No"), (RETENTION, "x")].into_iter().collect();
        let (policy, errors) = BackupPolicy::from_tags(&tags, &region("us-east-1"), &"7d".parse().unwrap());
        assert_eq!((policy.backup, errors), (Choice::No, vec![]));
    }

    #[test]
    fn delete_on_is_read_strictly() {
        for (value, day) in [
            ("2026-12-01", true),
            ("2028-02-29", true),
            ("2026-02-29", false),
            ("2026-12-1", false),
            ("2026-12-01 ", false),
            (" 2026-12-01", false),
            ("+2026-12-01", false),
            ("12026-12-01", false),
            ("+12026-12-01", false),
            ("+2026-12-1", false),
            ("26-12-01", false),
            ("2026-12-01T00:00:00Z", false),
            ("01.12.2026", false),
            ("", false),
            ("never", false),
        ] {
            let read = DeleteOn::from_tags(&[(DELETE_ON, value)].into_iter().collect());
            assert_eq!(matches!(read, DeleteOn::Day(_)), day, "{value:?} was read as {read:?}");
        }
    }

    #[test]
    fn what_aws_would_refuse_is_left_out() {
        let own: Tags = [(TYPE, AUTOMATED)].into_iter().collect();
        let long_key = "k".repeat(129);
        let long_value = "v".repeat(257);
        let many: Vec<String> = (0..60).map(|n| format!("tag{n:02}")).collect();
        let others =
            [("aws:backup", "1"), ("AWS:x", "1"), ("", "1"), (&long_key, "1"), ("long", &long_value), (TYPE, "mine")];
        let fitted = own.and_what_fits_of(others.into_iter().chain(many.iter().map(|key| (key.as_str(), ""))));
        assert_eq!(fitted.iter().count(), 48, "KeepForever and DeleteOn may come later");
        assert_eq!(fitted.get(TYPE), Some(AUTOMATED));
        assert!(fitted.iter().all(|(key, _)| key == TYPE || key.starts_with("tag")));
    }
}
