//! What is told of each day: what the jobs did and why, each thing when it is new.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Days, NaiveDate, Utc};
use owo_colors::OwoColorize;
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Report, Step, Told};

use super::{
    account::{Account, Known},
    story::Deed,
};
use crate::text::line;
use snapkeeper_simulator::SnapshotState;

/// How wide a line may be.
const WIDTH: usize = 100;
/// How the reasons begin for which the manager keeps what is due.
const HELD: [&str; 5] = ["KeepForever", "used by", "locked", "last good", "due, but"];
/// How the cause begins of a call that was not answered.
const UNANSWERED: &str = "no certain answer: io error: ";

/// What has been told, so that each thing is told once.
#[derive(Default)]
pub(super) struct Diary {
    pub(super) findings: BTreeMap<FindingKey, FoundAgain>,
    pub(super) created: usize,
    pub(super) copied: usize,
    pub(super) deleted: usize,
    pub(super) api_calls: u64,
    pub(super) runs: usize,
    /// For how many days an instance's last backup is kept.
    kept_for: BTreeMap<String, i64>,
    /// The instances of which a copy has been told, and to where.
    copied_of: BTreeSet<(String, String)>,
    /// The instances of which a deletion has been told, and where.
    deleted_of: BTreeSet<(String, String)>,
    held: BTreeSet<String>,
    /// When each thing failed last: told again only after a day without it.
    failing: BTreeMap<String, i64>,
}

/// By what a finding is known again: its region, its resource, its kind's heading.
pub(super) type FindingKey = (String, String, &'static str);

/// A finding, as often as it was made.
pub(super) struct FoundAgain {
    pub(super) heading: &'static str,
    pub(super) days: BTreeSet<i64>,
}

/// What stands before a line.
#[derive(Clone, Copy)]
enum Sign {
    Done,
    Kept,
    Found,
    Failed,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => write!(f, "{}", "✓".green()),
            Self::Kept => f.write_str("·"),
            Self::Found => write!(f, "{}", "!".yellow()),
            Self::Failed => write!(f, "{}", "✗".red()),
        }
    }
}

/// One day, being told.
struct Page<'a> {
    number: i64,
    date: NaiveDate,
    account: &'a Account,
    text: String,
}

impl Page<'_> {
    /// A line of a job's report.
    fn say(&mut self, report: &Report, sign: Sign, words: &str) {
        let words = self.account.in_names(&words.replace(UNANSWERED, ""));
        let region = format!("({})", report.region);
        self.say_as(report.job.name(), sign, &format!("{words} {region}"), &region);
    }

    /// A line of someone's, with an end that matters less.
    fn say_as(&mut self, who: &str, sign: Sign, words: &str, end: &str) {
        let mut lines = wrapped(words, WIDTH - 21).into_iter();
        let dim = |line: String| match line.strip_suffix(end) {
            Some(rest) if !end.is_empty() => format!("{rest}{}", end.dimmed()),
            Some(_) | None => line,
        };
        let first = lines.next().unwrap_or_default();
        line(&mut self.text, format_args!("        {who:<10} {sign} {}", dim(first)));
        for more in lines {
            line(&mut self.text, format_args!("{:21}{}", "", dim(more)));
        }
    }
}

impl Diary {
    /// What is told of a day, after the account was looked at.
    pub(super) fn of_day(
        &mut self,
        number: i64,
        day: DateTime<Utc>,
        deeds: &[Deed],
        reports: &[Report],
        account: &Account,
    ) -> String {
        let mut page = Page { number, date: day.date_naive(), account, text: String::new() };
        self.headline(&mut page, reports);
        for deed in deeds {
            let mut lines = wrapped(deed.what(), WIDTH - 19).into_iter();
            let first = lines.next().unwrap_or_default();
            line(&mut page.text, format_args!("        {:<10} {first}", deed.who().cyan()));
            for more in lines {
                line(&mut page.text, format_args!("{:19}{more}", ""));
            }
        }
        self.lost_regions(&mut page, reports);
        for report in reports {
            match report.job {
                Job::Creator => self.creator(&mut page, report),
                Job::Copier => self.copier(&mut page, report),
                Job::Manager => self.manager(&mut page, report),
                Job::Watcher => self.watcher(&mut page, report),
                // the account has no databases, and asks for no sync
                Job::RdsSharer | Job::RdsSaver | Job::Syncer => {}
            }
            for Told { resource, cause } in report.failed.iter().filter(|it| !is_of_whole_run(report, it)) {
                let words = format!("{resource}: {cause}");
                if resource != "alert topic" && self.begins_to_fail(number, format!("{} {words}", report.job)) {
                    page.say(report, Sign::Failed, &words);
                }
            }
        }
        self.solved(&mut page, reports);
        page.text
    }

