//! `snapkeeper demo`: a simulated account over forty days, in seconds.
//!
//! The jobs are the real ones, through the real AWS SDK; only AWS is simulated, and its time passes as fast as it can be
//! computed. What the operator does meanwhile, and what goes wrong, is in [`story`].

mod account;
mod story;
mod summary;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use owo_colors::OwoColorize;
use snapkeeper_core::run::Job;
use snapkeeper_lambda::Report;

use self::{account::Account, story::Deed};

/// How many days are shown.
const DAYS: i64 = 40;
/// When the jobs run, in hours of the day.
const SCHEDULE: [(i64, Job); 4] = [(5, Job::Creator), (7, Job::Copier), (9, Job::Manager), (10, Job::Watcher)];

pub(crate) async fn demo() -> anyhow::Result<ExitCode> {
    let first_day: DateTime<Utc> = "2026-10-01T00:00:00Z".parse()?;
    let mut account = Account::open(first_day).await?;
    let mut diary = Diary::default();
    anstream::println!("{}", INTRODUCTION.trim_start());
    for number in 0..DAYS {
        let day = first_day + TimeDelta::days(number);
        account.wait_until(day + TimeDelta::hours(1)).await;
        let deeds = story::of_day(number + 1, &mut account)?;
        let mut reports = Vec::new();
        for (hour, job) in SCHEDULE {
            account.wait_until(day + TimeDelta::hours(hour)).await;
            for region in account::REGIONS {
                if !story::is_out(number + 1, job, region) {
                    reports.push(account.run(job, region, day + TimeDelta::hours(hour)).await?);
                }
            }
        }
        diary.tell(number + 1, day, &deeds, &reports, &account);
    }
    summary::tell(&account, &diary);
    Ok(ExitCode::SUCCESS)
}

const INTRODUCTION: &str = "
An AWS account with three regions over forty days. The jobs are the real ones, AWS is simulated.
Each day: creator at 05:00, copier at 07:00, manager at 09:00, watcher at 10:00, in every region.
";

/// What has been told, so that each thing is told once.
#[derive(Default)]
struct Diary {
    findings: BTreeMap<String, FoundAgain>,
    held: BTreeSet<String>,
    /// For how many days an instance's last backup is kept.
    kept_for: BTreeMap<String, i64>,
    /// The instances of which a deletion has been told, and where.
    deleted_of: BTreeSet<String>,
    /// What failed yesterday: told again only after a day without it.
    failing: BTreeMap<String, i64>,
    created: usize,
    copied: usize,
    deleted: usize,
    api_calls: u64,
    runs: usize,
}

/// A finding, as often as it was made.
struct FoundAgain {
    heading: &'static str,
    days: BTreeSet<i64>,
}

impl Diary {
    fn tell(&mut self, number: i64, day: DateTime<Utc>, deeds: &[Deed], reports: &[Report], account: &Account) {
        let of = |job: Job| reports.iter().filter(move |report| report.job == job);
        let made = |job: Job| of(job).flat_map(|report| &report.applied).map(|step| step.made.len()).sum::<usize>();
        let (created, copied) = (made(Job::Creator), made(Job::Copier));
        let deleted: usize = of(Job::Manager).map(|report| report.counts.applied).sum();
        let found: usize = of(Job::Watcher).map(|report| report.counts.findings).sum();
        self.created += created;
        self.copied += copied;
        self.deleted += deleted;
        self.runs += reports.len();
        self.api_calls += reports.iter().flat_map(|report| report.calls.values()).sum::<u64>();
        let found_words = match (of(Job::Watcher).count(), found) {
            (_, 0) => "all is well".green().to_string(),
            (_, 1) => "1 finding".yellow().to_string(),
            (_, count) => format!("{count} findings").yellow().to_string(),
        };
        anstream::println!(
            "{}  creator {created:>2}  copier {copied:>2}  manager {:>3}  watcher {found_words}",
            format!("Day {number:>2}  {}", day.format("%a %d %b")).bold(),
            if deleted == 0 { "0".to_owned() } else { format!("-{deleted}") },
        );
        for deed in deeds {
            let who = deed.who();
            anstream::println!("        {:<10} {}", who.cyan(), deed.what());
        }
        for report in reports {
            self.tell_of_run(number, report, account);
        }
    }

    /// What is worth a line: dates given late, what is held though due, failures, and findings when they are new.
    fn tell_of_run(&mut self, number: i64, report: &Report, account: &Account) {
        let say = |sign: String, words: &str| {
            let words = account.in_names(words);
            let region = format!("({})", report.region);
            anstream::println!("        {:<10} {sign} {words} {}", report.job, region.dimmed());
        };
        for step in report.applied.iter().filter(|_| report.job == Job::Creator) {
            let kept = step.what.rsplit_once("kept until ").and_then(|(_, day)| day.parse::<NaiveDate>().ok());
            let days = kept.map_or(0, |until| (until - report.run.date_naive()).num_days());
            // of every instance the first, and what is kept longer than the one before: the first of a week or month
            if !step.made.is_empty()
                && self.kept_for.insert(step.resource.clone(), days).is_none_or(|before| before < days)
            {
                say("✓".green().to_string(), &step.what);
            }
        }
        for step in report.applied.iter().filter(|_| report.job == Job::Manager) {
            if let Some((instance, taken)) = account.deleted(&step.resource)
                && self.deleted_of.insert(format!("{instance} {}", report.region))
            {
                let words =
                    step.what.replace(&step.resource, &format!("a backup of {instance} of {}", taken.format("%d %b")));
                say("✓".green().to_string(), &words);
            }
        }
        // tags given late are told of by the first and the number of the others
        let mut tagged = report.applied.iter().filter(|step| step.made.is_empty());
        if matches!(report.job, Job::Creator | Job::Copier)
            && let Some(first) = tagged.next()
        {
            let more = match tagged.count() {
                0 => String::new(),
                count => format!(", and {count} more alike"),
            };
            say("✓".green().to_string(), &format!("{}{more}", first.what));
        }
        for kept in report.kept.iter().filter(|kept| HELD.iter().any(|reason| kept.cause.starts_with(reason))) {
            let words = account.in_names(&format!("keeps {}: {}", kept.resource, kept.cause));
            if report.job == Job::Manager && self.held.insert(words.clone()) {
                say("·".to_string(), &words);
            }
        }
        for failed in report.failed.iter().filter(|failed| failed.resource != "alert topic") {
            let words = format!("{}: {}", failed.resource, failed.cause);
            let before = self.failing.insert(format!("{} {} {words}", report.job, report.region), number);
            if before.is_none_or(|day| day + 1 < number) {
                say("✗".red().to_string(), &words);
            }
        }
        for finding in report.findings.iter().filter(|_| report.job == Job::Watcher) {
            let words = format!("{}: {}", finding.resource, finding.what);
            let again = FoundAgain { heading: finding.kind.heading(), days: BTreeSet::new() };
            let key = format!("{} {} {:?}", report.region, finding.resource, finding.kind);
            let again = self.findings.entry(key).or_insert(again);
            if again.days.is_empty() {
                say("!".yellow().to_string(), &words);
            }
            again.days.insert(number);
        }
    }
}

/// How the reasons begin for which the manager keeps what is due.
const HELD: [&str; 5] = ["KeepForever", "used by", "locked", "last good", "due, but"];
