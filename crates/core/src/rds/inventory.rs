//! What is found of RDS in an account: databases and their snapshots, as plain data.

use std::{cmp::Ordering, fmt};

use chrono::{DateTime, SubsecRound, Utc};

use crate::{
    rds::name,
    tags::{self, Tags},
};

/// The two kinds of database. RDS has calls, snapshots and quotas for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DatabaseKind {
    /// A DB instance that is no member of a cluster.
    Instance,
    /// An Aurora or Multi-AZ DB cluster.
    Cluster,
}

/// A database by its identifier. Displayed as at the end of its ARN: `db:orders`, `cluster:orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId {
    /// DB instance or cluster.
    pub kind: DatabaseKind,
    /// Its identifier, `orders`.
    pub name: String,
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DatabaseKind::Instance => "db",
            DatabaseKind::Cluster => "cluster",
        };
        write!(f, "{kind}:{}", self.name)
    }
}

/// A database snapshot by its identifier. Displayed as at the end of its ARN: `snapshot:failsafe-orders-2026-11-21-05-12`,
/// `cluster-snapshot:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DbSnapshotId {
    /// Of a DB instance or of a cluster.
    pub kind: DatabaseKind,
    /// Its identifier; of an automated one `rds:orders-2026-11-21-05-12`.
    pub name: String,
}

impl fmt::Display for DbSnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DatabaseKind::Instance => "snapshot",
            DatabaseKind::Cluster => "cluster-snapshot",
        };
        write!(f, "{kind}:{}", self.name)
    }
}

/// A DB instance or a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its identifier.
    pub id: DatabaseId,
    /// Its engine, `postgres`, `aurora-mysql`, `oracle-ee`.
    pub engine: String,
    /// When it was made, where RDS tells.
    pub created: Option<DateTime<Utc>>,
    /// Whether it has automated backups at all: a retention period above 0.
    pub has_backups: bool,
    /// Whether its data is encrypted by the engine (TDE of Oracle and SQL Server): such snapshots cannot be shared.
    pub has_tde: bool,
    /// Its tags.
    pub tags: Tags,
    /// The DB instances that are its members, if it is a cluster.
    pub members: Vec<Member>,
}

/// A DB instance that is a member of a cluster: no database of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its identifier.
    pub name: String,
    /// Its tags, which say nothing of the cluster.
    pub tags: Tags,
}

impl Database {
    /// Whether it is an Aurora cluster.
    pub fn is_aurora(&self) -> bool {
        is_aurora(&self.engine)
    }

    /// Whether it is a Multi-AZ DB cluster: its snapshots can be neither shared nor copied (RDS user guide, "Sharing a DB
    /// snapshot").
    pub fn is_multi_az_cluster(&self) -> bool {
        self.id.kind == DatabaseKind::Cluster && !self.is_aurora()
    }

    /// Whether it is of RDS Custom, whose snapshots cannot be copied (RDS API, `CopyDBSnapshot`).
    pub fn is_custom(&self) -> bool {
        self.engine.starts_with("custom-")
    }
}

fn is_aurora(engine: &str) -> bool {
    engine.starts_with("aurora")
}

/// A snapshot of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbSnapshot {
    /// Its identifier, without account and region also where it is another account's.
    pub id: DbSnapshotId,
    /// Its ARN, by which it is copied from another account or region.
    pub arn: String,
    /// The account that owns it, by the ARN.
    pub owner: String,
    /// The database of which it is.
    pub database: DatabaseId,
    /// The engine of that database.
    pub engine: String,
    /// Its state.
    pub state: DbSnapshotState,
    /// The moment of the data, which a copy has in common with its source: `OriginalSnapshotCreateTime`, or else
    /// `SnapshotCreateTime`. `None` while RDS does not tell.
    pub taken: Option<DateTime<Utc>>,
    /// When this snapshot, or this copy, was made: `SnapshotCreateTime`.
    pub made: Option<DateTime<Utc>>,
    /// The KMS key under which it is, by its ARN; `None` where it is not encrypted.
    pub kms_key: Option<String>,
    /// Its tags; of another account's snapshots there may be none to see.
    pub tags: Tags,
}

impl DbSnapshot {
    /// Whether Snapkeeper made it, by its name and by its tags. Nothing else is ever deleted. A copy by hand may have our
    /// tags, and an automated snapshot may inherit them from its database.
    pub fn is_own(&self) -> bool {
        self.id.name.starts_with(name::PREFIX)
            && self.tags.get(tags::TYPE) == Some(tags::AUTOMATED)
            && self.tags.has(tags::SOURCE_DB_SNAPSHOT)
    }

