//! What the wire calls the same thing for DB instances and for clusters. Source: API model.

use crate::model::database::DatabaseKind;
use crate::wire::error::Error;

/// The words of one kind of database.
pub(super) struct Words {
    /// An element with a database, and what the names of its parameters begin with.
    pub(super) database: &'static str,
    /// An element with a snapshot, and what the names of its parameters begin with.
    pub(super) snapshot: &'static str,
    database_not_found: &'static str,
    database_exists: &'static str,
    database_state: &'static str,
    snapshot_not_found: &'static str,
    snapshot_exists: &'static str,
    snapshot_state: &'static str,
}

const INSTANCE: Words = Words {
    database: "DBInstance",
    snapshot: "DBSnapshot",
    database_not_found: "DBInstanceNotFound",
    database_exists: "DBInstanceAlreadyExists",
    database_state: "InvalidDBInstanceState",
    snapshot_not_found: "DBSnapshotNotFound",
    snapshot_exists: "DBSnapshotAlreadyExists",
    snapshot_state: "InvalidDBSnapshotState",
};

const CLUSTER: Words = Words {
    database: "DBCluster",
    snapshot: "DBClusterSnapshot",
    database_not_found: "DBClusterNotFoundFault",
    database_exists: "DBClusterAlreadyExistsFault",
    database_state: "InvalidDBClusterStateFault",
    snapshot_not_found: "DBClusterSnapshotNotFoundFault",
    snapshot_exists: "DBClusterSnapshotAlreadyExistsFault",
    snapshot_state: "InvalidDBClusterSnapshotStateFault",
};

/// The words of a kind of database.
pub(super) fn words(kind: DatabaseKind) -> &'static Words {
    match kind {
        DatabaseKind::Instance => &INSTANCE,
        DatabaseKind::Cluster => &CLUSTER,
    }
}

impl Words {
    /// The parameter and element with a database's identifier.
    pub(super) fn database_id(&self) -> String {
        format!("{}Identifier", self.database)
    }

    /// The parameter and element with a snapshot's identifier.
    pub(super) fn snapshot_id(&self) -> String {
        format!("{}Identifier", self.snapshot)
    }

    pub(super) fn no_database(&self, id: &str) -> Error {
        Error::new(self.database_not_found, format!("{} {id} not found.", self.database))
    }

    pub(super) fn database_exists(&self, id: &str) -> Error {
        Error::new(self.database_exists, format!("{} {id} already exists", self.database))
    }

    pub(super) fn bad_database(&self, why: impl Into<String>) -> Error {
        Error::new(self.database_state, why)
    }

    pub(super) fn no_snapshot(&self, id: &str) -> Error {
        Error::new(self.snapshot_not_found, format!("{} not found: {id}", self.snapshot))
    }

    pub(super) fn snapshot_exists(&self, id: &str) -> Error {
        let message = format!("Cannot create the snapshot because a snapshot with the identifier {id} already exists.");
        Error::new(self.snapshot_exists, message)
    }

    pub(super) fn bad_snapshot(&self, why: impl Into<String>) -> Error {
        Error::new(self.snapshot_state, why)
    }
}
