//! Snapshots of databases, and how their creation goes.

use crate::model::database::{Database, DatabaseKind, DbKey, OptionGroup, is_aurora};
use crate::model::snapshot::Fate;
use crate::model::tags::Tags;
use crate::model::{Due, Place, World};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// A snapshot of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbSnapshot {
    /// Of a DB instance or of a cluster.
    pub kind: DatabaseKind,
    /// Its identifier, in lower case; of an automated one `rds:orders-2026-11-21-05-12`.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// The account that owns it.
    pub owner: String,
    /// The database that it is of, which need not be there any more.
    pub database: String,
    /// The database's engine.
    pub engine: String,
    /// The version of that.
    pub engine_version: String,
    /// The database's size in GiB.
    pub storage: u32,
    /// The user who may do all in the database.
    pub master_username: String,
    /// When the database was made.
    pub database_created_at: DateTime<Utc>,
    /// Whether RDS took it by itself. Such a one goes when its time is over or its database is deleted, and nobody can
    /// delete, tag or share it.
    pub is_automated: bool,
    /// Its state.
    pub state: DbSnapshotState,
    /// The moment of the data, which a copy has in common with its source.
    pub taken_at: DateTime<Utc>,
    /// When it, or this copy, was begun.
    pub made_at: DateTime<Utc>,
    /// The ARN of the key that it is encrypted with.
    pub kms_key_id: Option<String>,
    /// The ARN of what it was copied from, if it is a copy.
    pub source: Option<String>,
    /// Its option group.
    pub option_group: String,
    /// The credential of the encryption by the engine, where it has one by that old way.
    pub tde_credential: Option<String>,
    /// Whether the engine encrypts the data.
    pub has_tde: bool,
    /// Its tags.
    pub tags: Tags,
    /// The accounts that may copy and restore it; `all` stands for everyone.
    pub shared_with: BTreeSet<String>,
    /// The key of what it was copied from, as long as that is being read.
    pub(crate) source_key: Option<String>,
    /// When its creation ends.
    pub(crate) ends_at: DateTime<Utc>,
    /// How its creation ends.
    pub(crate) fate: Fate,
}

/// The state of a database snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbSnapshotState {
    /// It is being made.
    Creating,
    /// It is a copy of a cluster's snapshot that is being made. The API model (`CopyDBClusterSnapshot`) has this name.
    Copying,
    /// It can be restored, copied and shared.
    Available,
    /// It could not be made.
    Failed,
}

impl DbSnapshotState {
    /// Whether it is being made.
    pub fn is_in_progress(self) -> bool {
        match self {
            DbSnapshotState::Creating | DbSnapshotState::Copying => true,
            DbSnapshotState::Available | DbSnapshotState::Failed => false,
        }
    }
}

/// Who may read a snapshot that is shared with everyone.
pub(crate) const EVERYONE: &str = "all";

/// How long a copy from another region is `pending` before it is `creating`. That there is such a status is known from
/// users, who were surprised by it (issues of Terraform's provider for AWS); AWS documents none.
const PENDING: TimeDelta = TimeDelta::minutes(1);

/// The ARN of a snapshot.
pub(crate) fn arn(place: &Place, kind: DatabaseKind, id: &str) -> String {
    format!("arn:aws:rds:{}:{}:{}:{id}", place.region, place.account, kind.of_snapshots())
}

