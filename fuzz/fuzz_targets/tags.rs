//! The readers of tags, on any tags.

#![no_main]

use libfuzzer_sys::fuzz_target;
use snapkeeper_core::{
    ids::Region,
    retention::Retention,
    tags::{self, BackupPolicy, Choice, DeleteOn, Tags, destinations, run_instant, stamp},
};

/// The keys that mean something; the others are the fuzzer's.
const KEYS: [&str; 6] =
    [tags::BACKUP, tags::RETENTION, tags::COPY_DEST, tags::DELETE_ON, tags::BACKUP_RUN, tags::KEEP_FOREVER];

fuzz_target!(|said: ([Option<String>; 6], Vec<(String, String)>)| {
    let (values, others) = said;
    let home: Region = "us-east-1".parse().unwrap();
    let default: Retention = "7d".parse().unwrap();
    let known = KEYS.into_iter().zip(&values).filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let tags: Tags = known.collect();

    match DeleteOn::from_tags(&tags) {
        DeleteOn::Day(day) => {
            assert_eq!(Some(day.to_string().as_str()), tags.get(tags::DELETE_ON));
            assert_eq!(day.to_string().len(), 10);
        }
        DeleteOn::Unreadable(error) => assert_eq!(Some(error.value.as_str()), tags.get(tags::DELETE_ON)),
        DeleteOn::Unsaid => assert!(!tags.has(tags::DELETE_ON)),
    }
    if let Some(instant) = run_instant(&tags) {
        assert_eq!(Some(stamp(instant).as_str()), tags.get(tags::BACKUP_RUN));
    }

    let (policy, errors) = BackupPolicy::from_tags(&tags, &home, &default);
    let (regions, unread) = destinations(&tags, &home);
    assert_eq!(policy.copy_to, regions);
    assert!(!regions.contains(&home));
    assert_eq!(policy.says_retention, tags.has(tags::RETENTION));
    assert_eq!(policy.retention, tags.get(tags::RETENTION).map_or(Some(default), |value| value.parse().ok()));
    let asked = matches!(policy.backup, Choice::Yes | Choice::Unreadable);
    let bad_backup = usize::from(policy.backup == Choice::Unreadable);
    let bad_retention = usize::from(policy.retention.is_none());
    assert_eq!(errors.len(), if asked { bad_backup + bad_retention + unread.len() } else { 0 }, "{errors:?}");

    let more = others.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let both = tags.clone().and_what_fits_of(more);
    assert!(both.iter().count() <= 50);
    assert!(tags.iter().all(|(key, value)| both.get(key) == Some(value)));
});
