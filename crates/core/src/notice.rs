//! What the operator is sent: the watcher's digest, the news that a run failed, and how a request went.

mod on_demand;

pub use self::on_demand::{News, Row};

use std::fmt::Write;

use crate::{
    plain::plain,
    plan::{Action, Finding, FindingKind},
    run::Run,
    tags,
};

/// A message for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One line of at most 100 printable ASCII characters (SNS `Publish`).
    pub subject: String,
    /// The text, within what SNS takes: 256 KiB.
    pub body: String,
}

/// What SNS takes as a subject (`Publish`, parameter Subject).
const MAX_SUBJECT: usize = 100;
/// Below SNS's 262,144 bytes, with room for the closing line.
const MAX_BODY: usize = 250_000;

impl Notice {
    /// A message; cut where SNS would refuse it. What SNS takes in no subject stands there as `?`, so that a reader sees
    /// that something was there.
    pub fn new(subject: &str, lines: impl IntoIterator<Item = String>) -> Self {
        let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        let subject = subject.chars().map(printable).take(MAX_SUBJECT).collect();
        let mut body = String::new();
        let mut left_out = 0_usize;
        for line in lines {
            if body.len() + line.len() < MAX_BODY {
                body.push_str(&line);
                body.push('\n');
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            // writing to a String does not fail
            let _ = writeln!(body, "… and {left_out} lines more: `snapkeeper run` tells them all");
        }
        Self { subject, body }
    }

    /// The watcher's digest of what it found, the gravest first.
    pub fn digest(findings: &[Finding], run: &Run) -> Self {
        let count = findings.len();
        let subject =
            format!("Snapkeeper {}: {count} {} to look at", run.region, if count == 1 { "thing" } else { "things" });
        let mut lines = vec![format!("Region {}, as of {}.", run.region, run.stamp())];
        for kind in FindingKind::ALL {
            let mut of_kind = findings.iter().filter(|finding| finding.kind == kind).peekable();
            if of_kind.peek().is_some() {
                lines.push(format!("\n{}", kind.heading()));
            }
            for Finding { resource, what, since, todo, .. } in of_kind {
                let since = since.map_or_else(String::new, |since| format!(" (since {})", tags::stamp(since)));
                let (resource, what, todo) = (plain(resource), plain(what), plain(todo));
                lines.push(format!("- {resource}: {what}{since}\n  → {todo}"));
            }
        }
        Self::new(&subject, lines)
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tell the alert topic: {}", self.subject)
    }
}

impl Action for Notice {
    fn resource(&self) -> String {
        "alert topic".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, run};

    const RUN: &str = "2026-11-21T09:00:00Z";

    fn finding(kind: FindingKind, resource: &str, since: Option<&str>) -> Finding {
        let (resource, since) = (resource.to_owned(), since.map(at));
        Finding {
            kind,
            what: format!("something is wrong with {resource}"),
            resource,
            since,
            todo: "see to it".to_owned(),
        }
    }

    #[test]
    fn a_digest_tells_each_finding_under_its_heading() {
        let findings = [
            finding(FindingKind::UnreadableTag, "i-2", None),
            finding(FindingKind::NoRecentBackup, "i-1", Some("2026-11-18T05:00:00Z")),
            finding(FindingKind::UnreadableTag, "i-3", None),
        ];
        let notice = Notice::digest(&findings, &run(RUN));
        assert_eq!(notice.to_string(), "tell the alert topic: Snapkeeper us-east-1: 3 things to look at");
        assert_eq!(notice.resource(), "alert topic");
        assert_eq!(
            notice.body,
            "Region us-east-1, as of 2026-11-21T09:00:00Z.

Enrolled, but no recent good backup
- i-1: something is wrong with i-1 (since 2026-11-18T05:00:00Z)
  → see to it

Tags that cannot be read
- i-2: something is wrong with i-2
  → see to it
- i-3: something is wrong with i-3
  → see to it
"
        );
    }

    #[test]
    fn what_others_wrote_begins_no_line_of_its_own() {
        let mut spoofed = finding(FindingKind::Undated, "i-1\n\nAll is well", None);
        spoofed.what = format!("\u{1b}[2J\n- i-2: {}", "x".repeat(100_000));
        let body = Notice::digest(&[spoofed], &run(RUN)).body;
        assert_eq!(body.lines().count(), 5, "{body}");
        assert!(body.contains("- i-1\\n\\nAll is well: \\u{1b}[2J\\n- i-2: xxx"), "{body}");
        assert!(body.len() < 5_000);
    }

    #[test]
    fn the_gravest_comes_first() {
        let findings: Vec<Finding> = FindingKind::ALL.into_iter().rev().map(|kind| finding(kind, "it", None)).collect();
        let body = Notice::digest(&findings, &run(RUN)).body;
        let headings: Vec<&str> = body.split("\n\n").skip(1).filter_map(|part| part.lines().next()).collect();
        assert_eq!(
            headings,
            [
                "Instances that a run has stopped",
                "Enrolled, but no recent good backup",
                "Databases without a recent failsafe copy",
                "Shared, but not saved",
                "Databases whose snapshots AWS does not share",
                "Keys that cannot be used",
                "Copies shared with others than the failsafe account",
                "Volumes without any snapshot",
                "Snapshots that failed",
                "Incomplete multi-volume sets",
                "Snapshots stuck in pending",
                "Copies missing",
                "Copies that failed",
                "Copies stuck in pending",
                "Regions that could not be looked into",
                "Databases that could not be looked at",
                "Quotas nearly used up",
                "Tags that cannot be read",
                "Snapshots without DeleteOn",
                "Expired, but still there",
                "Not crash-consistent",
                "Announcements that do not agree with what is shared",
            ]
        );
    }

    #[test]
    fn a_notice_is_what_sns_takes() {
        let line = "x".repeat(1_000);
        let notice = Notice::new(&format!("Naïve\n{}", "s".repeat(200)), (0..1_000).map(|_| line.clone()));
        assert_eq!(notice.subject.len(), 100);
        assert!(notice.subject.starts_with("Na?ve?sss"), "{}", notice.subject);
        assert!(notice.body.len() < 262_144);
        assert!(notice.body.ends_with("lines more: `snapkeeper run` tells them all\n"));
    }
}