impl DbSnapshot {
    pub(crate) fn key(&self) -> DbKey {
        (self.kind, self.id.clone())
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Option<Place> {
        Place::of_arn(&self.arn)
    }

    /// Whether it is of an Aurora cluster.
    pub(crate) fn is_aurora(&self) -> bool {
        is_aurora(&self.engine)
    }

    /// Whether it is of a Multi-AZ DB cluster, whose snapshots can be neither copied nor shared. Source: RDS user guide,
    /// "Sharing a DB snapshot".
    pub(crate) fn is_of_multi_az_cluster(&self) -> bool {
        self.kind == DatabaseKind::Cluster && !self.is_aurora()
    }

    /// Whether it is a copy that is being made.
    pub(crate) fn is_copy_in_progress(&self) -> bool {
        self.source.is_some() && self.state.is_in_progress()
    }

    /// Whether an account that does not own it may read it.
    pub(crate) fn is_shared_with(&self, account: &str) -> bool {
        self.shared_with.contains(account) || self.shared_with.contains(EVERYONE)
    }

    /// Its status, as RDS tells it.
    pub(crate) fn status(&self, now: DateTime<Utc>) -> &'static str {
        match self.state {
            DbSnapshotState::Creating if self.is_from_elsewhere() && now < self.made_at + PENDING => "pending",
            DbSnapshotState::Creating => "creating",
            DbSnapshotState::Copying => "copying",
            DbSnapshotState::Available => "available",
            DbSnapshotState::Failed => "failed",
        }
    }

    /// How much of it is made, of a hundred.
    pub(crate) fn progress(&self, now: DateTime<Utc>) -> i64 {
        match self.state {
            DbSnapshotState::Available => 100,
            DbSnapshotState::Failed => 0,
            DbSnapshotState::Creating | DbSnapshotState::Copying => {
                let whole = (self.ends_at - self.made_at).num_milliseconds().max(1);
                let done = (now - self.made_at).num_milliseconds();
                (done.saturating_mul(100) / whole).clamp(0, 99)
            }
        }
    }

    /// The region of what it was copied from.
    pub(crate) fn source_region(&self) -> Option<String> {
        Some(Place::of_arn(self.source.as_deref()?)?.region)
    }

    fn is_from_elsewhere(&self) -> bool {
        let own = self.place().map(|place| place.region);
        self.source.is_some() && self.source_region() != own
    }

    /// Ends its creation, which can be made no longer.
    fn fail(&mut self) {
        self.state = DbSnapshotState::Failed;
        self.source_key = None;
    }
}

impl World {
    /// Begins an automated snapshot of a database. There is only one of a minute.
    pub(crate) fn begin_automated(&mut self, place: &Place, now: DateTime<Utc>, database: &Database) {
        let id = format!("rds:{}-{}", database.id, now.format("%Y-%m-%d-%H-%M"));
        if self.region(place).db_snapshots.contains_key(&(database.kind, id.clone())) {
            return;
        }
        let snapshot = self.draft_of_database(place, now, database, &id);
        self.begin_db_snapshot(place, DbSnapshot { is_automated: true, ..snapshot });
    }

    /// A snapshot of a database that is yet to be begun: a manual one, with the tags that it gets by itself.
    pub(crate) fn draft_of_database(
        &mut self,
        place: &Place,
        now: DateTime<Utc>,
        database: &Database,
        id: &str,
    ) -> DbSnapshot {
        let group = self.region(place).option_groups.get(&database.option_group);
        let has_tde = database.tde_credential.is_some() || group.is_some_and(OptionGroup::has_tde);
        DbSnapshot {
            kind: database.kind,
            id: id.to_owned(),
            arn: arn(place, database.kind, id),
            owner: place.account.clone(),
            database: database.id.clone(),
            engine: database.engine.clone(),
            engine_version: database.engine_version.clone(),
            storage: database.storage,
            master_username: database.master_username.clone(),
            database_created_at: database.created_at,
            is_automated: false,
            state: DbSnapshotState::Creating,
            taken_at: now,
            made_at: now,
            kms_key_id: database.kms_key_id.clone(),
            source: None,
            option_group: database.option_group.clone(),
            tde_credential: database.tde_credential.clone(),
            has_tde,
            tags: if database.copies_tags { database.tags.clone() } else { Tags::new() },
            shared_with: BTreeSet::new(),
            source_key: None,
            ends_at: now + self.rds.snapshot_time,
            fate: Fate::Completes,
        }
    }

    /// Begins a snapshot, which its time and its fate will end.
    pub(crate) fn begin_db_snapshot(&mut self, place: &Place, snapshot: DbSnapshot) {
        let key = snapshot.key();
        self.schedule(snapshot.ends_at, place, Due::DbSnapshot(key.clone()));
        self.region(place).db_snapshots.insert(key, snapshot);
    }

