//! Deletes the automated snapshots whose `DeleteOn` day has come, and those that failed.

use futures::TryStreamExt;
use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::delete::{self, DeleteSnapshot, Found, Holds};
use snapkeeper_lambda::{Context, Outcome, Report, Share, apply_share};

/// Runs the manager once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was deleted.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let run = &context.run;
    let mut found = Found::new(run);
    let mut pages = aws.ec2.automated_snapshots_by_page();
    while let Some(page) = pages.try_next().await? {
        for snapshot in &page {
            found.add(snapshot);
        }
    }
    let mut holds = Holds {
        enrolment: aws.ec2.enrolment().await?,
        in_use: aws.ec2.snapshots_in_use().await?,
        locked: aws.ec2.locked_snapshots().await?,
        ..Holds::default()
    };
    holds.elsewhere = aws.enrolments(delete::regions_to_ask(&found, &holds, run)).await;
    let plan = delete::plan(found, &holds, run);
    let refilled_in = || aws.refilled_in();
    let share = Share { calls_read: aws.calls_made(), refilled_in: &refilled_in };
    let report = apply_share(plan, context, share, async |DeleteSnapshot { snapshot, .. }, outcome: &mut Outcome| {
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
