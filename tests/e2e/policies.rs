//! The IAM policies in `iam/` allow each job what it needs, and nothing else. (That every in-process scenario of these
//! tests runs under them, and the scenarios on moto as far as moto evaluates them, is `snapkeeper_tests::World`'s doing.)
//!
//! Whatever is taken out of a policy is missed: an action, a resource or a value by the job, a condition, a `Deny`, or the
//! region or account of a resource by whoever it protects. So nothing stands in these files that has no effect.

mod attacks;
mod needs;
mod scene;
pub(crate) mod variants;

use std::collections::BTreeSet;

use serde_json::Value;
use snapkeeper_core::run::Job;
use snapkeeper_tests::{
    World,
    policies::{creator_that_may_stop, document},
};

use self::{
    attacks::{ATTACKS, Attack, WRITES},
    scene::Scene,
    variants::{Allows, Variant, variants},
};
use crate::peers::{FIRST, HOME};

/// Where alerts go.
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
/// What IAM takes inline in a role, without white space (IAM quotas).
const LONGEST: usize = 10_240;

/// What no attack shows to hold: of which job, in which statement, and why none does.
const NOT_ATTACKED: [(Job, &str, &str, &str); 17] = [
    (Job::Creator, "TakeSetsOfInstances", ACCOUNT_OF_INSTANCES, IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "TakeVolumes", "account of arn:aws:ec2:us-east-1:123456789012:volume/*", IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "StartWhatWasStopped", ACCOUNT_OF_INSTANCES, IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "TakeOffTheMarkOfWhatWasStopped", ACCOUNT_OF_INSTANCES, IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "MarkWhatIsToBeStopped", ACCOUNT_OF_INSTANCES, IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "StopWhatIsMarked", ACCOUNT_OF_INSTANCES, IN_ONES_OWN_ACCOUNT),
    (Job::Creator, "LetEc2GrantItselfTheKeysOfWhatIsStarted", "StringLike kms:ViaService", ONLY_THROUGH_EC2),
    (Job::Creator, "LetEc2GrantItselfTheKeysOfWhatIsStarted", "Bool kms:GrantIsForAWSResource", ONLY_THROUGH_EC2),
    (Job::Copier, "LetEc2UseTheKeysOfSnapshots", "StringLike kms:ViaService", ONLY_THROUGH_EC2),
    (Job::Copier, "LetEc2GrantItselfTheKeysOfSnapshots", "StringLike kms:ViaService", ONLY_THROUGH_EC2),
    (Job::Copier, "LetEc2GrantItselfTheKeysOfSnapshots", "Bool kms:GrantIsForAWSResource", ONLY_THROUGH_EC2),
    (Job::Creator, "TellOfFailures", ACCOUNT_OF_TOPIC, NO_POLICIES_OF_TOPICS),
    (Job::Creator, "TellTopicsOfRequests", "account of arn:aws:sns:us-east-1:123456789012:done", NO_POLICIES_OF_TOPICS),
    (
        Job::Creator,
        "TellTopicsOfRequests",
        "account of arn:aws:sns:us-east-1:123456789012:errors",
        NO_POLICIES_OF_TOPICS,
    ),
    (Job::Copier, "TellOfFailures", ACCOUNT_OF_TOPIC, NO_POLICIES_OF_TOPICS),
    (Job::Manager, "TellOfFailures", ACCOUNT_OF_TOPIC, NO_POLICIES_OF_TOPICS),
    (Job::Watcher, "TellWhatIsNotProtected", ACCOUNT_OF_TOPIC, NO_POLICIES_OF_TOPICS),
];
const ACCOUNT_OF_INSTANCES: &str = "account of arn:aws:ec2:us-east-1:123456789012:instance/*";
const ACCOUNT_OF_TOPIC: &str = "account of arn:aws:sns:us-east-1:123456789012:alerts";
const IN_ONES_OWN_ACCOUNT: &str =
    "nobody can share instances and volumes: whatever a call of EC2 names is in the caller's own account";
const NO_POLICIES_OF_TOPICS: &str =
    "a topic of another account must let this one publish, and the simulator knows no policies of topics";
const ONLY_THROUGH_EC2: &str =
    "the simulator has keys only as EC2 uses them; there is no KMS in it that could be called";

