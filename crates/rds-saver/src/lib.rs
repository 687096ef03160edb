//! Keeps copies of its own, in the failsafe account, of what the live account shares, and lets old ones go.

use std::collections::BTreeMap;

use snapkeeper_aws::Aws;
use snapkeeper_core::rds::save::{self, Inventory, Save};
use snapkeeper_failsafe::{Closed, copy, delete};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the saver once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done. Another region that cannot be read fails in the report.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let mut inventory = Inventory {
        shared: aws.rds().shared_snapshots().await?,
        manual: aws.rds().manual_snapshots().await?,
        elsewhere: BTreeMap::new(),
        announced: context.announced.clone(),
        quotas: BTreeMap::from([(aws.region().clone(), aws.rds().quotas().await)]),
    };
    let others = context.run.settings.failsafe.copy_to.iter().filter(|region| *region != aws.region());
    for region in others {
        let rds = aws.rds_in(region);
        let kept = rds.manual_snapshots().await.map_err(|error| error.to_string());
        if kept.is_ok() {
            inventory.quotas.insert(region.clone(), rds.quotas().await);
        }
        inventory.elsewhere.insert(region.clone(), kept);
    }
    let plan = save::plan(&inventory, &context.run);
    let closed = Closed::default();
    let report = apply(plan, context, async |action, outcome: &mut Outcome| match action {
        Save::Copy(step) => copy(&aws.rds_in(&step.to), step, &closed, outcome).await,
        Save::Delete(step) => delete(&aws.rds_in(&step.region), step, outcome).await,
    });
    Ok(report.await)
}
