//! A large region, one page of instances after the other: as many in one invocation as the rate limit lets through at
//! once. What a page is planned of is read for its instances alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::bail;
use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_aws::{Aws, Error, Kind};
use snapkeeper_core::{
    create::{self, Create, Inventory},
    ids::{InstanceId, SnapshotId, VolumeId},
    inventory::{Instance, Snapshot},
    on_demand::restart as restarts,
    plan::Plan,
    tags,
};
use snapkeeper_lambda::{AFTER_A_CUT, Context, Continuation, Report};

use crate::{back_up_by, restart};

/// How many instances are read at once: as many as the bucket of `CreateSnapshots` holds. With fewer, reading would be too
/// large a share of the calls; with more, an invocation would wait for tokens, and be billed for it. One filter names them
/// all (200 values).
const PAGE: i32 = 100;
/// What is attached to an instance within so long after its first volume was made with it, and has been no other's.
const MADE_WITH_IT: TimeDelta = TimeDelta::seconds(10);
/// How long the buckets must need until they are full, so that it is better to wait for them outside.
const WORTH_WAITING_FOR: Duration = Duration::from_secs(10);
const TOO_SLOW: &str = "the deadline came before the first page was read: no backup was taken";

/// Starts what was left stopped and backs up every enrolled instance, from the page on that the continuation names. What
/// was taken before, in a page that is read again, is seen to be there and not taken again.
///
/// # Errors
/// If the first page could not be read as a whole: nothing was done.
pub(crate) async fn by_pages(aws: &Aws, context: &Context, now: &Continuation) -> anyhow::Result<Report> {
    let mut report = Report::of(&context.run);
    report.dry_run = context.run.dry_run;
    let mut place = Place::read(now.token.as_deref());
    // whether no backup was begun yet: then whoever invoked this tries the same again
    let mut is_first = true;
    loop {
        let (found, next) = match context.deadline.for_reading(Box::pin(place.page(aws))).await {
            Some(Ok(page)) => page,
            // tokens do not last; and what the pages before have is seen to be there
            Some(Err(error)) if is_first && place.token.is_some() && error.kind == Kind::Refused => {
                tracing::warn!(%error, "the page is not known any more: begun with the first one again");
                place = Place::default();
                continue;
            }
            Some(Err(error)) if is_first => return Err(error.into()),
            Some(Err(error)) => return Ok(left(report, now, &place, aws, Some(&error))),
            None if is_first => bail!(TOO_SLOW),
            None => return Ok(left(report, now, &place, aws, None)),
        };
        let plan = restarts::plan(&found, restarts::FRESH, context.now());
        if !plan.actions.is_empty() || !plan.findings.is_empty() {
            report.add(Box::pin(restart::apply_all(aws, context, plan)).await);
        }
        let enrolled: Vec<Instance> = found.into_iter().filter(|it| it.tags.has(tags::BACKUP)).collect();
        let reading = Box::pin(read(aws, enrolled, place.volumes_are_plain));
        let inventory = match context.deadline.for_reading(reading).await {
            Some(Ok(inventory)) => inventory,
            Some(Err(error)) if is_first => return Err(error.into()),
            Some(Err(error)) => return Ok(left(report, now, &place, aws, Some(&error))),
            None if is_first => bail!(TOO_SLOW),
            None => return Ok(left(report, now, &place, aws, None)),
        };
        let plan = create::plan(&inventory, &context.run);
        let takes_sets = is_mostly_of_sets(&plan);
        report.add(Box::pin(back_up_by(aws, context, plan)).await);
        is_first = false;
        if report.is_unfinished() {
            return Ok(left(report, now, &place, aws, None));
        }
        let Some(next) = next else { return Ok(report) };
        place.token = Some(next);
        if context.why_not_begin().is_some() || aws.creating_refilled_in(takes_sets) >= WORTH_WAITING_FOR {
            return Ok(left(report, now, &place, aws, None));
        }
    }
}

/// How far a run has come.
#[derive(Default)]
struct Place {
    /// EC2's token of the page; `None` for the first.
    token: Option<String>,
    /// Whether no volume of the region had a tag `Backup` or could be shared when the run began: then no page needs to look.
    volumes_are_plain: bool,
}

/// What the tokens of a run begin with where the volumes are plain.
const PLAIN: &str = "plain ";

impl Place {
    /// Reads the token of a continuation.
    fn read(token: Option<&str>) -> Self {
        let Some(token) = token else { return Self::default() };
        let plain = token.strip_prefix(PLAIN);
        Self { token: Some(plain.unwrap_or(token).to_owned()), volumes_are_plain: plain.is_some() }
    }

