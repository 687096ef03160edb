//! Copies completed primary snapshots to the regions that they name.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures::TryStreamExt;
use snapkeeper_aws::{Aws, Ec2, Kind};
use snapkeeper_core::{
    copy::{self, Copy, CopySnapshot, Found},
    ids::Region,
};
use snapkeeper_lambda::{Context, Outcome, Report, Share, apply_share};

/// Runs the copier once.
///
/// # Errors
/// If the region could not be read as a whole: nothing was done. A destination that cannot be read fails in the report.
pub async fn run(aws: &Aws, context: &Context) -> anyhow::Result<Report> {
    let mut found = Found::new(&context.run);
    let mut there: BTreeMap<Region, Ec2> = BTreeMap::new();
    let mut pages = aws.ec2.snapshots_to_copy_by_page();
    while let Some(page) = pages.try_next().await? {
        found.add(page);
        for region in found.unread() {
            let ec2 = aws.in_region(&region);
            found.there(region.clone(), ec2.copies().await.map_err(|error| error.to_string()));
            there.insert(region, ec2);
        }
        found.settle();
    }
    let plan = copy::plan(found);
    let closed = Mutex::default();
    let refilled_in = || aws.refilled_in();
    let share = Share { calls_read: aws.calls_made(), refilled_in: &refilled_in };
    let report = apply_share(plan, context, share, async |action, outcome: &mut Outcome| match action {
        Copy::Snapshot(copy) => match there.get(&copy.to) {
            Some(ec2) => make(ec2, copy, &closed, outcome).await,
            None => outcome.failed(&copy.source, format!("{} was not looked into", copy.to)),
        },
        Copy::Tag(tag) => match aws.in_region(&tag.region).tag_snapshot(&tag.copy, &tag.tags).await {
            Ok(()) => outcome.done(),
            Err(error) if error.kind == Kind::NotFound => outcome.kept(&tag.copy, "gone meanwhile"),
            Err(error) => outcome.failed(&tag.copy, error),
        },
    });
    Ok(report.await)
}

/// Why a destination takes no more copies in this run.
type Closed = Mutex<BTreeMap<Region, &'static str>>;

/// Makes one copy, unless its destination has said that it copies as many as it can, or has stopped answering: then the
/// next run goes on, and the other destinations get what they are to get.
async fn make(ec2: &Ec2, copy: &CopySnapshot, closed: &Closed, outcome: &mut Outcome) {
    let why = closed.lock().unwrap_or_else(PoisonError::into_inner).get(&copy.to).copied();
    if let Some(why) = why {
        return outcome.unfinished(&copy.source, format!("{} {why}", copy.to));
    }
    let close = |why| {
        closed.lock().unwrap_or_else(PoisonError::into_inner).insert(copy.to.clone(), why);
        format!("{} {why}", copy.to)
    };
    match ec2.copy_snapshot(copy).await {
        Ok(made) => outcome.made(made),
        Err(error) => match error.kind {
            Kind::Full => outcome.unfinished(&copy.source, close("copies as many at once as it can")),
            Kind::NotFound => outcome.kept(&copy.source, "gone meanwhile"),
            Kind::Open => {
                close("has stopped answering");
                outcome.failed(&copy.source, format!("to {}: {error}", copy.to));
            }
            Kind::Throttled
            | Kind::TooSoon
            | Kind::Busy
            | Kind::Exists
            | Kind::InUse
            | Kind::Refused
            | Kind::Denied
            | Kind::Unsent => {
                outcome.failed(&copy.source, format!("to {}: {error}", copy.to));
            }
        },
    }
}
