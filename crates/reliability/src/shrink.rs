//! Cuts a script down to the steps that matter.

use crate::script::{Script, Step};
use std::fmt::Write;

/// The numbers of the steps without any one of which `still_shows` no longer holds. What it looks for must show in the
/// whole script.
pub fn shrink(script: &Script, still_shows: impl Fn(&Script) -> bool) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..script.steps.len()).collect();
    let mut size = kept.len().div_ceil(2);
    loop {
        let before = kept.len();
        let mut begin = 0;
        while begin < kept.len() {
            let end = kept.len().min(begin + size);
            let fewer: Vec<usize> = kept.iter().take(begin).chain(kept.iter().skip(end)).copied().collect();
            if asks_fairly(script, &fewer) && still_shows(&only(script, &fewer)) {
                kept = fewer;
            } else {
                begin = end;
            }
        }
        // single steps are tried until none can go
        if size > 1 {
            size = size.div_ceil(2);
        } else if kept.len() == before {
            return kept;
        }
    }
}

/// Whether these steps ask only after the calm and all of its runs whether everything is as promised, if they do.
fn asks_fairly(script: &Script, steps: &[usize]) -> bool {
    let Some(asked) = script.steps.iter().rposition(|step| *step == Step::Healed) else { return true };
    let calm = script.steps.iter().rposition(|step| *step == Step::Calm).unwrap_or(asked);
    !steps.contains(&asked) || (calm..asked).all(|number| steps.contains(&number))
}

/// The script of these steps alone.
pub fn only(script: &Script, steps: &[usize]) -> Script {
    let steps = steps.iter().filter_map(|number| script.steps.get(*number)).cloned().collect();
    Script { seed: script.seed, setting: script.setting, steps }
}

/// These steps in words, under their numbers.
pub fn in_words(script: &Script, steps: &[usize]) -> String {
    let mut text = format!("Seed {}. {}", script.seed, only(script, &[]));
    for (number, step) in steps.iter().filter_map(|number| Some((number, script.steps.get(*number)?))) {
        let _ = writeln!(text, "{number:4}  {step}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Options, Step, make};

    #[test]
    fn only_the_steps_that_matter_are_left() {
        let script = make(7, &Options::default());
        let is_run = |step: &Step| matches!(step, Step::Run(_));
        let wanted = [script.steps.iter().position(is_run).unwrap(), script.steps.iter().rposition(is_run).unwrap()];
        let has = |cut: &Script, number: usize| cut.steps.contains(&script.steps[number]);
        let left = shrink(&script, |cut| wanted.iter().all(|number| has(cut, *number)));
        let steps =
            |numbers: &[usize]| numbers.iter().map(|number| script.steps[*number].clone()).collect::<Vec<Step>>();
        assert_eq!(steps(&left), steps(&wanted));
    }

    #[test]
    fn steps_are_told_under_their_own_numbers() {
        let script = make(7, &Options::default());
        let told = in_words(&script, &[3]);
        assert!(told.lines().nth(1).is_some_and(|line| line.starts_with("   3  ")), "{told}");
    }

    #[test]
    fn nobody_is_asked_for_what_only_the_calm_can_mend() {
        let script = make(7, &Options::default());
        let left = shrink(&script, |cut| cut.steps.contains(&Step::Healed));
        let calm = script.steps.iter().rposition(|step| *step == Step::Calm).unwrap();
        assert!(left.iter().copied().eq(calm..script.steps.len()), "{left:?}");
    }
}
