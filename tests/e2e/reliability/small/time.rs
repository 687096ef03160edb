//! Runs that have too little time, and events that come twice.

use std::time::Duration;

use snapkeeper_reliability::script::{Fault, Run, Step, Trouble, When};

use super::{
    Calls, Case, Expected, Target,
    case::{Extent, Sign},
};

/// How long every call takes where time matters, in milliseconds.
const LATENCY: u64 = 1_000;

impl Target {
    /// Lambda cuts it off after each second. Every call takes one, and no action is begun in the last quarter.
    pub(crate) fn cut_off(self, calls: &Calls) -> Vec<Case> {
        let seconds = 1..=u64::from(calls.all) * 4 / 3 + 2;
        let number = self.number();
        let cut = |seconds| {
            let run = Run { deadline: Some(Duration::from_secs(seconds)), ..self.run() };
            Case {
                name: format!("{self}: cut off after {seconds} s"),
                script: self.script(Vec::new(), &[run], LATENCY),
                expected: Expected::Extents(self.to_string(), number),
            }
        };
        seconds.map(cut).collect()
    }

    /// Each of its calls that change something hangs until Lambda cuts it off. There is time for the others: it begins
    /// them all in the three quarters of its time that are longer than its readings take.
    pub(crate) fn hanging(self, calls: &Calls) -> Vec<Case> {
        let seconds = u64::from(calls.readings) * 4 / 3 + 2;
        let number = self.number();
        let extent = if calls.all - calls.readings > 1 { Extent::Part } else { Extent::Left };
        let hangs = |call| {
            let run = Run { deadline: Some(Duration::from_secs(seconds)), ..self.run() };
            let hangs = Trouble::Calls { action: None, region: None, kind: Fault::Slow(20), when: When::After(call) };
            Case {
                name: format!("{self}: call {call} hangs"),
                script: self.script(vec![Step::Trouble(hangs)], &[run], LATENCY),
                expected: Expected::Here(Sign::Did(number, extent)),
            }
        };
        (calls.readings..calls.all).map(hangs).collect()
    }

    /// Its event is delivered twice at once.
    pub(crate) fn twice(self) -> Vec<Case> {
        let twice = |latency| {
            let run = Run { twice: true, ..self.run() };
            Case {
                name: format!("{self}: twice at once, answered after {latency} ms"),
                script: self.script(Vec::new(), &[run], latency),
                expected: Expected::Anything,
            }
        };
        [0, 700].map(twice).to_vec()
    }
}
