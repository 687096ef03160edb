//! What somebody could do with the keys of the syncer, if the policy let them.

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;
use snapkeeper_core::run::Job::Syncer;
use snapkeeper_simulator::{DatabaseKind, ImageState, Outcome, Simulator};
use snapkeeper_tests::{World, estate::sdk_tags, operator::Operator, policies::SYNC_PARAMETER, world::ACCOUNT};

use super::super::{COPIES_TAKE, build, config};
use crate::peers::{HOME, WEST};

/// A region that is none of the syncer's business.
const ELSEWHERE: &str = "eu-central-1";
/// A key of another account.
const KEY_OF_STRANGER: &str = "arn:aws:kms:us-west-2:999999999999:key/0a1b2c3d";
/// The role of the same name in that account.
const ROLE_OF_STRANGER: &str = "arn:aws:iam::999999999999:role/snapkeeper-sync";
/// The mark of what the job makes.
const MADE: &[(&str, &str)] = &[("Snapkeeper_Sync", "Yes")];

/// A call that the policy stops.
#[derive(Debug)]
pub(super) struct Attack {
    /// The statement that stops it, and how what in it stops it begins.
    pub(super) sid: &'static str,
    pub(super) what: &'static str,
    pub(super) call: Call,
}

/// A call, by the region and by what it is about.
#[derive(Debug)]
pub(super) enum Call {
    Read(&'static str),
    /// Copies an image into a region, with these tags.
    CopyImage(&'static str, &'static [(&'static str, &'static str)]),
    /// Copies an image, encrypted with another account's key.
    Encrypt,
    /// Tags an image, or what is behind it.
    TagImage(&'static str, What, &'static str),
    TagBehind(&'static str, What),
    Deregister(&'static str, What),
    DeleteBehind(What),
    /// Copies the automated snapshot into a region, with these tags.
    CopyDb(DatabaseKind, &'static str, &'static [(&'static str, &'static str)]),
    /// Tags the automated snapshot, or an own one.
    TagAutomated(DatabaseKind),
    TagDb(DatabaseKind),
    DeleteDb(DatabaseKind, &'static str, What),
    /// Reads the parameter of the same name in another region.
    Parameter,
    /// Takes on the role of the same name in another account.
    Role,
}

/// Which of what there is in each region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Own,
    Held,
    ByHand,
}

use Call::{
    CopyDb, CopyImage, DeleteBehind, DeleteDb, Deregister, Encrypt, Parameter, Read, Role, TagAutomated, TagBehind,
    TagDb, TagImage,
};
use DatabaseKind::{Cluster, Instance};
use What::{ByHand, Held, Own};

const fn by(sid: &'static str, what: &'static str, call: Call) -> Attack {
    Attack { sid, what, call }
}

const HOLD: &str = "NeverDeleteWhatIsKeptForever";
const REGION: &str = "StringLike aws:RequestedRegion";
const REQUEST_TAG: &str = "StringEquals aws:RequestTag/Snapkeeper_Sync";
const RESOURCE_TAG: &str = "StringEquals aws:ResourceTag/Snapkeeper_Sync";
const TAG_KEYS: &str = "ForAllValues:StringLike aws:TagKeys";

/// For each condition, each `Deny` and each place of a resource what it stops, and nothing else does.
pub(super) const ATTACKS: &[Attack] = &[
    by("ReadHome", "StringEquals aws:RequestedRegion", Read(ELSEWHERE)),
    by("ReadSyncRegions", REGION, Read(ELSEWHERE)),
    by("MakeOnlyMarkedImages", REQUEST_TAG, CopyImage(WEST, &[])),
    by("MakeOnlyMarkedImages", REGION, CopyImage(ELSEWHERE, MADE)),
    by("TagImagesInTheCallThatMakesThem", "StringEquals ec2:CreateAction", TagImage(WEST, ByHand, "Snapkeeper_Sync")),
    by("TellOnTheSourceWhereItsCopyIs", TAG_KEYS, TagImage(HOME, ByHand, "Sync-Identifier")),
    by("TellOnTheSourceWhereItsCopyIs", TAG_KEYS, TagImage(WEST, ByHand, "Snapkeeper_Sync")),
    by("TellOnTheSourceWhereItsCopyIs", TAG_KEYS, TagImage(WEST, Own, "Sync-From-us-east-1")),
    by("TagWhatIsBehindOwnImages", RESOURCE_TAG, TagBehind(WEST, ByHand)),
    by("TagWhatIsBehindOwnImages", REGION, TagBehind(ELSEWHERE, Own)),
    by("DeregisterOnlyOwnImages", RESOURCE_TAG, Deregister(WEST, ByHand)),
    by("DeregisterOnlyOwnImages", REGION, Deregister(ELSEWHERE, Own)),
    by("DeregisterOnlyOwnImages", REGION, Deregister(HOME, Own)),
    by("MakeOnlyMarkedSnapshots", REQUEST_TAG, CopyDb(Instance, WEST, &[])),
    by("MakeOnlyMarkedSnapshots", REQUEST_TAG, CopyDb(Cluster, WEST, &[])),
    by("MakeOnlyMarkedSnapshots", REGION, CopyDb(Instance, ELSEWHERE, MADE)),
    by("MakeOnlyMarkedSnapshots", REGION, CopyDb(Cluster, ELSEWHERE, MADE)),
    by("TagSnapshotsInTheCallThatMakesThem", REQUEST_TAG, TagDb(Instance)),
    by("TagSnapshotsInTheCallThatMakesThem", REQUEST_TAG, TagDb(Cluster)),
    by("TellOnTheSnapshotWhereItsCopyIs", TAG_KEYS, TagAutomated(Instance)),
    by("TellOnTheSnapshotWhereItsCopyIs", TAG_KEYS, TagAutomated(Cluster)),
    by("DeleteOnlyOwnSnapshots", RESOURCE_TAG, DeleteDb(Instance, WEST, ByHand)),
    by("DeleteOnlyOwnSnapshots", RESOURCE_TAG, DeleteDb(Cluster, WEST, ByHand)),
    by("DeleteOnlyOwnSnapshots", REGION, DeleteDb(Instance, ELSEWHERE, Own)),
    by("DeleteOnlyOwnSnapshots", REGION, DeleteDb(Cluster, ELSEWHERE, Own)),
    by(HOLD, "the statement", Deregister(WEST, Held)),
    by(HOLD, "Action ec2:DeregisterImage", Deregister(WEST, Held)),
    by(HOLD, "Action ec2:DeleteSnapshot", DeleteBehind(Held)),
    by(HOLD, "Action rds:DeleteDBSnapshot", DeleteDb(Instance, WEST, Held)),
    by(HOLD, "Action rds:DeleteDBClusterSnapshot", DeleteDb(Cluster, WEST, Held)),
    by("LetEc2AndRdsUseTheKeys", "account of", Encrypt),
    by("LetEc2AndRdsGrantThemselvesTheKeys", "account of", Encrypt),
    by("ReadTheConfiguration", "region of", Parameter),
    by("TakeOnTheRolesOfJobs", "account of", Role),
];

impl Attack {
    /// What comes of it while the job has this policy: the error's code if it fails.
    pub(super) async fn attempted(&self, policy: Value) -> Result<(), String> {
        let world = World::of(Simulator::new(config())).with_policy(Syncer, policy);
        if matches!(self.call, Parameter) {
            return parameter(world).await;
        }
        if matches!(self.call, Role) {
            return role(world).await;
        }
        for region in [HOME, WEST, ELSEWHERE] {
            Scene { world: &world, region }.set().await;
        }
        let here = |region| Scene { world: &world, region };
        let keys = async |region| world.with_keys_of(Syncer, HOME, region).await;
        match self.call {
            Read(region) => told(keys(region).await.ec2.describe_images().owners("self").send().await),
            CopyImage(region, tags) => copy(&keys(region).await, &here(HOME).image(ByHand), tags, None).await.map(drop),
            Encrypt => {
                // its own policy lets this account use it
                world.simulator().create_key(ACCOUNT, WEST, KEY_OF_STRANGER);
                let source = here(HOME).image(ByHand);
                let id = copy(&keys(WEST).await, &source, MADE, Some(KEY_OF_STRANGER)).await?;
                world.pass(COPIES_TAKE).await;
                let made = world.simulator().images(ACCOUNT, WEST).into_iter().find(|it| it.id == id);
                let is_there = made.is_some_and(|it| it.state == ImageState::Available);
                // AWS looks at the key only after it has accepted the call
                if is_there { Ok(()) } else { Err("AccessDenied".to_owned()) }
            }
            TagImage(region, what, key) => tag(&keys(region).await, &here(region).image(what), key).await,
            TagBehind(region, what) => tag(&keys(region).await, &here(region).behind(what), "Note").await,
            Deregister(region, what) => {
                let call = keys(region).await.ec2.deregister_image().image_id(here(region).image(what));
                told(call.send().await)
            }
            DeleteBehind(what) => {
                let (keys, behind) = (keys(WEST).await, here(WEST).behind(what));
                // nothing may use it any more
                let operator = world.operator(WEST).await;
                let call = operator.ec2.deregister_image().image_id(here(WEST).image(what));
                call.send().await.expect("DeregisterImage");
                told(keys.ec2.delete_snapshot().snapshot_id(behind).send().await)
            }
            CopyDb(kind, region, tags) => {
                let (keys, source) = (keys(region).await, here(HOME).automated(kind));
                let tags = sdk_tags(tags).filter(|tags| !tags.is_empty());
                match kind {
                    Instance => {
                        let call = keys.rds.copy_db_snapshot().source_db_snapshot_identifier(source);
                        told(call.target_db_snapshot_identifier("sync-new").set_tags(tags).send().await)
                    }
                    Cluster => {
                        let call = keys.rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(source);
                        told(call.target_db_cluster_snapshot_identifier("sync-new").set_tags(tags).send().await)
                    }
                }
            }
            TagAutomated(kind) => {
                let arn = here(HOME).automated(kind);
                let call = keys(HOME).await.rds.add_tags_to_resource().resource_name(arn);
                told(call.set_tags(sdk_tags(&[("Snapkeeper_Sync", "Yes")])).send().await)
            }
            TagDb(kind) => {
                let kind = if kind == Cluster { "cluster-snapshot" } else { "snapshot" };
                let arn = format!("arn:aws:rds:{WEST}:{ACCOUNT}:{kind}:{}", name(Own));
                let call = keys(WEST).await.rds.add_tags_to_resource().resource_name(arn);
                told(call.set_tags(sdk_tags(&[("Note", "mine")])).send().await)
            }
            DeleteDb(Instance, region, what) => {
                let call = keys(region).await.rds.delete_db_snapshot().db_snapshot_identifier(name(what));
                told(call.send().await)
            }
            DeleteDb(Cluster, region, what) => {
                let call = keys(region).await.rds.delete_db_cluster_snapshot();
                told(call.db_cluster_snapshot_identifier(name(what)).send().await)
            }
            Parameter | Role => Ok(()),
        }
    }
}

/// The job itself, in another region than its own.
async fn parameter(world: World) -> Result<(), String> {
    let world = world.with("SYNC_CONFIG", &format!("ssm:{SYNC_PARAMETER}"));
    world.simulator().put_parameter(ACCOUNT, WEST, SYNC_PARAMETER, "sync_web: {}");
    Box::pin(world.run(Syncer, WEST, "2026-11-21T05:00:00Z")).await;
    answered(&world, "GetParameter")
}

/// The job itself, with a role that is another's.
async fn role(world: World) -> Result<(), String> {
    let text = format!(
        "sync_web:\n  sync_type: ec2_ami\n  source_region: us-east-1\n  destination_region: us-west-2\n  \
         sync_identifier: web\n  aws_client_config:\n    role_arn: {ROLE_OF_STRANGER}\n"
    );
    let world = world.with("SYNC_CONFIG", &text);
    world.simulator().allow_role(ROLE_OF_STRANGER, None, ACCOUNT);
    Box::pin(world.run(Syncer, HOME, "2026-11-21T05:00:00Z")).await;
    answered(&world, "AssumeRole")
}

/// How the first call of an action was answered.
fn answered(world: &World, action: &str) -> Result<(), String> {
    let call = world.simulator().calls().into_iter().find(|call| call.action == action).ok_or("it was not called")?;
    match call.answer {
        Outcome::Ok => Ok(()),
        // each service has its own word for it
        Outcome::Error { code, .. } => Err(code.replace("AccessDeniedException", "AccessDenied")),
        Outcome::Cut => Err("cut".to_owned()),
    }
}

/// What there is in a region: of everything an own one, one that is held, and one that somebody has made by hand.
struct Scene<'a> {
    world: &'a World,
    region: &'static str,
}

impl Scene<'_> {
    async fn set(&self) {
        let operator = self.world.operator(self.region).await;
        for what in [Own, Held, ByHand] {
            let image = build(self.world, self.region, name(what), tags(what)).await;
            for snapshot in self.behind_all(&image) {
                for (key, value) in tags(what) {
                    operator.tag(&snapshot, key, value).await;
                }
            }
        }
        let call = operator.rds.create_db_instance().db_instance_identifier("orders").engine("postgres");
        let call = call.db_instance_class("db.t3.micro").allocated_storage(20).backup_retention_period(7);
        call.send().await.expect("CreateDBInstance");
        let call = operator.rds.create_db_cluster().db_cluster_identifier("shop").engine("aurora-postgresql");
        call.backup_retention_period(7).send().await.expect("CreateDBCluster");
        self.world.pass(COPIES_TAKE).await;
        for what in [Own, Held, ByHand] {
            operator.db_snapshot_by_hand("orders", name(what), tags(what)).await;
            let call = operator.rds.create_db_cluster_snapshot().db_cluster_identifier("shop");
            let call = call.db_cluster_snapshot_identifier(name(what)).set_tags(sdk_tags(tags(what)));
            call.send().await.expect("CreateDBClusterSnapshot");
        }
        self.world.pass(COPIES_TAKE).await;
    }

    fn image(&self, what: What) -> String {
        let all = self.world.simulator().images(ACCOUNT, self.region);
        all.into_iter().find(|it| it.name == name(what)).expect("an image").id
    }

    fn behind_all(&self, image: &str) -> Vec<String> {
        let all = self.world.simulator().images(ACCOUNT, self.region);
        let image = all.into_iter().find(|it| it.id == image).expect("an image");
        image.devices.into_iter().filter_map(|it| it.snapshot_id).collect()
    }

    fn behind(&self, what: What) -> String {
        self.behind_all(&self.image(what)).remove(0)
    }

    fn automated(&self, kind: DatabaseKind) -> String {
        let all = self.world.simulator().db_snapshots(ACCOUNT, self.region).into_iter();
        all.filter(|it| it.is_automated && it.kind == kind).map(|it| it.arn).next().expect("one from the first")
    }
}

/// What something is named.
fn name(what: What) -> &'static str {
    match what {
        Own => "sync-own",
        Held => "sync-held",
        ByHand => "sync-by-hand",
    }
}

