//! What is there: every reading is whole, or an error.
//!
//! Always paged. Tags come with what they are of, so that none are asked for one by one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types;
use snapkeeper_core::rds::inventory::{Database, DatabaseKind, DbSnapshot, DbSnapshotId, Member, Quotas};

use super::{RESTORE, Rds, convert};
use crate::{
    call::Twice,
    error::{Error, Kind},
    pages::pages,
};

/// The largest page that RDS gives.
const PAGE: i32 = 100;

impl Rds {
    /// Every DB instance and every cluster of the region. An instance that is a member of a cluster is no database of its
    /// own, and comes with the cluster.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn databases(&self) -> Result<Vec<Database>, Error> {
        let instances = self.instances().await?;
        let tde = if instances.iter().any(convert::may_have_tde) {
            self.option_groups_with_tde().await?
        } else {
            BTreeSet::new()
        };
        let mut databases: Vec<Database> =
            instances.iter().filter_map(|instance| convert::instance(instance, &tde)).collect();
        let mut members: BTreeMap<String, Vec<Member>> = BTreeMap::new();
        for (cluster, member) in instances.iter().filter_map(convert::member) {
            members.entry(cluster).or_default().push(member);
        }
        databases.extend(self.clusters().await?.into_iter().map(|cluster| {
            let members = members.remove(&cluster.id.name).unwrap_or_default();
            Database { members, ..cluster }
        }));
        Ok(databases)
    }

    /// The DB instances and clusters that have a tag, whatever it says. Whether their engines encrypt is not asked.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn databases_with_tag(&self, key: &str) -> Result<Vec<Database>, Error> {
        let (instances, unasked) = (self.instances().await?, BTreeSet::new());
        let mut databases: Vec<Database> =
            instances.iter().filter_map(|instance| convert::instance(instance, &unasked)).collect();
        databases.extend(self.clusters().await?);
        databases.retain(|database| database.tags.has(key));
        Ok(databases)
    }

    async fn instances(&self) -> Result<Vec<types::DbInstance>, Error> {
        let call = self.client.describe_db_instances().max_records(PAGE);
        pages("DescribeDBInstances", async |marker| {
            let page = self
                .caller
                .call("DescribeDBInstances", Twice::Harmless, || call.clone().set_marker(marker.clone()).send())
                .await?;
            Ok((page.db_instances.unwrap_or_default(), page.marker))
        })
        .await
    }

    async fn clusters(&self) -> Result<Vec<Database>, Error> {
        let call = self.client.describe_db_clusters().max_records(PAGE);
        pages("DescribeDBClusters", async |marker| {
            let page = self
                .caller
                .call("DescribeDBClusters", Twice::Harmless, || call.clone().set_marker(marker.clone()).send())
                .await?;
            Ok((page.db_clusters().iter().filter_map(convert::cluster).collect(), page.marker))
        })
        .await
    }

    /// The names of the option groups that encrypt by the engine.
    async fn option_groups_with_tde(&self) -> Result<BTreeSet<String>, Error> {
        let call = self.client.describe_option_groups().max_records(PAGE);
        let groups = pages("DescribeOptionGroups", async |marker| {
            let page = self
                .caller
                .call("DescribeOptionGroups", Twice::Harmless, || call.clone().set_marker(marker.clone()).send())
                .await?;
            Ok((page.option_groups_list().iter().filter_map(convert::group_with_tde).collect(), page.marker))
        });
        Ok(groups.await?.into_iter().collect())
    }

    /// The snapshots that RDS itself takes each day.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn automated_snapshots(&self) -> Result<Vec<DbSnapshot>, Error> {
        self.snapshots("automated").await
    }

    /// The manual snapshots of this account, whoever made them.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn manual_snapshots(&self) -> Result<Vec<DbSnapshot>, Error> {
        self.snapshots("manual").await
    }

    /// The manual snapshots that other accounts share with this one.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn shared_snapshots(&self) -> Result<Vec<DbSnapshot>, Error> {
        self.snapshots("shared").await
    }

    async fn snapshots(&self, snapshot_type: &str) -> Result<Vec<DbSnapshot>, Error> {
        let call = self.client.describe_db_snapshots().snapshot_type(snapshot_type).max_records(PAGE);
        let mut snapshots: Vec<DbSnapshot> = pages("DescribeDBSnapshots", async |marker| {
            let page = self
                .caller
                .call("DescribeDBSnapshots", Twice::Harmless, || call.clone().set_marker(marker.clone()).send())
                .await?;
            Ok((page.db_snapshots().iter().filter_map(convert::snapshot).collect(), page.marker))
        })
        .await?;
        let call = self.client.describe_db_cluster_snapshots().snapshot_type(snapshot_type).max_records(PAGE);
        let of_clusters = pages("DescribeDBClusterSnapshots", async |marker| {
            let page = self
                .caller
                .call("DescribeDBClusterSnapshots", Twice::Harmless, || call.clone().set_marker(marker.clone()).send())
                .await?;
            Ok((page.db_cluster_snapshots().iter().filter_map(convert::cluster_snapshot).collect(), page.marker))
        });
        snapshots.extend(of_clusters.await?);
        Ok(snapshots)
    }

    /// A manual snapshot of this account; `None` if it is not there.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn manual_snapshot(&self, id: &DbSnapshotId) -> Result<Option<DbSnapshot>, Error> {
        let found = match id.kind {
            DatabaseKind::Instance => {
                let call = self.client.describe_db_snapshots().db_snapshot_identifier(&id.name);
                let answer = self.caller.call("DescribeDBSnapshots", Twice::Harmless, || call.clone().send()).await;
                answer.map(|page| page.db_snapshots().iter().find_map(convert::snapshot))
            }
            DatabaseKind::Cluster => {
                let call = self.client.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(&id.name);
                let answer =
                    self.caller.call("DescribeDBClusterSnapshots", Twice::Harmless, || call.clone().send()).await;
                answer.map(|page| page.db_cluster_snapshots().iter().find_map(convert::cluster_snapshot))
            }
        };
        match found {
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            found => found,
        }
    }

    /// With which accounts each of these manual snapshots is shared; `all` stands for everybody. One that has gone meanwhile
    /// is left out.
    ///
    /// # Errors
    /// If it could not be read of any other.
    pub async fn shared_with(
        &self,
        snapshots: &[DbSnapshotId],
    ) -> Result<BTreeMap<DbSnapshotId, BTreeSet<String>>, Error> {
        let mut shared = BTreeMap::new();
        for id in snapshots {
            match self.accounts_of(id).await {
                Ok(accounts) => {
                    shared.insert(id.clone(), accounts);
                }
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(shared)
    }

    async fn accounts_of(&self, id: &DbSnapshotId) -> Result<BTreeSet<String>, Error> {
        let mut accounts = BTreeSet::new();
        match id.kind {
            DatabaseKind::Instance => {
                let call = self.client.describe_db_snapshot_attributes().db_snapshot_identifier(&id.name);
                let told =
                    self.caller.call("DescribeDBSnapshotAttributes", Twice::Harmless, || call.clone().send()).await?;
                let attributes =
                    told.db_snapshot_attributes_result().map(types::DbSnapshotAttributesResult::db_snapshot_attributes);
                for attribute in attributes.unwrap_or_default() {
                    if attribute.attribute_name() == Some(RESTORE) {
                        accounts.extend(attribute.attribute_values().iter().cloned());
                    }
                }
            }
            DatabaseKind::Cluster => {
                let call =
                    self.client.describe_db_cluster_snapshot_attributes().db_cluster_snapshot_identifier(&id.name);
                let told = self
                    .caller
                    .call("DescribeDBClusterSnapshotAttributes", Twice::Harmless, || call.clone().send())
                    .await?;
                let attributes = told
                    .db_cluster_snapshot_attributes_result()
                    .map(types::DbClusterSnapshotAttributesResult::db_cluster_snapshot_attributes);
                for attribute in attributes.unwrap_or_default() {
                    if attribute.attribute_name() == Some(RESTORE) {
                        accounts.extend(attribute.attribute_values().iter().cloned());
                    }
                }
            }
        }
        Ok(accounts)
    }

    /// How many manual snapshots there are in the region, and how many there may be, as far as RDS tells: no copy waits for
    /// an answer.
    pub async fn quotas(&self) -> Quotas {
        let call = self.client.describe_account_attributes();
        match self.caller.call("DescribeAccountAttributes", Twice::Harmless, || call.clone().send()).await {
            Ok(told) => convert::quotas(told.account_quotas()),
            Err(error) => {
                tracing::warn!(%error, "the quotas of database snapshots are not known");
                Quotas::default()
            }
        }
    }
}
