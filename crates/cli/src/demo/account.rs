//! The demo's account: what the operator does in it, and the jobs that run in it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, anyhow};
use chrono::{DateTime, NaiveDate, Utc};
use snapkeeper_aws::{Aws, Options};
use snapkeeper_core::{
    calls::Calls,
    run::{Job, Run},
    settings::Settings,
    tags,
};
use snapkeeper_lambda::{Context, Report};
use snapkeeper_simulator::{Config, Simulator, Snapshot, SnapshotState};

/// The account's regions.
pub(super) const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];
const ACCOUNT: &str = "123456789012";

pub(super) struct Account {
    pub(super) simulator: Simulator,
    regions: BTreeMap<&'static str, (Aws, Settings)>,
    calls: Calls,
    /// Each instance's region and id, by its name.
    instances: BTreeMap<&'static str, (&'static str, String)>,
    /// What instances, volumes and images are called in the output, by id.
    names: BTreeMap<String, String>,
    /// Every snapshot that is there or was deleted, by id.
    snapshots: BTreeMap<String, Known>,
    image: Option<String>,
}

/// A snapshot as it truly is, or was.
pub(super) struct Known {
    pub(super) region: String,
    pub(super) snapshot: Snapshot,
    pub(super) is_there: bool,
}

impl Known {
    /// The day of its backup.
    pub(super) fn day(&self) -> NaiveDate {
        let run = self.tag(tags::BACKUP_RUN).and_then(|run| run.parse::<DateTime<Utc>>().ok());
        run.unwrap_or(self.snapshot.start_time).date_naive()
    }

    /// The day from which it may be deleted.
    pub(super) fn due(&self) -> Option<NaiveDate> {
        self.tag(tags::DELETE_ON)?.parse().ok()
    }

    pub(super) fn is_copy(&self) -> bool {
        self.tag(tags::SOURCE_SNAPSHOT_ID).is_some()
    }

    pub(super) fn kind(&self) -> &'static str {
        if self.is_copy() { "copy" } else { "backup" }
    }

    pub(super) fn is_good(&self) -> bool {
        self.snapshot.state == SnapshotState::Completed
    }

    /// The id of its instance.
    pub(super) fn instance(&self) -> &str {
        self.tag(tags::SOURCE_INSTANCE_ID).unwrap_or_default()
    }

    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.snapshot.tags.get(key).map(String::as_str)
    }
}

