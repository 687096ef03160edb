//! Finds what is not protected as its tags promise, and says so.

use std::collections::BTreeMap;

use snapkeeper_aws::Aws;
use snapkeeper_core::{
    delete,
    enrolment::Enrolment,
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
    let plan = watch::plan(&Inventory { instances, volumes, deletion, destinations }, run);
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