    fn headline(&mut self, page: &mut Page<'_>, reports: &[Report]) {
        let of = |job: Job| reports.iter().filter(move |report| report.job == job);
        let made = |job: Job| of(job).flat_map(|report| &report.applied).map(|step| step.made.len()).sum::<usize>();
        let (created, copied) = (made(Job::Creator), made(Job::Copier));
        let deleted: usize = of(Job::Manager).map(|report| report.counts.applied).sum();
        self.created += created;
        self.copied += copied;
        self.deleted += deleted;
        self.runs += reports.len();
        self.api_calls += reports.iter().flat_map(|report| report.calls.values()).sum::<u64>();
        let found: usize = of(Job::Watcher).map(|report| report.counts.findings).sum();
        let blind =
            of(Job::Watcher).filter(|report| report.failed.iter().any(|it| is_of_whole_run(report, it))).count();
        let mut verdict = Vec::new();
        if blind > 0 {
            verdict.push(format!("could not look in {}", counted(blind, "region")).red().to_string());
        }
        if found > 0 {
            verdict.push(counted(found, "finding").yellow().to_string());
        }
        if verdict.is_empty() {
            verdict.push("all is well".green().to_string());
        }
        let deleted = if deleted == 0 { "0".to_owned() } else { format!("-{deleted}") };
        line(
            &mut page.text,
            format_args!(
                "{}  creator {created}  copier {copied:>2}  manager {deleted:>3}  watcher {}",
                format!("Day {:>2}  {}", page.number, page.date.format("%a %d %b")).bold(),
                verdict.join(", ")
            ),
        );
    }

    /// One line for a region whose own jobs fail as a whole, when they begin to.
    fn lost_regions(&mut self, page: &mut Page<'_>, reports: &[Report]) {
        let mut causes: BTreeMap<String, &str> = BTreeMap::new();
        for report in reports {
            if let Some(failed) = report.failed.iter().find(|it| is_of_whole_run(report, it)) {
                // which call it was differs from job to job
                let cause = failed.cause.split_once(UNANSWERED).map_or(failed.cause.as_str(), |(_, cause)| cause);
                causes.entry(report.region.to_string()).or_insert(cause);
            }
        }
        for (region, cause) in causes {
            if self.begins_to_fail(page.number, region.clone()) {
                page.say_as("all jobs", Sign::Failed, &format!("{region}'s own jobs fail: {cause}"), "");
            }
        }
    }

    /// Of every instance the first backup, what is kept longer than the one before, and the first good ones after a gap.
    fn creator(&mut self, page: &mut Page<'_>, report: &Report) {
        let mut late: BTreeMap<NaiveDate, Vec<&str>> = BTreeMap::new();
        for step in report.applied.iter().filter(|step| !step.made.is_empty()) {
            let kept = step.what.split_once("kept until ").and_then(|(_, rest)| rest.get(..10)?.parse().ok());
            let days = kept.map_or(0, |until: NaiveDate| (until - page.date).num_days());
            if self.kept_for.insert(step.resource.clone(), days).is_none_or(|before| before < days) {
                page.say(report, Sign::Done, &step.what);
            }
            let own = page.account.snapshots().filter(|it| it.instance() == step.resource && !it.is_copy());
            let last_good = own.filter(|it| it.is_good() && it.day() < page.date).map(Known::day).max();
            if let Some(last_good) = last_good.filter(|last| *last + Days::new(1) < page.date) {
                late.entry(last_good).or_default().push(page.account.name_of(&step.resource));
            }
        }
        for (last_good, names) in late {
            let words = format!("back up {}, of which the last good backup is of {}", listed(&names), short(last_good));
            page.say(report, Sign::Done, &words);
        }
        first_and_more(page, report);
    }

    /// Of every instance the first copy to each destination, and what is copied late.
    fn copier(&mut self, page: &mut Page<'_>, report: &Report) {
        let mut copies = 0;
        let mut late: BTreeMap<&str, Vec<NaiveDate>> = BTreeMap::new();
        let account = page.account;
        for step in &report.applied {
            for copy in step.made.iter().filter_map(|id| account.snapshot(id)) {
                copies += 1;
                if copy.day() < page.date {
                    late.entry(&copy.region).or_default().push(copy.day());
                }
                if self.copied_of.insert((copy.instance().to_owned(), copy.region.clone())) {
                    page.say(report, Sign::Done, &step.what);
                }
            }
        }
        for (destination, days) in late {
            let since = days.iter().min().copied().unwrap_or(page.date);
            let words = format!("{copies} copies: {} that {destination} has missed since {}", days.len(), short(since));
            page.say(report, Sign::Done, &words);
        }
        first_and_more(page, report);
    }

