//! What comes out of seeds.

use super::*;
use snapkeeper_core::settings::Settings;
use std::collections::BTreeSet;

#[test]
fn a_seed_has_one_script_and_another_seed_another() {
    let options = Options::default();
    assert_eq!(make(7, &options), make(7, &options));
    assert_ne!(make(7, &options).steps, make(8, &options).steps);
}

#[test]
fn every_kind_of_step_comes_up() {
    let mut kinds = BTreeSet::new();
    for seed in 0..2_000 {
        for step in make(seed, &Options::default()).steps {
            let told = format!("{step:?}");
            // the names of the variants, without what they hold
            let name = |text: &str| text.split(['(', '{', ' ']).next().unwrap_or_default().to_owned();
            kinds.insert(name(&told));
            if let Step::Act(act) = &step {
                kinds.insert(name(&format!("{act:?}")));
            }
            if let Step::Trouble(trouble) = &step {
                kinds.insert(format!("trouble {}", name(&format!("{trouble:?}"))));
                if let Trouble::Calls { kind, .. } = trouble {
                    kinds.insert(format!("fault {}", name(&format!("{kind:?}"))));
                }
            }
        }
    }
    assert_eq!(kinds.len(), 6 + 12 + 10 + 11, "{kinds:?}");
}

#[test]
fn about_half_of_all_scripts_have_the_default_settings() {
    let settings = || (0..400).map(|seed| make(seed, &Options::default()).setting);
    let is_default = |it: &Setting| it.variables().iter().all(|set| by_default().contains(set));
    let by_default = settings().filter(is_default).count();
    assert!((150..250).contains(&by_default), "{by_default}");
    for (all, name) in [(3, "RPO_HOURS"), (4, "MAX_DELETE_PERCENT"), (4, "TIME_ZONE"), (4, "DEFAULT_RETENTION")] {
        let of_name = |set: &(String, String)| set.0 == format!("SNAPKEEPER_{name}");
        let values: BTreeSet<(String, String)> = settings().flat_map(|it| it.variables()).filter(of_name).collect();
        assert_eq!(values.len(), all, "{values:?}");
    }
}

fn by_default() -> Vec<(String, String)> {
    Setting { with_key: true, ..Setting::default() }.variables()
}

#[test]
fn every_setting_can_be_read() {
    for seed in 0..400 {
        let setting = make(seed, &Options::default()).setting;
        assert!(Settings::from_variables(setting.variables()).is_ok(), "{setting:?}");
    }
}

#[test]
fn a_mishap_dates_more_than_the_brake_lets_pass() {
    let is_mishap = |script: &Script| {
        let wide = |step: &Step| matches!(step, Step::Act(Act::Launch { data, .. }) if *data >= 15);
        script.steps.iter().filter(|step| wide(step)).count() == 3
    };
    for options in [Options::default(), Options::small()] {
        let mishaps: Vec<Script> = (0..400).map(|seed| make(seed, &options)).filter(is_mishap).collect();
        assert!((4..40).contains(&mishaps.len()), "{}", mishaps.len());
        for script in mishaps {
            let dates = |step: &Step| matches!(step, Step::Act(Act::DateAll(..)));
            let dated = script.steps.iter().rposition(dates).unwrap();
            assert!(matches!(&script.steps[dated + 1], Step::Run(run) if run.job == Job::Manager));
            let is_creator = |step: &&Step| matches!(step, Step::Run(run) if run.job == Job::Creator);
            assert!(script.steps[..dated].iter().filter(is_creator).count() >= 1);
        }
    }
}

#[test]
fn a_script_ends_with_calm_and_two_rounds() {
    let script = make(3, &Options::default());
    let calm = script.steps.iter().rposition(|step| *step == Step::Calm).unwrap();
    let runs = |job| script.steps[calm..].iter().filter(|it| matches!(it, Step::Run(run) if run.job == job)).count();
    assert_eq!((runs(Job::Creator), runs(Job::Manager), runs(Job::Watcher)), (6, 6, 6));
    assert_eq!(script.steps.last(), Some(&Step::Healed));
}
