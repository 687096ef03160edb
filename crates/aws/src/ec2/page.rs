//! One page of instances, and what belongs to them: for regions that are too large to be read as a whole at once.

use std::collections::BTreeSet;

use snapkeeper_core::{
    ids::{InstanceId, VolumeId},
    inventory::{Instance, Snapshot, Volume},
    on_demand::Selection,
    tags,
};

use super::{
    Ec2, convert,
    describe::{MAX_VALUES, tag},
    filter,
};
use crate::{
    call::Twice,
    error::{Error, Kind},
};

impl Ec2 {
    /// One page of at most `size` of the instances that have a tag `Backup`, whatever it says, or the mark of those that we
    /// have stopped; and the token for the next one.
    ///
    /// # Errors
    /// If the page could not be read; [`Kind::Refused`] if EC2 knows nothing of the token, or not any more.
    pub async fn instances_page(
        &self,
        token: Option<&str>,
        size: i32,
    ) -> Result<(Vec<Instance>, Option<String>), Error> {
        let keys = [tags::BACKUP, tags::STOPPED].map(str::to_owned);
        let call = self
            .client
            .describe_instances()
            .max_results(size)
            .filters(filter("tag-key".to_owned(), keys.into()))
            .set_next_token(token.map(str::to_owned));
        let page = self.caller.call("DescribeInstances", Twice::Harmless, || call.clone().send()).await?;
        let instances = page
            .reservations()
            .iter()
            .flat_map(aws_sdk_ec2::types::Reservation::instances)
            .filter_map(convert::instance)
            .collect();
        let next = page.next_token.filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == token {
            let message = "the same page token came twice".to_owned();
            return Err(Error { action: "DescribeInstances", kind: Kind::Refused, message });
        }
        Ok((instances, next))
    }

    /// These instances, as far as they are there.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn instances_of(&self, ids: BTreeSet<InstanceId>) -> Result<Vec<Instance>, Error> {
        self.instances_selected(&Selection { instances: ids.into_iter().collect(), ..Selection::default() }).await
    }

    /// Whether no volume of the region has a tag `Backup`, and none may be attached to several instances.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn volumes_are_plain(&self) -> Result<bool, Error> {
        let shareable = filter("multi-attach-enabled".to_owned(), vec!["true".to_owned()]);
        Ok(self.volumes_with_choice().await?.is_empty() && self.volumes_where(vec![shareable]).await?.is_empty())
    }

    /// The volumes that are attached to these instances.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn volumes_of(&self, instances: &BTreeSet<InstanceId>) -> Result<Vec<Volume>, Error> {
        let instances: Vec<&InstanceId> = instances.iter().collect();
        let mut volumes: Vec<Volume> = Vec::new();
        let mut seen = BTreeSet::new();
        for ids in instances.chunks(MAX_VALUES) {
            let ids = ids.iter().map(ToString::to_string).collect();
            let found = self.volumes_where(vec![filter("attachment.instance-id".to_owned(), ids)]).await?;
            // a shared volume may come with each chunk
            volumes.extend(found.into_iter().filter(|volume| seen.insert(volume.id.clone())));
        }
        Ok(volumes)
    }

    /// The snapshots that Snapkeeper made of these volumes, under whichever instance.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn automated_snapshots_of(&self, volumes: &[VolumeId]) -> Result<Vec<Snapshot>, Error> {
        let ids: Vec<String> = volumes.iter().map(ToString::to_string).collect();
        self.automated_snapshots_with("volume-id", &ids).await
    }

    /// The snapshots that Snapkeeper made under these instances, of whichever volumes.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn automated_snapshots_under(&self, instances: &BTreeSet<InstanceId>) -> Result<Vec<Snapshot>, Error> {
        let ids: Vec<String> = instances.iter().map(ToString::to_string).collect();
        self.automated_snapshots_with(&tag(tags::SOURCE_INSTANCE_ID), &ids).await
    }

    async fn automated_snapshots_with(&self, name: &str, values: &[String]) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots = Vec::new();
        for values in values.chunks(MAX_VALUES) {
            let automated = filter(tag(tags::TYPE), vec![tags::AUTOMATED.to_owned()]);
            snapshots.extend(self.snapshots_where(vec![automated, filter(name.to_owned(), values.to_vec())]).await?);
        }
        Ok(snapshots)
    }
}
