//! Scripts that broke a promise once, cut down to what mattered. They stay, so that nobody breaks it again the same way.

use crate::script::{Act, Fault, HOME, Job, Kill, Pick, Run, Script, Setting, Step, Trouble, WEST, When, calm, start};
use chrono::{DateTime, TimeDelta, Utc};

/// Each with what was wrong.
pub fn found() -> Vec<(&'static str, Script)> {
    vec![
        (
            "five failed snapshots stopped the backups of their volume until the day on which they were to go (plans, seed 614)",
            script(0, vec![launch(0, "7d"), Step::Trouble(Trouble::Fails(volume(0), 6))], 6, |_| {}),
        ),
        (
            "a set of which the same event, delivered twice at once, had taken a part was taken for whole (plans, seed 595)",
            script(
                50,
                vec![launch(2, "1d"), Step::Trouble(Trouble::Refused(volume(2), "IncorrectState".to_owned()))],
                2,
                |run| run.twice = run.job == Job::Creator,
            ),
        ),
        (
            "a volume that was attached while the creator was at work is not in the layout (plans, seed 643): \
             the oracle asked for what nobody could know",
            script(50, vec![launch(2, "2d 1w")], 3, |run| {
                if run.job == Job::Creator && run.region == HOME {
                    run.meanwhile = vec![(2, Act::Attach(Pick::Instance(HOME.to_owned(), 0)))];
                }
            }),
        ),
        (
            "a lost answer to a process that then died: nothing broke, but it is what most tools break on",
            script(700, vec![launch(1, "1d"), lost("CreateSnapshots"), lost("CopySnapshot")], 4, |run| {
                run.killed = Some(Kill { call: 4, after: true });
            }),
        ),
    ]
}

/// So many days of all jobs at home and in the west, each run changed by `change`, then the calm.
fn script(latency_ms: u64, mut steps: Vec<Step>, days: i64, change: impl Fn(&mut Run)) -> Script {
    for day in 0..days {
        for (job, hour) in [(Job::Creator, 5), (Job::Copier, 7), (Job::Manager, 9), (Job::Watcher, 11)] {
            for region in [HOME, WEST] {
                let mut run = Run::plain(job, region, at(day, hour));
                change(&mut run);
                steps.push(Step::Run(run));
            }
        }
    }
    steps.extend(calm(at(days, 0)));
    let setting = Setting { page_size: 5, latency_ms, copies_at_once: 20, skew_hours: 0, with_key: false };
    Script { seed: 0, setting, steps }
}

fn launch(data: u8, retention: &str) -> Step {
    let tags = [("Backup", "Yes"), ("Retention", retention), ("Copy_Dest", WEST)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Step::Act(Act::Launch { region: HOME.to_owned(), data, tags })
}

fn volume(nth: usize) -> Pick {
    Pick::Volume(HOME.to_owned(), nth)
}

fn lost(action: &str) -> Step {
    let action = Some(action.to_owned());
    Step::Trouble(Trouble::Calls { action, region: None, kind: Fault::CutAfter, when: When::From(0) })
}

fn at(day: i64, hour: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(day) + TimeDelta::hours(hour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    #[test]
    fn what_was_found_once_stays_mended_in_the_plans() {
        for (what, script) in found() {
            let played = model::play_told(&script, None);
            assert!(played.violations.is_empty(), "{what}\n{:#?}\n{}", played.violations, played.log.join("\n"));
        }
    }
}
