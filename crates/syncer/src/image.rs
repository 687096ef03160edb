//! The jobs on images.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use snapkeeper_aws::{Aws, Ec2, Error, Kind, SnapshotLeft};
use snapkeeper_core::{
    ids::{ImageId, Region, SnapshotId},
    plan::{Action, Plan},
    sync::{
        config::{ImageSync, SyncJob},
        image::{self, CopyImage, Destination, Image, ImageState, Inventory, SyncImage},
        source_tag,
    },
    tags::{self, Tags},
};
use snapkeeper_lambda::{Context, Outcome, Report, Told, apply};

use crate::job::{Done, Hindered, in_time, step_of};

/// Carries out a job on an image.
pub(crate) async fn sync(aws: &Aws, context: &Context, job: &SyncJob, what: &ImageSync) -> Result<Done, Hindered> {
    let inventory = in_time(context, Box::pin(observe(aws, job, what))).await?;
    let (mut plan, mut synced) = image::plan(&inventory, job, &context.run);
    let begun = Begun { aws, context, job, what, inventory: &inventory, closed: Mutex::default() };
    let (mut last, first): (Vec<SyncImage>, Vec<SyncImage>) =
        plan.actions.into_iter().partition(|action| matches!(action, SyncImage::Deregister { .. }));
    let copies: Vec<SyncImage> = first.iter().filter(|action| matches!(action, SyncImage::Copy(_))).cloned().collect();
    let refusals = std::mem::take(&mut plan.refusals);
    plan.actions = first;
    let mut report = begun.carry_out(plan).await;
    // a copy that failed goes only once its source remembers it: else EC2 would be asked for that very copy again
    if !report.failed.is_empty() || !report.unfinished.is_empty() {
        let left = last.drain(..).map(|action| Told::new(action.resource(), format!("first the rest: {action}")));
        report.unfinished.extend(left);
    }
    let rest = begun.carry_out(Plan { actions: last, refusals, ..Plan::default() }).await;
    report.add(rest);
    for action in &copies {
        if let (SyncImage::Copy(copy), Some(step)) = (action, step_of(action, &report)) {
            synced.push(copy.synced(step.made.first().unwrap_or(&copy.name)));
        }
    }
    Ok(Done { report, synced })
}

/// What a job must know.
async fn observe(aws: &Aws, job: &SyncJob, what: &ImageSync) -> Result<Inventory, Error> {
    let identifier = what.identifier.iter().map(|it| (format!("tag:{}", tags::SYNC_IDENTIFIER), vec![literally(it)]));
    let found = aws.ec2.images(what.owner.as_deref(), what.filters.iter().cloned().chain(identifier)).await?;
    let snapshot_tags = tags_behind(&aws.ec2, &found).await?;
    let mut destinations = BTreeMap::new();
    for region in &job.destinations {
        let there = look_into(&aws.in_region(region), what).await.map_err(|error| error.to_string());
        destinations.insert(region.clone(), there);
    }
    Ok(Inventory { found, snapshot_tags, destinations })
}

