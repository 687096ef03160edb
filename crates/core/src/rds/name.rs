//! The names of copies: what follows from the source alone, so that a copy is made only once.

use crate::{
    ids::Region,
    rds::inventory::{DatabaseKind, DbSnapshotId},
};

/// What the name of each failsafe copy begins with.
pub const PREFIX: &str = "failsafe-";

/// What an automated snapshot's name begins with.
const AUTOMATED: &str = "rds:";
/// How an automated snapshot's name ends: with the moment, `2026-11-21-05-12`.
const MOMENT: usize = 16;

/// The failsafe copy of an automated snapshot: `failsafe-orders-2026-11-21-05-12` of `rds:orders-2026-11-21-05-12`. What
/// would be too long for AWS loses part of the database's name, and has a number in its place that follows from the
/// whole: `failsafe-a-cluster-whose-name-is-long-1c0ffee5-2026-11-21-05-12`.
pub fn of_copy(automated: &DbSnapshotId) -> DbSnapshotId {
    with_prefix(PREFIX, automated)
}

/// The syncer's copy of an automated snapshot of the region `from`: `sync-us-east-1-orders-2026-11-21-05-12`. What would
/// be too long is shortened as in a failsafe copy's name.
pub fn of_synced(from: &Region, automated: &DbSnapshotId) -> DbSnapshotId {
    with_prefix(&format!("sync-{from}-"), automated)
}

fn with_prefix(prefix: &str, automated: &DbSnapshotId) -> DbSnapshotId {
    let whole: String = automated.name.strip_prefix(AUTOMATED).unwrap_or(&automated.name).replace(':', "-");
    let room = longest(automated.kind).saturating_sub(prefix.len());
    let name = if whole.len() <= room || !whole.is_ascii() { whole } else { shortened(&whole, room) };
    DbSnapshotId { kind: automated.kind, name: format!("{prefix}{name}") }
}

/// How long the name of a copy may be (RDS API, `CopyDBSnapshot` and `CopyDBClusterSnapshot`).
fn longest(kind: DatabaseKind) -> usize {
    match kind {
        DatabaseKind::Instance => 255,
        DatabaseKind::Cluster => 63,
    }
}

/// The beginning of a text, its number, and its end, in so many characters. AWS takes neither two hyphens in a row nor one
/// at the end.
fn shortened(whole: &str, room: usize) -> String {
    let (rest, moment) = whole.split_at(whole.len().saturating_sub(MOMENT));
    let number = format!("-{:08x}-", number_of(whole));
    let head: String = rest.chars().take(room.saturating_sub(number.len() + moment.len())).collect();
    format!("{}{number}{}", head.trim_end_matches('-'), moment.trim_start_matches('-'))
}

/// A number that follows from a text (FNV-1a): another one for almost every other text.
fn number_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |number, byte| (number ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(kind: DatabaseKind, name: &str) -> String {
        let copy = of_copy(&DbSnapshotId { kind, name: name.to_owned() });
        assert_eq!(copy.kind, kind);
        copy.name
    }

    #[test]
    fn a_copy_is_named_after_its_source() {
        for kind in [DatabaseKind::Instance, DatabaseKind::Cluster] {
            assert_eq!(of(kind, "rds:orders-2026-11-21-05-12"), "failsafe-orders-2026-11-21-05-12");
        }
    }

    #[test]
    fn a_synced_copy_is_named_after_its_region_as_well() {
        let automated = DbSnapshotId { kind: DatabaseKind::Cluster, name: "rds:orders-2026-11-21-05-12".to_owned() };
        let copy = of_synced(&"us-east-1".parse().unwrap(), &automated);
        assert_eq!(copy.to_string(), "cluster-snapshot:sync-us-east-1-orders-2026-11-21-05-12");
    }

    /// A cluster's name may have 63 characters, and so may that of its snapshot.
    #[test]
    fn a_name_that_would_be_too_long_stays_its_own() {
        let long = |end: &str| format!("rds:a-cluster-whose-name-is-quite-long-{end}-2026-11-21-05-12");
        let (one, other) = (of(DatabaseKind::Cluster, &long("one")), of(DatabaseKind::Cluster, &long("two")));
        assert_ne!(one, other);
        for name in [one, other] {
            assert!(name.starts_with("failsafe-a-cluster-whose-name-is-"), "{name}");
            assert!(name.ends_with("-2026-11-21-05-12") && name.len() <= 63 && !name.contains("--"), "{name}");
        }
        let whole = of(DatabaseKind::Instance, &long("one"));
        assert_eq!(whole, "failsafe-a-cluster-whose-name-is-quite-long-one-2026-11-21-05-12");
    }

    proptest! {
        #[test]
        fn whatever_aws_calls_a_snapshot_its_copy_has_a_name_that_aws_takes(
            name in "[a-z](-?[a-z0-9]){0,62}-2026(-[0-9]{1,2}){2,5}",
            kind in prop::sample::select(vec![DatabaseKind::Instance, DatabaseKind::Cluster]),
        ) {
            let copy = of(kind, &format!("rds:{name}"));
            prop_assert!(copy.len() <= longest(kind), "{copy}");
            prop_assert!(copy.starts_with(PREFIX) && !copy.ends_with('-') && !copy.contains("--"), "{copy}");
            prop_assert!(copy.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{copy}");

            let from: Region = "ap-southeast-1".parse().unwrap();
            let synced = of_synced(&from, &DbSnapshotId { kind, name: format!("rds:{name}") }).name;
            prop_assert!(synced.len() <= longest(kind) && synced.starts_with("sync-ap-southeast-1-"), "{synced}");
            prop_assert!(!synced.ends_with('-') && !synced.contains("--"), "{synced}");
        }
    }
}
