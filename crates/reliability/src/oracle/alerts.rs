//! What a run has to say arrives at the alert topic, or the run fails and says that it did not; and what arrives is true.

use super::runs::{Broken, Running, mentions, names};
use super::{Promise, Told, tags};
use crate::script::Job;

/// How reports name the alert topic.
const TOPIC: &str = "alert topic";

/// A run is over, and told this.
pub(super) fn ended(running: &Running, told: &Told, broken: &mut Broken) {
    let Some(messages) = &told.messages else { return };
    let (digests, news): (Vec<_>, Vec<_>) = messages.iter().partition(|(subject, _)| !subject.contains(" failed ("));
    let has_findings = running.begun.job == Job::Watcher && !told.findings.is_empty();
    let says_no_digest = !told.succeeded && (names(&told.failed, TOPIC) || names(&told.unfinished, TOPIC));
    if has_findings && digests.is_empty() && !says_no_digest {
        let count = told.findings.len();
        let what = format!(
            "{running} found {count} things, no digest of them arrived at the alert topic, and its report does not say so"
        );
        broken.push((Promise::NothingInSilence, what));
    }
    if !told.succeeded && news.is_empty() && !names(&told.failed, TOPIC) {
        let what =
            format!("{running} failed, no news of it arrived at the alert topic, and its report does not say so");
        broken.push((Promise::NothingInSilence, what));
    }
    let mut wrong: Vec<String> = Vec::new();
    for (subject, text) in digests {
        wrong.extend(untrue_digest(running, told, subject, text));
    }
    for (subject, text) in news {
        wrong.extend(untrue_news(running, told, subject, text));
    }
    broken.extend(wrong.into_iter().map(|why| (Promise::NumbersAreTrue, format!("{running} {why}"))));
}

/// What a digest says that is not so.
fn untrue_digest(running: &Running, told: &Told, subject: &str, text: &str) -> Option<String> {
    let region = &running.begun.region;
    let count = subject.strip_prefix(&format!("Snapkeeper {region}: ")).and_then(|rest| rest.split(' ').next());
    let is_true = running.begun.job == Job::Watcher
        && count == Some(told.findings.len().to_string().as_str())
        && text.starts_with(&format!("Region {region}, as of {}.", tags::stamp(running.begun.instant)));
    if !is_true {
        return Some(format!("found {} things, and its digest says {subject:?}: {text:?}", told.findings.len()));
    }
    let left_out = told.findings.iter().map(|(_, resource, _)| resource).find(|it| !mentions(text, it))?;
    Some(format!("found something about {left_out}, and its digest leaves that out"))
}

