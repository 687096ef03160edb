//! `snapkeeper demo`: a simulated account over forty days, in seconds.
//!
//! The jobs are the real ones, through the real AWS SDK; only AWS is simulated, and its time passes as fast as it can be
//! computed. What the operator does meanwhile, and what goes wrong, is in [`story`].

mod account;
mod diary;
mod story;
mod summary;

use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use snapkeeper_core::run::Job;

use self::{account::Account, diary::Diary};
use crate::text;

/// How many days are shown.
const DAYS: i64 = 40;
/// When the jobs run, in hours of the day.
const SCHEDULE: [(i64, Job); 4] = [(5, Job::Creator), (7, Job::Copier), (9, Job::Manager), (10, Job::Watcher)];

pub(crate) async fn demo() -> anyhow::Result<ExitCode> {
    let first_day: DateTime<Utc> = "2026-10-01T00:00:00Z".parse()?;
    let mut account = Account::open(first_day).await?;
    let mut diary = Diary::default();
    text::print(INTRODUCTION)?;
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
        account.look();
        text::print(&diary.of_day(number + 1, day, &deeds, &reports, &account))?;
    }
    text::print(&summary::of(&account, &diary))?;
    Ok(ExitCode::SUCCESS)
}

const INTRODUCTION: &str = "\
An AWS account with three regions over forty days. The jobs are the real ones, AWS is simulated.
Each day: creator at 05:00, copier at 07:00, manager at 09:00, watcher at 10:00, in every region.
Told is what is new: of each instance the first backup, copy and deletion, and what goes otherwise
than the day before. Behind each job's name is the number of snapshots that it made or deleted.

";
