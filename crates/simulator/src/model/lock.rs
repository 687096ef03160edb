//! Snapshot locks.

use chrono::{DateTime, TimeDelta, Utc};

/// A lock on a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How hard it is to lift.
    pub mode: LockMode,
    /// When it was set.
    pub created_on: DateTime<Utc>,
    /// From when its duration counts: not before the snapshot is complete.
    pub starts_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_on: DateTime<Utc>,
    /// Until when a compliance lock may still be lifted.
    pub cool_off_until: Option<DateTime<Utc>>,
}

/// How hard a lock is to lift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has the permission may lift it.
    Governance,
    /// Nobody may lift it after the cool-off period.
    Compliance,
}

/// The state of a lock at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockState {
    Governance,
    ComplianceCoolOff,
    Compliance,
    Expired,
}

impl LockState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            LockState::Governance => "governance",
            LockState::ComplianceCoolOff => "compliance-cooloff",
            LockState::Compliance => "compliance",
            LockState::Expired => "expired",
        }
    }
}

impl Lock {
    pub(crate) fn state(&self, now: DateTime<Utc>) -> LockState {
        if self.expires_on <= now {
            return LockState::Expired;
        }
        match self.mode {
            LockMode::Governance => LockState::Governance,
            LockMode::Compliance if self.cool_off_until.is_some_and(|until| now < until) => {
                LockState::ComplianceCoolOff
            }
            LockMode::Compliance => LockState::Compliance,
        }
    }

    /// Its duration in whole days.
    pub(crate) fn days(&self) -> i64 {
        let length = self.expires_on - self.starts_at;
        // an expiration date may leave a part of a day, which counts as one
        (length + TimeDelta::days(1) - TimeDelta::milliseconds(1)).num_days()
    }

    pub(crate) fn cool_off_hours(&self) -> Option<i64> {
        self.cool_off_until.map(|until| (until - self.created_on).num_hours())
    }
}
