//! What makes a row small: numbers in place of what comes again and again, and ids in nine bytes.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{Datelike, NaiveDate};

use super::Life;
use crate::{ids::SnapshotId, inventory::SnapshotState};

/// The number of what is not there.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers for what comes again and again, in the order in which it came first.
#[derive(Clone)]
pub(super) struct Numbers<T> {
    of: BTreeMap<T, u32>,
    all: Vec<T>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { of: BTreeMap::new(), all: Vec::new() }
    }
}

impl<T: Ord + Clone> Numbers<T> {
    /// The number of this one, a new one where it comes for the first time.
    pub(super) fn give(&mut self, it: T) -> u32 {
        if let Some(number) = self.of.get(&it) {
            return *number;
        }
        let number = number(self.all.len());
        self.all.push(it.clone());
        self.of.insert(it, number);
        number
    }

    pub(super) fn find(&self, it: &T) -> Option<u32> {
        self.of.get(it).copied()
    }

    pub(super) fn at(&self, number: u32) -> Option<&T> {
        self.all.get(number as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// All with their numbers, in their own order.
    pub(super) fn sorted(&self) -> impl Iterator<Item = (&T, u32)> {
        self.of.iter().map(|(it, number)| (it, *number))
    }
}

/// The number of what comes after so many others: no region has four billion of anything.
pub(super) fn number(others: usize) -> u32 {
    u32::try_from(others).unwrap_or(NONE)
}

/// What is remembered of one snapshot. There may be half a million of them.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    /// When it was begun, in microseconds: AWS tells milliseconds.
    pub(super) started: i64,
    pub(super) volume: u32,
    pub(super) run: u32,
    pub(super) instance: u32,
    pub(super) set: u32,
    pub(super) life: PackedLife,
    pub(super) id: PackedId,
    pub(super) state: SnapshotState,
    /// Whether it is not to be deleted, whatever comes.
    pub(super) stays: bool,
}

/// A snapshot's id: the seventeen digits that EC2 gives, or the place of another one among the odd ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedId([u8; 9]);

const PREFIX: &str = "snap-";
/// Begins the place of an odd one: seventeen digits begin with half a byte.
const ODD: u8 = 0xff;

impl PackedId {
    pub(super) fn new(id: &SnapshotId, odd: &mut Vec<SnapshotId>) -> Self {
        let mut packed = [0; 9];
        if let Some(digits) = digits(id) {
            packed.copy_from_slice(&digits.to_be_bytes()[7..]);
        } else {
            packed[0] = ODD;
            packed[5..].copy_from_slice(&number(odd.len()).to_be_bytes());
            odd.push(id.clone());
        }
        Self(packed)
    }

    pub(super) fn id(self, odd: &[SnapshotId]) -> SnapshotId {
        let mut bytes = [0; 16];
        bytes[7..].copy_from_slice(&self.0);
        if self.is_odd() {
            bytes[7] = 0;
        }
        let number = u128::from_be_bytes(bytes);
        let odd = usize::try_from(number).ok().filter(|_| self.is_odd()).and_then(|place| odd.get(place));
        odd.cloned().unwrap_or_else(|| format!("{PREFIX}{number:017x}").into())
    }

    /// In the order of the ids.
    pub(super) fn compare(self, other: Self, odd: &[SnapshotId]) -> Ordering {
        if self.is_odd() || other.is_odd() { self.id(odd).cmp(&other.id(odd)) } else { self.0.cmp(&other.0) }
    }

    fn is_odd(self) -> bool {
        self.0[0] == ODD
    }
}

fn digits(id: &SnapshotId) -> Option<u128> {
    let digits = id.as_str().strip_prefix(PREFIX)?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 17 || !digits.bytes().all(is_digit) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

/// A [`Life`] in four bytes: the day, or what is no day.
#[derive(Clone, Copy)]
pub(super) struct PackedLife(i32);

const FOREVER: i32 = i32::MIN;
const UNDATED: i32 = i32::MIN + 1;
const UNREADABLE: i32 = i32::MIN + 2;

impl From<Life> for PackedLife {
    fn from(life: Life) -> Self {
        Self(match life {
            Life::Forever => FOREVER,
            Life::Undated => UNDATED,
            Life::Unreadable => UNREADABLE,
            Life::Until(day) => day.num_days_from_ce(),
        })
    }
}

impl From<PackedLife> for Life {
    fn from(PackedLife(packed): PackedLife) -> Self {
        match packed {
            FOREVER => Self::Forever,
            UNDATED => Self::Undated,
            day => NaiveDate::from_num_days_from_ce_opt(day).map_or(Self::Unreadable, Self::Until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_million_rows_take_twenty_megabytes() {
        assert_eq!(size_of::<Fields>(), 40);
        assert_eq!(size_of::<SnapshotId>(), 24, "an id is within its type");
    }

    #[test]
    fn an_id_is_unpacked_as_it_was_and_ordered_as_it_is() {
        let ids: Vec<SnapshotId> = [
            "",
            "ami-0123456789abcdef0",
            "snap-",
            "snap-0",
            "snap-00000000000000000",
            "snap-0123456789abcdef0",
            "snap-0123456789abcdef01",
            "snap-01234567",
            "snap-+123456789abcdef0",
            "snap-a",
            "snap-f123456789abcde",
            "snap-fffffffffffffffff",
            "snap-FFFFFFFFFFFFFFFFF",
        ]
        .map(SnapshotId::from)
        .to_vec();
        let mut odd = Vec::new();
        let packed: Vec<PackedId> = ids.iter().map(|id| PackedId::new(id, &mut odd)).collect();
        assert_eq!(odd.len(), ids.len() - 3, "seventeen digits need no place");
        for (a, packed_a) in ids.iter().zip(&packed) {
            assert_eq!(packed_a.id(&odd), *a);
            for (b, packed_b) in ids.iter().zip(&packed) {
                assert_eq!(packed_a.compare(*packed_b, &odd), a.cmp(b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_life_is_unpacked_as_it_was() {
        let day = |text: &str| Life::Until(text.parse().unwrap());
        for life in [Life::Forever, Life::Undated, Life::Unreadable, day("0001-01-01"), day("2026-12-01")] {
            assert_eq!(Life::from(PackedLife::from(life)), life);
        }
        assert_eq!(Life::from(PackedLife::from(Life::Until(NaiveDate::MAX))), Life::Until(NaiveDate::MAX));
    }
}
