//! What each job needs its policy for: a world in which it has to do all that it can do.

mod databases;

use chrono::TimeDelta;
use serde_json::json;
use snapkeeper_core::{plan::FindingKind, run::Job};
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Fault, FaultKind, InstanceState, SnapshotState};
use snapkeeper_tests::{
    World,
    operator::Operator,
    policies::ON_DEMAND_TOPICS,
    world::{ACCOUNT, instant},
};

use super::TOPIC;
use crate::peers::{
    ENROLLED, FIRST, HOME, IRELAND, LONG_AFTER, WEST, automated, back_up_daily, copy, day, deleted, tag,
};

/// The key with which copies are encrypted, where they go.
const KEY_OF_COPIES: &str = "alias/backup";
/// The key with which a volume is encrypted.
const KEY_OF_VOLUME: &str = "alias/own";

/// Whether a job can do all of its work under a policy; and if not, what it could not.
pub(super) async fn served(job: Job, policy: &serde_json::Value) -> Result<(), String> {
    let world = World::in_process().with("ALERT_TOPIC_ARN", TOPIC).with("COPY_KMS_KEY", KEY_OF_COPIES);
    let world = world.with_policy(job, policy.clone());
    world.simulator().call("sns", HOME, "CreateTopic", &[("Name", "alerts")])?;
    match job {
        Job::Creator => Box::pin(creates(&world)).await?,
        Job::Copier => Box::pin(copies(&world)).await?,
        Job::Manager => Box::pin(deletes(&world)).await?,
        Job::Watcher => {
            Box::pin(watches(&world)).await?;
            Box::pin(databases::watches(policy)).await?;
        }
        Job::RdsSharer | Job::RdsSaver | Job::Syncer => return Err(format!("the {job} looks after no instances")),
    }
    let told = world.simulator().published().len();
    fails_and_tells(&world, job, LONG_AFTER).await;
    check(world.simulator().published().len() > told, "nobody was told of a failure")
}

/// A run that fails.
pub(super) async fn fails_and_tells(world: &World, job: Job, at: &str) {
    world.simulator().inject(Fault::new("DescribeSnapshots", FaultKind::Deny).always());
    world.run(job, HOME, at).await;
    world.simulator().clear_faults();
}

/// A snapshot, a set, and a date for a snapshot that could not be dated.
async fn creates(world: &World) -> Result<(), String> {
    let operator = world.operator(HOME).await;
    let undated = operator.run_instance(&[], &[("Backup", "Yes"), ("Retention", "a while")]).await;
    operator.run_instance(&["/dev/sdf"], ENROLLED).await;
    done(&world.run(Job::Creator, HOME, FIRST).await, 2)?;
    world.settle().await;
    operator.tag(&undated, "Retention", "7d").await;
    world.until(&day(1)).await;
    done(&world.run(Job::Creator, HOME, &day(1)).await, 3)?;
    let backups = automated(world, HOME);
    check(backups.len() == 6, "not all volumes were taken twice")?;
    check(backups.iter().all(|backup| tag(backup, "DeleteOn").is_some()), "one has no date")?;
    Box::pin(takes_on_demand(world)).await
}

/// A set of an instance that is not enrolled, has a key, and is stopped for it, and two topics that are told; then what a run that was
/// killed has stopped.
async fn takes_on_demand(world: &World) -> Result<(), String> {
    for topic in ON_DEMAND_TOPICS {
        let name = topic.rsplit(':').next().unwrap_or_default();
        world.simulator().call("sns", HOME, "CreateTopic", &[("Name", name)])?;
    }
    let operator = world.operator(HOME).await;
    let instance = operator.run_instance(&[], &[]).await;
    with_encrypted_volume(world, &operator, &instance).await;
    let [topic, error_topic] = ON_DEMAND_TOPICS;
    let told = world.simulator().published().len();
    world.until(&day(2)).await;
    let well = json!({ "instances": [instance], "stop": true, "sns-arn": topic });
    done(&world.on_demand(HOME, &day(2), &well).await, 1)?;
    let badly = json!({ "instances": ["i-0123456789abcdef0"], "sns-arn-error": error_topic });
    let refused = world.on_demand(HOME, &day(2), &badly).await;
    check(refused.failed.len() == 1, &format!("failed: {:?}", refused.failed))?;
    let topics: Vec<String> = world.simulator().published().into_iter().skip(told).map(|it| it.topic_arn).collect();
    check(topics == ON_DEMAND_TOPICS, &format!("{topics:?} were told"))?;

    operator.stop(&instance).await;
    operator.tag(&instance, "Snapkeeper_Stopped", &day(2)).await;
    let at = (instant(&day(2)) + TimeDelta::hours(1)).to_rfc3339();
    world.until(&at).await;
    done(&world.run(Job::Creator, HOME, &at).await, 3)?;
    let instances = world.simulator().instances(ACCOUNT, HOME);
    let is_as_before = |it: &snapkeeper_simulator::Instance| {
        it.state == InstanceState::Running && !it.tags.contains_key("Snapkeeper_Stopped")
    };
    check(instances.iter().all(is_as_before), "one is stopped or marked")
}