    /// The token for a continuation.
    fn told(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(if self.volumes_are_plain { format!("{PLAIN}{token}") } else { token.clone() })
    }

    /// The instances of the page, and EC2's token of the next.
    async fn page(&mut self, aws: &Aws) -> Result<(Vec<Instance>, Option<String>), Error> {
        if self.token.is_none() {
            self.volumes_are_plain = aws.ec2.volumes_are_plain().await?;
        }
        aws.ec2.instances_page(self.token.as_deref(), PAGE).await
    }
}

/// The report of an invocation after which another one goes on with this page, as soon as the rate limit lets through again
/// what it can.
fn left(mut report: Report, now: &Continuation, place: &Place, aws: &Aws, error: Option<&Error>) -> Report {
    if let Some(error) = error {
        tracing::warn!(%error, "the next page could not be read: left for the next invocation");
    }
    let wait = aws.refilled_in();
    let wait = if report.is_unfinished() { wait.max(AFTER_A_CUT) } else { wait };
    report.continuation = Some(now.next(place.told(), wait));
    report
}

/// Whether a plan takes more sets than single volumes.
fn is_mostly_of_sets(plan: &Plan<Create>) -> bool {
    let (mut sets, mut backups) = (0, 0);
    for action in &plan.actions {
        match action {
            Create::Backup(backup) => {
                backups += 1;
                sets += usize::from(backup.members.len() > 1);
            }
            Create::Date(_) => {}
        }
    }
    2 * sets > backups
}

/// What the plan for these instances depends on, read for them alone:
///
/// - their volumes, unless all are plain, for `Backup=No`, and for which of them are shared;
/// - the instances with which they are shared: how long a shared volume's snapshots are kept depends on all of these;
/// - the snapshots that were taken under these instances: those of volumes that are gone since belong to sets that are judged
///   here, and may have to be dated;
/// - and of volumes that may have been another instance's before, the snapshots that were taken under that.
async fn read(aws: &Aws, instances: Vec<Instance>, volumes_are_plain: bool) -> Result<Inventory, Error> {
    let own: BTreeSet<InstanceId> = instances.iter().map(|instance| instance.id.clone()).collect();
    let volumes = if volumes_are_plain { Vec::new() } else { aws.ec2.volumes_of(&own).await? };
    let attached = volumes.iter().flat_map(|volume| &volume.attached_to);
    let others: BTreeSet<InstanceId> = attached.filter(|id| !own.contains(*id)).cloned().collect();
    let mut sharers = Vec::new();
    if !others.is_empty() {
        sharers = aws.ec2.instances_of(others).await?;
        sharers.retain(|instance| instance.tags.has(tags::BACKUP));
    }
    let under: BTreeSet<InstanceId> = instances.iter().chain(&sharers).map(|instance| instance.id.clone()).collect();
    let mut snapshots = by_id(aws.ec2.automated_snapshots_under(&under).await?);
    let moved = moved(&instances);
    if !moved.is_empty() {
        let of_moved = by_id(aws.ec2.automated_snapshots_of(&moved).await?);
        let before: BTreeSet<InstanceId> =
            of_moved.values().filter_map(taken_under).filter(|instance| !under.contains(instance)).collect();
        snapshots.extend(of_moved);
        snapshots.extend(by_id(aws.ec2.automated_snapshots_under(&before).await?));
    }
    Ok(Inventory { instances, sharers, volumes, snapshots: snapshots.into_values().collect() })
}

/// The volumes of these instances that may have been another one's before.
fn moved(instances: &[Instance]) -> Vec<VolumeId> {
    let mut moved = BTreeSet::new();
    for instance in instances {
        let first: Option<DateTime<Utc>> = instance.devices.iter().filter_map(|device| device.attached).min();
        let was_made_with_it = |attached| first.is_some_and(|first| attached - first <= MADE_WITH_IT);
        let others = instance.devices.iter().filter(|device| !device.attached.is_some_and(was_made_with_it));
        moved.extend(others.map(|device| device.volume.clone()));
    }
    moved.into_iter().collect()
}

fn taken_under(snapshot: &Snapshot) -> Option<InstanceId> {
    snapshot.tags.get(tags::SOURCE_INSTANCE_ID).map(InstanceId::from)
}

fn by_id(snapshots: Vec<Snapshot>) -> BTreeMap<SnapshotId, Snapshot> {
    snapshots.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect()
}
