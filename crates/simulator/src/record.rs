//! What the simulator remembers for its owner: calls, deletions, deregistrations, published messages.

use crate::model::db_snapshot::DbSnapshot;
use crate::model::image::Image;
use crate::model::snapshot::Snapshot;
use crate::wire::error::is_throttle;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::AddAssign;

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

/// Calls that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CallKind {
    /// Their access key.
    pub caller: String,
    /// The region that they were signed for.
    pub region: String,
    /// The service that they were signed for.
    pub service: String,
    /// Their action.
    pub action: String,
}

/// How many calls there were, and how they were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// All of them.
    pub calls: u64,
    /// Those that were throttled, by AWS's buckets or by a fault.
    pub throttled: u64,
    /// Those that were not answered.
    pub cut: u64,
    /// Those that were answered with an error, by its code; throttled ones too.
    pub errors: BTreeMap<String, u64>,
}

impl CallCount {
    pub(crate) fn add(&mut self, answer: &Outcome) {
        self.calls += 1;
        match answer {
            Outcome::Ok => {}
            Outcome::Cut => self.cut += 1,
            Outcome::Error { code, .. } => {
                self.throttled += u64::from(is_throttle(code));
                *self.errors.entry(code.clone()).or_default() += 1;
            }
        }
    }
}

impl AddAssign<&CallCount> for CallCount {
    fn add_assign(&mut self, other: &CallCount) {
        self.calls += other.calls;
        self.throttled += other.throttled;
        self.cut += other.cut;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
    }
}

impl<'a> Sum<&'a CallCount> for CallCount {
    fn sum<I: Iterator<Item = &'a CallCount>>(counts: I) -> CallCount {
        counts.fold(CallCount::default(), |mut sum, count| {
            sum += count;
            sum
        })
    }
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
