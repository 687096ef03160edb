//! Databases of RDS: DB instances, clusters, and the option groups that they have.

use crate::model::tags::Tags;
use crate::model::{Due, Place, World};
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// The two kinds of database. RDS has actions, snapshots and quotas for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatabaseKind {
    /// A DB instance.
    Instance,
    /// An Aurora or a Multi-AZ DB cluster.
    Cluster,
}

impl DatabaseKind {
    /// What stands before a database's identifier in its ARN: `db`, `cluster`.
    pub fn as_str(self) -> &'static str {
        match self {
            DatabaseKind::Instance => "db",
            DatabaseKind::Cluster => "cluster",
        }
    }

    /// What stands before a snapshot's identifier in its ARN.
    pub(crate) fn of_snapshots(self) -> &'static str {
        match self {
            DatabaseKind::Instance => "snapshot",
            DatabaseKind::Cluster => "cluster-snapshot",
        }
    }
}

/// By what a region holds databases and their snapshots: kind and identifier.
pub(crate) type DbKey = (DatabaseKind, String);

/// A DB instance or a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// DB instance or cluster.
    pub kind: DatabaseKind,
    /// Its identifier, in lower case.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its engine, such as `postgres` or `aurora-mysql`.
    pub engine: String,
    /// The version of that.
    pub engine_version: String,
    /// The class of its machine, such as `db.t3.micro`; of an Aurora cluster there is none.
    pub class: Option<String>,
    /// Its size in GiB.
    pub storage: u32,
    /// The user who may do all in it.
    pub master_username: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The ARN of the key that it is encrypted with.
    pub kms_key_id: Option<String>,
    /// For how many days its automated snapshots are kept; 0 means that there are none.
    pub retention_days: u32,
    /// When its automated snapshots are taken, as `05:00-05:30`.
    pub backup_window: String,
    /// Whether its snapshots get its tags.
    pub copies_tags: bool,
    /// Its option group.
    pub option_group: String,
    /// The credential of its encryption by the engine, where it has one by that old way.
    pub tde_credential: Option<String>,
    /// The cluster that it is a member of.
    pub cluster: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// When its next automated snapshot is taken.
    pub(crate) next_backup_at: Option<DateTime<Utc>>,
}

/// The ARN of a database.
pub(crate) fn arn(place: &Place, kind: DatabaseKind, id: &str) -> String {
    format!("arn:aws:rds:{}:{}:{}:{id}", place.region, place.account, kind.as_str())
}

/// Whether an engine is one of Aurora's.
pub(crate) fn is_aurora(engine: &str) -> bool {
    engine.starts_with("aurora")
}

impl Database {
    pub(crate) fn key(&self) -> DbKey {
        (self.kind, self.id.clone())
    }

    /// Whether it has snapshots of its own: those of a cluster's member are the cluster's.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.cluster.is_none()
    }

    /// When the backup window next begins after an instant.
    pub(crate) fn next_window(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.retention_days == 0 || !self.has_snapshots() {
            return None;
        }
        let begin = parse_window(&self.backup_window)?;
        let today = after.date_naive().and_time(begin).and_utc();
        if today > after { Some(today) } else { today.checked_add_days(Days::new(1)) }
    }
}

/// The shortest backup window. Source: API model, `PreferredBackupWindow`.
const SHORTEST_WINDOW: TimeDelta = TimeDelta::minutes(30);

/// When a backup window begins, if it is one: `hh24:mi-hh24:mi`, at least 30 minutes, which may go over midnight.
pub(crate) fn parse_window(window: &str) -> Option<NaiveTime> {
    let (begin, end) = window.split_once('-')?;
    let time = |text: &str| (text.len() == 5).then(|| NaiveTime::parse_from_str(text, "%H:%M").ok()).flatten();
    let (begin, end) = (time(begin)?, time(end)?);
    let length = end - begin;
    let length = if length <= TimeDelta::zero() { length + TimeDelta::days(1) } else { length };
    (length >= SHORTEST_WINDOW).then_some(begin)
}

/// An option group: what an engine can do beside the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionGroup {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: String,
    pub(crate) engine: String,
    pub(crate) major_version: String,
    /// The names of its options.
    pub(crate) options: BTreeSet<String>,
}

impl OptionGroup {
    /// Whether it has the engine encrypt the data. Sources: RDS user guide, "Oracle Transparent Data Encryption" (`TDE`),
    /// "Support for Transparent Data Encryption in SQL Server" (`TRANSPARENT_DATA_ENCRYPTION`).
    pub(crate) fn has_tde(&self) -> bool {
        ["TDE", "TRANSPARENT_DATA_ENCRYPTION"].into_iter().any(|option| self.options.contains(option))
    }
}

/// What RDS is set up with, and what its owner has asked of it.
#[derive(Debug)]
pub(crate) struct RdsSettings {
    pub(crate) snapshot_time: Duration,
    pub(crate) copy_time: Duration,
    /// How many manual snapshots of a kind a region may hold.
    pub(crate) snapshot_limit: usize,
    /// How many copies into a region may be in progress at once.
    pub(crate) copies_at_once: usize,
    /// How many of the next copies end in `failed`.
    pub(crate) failing_copies: u32,
}

impl World {
    /// Makes a database, and its first automated snapshot with it, if it has such. AWS takes that as soon as the database
    /// can be used, which is at once here.
    pub(crate) fn add_database(&mut self, place: &Place, now: DateTime<Utc>, database: Database) {
        let key = database.key();
        let has_backups = database.retention_days > 0 && database.has_snapshots();
        self.region(place).databases.insert(key.clone(), database);
        if has_backups {
            self.take_backup(place, now, &key);
        }
    }

    /// It is time for an automated snapshot of a database, if that is still there and has not been made anew meanwhile.
    pub(crate) fn begin_backup(&mut self, place: &Place, at: DateTime<Utc>, key: &DbKey) {
        let is_due = self.region(place).databases.get(key).is_some_and(|one| one.next_backup_at == Some(at));
        if is_due {
            self.take_backup(place, at, key);
        }
    }

    /// Takes an automated snapshot, and sees to the next.
    fn take_backup(&mut self, place: &Place, at: DateTime<Utc>, key: &DbKey) {
        let Some(database) = self.region(place).databases.get_mut(key) else { return };
        let next = database.next_window(at);
        database.next_backup_at = next;
        let database = database.clone();
        if let Some(next) = next {
            self.schedule(next, place, Due::Backup(key.clone()));
        }
        self.begin_automated(place, at, &database);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_at_least_half_an_hour() {
        let begin = |window: &str| parse_window(window).map(|time| time.format("%H:%M").to_string());
        assert_eq!(begin("05:00-05:30").as_deref(), Some("05:00"));
        assert_eq!(begin("23:45-00:15").as_deref(), Some("23:45"));
        for bad in ["", "05:00", "05:00-05:29", "5:00-6:00", "05:00-24:30", "05:00-05:30-06:00"] {
            assert_eq!(begin(bad), None, "{bad}");
        }
    }
}
