//! Scripts by hand: a few steps in a small account, and then calm.

use crate::script::{Act, HOME, Job, Run, Script, Setting, Step, WEST, calm, start};
use chrono::{DateTime, TimeDelta, Utc};

/// These steps, which take so many days, and then calm. Most listings have two pages.
pub fn script(mut steps: Vec<Step>, days: i64) -> Script {
    steps.extend(calm(at(days, 0)));
    let setting = Setting { page_size: 5, latency_ms: 50, ..Setting::default() };
    Script { seed: 0, setting, steps }
}

/// Starts an enrolled instance at home with so many data volumes, whose backups are copied to the west.
pub fn launch(data: u8, retention: &str) -> Step {
    let tags = [("Backup", "Yes"), ("Retention", retention), ("Copy_Dest", WEST)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Step::Act(Act::Launch { region: HOME.to_owned(), data, tags })
}

/// The run of a job on a day, counted from 0, with nothing to disturb it.
pub fn run(job: Job, region: &str, day: i64) -> Run {
    let hour = match job {
        Job::Creator => 5,
        Job::Copier => 7,
        Job::Manager => 9,
        Job::Watcher => 11,
    };
    Run::plain(job, region, at(day, hour))
}

fn at(day: i64, hour: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(day) + TimeDelta::hours(hour)
}
