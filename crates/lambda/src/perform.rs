//! Carries out one run of a job and tells all who should hear of it.

use snapkeeper_core::{calls::Calls, notice::Notice, settings::Settings};
use tokio::time::Instant;

use crate::{
    context::Context,
    heartbeat::{Beat, Heartbeat},
    report::{Report, Told},
};

/// Runs `job` once, with heartbeat and, where it failed, a notice by `publish`. Whatever happens becomes a report.
pub async fn perform<A, E: std::fmt::Display>(
    aws: &A,
    context: &Context,
    calls: &Calls,
    job: impl AsyncFn(&A, &Context) -> anyhow::Result<Report>,
    publish: impl AsyncFn(&A, &Notice, &Settings) -> Result<(), E>,
) -> Report {
    let begun = Instant::now();
    let run = &context.run;
    calls.take();
    // a dry run changes nothing, and least of all the monitoring's mind
    let heartbeat = Heartbeat::new(run.settings.heartbeat_url.as_ref().filter(|_| !run.dry_run), &context.reach);
    heartbeat.tell(Beat::Start, None).await;
    let failed = |cause: String| {
        let mut report = Report::of(run);
        report.failed.push(Told::new(&run.region, cause));
        report
    };
    // SDK futures are large, and one in the other overflows what rustc lays out: hence the boxes
    let mut report = match context.deadline.for_job(Box::pin(job(aws, context))).await {
        Some(Ok(report)) => report,
        Some(Err(error)) => failed(format!("{error:#}")),
        None => failed("the deadline came before everything was read: nothing was done".to_owned()),
    };
    report.count();
    let beat = if report.succeeded() { Beat::Success } else { Beat::Failure };
    let notice = report.failure_notice().filter(|_| !run.dry_run);
    let (told, _) = tokio::join!(
        context.deadline.for_telling(Box::pin(async {
            match &notice {
                Some(notice) => publish(aws, notice, &run.settings).await.map_err(|error| error.to_string()),
                None => Ok(()),
            }
        })),
        context.deadline.for_telling(heartbeat.tell(beat, Some(&report))),
    );
    if let Err(cause) = told.unwrap_or_else(|| Err("the deadline came first".to_owned())) {
        report.failed.push(Told::new("alert topic", cause));
    }
    report.calls = calls.take();
    report.duration = begun.elapsed();
    report.count();
    report
}