/// A text as the value of a filter that means only that text: filters know wildcards (EC2 user guide, "Filter your
/// resources").
fn literally(text: &str) -> String {
    text.chars().flat_map(|c| matches!(c, '*' | '?' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

async fn look_into(ec2: &Ec2, what: &ImageSync) -> Result<Destination, Error> {
    let images = ec2.own_images().await?;
    let snapshot_tags = tags_behind(ec2, images.iter().filter(|image| image.tags.has(tags::SYNC_MADE))).await?;
    let used = match what.max_images_to_retain {
        Some(_) => ec2.used_images().await.map_err(|error| error.to_string()),
        None => Ok(BTreeSet::new()),
    };
    Ok(Destination { images, used, snapshot_tags })
}

/// The tags of the snapshots behind images.
async fn tags_behind<'a>(
    ec2: &Ec2,
    images: impl IntoIterator<Item = &'a Image>,
) -> Result<BTreeMap<SnapshotId, Tags>, Error> {
    let snapshots = images.into_iter().flat_map(|image| image.devices.iter().map(|(_, snapshot)| snapshot.clone()));
    ec2.tags_of_snapshots(&snapshots.collect()).await
}

/// A job that is being carried out.
struct Begun<'a> {
    aws: &'a Aws,
    context: &'a Context,
    job: &'a SyncJob,
    what: &'a ImageSync,
    inventory: &'a Inventory,
    /// Why a destination takes no more copies in this run.
    closed: Mutex<BTreeMap<Region, &'static str>>,
}

impl Begun<'_> {
    async fn carry_out(&self, plan: Plan<SyncImage>) -> Report {
        apply(plan, self.context, async |action, outcome: &mut Outcome| match action {
            SyncImage::Copy(copy) => self.copy(copy, outcome).await,
            SyncImage::Tag { region, resource, tags } => match self.aws.in_region(region).tag(resource, tags).await {
                Ok(()) => outcome.done(),
                Err(error) if error.kind == Kind::NotFound => outcome.kept(resource, "gone meanwhile"),
                Err(error) => outcome.failed(resource, error),
            },
            SyncImage::Deregister { region, image, snapshots, .. } => {
                deregister(&self.aws.in_region(region), image, snapshots, outcome).await;
            }
        })
        .await
    }

    /// Makes one copy, and tags the source with it at once: the next run may find neither, and would ask for the same.
    async fn copy(&self, copy: &CopyImage, outcome: &mut Outcome) {
        let why = self.closed.lock().unwrap_or_else(PoisonError::into_inner).get(&copy.to).copied();
        if let Some(why) = why {
            return outcome.unfinished(&copy.source, format!("{} {why}", copy.to));
        }
        let close = |why| {
            self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(copy.to.clone(), why);
            format!("{} {why}", copy.to)
        };
        let ec2 = self.aws.in_region(&copy.to);
        let error = match ec2.copy_image(copy).await {
            Ok(made) => {
                outcome.made([&made]);
                return self.tag_source(copy, &made, outcome).await;
            }
            Err(error) => error,
        };
        match error.kind {
            Kind::Full => outcome.unfinished(&copy.source, close("copies as many at once as it can")),
            Kind::Busy => outcome.unfinished(&copy.source, format!("to {}: {error}", copy.to)),
            // by another run
            Kind::Exists if is_there(&ec2, copy).await => {
                outcome.kept(&copy.source, format!("{} has a copy of it meanwhile", copy.to));
            }
            // the call differs from that of an earlier run by its tags
            Kind::Exists if error.message.starts_with("IdempotentParameterMismatch") => {
                let why = "still remembers a copy that is gone: another one is made within the hour";
                outcome.unfinished(&copy.source, format!("{} {why}", copy.to));
            }
            Kind::NotFound => outcome.kept(&copy.source, "gone meanwhile"),
            Kind::Open => {
                close("has stopped answering");
                outcome.failed(&copy.source, format!("to {}: {error}", copy.to));
            }
            Kind::Throttled
            | Kind::TooSoon
            | Kind::Exists
            | Kind::InUse
            | Kind::Refused
            | Kind::Denied
            | Kind::Unsent => outcome.failed(&copy.source, format!("to {}: {error}", copy.to)),
        }
    }

    async fn tag_source(&self, copy: &CopyImage, made: &ImageId, outcome: &mut Outcome) {
        let mut found = self.inventory.found.iter();
        let is_own = found
            .find(|image| image.id == copy.source)
            .is_some_and(|image| image::is_own(image, self.inventory, self.what, self.job));
        if !is_own {
            return;
        }
        let tags = source_tag(&copy.to, &self.context.run, made);
        match self.aws.ec2.tag(copy.source.as_str(), &tags).await {
            Ok(()) => {}
            Err(error) if error.kind == Kind::NotFound => outcome.kept(&copy.source, "gone meanwhile"),
            Err(error) => {
                outcome.failed(&copy.source, format!("copied to {} as {made}, but not tagged so: {error}", copy.to));
            }
        }
    }
}

/// Whether the region has such a copy, after EC2 has said that it has something of the kind.
async fn is_there(ec2: &Ec2, copy: &CopyImage) -> bool {
    let source = (copy.from.clone(), copy.source.clone());
    let marked = format!("{}{}", tags::SYNC_FROM, copy.from);
    let is_one = |image: &Image| {
        let marked = image.tags.get(&marked).is_some_and(|value| value.ends_with(copy.source.as_str()));
        image.state != ImageState::Failed && (image.copy_of.as_ref() == Some(&source) || marked)
    };
    ec2.own_images().await.is_ok_and(|images| images.iter().any(is_one))
}

async fn deregister(ec2: &Ec2, image: &ImageId, snapshots: &[SnapshotId], outcome: &mut Outcome) {
    match ec2.deregister(image, snapshots).await {
        Ok(left) => {
            outcome.done();
            for SnapshotLeft { id, error } in left {
                if error.kind == Kind::InUse {
                    outcome.kept(&id, error);
                } else {
                    outcome.failed(&id, format!("left behind by {image}: {error}"));
                }
            }
        }
        Err(error) if error.kind == Kind::Busy => outcome.unfinished(image, error),
        Err(error) => outcome.failed(image, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_means_itself_alone() {
        for (identifier, value) in [("web", "web"), ("*", "\\*"), ("a?b\\c*", "a\\?b\\\\c\\*"), ("", "")] {
            assert_eq!(literally(identifier), value);
        }
    }
}