#[tokio::test(start_paused = true)]
async fn under_its_policy_a_job_can_do_all_of_its_work() {
    for job in Job::OF_EC2 {
        assert_eq!(Box::pin(needs::served(job, &policy(job))).await, Ok(()), "{job}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_taken_out_of_what_is_allowed_is_missed() {
    for (job, variant) in of_all_jobs(Allows::Less) {
        let served = Box::pin(needs::served(job, &variant.document)).await;
        assert!(served.is_err(), "{job}.json, {}: nobody needs {}", variant.sid, variant.what);
    }
}

#[tokio::test(start_paused = true)]
async fn every_condition_deny_region_and_account_stops_an_attack() {
    for (job, variant) in of_all_jobs(Allows::More) {
        let Variant { sid, what, whole, document, .. } = variant;
        if NOT_ATTACKED.iter().any(|it| (it.0, it.1, it.2) == (job, sid.as_str(), what.as_str())) {
            continue;
        }
        let stopped: Vec<&Attack> =
            ATTACKS.iter().filter(|it| (it.job, it.sid, it.what) == (job, sid.as_str(), what.as_str())).collect();
        assert!(!stopped.is_empty(), "{job}.json, {sid}: nothing is stopped by {what}");
        for attack in stopped {
            let told = format!("{job}.json, {sid}, {what}: {:?}", attack.call);
            let refused: Result<(), String> = Err(attack.call.refusal().to_owned());
            assert_eq!(Box::pin(attempted(attack, whole.clone())).await, refused, "{told}");
            assert_eq!(
                Box::pin(attempted(attack, document.clone())).await,
                Ok(()),
                "{told}: does something else stop it?"
            );
        }
    }
}

/// Nor does a reason outlive what it was given for.
#[test]
fn attacks_and_reasons_name_what_is_there() {
    let there: BTreeSet<(Job, String, String)> =
        of_all_jobs(Allows::More).into_iter().map(|(job, variant)| (job, variant.sid, variant.what)).collect();
    let attacked = ATTACKS.iter().map(|it| (it.job, it.sid, it.what));
    for (job, sid, what) in attacked.chain(NOT_ATTACKED.iter().map(|it| (it.0, it.1, it.2))) {
        assert!(there.contains(&(job, sid.to_owned(), what.to_owned())), "{job}.json, {sid}: there is no {what}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_job_can_do_the_work_of_another() {
    for job in Job::OF_EC2 {
        let scene = Box::pin(Scene::set(World::in_process())).await;
        for write in WRITES {
            let done = Box::pin(scene.attempt(job, &write.call)).await;
            let expected = if write.of == Some(job) { Ok(()) } else { Err("UnauthorizedOperation".to_owned()) };
            assert_eq!(done, expected, "{job}: {:?}", write.call);
            // EC2 wants some seconds between two snapshots of a volume
            scene.world.settle().await;
        }
    }
}

/// moto has an opinion of its own about the actions.
#[tokio::test]
async fn nor_can_it_in_moto() {
    for job in Job::OF_EC2 {
        let world = World::moto_under_policies();
        let operator = world.operator(HOME).await;
        let instance = operator.run_instance(&[], &[("Backup", "Yes")]).await;
        let volume = operator.volumes(&instance).await.into_values().next().expect("a volume");
        let snapshot = operator.snapshot_by_hand(&volume, &[("Type", "Automated")]).await;
        let ec2 = world.with_keys_of(job, HOME, HOME).await.ec2;
        let created = ec2.create_snapshot().volume_id(&volume).send().await;
        let copied = ec2.copy_snapshot().source_region(HOME).source_snapshot_id(&snapshot).send().await;
        let deleted = ec2.delete_snapshot().snapshot_id(&snapshot).send().await;
        let stopped = ec2.stop_instances().instance_ids(&instance).send().await;
        let terminated = ec2.terminate_instances().instance_ids(&instance).send().await;
        assert_eq!(created.is_ok(), job == Job::Creator, "{job} creates: {created:?}");
        assert_eq!(copied.is_ok(), job == Job::Copier, "{job} copies: {copied:?}");
        assert_eq!(deleted.is_ok(), job == Job::Manager, "{job} deletes: {deleted:?}");
        assert!(stopped.is_err(), "{job} stops: {stopped:?}");
        assert!(terminated.is_err(), "{job} terminates: {terminated:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_can_publish_to_another_topic() {
    for job in Job::OF_EC2 {
        let world = World::in_process();
        for name in ["alerts", "another"] {
            world.simulator().call("sns", HOME, "CreateTopic", &[("Name", name)]).expect("CreateTopic");
        }
        // the policy still names the first one
        let policy = document(job, HOME, TOPIC);
        let world = world.with("ALERT_TOPIC_ARN", &TOPIC.replace("alerts", "another")).with_policy(job, policy);
        needs::fails_and_tells(&world, job, FIRST).await;
        assert_eq!(world.simulator().published(), [], "{job}");
    }
}

#[test]
fn each_policy_fits_into_a_role_and_says_what_it_is_for() {
    for job in Job::OF_EC2 {
        let policy = policy(job);
        let length = policy.to_string().len();
        assert!(length <= LONGEST, "{job}: {length} characters");
        let statements = policy["Statement"].as_array().expect("statements");
        let sids: BTreeSet<&str> = statements.iter().filter_map(|it| it["Sid"].as_str()).collect();
        assert_eq!(sids.len(), statements.len(), "{job}: every statement has a name of its own");
    }
}

/// A job's policy where the instances are; the creator's where it may stop them.
fn policy(job: Job) -> Value {
    match job {
        Job::Creator => creator_that_may_stop(HOME, TOPIC),
        Job::Copier | Job::Manager | Job::Watcher | Job::RdsSharer | Job::RdsSaver | Job::Syncer => {
            document(job, HOME, TOPIC)
        }
    }
}

/// The variants of all policies that allow less, or more.
fn of_all_jobs(allows: Allows) -> Vec<(Job, Variant)> {
    let of = |job: Job| variants(&policy(job)).into_iter().map(move |variant| (job, variant));
    let all: Vec<(Job, Variant)> =
        Job::OF_EC2.into_iter().flat_map(of).filter(|(_, variant)| variant.allows == allows).collect();
    assert!(!all.is_empty());
    all
}

/// What comes of an attack while the job whose key it uses has this policy.
async fn attempted(attack: &Attack, policy: Value) -> Result<(), String> {
    let scene = Box::pin(Scene::set(World::in_process().with_policy(attack.job, policy))).await;
    Box::pin(scene.attempt(attack.job, &attack.call)).await
}
