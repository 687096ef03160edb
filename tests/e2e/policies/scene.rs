//! The account that attacks meet, and the calls themselves.

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{InstanceSpecification, ResourceType, Tag, TagSpecification},
};
use snapkeeper_core::{run::Job, settings::Settings};
use snapkeeper_simulator::{Fault, FaultKind, SnapshotState};
use snapkeeper_tests::{World, operator::Operator, world::ACCOUNT};

use super::attacks::{Call, ELSEWHERE, MARK, OWN, Which, Whose};
use crate::peers::{COPIED, ENROLLED, FIRST, HOME, WEST, automated, back_up, copy, standing};

/// What it needs to be taken for a copy.
const OWN_COPY: &[(&str, &str)] = &[("Type", "Automated"), ("Source_SnapshotId", "snap-0123456789abcdef0")];
const COPY_OF_OTHERS: &[(&str, &str)] = &[("Source_SnapshotId", "snap-0123456789abcdef0")];

/// A world with something of everything in it.
pub(super) struct Scene {
    pub(super) world: World,
    enrolled: String,
    not_enrolled: String,
    enrolled_there: String,
    marked: String,
    marked_there: String,
    stopped: String,
    primary: String,
    held: String,
    by_hand: String,
    of_others: String,
    copy: String,
    copy_at_home: String,
    copy_elsewhere: String,
    copy_of_others: String,
    primary_there: String,
}

impl Scene {
    /// Sets a scene in a world.
    pub(super) async fn set(world: World) -> Self {
        let [home, west, elsewhere] =
            [world.operator(HOME).await, world.operator(WEST).await, world.operator(ELSEWHERE).await];
        let enrolled = home.run_instance(&["/dev/sdf"], COPIED).await;
        let not_enrolled = home.run_instance(&[], &[]).await;
        let marked = home.run_instance(&[], &[("Env", "PROD")]).await;
        let stopped = home.run_instance(&[], &[]).await;
        let enrolled_there = west.run_instance(&[], ENROLLED).await;
        let marked_there = west.run_instance(&[], &[]).await;
        let other_volume = root_volume(&home, &not_enrolled).await;
        let mut primaries = back_up(&world, FIRST).await;
        copy(&world, FIRST).await;
        let copy = standing(&world, WEST).into_iter().next().expect("a copy");
        let held = primaries.pop().expect("a second one");
        home.tag(&held, "KeepForever", "").await;
        let by_hand = home.snapshot_by_hand(&other_volume, &[]).await;
        let of_others = home.ec2.describe_snapshots().owner_ids("amazon").send().await.expect("DescribeSnapshots");
        let of_others = of_others.snapshots()[0].snapshot_id().expect("an id").to_owned();
        world.settle().await;
        let copy_at_home = home.snapshot_by_hand(&other_volume, OWN_COPY).await;
        let scene = Self {
            enrolled,
            not_enrolled,
            enrolled_there,
            marked,
            marked_there,
            stopped,
            primary: primaries.pop().expect("a first one"),
            held,
            by_hand,
            of_others,
            copy,
            copy_at_home,
            copy_elsewhere: of_a_new_volume(&elsewhere, OWN_COPY).await,
            copy_of_others: of_a_new_volume(&west, COPY_OF_OTHERS).await,
            primary_there: of_a_new_volume(&west, OWN).await,
            world,
        };
        // not before, for the creator has run for this scene
        for (operator, instance) in [(&home, &scene.marked), (&west, &scene.marked_there), (&home, &scene.stopped)] {
            operator.stop(instance).await;
        }
        let marked = [(&home, &scene.marked), (&west, &scene.marked_there), (&west, &scene.enrolled_there)];
        for (operator, instance) in marked {
            operator.tag(instance, MARK, "2026-11-21T05:00:00Z").await;
        }
        scene.world.settle().await;
        scene
    }