    /// Ends the creation of a snapshot, as its fate would have it; unless it is another one of the same name by now,
    /// whose time has not come.
    pub(crate) fn end_db_snapshot(&mut self, place: &Place, at: DateTime<Utc>, key: &DbKey) {
        let Some(snapshot) = self.region(place).db_snapshots.get_mut(key) else { return };
        if !snapshot.state.is_in_progress() || at < snapshot.ends_at {
            return;
        }
        match snapshot.fate {
            Fate::Completes => {
                snapshot.state = DbSnapshotState::Available;
                snapshot.source_key = None;
            }
            Fate::Fails(_) => snapshot.fail(),
        }
        if snapshot.is_automated && snapshot.state == DbSnapshotState::Available {
            let database = (snapshot.kind, snapshot.database.clone());
            self.expire_automated(place, at, &database);
        }
    }

    /// Removes the automated snapshots of a database that have been kept for as long as it says. They go when a newer one
    /// is available, so that there is always one; the exact instant is our reading, and unconfirmed.
    fn expire_automated(&mut self, place: &Place, at: DateTime<Utc>, key: &DbKey) {
        let region = self.region(place);
        let Some(database) = region.databases.get(key) else { return };
        let oldest = at - TimeDelta::days(i64::from(database.retention_days));
        let is_over = |one: &&DbSnapshot| {
            one.is_automated && one.kind == key.0 && one.database == key.1 && one.taken_at <= oldest
        };
        let over: Vec<DbKey> = region.db_snapshots.values().filter(is_over).map(DbSnapshot::key).collect();
        for key in over {
            self.remove_db_snapshot(place, at, &key);
        }
    }

    /// Removes a snapshot. "If the snapshot is being copied, the copy operation is terminated." Source: API model,
    /// `DeleteDBSnapshot`. That such a copy is `failed` then is our reading, and unconfirmed.
    pub(crate) fn remove_db_snapshot(&mut self, place: &Place, at: DateTime<Utc>, key: &DbKey) -> Option<DbSnapshot> {
        let removed = self.region(place).db_snapshots.remove(key)?;
        self.end_copies(at, |copy| copy.source.as_deref() == Some(removed.arn.as_str()));
        Some(removed)
    }

    /// Ends every copy in progress that reads or writes with a key, wherever it is.
    pub(crate) fn end_copies_with(&mut self, at: DateTime<Utc>, key: &str) {
        let key = Some(key);
        self.end_copies(at, |copy| copy.kms_key_id.as_deref() == key || copy.source_key.as_deref() == key);
    }

    /// Ends some of the copies that are in progress anywhere.
    fn end_copies(&mut self, at: DateTime<Utc>, is_meant: impl Fn(&DbSnapshot) -> bool) {
        let is_ended = |copy: &DbSnapshot| copy.is_copy_in_progress() && is_meant(copy);
        let has_such =
            |place: &&Place| self.regions.get(*place).is_some_and(|region| region.db_snapshots.values().any(&is_ended));
        let places: Vec<Place> = self.regions.keys().filter(has_such).cloned().collect();
        for place in places {
            self.will_change(&place, at);
            self.region(&place).db_snapshots.values_mut().filter(|copy| is_ended(copy)).for_each(DbSnapshot::fail);
        }
    }

    /// A snapshot that an account may read: one of its own, or one that is shared with it.
    pub(crate) fn readable_db_snapshot(&mut self, account: &str, place: &Place, key: &DbKey) -> Option<DbSnapshot> {
        let snapshot = self.region(place).db_snapshots.get(key)?;
        (place.account == account || snapshot.is_shared_with(account)).then(|| snapshot.clone())
    }

    /// The snapshots of other accounts in a region that an account may read.
    pub(crate) fn shared_db_snapshots<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a DbSnapshot> {
        self.regions
            .iter()
            .filter(move |(of, _)| of.region == place.region && of.account != place.account)
            .flat_map(|(_, region)| region.db_snapshots.values())
            .filter(move |snapshot| snapshot.is_shared_with(&place.account))
    }
}
