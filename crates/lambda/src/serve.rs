//! A job as a Lambda function.

use std::{io::Write, time::Duration};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};
use snapkeeper_core::{
    calls::Calls,
    ids::Region,
    notice::Notice,
    run::{Job, Run},
    settings::{Settings, TopicArn},
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    clock,
    context::{Began, Context, Deadline},
    environment,
    event::Event,
    metrics,
    news::of_refusal,
    perform::perform,
    report::Report,
};

/// How much of each list goes into the log and the result, if that is not too much.
const LISTED: usize = 100;
/// How many bytes the report may have there. `CloudWatch` and the asynchronous destinations take 256 KiB, and what else
/// stands in a line or in an error is some 32,000 bytes at most.
const LARGEST: usize = 200_000;

/// Serves invocations until the environment is shut down. The clients are made once and kept while it is warm.
///
/// # Errors
/// If the Lambda Runtime API cannot be reached.
pub async fn serve<A, C, E>(
    job: Job,
    connect: impl AsyncFnOnce(Settings, Calls) -> Result<A, C>,
    run: impl AsyncFn(&A, &Context) -> anyhow::Result<Report>,
    publish: impl AsyncFn(&A, &Notice, &TopicArn) -> Result<(), E>,
) -> Result<(), lambda_runtime::Error>
where
    C: std::error::Error + Send + Sync + 'static,
    E: std::fmt::Display,
{
    let told = tracing_subscriber::fmt::layer().json().flatten_event(true);
    tracing_subscriber::registry().with(told).with(log_level()).init();
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
            let now = clock::now();
            let left = event.context.deadline.saturating_sub(now.timestamp_millis().unsigned_abs());
            let deadline = Deadline::within(Duration::from_millis(left));
            let asked = Event::read(&event.payload, &event.context.request_id).and_then(|asked| asked.of(job));
            let (instant, asked) = match asked.and_then(|asked| Ok((asked.instant_at(now)?, asked))) {
                Ok(asked) => asked,
                Err(error) => {
                    let news = of_refusal(&event.payload, &error, job, region, settings);
                    publish_all(aws, news, deadline, publish).await;
                    return Err(failure("BadEvent", error.to_string()));
                }
            };
            let mut settings = settings.clone();
            settings.dry_run |= asked.dry_run;
            // the mail about a request tells of all that was taken
            let listed = if asked.request.is_some() { usize::MAX } else { LISTED };
            let context = Context {
                deadline,
                began: Began::at(now),
                announced: asked.announced,
                request: asked.request,
                continuation: asked.continuation,
                ..Context::new(Run { listed, ..Run::new(job, region.clone(), instant, settings) })
            };
            let report = perform(aws, &context, calls, run, publish).await;
            tell(&report, &context)
        })
    }))
    .await
}

/// Which targets log what: as `RUST_LOG` says, if it can be read.
fn log_level() -> Targets {
    let said = std::env::var("RUST_LOG").ok().filter(|said| !said.is_empty());
    said.and_then(|said| said.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN).with_target("snapkeeper", LevelFilter::INFO))
}

/// Tells that an event was refused: of one that nobody waits for, nobody would hear otherwise.
async fn publish_all<A, E: std::fmt::Display>(
    aws: &A,
    news: Vec<(TopicArn, Notice)>,
    deadline: Deadline,
    publish: impl AsyncFn(&A, &Notice, &TopicArn) -> Result<(), E>,
) {
    for (topic, notice) in &news {
        match deadline.for_telling(Box::pin(publish(aws, notice, topic))).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, topic = %topic.arn, "not told that an event was refused"),
            None => tracing::warn!(topic = %topic.arn, "no time to tell that an event was refused"),
        }
    }
}

/// Logs the report and makes it the result: an error if the run failed, so that alarms and retries see it. A run that
/// somebody goes on with fails at its end: here it is an error only if nothing was begun, and trying again is all there is.
fn tell(report: &Report, context: &Context) -> Result<Value, Diagnostic> {
    let shown = shown(report).map_err(|error| failure("Report", error.to_string()))?;
    let level = if report.went_well() { "INFO" } else { "ERROR" };
    let now = clock::now();
    let logged = json!({"timestamp": now, "level": level, "message": report.summary(), "report": shown});
    // the alarms wait for the scheduled run, whatever else was asked for by hand
    let metrics = metrics::line(report, now).filter(|_| context.request.is_none());
    // bare lines: in one the report can be searched by its fields, of the other CloudWatch makes metrics
    for line in std::iter::once(logged.to_string()).chain(metrics) {
        let told = writeln!(std::io::stdout().lock(), "{line}");
        told.unwrap_or_else(|error| tracing::warn!(%error, "a line was not written"));
    }
    result(report, context, shown)
}

