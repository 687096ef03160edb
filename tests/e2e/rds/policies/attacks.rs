//! What somebody could do with the keys of sharer or saver, if the policy let them.

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;
use snapkeeper_core::run::Job::{self, RdsSaver, RdsSharer};
use snapkeeper_simulator::DatabaseKind;
use snapkeeper_tests::{
    Estate,
    estate::{FAILSAFE, HOME, LIVE, Side, WEST, sdk_tags},
    operator::Operator,
};

use super::super::{COPIES_TAKE, STRANGER, config};

/// A region that is no job's business.
const ELSEWHERE: &str = "eu-central-1";
/// The tag without which nothing may be made.
const AUTOMATED: &[(&str, &str)] = &[("Type", "Automated")];

/// A call that a policy stops.
#[derive(Debug)]
pub(super) struct Attack {
    /// The job whose keys are used.
    pub(super) job: Job,
    /// The statement that stops it, and how what in it stops it begins.
    pub(super) sid: &'static str,
    pub(super) what: &'static str,
    pub(super) call: Call,
}

/// A call, by the region and by the name of what it is about; each for a DB instance's snapshot and for a cluster's.
#[derive(Debug)]
pub(super) enum Call {
    Read(&'static str),
    /// Copies a snapshot, there and of this name, into a region, with these tags.
    Copy(&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]),
    /// The same of another account's.
    CopyOfOthers,
    Tag(&'static str, &'static str, &'static str),
    Share(&'static str, &'static str),
    Delete(&'static str, &'static str),
}

/// Own copies: of the sharer, or of the saver.
const OWN: &str = "failsafe-own";
/// The same, held.
const HELD: &str = "failsafe-held";
/// Without the tag that all own copies have.
const BY_HAND: &str = "failsafe-by-hand";
/// Own copies of the other job.
const OF_OTHER_JOB: &str = "failsafe-other";
/// The newest automated one.
const OF_RDS: &str = "rds:";

const fn of_sharer(sid: &'static str, what: &'static str, call: Call) -> Attack {
    Attack { job: RdsSharer, sid, what, call }
}

const fn of_saver(sid: &'static str, what: &'static str, call: Call) -> Attack {
    Attack { job: RdsSaver, sid, what, call }
}

const REGION: &str = "region of";
const REQUESTED: &str = "StringEquals aws:RequestedRegion";
const REQUEST_TAG: &str = "StringEquals aws:RequestTag/Type";
const RESOURCE_TAG: &str = "StringEquals aws:ResourceTag/Type";
const SOURCE_ACCOUNT: &str = "Null aws:ResourceTag/Source_Account";

/// For each condition, each `Deny` and each region of a resource what it stops, and nothing else does.
pub(super) const ATTACKS: &[Attack] = &[
    of_sharer("ReadHome", REQUESTED, Call::Read(ELSEWHERE)),
    of_sharer("CopyAutomatedSnapshots", REGION, Call::Copy(WEST, OF_RDS, WEST, AUTOMATED)),
    of_sharer("MakeOnlyAutomatedCopies", REQUEST_TAG, Call::Copy(HOME, OF_RDS, HOME, &[])),
    of_sharer("MakeOnlyAutomatedCopies", REGION, Call::Copy(WEST, OF_RDS, WEST, AUTOMATED)),
    of_sharer("TagCopiesInTheCallThatMakesThem", REQUEST_TAG, Call::Tag(HOME, OWN, "Note")),
    of_sharer("TagCopiesInTheCallThatMakesThem", REGION, Call::Copy(WEST, OF_RDS, WEST, AUTOMATED)),
    of_sharer("MarkOwnCopiesAsAnnounced", RESOURCE_TAG, Call::Tag(HOME, BY_HAND, "Failsafe_Announced")),
    of_sharer("MarkOwnCopiesAsAnnounced", SOURCE_ACCOUNT, Call::Tag(HOME, OF_OTHER_JOB, "Failsafe_Announced")),
    of_sharer("MarkOwnCopiesAsAnnounced", "ForAllValues:StringEquals aws:TagKeys", Call::Tag(HOME, OWN, "Note")),
    of_sharer("MarkOwnCopiesAsAnnounced", REGION, Call::Tag(WEST, OWN, "Failsafe_Announced")),
    of_sharer("ShareOnlyOwnCopies", RESOURCE_TAG, Call::Share(HOME, BY_HAND)),
    of_sharer("ShareOnlyOwnCopies", SOURCE_ACCOUNT, Call::Share(HOME, OF_OTHER_JOB)),
    of_sharer("ShareOnlyOwnCopies", REGION, Call::Share(WEST, OWN)),
    of_sharer("DeleteOnlyOwnCopies", RESOURCE_TAG, Call::Delete(HOME, BY_HAND)),
    of_sharer("DeleteOnlyOwnCopies", SOURCE_ACCOUNT, Call::Delete(HOME, OF_OTHER_JOB)),
    of_sharer("DeleteOnlyOwnCopies", REGION, Call::Delete(WEST, OWN)),
    of_sharer("NeverDeleteWhatIsKeptForever", "", Call::Delete(HOME, HELD)),
    of_saver("ReadHome", REQUESTED, Call::Read(ELSEWHERE)),
    of_saver("ReadDestinations", "StringLike aws:RequestedRegion", Call::Read(ELSEWHERE)),
    of_saver("CopyWhatTheLiveAccountsShare", "StringEquals aws:ResourceAccount", Call::CopyOfOthers),
    of_saver("CopyOwnCopies", RESOURCE_TAG, Call::Copy(HOME, BY_HAND, HOME, AUTOMATED)),
    of_saver("CopyOwnCopies", SOURCE_ACCOUNT, Call::Copy(HOME, OF_OTHER_JOB, HOME, AUTOMATED)),
    of_saver("CopyOwnCopies", REGION, Call::Copy(ELSEWHERE, OWN, HOME, AUTOMATED)),
    of_saver("MakeOnlyAutomatedCopies", REQUEST_TAG, Call::Copy(HOME, OWN, HOME, &[])),
    of_saver("MakeOnlyAutomatedCopies", REGION, Call::Copy(HOME, OWN, ELSEWHERE, AUTOMATED)),
    of_saver("MakeOnlyAutomatedCopiesInDestinations", REQUEST_TAG, Call::Copy(HOME, OWN, WEST, &[])),
    of_saver(
        "MakeOnlyAutomatedCopiesInDestinations",
        "StringLike aws:RequestedRegion",
        Call::Copy(HOME, OWN, ELSEWHERE, AUTOMATED),
    ),
    of_saver("TagCopiesInTheCallThatMakesThem", REQUEST_TAG, Call::Tag(HOME, OWN, "Note")),
    of_saver("DeleteOnlyOwnCopies", RESOURCE_TAG, Call::Delete(HOME, BY_HAND)),
    of_saver("DeleteOnlyOwnCopies", SOURCE_ACCOUNT, Call::Delete(HOME, OF_OTHER_JOB)),
    of_saver("DeleteOnlyOwnCopies", REGION, Call::Delete(ELSEWHERE, OWN)),
    of_saver("DeleteOnlyOwnCopiesInDestinations", RESOURCE_TAG, Call::Delete(WEST, BY_HAND)),
    of_saver("DeleteOnlyOwnCopiesInDestinations", SOURCE_ACCOUNT, Call::Delete(WEST, OF_OTHER_JOB)),
    of_saver("DeleteOnlyOwnCopiesInDestinations", "StringLike aws:RequestedRegion", Call::Delete(ELSEWHERE, OWN)),
    of_saver("NeverDeleteWhatIsKeptForever", "", Call::Delete(HOME, HELD)),
];

/// Somebody, and the kind of database that it is about.
struct Maker<'a>(&'a Operator, DatabaseKind);

