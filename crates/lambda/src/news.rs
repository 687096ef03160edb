//! Whom a run tells what, by mail: the alert topic that it failed, and a request's own topics how it went. And who
//! hears of an event that was refused, for which there was no run.

use serde_json::Value;
use snapkeeper_core::{
    ids::Region,
    notice::{News, Notice, Row},
    on_demand::Request,
    run::Job,
    settings::{Settings, TopicArn},
};

use crate::{
    context::Context,
    event::BadEvent,
    report::{Report, Told},
};

/// The notices of a run, each with its topic. A dry run has none.
pub(crate) fn news<'a>(report: &Report, context: &'a Context) -> Vec<(&'a TopicArn, Notice)> {
    let alert_topic = context.run.settings.alert_topic.as_ref();
    if report.dry_run || context.request.as_ref().is_some_and(|request| request.dry_run) {
        return Vec::new();
    }
    let Some(request) = &context.request else {
        return alert_topic.into_iter().zip(report.failure_notice()).collect();
    };
    let mut topics: Vec<&TopicArn> = request.topic.iter().collect();
    if !report.succeeded() {
        let of_errors = request.error_topic.as_ref();
        // who is told when all is done is told of errors as well, in the same message
        topics.extend(of_errors.or_else(|| request.topic.is_none().then_some(alert_topic).flatten()));
    }
    topics.dedup();
    let label = request.label.as_deref();
    topics.into_iter().map(|topic| (topic, Notice::on_demand(&context.run, label, &of_request(report)))).collect()
}

/// The notices that an event was refused, each with its topic: those that it names itself, as far as they can be read,
/// else the alert topic. A dry run has none.
pub(crate) fn of_refusal(
    event: &Value,
    error: &BadEvent,
    job: Job,
    region: &Region,
    settings: &Settings,
) -> Vec<(TopicArn, Notice)> {
    let is_dry = settings.dry_run || event.get("dry_run") == Some(&Value::Bool(true));
    // what came from a topic, by a subscription that is a mistake, is not answered to one: it could go round for ever
    if is_dry || event.get("Records").is_some() {
        return Vec::new();
    }
    // the others take no requests, and may publish to no other topic
    let mut topics = if job == Job::Creator { Request::topics(event) } else { Vec::new() };
    if topics.is_empty() {
        topics.extend(settings.alert_topic.clone());
    }
    let subject = format!("Snapkeeper {region}: the {job} has refused an event, nothing was done");
    let lines = [error.to_string(), "\n→ Correct the event, and send it again.".to_owned()];
    topics.into_iter().map(|topic| (topic, Notice::new(&subject, lines.clone()))).collect()
}

/// What to call the topic where it could not be told.
pub(crate) fn recipient<'a>(topic: &'a TopicArn, context: &Context) -> &'a str {
    if context.run.settings.alert_topic.as_ref() == Some(topic) { "alert topic" } else { &topic.arn }
}

fn of_request(report: &Report) -> News<'_> {
    let taken = report.applied.iter().flat_map(|step| {
        let snapshots = step.volumes.iter().zip(&step.made);
        snapshots.map(move |(volume, snapshot)| Row { instance: &step.resource, volume, snapshot })
    });
    News {
        taken: taken.collect(),
        failed: pairs(&report.failed),
        unfinished: pairs(&report.unfinished),
        kept: pairs(&report.kept),
        findings: &report.findings,
    }
}

