//! Scripts that broke a promise once, cut down to what mattered. They stay, so that nobody breaks it again the same way.

use crate::by_hand::{self, launch};
use crate::script::{Act, Fault, HOME, Job, Kill, Pick, Run, Script, Step, Trouble, WEST, When};

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
        for job in [Job::Creator, Job::Copier, Job::Manager, Job::Watcher] {
            for region in [HOME, WEST] {
                let mut run = by_hand::run(job, region, day);
                change(&mut run);
                steps.push(Step::Run(run));
            }
        }
    }
    let mut script = by_hand::script(steps, days);
    script.setting.latency_ms = latency_ms;
    script
}

fn volume(nth: usize) -> Pick {
    Pick::Volume(HOME.to_owned(), nth)
}

fn lost(action: &str) -> Step {
    let action = Some(action.to_owned());
    Step::Trouble(Trouble::Calls { action, region: None, kind: Fault::CutAfter, when: When::From(0) })
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
