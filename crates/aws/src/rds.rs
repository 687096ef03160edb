//! RDS in one region: DB instances and clusters, and their snapshots. It has a call for each of the two.

mod convert;
mod describe;

use aws_config::SdkConfig;
use aws_sdk_rds::{Client, config, types::Tag};
use chrono::{DateTime, Utc};
use snapkeeper_core::{
    ids::Region,
    rds::{
        inventory::{DatabaseKind, DbSnapshotId},
        step::CopyDbSnapshot,
    },
    tags::{self, Tags},
};

use crate::{
    call::{Caller, Twice},
    error::{Error, Kind},
    whole::Whole,
};

/// The attribute of a snapshot that tells who may copy and restore it (RDS API, `ModifyDBSnapshotAttribute`).
const RESTORE: &str = "restore";

/// RDS in one region.
pub struct Rds {
    client: Client,
    caller: Caller,
}

impl Rds {
    pub(crate) fn new(aws: &SdkConfig, region: &Region, caller: Caller) -> Self {
        let config =
            config::Builder::from(aws).region(config::Region::new(region.to_string())).interceptor(Whole).build();
        Self { client: Client::from_conf(config), caller }
    }

    /// Copies a database snapshot into this region, tags and all. The name of the copy is the key by which it is made only
    /// once, so that the call may be repeated.
    ///
    /// # Errors
    /// [`Kind::Exists`] if there is one of that name; [`Kind::Full`] if the region copies or keeps as many as it can;
    /// [`Kind::NotFound`] if the source is gone.
    pub async fn copy(&self, copy: &CopyDbSnapshot) -> Result<(), Error> {
        match copy.target.kind {
            DatabaseKind::Instance => {
                let call = self
                    .client
                    .copy_db_snapshot()
                    .source_db_snapshot_identifier(&copy.source)
                    .target_db_snapshot_identifier(&copy.target.name)
                    .set_kms_key_id(copy.kms_key.clone())
                    .set_tags(Some(sdk_tags(&copy.tags)));
                self.caller.call("CopyDBSnapshot", Twice::Harmless, || call.clone().send()).await?;
            }
            DatabaseKind::Cluster => {
                let call = self
                    .client
                    .copy_db_cluster_snapshot()
                    .source_db_cluster_snapshot_identifier(&copy.source)
                    .target_db_cluster_snapshot_identifier(&copy.target.name)
                    .set_kms_key_id(copy.kms_key.clone())
                    .set_tags(Some(sdk_tags(&copy.tags)));
                self.caller.call("CopyDBClusterSnapshot", Twice::Harmless, || call.clone().send()).await?;
            }
        }
        Ok(())
    }

    /// Shares a manual snapshot with an account. One that is shared with it stays so.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone; [`Kind::Busy`] if it is not available.
    pub async fn share(&self, id: &DbSnapshotId, account: &str) -> Result<(), Error> {
        match id.kind {
            DatabaseKind::Instance => {
                let call = self
                    .client
                    .modify_db_snapshot_attribute()
                    .db_snapshot_identifier(&id.name)
                    .attribute_name(RESTORE)
                    .values_to_add(account);
                self.caller.call("ModifyDBSnapshotAttribute", Twice::Harmless, || call.clone().send()).await?;
            }
            DatabaseKind::Cluster => {
                let call = self
                    .client
                    .modify_db_cluster_snapshot_attribute()
                    .db_cluster_snapshot_identifier(&id.name)
                    .attribute_name(RESTORE)
                    .values_to_add(account);
                self.caller.call("ModifyDBClusterSnapshotAttribute", Twice::Harmless, || call.clone().send()).await?;
            }
        }
        Ok(())
    }

    /// Marks a snapshot, given by its ARN, as announced, by the tag [`tags::FAILSAFE_ANNOUNCED`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone.
    pub async fn mark_announced(&self, arn: &str, at: DateTime<Utc>) -> Result<(), Error> {
        self.tag(arn, &Tags::from_iter([(tags::FAILSAFE_ANNOUNCED, tags::stamp(at))])).await
    }

    /// Sets tags on a snapshot, given by its ARN.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone.
    pub async fn tag(&self, arn: &str, tags: &Tags) -> Result<(), Error> {
        let call = self.client.add_tags_to_resource().resource_name(arn).set_tags(Some(sdk_tags(tags)));
        self.caller.call("AddTagsToResource", Twice::Harmless, || call.clone().send()).await?;
        Ok(())
    }

    /// Deletes a manual snapshot. One that is gone already counts as deleted.
    ///
    /// # Errors
    /// [`Kind::Busy`] if it is in no state for it.
    pub async fn delete(&self, id: &DbSnapshotId) -> Result<(), Error> {
        let deleted = match id.kind {
            DatabaseKind::Instance => {
                let call = self.client.delete_db_snapshot().db_snapshot_identifier(&id.name);
                self.caller.call("DeleteDBSnapshot", Twice::Harmless, || call.clone().send()).await.map(drop)
            }
            DatabaseKind::Cluster => {
                let call = self.client.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(&id.name);
                self.caller.call("DeleteDBClusterSnapshot", Twice::Harmless, || call.clone().send()).await.map(drop)
            }
        };
        match deleted {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