    /// What comes of a call with the keys of a job: the error's code if it fails.
    pub(super) async fn attempt(&self, job: Job, call: &Call) -> Result<(), String> {
        let region = match call {
            Call::ReadSnapshots(region)
            | Call::ReadImages(region)
            | Call::Copy(_, region, _)
            | Call::SeeKey(region, _) => *region,
            Call::Tag(which, ..) | Call::Untag(which, _) | Call::Delete(which) | Call::Lock(which) => {
                self.find(*which).0
            }
            Call::Take(whose, _)
            | Call::TakeSet(whose)
            | Call::TagInstance(whose, _)
            | Call::UntagInstance(whose, _)
            | Call::Start(whose)
            | Call::StartWithKey(whose, _)
            | Call::Stop(whose) => self.machine(*whose).0,
            Call::CopyWithKey(..) => WEST,
            Call::Terminate | Call::Publish(_) => HOME,
        };
        let Operator { ec2, kms, .. } = self.world.with_keys_of(job, HOME, region).await;
        match call {
            Call::ReadSnapshots(_) => told(ec2.describe_snapshots().owner_ids("self").send().await),
            Call::ReadImages(_) => told(ec2.describe_images().owners("self").send().await),
            Call::Take(whose, tags) => {
                let operator = self.world.operator(region).await;
                let call = ec2.create_snapshot().volume_id(root_volume(&operator, self.machine(*whose).1).await);
                told(call.set_tag_specifications(specified(tags)).send().await)
            }
            Call::TakeSet(whose) => {
                let instance = InstanceSpecification::builder().instance_id(self.machine(*whose).1).build();
                let call = ec2.create_snapshots().instance_specification(instance);
                told(call.set_tag_specifications(specified(OWN)).send().await)
            }
            Call::Copy(which, _, tags) => {
                let (from, id) = self.find(*which);
                let call = ec2.copy_snapshot().source_region(from).source_snapshot_id(id);
                told(call.set_tag_specifications(specified(tags)).send().await)
            }
            Call::CopyWithKey(which, key) => Box::pin(self.copy_with_key(&ec2, *which, key)).await,
            Call::Tag(which, key, value) => {
                let tag = Tag::builder().key(*key).value(*value).build();
                told(ec2.create_tags().resources(self.find(*which).1).tags(tag).send().await)
            }
            Call::Untag(which, key) => {
                let tag = Tag::builder().key(*key).build();
                told(ec2.delete_tags().resources(self.find(*which).1).tags(tag).send().await)
            }
            Call::Delete(which) => told(ec2.delete_snapshot().snapshot_id(self.find(*which).1).send().await),
            Call::TagInstance(whose, key) => {
                let tag = Tag::builder().key(*key).value("2026-11-21T05:00:00Z").build();
                told(ec2.create_tags().resources(self.machine(*whose).1).tags(tag).send().await)
            }
            Call::UntagInstance(whose, key) => {
                let tags = key.map(|key| vec![Tag::builder().key(key).build()]);
                told(ec2.delete_tags().resources(self.machine(*whose).1).set_tags(tags).send().await)
            }
            Call::Start(whose) => told(ec2.start_instances().instance_ids(self.machine(*whose).1).send().await),
            Call::StartWithKey(whose, key) => Box::pin(self.start_with_key(&ec2, *whose, key)).await,
            Call::Stop(whose) => told(ec2.stop_instances().instance_ids(self.machine(*whose).1).send().await),
            Call::Terminate => told(ec2.terminate_instances().instance_ids(&self.enrolled).send().await),
            Call::Lock(which) => {
                let call = ec2.lock_snapshot().snapshot_id(self.find(*which).1);
                told(call.lock_mode("governance".into()).lock_duration(30).send().await)
            }
            Call::SeeKey(_, key) => {
                let (simulator, owner) = (self.world.simulator(), key.split(':').nth(4));
                if let Some(owner) = owner {
                    simulator.create_key(owner, region, key);
                    simulator.share_key(owner, region, key, ACCOUNT);
                }
                told(kms.describe_key().key_id(*key).send().await)
            }
            Call::Publish(topic) => self.fail_and_tell(job, topic).await,
        }
    }

    /// What comes of copying a snapshot with a key: the copy's state if it is not completed.
    async fn copy_with_key(&self, ec2: &Client, which: Which, key: &str) -> Result<(), String> {
        let (from, id) = self.find(which);
        self.world.simulator().create_key(ACCOUNT, WEST, key);
        let call = ec2.copy_snapshot().source_region(from).source_snapshot_id(id).encrypted(true);
        told(call.kms_key_id(key).set_tag_specifications(specified(OWN)).send().await)?;
        self.world.settle().await;
        let copy = automated(&self.world, WEST).into_iter().find(|it| it.kms_key_id.as_deref() == Some(key));
        let is_there = copy.is_some_and(|copy| copy.state == SnapshotState::Completed);
        if is_there { Ok(()) } else { Err("error".to_owned()) }
    }