    /// The region in which it lies, by its ARN.
    pub fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }

    /// Whether it is one of the sharer's copies: an own one of this account's databases.
    pub fn is_to_share(&self) -> bool {
        self.is_own() && !self.tags.has(tags::SOURCE_ACCOUNT)
    }

    /// Whether it is one of the saver's copies: an own one of another account's databases. An account may be the
    /// failsafe of another and have one itself.
    pub fn is_saved(&self) -> bool {
        self.is_own() && self.tags.has(tags::SOURCE_ACCOUNT)
    }

    /// Whether it is one of the syncer's copies, by its tags. The failsafe jobs' copies are none.
    pub fn is_synced(&self) -> bool {
        self.tags.get(tags::SYNC_MADE) == Some(tags::YES) && !self.tags.has(tags::SOURCE_DB_SNAPSHOT)
    }

    /// The moment of the data, in whole seconds. Of our own copies of clusters it is what their tag says, for RDS does not
    /// tell it (RDS API, `DBClusterSnapshot`: it has no `OriginalSnapshotCreateTime`). A tag that names a moment after the
    /// copy was made is not true.
    pub fn data_at(&self) -> Option<DateTime<Utc>> {
        let is_told_by_tag = self.id.kind == DatabaseKind::Cluster && (self.is_own() || self.is_synced());
        let said = if is_told_by_tag { tags::instant(tags::SOURCE_TAKEN, &self.tags) } else { None };
        let said = said.filter(|said| self.made.is_some_and(|made| *said <= made));
        said.or(self.taken).map(|instant| instant.trunc_subsecs(0))
    }

    /// Which of two snapshots of a database has the older data; one of which that is not told counts as the older.
    pub fn by_age(&self, other: &Self) -> Ordering {
        (self.data_at(), &self.id).cmp(&(other.data_at(), &other.id))
    }

    /// Whether it can be restored, copied and shared.
    pub fn is_available(&self) -> bool {
        self.state == DbSnapshotState::Available
    }

    /// Whether it is a snapshot, or may become one.
    pub fn is_live(&self) -> bool {
        match self.state {
            DbSnapshotState::Available | DbSnapshotState::InProgress | DbSnapshotState::Unknown => true,
            DbSnapshotState::Failed | DbSnapshotState::Deleting => false,
        }
    }

    /// Whether the operator wants it kept.
    pub fn is_kept_forever(&self) -> bool {
        self.tags.has(tags::KEEP_FOREVER)
    }

    /// Whether it is of an Aurora cluster.
    pub fn is_aurora(&self) -> bool {
        is_aurora(&self.engine)
    }
}

/// What a database snapshot's status comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbSnapshotState {
    /// `available`: can be restored, copied and shared.
    Available,
    /// `creating`, `copying` and the like: being made.
    InProgress,
    /// `failed`: holds nothing.
    Failed,
    /// `deleting`: on its way out.
    Deleting,
    /// A status that RDS did not have when this was written.
    Unknown,
}

/// What is known of a KMS key before it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// A key of one's own, enabled; its ARN.
    Usable(String),
    /// One of AWS's own keys, `alias/aws/rds`: a snapshot under it cannot be shared.
    AwsManaged,
    /// A key of one's own, but not enabled: the state that KMS tells, `Disabled`, `PendingDeletion`.
    NotEnabled(String),
    /// There is no such key.
    Missing,
    /// KMS did not say, and why.
    Unknown(String),
}

impl KeyState {
    /// Why nothing can be copied under the key `name` so that it can be shared, if that is certain.
    pub fn obstacle(&self, name: &str) -> Option<String> {
        match self {
            Self::Usable(_) | Self::Unknown(_) => None,
            Self::AwsManaged => Some(format!("{name} is one of AWS's own keys: a snapshot under it cannot be shared")),
            Self::NotEnabled(state) => Some(format!("the key {name} is not enabled: its state is {state}")),
            Self::Missing => Some(format!("there is no key {name} in this region")),
        }
    }
}

/// How many manual snapshots there are of a kind, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many there are.
    pub used: u64,
    /// How many there may be.
    pub max: u64,
}

/// The quotas of manual snapshots, as far as RDS tells them (`DescribeAccountAttributes`: `ManualSnapshots`,
/// `ManualClusterSnapshots`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of DB instances.
    pub instances: Option<Quota>,
    /// Of clusters.
    pub clusters: Option<Quota>,
}

impl Quotas {
    /// The quota of a kind.
    pub fn of(&self, kind: DatabaseKind) -> Option<Quota> {
        match kind {
            DatabaseKind::Instance => self.instances,
            DatabaseKind::Cluster => self.clusters,
        }
    }
}