/// How it is tagged.
fn tags(what: What) -> &'static [(&'static str, &'static str)] {
    match what {
        Own => MADE,
        Held => &[("Snapkeeper_Sync", "Yes"), ("KeepForever", "yes")],
        ByHand => &[("Team", "Others")],
    }
}

/// Copies an image from home, and tells which it became.
async fn copy(keys: &Operator, source: &str, tags: &[(&str, &str)], key: Option<&str>) -> Result<String, String> {
    let mut call = keys.ec2.copy_image().source_region(HOME).source_image_id(source).name("sync-new");
    call = call.set_encrypted(key.map(|_| true)).set_kms_key_id(key.map(str::to_owned));
    if !tags.is_empty() {
        for kind in [ResourceType::Image, ResourceType::Snapshot] {
            let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
            call =
                call.tag_specifications(TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build());
        }
    }
    match call.send().await {
        Ok(made) => Ok(made.image_id.unwrap_or_default()),
        Err(error) => Err(error.code().unwrap_or("no code").to_owned()),
    }
}

async fn tag(keys: &Operator, resource: &str, key: &str) -> Result<(), String> {
    let tag = Tag::builder().key(key).value("Yes").build();
    told(keys.ec2.create_tags().resources(resource).tags(tag).send().await)
}

fn told<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> Result<(), String> {
    answer.map(drop).map_err(|error| error.code().unwrap_or("no code").to_owned())
}
