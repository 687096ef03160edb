//! Faults that are injected on purpose: which call they strike, and how.

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
    /// How many matching calls pass first.
    pub after: u32,
    /// How many matching calls it then strikes; `u32::MAX` means all.
    pub times: u32,
    /// How it strikes.
    pub kind: FaultKind,
}

/// How a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// `RequestLimitExceeded`, without effect.
    Throttle,
    /// This error, without effect.
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
    /// `UnauthorizedOperation`, without effect.
    Deny,
}

impl Fault {
    /// A fault that strikes the next call of `action`, once, in any region.
    pub fn new(action: &str, kind: FaultKind) -> Fault {
        Fault { action: Some(action.to_owned()), ..Fault::any(kind) }
    }

    /// A fault that strikes the next call of whatever action, once, in any region.
    pub fn any(kind: FaultKind) -> Fault {
        Fault { action: None, region: None, resource: None, after: 0, times: 1, kind }
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

    fn strikes(&self, region: &str, action: &str, params: &[(String, String)]) -> bool {
        self.action.as_deref().is_none_or(|wanted| wanted == action)
            && self.region.as_deref().is_none_or(|wanted| wanted == region)
            && self.resource.as_deref().is_none_or(|wanted| params.iter().any(|(_, value)| value == wanted))
    }
}

/// The faults that are waiting to strike.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault that strikes this call: of those that match and are not waiting, the one that was injected first.
    pub(crate) fn strike(&mut self, region: &str, action: &str, params: &[(String, String)]) -> Option<FaultKind> {
        let mut kind = None;
        for fault in &mut self.0 {
            if !fault.strikes(region, action, params) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if kind.is_none() && fault.times > 0 {
                if fault.times != u32::MAX {
                    fault.times -= 1;
                }
                kind = Some(fault.kind.clone());
            }
        }
        self.0.retain(|fault| fault.times > 0);
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(
            Fault::new("DeleteSnapshot", FaultKind::Throttle).in_region("us-east-1").on("snap-1").after(1).times(2),
        );
        let params = [("SnapshotId".to_owned(), "snap-1".to_owned())];
        let other = [("SnapshotId".to_owned(), "snap-2".to_owned())];
        let mut strike =
            |region: &str, action: &str, params: &[(String, String)]| faults.strike(region, action, params).is_some();
        assert!(!strike("us-east-1", "DeleteSnapshot", &params), "the first passes");
        assert!(!strike("us-west-2", "DeleteSnapshot", &params), "another region");
        assert!(!strike("us-east-1", "CreateSnapshot", &params), "another action");
        assert!(!strike("us-east-1", "DeleteSnapshot", &other), "another resource");
        assert!(strike("us-east-1", "DeleteSnapshot", &params));
        assert!(strike("us-east-1", "DeleteSnapshot", &params));
        assert!(!strike("us-east-1", "DeleteSnapshot", &params), "spent");
    }
}
