//! EC2 in one region.

mod convert;
mod copies;
mod create;
mod describe;
mod images;
mod page;
mod power;
mod progress;

pub use self::{create::Taken, images::SnapshotLeft, progress::SnapshotProgress};

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_ec2::{
    Client, config,
    config::SharedCredentialsProvider,
    types::{Filter, ResourceType, Tag, TagSpecification},
};
use snapkeeper_core::{
    ids::{Region, SnapshotId},
    tags::Tags,
};

use crate::{
    call::{Caller, Twice},
    error::{Error, Kind},
    whole::Whole,
};

/// EC2 in one region.
pub struct Ec2 {
    client: Client,
    caller: Caller,
    region: Region,
    credentials: Option<SharedCredentialsProvider>,
}

impl Ec2 {
    pub(crate) fn new(aws: &SdkConfig, region: &Region, caller: Caller) -> Self {
        let config =
            config::Builder::from(aws).region(config::Region::new(region.to_string())).interceptor(Whole).build();
        let credentials = aws.credentials_provider();
        Self { client: Client::from_conf(config), caller, region: region.clone(), credentials }
    }

    /// Deletes a snapshot. One that is gone already counts as deleted.
    ///
    /// # Errors
    /// [`Kind::InUse`] if an image came to use it meanwhile.
    pub async fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), Error> {
        let call = self.client.delete_snapshot().snapshot_id(id.as_str());
        match self.caller.call("DeleteSnapshot", Twice::Harmless, || call.clone().send()).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sets tags on a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone.
    pub async fn tag_snapshot(&self, id: &SnapshotId, tags: &Tags) -> Result<(), Error> {
        self.tag(id.as_str(), tags).await
    }

    /// Sets tags on anything that EC2 has, by its id.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone.
    pub async fn tag(&self, id: &str, tags: &Tags) -> Result<(), Error> {
        let call = self.client.create_tags().resources(id).set_tags(Some(sdk_tags(tags)));
        self.caller.call("CreateTags", Twice::Harmless, || call.clone().send()).await?;
        Ok(())
    }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn snapshot_tags(tags: &Tags) -> TagSpecification {
    tags_of(ResourceType::Snapshot, tags)
}

fn tags_of(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(sdk_tags(tags))).build()
}

fn filters(filters: BTreeMap<String, String>) -> Vec<Filter> {
    filters.into_iter().map(|(name, value)| filter(name, vec![value])).collect()
}

/// What has any of the values.
fn filter(name: String, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}