/// Copies into two regions with their key, of volumes with a key and without; a hold and a date that come later.
async fn copies(world: &World) -> Result<(), String> {
    for region in [WEST, IRELAND] {
        world.simulator().create_key(ACCOUNT, region, KEY_OF_COPIES);
    }
    let operator = world.operator(HOME).await;
    let tags = [("Backup", "Yes"), ("Retention", "a while"), ("Copy_Dest", "us-west-2 eu-west-1")];
    let instance = operator.run_instance(&[], &tags).await;
    with_encrypted_volume(world, &operator, &instance).await;
    world.run_well(Job::Creator, HOME, FIRST).await;
    world.settle().await;
    done(&world.run(Job::Copier, HOME, FIRST).await, 4)?;
    world.settle().await;
    for region in [WEST, IRELAND] {
        let copies = automated(world, region);
        check(copies.len() == 2, "a copy is missing")?;
        check(copies.iter().all(|copy| copy.state == SnapshotState::Completed), "a copy failed")?;
    }

    // the first one gets a date, and the second a hold as well
    operator.tag(&instance, "Retention", "90d").await;
    world.until(&day(1)).await;
    world.run_well(Job::Creator, HOME, &day(1)).await;
    operator.tag(&automated(world, HOME)[1].id, "KeepForever", "").await;
    done(&world.run(Job::Copier, HOME, &day(1)).await, 4)?;
    for region in [WEST, IRELAND] {
        let copies = automated(world, region);
        check(copies.iter().all(|copy| tag(copy, "DeleteOn").is_some()), "a copy has no date")?;
        check(copies.iter().any(|copy| tag(copy, "KeepForever").is_some()), "no copy is held")?;
    }
    Ok(())
}

/// Gives an instance another volume, which has a key of its own.
async fn with_encrypted_volume(world: &World, operator: &Operator, instance: &str) {
    world.simulator().create_key(ACCOUNT, HOME, KEY_OF_VOLUME);
    let volume = operator.ec2.create_volume().availability_zone("us-east-1a").size(8).encrypted(true);
    let volume = volume.kms_key_id(KEY_OF_VOLUME).send().await.expect("CreateVolume").volume_id.expect("an id");
    let attach = operator.ec2.attach_volume().volume_id(&volume).instance_id(instance).device("/dev/sdf");
    attach.send().await.expect("AttachVolume");
}

/// A backup that is due, beside the last good one.
async fn deletes(world: &World) -> Result<(), String> {
    world.operator(HOME).await.run_instance(&[], ENROLLED).await;
    let backups = back_up_daily(world, 2).await;
    world.until(LONG_AFTER).await;
    done(&world.run(Job::Manager, HOME, LONG_AFTER).await, 1)?;
    check(deleted(world).into_iter().eq(backups.into_iter().take(1)), "the wrong one was deleted")
}

/// Copies that are there, and an instance without a recent backup.
async fn watches(world: &World) -> Result<(), String> {
    world.simulator().create_key(ACCOUNT, WEST, KEY_OF_COPIES);
    world.operator(HOME).await.run_instance(&[], crate::peers::COPIED).await;
    back_up_daily(world, 1).await;
    copy(world, "2026-11-21T06:00:00Z").await;
    let at = day(3);
    world.until(&at).await;
    let report = world.run(Job::Watcher, HOME, &at).await;
    done(&report, 1)?;
    let found: Vec<FindingKind> = report.findings.iter().map(|finding| finding.kind).collect();
    check(found == [FindingKind::NoRecentBackup], &format!("{:?}", report.findings))?;
    check(world.simulator().published().len() == 1, "nobody was told")
}

/// Whether a run did so much, and failed at nothing.
fn done(report: &Report, actions: usize) -> Result<(), String> {
    let is_done = report.failed.is_empty() && report.applied.len() == actions;
    check(is_done, &format!("{} done of {actions}, failed: {:?}", report.applied.len(), report.failed))
}

fn check(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
