//! What a stack starts from, kept present in a second region: its image, and its database's last automated snapshot.
//!
//! A [`config`] says what, or tags alone ([`tagged`]). Each job is by itself: it is read, planned ([`image`],
//! [`snapshot`]) and carried out without regard to the others, and ends in one [`SyncResult`] for each.

pub mod config;
pub mod image;
pub mod snapshot;
pub mod tagged;

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

use crate::{
    ids::Region,
    run::Run,
    tags::{self, Tags},
};

/// What became of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncResult {
    /// The job, by its key in the configuration, or by the resource whose tags ask for it.
    pub name: String,
    /// What is there now, by destination: created, or in sync already, or on its way.
    pub synced: Vec<Synced>,
    /// What went wrong, one line each. Empty if the job succeeded.
    pub errors: Vec<String>,
}

impl SyncResult {
    /// Whether nothing went wrong.
    pub fn succeeded(&self) -> bool {
        self.errors.is_empty()
    }
}

/// What is in a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// The destination.
    pub region: String,
    /// What is kept present: `ami-…`, or the ARN of an automated snapshot.
    pub source: String,
    /// Its copy there; empty where there is none.
    pub resource: String,
    /// How that stands.
    pub state: SyncState,
}

/// How a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncState {
    /// Its copying was begun by this run, or would be, in a dry run.
    Created,
    /// It was there already.
    InSync,
    /// It is being copied still.
    InProgress,
    /// It is not there: the errors say why, or the next run goes on.
    Missing,
}

/// What a source is tagged with once it has a copy in a region: `Sync-us-west-2` = `20261121051200+0000 / ami-…`, the
/// instant of the run and the copy, an image's id or a database snapshot's ARN.
pub fn source_tag(region: &Region, run: &Run, copy: impl fmt::Display) -> Tags {
    [(source_key(region), mark(run, copy))].into_iter().collect()
}

fn source_key(region: &Region) -> String {
    format!("{}{region}", tags::SYNC)
}

/// The key of what is tagged on a copy of something in the region `from`.
fn copy_key(from: &Region) -> String {
    format!("{}{from}", tags::SYNC_FROM)
}

/// How the instant stands there, always in UTC.
const INSTANT: &str = "%Y%m%d%H%M%S+0000";
/// What stands between the instant and what a mark names.
const BETWEEN: &str = " / ";

fn mark(run: &Run, named: impl fmt::Display) -> String {
    format!("{}{BETWEEN}{named}", run.instant.format(INSTANT))
}

/// What a tag names that [`mark`] wrote.
fn named<'a>(key: &str, tags: &'a Tags) -> Option<&'a str> {
    tags.get(key)?.split_once(BETWEEN).map(|(_, named)| named)
}

/// When [`mark`] wrote a tag.
fn marked_at(key: &str, tags: &Tags) -> Option<DateTime<Utc>> {
    let (instant, _) = tags.get(key)?.split_once(BETWEEN)?;
    NaiveDateTime::parse_from_str(instant, INSTANT).ok().map(|instant| instant.and_utc())
}

/// Whether a tag is one of those that tell what sync did: of its source, they say nothing about a copy.
fn is_trace(key: &str) -> bool {
    let is_region = |rest: &str| rest.parse::<Region>().is_ok();
    key == tags::SYNC_MADE
        || [tags::SYNC_FROM, tags::SYNC].iter().any(|it| key.strip_prefix(*it).is_some_and(is_region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, region, run};

    #[test]
    fn a_mark_says_when_and_what_and_is_read_again() {
        let tags = source_tag(&region("us-west-2"), &run("2026-11-21T05:12:00Z"), "ami-1");
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("Sync-us-west-2", "20261121051200+0000 / ami-1")]);
        assert_eq!(named("Sync-us-west-2", &tags), Some("ami-1"));
        assert_eq!(marked_at("Sync-us-west-2", &tags), Some(at("2026-11-21T05:12:00Z")));
        assert_eq!(named("Sync-eu-west-1", &tags), None);
        let by_hand: Tags = [("Sync-us-west-2", "yes")].into_iter().collect();
        assert_eq!((named("Sync-us-west-2", &by_hand), marked_at("Sync-us-west-2", &by_hand)), (None, None));
    }

    #[test]
    fn traces_are_told_from_what_the_operator_wrote() {
        for key in ["Sync-us-west-2", "Sync-From-us-east-1", "Snapkeeper_Sync"] {
            assert!(is_trace(key), "{key}");
        }
        for key in ["Sync-Identifier", "Sync-Team", "Sync", "Sync-", "Name", "Backup_Sync"] {
            assert!(!is_trace(key), "{key}");
        }
    }
}
