//! From the SDK's types to Snapkeeper's. What lacks its identifier is no answer of RDS's and is left out. A snapshot has its
//! name and its owner by its ARN: as the identifier of another account's, RDS tells the whole ARN.

use std::collections::BTreeSet;

use aws_sdk_rds::{primitives::DateTime as SdkDateTime, types};
use chrono::{DateTime, Utc};
use snapkeeper_core::{
    rds::inventory::{
        Database, DatabaseId, DatabaseKind, DbSnapshot, DbSnapshotId, DbSnapshotState, Member, Quota, Quotas,
    },
    tags::Tags,
};

/// The options by which Oracle and SQL Server encrypt by themselves (RDS user guide, "Oracle Transparent Data Encryption",
/// "Support for Transparent Data Encryption in SQL Server").
const TDE: [&str; 2] = ["TDE", "TRANSPARENT_DATA_ENCRYPTION"];

/// Whether only its option groups tell if an instance encrypts by its engine.
pub(super) fn may_have_tde(instance: &types::DbInstance) -> bool {
    let has_options = ["oracle-", "sqlserver-"].iter().any(|it| instance.engine().unwrap_or_default().starts_with(it));
    // the groups that RDS makes have no options
    has_options && option_groups(instance).any(|group| !group.starts_with("default:"))
}

/// The name of an option group, if it encrypts by the engine.
pub(super) fn group_with_tde(group: &types::OptionGroup) -> Option<String> {
    let has_tde = group.options().iter().filter_map(types::Option::option_name).any(|option| TDE.contains(&option));
    has_tde.then(|| group.option_group_name().map(str::to_owned)).flatten()
}

/// A DB instance, if it is no member of a cluster; by the names of the option groups that encrypt by the engine.
pub(super) fn instance(instance: &types::DbInstance, tde: &BTreeSet<String>) -> Option<Database> {
    if said(instance.db_cluster_identifier()).is_some() {
        return None;
    }
    Some(Database {
        id: DatabaseId { kind: DatabaseKind::Instance, name: said(instance.db_instance_identifier())?.to_owned() },
        engine: instance.engine().unwrap_or_default().to_owned(),
        created: instance.instance_create_time().and_then(instant),
        has_backups: instance.backup_retention_period().is_some_and(|days| days > 0),
        has_tde: said(instance.tde_credential_arn()).is_some() || option_groups(instance).any(|it| tde.contains(it)),
        tags: tags(instance.tag_list()),
        members: Vec::new(),
    })
}

/// A DB instance that is a member of a cluster, and the cluster's name.
pub(super) fn member(instance: &types::DbInstance) -> Option<(String, Member)> {
    let cluster = said(instance.db_cluster_identifier())?.to_owned();
    let name = said(instance.db_instance_identifier())?.to_owned();
    Some((cluster, Member { name, tags: tags(instance.tag_list()) }))
}

fn option_groups(instance: &types::DbInstance) -> impl Iterator<Item = &str> {
    instance.option_group_memberships().iter().filter_map(types::OptionGroupMembership::option_group_name)
}

pub(super) fn cluster(cluster: &types::DbCluster) -> Option<Database> {
    Some(Database {
        id: DatabaseId { kind: DatabaseKind::Cluster, name: said(cluster.db_cluster_identifier())?.to_owned() },
        engine: cluster.engine().unwrap_or_default().to_owned(),
        created: cluster.cluster_create_time().and_then(instant),
        has_backups: cluster.backup_retention_period().is_some_and(|days| days > 0),
        // no engine of clusters has it
        has_tde: false,
        tags: tags(cluster.tag_list()),
        members: Vec::new(),
    })
}

pub(super) fn snapshot(snapshot: &types::DbSnapshot) -> Option<DbSnapshot> {
    let kind = DatabaseKind::Instance;
    let arn = said(snapshot.db_snapshot_arn())?;
    let made = snapshot.snapshot_create_time().and_then(instant);
    Some(DbSnapshot {
        id: DbSnapshotId { kind, name: part(arn, 6)?.to_owned() },
        owner: part(arn, 4)?.to_owned(),
        arn: arn.to_owned(),
        database: DatabaseId { kind, name: said(snapshot.db_instance_identifier())?.to_owned() },
        engine: snapshot.engine().unwrap_or_default().to_owned(),
        state: state(snapshot.status()),
        taken: snapshot.original_snapshot_create_time().and_then(instant).or(made),
        made,
        kms_key: kms_key(snapshot.encrypted(), snapshot.kms_key_id()),
        tags: tags(snapshot.tag_list()),
    })
}

