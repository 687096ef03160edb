//! `DescribeAccountAttributes`: the quotas of an account in a region, as far as they are modelled.

use crate::action::{Act, act};
use crate::model::database::DatabaseKind;
use crate::wire::xml::Nodes;

/// How many DB instances, and how many clusters, an account may have; here it may have more. Source: example of the AWS
/// CLI, `describe-account-attributes`.
const DATABASES: usize = 40;

pub(super) fn describe() -> Act {
    act(|here| {
        let most = here.world.rds.snapshot_limit;
        let region = here.region();
        let databases = |kind| region.databases.values().filter(|one| one.kind == kind).count();
        let manual = |kind| region.db_snapshots.values().filter(|one| one.kind == kind && !one.is_automated).count();
        let quotas = [
            ("DBInstances", databases(DatabaseKind::Instance), DATABASES),
            ("DBClusters", databases(DatabaseKind::Cluster), DATABASES),
            ("ManualSnapshots", manual(DatabaseKind::Instance), most),
            ("ManualClusterSnapshots", manual(DatabaseKind::Cluster), most),
        ];
        let list = quotas.into_iter().fold(Nodes::new(), |list, (name, used, most)| {
            let quota = Nodes::new().text("AccountQuotaName", name).text("Used", used).text("Max", most);
            list.nest("AccountQuota", quota)
        });
        Ok(Nodes::new().nest("AccountQuotas", list))
    })
}
