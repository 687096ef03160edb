//! The count of API calls by action, shared between what makes them and what reports them, and how often one is made
//! again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How often a call is repeated after an answer that says that nothing happened.
pub const REPEATS: usize = 9;
/// How often a call that may be made twice is repeated after no certain answer.
pub const REPEATS_OF_OPEN: usize = 3;
/// How many seconds pass before each look for what a call without a certain answer may have made: EC2's readings may
/// lag behind its writings by seconds. Together they are as long as EC2 wants between two snapshots of a volume (error
/// code `SnapshotCreationPerVolumeRateExceeded`).
pub const LOOKS: [u32; 3] = [1, 4, 10];
/// How often a volume that was snapshotted a moment ago, by another run, is tried in all.
pub const TRIES_TOO_SOON: usize = 4;

/// Counts calls by API action, repeats included. Clones share one count.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Calls {
    /// Counts one call.
    pub fn count(&self, action: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
    }

    /// How many there were, of all actions.
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Hands over the counts and starts from nothing again.
    pub fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_one_count_by_action_which_is_handed_over_once() {
        let calls = Calls::default();
        let clone = calls.clone();
        calls.count("CopySnapshot");
        for _ in 0..3 {
            clone.count("DescribeSnapshots");
        }
        assert_eq!(clone.total(), 4);
        assert_eq!(calls.take(), BTreeMap::from([("CopySnapshot", 1), ("DescribeSnapshots", 3)]));
        assert_eq!(clone.take(), BTreeMap::new());
        clone.count("CopySnapshot");
        assert_eq!(calls.take(), BTreeMap::from([("CopySnapshot", 1)]));
    }
}