/// A snapshot of a cluster. RDS tells one instant of it, and AWS's example of a copy has that of its source: see
/// `aws rds copy-db-cluster-snapshot`.
pub(super) fn cluster_snapshot(snapshot: &types::DbClusterSnapshot) -> Option<DbSnapshot> {
    let kind = DatabaseKind::Cluster;
    let arn = said(snapshot.db_cluster_snapshot_arn())?;
    let made = snapshot.snapshot_create_time().and_then(instant);
    Some(DbSnapshot {
        id: DbSnapshotId { kind, name: part(arn, 6)?.to_owned() },
        owner: part(arn, 4)?.to_owned(),
        arn: arn.to_owned(),
        database: DatabaseId { kind, name: said(snapshot.db_cluster_identifier())?.to_owned() },
        engine: snapshot.engine().unwrap_or_default().to_owned(),
        state: state(snapshot.status()),
        taken: made,
        made,
        kms_key: kms_key(snapshot.storage_encrypted(), snapshot.kms_key_id()),
        tags: tags(snapshot.tag_list()),
    })
}

/// The quotas of manual snapshots among those of an account.
pub(super) fn quotas(all: &[types::AccountQuota]) -> Quotas {
    let quota = |name: &str| {
        let told = all.iter().find(|it| it.account_quota_name() == Some(name))?;
        Some(Quota { used: told.used()?.try_into().ok()?, max: told.max()?.try_into().ok()? })
    };
    Quotas { instances: quota("ManualSnapshots"), clusters: quota("ManualClusterSnapshots") }
}

/// A part of `arn:aws:rds:us-east-1:123456789012:snapshot:NAME`: the account is the fourth, counted from 0, and the name the
/// sixth. An automated one has a colon in its name, which is all that comes after the sixth colon.
fn part(arn: &str, number: usize) -> Option<&str> {
    said(arn.splitn(7, ':').nth(number))
}

fn state(status: Option<&str>) -> DbSnapshotState {
    match status.unwrap_or_default() {
        "available" => DbSnapshotState::Available,
        "creating" | "copying" | "pending" => DbSnapshotState::InProgress,
        "failed" => DbSnapshotState::Failed,
        "deleting" => DbSnapshotState::Deleting,
        _ => DbSnapshotState::Unknown,
    }
}

/// An encrypted snapshot never passes for one that is not, even if its key is not told.
fn kms_key(encrypted: Option<bool>, key: Option<&str>) -> Option<String> {
    (encrypted == Some(true)).then(|| said(key).unwrap_or("unknown").to_owned())
}

fn tags(tags: &[types::Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default()))).collect()
}

fn instant(at: &SdkDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}

