//! What the operator is sent: the watcher's digest, and the news that a run failed.

use std::fmt::Write;

use crate::{
    plan::{Action, Finding, FindingKind},
    run::Run,
    tags,
};

/// A message for the alert topic.
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
    /// A message; cut where SNS would refuse it.
    pub fn new(subject: &str, lines: impl IntoIterator<Item = String>) -> Self {
        let subject = subject.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_SUBJECT).collect();
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

    #[test]
    fn a_notice_is_what_sns_takes() {
        let line = "x".repeat(1_000);
        let notice = Notice::new(&format!("Naïve\n{}", "s".repeat(200)), (0..1_000).map(|_| line.clone()));
        assert_eq!(notice.subject.len(), 100);
        assert!(notice.subject.starts_with("Nave"));
        assert!(notice.body.len() < 262_144);
        assert!(notice.body.ends_with("lines more: `snapkeeper run` tells them all\n"));
    }
}
