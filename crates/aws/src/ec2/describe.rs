//! What is there: every reading is whole, or an error.
//!
//! Always paged and with `MaxResults`, as EC2's documentation asks; never with an empty list of ids, which EC2 takes
//! for all; and snapshots and images of the own account only.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, LockState};
use futures::{TryStreamExt, stream::LocalBoxStream};
use snapkeeper_core::{
    enrolment::Enrolment,
    ids::{ImageId, InstanceId, SnapshotId},
    inventory::{Instance, InstanceState, Snapshot, Volume},
    on_demand::Selection,
    tags,
};

use super::{Ec2, convert, filter, filters};
use crate::{
    call::Twice,
    error::Error,
    pages::{by_page, pages},
};

/// The largest page that EC2 gives.
pub(super) const PAGE: i32 = 1000;
/// How many values EC2 takes in one filter.
pub(super) const MAX_VALUES: usize = 200;

impl Ec2 {
    /// Every instance of the region, page by page.
    pub fn all_instances_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Instance>, Error>> {
        self.instances_by_page(Vec::new())
    }

    /// The instances that have a tag `Backup`, whatever it says, or the mark of those that we have stopped.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn instances_with_choice_or_mark(&self) -> Result<Vec<Instance>, Error> {
        let keys = [tags::BACKUP, tags::STOPPED].map(str::to_owned);
        self.instances_where(vec![filter("tag-key".to_owned(), keys.into())]).await
    }

    /// The instances that have the mark of those that we have stopped.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn marked_instances(&self) -> Result<Vec<Instance>, Error> {
        self.instances_where(with_tag(tags::STOPPED)).await
    }

    /// The instances of a selection, whatever their state; of an empty one none.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn instances_selected(&self, selection: &Selection) -> Result<Vec<Instance>, Error> {
        let tags: Vec<Filter> = selection.tags.iter().map(|(key, values)| filter(tag(key), values.clone())).collect();
        if selection.instances.is_empty() {
            // without any filter EC2 would list every instance
            return if tags.is_empty() { Ok(Vec::new()) } else { self.instances_where(tags).await };
        }
        let mut selected = Vec::new();
        for ids in selection.instances.chunks(MAX_VALUES) {
            let ids = filter("instance-id".to_owned(), ids.iter().map(ToString::to_string).collect());
            selected.extend(self.instances_where(tags.iter().cloned().chain([ids]).collect()).await?);
        }
        Ok(selected)
    }

    /// The state of an instance; `None` if EC2 does not list it.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn state_of(&self, id: &InstanceId) -> Result<Option<InstanceState>, Error> {
        let this = [("instance-id".to_owned(), id.to_string())].into();
        Ok(self.instances_where(filters(this)).await?.first().map(|instance| instance.state))
    }

    /// The mark of an instance that is about to be stopped, the value of its tag [`tags::STOPPED`].
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn mark_of(&self, id: &InstanceId) -> Result<Option<String>, Error> {
        let this = [("instance-id".to_owned(), id.to_string())].into();
        let found = self.instances_where(filters(this)).await?;
        Ok(found.first().and_then(|instance| instance.tags.get(tags::STOPPED)).map(str::to_owned))
    }

    /// Whether an instance has certainly gone, or is going. It is taken to be there where that cannot be read.
    pub async fn is_gone(&self, id: &InstanceId) -> bool {
        let this = [("instance-id".to_owned(), id.to_string())].into();
        self.instances_where(filters(this)).await.is_ok_and(|found| !found.iter().any(Instance::is_there))
    }

    async fn instances_where(&self, filters: Vec<Filter>) -> Result<Vec<Instance>, Error> {
        self.instances_by_page(filters).try_concat().await
    }

    fn instances_by_page(&self, filters: Vec<Filter>) -> LocalBoxStream<'_, Result<Vec<Instance>, Error>> {
        let call =
            self.client.describe_instances().max_results(PAGE).set_filters((!filters.is_empty()).then_some(filters));
        by_page("DescribeInstances", move |token| {
            let call = call.clone().set_next_token(token);
            async move {
                let page = self.caller.call("DescribeInstances", Twice::Harmless, || call.clone().send()).await?;
                let instances = page
                    .reservations()
                    .iter()
                    .flat_map(aws_sdk_ec2::types::Reservation::instances)
                    .filter_map(convert::instance)
                    .collect();
                Ok((instances, page.next_token))
            }
        })
    }

    /// The enrolled volumes of the region.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn enrolment(&self) -> Result<Enrolment, Error> {
        let mut enrolment = Enrolment::default();
        let mut instances = self.instances_by_page(with_tag(tags::BACKUP));
        while let Some(page) = instances.try_next().await? {
            enrolment.add_instances(&page);
        }
        let mut volumes = self.volumes_by_page(with_tag(tags::BACKUP));
        while let Some(page) = volumes.try_next().await? {
            enrolment.add_volumes(&page);
        }
        Ok(enrolment)
    }

    /// Every volume of the region, page by page.
    pub fn all_volumes_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Volume>, Error>> {
        self.volumes_by_page(Vec::new())
    }

    /// The volumes that have a tag `Backup`, whatever it says.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn volumes_with_choice(&self) -> Result<Vec<Volume>, Error> {
        self.volumes_where(with_tag(tags::BACKUP)).await
    }

    pub(super) async fn volumes_where(&self, filters: Vec<Filter>) -> Result<Vec<Volume>, Error> {
        self.volumes_by_page(filters).try_concat().await
    }

    fn volumes_by_page(&self, filters: Vec<Filter>) -> LocalBoxStream<'_, Result<Vec<Volume>, Error>> {
        let call =
            self.client.describe_volumes().max_results(PAGE).set_filters((!filters.is_empty()).then_some(filters));
        by_page("DescribeVolumes", move |token| {
            let call = call.clone().set_next_token(token);
            async move {
                let page = self.caller.call("DescribeVolumes", Twice::Harmless, || call.clone().send()).await?;
                Ok((page.volumes().iter().filter_map(convert::volume).collect(), page.next_token))
            }
        })
    }

    /// Every snapshot that the account owns here, whoever made it, page by page.
    pub fn own_snapshots_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Snapshot>, Error>> {
        self.snapshots_by_page(Vec::new())
    }

    /// The snapshots that Snapkeeper made, primaries and copies.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn automated_snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        self.automated_snapshots_by_page().try_concat().await
    }

    /// The same, page by page.
    pub fn automated_snapshots_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Snapshot>, Error>> {
        self.snapshots_by_page(filters([(tag(tags::TYPE), tags::AUTOMATED.to_owned())].into()))
    }

    /// The snapshots that Snapkeeper made, that are completed, and that name regions for copies, page by page.
    pub fn snapshots_to_copy_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Snapshot>, Error>> {
        let wanted = [
            (tag(tags::TYPE), tags::AUTOMATED.to_owned()),
            ("status".to_owned(), "completed".to_owned()),
            ("tag-key".to_owned(), tags::COPY_DEST.to_owned()),
        ];
        self.snapshots_by_page(filters(wanted.into()))
    }

    /// The copies that Snapkeeper made, page by page.
    pub(super) fn copies_by_page(&self) -> LocalBoxStream<'_, Result<Vec<Snapshot>, Error>> {
        let wanted = [
            (tag(tags::TYPE), tags::AUTOMATED.to_owned()),
            ("tag-key".to_owned(), tags::SOURCE_SNAPSHOT_ID.to_owned()),
        ];
        self.snapshots_by_page(filters(wanted.into()))
    }

    /// The snapshots that Snapkeeper made with all of these tags.
    pub(super) async fn automated_snapshots_tagged(&self, wanted: &[(&str, &str)]) -> Result<Vec<Snapshot>, Error> {
        let wanted = wanted.iter().copied().chain([(tags::TYPE, tags::AUTOMATED)]);
        self.snapshots_where(filters(wanted.map(|(key, value)| (tag(key), value.to_owned())).collect())).await
    }

    pub(super) async fn snapshots_where(&self, filters: Vec<Filter>) -> Result<Vec<Snapshot>, Error> {
        self.snapshots_by_page(filters).try_concat().await
    }

    fn snapshots_by_page(&self, filters: Vec<Filter>) -> LocalBoxStream<'_, Result<Vec<Snapshot>, Error>> {
        let call = self
            .client
            .describe_snapshots()
            .owner_ids("self")
            .max_results(PAGE)
            .set_filters((!filters.is_empty()).then_some(filters));
        by_page("DescribeSnapshots", move |token| {
            let call = call.clone().set_next_token(token);
            async move {
                let page = self.caller.call("DescribeSnapshots", Twice::Harmless, || call.clone().send()).await?;
                Ok((page.snapshots().iter().filter_map(convert::snapshot).collect(), page.next_token))
            }
        })
    }

    /// Whether the operator holds a snapshot now: by `KeepForever` or by a lock.
    ///
    /// # Errors
    /// If that cannot be read.
    pub async fn is_held(&self, id: &SnapshotId) -> Result<bool, Error> {
        let this = [("snapshot-id".to_owned(), id.to_string())].into();
        let tagged = self.snapshots_where(filters(this)).await?.iter().any(Snapshot::is_kept_forever);
        Ok(tagged || self.locked_snapshots().await?.contains(id))
    }

    /// The snapshots that own images use: registered, deprecated or disabled ones.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn snapshots_in_use(&self) -> Result<BTreeMap<SnapshotId, ImageId>, Error> {
        // without IncludeDisabled, EC2 lists deprecated images but no disabled ones
        let call = self.client.describe_images().owners("self").include_disabled(true).max_results(PAGE);
        let used = pages("DescribeImages", async |token| {
            let page = self
                .caller
                .call("DescribeImages", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            Ok((page.images().iter().flat_map(convert::used_by_image).collect(), page.next_token))
        })
        .await?;
        Ok(used.into_iter().collect())
    }

    /// The snapshots that are locked now.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn locked_snapshots(&self) -> Result<BTreeSet<SnapshotId>, Error> {
        let call = self.client.describe_locked_snapshots().max_results(PAGE);
        let locked = pages("DescribeLockedSnapshots", async |token| {
            let page = self
                .caller
                .call("DescribeLockedSnapshots", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            // every state but `expired`, a new one too
            let locked = page.snapshots().iter().filter(|lock| lock.lock_state() != Some(&LockState::Expired));
            Ok((locked.filter_map(|lock| lock.snapshot_id().map(SnapshotId::from)).collect(), page.next_token))
        })
        .await?;
        Ok(locked.into_iter().collect())
    }
}

pub(super) fn tag(key: &str) -> String {
    format!("tag:{key}")
}

fn with_tag(key: &str) -> Vec<Filter> {
    filters([("tag-key".to_owned(), key.to_owned())].into())
}
