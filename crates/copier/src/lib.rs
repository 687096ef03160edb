//! Copies completed primary snapshots to the regions that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use snapkeeper_aws::{Aws, Ec2, Kind};
use snapkeeper_core::{
    copy::{self, Copy, CopySnapshot, Inventory},
    ids::Region,
};
use snapkeeper_lambda::{Context, Outcome, Report, apply};

/// Runs the copier once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done. A destination that cannot be read fails in the report.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let snapshots = aws.ec2.completed_automated_snapshots().await?;
    let mut destinations = BTreeMap::new();
    let mut there: BTreeMap<Region, Ec2> = BTreeMap::new();
    for region in copy::destinations(&snapshots, &context.run) {
        let ec2 = aws.in_region(&region);
        let copies = ec2.automated_snapshots().await.map_err(|error| error.to_string());
        destinations.insert(region.clone(), copies);
        there.insert(region, ec2);
    }
    let plan = copy::plan(&Inventory { snapshots, destinations }, &context.run);
    let full = Mutex::new(BTreeSet::new());
    let report = apply(plan, context, async |action| match action {
        Copy::Snapshot(copy) => match there.get(&copy.to) {
            Some(ec2) => make(ec2, copy, &full).await,
            None => Outcome::failed(&copy.source, format!("{} was not looked into", copy.to)),
        },
        Copy::Tag(tag) => match aws.in_region(&tag.region).tag_snapshot(&tag.copy, &tag.tags).await {
            Ok(()) => Outcome::done(),
            Err(error) if error.kind == Kind::NotFound => Outcome::kept(&tag.copy, "gone meanwhile"),
            Err(error) => Outcome::failed(&tag.copy, error),
        },
    });
    Ok(report.await)
}

/// Makes one copy, unless its destination is `full`: has said that it copies as many as it can.
async fn make(ec2: &Ec2, copy: &CopySnapshot, full: &Mutex<BTreeSet<Region>>) -> Outcome {
    let left_over = || Outcome::unfinished(&copy.source, format!("{} copies as many at once as it can", copy.to));
    if full.lock().unwrap_or_else(PoisonError::into_inner).contains(&copy.to) {
        return left_over();
    }
    match ec2.copy_snapshot(copy).await {
        Ok(made) => Outcome::made(made),
        Err(error) => match error.kind {
            Kind::CopiesFull => {
                full.lock().unwrap_or_else(PoisonError::into_inner).insert(copy.to.clone());
                left_over()
            }
            Kind::NotFound => Outcome::kept(&copy.source, "gone meanwhile"),
            Kind::Throttled | Kind::TooSoon | Kind::Busy | Kind::InUse | Kind::Refused | Kind::Open | Kind::Unsent => {
                Outcome::failed(&copy.source, format!("to {}: {error}", copy.to))
            }
        },
    }
}
