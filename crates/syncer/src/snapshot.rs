//! The jobs on databases.

use std::collections::{BTreeMap, BTreeSet};

use snapkeeper_aws::{Aws, Error, Kind};
use snapkeeper_core::{
    ids::Region,
    plan::{Action, Plan},
    rds::step::{DeleteDbSnapshot, Why},
    sync::{
        config::SyncJob,
        snapshot::{self, Inventory, SyncSnapshot},
    },
};
use snapkeeper_failsafe::{Closed, copy, delete};
use snapkeeper_lambda::{Context, Outcome, Report, Told, apply};

use crate::job::{Done, Hindered, in_time, step_of};

/// Carries out a job on a database.
pub(crate) async fn sync(aws: &Aws, context: &Context, job: &SyncJob) -> Result<Done, Hindered> {
    let inventory = in_time(context, Box::pin(observe(aws, job))).await?;
    let (mut plan, mut synced) = snapshot::plan(&inventory, job, &context.run);
    let (mut surplus, first): (Vec<SyncSnapshot>, Vec<SyncSnapshot>) =
        plan.actions.into_iter().partition(|action| surplus_in(action).is_some());
    let copies: Vec<SyncSnapshot> =
        first.iter().filter(|action| matches!(action, SyncSnapshot::Copy(_))).cloned().collect();
    plan.actions = first;
    let mut report = carry_out(aws, context, plan).await;
    let mut failed = BTreeSet::new();
    for action in &copies {
        if let SyncSnapshot::Copy(copy) = action {
            if step_of(action, &report).is_some() {
                synced.push(snapshot::synced(copy));
            } else {
                failed.insert(&copy.to);
            }
        }
    }
    // where the newest could not be copied, the older ones stay as they are
    let left = surplus.extract_if(.., |action| surplus_in(action).is_some_and(|region| failed.contains(region)));
    report.unfinished.extend(left.map(|action| Told::new(action.resource(), format!("first the copy: {action}"))));
    report.add(carry_out(aws, context, Plan { actions: surplus, ..Plan::default() }).await);
    Ok(Done { report, synced })
}

/// Where it lets a copy go that is older than those that stay, if that is what it does.
fn surplus_in(action: &SyncSnapshot) -> Option<&Region> {
    match action {
        SyncSnapshot::Delete(DeleteDbSnapshot { region, why: Why::Surplus(_), .. }) => Some(region),
        SyncSnapshot::Delete(_) | SyncSnapshot::Copy(_) | SyncSnapshot::Tag { .. } => None,
    }
}

async fn carry_out(aws: &Aws, context: &Context, plan: Plan<SyncSnapshot>) -> Report {
    let closed = Closed::default();
    let report = apply(plan, context, async |action, outcome: &mut Outcome| match action {
        SyncSnapshot::Copy(step) => copy(&aws.rds_in(&step.to), step, &closed, outcome).await,
        SyncSnapshot::Tag { arn, region, tags } => match aws.rds_in(region).tag(arn, tags).await {
            Ok(()) => outcome.done(),
            Err(error) if error.kind == Kind::NotFound => outcome.kept(arn, "gone meanwhile"),
            Err(error) => outcome.failed(arn, error),
        },
        SyncSnapshot::Delete(step) => delete(&aws.rds_in(&step.region), step, outcome).await,
    });
    report.await
}

/// What a job must know.
async fn observe(aws: &Aws, job: &SyncJob) -> Result<Inventory, Error> {
    let automated = aws.rds().automated_snapshots().await?;
    let mut destinations = BTreeMap::new();
    for region in &job.destinations {
        let there = aws.rds_in(region).manual_snapshots().await.map_err(|error| error.to_string());
        destinations.insert(region.clone(), there);
    }
    Ok(Inventory { automated, destinations })
}
