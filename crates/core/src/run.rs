//! The run: which job, where, for which instant, under which settings.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use serde::Serialize;

use crate::{calendar, ids::Region, settings::Settings, tags};

/// The jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Takes the primary snapshots.
    Creator,
    /// Copies them to other regions.
    Copier,
    /// Deletes what is due.
    Manager,
    /// Tells what is not protected as promised.
    Watcher,
    /// Live account: shares a copy of each enrolled database with the failsafe account.
    #[serde(rename = "rds-sharer")]
    RdsSharer,
    /// Failsafe account: keeps a copy of its own of what is shared with it.
    #[serde(rename = "rds-saver")]
    RdsSaver,
    /// Keeps images and automated database snapshots present in a second region.
    Syncer,
}

impl Job {
    /// Every job, in the order in which they are run.
    pub const ALL: [Job; 7] =
        [Self::Creator, Self::Copier, Self::Manager, Self::Watcher, Self::RdsSharer, Self::RdsSaver, Self::Syncer];
    /// The jobs that look after instances and their volumes, in the same order.
    pub const OF_EC2: [Job; 4] = [Self::Creator, Self::Copier, Self::Manager, Self::Watcher];

    /// The job's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creator => "creator",
            Self::Copier => "copier",
            Self::Manager => "manager",
            Self::Watcher => "watcher",
            Self::RdsSharer => "rds-sharer",
            Self::RdsSaver => "rds-saver",
            Self::Syncer => "syncer",
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Job {
    type Err = NotAJob;

    fn from_str(text: &str) -> Result<Self, NotAJob> {
        Self::ALL.into_iter().find(|job| job.name() == text).ok_or_else(|| NotAJob(text.to_owned()))
    }
}

/// A text that is no job's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job: expected creator, copier, manager, watcher, rds-sharer, rds-saver or syncer")]
pub struct NotAJob(String);

/// One run of a job, as its plan sees it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job.
    pub job: Job,
    /// The region in which it runs.
    pub region: Region,
    /// The scheduled instant that it answers to, in whole seconds; never the wall clock.
    pub instant: DateTime<Utc>,
    /// Plan and report, change nothing.
    pub dry_run: bool,
    /// The settings.
    pub settings: Settings,
    /// How many entries of each list are told one by one; of the others there is a count.
    pub listed: usize,
}

impl Run {
    /// A run; of `instant` the whole seconds count, as in the tag `Backup_Run`.
    pub fn new(job: Job, region: Region, instant: DateTime<Utc>, settings: Settings) -> Self {
        let dry_run = settings.dry_run;
        Self { job, region, instant: instant.trunc_subsecs(0), dry_run, settings, listed: usize::MAX }
    }

    /// The day of the run.
    pub fn day(&self) -> NaiveDate {
        self.day_of(self.instant)
    }

    /// The day of another instant, in the same time zone.
    pub fn day_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        calendar::day_of(instant, self.settings.time_zone)
    }

    /// The instant as the tag `Backup_Run` writes it.
    pub fn stamp(&self) -> String {
        tags::stamp(self.instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_as_it_is_printed_and_nothing_else_is_a_job() {
        let names = ["creator", "copier", "manager", "watcher", "rds-sharer", "rds-saver", "syncer"];
        for (job, name) in Job::ALL.into_iter().zip(names) {
            assert_eq!(job.name(), name);
            assert_eq!(format!("{job} {job:>10}"), format!("{name} {name:>10}"));
            // as reports and events write it
            assert_eq!(serde_json::to_value(job).unwrap(), name);
            assert_eq!(name.parse::<Job>(), Ok(job));
        }
        let jobs = "creator, copier, manager, watcher, rds-sharer, rds-saver or syncer";
        for text in ["", "Creator", " creator", "creators", "rds_sharer"] {
            let error = text.parse::<Job>().unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is not a job: expected {jobs}"));
        }
    }
}
