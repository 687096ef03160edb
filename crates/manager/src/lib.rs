//! Deletes the automated snapshots whose `DeleteOn` day has come, and those that failed.

use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::delete::{self, DeleteSnapshot, Inventory};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the manager once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was deleted.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let mut inventory = Inventory {
        snapshots: aws.ec2.automated_snapshots().await?,
        enrolment: aws.ec2.enrolment().await?,
        in_use: aws.ec2.snapshots_in_use().await?,
        locked: aws.ec2.locked_snapshots().await?,
        ..Inventory::default()
    };
    inventory.elsewhere = aws.enrolments(delete::regions_to_ask(&inventory, &context.run)).await;
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
