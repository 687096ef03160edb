//! What counts as concurrent: of each volume, and of the copies.

use crate::model::snapshot::Work;
use std::collections::BTreeMap;

/// What counts as concurrent, by snapshot. A pending snapshot that was deleted counts until its time, and one in `error`
/// until it is deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay {
    works: BTreeMap<String, Work>,
    /// How many snapshots each volume has among them.
    by_volume: BTreeMap<String, usize>,
    copies: usize,
}

impl UnderWay {
    pub(crate) fn begin(&mut self, snapshot: &str, work: Work) {
        self.end(snapshot);
        match &work {
            Work::Volume(volume) => *self.by_volume.entry(volume.clone()).or_default() += 1,
            Work::Copy => self.copies += 1,
        }
        self.works.insert(snapshot.to_owned(), work);
    }

    pub(crate) fn end(&mut self, snapshot: &str) {
        match self.works.remove(snapshot) {
            Some(Work::Volume(volume)) => {
                let left = self.of_volume(&volume).saturating_sub(1);
                if left == 0 {
                    self.by_volume.remove(&volume);
                } else {
                    self.by_volume.insert(volume, left);
                }
            }
            Some(Work::Copy) => self.copies -= 1,
            None => {}
        }
    }

    /// How many snapshots of a volume count.
    pub(crate) fn of_volume(&self, volume: &str) -> usize {
        self.by_volume.get(volume).copied().unwrap_or_default()
    }

    /// How many copies count.
    pub(crate) fn copies(&self) -> usize {
        self.copies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_does_not_count() {
        let mut under_way = UnderWay::default();
        let volume = || Work::Volume("vol-1".to_owned());
        under_way.begin("snap-1", volume());
        under_way.begin("snap-2", volume());
        under_way.begin("snap-2", volume());
        under_way.begin("snap-3", Work::Copy);
        assert_eq!((under_way.of_volume("vol-1"), under_way.of_volume("vol-2"), under_way.copies()), (2, 0, 1));
        for snapshot in ["snap-1", "snap-1", "snap-3", "snap-4"] {
            under_way.end(snapshot);
        }
        assert_eq!((under_way.of_volume("vol-1"), under_way.copies()), (1, 0));
    }
}
