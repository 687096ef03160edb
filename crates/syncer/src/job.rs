//! One job: connected as whom it says, read, planned and carried out, without regard to the others.

use std::fmt::Display;

use snapkeeper_aws::Aws;
use snapkeeper_core::{
    plain::plain,
    sync::{
        SyncResult, SyncState, Synced,
        config::{SyncJob, What},
    },
};
use snapkeeper_lambda::{Context, Report, Step, Told};

use crate::{image, snapshot};

/// What came of a job that was begun.
pub(crate) struct Done {
    /// What was done.
    pub(crate) report: Report,
    /// What is there now.
    pub(crate) synced: Vec<Synced>,
}

/// Why a job was not begun.
pub(crate) enum Hindered {
    /// There is no time for it, or the run is to end.
    Left(&'static str),
    /// It cannot be connected, or what it needs cannot be read.
    Failed(String),
}

/// Runs a job, and adds to the report what became of it.
pub(crate) async fn run(aws: &Aws, context: &Context, job: &SyncJob, report: &mut Report) {
    let name = job.name.clone();
    // SDK futures are large
    let (synced, errors) = match Box::pin(carry_out(aws, context, job)).await {
        Ok(Done { report: mut done, synced }) => {
            let errors: Vec<String> = done.failed.drain(..).map(|told| of_job(told, job)).collect();
            report.add(done);
            (synced, errors)
        }
        Err(Hindered::Failed(cause)) => (Vec::new(), vec![cause]),
        Err(Hindered::Left(why)) => {
            report.unfinished.push(Told::new(&name, why));
            (Vec::new(), Vec::new())
        }
    };
    report.result(SyncResult { name, synced: with_what_is_missing(synced, job), errors });
}

async fn carry_out(aws: &Aws, context: &Context, job: &SyncJob) -> Result<Done, Hindered> {
    let aws = in_time(context, Box::pin(aws.as_client(&job.client, &job.source))).await?;
    match &job.what {
        What::Image(sync) => Box::pin(image::sync(&aws, context, job, sync)).await,
        What::Database(_) => Box::pin(snapshot::sync(&aws, context, job)).await,
    }
}

/// Does what comes before a job's steps, if there is time for it.
pub(crate) async fn in_time<T, E: Display>(
    context: &Context,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Hindered> {
    if let Some(why) = context.why_not_begin() {
        return Err(Hindered::Left(why));
    }
    match context.deadline.for_reading(work).await {
        Some(Ok(it)) => Ok(it),
        Some(Err(error)) => Err(Hindered::Failed(error.to_string())),
        None => Err(Hindered::Left("no time left")),
    }
}

/// The step by which an action was done, or in a dry run would be.
pub(crate) fn step_of<'a>(action: &impl Display, report: &'a Report) -> Option<&'a Step> {
    let what = plain(&action.to_string());
    report.applied.iter().chain(&report.planned).find(|step| step.what == what)
}

/// An error in one line of its job.
fn of_job(Told { resource, cause }: Told, job: &SyncJob) -> String {
    if resource == plain(&job.name) { cause } else { format!("{resource}: {cause}") }
}

/// Every destination has its line.
fn with_what_is_missing(mut synced: Vec<Synced>, job: &SyncJob) -> Vec<Synced> {
    for region in &job.destinations {
        if !synced.iter().any(|it| it.region == region.as_str()) {
            let (region, state) = (region.to_string(), SyncState::Missing);
            synced.push(Synced { region, source: String::new(), resource: String::new(), state });
        }
    }
    synced.sort_by(|a, b| a.region.cmp(&b.region));
    synced
}
