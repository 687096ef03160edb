//! Shares a copy of each enrolled database's newest automated snapshot with the failsafe account.

use std::collections::BTreeMap;

use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::{
    notice::Notice,
    rds::{
        announcement::Announcement,
        inventory::{DbSnapshotId, KeyState},
        share::{self, Inventory, Share},
    },
};
use snapkeeper_failsafe::{Closed, copy, delete};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the sharer once: each database goes on by the step that is possible now.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let rds = aws.rds();
    let (databases, automated) = (rds.databases().await?, rds.automated_snapshots().await?);
    let manual = rds.manual_snapshots().await?;
    let shared_with = rds.shared_with(&share::to_look_at(&manual)).await?;
    let key = match &context.run.settings.failsafe.kms_key {
        Some(key) => aws.key_state(key).await,
        None => KeyState::Missing,
    };
    let quotas = rds.quotas().await;
    let arns: Arns = manual.iter().map(|it| (it.id.clone(), it.arn.clone())).collect();
    let plan = share::plan(&Inventory { databases, automated, manual, shared_with, key, quotas }, &context.run);
    let closed = Closed::default();
    let report = apply(plan, context, async |action, outcome: &mut Outcome| match action {
        Share::Copy(step) => copy(&aws.rds_in(&step.to), step, &closed, outcome).await,
        Share::Share { snapshot, account, announcement } => match rds.share(snapshot, account).await {
            Ok(()) => {
                outcome.done();
                announce(aws, context, &arns, snapshot, announcement, outcome).await;
            }
            Err(error) if error.kind == Kind::NotFound => outcome.kept(snapshot, "gone meanwhile"),
            Err(error) if error.kind == Kind::Busy => outcome.unfinished(snapshot, error),
            Err(error) => outcome.failed(snapshot, error),
        },
        Share::Announce { snapshot, announcement } => {
            announce(aws, context, &arns, snapshot, announcement, outcome).await;
        }
        Share::Delete(step) => delete(&aws.rds_in(&step.region), step, outcome).await,
    });
    Ok(report.await)
}

/// The ARNs of the manual snapshots.
type Arns = BTreeMap<DbSnapshotId, String>;

/// Publishes that a snapshot is shared, and marks it as announced. What fails of it the next run does again: an
/// announcement that comes twice costs nothing.
async fn announce(
    aws: &Aws,
    context: &Context,
    arns: &Arns,
    snapshot: &DbSnapshotId,
    announcement: &Announcement,
    outcome: &mut Outcome,
) {
    let Some(topic) = &context.run.settings.failsafe.topic else { return };
    let subject = format!("Snapkeeper: {} is shared", snapshot.name);
    let notice = Notice { body: announcement.message(), ..Notice::new(&subject, []) };
    if let Err(error) = aws.publish(&notice, topic).await {
        return outcome.failed(snapshot, format!("shared, but not announced: {error}"));
    }
    outcome.done();
    // what is shared was read just before
    let Some(arn) = arns.get(snapshot) else { return };
    match aws.rds().mark_announced(arn, context.run.instant).await {
        Ok(()) => {}
        Err(error) if error.kind == Kind::NotFound => outcome.kept(snapshot, "gone meanwhile"),
        Err(error) => outcome.failed(snapshot, format!("announced, but not marked so: {error}")),
    }
}