fn result(report: &Report, context: &Context, shown: Value) -> Result<Value, Diagnostic> {
    let goes_on = context.continuation.is_some() && !report.began_nothing();
    if report.succeeded() || goes_on { Ok(shown) } else { Err(run_failed(report, &shown)) }
}

fn run_failed(report: &Report, shown: &Value) -> Diagnostic {
    let first = report.failed.first().or(report.unfinished.first());
    let first = first.map_or_else(String::new, |first| format!("; first {}: {}", first.resource, first.cause));
    failure("RunFailed", format!("{}{first}. Report: {shown}", report.summary()))
}

/// The report with as much of each list as may be shown, and whether the run succeeded so far.
fn shown(report: &Report) -> serde_json::Result<Value> {
    let mut listed = LISTED;
    loop {
        let mut shown = serde_json::to_value(report.cut_to(listed))?;
        if let Value::Object(parts) = &mut shown {
            parts.insert("succeeded".to_owned(), Value::Bool(report.succeeded()));
        }
        if listed == 0 || length_in_an_error(&shown) <= LARGEST {
            return Ok(shown);
        }
        listed /= 2;
    }
}

/// How long a report is in the message of an error: there its JSON is a text, in which every quotation mark is escaped.
fn length_in_an_error(shown: &Value) -> usize {
    Value::String(shown.to_string()).to_string().len()
}

fn failure(error_type: &str, error_message: String) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message }
}

#[cfg(test)]
mod tests {
    use snapkeeper_core::plan::{Finding, FindingKind};

    use super::*;
    use crate::{
        continuation::Continuation,
        report::{Step, Told},
    };

    /// A report with so many entries in every list, each text of them this one.
    fn report(entries: usize, text: &str) -> Report {
        let instant = "2026-11-21T05:00:00Z".parse().unwrap();
        let run = Run::new(Job::Creator, "us-east-1".parse().unwrap(), instant, Settings::default());
        let (step, told) = (Step::new(text, text, vec!["snap-0123456789abcdef0".to_owned()]), Told::new(text, text));
        let text = || text.to_owned();
        let finding = Finding { kind: FindingKind::Failed, resource: text(), what: text(), since: None, todo: text() };
        let mut report = Report::of(&run);
        report.applied = vec![step; entries];
        report.failed = vec![told.clone(); entries];
        report.unfinished = vec![told.clone(); entries];
        report.findings = vec![finding.plain(); entries];
        report.kept = vec![told; entries];
        report.count();
        report
    }

    #[track_caller]
    fn check(entries: usize, text: &str, expected: usize) {
        let report = report(entries, text);
        let shown = shown(&report).unwrap();
        let length = length_in_an_error(&shown);
        assert!(length <= LARGEST, "{length} bytes");
        for list in ["applied", "failed", "unfinished", "findings", "kept"] {
            assert_eq!(shown[list].as_array().map(Vec::len), Some(expected), "{list}");
            assert_eq!(shown["counts"][list], entries, "{list}");
        }
        let Diagnostic { error_type, error_message } = run_failed(&report, &shown);
        let posted = json!({"errorType": error_type, "errorMessage": error_message}).to_string();
        assert!(posted.len() <= 240_000, "{} bytes", posted.len());
    }

    #[test]
    fn with_a_continuation_the_report_is_the_result_unless_nothing_was_begun() {
        let report = |failed: usize, began_nothing: bool| Report { began_nothing, ..self::report(failed, "i-1") };
        let result = |report: &Report, continuation: Option<Continuation>| {
            let instant = "2026-11-21T05:00:00Z".parse().unwrap();
            let run = Run::new(Job::Creator, "us-east-1".parse().unwrap(), instant, Settings::default());
            let context = Context { continuation, ..Context::new(run) };
            result(report, &context, shown(report).unwrap()).map_err(|error| error.error_type)
        };
        let first = || Some(Continuation::default());
        assert_eq!(result(&report(0, false), None).unwrap()["succeeded"], true);
        assert_eq!(result(&report(0, false), first()).unwrap()["succeeded"], true);
        assert_eq!(result(&report(1, false), None), Err("RunFailed".to_owned()));
        assert_eq!(result(&report(1, false), first()).unwrap()["succeeded"], false);
        assert_eq!(result(&report(1, true), first()), Err("RunFailed".to_owned()));
    }

    #[test]
    fn a_report_is_shown_as_far_as_there_is_room_for_it() {
        check(3, "i-0123456789abcdef0", 3);
        check(1_000, "i-0123456789abcdef0: it could not be done", LISTED);
        // the longest texts that are told: each character one byte; and four, two of them only in an error
        for (character, expected) in [("x", 3), ("\"", 1), ("\\", 1), ("😀", 1)] {
            check(1_000, &character.repeat(4_000), expected);
        }
    }
}