    /// What comes of starting an instance that has a volume with a key: the instance's state if it does not run.
    async fn start_with_key(&self, ec2: &Client, whose: Whose, key: &str) -> Result<(), String> {
        let (region, instance) = self.machine(whose);
        self.world.simulator().create_key(ACCOUNT, region, key);
        let operator = self.world.operator(region).await;
        let volume = new_volume(&operator, Some(key)).await;
        let attach = operator.ec2.attach_volume().volume_id(volume).instance_id(instance).device("/dev/sdf");
        attach.send().await.expect("AttachVolume");
        told(ec2.start_instances().instance_ids(instance).send().await)?;
        self.world.settle().await;
        let state = operator.state(instance).await;
        if state == "running" { Ok(()) } else { Err(state) }
    }

    /// What comes of telling a topic that a job failed.
    async fn fail_and_tell(&self, job: Job, topic: &str) -> Result<(), String> {
        let part = |number: usize| topic.split(':').nth(number).unwrap_or_default();
        self.world.simulator().call("sns", part(3), "CreateTopic", &[("Name", part(5))])?;
        self.world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Deny).always());
        let mut context = self.world.context(job, HOME, FIRST);
        let setting = ("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), topic.to_owned());
        context.run.settings = Settings::from_variables([setting]).expect("a topic");
        let report = Box::pin(self.world.run_in(&context)).await;
        // `Publish: AuthorizationError: User: …`
        let code = |cause: &str| cause.split(": ").nth(1).unwrap_or_default().to_owned();
        let failed = report.failed.iter().find(|it| it.resource == "alert topic");
        failed.map_or(Ok(()), |it| Err(code(&it.cause)))
    }

    /// The region and the id of an instance.
    fn machine(&self, whose: Whose) -> (&'static str, &str) {
        match whose {
            Whose::Enrolled => (HOME, &self.enrolled),
            Whose::NotEnrolled => (HOME, &self.not_enrolled),
            Whose::Marked => (HOME, &self.marked),
            Whose::Stopped => (HOME, &self.stopped),
            Whose::EnrolledThere => (WEST, &self.enrolled_there),
            Whose::MarkedThere => (WEST, &self.marked_there),
        }
    }

    /// The region and the id of a snapshot.
    fn find(&self, which: Which) -> (&'static str, &str) {
        match which {
            Which::Primary => (HOME, &self.primary),
            Which::Held => (HOME, &self.held),
            Which::ByHand => (HOME, &self.by_hand),
            Which::OfOthers => (HOME, &self.of_others),
            Which::CopyAtHome => (HOME, &self.copy_at_home),
            Which::Copy => (WEST, &self.copy),
            Which::CopyOfOthers => (WEST, &self.copy_of_others),
            Which::PrimaryThere => (WEST, &self.primary_there),
            Which::CopyElsewhere => (ELSEWHERE, &self.copy_elsewhere),
        }
    }
}

/// The volume that an instance boots from.
async fn root_volume(operator: &Operator, instance: &str) -> String {
    operator.volumes(instance).await.remove("/dev/xvda").expect("a volume")
}

/// A snapshot of a volume that is made for it.
async fn of_a_new_volume(operator: &Operator, tags: &[(&str, &str)]) -> String {
    operator.snapshot_by_hand(&new_volume(operator, None).await, tags).await
}

/// A volume, encrypted if it is to have a key.
async fn new_volume(operator: &Operator, key: Option<&str>) -> String {
    let region = operator.ec2.config().region().expect("a region").to_string();
    let call = operator.ec2.create_volume().availability_zone(format!("{region}a")).size(8);
    let call = call.set_encrypted(key.map(|_| true)).set_kms_key_id(key.map(str::to_owned));
    call.send().await.expect("CreateVolume").volume_id.expect("an id")
}

fn specified(tags: &[(&str, &str)]) -> Option<Vec<TagSpecification>> {
    let tags: Vec<Tag> = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
    let of_snapshot = TagSpecification::builder().resource_type(ResourceType::Snapshot);
    (!tags.is_empty()).then(|| vec![of_snapshot.set_tags(Some(tags)).build()])
}

fn told<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> Result<(), String> {
    answer.map(drop).map_err(|error| error.code().unwrap_or("no code").to_owned())
}
