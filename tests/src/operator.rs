//! What an operator does in a region, with the SDK's own client: the same in the simulator and in moto.

use std::collections::BTreeMap;

use aws_sdk_ec2::{
    Client,
    config::{Credentials, Region},
    types::{
        BlockDeviceMapping, EbsBlockDevice, Filter, HibernationOptionsRequest, Instance, InstanceType, ResourceType,
        Snapshot, Tag, TagSpecification,
    },
};
use snapkeeper_aws::Options;

/// An operator in one region.
pub struct Operator {
    /// The SDK's client.
    pub ec2: Client,
}

impl Operator {
    pub(crate) async fn new(options: &Options) -> Self {
        let region = options.region.as_ref().expect("a region").to_string();
        let (key, secret) = options.keys.clone().expect("keys");
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(Credentials::new(key, secret, None, None, "test"));
        if let Some(url) = &options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(client) = &options.http_client {
            loader = loader.http_client(client.clone());
        }
        Self { ec2: Client::new(&loader.load().await) }
    }

    /// Starts an instance with a root volume and these other devices. Returns its id.
    pub async fn run_instance(&self, data: &[&str], tags: &[(&str, &str)]) -> String {
        self.run_instances(1, data, tags).await.remove(0)
    }

    /// Starts several alike.
    pub async fn run_instances(&self, count: i32, data: &[&str], tags: &[(&str, &str)]) -> Vec<String> {
        self.launch(count, data, tags, None).await
    }

    /// Starts an instance that may hibernate. Returns its id.
    pub async fn run_instance_that_may_hibernate(&self, tags: &[(&str, &str)]) -> String {
        let hibernation = HibernationOptionsRequest::builder().configured(true).build();
        self.launch(1, &[], tags, Some(hibernation)).await.remove(0)
    }

    async fn launch(
        &self,
        count: i32,
        data: &[&str],
        tags: &[(&str, &str)],
        hibernation: Option<HibernationOptionsRequest>,
    ) -> Vec<String> {
        let devices = std::iter::once(&"/dev/xvda").chain(data).map(|device| {
            let ebs = EbsBlockDevice::builder().volume_size(8).build();
            BlockDeviceMapping::builder().device_name(*device).ebs(ebs).build()
        });
        let mut call = self.ec2.run_instances().image_id("ami-12345678").instance_type(InstanceType::T3Micro);
        call = call.min_count(count).max_count(count).set_block_device_mappings(Some(devices.collect()));
        call = call.set_hibernation_options(hibernation);
        if !tags.is_empty() {
            call = call.tag_specifications(
                TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(sdk(tags))).build(),
            );
        }
        let made = call.send().await.expect("RunInstances");
        made.instances().iter().map(|it| it.instance_id().expect("an id").to_owned()).collect()
    }

    /// An instance.
    pub async fn instance(&self, id: &str) -> Instance {
        let answer = self.ec2.describe_instances().instance_ids(id).send().await.expect("DescribeInstances");
        answer.reservations()[0].instances()[0].clone()
    }

    /// An instance's volumes by device.
    pub async fn volumes(&self, instance: &str) -> BTreeMap<String, String> {
        let instance = self.instance(instance).await;
        let devices = instance.block_device_mappings().iter();
        devices.filter_map(|it| Some((it.device_name()?.to_owned(), it.ebs()?.volume_id()?.to_owned()))).collect()
    }

    /// Sets a tag.
    pub async fn tag(&self, resource: &str, key: &str, value: &str) {
        self.ec2
            .create_tags()
            .resources(resource)
            .set_tags(Some(sdk(&[(key, value)])))
            .send()
            .await
            .expect("CreateTags");
    }

    /// Terminates an instance.
    pub async fn terminate(&self, instance: &str) {
        self.ec2.terminate_instances().instance_ids(instance).send().await.expect("TerminateInstances");
    }

    /// Stops an instance.
    pub async fn stop(&self, instance: &str) {
        self.ec2.stop_instances().instance_ids(instance).send().await.expect("StopInstances");
    }

    /// Lets an instance hibernate.
    pub async fn hibernate(&self, instance: &str) {
        self.ec2.stop_instances().instance_ids(instance).hibernate(true).send().await.expect("StopInstances");
    }

    /// Takes a snapshot by hand.
    pub async fn snapshot_by_hand(&self, volume: &str, tags: &[(&str, &str)]) -> String {
        let mut call = self.ec2.create_snapshot().volume_id(volume);
        if !tags.is_empty() {
            call = call.tag_specifications(
                TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(sdk(tags))).build(),
            );
        }
        call.send().await.expect("CreateSnapshot").snapshot_id.expect("an id")
    }

    /// Makes an image of a snapshot. Returns its id.
    pub async fn register_image(&self, snapshot: &str) -> String {
        let ebs = EbsBlockDevice::builder().snapshot_id(snapshot).build();
        let device = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build();
        let call = self.ec2.register_image().name("golden").root_device_name("/dev/xvda").block_device_mappings(device);
        call.send().await.expect("RegisterImage").image_id.expect("an id")
    }

    /// Every snapshot of the account that has a tag `Type=Automated`, by the time of its creation.
    pub async fn automated(&self) -> Vec<Snapshot> {
        let filter = Filter::builder().name("tag:Type").values("Automated").build();
        let pages = self.ec2.describe_snapshots().owner_ids("self").max_results(500).filters(filter);
        let mut snapshots: Vec<Snapshot> =
            pages.into_paginator().items().send().collect::<Result<_, _>>().await.expect("DescribeSnapshots");
        snapshots.sort_by_key(|snapshot| (tag(snapshot, "Backup_Run"), snapshot.snapshot_id().map(str::to_owned)));
        snapshots
    }

    /// The ids of the automated snapshots.
    pub async fn automated_ids(&self) -> Vec<String> {
        self.automated().await.into_iter().filter_map(|snapshot| snapshot.snapshot_id).collect()
    }
}

/// The value of a snapshot's tag.
pub fn tag(snapshot: &Snapshot, key: &str) -> Option<String> {
    snapshot.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value().map(str::to_owned))
}

fn sdk(tags: &[(&str, &str)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect()
}