/// What the news of a failure says that is not so. That the topic could not be told came later, or is told as well.
fn untrue_news(running: &Running, told: &Told, subject: &str, text: &str) -> Option<String> {
    let (job, region) = (running.begun.job, &running.begun.region);
    let counted = |what: &str| {
        let counts = subject.rsplit_once('(').map(|(_, counts)| counts.trim_end_matches(')')).unwrap_or_default();
        let of_it = counts.split(", ").find_map(|count| count.strip_suffix(what));
        of_it.map_or(Some(0), |count| count.trim_end().parse::<usize>().ok())
    };
    let about_topic = told.failed.iter().filter(|(resource, _)| resource == TOPIC).count();
    let may_have_failed = told.failed.len() - about_topic..=told.failed.len();
    let run = format!("Run {}: {job} in {region}: {} done", tags::stamp(running.begun.instant), told.applied.len());
    let is_true = subject.starts_with(&format!("Snapkeeper {region}: {job} failed ("))
        && counted("failed").is_some_and(|failed| may_have_failed.contains(&failed))
        && counted("unfinished") == Some(told.unfinished.len())
        && text.starts_with(&run);
    if !is_true {
        let (failed, unfinished) = (told.failed.len(), told.unfinished.len());
        return Some(format!(
            "did {}, failed at {failed} and left {unfinished}, and the news of it says {subject:?}: {text:?}",
            told.applied.len()
        ));
    }
    let listed = told.failed.iter().chain(&told.unfinished).map(|(resource, _)| resource);
    let left_out = listed.filter(|it| *it != TOPIC).find(|it| !mentions(text, it))?;
    Some(format!("failed at {left_out} or left it, and the news of that leaves it out"))
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, done, findings, list};
    use super::super::{Promise, Told};
    use crate::script::Job;

    const DIGEST: (&str, &str) =
        ("Snapkeeper us-east-1: 1 thing to look at", "Region us-east-1, as of 2026-11-22T05:00:00Z.\n- i-a: x\n");
    const NEWS: (&str, &str) = (
        "Snapkeeper us-east-1: watcher failed (1 failed)",
        "Run 2026-11-22T05:00:00Z: watcher in us-east-1: 0 done, 1 failed.\n- vol-a: busy\n",
    );

    /// The watcher of 2026-11-22 tells this, and these messages arrive.
    #[track_caller]
    fn check(told: Told, messages: &[(&str, &str)], promise: Promise, expected: &[&str]) {
        let mut watched = Scene::new().watch();
        let messages = Some(list(messages));
        watched.run(Job::Watcher, HOME, &Told { messages, ..told });
        watched.check(promise, expected);
    }

    fn found() -> Told {
        Told { findings: findings(&[("undated", "i-a", "x")]), ..done() }
    }

    fn failed(resource: &str) -> Told {
        Told { failed: list(&[(resource, "busy")]), ..Told::default() }
    }

    #[test]
    fn what_was_found_arrives_or_is_told_as_a_failure() {
        let silence = Promise::NothingInSilence;
        check(done(), &[], silence, &[]);
        check(found(), &[DIGEST], silence, &[]);
        check(found(), &[DIGEST, DIGEST], silence, &[]);
        check(found(), &[], silence, &["found 1 things, no digest"]);
        check(Told { failed: list(&[("alert topic", "denied")]), succeeded: false, ..found() }, &[], silence, &[]);
        let left = Told { unfinished: list(&[("alert topic", "no time left")]), ..found() };
        check(left.clone(), &[], silence, &["found 1 things, no digest"]);
        let news = ("Snapkeeper us-east-1: watcher failed (1 unfinished)", NEWS.1);
        check(Told { succeeded: false, ..left }, &[news], silence, &[]);
    }

    #[test]
    fn a_failure_arrives_or_is_told_as_one_too() {
        let silence = Promise::NothingInSilence;
        check(failed("vol-a"), &[NEWS], silence, &[]);
        check(failed("vol-a"), &[], silence, &["failed, no news of it"]);
        check(failed("alert topic"), &[], silence, &[]);
    }

    #[test]
    fn where_there_is_no_topic_nothing_arrives() {
        let mut watched = Scene::new().watch();
        watched.run(Job::Watcher, HOME, &failed("vol-a"));
        watched.check(Promise::NothingInSilence, &[]);
    }

    #[test]
    fn what_arrives_is_true() {
        let numbers = Promise::NumbersAreTrue;
        check(found(), &[DIGEST], numbers, &[]);
        for digest in [
            ("Snapkeeper us-east-1: 2 things to look at", DIGEST.1),
            ("Snapkeeper us-west-2: 1 thing to look at", DIGEST.1),
            (DIGEST.0, "Region us-east-1, as of 2026-11-21T05:00:00Z.\n- i-a: x\n"),
        ] {
            check(found(), &[digest], numbers, &["its digest says"]);
        }
        let other = (DIGEST.0, "Region us-east-1, as of 2026-11-22T05:00:00Z.\n- i-ab: x\n");
        check(found(), &[other], numbers, &["about i-a, and its digest leaves that out"]);
        check(failed("vol-a"), &[NEWS], numbers, &[]);
        for news in [
            ("Snapkeeper us-east-1: watcher failed (2 failed)", NEWS.1),
            ("Snapkeeper us-east-1: watcher failed (1 failed, 1 unfinished)", NEWS.1),
            ("Snapkeeper us-east-1: manager failed (1 failed)", NEWS.1),
            (NEWS.0, "Run 2026-11-22T05:00:00Z: watcher in us-east-1: 1 done, 1 failed.\n- vol-a: busy\n"),
        ] {
            check(failed("vol-a"), &[news], numbers, &["the news of it says"]);
        }
        check(failed("vol-b"), &[NEWS], numbers, &["failed at vol-b"]);
        let later = Told { failed: list(&[("vol-a", "busy"), ("alert topic", "no answer")]), ..Told::default() };
        check(later, &[NEWS], numbers, &[]);
    }
}
