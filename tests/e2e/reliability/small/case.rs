//! A script in which something is disturbed, and how it shows that it was.

use std::fmt;

use snapkeeper_lambda::Report;
use snapkeeper_reliability::script::Script;
use snapkeeper_tests::wire::{self, Played};

/// A script in which something is disturbed.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name, which no other has.
    pub(crate) name: String,
    pub(crate) script: Script,
    pub(crate) expected: Expected,
}

/// What must have come of the disturbance, so that none is played in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whatever it is.
    Anything,
    /// It shows, in this case.
    Here(Sign),
    /// In one of the cases with this name for all of them at least, it shows.
    Among(String, Sign),
    /// Over the cases with this name for all of them, the run of this number does nothing, leaves all, and does all.
    Extents(String, u32),
}

/// How a disturbance shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Calls were struck, and counted under this name.
    Struck(&'static str),
    /// Somebody did this, and it was not in vain.
    Done(String),
    /// A reading that lagged behind showed something else than what was so.
    Differs,
    /// The calls are others than those of this fingerprint.
    OtherCalls(u64),
    /// The run of this number did so much.
    Did(u32, Extent),
}

/// How much a run did of what it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// It reported nothing.
    Unknown,
    /// It did not come to do anything.
    Nothing,
    /// It had no time left for anything.
    Left,
    /// It did something, and had no time left for the rest.
    Part,
    /// It did all.
    All,
}

impl Expected {
    /// What must be seen in one case at least of all that are played with this one.
    pub(crate) fn wanted(&self) -> Vec<String> {
        match self {
            Expected::Anything | Expected::Here(_) => Vec::new(),
            Expected::Among(name, _) => vec![name.clone()],
            Expected::Extents(name, _) => {
                [Extent::Nothing, Extent::Left, Extent::All].map(|extent| format!("{name}: {extent}")).to_vec()
            }
        }
    }

    /// What of that is seen in this case.
    pub(crate) fn seen(&self, played: &Played) -> Option<String> {
        match self {
            Expected::Anything | Expected::Here(_) => None,
            Expected::Among(name, sign) => sign.shows(played).then(|| name.clone()),
            Expected::Extents(name, run) => Some(format!("{name}: {}", Extent::of(played.reports.get(run)))),
        }
    }
}

impl Sign {
    pub(crate) fn shows(&self, played: &Played) -> bool {
        match self {
            Sign::Struck(kind) => played.faults.contains_key(*kind),
            Sign::Done(act) => {
                // what was in vain goes on with why
                let told = format!("operator: {act}");
                played.story.iter().any(|line| line.ends_with(&told))
            }
            Sign::Differs => played.differing > 0,
            Sign::OtherCalls(usual) => wire::fingerprint(&played.log) != *usual,
            Sign::Did(run, extent) => Extent::of(played.reports.get(run)) == *extent,
        }
    }
}

impl Extent {
    fn of(report: Option<&Report>) -> Extent {
        let Some(report) = report else { return Extent::Unknown };
        match (report.applied.is_empty(), report.unfinished.is_empty()) {
            (true, true) => Extent::Nothing,
            (true, false) => Extent::Left,
            (false, false) => Extent::Part,
            (false, true) => Extent::All,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Extent::Unknown => "nothing reported",
            Extent::Nothing => "nothing done",
            Extent::Left => "all left",
            Extent::Part => "some done and some left",
            Extent::All => "all done",
        })
    }
}
