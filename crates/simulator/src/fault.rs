//! Faults that are injected on purpose: which call they strike, and how.

use crate::model::ids::{hash, mix};
use std::time::Duration;

/// A fault that strikes chosen calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Only calls of this action; any if `None`.
    pub action: Option<String>,
    /// Only calls to this region; any if `None`.
    pub region: Option<String>,
    /// Only calls one of whose parameters has this value; any if `None`.
    pub resource: Option<String>,
    /// Only calls made with this access key; with any if `None`.
    pub caller: Option<String>,
    /// Only calls for a page after the first: those that carry a `NextToken` or a `Marker`.
    pub later_pages: bool,
    /// How many matching calls pass first.
    pub after: u32,
    /// How many matching calls it then strikes; `u32::MAX` means all.
    pub times: u32,
    /// Of the matching calls it strikes about one in so many, as the seed has it; 1 means every one.
    pub one_in: u32,
    /// How it strikes.
    pub kind: FaultKind,
}

/// How a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `RequestLimitExceeded`, or what the service says instead, without effect.
    Throttle,
    /// This error, without effect. A pagination token that has expired is `InvalidPaginationToken` with status 400,
    /// together with [`Fault::of_later_pages`].
    Status {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
    },
    /// The connection is cut, without effect.
    CutBefore,
    /// The call takes effect, and the connection is cut instead of an answer.
    CutAfter,
    /// The connection is cut at once, and the call takes effect only after this long: whoever looks before finds
    /// nothing.
    Late(Duration),
    /// The call takes effect, and is answered with this error.
    StatusAfter {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
    },
    /// The call takes effect at once, and is answered after this long.
    Slow(Duration),
    /// A `Describe…`, or `GetParameter`, is answered from what was there this long ago: what was made since is not yet
    /// listed, what was deleted since still is. It reaches as far back as
    /// [`Config::remembers`](crate::Config::remembers). Any other call runs as usual.
    Stale(Duration),
    /// `UnauthorizedOperation`, or what the service says instead, without effect.
    Deny,
}

impl Fault {
    /// A fault that strikes the next call of `action`, once, in any region.
    pub fn new(action: &str, kind: FaultKind) -> Fault {
        Fault { action: Some(action.to_owned()), ..Fault::any(kind) }
    }

    /// A fault that strikes the next call of whatever action, once, in any region.
    pub fn any(kind: FaultKind) -> Fault {
        Fault {
            action: None,
            region: None,
            resource: None,
            caller: None,
            later_pages: false,
            after: 0,
            times: 1,
            one_in: 1,
            kind,
        }
    }

    /// Only in this region.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Fault {
        self.region = Some(region.to_owned());
        self
    }

    /// Only calls that name this resource in a parameter.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Fault {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only calls made with this access key.
    #[must_use]
    pub fn by(mut self, access_key: &str) -> Fault {
        self.caller = Some(access_key.to_owned());
        self
    }

    /// Only calls for a page after the first: those that carry a `NextToken` or a `Marker`.
    #[must_use]
    pub fn of_later_pages(mut self) -> Fault {
        self.later_pages = true;
        self
    }

    /// Only after this many matching calls have passed.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Fault {
        self.after = calls;
        self
    }

    /// This many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    /// Every time.
    #[must_use]
    pub fn always(self) -> Fault {
        self.times(u32::MAX)
    }

    /// About one in `n` matching calls, until it has struck as often as it may. Which ones follows from the simulator's
    /// seed, from how many faults were injected before, and from how many calls matched before.
    #[must_use]
    pub fn one_in(mut self, n: u32) -> Fault {
        self.one_in = n;
        self
    }

    fn matches(&self, call: &Target<'_>) -> bool {
        self.action.as_deref().is_none_or(|wanted| wanted == call.action)
            && self.region.as_deref().is_none_or(|wanted| wanted == call.region)
            && self.resource.as_deref().is_none_or(|wanted| call.params.iter().any(|(_, value)| value == wanted))
            && self.caller.as_deref().is_none_or(|wanted| wanted == call.caller)
            && (!self.later_pages || call.params.iter().any(|(name, _)| name == "NextToken" || name == "Marker"))
    }
}

/// A call, as far as faults look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The access key.
    pub(crate) caller: &'a str,
    pub(crate) region: &'a str,
    pub(crate) action: &'a str,
    pub(crate) params: &'a [(String, String)],
}

/// The faults that are waiting to strike.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    /// How many were ever injected.
    injected: u64,
    waiting: Vec<Waiting>,
}