fn pairs(list: &[Told]) -> Vec<(&str, &str)> {
    list.iter().map(|told| (told.resource.as_str(), told.cause.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use snapkeeper_core::run::Run;

    use super::*;
    use crate::{event::Event, report::Step};

    const ALERTS: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
    const DONE: &str = "arn:aws:sns:us-east-1:123456789012:done";
    const ERRORS: &str = "arn:aws:sns:us-east-1:123456789012:errors";

    fn context(request: Option<serde_json::Value>) -> Context {
        let variables = [("SNAPKEEPER_ALERT_TOPIC_ARN".to_owned(), ALERTS.to_owned())];
        let instant = "2026-11-21T05:00:07Z".parse().unwrap();
        let settings = Settings::from_variables(variables).unwrap();
        let run = Run::new(Job::Creator, "us-east-1".parse().unwrap(), instant, settings);
        Context {
            request: request.map(|request| Request::from_json(&request, "8476a536").unwrap()),
            ..Context::new(run)
        }
    }

    fn report(context: &Context, failed: bool) -> Report {
        let mut report = Report::of(&context.run);
        let made = vec!["snap-1".to_owned(), "snap-2".to_owned()];
        let volumes = vec!["vol-a".to_owned(), "vol-b".to_owned()];
        report.applied.push(Step { volumes, ..Step::new("i-1", "snapshot 2 volumes of i-1", made) });
        if failed {
            report.failed.push(Told::new("i-2", "it is running"));
        }
        report
    }

    #[test]
    fn who_is_told_depends_on_the_request_and_on_how_it_went() {
        #[track_caller]
        fn check(keys: serde_json::Value, when_well: &[&str], when_failed: &[&str]) {
            let mut payload = json!({"instances": ["i-0123456789abcdef0"]});
            payload.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            let context = context(Some(payload));
            for (failed, expected) in [(false, when_well), (true, when_failed)] {
                let report = report(&context, failed);
                let told = news(&report, &context);
                assert_eq!(told.iter().map(|(topic, _)| topic.arn.as_str()).collect::<Vec<_>>(), expected);
                let mut subjects = told.iter().map(|(_, notice)| notice.subject.as_str());
                let begins = if failed { "Snapkeeper us-east-1: 1 failed, 2 " } else { "Snapkeeper us-east-1: 2 " };
                assert!(subjects.all(|subject| subject.starts_with(begins)), "{told:?}");
            }
        }
        check(json!({}), &[], &[ALERTS]);
        check(json!({"sns-arn": DONE}), &[DONE], &[DONE]);
        check(json!({"sns-arn-error": ERRORS}), &[], &[ERRORS]);
        check(json!({"sns-arn": DONE, "sns-arn-error": ERRORS}), &[DONE], &[DONE, ERRORS]);
        check(json!({"sns-arn": DONE, "sns-arn-error": DONE}), &[DONE], &[DONE]);
        check(json!({"sns-arn": DONE, "sns-arn-error": ERRORS, "dry_run": true}), &[], &[]);
    }

    #[test]
    fn who_is_told_of_an_event_that_was_refused() {
        #[track_caller]
        fn check(event: Value, job: Job, expected: &[&str]) {
            let Context { run, .. } = context(None);
            let error = Event::read(&event, "8476a536").and_then(|read| read.of(job)).unwrap_err();
            let told = of_refusal(&event, &error, job, &run.region, &run.settings);
            assert_eq!(told.iter().map(|(topic, _)| topic.arn.as_str()).collect::<Vec<_>>(), expected, "{event}");
            let subject = format!("Snapkeeper us-east-1: the {job} has refused an event, nothing was done");
            for (_, notice) in told {
                assert_eq!(notice.subject, subject);
                assert!(notice.body.starts_with(&format!("{error}\n")), "{}", notice.body);
            }
        }
        check(json!({"stopp": true}), Job::Creator, &[ALERTS]);
        check(json!({"instances": ["web-1"]}), Job::Creator, &[ALERTS]);
        check(json!({"stopp": true, "sns-arn-error": ERRORS}), Job::Creator, &[ERRORS]);
        check(json!({"stopp": true, "sns-arn-error": ERRORS, "sns-arn": DONE}), Job::Creator, &[DONE, ERRORS]);
        check(json!({"stopp": true, "sns-arn-error": "errors"}), Job::Creator, &[ALERTS]);
        check(json!("instances"), Job::Creator, &[ALERTS]);
        check(json!({"instances": ["i-0123456789abcdef0"], "sns-arn-error": ERRORS}), Job::Manager, &[ALERTS]);
        check(json!({"stopp": true, "sns-arn-error": ERRORS, "dry_run": true}), Job::Creator, &[]);
        check(json!({"Records": [{"EventSource": "aws:sns"}]}), Job::Watcher, &[]);
    }

    #[test]
    fn a_scheduled_run_tells_the_alert_topic_that_it_failed() {
        let context = context(None);
        assert!(news(&report(&context, false), &context).is_empty());
        let failed = report(&context, true);
        let told = news(&failed, &context);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0.arn, ALERTS);
        assert!(told[0].1.subject.starts_with("Snapkeeper us-east-1: creator failed"), "{told:?}");
        assert_eq!(recipient(told[0].0, &context), "alert topic");
        let done: TopicArn = DONE.parse().unwrap();
        assert_eq!(recipient(&done, &context), DONE);
    }
}