impl Account {
    pub(super) async fn open(now: DateTime<Utc>) -> anyhow::Result<Self> {
        let simulator = Simulator::new(Config::starting(now));
        let calls = Calls::default();
        let mut regions = BTreeMap::new();
        for region in REGIONS {
            let topic =
                simulator.call("sns", region, "CreateTopic", &[("Name", "alerts")]).map_err(|error| anyhow!(error))?;
            let topic = topic.text("TopicArn").context("no topic")?;
            let settings = Settings::from_variables([("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), topic)])?;
            let aws = Aws::connect(Options {
                region: Some(region.parse()?),
                // nobody looks at it, but without one the SDK would take the user's
                endpoint_url: Some("https://ec2.simulated.invalid".to_owned()),
                keys: Some(("DEMO".to_owned(), "secret".to_owned())),
                http_client: Some(simulator.http_client()),
                calls: calls.clone(),
                ..Options::default()
            })
            .await?;
            regions.insert(region, (aws, settings));
        }
        let (instances, names, snapshots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { simulator, regions, calls, instances, names, snapshots, image: None })
    }

    /// Lets time pass.
    pub(super) async fn wait_until(&self, instant: DateTime<Utc>) {
        let wait = (instant - self.simulator.now()).to_std().unwrap_or(Duration::ZERO);
        tokio::time::sleep(wait).await;
    }

    /// Runs a job.
    pub(super) async fn run(&self, job: Job, region: &str, at: DateTime<Utc>) -> anyhow::Result<Report> {
        let (aws, settings) = self.regions.get(region).context("not one of the demo's regions")?;
        let run = Run::new(job, aws.region().clone(), at, settings.clone());
        Ok(crate::run::job(aws, &Context::new(run), &self.calls).await)
    }

    /// Looks at the snapshots that are there and at those that were deleted, so that they can be told of.
    pub(super) fn look(&mut self) {
        let deleted = self.simulator.deletions().into_iter();
        let deleted = deleted.map(|it| Known { region: it.region, snapshot: it.snapshot, is_there: false });
        let there = REGIONS.iter().flat_map(|region| {
            let snapshots = self.simulator.snapshots(ACCOUNT, region).into_iter();
            snapshots.map(move |snapshot| Known { region: (*region).to_owned(), snapshot, is_there: true })
        });
        self.snapshots = deleted.chain(there).map(|known| (known.snapshot.id.clone(), known)).collect();
    }

    /// A snapshot as it was when last looked at.
    pub(super) fn snapshot(&self, id: &str) -> Option<&Known> {
        self.snapshots.get(id)
    }

    /// Every snapshot as it was when last looked at.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Known> {
        self.snapshots.values()
    }

    /// The words with names for ids.
    pub(super) fn in_names(&self, words: &str) -> String {
        let mut words = words.to_owned();
        let ids: Vec<String> = words
            .match_indices("snap-")
            .map(|(at, _)| words[at..].chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '-').collect())
            .collect();
        for known in ids.iter().filter_map(|id| self.snapshot(id)) {
            let (id, volume) = (&known.snapshot.id, &known.snapshot.volume_id);
            let name = format!("the {} of {} of {}", known.kind(), known.instance(), known.day().format("%d %b"));
            words = words.replace(&format!("{id} of {volume}"), &name).replace(id, &name);
        }
        for (id, name) in &self.names {
            // a device's name stands in its volume's already
            if let Some((_, device)) = name.split_once(':') {
                words = words.replace(&format!("{id} ({device})"), name);
            }
            words = words.replace(&format!("{id} ({name})"), name).replace(id, name);
        }
        for name in self.names.values() {
            if let Some((instance, _)) = name.split_once(':') {
                words = words.replace(&format!("{name} of {instance}"), name);
            }
        }
        words
    }

    /// What an instance is called.
    pub(super) fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.get(id).map_or(id, String::as_str)
    }