impl Attack {
    /// What comes of it while the job has this policy: the error's code if it fails.
    pub(super) async fn attempted(&self, policy: Value, kind: DatabaseKind) -> Result<(), String> {
        let estate = Estate::of(config()).with_policy(self.job, policy);
        let side = if self.job == RdsSaver { Side::Failsafe } else { Side::Live };
        let world = estate.side(side);
        for region in [HOME, WEST, ELSEWHERE] {
            set_the_scene(&estate, &world.operator(region).await, self.job, kind).await;
        }
        let stranger = estate.live.beside(STRANGER).operator(HOME).await;
        let theirs = Maker(&stranger, kind);
        theirs.database().await;
        estate.live.pass(COPIES_TAKE).await;
        theirs.by_hand("failsafe-theirs", &[]).await;
        estate.live.pass(COPIES_TAKE).await;
        theirs.share("failsafe-theirs", FAILSAFE).await.expect("shared");

        let region = match &self.call {
            Call::Read(region)
            | Call::Copy(_, _, region, _)
            | Call::Tag(region, ..)
            | Call::Share(region, _)
            | Call::Delete(region, _) => *region,
            Call::CopyOfOthers => HOME,
        };
        let operator = world.with_keys_of(self.job, HOME, region).await;
        let intruder = Maker(&operator, kind);
        let account = side.account();
        match &self.call {
            Call::Read(_) => intruder.read().await,
            Call::Copy(from, name, _, tags) => {
                let name = if *name == OF_RDS { automated(&estate, account, from, kind) } else { (*name).to_owned() };
                intruder.copy(&intruder.arn(from, account, &name), tags).await
            }
            Call::CopyOfOthers => intruder.copy(&intruder.arn(HOME, STRANGER, "failsafe-theirs"), AUTOMATED).await,
            Call::Tag(region, name, key) => intruder.tag(&intruder.arn(region, account, name), key).await,
            Call::Share(_, name) => intruder.share(name, STRANGER).await,
            Call::Delete(_, name) => intruder.delete(name).await,
        }
    }
}

