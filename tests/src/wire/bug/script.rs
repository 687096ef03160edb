//! A script for each bug, in which it shows whatever the seed.

use snapkeeper_reliability::{
    by_hand::{self, launch, run},
    script::{Act, Fault, HOME, Job, Pick, Script, Step, Trouble, WEST, When},
};

use super::WireBug;

/// More instances than a page holds.
const TWO_PAGES: usize = 7;

/// The script in which this bug shows.
pub(super) fn script(bug: WireBug) -> Script {
    match bug {
        WireBug::TagsAfterCreation => by_hand::script(vec![instance(), plain(Job::Creator, 0)], 1),
        // the copy is made, and the answer is lost
        WireBug::BlindRetryOfCreates | WireBug::StaleLook => {
            let lost = strikes(Some("CopySnapshot"), WEST, Fault::CutAfter, When::After(0));
            by_hand::script(vec![instance(), plain(Job::Creator, 0), lost, plain(Job::Copier, 0)], 1)
        }
        // the instances of the second page are never taken
        WireBug::FirstPageOnly => {
            let steps = [vec![instance(); TWO_PAGES], vec![plain(Job::Creator, 0)]].concat();
            by_hand::script(steps, 1)
        }
        // the manager cannot read the second page of instances
        WireBug::ShortPageIsWhole => {
            managed(TWO_PAGES, strikes(Some("DescribeInstances"), HOME, Fault::Expired, When::From(0)), HOME)
        }
        // the copies of the day before are the last good ones, and home does not say whether they are still needed
        WireBug::AbsenceAsEvidence => managed(1, strikes(None, HOME, Fault::Denied, When::From(0)), WEST),
        WireBug::ThrottledMeansDone => {
            managed(1, strikes(Some("DeleteSnapshot"), HOME, Fault::Throttled, When::After(0)), HOME)
        }
        // the oldest backup is due, and held
        WireBug::EmptyValuesLost => {
            let oldest = Pick::Automated(HOME.to_owned(), 0);
            managed(1, Step::Act(Act::Tag(oldest, "KeepForever".to_owned(), String::new())), HOME)
        }
    }
}

/// So many instances with three days' backups, of which two are due, and two days' copies, of which both are; then this
/// happens, and then the manager of a region runs.
fn managed(instances: usize, happens: Step, region: &str) -> Script {
    let mut steps = vec![instance(); instances];
    for day in 0..2 {
        steps.extend([Job::Creator, Job::Copier].map(|job| plain(job, day)));
    }
    steps.extend([plain(Job::Creator, 2), happens, Step::Run(run(Job::Manager, region, 2))]);
    by_hand::script(steps, 3)
}

/// An enrolled instance with one volume.
fn instance() -> Step {
    launch(0, "1d")
}

/// A run at home that nothing disturbs.
fn plain(job: Job, day: i64) -> Step {
    Step::Run(run(job, HOME, day))
}

fn strikes(action: Option<&str>, region: &str, kind: Fault, when: When) -> Step {
    let (action, region) = (action.map(str::to_owned), Some(region.to_owned()));
    Step::Trouble(Trouble::Calls { action, region, kind, when })
}
