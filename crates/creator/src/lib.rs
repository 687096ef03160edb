//! Takes the primary snapshots of every enrolled instance; or of those that an operator asks for, now.

mod on_demand;
mod pages;
mod restart;

use snapkeeper_aws::{Aws, Kind, Taken};
use snapkeeper_core::{
    create::{self, Backup, Create, Inventory},
    inventory::Instance,
    on_demand::restart as restarts,
    plan::Plan,
    tags::{self, Tags},
};
use snapkeeper_lambda::{Context, Outcome, Report, Told, apply};

pub use crate::{on_demand::on_demand, restart::recover};

/// Runs the creator once: for the request of the context, if there is one, else for its schedule; page by page, if the run
/// has several invocations.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    match (&context.request, &context.continuation) {
        (Some(request), _) => on_demand(aws, context, request).await,
        (None, Some(now)) => Box::pin(pages::by_pages(aws, context, now)).await,
        (None, None) => scheduled(aws, context).await,
    }
}

/// Starts what a run that was killed has left stopped, then backs up every enrolled instance.
async fn scheduled(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    // both in one reading, for it is the same instances mostly
    let found = aws.ec2.instances_with_choice_or_mark().await?;
    let restarts = restarts::plan(&found, restarts::FRESH, context.now());
    let enrolled = found.into_iter().filter(|instance| instance.tags.has(tags::BACKUP)).collect();
    if restarts.actions.is_empty() && restarts.findings.is_empty() {
        return back_up(aws, context, enrolled).await;
    }
    let mut report = restart::apply_all(aws, context, restarts).await;
    match back_up(aws, context, enrolled).await {
        Ok(taken) => report.add(taken),
        Err(error) => report.failed.push(Told::new(&context.run.region, format!("{error:#}"))),
    }
    Ok(report)
}

async fn back_up(aws: &Aws, context: &Context, instances: Vec<Instance>) -> anyhow::Result<Report> {
    let inventory = Inventory {
        instances,
        sharers: Vec::new(),
        volumes: aws.ec2.volumes_with_choice().await?,
        snapshots: aws.ec2.automated_snapshots().await?,
    };
    let plan = create::plan(&inventory, &context.run);
    Ok(back_up_by(aws, context, plan).await)
}

async fn back_up_by(aws: &Aws, context: &Context, plan: Plan<Create>) -> Report {
    let report = apply(plan, context, async |action, outcome: &mut Outcome| match action {
        Create::Backup(backup) => take(aws, backup, outcome).await,
        Create::Date(date) => {
            let tags: Tags = [(tags::DELETE_ON, date.delete_on.to_string())].into_iter().collect();
            match aws.ec2.tag_snapshot(&date.snapshot, &tags).await {
                Ok(()) => outcome.done(),
                Err(error) if error.kind == Kind::NotFound => outcome.kept(&date.snapshot, "gone meanwhile"),
                Err(error) => outcome.failed(&date.snapshot, error),
            }
        }
    });
    report.await
}

/// Takes one backup. Where EC2 refuses a set because of one volume, the others are taken without it: together if EC2 says
/// which volume it is, else one by one. What was refused is reported as failed, for either way the set is not what it was
/// to be.
pub(crate) async fn take(aws: &Aws, backup: &Backup, outcome: &mut Outcome) {
    let mut to_take = vec![backup.clone()];
    while let Some(backup) = to_take.pop() {
        let error = match aws.ec2.create_snapshots(&backup).await {
            Ok(Taken { made, missing }) => {
                outcome.made_of_volumes(made);
                for volume in missing {
                    outcome.failed(volume, "this run has snapshots of others of its set, but none of it was found");
                }
                continue;
            }
            Err(error) => error,
        };
        let is_gone = error.kind == Kind::NotFound;
        let named = |id: &str| error.message.contains(id);
        let blamed = backup.members.iter().find(|volume| named(volume.as_str()));
        match (backup.members.as_slice(), blamed) {
            _ if named(backup.instance.as_str()) && aws.ec2.is_gone(&backup.instance).await => {
                outcome.kept(&backup.instance, "gone meanwhile");
            }
            ([only], _) if is_gone => outcome.kept(only, "gone meanwhile"),
            ([only], _) => outcome.failed(only, &error),
            (_, Some(volume)) if error.may_be_of_one_volume() => {
                if is_gone {
                    outcome.kept(volume, "gone meanwhile");
                } else {
                    outcome.failed(volume, &error);
                }
                let rest = backup.without(volume).into_iter();
                to_take.extend(rest.flat_map(|rest| if rest.fits_one_call() { vec![rest] } else { rest.one_by_one() }));
            }
            (_, None) if error.may_be_of_one_volume() => {
                outcome.failed(
                    &backup.instance,
                    format!("{error}; its volumes are taken one by one, not crash-consistently"),
                );
                to_take.extend(backup.one_by_one());
            }
            _ => outcome.failed(&backup.instance, &error),
        }
    }
}
