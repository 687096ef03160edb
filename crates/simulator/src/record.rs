//! What the simulator remembers for its owner: calls, deletions, deregistrations, published messages.

use crate::model::db_snapshot::DbSnapshot;
use crate::model::image::Image;
use crate::model::snapshot::Snapshot;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// One call, as it came in and as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When it came in.
    pub at: DateTime<Utc>,
    /// Its access key.
    pub caller: String,
    /// The account of its access key.
    pub account: String,
    /// The region that it was signed for.
    pub region: String,
    /// The service that it was signed for: `ec2`, `kms`, `rds`, `sns`, `ssm` or `sts`.
    pub service: String,
    /// Its action, such as `DescribeSnapshots`.
    pub action: String,
    /// Its other parameters, as they came in, but for `Version`.
    pub params: Vec<(String, String)>,
    /// How it was answered.
    pub answer: Outcome,
}

/// How a call was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// With success.
    Ok,
    /// With an error.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
    },
    /// Not at all: the connection was cut.
    Cut,
}

/// One deleted snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub at: DateTime<Utc>,
    /// The access key of whoever deleted it.
    pub caller: String,
    /// The account that held it.
    pub account: String,
    /// The region that held it.
    pub region: String,
    /// The snapshot as it was.
    pub snapshot: Snapshot,
}

/// One deleted snapshot of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbDeletion {
    /// When it was deleted.
    pub at: DateTime<Utc>,
    /// The access key of whoever deleted it.
    pub caller: String,
    /// The account that held it.
    pub account: String,
    /// The region that held it.
    pub region: String,
    /// The snapshot as it was.
    pub snapshot: DbSnapshot,
}

/// One deregistered image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deregistration {
    /// When it was deregistered.
    pub at: DateTime<Utc>,
    /// The access key of whoever deregistered it.
    pub caller: String,
    /// The account that held it.
    pub account: String,
    /// The region that held it.
    pub region: String,
    /// The image as it was.
    pub image: Image,
}

/// One message published to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// When it was published.
    pub at: DateTime<Utc>,
    /// The account that published it.
    pub account: String,
    /// The region of the topic.
    pub region: String,
    /// The topic.
    pub topic_arn: String,
    /// Its subject, if it had one.
    pub subject: Option<String>,
    /// Its text.
    pub message: String,
}
