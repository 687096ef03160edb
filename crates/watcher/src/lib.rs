//! Finds what is not protected as its tags promise, and says so.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use snapkeeper_aws::{Aws, Error};
use snapkeeper_core::{
    delete::Holds,
    rds::{share, watch as rds},
    run::Run,
    watch::{self, Seen},
};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the watcher once.
///
/// # Errors
/// If the region could not be read as a whole.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let (run, ec2) = (&context.run, &aws.ec2);
    let (mut seen, mut holds) = (Seen::new(run), Holds::default());
    let mut instances = ec2.all_instances_by_page();
    while let Some(page) = instances.try_next().await? {
        holds.enrolment.add_instances(&page);
        seen.add_instances(&page);
    }
    let mut volumes = ec2.all_volumes_by_page();
    while let Some(page) = volumes.try_next().await? {
        holds.enrolment.add_volumes(&page);
        seen.add_volumes(&page);
    }
    look(aws, &mut seen).await;
    let mut snapshots = ec2.own_snapshots_by_page();
    while let Some(page) = snapshots.try_next().await? {
        seen.add_snapshots(&page);
        look(aws, &mut seen).await;
    }
    holds.in_use = ec2.snapshots_in_use().await?;
    holds.locked = ec2.locked_snapshots().await?;
    holds.elsewhere = aws.enrolments(seen.regions_to_ask(&holds)).await;
    // RDS that cannot be read is told of in the digest, and keeps no other finding back
    let rds = databases(aws, run).await.map_err(|error| error.to_string());
    let plan = watch::plan(seen, &holds, &rds);
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

/// Looks into the destinations that have been named since the last time.
async fn look(aws: &Aws, seen: &mut Seen) {
    for region in seen.unread() {
        let copies = aws.in_region(&region).copies().await.map_err(|error| error.to_string());
        seen.there(region, copies);
    }
}

/// The databases, and of their snapshots what concerns this account.
async fn databases(aws: &Aws, run: &Run) -> Result<rds::Inventory, Error> {
    let databases = aws.rds().databases().await?;
    if !rds::matters(&databases, run) {
        return Ok(rds::Inventory { databases, more: None });
    }
    let manual = aws.rds().manual_snapshots().await?;
    let shared_with = aws.rds().shared_with(&share::to_look_at(&manual)).await?;
    let mut quotas = BTreeMap::from([(aws.region().clone(), aws.rds().quotas().await)]);
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
        automated: aws.rds().automated_snapshots().await?,
        manual,
        shared_with,
        shared: aws.rds().shared_snapshots().await?,
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
