//! Others are at work in the same account, between any two calls of a run.

use snapkeeper_reliability::script::{Act, FAR, HOME, Job, Pick, Run, Step, WEST};

use super::{Calls, Case, Expected, Target, case::Sign};

/// How many copies are to be held.
const HELD: u32 = 3;

/// What others do while a run is under way: a name for it, what they did before, and what they do.
type Interference = (&'static str, Vec<Act>, Act);

impl Target {
    /// Before each of its calls somebody does something.
    pub(crate) fn interfered_with(self, calls: &Calls) -> Vec<Case> {
        self.while_others(calls.all, self.acts())
    }

    /// Before each of its calls somebody turns to a copy: only of the copier, which makes and tags them.
    pub(crate) fn with_copies_touched(self, calls: &Calls) -> Vec<Case> {
        match self.job {
            Job::Copier => {
                let mut cases = self.while_others(calls.all, acts_on_copies());
                // one call more for each copy that is to be held
                cases.extend(self.while_others(calls.all + HELD, acts_on_copies_to_be_held()));
                cases
            }
            Job::Creator | Job::Manager | Job::Watcher => Vec::new(),
        }
    }

    fn while_others(self, calls: u32, acts: Vec<Interference>) -> Vec<Case> {
        let mut cases = Vec::new();
        for (name, before, act) in acts {
            let before: Vec<Step> = before.into_iter().map(Step::Act).collect();
            let expected = Expected::Among(format!("{name} during the {self}"), Sign::Done(act.to_string()));
            for call in 0..calls {
                let run = Run { meanwhile: vec![(call, act.clone())], ..self.run() };
                cases.push(self.case(&format!("{name} before call {call}"), before.clone(), run, expected.clone()));
            }
        }
        cases
    }

    fn acts(self) -> Vec<Interference> {
        let region = || self.region.to_owned();
        let automated = || Pick::Automated(region(), self.nth);
        let instance = |nth| Pick::Instance(HOME.to_owned(), nth);
        let keep = || tag(automated(), "KeepForever", "");
        vec![
            ("terminate the first instance", Vec::new(), Act::Terminate(instance(0))),
            ("terminate the second instance", Vec::new(), Act::Terminate(instance(1))),
            // the first one has none
            ("detach a volume of the second instance", Vec::new(), Act::Detach(instance(1))),
            ("attach a volume to the first instance", Vec::new(), Act::Attach(instance(0))),
            ("attach a volume to the second instance", Vec::new(), Act::Attach(instance(1))),
            ("take Backup away", Vec::new(), Act::Untag(instance(0), "Backup".to_owned())),
            ("change Retention", Vec::new(), tag(instance(0), "Retention", "3d")),
            ("change Copy_Dest", Vec::new(), tag(instance(0), "Copy_Dest", FAR)),
            ("change DeleteOn", Vec::new(), tag(automated(), "DeleteOn", "2030-01-01")),
            ("keep for ever", Vec::new(), keep()),
            ("keep no more", vec![keep()], Act::Untag(automated(), "KeepForever".to_owned())),
            ("take a snapshot", Vec::new(), Act::Snapshot(Pick::Volume(HOME.to_owned(), 0), Vec::new())),
            ("delete", Vec::new(), Act::Delete(Pick::Snapshot(region(), self.nth))),
            ("lock", Vec::new(), Act::Lock(automated(), 30)),
            ("make an image", Vec::new(), Act::Image(automated())),
        ]
    }
}

/// What others do to copies in the west. As long as there are only the six of the days before, number 6 is the oldest
/// of them, and later the first one that the run has made.
fn acts_on_copies() -> Vec<Interference> {
    let copy = || Pick::Automated(WEST.to_owned(), 6);
    vec![
        ("delete a copy", Vec::new(), Act::Delete(copy())),
        ("change DeleteOn of a copy", Vec::new(), tag(copy(), "DeleteOn", "2030-01-01")),
        ("keep a copy for ever", Vec::new(), tag(copy(), "KeepForever", "")),
        ("lock a copy", Vec::new(), Act::Lock(copy(), 30)),
        ("make an image of a copy", Vec::new(), Act::Image(copy())),
    ]
}

/// The same where somebody has come to hold the primaries of the day before, numbers 3 to 5: the copier is about to
/// hold their copies, which have these numbers too.
fn acts_on_copies_to_be_held() -> Vec<Interference> {
    let held = || [3, 4, 5].map(|nth| tag(Pick::Automated(HOME.to_owned(), nth), "KeepForever", "")).to_vec();
    let copy = || Pick::Automated(WEST.to_owned(), 3);
    vec![
        ("delete a copy that is to be held", held(), Act::Delete(copy())),
        ("keep a copy for ever that is to be held", held(), tag(copy(), "KeepForever", "yes")),
    ]
}

fn tag(what: Pick, key: &str, value: &str) -> Act {
    Act::Tag(what, key.to_owned(), value.to_owned())
}