/// Makes something of everything in a region.
async fn set_the_scene(estate: &Estate, operator: &Operator, job: Job, kind: DatabaseKind) {
    let of_sharer = [("Type", "Automated"), ("Source_DBSnapshot", "orders")];
    let of_saver = [&of_sharer[..], &[("Source_Account", LIVE)]].concat();
    let (own, other) = if job == RdsSaver { (&of_saver[..], &of_sharer[..]) } else { (&of_sharer[..], &of_saver[..]) };
    let maker = Maker(operator, kind);
    maker.database().await;
    estate.live.pass(COPIES_TAKE).await;
    maker.by_hand(OWN, own).await;
    maker.by_hand(HELD, &[own, &[("KeepForever", "")]].concat()).await;
    maker.by_hand(BY_HAND, &own[1..]).await;
    maker.by_hand(OF_OTHER_JOB, other).await;
    estate.live.pass(COPIES_TAKE).await;
}

/// The automated snapshot of a region.
fn automated(estate: &Estate, account: &str, region: &str, kind: DatabaseKind) -> String {
    let all = estate.simulator().db_snapshots(account, region).into_iter();
    let mut all = all.filter(|it| it.is_automated && it.kind == kind);
    all.next().expect("one from the first").id
}

/// The calls, unencrypted, so that no key is asked for.
impl Maker<'_> {
    fn arn(&self, region: &str, account: &str, name: &str) -> String {
        let kind = match self.1 {
            DatabaseKind::Instance => "snapshot",
            DatabaseKind::Cluster => "cluster-snapshot",
        };
        format!("arn:aws:rds:{region}:{account}:{kind}:{name}")
    }

    async fn database(&self) {
        if self.1 == DatabaseKind::Cluster {
            let call = self.0.rds.create_db_cluster().db_cluster_identifier("orders").engine("aurora-postgresql");
            call.backup_retention_period(7).send().await.expect("CreateDBCluster");
        } else {
            let call = self.0.rds.create_db_instance().db_instance_identifier("orders").engine("postgres");
            let call = call.db_instance_class("db.t3.micro").allocated_storage(20).backup_retention_period(7);
            call.send().await.expect("CreateDBInstance");
        }
    }

    async fn by_hand(&self, name: &str, tags: &[(&str, &str)]) {
        if self.1 == DatabaseKind::Cluster {
            let call = self.0.rds.create_db_cluster_snapshot().db_cluster_identifier("orders");
            let call = call.db_cluster_snapshot_identifier(name).set_tags(sdk_tags(tags));
            call.send().await.expect("CreateDBClusterSnapshot");
        } else {
            self.0.db_snapshot_by_hand("orders", name, tags).await;
        }
    }

    async fn read(&self) -> Result<(), String> {
        if self.1 == DatabaseKind::Cluster {
            told(self.0.rds.describe_db_cluster_snapshots().snapshot_type("manual").send().await)
        } else {
            told(self.0.rds.describe_db_snapshots().snapshot_type("manual").send().await)
        }
    }

    async fn copy(&self, source: &str, tags: &[(&str, &str)]) -> Result<(), String> {
        let (target, tags) = ("failsafe-new", sdk_tags(tags).filter(|tags| !tags.is_empty()));
        if self.1 == DatabaseKind::Cluster {
            let call = self.0.rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(source);
            told(call.target_db_cluster_snapshot_identifier(target).set_tags(tags).send().await)
        } else {
            let call = self.0.rds.copy_db_snapshot().source_db_snapshot_identifier(source);
            told(call.target_db_snapshot_identifier(target).set_tags(tags).send().await)
        }
    }

    async fn tag(&self, arn: &str, key: &str) -> Result<(), String> {
        let call = self.0.rds.add_tags_to_resource().resource_name(arn);
        told(call.set_tags(sdk_tags(&[(key, "2026-11-21T05:00:00Z")])).send().await)
    }

    async fn share(&self, name: &str, account: &str) -> Result<(), String> {
        if self.1 == DatabaseKind::Cluster {
            let call = self.0.rds.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(name);
            told(call.attribute_name("restore").values_to_add(account).send().await)
        } else {
            let call = self.0.rds.modify_db_snapshot_attribute().db_snapshot_identifier(name);
            told(call.attribute_name("restore").values_to_add(account).send().await)
        }
    }

    async fn delete(&self, name: &str) -> Result<(), String> {
        if self.1 == DatabaseKind::Cluster {
            told(self.0.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name).send().await)
        } else {
            told(self.0.rds.delete_db_snapshot().db_snapshot_identifier(name).send().await)
        }
    }
}

fn told<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> Result<(), String> {
    answer.map(drop).map_err(|error| error.code().unwrap_or("no code").to_owned())
}
