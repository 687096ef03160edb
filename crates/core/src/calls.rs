//! The count of API calls by action, shared between what makes them and what reports them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts calls by API action, repeats included. Clones share one count.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Calls {
    /// Counts one call.
    pub fn count(&self, action: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
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
        assert_eq!(calls.take(), BTreeMap::from([("CopySnapshot", 1), ("DescribeSnapshots", 3)]));
        assert_eq!(clone.take(), BTreeMap::new());
        clone.count("CopySnapshot");
        assert_eq!(calls.take(), BTreeMap::from([("CopySnapshot", 1)]));
    }
}