    /// Every instance there ever was: name, region, id.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.instances.iter().map(|(name, (region, id))| (*name, *region, id.as_str()))
    }

    /// The snapshots of an instance in a region, the oldest first.
    fn snapshots_of(&self, instance: &str, region: &str) -> Vec<Snapshot> {
        let mut snapshots = self.simulator.snapshots(ACCOUNT, region);
        snapshots.retain(|snapshot| snapshot.tags.get(tags::SOURCE_INSTANCE_ID).is_some_and(|id| id == instance));
        snapshots.sort_by_key(|snapshot| snapshot.start_time);
        snapshots
    }

    pub(super) fn run_instance(
        &mut self,
        region: &'static str,
        name: &'static str,
        data: &[&str],
        tags: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut call: Vec<(String, String)> = [("ImageId", "ami-12345678"), ("MinCount", "1"), ("MaxCount", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        call.push(("TagSpecification.1.ResourceType".to_owned(), "instance".to_owned()));
        for (index, (key, value)) in tags.iter().chain([&("Name", name)]).enumerate() {
            call.push((format!("TagSpecification.1.Tag.{}.Key", index + 1), (*key).to_owned()));
            call.push((format!("TagSpecification.1.Tag.{}.Value", index + 1), (*value).to_owned()));
        }
        for (index, device) in data.iter().enumerate() {
            call.push((format!("BlockDeviceMapping.{}.DeviceName", index + 1), (*device).to_owned()));
            call.push((format!("BlockDeviceMapping.{}.Ebs.VolumeSize", index + 1), "100".to_owned()));
        }
        let call: Vec<(&str, &str)> = call.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let id = self.ec2(region, "RunInstances", &call)?.context("no instance")?;
        self.names.insert(id.clone(), name.to_owned());
        self.instances.insert(name, (region, id));
        for (device, volume) in self.volumes_of(name) {
            self.names.insert(volume, format!("{name}:{device}"));
        }
        Ok(())
    }

    pub(super) fn tag_instance(&self, name: &str, key: &str, value: &str) -> anyhow::Result<()> {
        let (region, id) = self.instance(name)?;
        self.tag(region, id, key, value)
    }

    pub(super) fn exclude_volume(&self, name: &str, device: &str) -> anyhow::Result<()> {
        let (region, _) = self.instance(name)?;
        let volume = self.volumes_of(name).remove(device).context("no such device")?;
        self.tag(region, &volume, "Backup", "No")
    }

    pub(super) fn keep_forever_newest(&self, name: &str) -> anyhow::Result<()> {
        let (region, id) = self.instance(name)?;
        let snapshots = self.snapshots_of(id, region);
        let newest = snapshots.last().context("no snapshot")?.start_time;
        for snapshot in snapshots.iter().filter(|snapshot| snapshot.start_time == newest) {
            self.tag(region, &snapshot.id, tags::KEEP_FOREVER, "")?;
        }
        Ok(())
    }

    pub(super) fn register_image_of_newest(&mut self, name: &str) -> anyhow::Result<()> {
        let (region, id) = self.instance(name)?;
        let root = self.volumes_of(name).remove("/dev/xvda").context("no root volume")?;
        let snapshots = self.snapshots_of(id, region);
        let newest = snapshots.iter().rfind(|snapshot| snapshot.volume_id == root).context("no snapshot")?;
        let call = [
            ("Name", "golden"),
            ("RootDeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", newest.id.as_str()),
        ];
        let image = self.ec2(region, "RegisterImage", &call)?.context("no image")?;
        self.names.insert(image.clone(), "the image `golden`".to_owned());
        self.image = Some(image);
        Ok(())
    }

    pub(super) fn deregister_image(&self) -> anyhow::Result<()> {
        let image = self.image.as_deref().context("no image")?;
        self.ec2("us-east-1", "DeregisterImage", &[("ImageId", image)])?;
        Ok(())
    }

    pub(super) fn fail_next_snapshot(&self, name: &str, device: &str) {
        if let Some(volume) = self.volumes_of(name).get(device) {
            self.simulator.fail_snapshots_of(volume, 1);
        }
    }

    pub(super) fn terminate(&self, name: &str) -> anyhow::Result<()> {
        let (region, id) = self.instance(name)?;
        self.ec2(region, "TerminateInstances", &[("InstanceId.1", id)])?;
        Ok(())
    }

    fn instance(&self, name: &str) -> anyhow::Result<(&'static str, &str)> {
        let (region, id) = self.instances.get(name).context("no such instance")?;
        Ok((region, id))
    }

    /// The volumes of an instance by device.
    fn volumes_of(&self, name: &str) -> BTreeMap<String, String> {
        let Some((region, id)) = self.instances.get(name) else { return BTreeMap::new() };
        let volumes = self.simulator.volumes(ACCOUNT, region).into_iter();
        volumes
            .flat_map(|volume| {
                let attached = volume.attachments.into_iter().filter(|attachment| attachment.instance_id == *id);
                attached.map(|attachment| (attachment.device, volume.id.clone())).collect::<Vec<_>>()
            })
            .collect()
    }

    fn tag(&self, region: &str, id: &str, key: &str, value: &str) -> anyhow::Result<()> {
        self.ec2(region, "CreateTags", &[("ResourceId.1", id), ("Tag.1.Key", key), ("Tag.1.Value", value)])?;
        Ok(())
    }

    /// Calls EC2 as the operator, and tells the id of what it made, if anything.
    fn ec2(&self, region: &str, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Option<String>> {
        let reply =
            self.simulator.call("ec2", region, action, parameters).map_err(|error| anyhow!("{action}: {error}"))?;
        Ok(["instanceId", "imageId"].iter().find_map(|element| reply.text(element)))
    }
}