/// A fault that is waiting to strike.
#[derive(Debug)]
struct Waiting {
    fault: Fault,
    /// Its place among all that were ever injected.
    place: u64,
    /// How many calls matched it so far.
    matched: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Faults {
        // apart from the seed of the ids, so that the strikes do not go with them
        Faults { seed: hash(&format!("faults {seed}")), injected: 0, waiting: Vec::new() }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.waiting.push(Waiting { fault, place: self.injected, matched: 0 });
        self.injected += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that strikes this call: of those that match, are not waiting and have the draw for them, the one that
    /// was injected first.
    pub(crate) fn strike(&mut self, call: &Target<'_>) -> Option<FaultKind> {
        let mut kind = None;
        for Waiting { fault, place, matched } in &mut self.waiting {
            if !fault.matches(call) {
                continue;
            }
            *matched += 1;
            if fault.after > 0 {
                fault.after -= 1;
            } else if kind.is_none() && fault.times > 0 && is_drawn(self.seed, *place, *matched, fault.one_in) {
                if fault.times != u32::MAX {
                    fault.times -= 1;
                }
                kind = Some(fault.kind.clone());
            }
        }
        self.waiting.retain(|one| one.fault.times > 0);
        kind
    }
}

/// Whether a call is the one in so many: the same seed, fault and count always give the same answer.
fn is_drawn(seed: u64, place: u64, matched: u64, one_in: u32) -> bool {
    mix(mix(seed ^ place) ^ matched).is_multiple_of(u64::from(one_in.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELETE: Target<'static> =
        Target { caller: "AKID", region: "us-east-1", action: "DeleteSnapshot", params: &[] };

    #[test]
    fn a_fault_waits_then_strikes_then_is_spent() {
        let mut faults = Faults::new(0);
        faults.add(
            Fault::new("DeleteSnapshot", FaultKind::Throttle).in_region("us-east-1").on("snap-1").after(1).times(2),
        );
        let params = [("SnapshotId".to_owned(), "snap-1".to_owned())];
        let other = [("SnapshotId".to_owned(), "snap-2".to_owned())];
        let mut strike = |region: &str, action: &str, params: &[(String, String)]| {
            faults.strike(&Target { caller: "AKID", region, action, params }).is_some()
        };
        assert!(!strike("us-east-1", "DeleteSnapshot", &params), "the first passes");
        assert!(!strike("us-west-2", "DeleteSnapshot", &params), "another region");
        assert!(!strike("us-east-1", "CreateSnapshot", &params), "another action");
        assert!(!strike("us-east-1", "DeleteSnapshot", &other), "another resource");
        assert!(strike("us-east-1", "DeleteSnapshot", &params));
        assert!(strike("us-east-1", "DeleteSnapshot", &params));
        assert!(!strike("us-east-1", "DeleteSnapshot", &params), "spent");
    }

    #[test]
    fn a_fault_of_one_caller_spares_the_others() {
        let mut faults = Faults::new(0);
        faults.add(Fault::any(FaultKind::Deny).by("AKID").always());
        assert!(faults.strike(&Target { caller: "OPERATOR", ..DELETE }).is_none());
        assert!(faults.strike(&DELETE).is_some());
    }

    #[test]
    fn a_fault_of_later_pages_spares_the_first() {
        let mut faults = Faults::new(0);
        faults.add(Fault::any(FaultKind::Deny).of_later_pages());
        let first = [("MaxResults".to_owned(), "5".to_owned())];
        let later = [("NextToken".to_owned(), "0123".to_owned())];
        assert!(faults.strike(&Target { params: &first, ..DELETE }).is_none());
        assert!(faults.strike(&Target { params: &later, ..DELETE }).is_some());
    }

    /// Which of 4000 calls are struck, counted from 0, where `earlier` faults for others were injected before.
    fn struck(seed: u64, earlier: usize, fault: Fault) -> Vec<usize> {
        let mut faults = Faults::new(seed);
        for _ in 0..earlier {
            faults.add(Fault::new("CreateSnapshot", FaultKind::Deny));
        }
        faults.add(fault);
        (0..4000).filter(|_| faults.strike(&DELETE).is_some()).collect()
    }

    #[test]
    fn a_fault_by_rate_strikes_about_one_in_so_many() {
        let fault = || Fault::any(FaultKind::Deny).always();
        for seed in [0, 1, 7] {
            let count = struck(seed, 0, fault().one_in(4)).len();
            assert!((900..1100).contains(&count), "{count}");
        }
        assert_eq!(struck(0, 0, fault().one_in(1)).len(), 4000);
    }

    #[test]
    fn a_fault_by_rate_is_bounded_like_any_other() {
        let all = struck(0, 0, Fault::any(FaultKind::Deny).one_in(4).always());
        assert_eq!(struck(0, 0, Fault::any(FaultKind::Deny).one_in(4).times(3)), all[..3]);
        let later: Vec<usize> = all.into_iter().filter(|call| *call >= 100).collect();
        assert_eq!(struck(0, 0, Fault::any(FaultKind::Deny).one_in(4).after(100).always()), later);
    }

    #[test]
    fn a_fault_by_rate_follows_from_the_seed_and_its_place() {
        let fault = || Fault::any(FaultKind::Deny).one_in(4).always();
        assert_eq!(struck(1, 1, fault()), struck(1, 1, fault()));
        assert_ne!(struck(1, 1, fault()), struck(2, 1, fault()), "another seed");
        assert_ne!(struck(1, 1, fault()), struck(1, 2, fault()), "another place");
    }

    #[test]
    fn a_fault_that_is_injected_again_has_another_place() {
        let fault = || Fault::any(FaultKind::Deny).one_in(4).always();
        let mut faults = Faults::new(1);
        let mut struck = || {
            faults.clear();
            faults.add(fault());
            (0..100).filter(|_| faults.strike(&DELETE).is_some()).collect::<Vec<usize>>()
        };
        assert_ne!(struck(), struck());
    }
}
