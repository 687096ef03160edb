//! What can go wrong with the calls of a run, and between them.

use snapkeeper_reliability::script::{Fault, HOME, Job, Kill, Reach, Run, Step, Trouble, WEST, When};

use super::{Calls, Case, Expected, Target, case::Sign};

/// Every way in which a call can go wrong, but for readings that lag behind: these are in `news.rs`.
const FAULTS: [Fault; 11] = [
    Fault::Throttled,
    Fault::Internal,
    Fault::Unavailable,
    Fault::CutBefore,
    Fault::CutAfter,
    Fault::InternalAfter,
    Fault::Late(3),
    Fault::Late(40),
    Fault::Slow(40),
    Fault::Denied,
    Fault::Expired,
];

/// The ways in which a call and all that come after it go wrong.
const LASTING: [Fault; 5] = [Fault::Throttled, Fault::Internal, Fault::CutBefore, Fault::CutAfter, Fault::Denied];

impl Target {
    /// It is killed before each of its calls, and after each.
    pub(crate) fn killed(self, calls: &Calls) -> Vec<Case> {
        let killed = |kill: Kill| {
            let run = Run { killed: Some(kill), ..self.run() };
            self.case(&in_words(kill), Vec::new(), run, Expected::Here(Sign::Struck("killed")))
        };
        calls.kills().into_iter().map(killed).collect()
    }

    /// It is killed, and its event comes again at once: only of the jobs that make something.
    pub(crate) fn killed_and_repeated(self, calls: &Calls) -> Vec<Case> {
        if !matches!(self.job, Job::Creator | Job::Copier) {
            return Vec::new();
        }
        let killed = |kill: Kill| {
            let runs = [Run { killed: Some(kill), ..self.run() }, self.run()];
            Case {
                name: format!("{self}: {}, and repeated", in_words(kill)),
                script: self.script(Vec::new(), &runs, 0),
                expected: Expected::Here(Sign::Struck("killed")),
            }
        };
        calls.kills().into_iter().map(killed).collect()
    }

    /// Each of its calls is struck by each kind of fault.
    pub(crate) fn struck(self, calls: &Calls) -> Vec<Case> {
        self.faults(calls, &FAULTS, When::After, "")
    }

    /// Each of its calls is struck by faults of these kinds, and so are all after it.
    pub(crate) fn struck_from_then_on(self, calls: &Calls) -> Vec<Case> {
        self.faults(calls, &LASTING, When::From, " and each after it")
    }

    /// The token for each of its later pages has expired.
    pub(crate) fn without_page_token(self, calls: &Calls) -> Vec<Case> {
        self.faults(calls, &[Fault::Expired], When::After, "")
    }

    /// A fault of each kind strikes at each call that it can strike: nowhere is it in vain.
    fn faults(self, calls: &Calls, kinds: &[Fault], when: fn(u32) -> When, which: &str) -> Vec<Case> {
        let all = kinds.iter().flat_map(|kind| (0..calls.open_to(*kind)).map(move |call| (*kind, call)));
        let struck = |(kind, call): (Fault, u32)| {
            let what = match kind.reach() {
                Reach::All => "call",
                Reach::Readings => "reading",
                Reach::LaterPages => "later page",
            };
            let trouble = Trouble::Calls { action: None, region: None, kind, when: when(call) };
            let expected = Expected::Here(Sign::Struck(kind.name()));
            self.case(&format!("{what} {call}{which} {kind}"), vec![Step::Trouble(trouble)], self.run(), expected)
        };
        all.map(struck).collect()
    }

    /// Its own region does not answer, or another.
    pub(crate) fn with_a_region_down(self, calls: &Calls) -> Vec<Case> {
        let down = |region: &str| {
            let is_asked = calls.regions.contains(region);
            let expected = if is_asked { Expected::Here(Sign::Struck("region down")) } else { Expected::Anything };
            let trouble = Step::Trouble(Trouble::Down(region.to_owned()));
            self.case(&format!("{region} is down"), vec![trouble], self.run(), expected)
        };
        [HOME, WEST].map(down).to_vec()
    }
}

fn in_words(kill: Kill) -> String {
    format!("killed {} call {}", if kill.after { "after" } else { "before" }, kill.call)
}
