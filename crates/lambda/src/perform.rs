//! Carries out one run of a job and tells all who should hear of it.

use snapkeeper_core::{calls::Calls, notice::Notice, settings::TopicArn};
use tokio::time::Instant;

use crate::{
    context::Context,
    heartbeat::{Beat, Heartbeat},
    news::{news, recipient},
    report::{Report, Told},
};

/// Runs `job` once, with heartbeat and notices by `publish`: that it failed, or how a request went. Whatever happens becomes
/// a report.
pub async fn perform<A, E: std::fmt::Display>(
    aws: &A,
    context: &Context,
    calls: &Calls,
    job: impl AsyncFn(&A, &Context) -> anyhow::Result<Report>,
    publish: impl AsyncFn(&A, &Notice, &TopicArn) -> Result<(), E>,
) -> Report {
    let begun = Instant::now();
    let run = &context.run;
    calls.take();
    // a dry run changes nothing, and least of all the monitoring's mind; and what was asked for by hand is not the run that
    // the monitoring waits for
    let is_awaited = !run.dry_run && context.request.is_none();
    let heartbeat = Heartbeat::new(run.settings.heartbeat_url.as_ref().filter(|_| is_awaited), &context.reach);
    let before = context.continuation.clone().unwrap_or_default();
    if before.is_first() {
        heartbeat.tell(Beat::Start, None).await;
    }
    let failed = |cause: String| {
        let mut report = Report::of(run);
        report.began_nothing = true;
        report.failed.push(Told::new(&run.region, cause));
        report
    };
    // SDK futures are large, and one in the other overflows what rustc lays out: hence the boxes
    let mut report = match context.deadline.for_job(Box::pin(job(aws, context))).await {
        Some(Ok(report)) => report,
        Some(Err(error)) => failed(format!("{error:#}")),
        None => failed("the deadline came before everything was read: nothing was done".to_owned()),
    };
    report.failed_before = before.failed;
    report.count();
    // only the last invocation knows how the run went, and one that began nothing is tried again by whoever invoked it
    let is_last = report.continuation.is_none() && !(report.began_nothing && context.continuation.is_some());
    let beat = if report.succeeded() { Beat::Success } else { Beat::Failure };
    let beat = is_last.then_some(beat);
    let news = news(&report, context);
    let (untold, ()) = tokio::join!(
        async {
            let mut untold = Vec::new();
            for (topic, notice) in &news {
                let topic: &TopicArn = topic;
                let told = context.deadline.for_telling(Box::pin(publish(aws, notice, topic))).await;
                match told {
                    Some(Ok(())) => {}
                    Some(Err(error)) => untold.push(Told::new(recipient(topic, context), error)),
                    None => untold.push(Told::new(recipient(topic, context), "the deadline came first")),
                }
            }
            untold
        },
        async {
            if let Some(beat) = beat {
                context.deadline.for_telling(heartbeat.tell(beat, Some(&report))).await;
            }
        },
    );
    report.failed.extend(untold);
    let failed = !report.succeeded();
    if let Some(next) = &mut report.continuation {
        next.failed = failed;
    }
    report.calls = calls.take();
    report.duration = begun.elapsed();
    report.count();
    report
}