    /// Of every instance the first deletion in each region, the last one, what had failed, and what is held though due.
    fn manager(&mut self, page: &mut Page<'_>, report: &Report) {
        let mut gone: BTreeMap<&str, &Step> = BTreeMap::new();
        let account = page.account;
        for step in &report.applied {
            let Some(deleted) = account.snapshot(&step.resource) else { continue };
            let is_first = self.deleted_of.insert((deleted.instance().to_owned(), deleted.region.clone()));
            if is_first || deleted.snapshot.state == SnapshotState::Error {
                page.say(report, Sign::Done, &step.what);
            }
            let mut others = account.snapshots().filter(|it| it.is_there && it.region == deleted.region);
            if !others.any(|it| it.instance() == deleted.instance()) {
                gone.insert(deleted.instance(), step);
            }
        }
        for step in gone.into_values() {
            page.say(report, Sign::Done, &format!("{}: the last one", step.what));
        }
        for kept in report.kept.iter().filter(|kept| HELD.iter().any(|reason| kept.cause.starts_with(reason))) {
            let words = account.in_names(&format!("keep {}: {}", kept.resource, kept.cause));
            if self.held.insert(words.clone()) {
                page.say(report, Sign::Kept, &words);
            }
        }
    }

    fn watcher(&mut self, page: &mut Page<'_>, report: &Report) {
        for finding in &report.findings {
            let heading = finding.kind.heading();
            let key = (report.region.to_string(), finding.resource.clone(), heading);
            let again = self.findings.entry(key).or_insert_with(|| FoundAgain { heading, days: BTreeSet::new() });
            if again.days.is_empty() {
                page.say(report, Sign::Found, &format!("{}: {}", finding.resource, finding.what));
            }
            again.days.insert(page.number);
        }
    }

    /// What was found yesterday and is found no more, where the watcher could look.
    fn solved(&self, page: &mut Page<'_>, reports: &[Report]) {
        let watchers = reports.iter().filter(|report| report.job == Job::Watcher && report.failed.is_empty());
        for report in watchers {
            let mut solved: BTreeMap<&str, usize> = BTreeMap::new();
            for ((region, _, heading), again) in &self.findings {
                let is_solved = again.days.last() == Some(&(page.number - 1));
                if *region == report.region.as_str() && is_solved {
                    *solved.entry(heading).or_default() += 1;
                }
            }
            if !solved.is_empty() {
                let solved: Vec<String> =
                    solved.iter().map(|(heading, count)| format!("{heading} ({count})")).collect();
                page.say(report, Sign::Done, &format!("solved: {}", solved.join("; ")));
            }
        }
    }

    /// Whether something that fails did not fail yesterday.
    fn begins_to_fail(&mut self, number: i64, what: String) -> bool {
        self.failing.insert(what, number).is_none_or(|day| day + 1 < number)
    }
}

/// Whether the failure is the run's as a whole: it could not even read its region.
fn is_of_whole_run(report: &Report, failed: &Told) -> bool {
    failed.resource == report.region.as_str()
}

/// Tags given late, told of by the first and the number of the others.
fn first_and_more(page: &mut Page<'_>, report: &Report) {
    let mut tagged = report.applied.iter().filter(|step| step.made.is_empty());
    let Some(first) = tagged.next() else { return };
    let more = match tagged.count() {
        0 => String::new(),
        count => format!(", and {count} more alike"),
    };
    // a tag without a value needs no sign of equality
    page.say(report, Sign::Done, &format!("{}{more}", first.what.trim_end_matches('=')));
}

/// `1 region`, `2 regions`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn short(day: NaiveDate) -> impl fmt::Display {
    day.format("%d %b")
}

/// The words in lines of at most `width`, as far as they have spaces. Spaces within a line stay as they are.
fn wrapped(words: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_alone() {
        for (words, lines) in [
            ("", vec![""]),
            ("a bc  def", vec!["a bc  def"]),
            ("aaaa bbbb cccc", vec!["aaaa bbbb", "cccc"]),
            ("one-long-word and", vec!["one-long-word", "and"]),
        ] {
            assert_eq!(wrapped(words, 9), lines, "{words:?}");
        }
    }
}
