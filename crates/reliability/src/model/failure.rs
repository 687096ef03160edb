//! How a call fails, as `snapkeeper-aws` sorts it by what the caller can do.

use crate::script::Fault;
use std::fmt;

/// A call that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// The kinds of failure: those of `snapkeeper-aws`, and one that nobody hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Throttled,
    TooSoon,
    Busy,
    CopiesFull,
    InUse,
    NotFound,
    Refused,
    Denied,
    Open,
    /// The process is dead.
    Killed,
}

/// An answer that comes after so many seconds is none: the attempt has timed out. As in
/// `snapkeeper-aws`, `ATTEMPT_TIMEOUT`.
pub(super) const ATTEMPT_TIMEOUT: u32 = 30;

impl Failure {
    /// EC2 answered with this code.
    pub(super) fn coded(code: &str, message: &str) -> Failure {
        let kind = match code {
            "RequestLimitExceeded" => Kind::Throttled,
            "SnapshotCreationPerVolumeRateExceeded" => Kind::TooSoon,
            "ConcurrentSnapshotLimitExceeded" | "IncorrectState" | "InvalidState" => Kind::Busy,
            "ResourceLimitExceeded" => Kind::CopiesFull,
            "InvalidSnapshot.InUse" => Kind::InUse,
            "InvalidSnapshot.NotFound" | "InvalidVolume.NotFound" | "InvalidInstanceID.NotFound" => Kind::NotFound,
            "UnauthorizedOperation" | "PendingSnapshotLimitExceeded" | "SnapshotLimitExceeded" => Kind::Denied,
            "InternalError" | "Unavailable" => Kind::Open,
            _ => Kind::Refused,
        };
        Failure { kind, message: format!("{code}: {message}") }
    }

    /// There was no answer.
    pub(super) fn unanswered() -> Failure {
        Failure { kind: Kind::Open, message: "no certain answer".to_owned() }
    }

    /// The process that made the call is dead.
    pub(super) fn killed() -> Failure {
        Failure { kind: Kind::Killed, message: "killed".to_owned() }
    }

    /// How a call looks to its caller that was struck by this fault; `None` if it was answered after all.
    pub(super) fn by(fault: Fault) -> Option<Failure> {
        match fault {
            Fault::Throttled => Some(Failure::coded("RequestLimitExceeded", "request limit exceeded")),
            Fault::Internal | Fault::InternalAfter => Some(Failure::coded("InternalError", "an internal error")),
            Fault::Unavailable => Some(Failure::coded("Unavailable", "the service is not available")),
            Fault::CutBefore | Fault::CutAfter | Fault::Late(_) => Some(Failure::unanswered()),
            Fault::Slow(seconds) => (seconds >= ATTEMPT_TIMEOUT).then(Failure::unanswered),
            Fault::Stale(_) => None,
            Fault::Denied => Some(Failure::coded("UnauthorizedOperation", "permission is denied")),
            Fault::Expired => Some(Failure::coded("InvalidPaginationToken", "the token has expired")),
        }
    }

    /// Whether the call certainly had no effect, for a reason that may lie in one volume alone.
    pub(super) fn may_be_of_one_volume(&self) -> bool {
        match self.kind {
            Kind::TooSoon | Kind::Busy | Kind::NotFound | Kind::Refused => true,
            Kind::Throttled | Kind::CopiesFull | Kind::InUse | Kind::Denied | Kind::Open | Kind::Killed => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
