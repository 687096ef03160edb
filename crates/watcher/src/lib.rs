//! Finds what is not protected as its tags promise, and says so.

use std::collections::BTreeMap;

use snapkeeper_aws::{Aws, Error};
use snapkeeper_core::{
    delete,
    enrolment::Enrolment,
    rds::{share, watch as rds},
    run::Run,
    watch::{self, Inventory},
};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the watcher once.
///
/// # Errors
/// If the region could not be read as a whole.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let (run, ec2) = (&context.run, &aws.ec2);
    let (instances, volumes) = (ec2.instances().await?, ec2.volumes().await?);
    let mut deletion = delete::Inventory {
        snapshots: ec2.own_snapshots().await?,
        enrolment: Enrolment::of(&instances, &volumes),
        in_use: ec2.snapshots_in_use().await?,
        locked: ec2.locked_snapshots().await?,
        ..delete::Inventory::default()
    };
    deletion.elsewhere = aws.enrolments(delete::regions_to_ask(&deletion, run)).await;
    let mut destinations = BTreeMap::new();
    for region in watch::destinations(&instances, &deletion.snapshots, run) {
        let copies = aws.in_region(&region).automated_snapshots().await.map_err(|error| error.to_string());
        destinations.insert(region, copies);
    }
    // RDS that cannot be read is told of in the digest, and keeps no other finding back
    let rds = databases(aws, run).await.map_err(|error| error.to_string());
    let plan = watch::plan(&Inventory { instances, volumes, deletion, destinations, rds }, run);
    let report = apply(plan, context, async |digest, outcome: &mut Outcome| {
        // without a topic there is no digest in the plan
        let Some(topic) = &run.settings.alert_topic else { return };
        match aws.publish(digest, topic).await {
            Ok(()) => outcome.done(),
            Err(error) => outcome.failed("alert topic", error),
        }
    });
    Ok(report.await)
}

/// The databases, and of their snapshots what concerns this account.
async fn databases(aws: &Aws, run: &Run) -> Result<rds::Inventory, Error> {
    let databases = aws.rds.databases().await?;
    if !rds::matters(&databases, run) {
        return Ok(rds::Inventory { databases, more: None });
    }
    let manual = aws.rds.manual_snapshots().await?;
    let shared_with = aws.rds.shared_with(&share::to_look_at(&manual)).await?;
    let mut quotas = BTreeMap::from([(aws.region().clone(), aws.rds.quotas().await)]);
    let mut elsewhere = BTreeMap::new();
    for region in run.settings.failsafe.copy_to.iter().filter(|region| *region != aws.region()) {
        let rds = aws.rds_in(region);
        let kept = rds.manual_snapshots().await.map_err(|error| error.to_string());
        if kept.is_ok() {
            quotas.insert(region.clone(), rds.quotas().await);
        }
        elsewhere.insert(region.clone(), kept);
    }
    let mut keys_of_saved = BTreeMap::new();
    for key in rds::keys_of_saved(&manual) {
        let state = aws.key_state(&key).await;
        keys_of_saved.insert(key, state);
    }
    let more = rds::More {
        automated: aws.rds.automated_snapshots().await?,
        manual,
        shared_with,
        shared: aws.rds.shared_snapshots().await?,
        elsewhere,
        key: match &run.settings.failsafe.kms_key {
            Some(key) => Some(aws.key_state(key).await),
            None => None,
        },
        keys_of_saved,
        quotas,
    };
    Ok(rds::Inventory { databases, more: Some(more) })
}
