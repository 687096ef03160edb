//! Parameters of Systems Manager.

use crate::model::Place;
use chrono::{DateTime, Utc};

/// A parameter of the type `String`, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) value: String,
    /// How often it was written.
    pub(crate) version: i64,
    pub(crate) changed_at: DateTime<Utc>,
}

/// The ARN of a parameter; of one in a hierarchy, whose name begins with a slash, it has one slash only.
pub(crate) fn arn(place: &Place, name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    format!("arn:aws:ssm:{}:{}:parameter/{name}", place.region, place.account)
}