/// An empty element says nothing.
fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: i64 = 1_795_237_920;
    const COPIED: i64 = 1_795_241_520;

    fn at(seconds: i64) -> SdkDateTime {
        SdkDateTime::from_secs(seconds)
    }

    fn of_instance(identifier: &str, arn: &str) -> types::DbSnapshot {
        types::DbSnapshot::builder()
            .db_snapshot_identifier(identifier)
            .db_snapshot_arn(arn)
            .db_instance_identifier("orders")
            .engine("postgres")
            .status("available")
            .snapshot_create_time(at(COPIED))
            .original_snapshot_create_time(at(TAKEN))
            .build()
    }

    #[test]
    fn a_snapshot_is_known_by_its_name_and_its_owner_by_the_arn() {
        #[track_caller]
        fn check(identifier: &str, arn: &str, expected: Option<(&str, &str)>) {
            let read = snapshot(&of_instance(identifier, arn));
            assert_eq!(read.as_ref().map(|it| (it.id.name.as_str(), it.owner.as_str())), expected, "{identifier}");
            assert!(read.is_none_or(|it| it.arn == arn && it.taken < it.made));
        }
        const OWN: &str = "arn:aws:rds:us-east-1:123456789012:snapshot:failsafe-orders-2026-11-21-05-12";
        const AUTOMATED: &str = "arn:aws:rds:us-east-1:123456789012:snapshot:rds:orders-2026-11-21-05-12";
        const OURS: Option<(&str, &str)> = Some(("failsafe-orders-2026-11-21-05-12", "123456789012"));
        check("failsafe-orders-2026-11-21-05-12", OWN, OURS);
        check(OWN, OWN, OURS);
        check("rds:orders-2026-11-21-05-12", AUTOMATED, Some(("rds:orders-2026-11-21-05-12", "123456789012")));
        check("failsafe-orders", "", None);
        check("failsafe-orders", "arn:aws:rds:us-east-1", None);
        check("failsafe-orders", "arn:aws:rds:us-east-1:123456789012:snapshot:", None);
        check("failsafe-orders", "arn:aws:rds:us-east-1::snapshot:failsafe-orders", None);
    }

    #[test]
    fn a_snapshot_of_a_cluster_is_as_old_as_rds_tells() {
        let told = types::DbClusterSnapshot::builder()
            .db_cluster_snapshot_identifier("failsafe-sales")
            .db_cluster_snapshot_arn("arn:aws:rds:us-east-1:123456789012:cluster-snapshot:failsafe-sales")
            .db_cluster_identifier("sales")
            .engine("aurora-mysql")
            .status("copying")
            .snapshot_create_time(at(TAKEN))
            .build();
        let read = cluster_snapshot(&told).unwrap();
        assert_eq!(
            (read.id.to_string().as_str(), read.owner.as_str()),
            ("cluster-snapshot:failsafe-sales", "123456789012")
        );
        assert_eq!((read.taken.map(|it| it.timestamp()), read.made == read.taken), (Some(TAKEN), true));
        assert_eq!((read.state, read.kms_key.is_some(), read.is_aurora()), (DbSnapshotState::InProgress, false, true));
    }

    #[test]
    fn what_is_encrypted_never_passes_for_what_is_not() {
        for (encrypted, key, expected) in [
            (
                Some(true),
                Some("arn:aws:kms:us-east-1:123456789012:key/1"),
                Some("arn:aws:kms:us-east-1:123456789012:key/1"),
            ),
            (Some(true), None, Some("unknown")),
            (Some(false), Some("a key"), None),
            (None, None, None),
        ] {
            assert_eq!(kms_key(encrypted, key).as_deref(), expected, "{encrypted:?} {key:?}");
        }
    }

    #[test]
    fn a_status_is_what_it_comes_to() {
        for (status, expected) in [
            (Some("available"), DbSnapshotState::Available),
            (Some("creating"), DbSnapshotState::InProgress),
            (Some("copying"), DbSnapshotState::InProgress),
            (Some("failed"), DbSnapshotState::Failed),
            (Some("deleting"), DbSnapshotState::Deleting),
            (Some("something-new"), DbSnapshotState::Unknown),
            (None, DbSnapshotState::Unknown),
        ] {
            assert_eq!(state(status), expected, "{status:?}");
        }
    }

    #[test]
    fn what_encrypts_by_its_engine_is_known_by_its_option_groups() {
        let told = |engine: &str, group: &str| {
            let group = types::OptionGroupMembership::builder().option_group_name(group).build();
            types::DbInstance::builder()
                .db_instance_identifier("orders")
                .engine(engine)
                .backup_retention_period(7)
                .option_group_memberships(group)
                .build()
        };
        let group = |option: &str| {
            let option = types::Option::builder().option_name(option).build();
            types::OptionGroup::builder().option_group_name("encrypting").options(option).build()
        };
        for (engine, of, asks) in [
            ("oracle-ee", "encrypting", true),
            ("sqlserver-se", "encrypting", true),
            ("sqlserver-se", "default:sqlserver-se-15-00", false),
            ("postgres", "encrypting", false),
        ] {
            assert_eq!(may_have_tde(&told(engine, of)), asks, "{engine} {of}");
        }
        for (option, is_tde) in [("TDE", true), ("TRANSPARENT_DATA_ENCRYPTION", true), ("SSL", false)] {
            let groups: BTreeSet<String> = group_with_tde(&group(option)).into_iter().collect();
            let read = instance(&told("oracle-ee", "encrypting"), &groups).unwrap();
            assert_eq!((read.has_tde, read.has_backups), (is_tde, true), "{option}");
        }
    }

    #[test]
    fn a_member_of_a_cluster_is_no_database_of_its_own() {
        let told = types::DbInstance::builder().db_instance_identifier("sales-1");
        let alone = told.clone().build();
        assert!(instance(&alone, &BTreeSet::new()).is_some_and(|it| !it.has_backups));
        assert_eq!(member(&alone), None);
        let tag = types::Tag::builder().key("Failsafe").value("Yes").build();
        let told = told.db_cluster_identifier("sales").tag_list(tag).build();
        assert_eq!(instance(&told, &BTreeSet::new()), None);
        let tags = [("Failsafe", "Yes")].into_iter().collect();
        assert_eq!(member(&told), Some(("sales".to_owned(), Member { name: "sales-1".to_owned(), tags })));
    }

    #[test]
    fn the_quotas_of_snapshots_are_found_by_their_names() {
        let told =
            |name: &str, used, max| types::AccountQuota::builder().account_quota_name(name).used(used).max(max).build();
        let all =
            [told("DBInstances", 3, 40), told("ManualSnapshots", 81, 100), told("ManualClusterSnapshots", -1, 100)];
        assert_eq!(quotas(&all), Quotas { instances: Some(Quota { used: 81, max: 100 }), clusters: None });
    }
}
