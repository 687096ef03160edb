//! Deletes the automated snapshots whose `DeleteOn` day has come.

use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::{
    delete::{self, DeleteSnapshot, Inventory},
    enrolment::Enrolment,
};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the manager once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was deleted.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let mut inventory = Inventory {
        snapshots: aws.ec2.automated_snapshots().await?,
        enrolment: enrolment(&aws.ec2).await?,
        in_use: aws.ec2.snapshots_in_use().await?,
        locked: aws.ec2.locked_snapshots().await?,
        ..Inventory::default()
    };
    for region in delete::regions_to_ask(&inventory, &context.run) {
        match enrolment(&aws.in_region(&region)).await {
            Ok(enrolment) => drop(inventory.elsewhere.insert(region, enrolment)),
            // the plan keeps what it cannot judge without an answer
            Err(error) => tracing::warn!(%region, %error, "did not say which of its volumes are enrolled"),
        }
    }
    let plan = delete::plan(&inventory, &context.run);
    let report = apply(plan, context, async |DeleteSnapshot { snapshot, .. }, outcome: &mut Outcome| {
        match aws.ec2.delete_snapshot(snapshot).await {
            Ok(()) => outcome.done(),
            Err(error) if error.kind == Kind::InUse => outcome.kept(snapshot, error),
            // the policy of the function denies, and EC2 refuses, what came to be held since it was read
            Err(error) if matches!(error.kind, Kind::Refused | Kind::Denied | Kind::Busy) => {
                match aws.ec2.is_held(snapshot).await {
                    Ok(true) => outcome.kept(snapshot, "held meanwhile"),
                    Ok(false) | Err(_) => outcome.failed(snapshot, error),
                }
            }
            Err(error) => outcome.failed(snapshot, error),
        }
    });
    Ok(report.await)
}

async fn enrolment(ec2: &snapkeeper_aws::Ec2) -> Result<Enrolment, snapkeeper_aws::Error> {
    Ok(Enrolment::of(&ec2.instances_with_choice().await?, &ec2.volumes_with_choice().await?))
}
