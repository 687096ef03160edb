//! Takes the primary snapshots of every enrolled instance.

use snapkeeper_aws::{Aws, Kind};
use snapkeeper_core::{
    create::{self, Backup, Create, Inventory},
    tags::{self, Tags},
};
use snapkeeper_lambda::{Context, Failed, Outcome, Report, apply};

/// Runs the creator once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let inventory = Inventory {
        instances: aws.ec2.instances_with_choice().await?,
        volumes: aws.ec2.volumes_with_choice().await?,
        snapshots: aws.ec2.automated_snapshots().await?,
    };
    let plan = create::plan(&inventory, &context.run);
    let report = apply(plan, context, async |action| match action {
        Create::Backup(backup) => take(aws, backup).await,
        Create::Date(date) => {
            let tags: Tags = [(tags::DELETE_ON, date.delete_on.to_string())].into_iter().collect();
            match aws.ec2.tag_snapshot(&date.snapshot, &tags).await {
                Ok(()) => Outcome::done(),
                Err(error) if error.kind == Kind::NotFound => Outcome::kept(&date.snapshot, "gone meanwhile"),
                Err(error) => Outcome::failed(&date.snapshot, error),
            }
        }
    });
    Ok(report.await)
}

/// Takes one backup. Where EC2 refuses a set because of one volume, the others are taken without it, together as far
/// as EC2 says which volume it is, else one by one; the volume itself is reported.
async fn take(aws: &Aws, backup: &Backup) -> Outcome {
    let mut outcome = Outcome::default();
    let mut to_take = vec![backup.clone()];
    while let Some(backup) = to_take.pop() {
        let error = match aws.ec2.create_snapshots(&backup).await {
            Ok(made) => {
                outcome.done = true;
                outcome.made.extend(made.iter().map(ToString::to_string));
                continue;
            }
            Err(error) => error,
        };
        let blamed = backup.members.iter().find(|volume| error.message.contains(volume.as_str()));
        match (backup.members.as_slice(), blamed) {
            ([_], _) | (_, Some(_)) if error.kind == Kind::NotFound => {
                let gone = blamed.map_or_else(|| backup.instance.to_string(), ToString::to_string);
                outcome.kept.push(Failed::new(gone, "gone meanwhile"));
            }
            ([only], _) => outcome.failed.push(Failed::new(only, &error)),
            (_, Some(volume)) if error.may_be_of_one_volume() => outcome.failed.push(Failed::new(volume, &error)),
            (_, None) if error.may_be_of_one_volume() => {
                to_take.extend(backup.one_by_one());
                continue;
            }
            _ => {
                outcome.failed.push(Failed::new(&backup.instance, &error));
                continue;
            }
        }
        if let Some(rest) = blamed.and_then(|volume| backup.without(volume)) {
            to_take.extend(if rest.fits_one_call() { vec![rest] } else { rest.one_by_one() });
        }
    }
    outcome
}
