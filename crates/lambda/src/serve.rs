//! A job as a Lambda function.

use std::{io::Write, time::Duration};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use snapkeeper_core::{
    calls::Calls,
    ids::Region,
    notice::Notice,
    run::{Job, Run},
    settings::Settings,
};
use tracing_subscriber::EnvFilter;

use crate::{
    clock,
    context::{Context, Deadline},
    environment,
    event::Event,
    metrics,
    perform::perform,
    report::Report,
};

/// How much of each list goes into the log and the result: `CloudWatch` and the asynchronous destinations take 256 KiB.
const LISTED: usize = 100;

/// Serves invocations until the environment is shut down. The clients are made once and kept while it is warm.
///
/// # Errors
/// If the Lambda Runtime API cannot be reached.
pub async fn serve<A, C, E>(
    job: Job,
    connect: impl AsyncFnOnce(Settings, Calls) -> Result<A, C>,
    run: impl AsyncFn(&A, &Context) -> anyhow::Result<Report>,
    publish: impl AsyncFn(&A, &Notice, &Settings) -> Result<(), E>,
) -> Result<(), lambda_runtime::Error>
where
    C: std::error::Error + Send + Sync + 'static,
    E: std::fmt::Display,
{
    let level = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,snapkeeper=info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(level).init();
    let calls = Calls::default();
    let ready = async {
        let settings = Settings::from_variables(environment::variables())?;
        let region: Region = std::env::var("AWS_REGION").unwrap_or_default().parse()?;
        let aws = connect(settings.clone(), calls.clone()).await?;
        anyhow::Ok((settings, region, aws))
    }
    .await;
    // what is wrong with the settings is told by each invocation, where the operator looks
    let ready = ready.map_err(|error| failure("Settings", format!("{error:#}")));
    let (ready, calls, run, publish) = (&ready, &calls, &run, &publish);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        Box::pin(async move {
            let (settings, region, aws) = ready.as_ref().map_err(Clone::clone)?;
            let asked = Event::read(&event.payload).map_err(|error| failure("BadEvent", error.to_string()))?;
            let now = clock::now();
            let instant = asked.instant_at(now).map_err(|error| failure("BadEvent", error.to_string()))?;
            let mut settings = settings.clone();
            settings.dry_run |= asked.dry_run;
            let left = event.context.deadline.saturating_sub(now.timestamp_millis().unsigned_abs());
            let context = Context {
                deadline: Deadline::within(Duration::from_millis(left)),
                ..Context::new(Run::new(job, region.clone(), instant, settings))
            };
            let report = perform(aws, &context, calls, run, publish).await;
            tell(&report)
        })
    }))
    .await
}

/// Logs the report and makes it the result: an error if the run failed, so that alarms and retries see it.
fn tell(report: &Report) -> Result<Value, Diagnostic> {
    let shown = serde_json::to_value(report.cut_to(LISTED)).map_err(|error| failure("Report", error.to_string()))?;
    let level = if report.succeeded() { "INFO" } else { "ERROR" };
    let now = clock::now();
    let logged = json!({"timestamp": now, "level": level, "message": report.summary(), "report": shown});
    // bare lines: in one the report can be searched by its fields, of the other CloudWatch makes metrics
    for line in std::iter::once(logged.to_string()).chain(metrics::line(report, now)) {
        let told = writeln!(std::io::stdout().lock(), "{line}");
        told.unwrap_or_else(|error| tracing::warn!(%error, "a line was not written"));
    }
    if report.succeeded() {
        return Ok(shown);
    }
    let first = report.failed.first().or(report.unfinished.first());
    let first = first.map_or_else(String::new, |first| format!("; first {}: {}", first.resource, first.cause));
    Err(failure("RunFailed", format!("{}{first}. Report: {shown}", report.summary())))
}

fn failure(error_type: &str, error_message: String) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message }
}
