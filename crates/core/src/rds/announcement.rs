//! The message by which the live account tells the failsafe account of a shared copy:
//! `{"Instance": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}`, of a cluster `Cluster` in place of
//! `Instance`. To its reader it is a hint: what is done follows from what is really shared.

use serde_json::{Map, Value};

use crate::{
    plain::plain,
    rds::inventory::{DatabaseId, DatabaseKind, DbSnapshotId},
};

const INSTANCE: &str = "Instance";
const CLUSTER: &str = "Cluster";
const SNAPSHOT: &str = "FailsafeSnapshotID";

/// An announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The database.
    pub database: DatabaseId,
    /// The shared copy.
    pub snapshot: DbSnapshotId,
}

impl Announcement {
    /// The message, one line of JSON.
    pub fn message(&self) -> String {
        let kind = match self.database.kind {
            DatabaseKind::Instance => INSTANCE,
            DatabaseKind::Cluster => CLUSTER,
        };
        let (database, snapshot) = (json(&self.database.name), json(&self.snapshot.name));
        format!(r#"{{"{kind}": {database}, "{SNAPSHOT}": {snapshot}}}"#)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// What is not understood, in words fit for one line.
    pub fn read(message: &str) -> Result<Self, String> {
        let message: Value =
            serde_json::from_str(message).map_err(|error| plain(&format!("it is no JSON: {error}")))?;
        let Value::Object(message) = message else { return Err("it is no JSON object".to_owned()) };
        let (kind, database) = match (message.contains_key(INSTANCE), message.contains_key(CLUSTER)) {
            (true, false) => (DatabaseKind::Instance, name(&message, INSTANCE)?),
            (false, true) => (DatabaseKind::Cluster, name(&message, CLUSTER)?),
            (true, true) => return Err(format!("it has both {INSTANCE} and {CLUSTER}")),
            (false, false) => return Err(format!("it has neither {INSTANCE} nor {CLUSTER}")),
        };
        let snapshot = name(&message, SNAPSHOT)?;
        Ok(Self { database: DatabaseId { kind, name: database }, snapshot: DbSnapshotId { kind, name: snapshot } })
    }
}

fn json(text: &str) -> Value {
    Value::from(text)
}

/// Reads a name as RDS has them: 1 to 255 letters, digits and hyphens (RDS API, `CopyDBSnapshot`).
fn name(message: &Map<String, Value>, key: &str) -> Result<String, String> {
    let value = message.get(key).ok_or_else(|| format!("it has no {key}"))?;
    let is_name = |text: &&str| {
        (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match value.as_str().filter(is_name) {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!("its {key} is no name of letters, digits and hyphens")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::near::near;

    fn announcement(kind: DatabaseKind) -> Announcement {
        Announcement {
            database: DatabaseId { kind, name: "orders".to_owned() },
            snapshot: DbSnapshotId { kind, name: "failsafe-orders-2026-11-21-05-12".to_owned() },
        }
    }

    #[test]
    fn the_message_is_read_as_it_is_written() {
        for (kind, message) in [
            (
                DatabaseKind::Instance,
                r#"{"Instance": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#,
            ),
            (
                DatabaseKind::Cluster,
                r#"{"Cluster": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#,
            ),
        ] {
            assert_eq!(announcement(kind).message(), message);
            assert_eq!(Announcement::read(message), Ok(announcement(kind)));
        }
        let spaced =
            "\n{ \"FailsafeSnapshotID\":\"failsafe-orders-2026-11-21-05-12\", \"Instance\":\"orders\",\"x\":1}";
        assert_eq!(Announcement::read(spaced), Ok(announcement(DatabaseKind::Instance)));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (message, told) in [
            ("", "it is no JSON: "),
            ("failsafe-orders", "it is no JSON: "),
            ("[]", "it is no JSON object"),
            ("{}", "it has neither Instance nor Cluster"),
            (r#"{"FailsafeSnapshotID": "x"}"#, "it has neither Instance nor Cluster"),
            (r#"{"Instance": "x", "Cluster": "x", "FailsafeSnapshotID": "x"}"#, "it has both Instance and Cluster"),
            (r#"{"Instance": "x"}"#, "it has no FailsafeSnapshotID"),
            (r#"{"Instance": "x", "FailsafeSnapshotID": ""}"#, "its FailsafeSnapshotID is no name"),
            (r#"{"Instance": "x", "FailsafeSnapshotID": ["x"]}"#, "its FailsafeSnapshotID is no name"),
            (r#"{"Instance": 1, "FailsafeSnapshotID": "x"}"#, "its Instance is no name"),
            (r#"{"Cluster": "a\nb", "FailsafeSnapshotID": "x"}"#, "its Cluster is no name"),
            (r#"{"Cluster": "x", "FailsafeSnapshotID": "arn:aws:rds:x"}"#, "its FailsafeSnapshotID is no name"),
        ] {
            let error = Announcement::read(message).unwrap_err();
            assert!(error.starts_with(told), "{message}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_as_names_or_told_in_one_line(message in near(&[
            r#"{"Instance": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#,
            r#"{"Cluster": "orders", "FailsafeSnapshotID": "failsafe-orders-2026-11-21-05-12"}"#,
        ])) {
            match Announcement::read(&message) {
                Ok(read) => prop_assert_eq!(Announcement::read(&read.message()), Ok(read)),
                Err(told) => prop_assert_eq!(plain(&told), told),
            }
        }
    }
}
