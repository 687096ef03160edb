//! What an operator does in a region, with the SDK's own client: the same in the simulator and in moto.

use std::collections::BTreeMap;

use aws_sdk_ec2::{
    Client,
    config::{Credentials, Region},
    types::{
        BlockDeviceMapping, EbsBlockDevice, Filter, HibernationOptionsRequest, Instance, InstanceMarketOptionsRequest,
        InstanceType, MarketType, ResourceType, Snapshot, Tag, TagSpecification,
    },
};
use snapkeeper_aws::Options;

/// An image that boots from a volume.
const IMAGE: &str = "ami-12345678";
/// The image that the simulator boots from an instance store. moto knows no such thing.
const INSTANCE_STORE_IMAGE: &str = "ami-0000000000000000e";

/// What an instance is to be, besides what all are.
#[derive(Default)]
struct Wish {
    /// With these devices besides the root volume.
    data: Vec<&'static str>,
    hibernation: bool,
    spot: bool,
    instance_store: bool,
}

/// An operator in one region.
pub struct Operator {
    /// The SDK's client.
    pub ec2: Client,
    /// That of RDS.
    pub rds: aws_sdk_rds::Client,
    /// That of KMS.
    pub kms: aws_sdk_kms::Client,
    /// That of SNS.
    pub sns: aws_sdk_sns::Client,
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
        let config = loader.load().await;
        Self {
            ec2: Client::new(&config),
            rds: aws_sdk_rds::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
        }
    }

    /// Makes an instance with a root volume and these other devices. Returns its id.
    pub async fn run_instance(&self, data: &[&'static str], tags: &[(&str, &str)]) -> String {
        self.run_instances(1, data, tags).await.remove(0)
    }

    /// Makes several alike.
    pub async fn run_instances(&self, count: i32, data: &[&'static str], tags: &[(&str, &str)]) -> Vec<String> {
        self.launch(count, Wish { data: data.to_vec(), ..Wish::default() }, tags).await
    }

    /// Makes an instance that may hibernate. Returns its id.
    pub async fn run_instance_that_may_hibernate(&self, tags: &[(&str, &str)]) -> String {
        self.launch(1, Wish { hibernation: true, ..Wish::default() }, tags).await.remove(0)
    }

    /// Makes a Spot instance of a one-time request, which nobody can stop. Returns its id.
    pub async fn run_spot_instance(&self, tags: &[(&str, &str)]) -> String {
        self.launch(1, Wish { spot: true, ..Wish::default() }, tags).await.remove(0)
    }

    /// Makes an instance that boots from an instance store and has one EBS volume besides. Nobody can stop it. Not in
    /// moto. Returns its id.
    pub async fn run_instance_of_instance_store(&self, tags: &[(&str, &str)]) -> String {
        let wish = Wish { data: vec!["/dev/sdf"], instance_store: true, ..Wish::default() };
        self.launch(1, wish, tags).await.remove(0)
    }

    async fn launch(&self, count: i32, wish: Wish, tags: &[(&str, &str)]) -> Vec<String> {
        let root = (!wish.instance_store).then_some("/dev/xvda");
        let devices = root.into_iter().chain(wish.data).map(|device| {
            let ebs = EbsBlockDevice::builder().volume_size(8).build();
            BlockDeviceMapping::builder().device_name(device).ebs(ebs).build()
        });
        let hibernation = HibernationOptionsRequest::builder().configured(true).build();
        let market = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build();
        let mut call = self.ec2.run_instances().instance_type(InstanceType::T3Micro);
        call = call.image_id(if wish.instance_store { INSTANCE_STORE_IMAGE } else { IMAGE });
        call = call.min_count(count).max_count(count).set_block_device_mappings(Some(devices.collect()));
        call = call.set_hibernation_options(wish.hibernation.then_some(hibernation));
        call = call.set_instance_market_options(wish.spot.then_some(market));
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

    /// The state of an instance, such as `running`.
    pub async fn state(&self, id: &str) -> String {
        let instance = self.instance(id).await;
        instance.state().and_then(|state| state.name()).expect("a state").as_str().to_owned()
    }

    /// The value of an instance's tag.
    pub async fn tag_of_instance(&self, id: &str, key: &str) -> Option<String> {
        let instance = self.instance(id).await;
        instance.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value().map(str::to_owned))
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

    /// Starts an instance.
    pub async fn start(&self, instance: &str) {
        self.ec2.start_instances().instance_ids(instance).send().await.expect("StartInstances");
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
