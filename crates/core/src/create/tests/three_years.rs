//! Creator and manager day by day for three years under `7d 4w 12m`, with days on which nothing runs, fails or is
//! done in time; and every day someone who knows nothing of tags asks whether the promise was kept.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate};
use proptest::prelude::*;

use crate::{
    create::{self, Create},
    delete,
    enrolment::Enrolment,
    fixtures::{day, instance, run},
    ids::SnapshotId,
    inventory::{
        Instance, Snapshot,
        SnapshotState::{Completed, Error, Pending},
    },
    tags::{BACKUP, RETENTION},
};

const FIRST_DAY: &str = "2026-11-21";
const DAYS: usize = 3 * 365 + 2;
const VOLUMES: [&str; 2] = ["vol-a", "vol-b"];

/// What becomes of a day's backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    Good,
    /// Both members end in `error`.
    Failed,
    /// One member ends in `error`.
    HalfFailed,
    /// Pending until the day after, and good then.
    Slow,
    /// Pending until the day after, and one member in `error` then.
    SlowHalfFailed,
    /// The creator does not run.
    Missed,
}

impl Luck {
    fn is_slow(self) -> bool {
        matches!(self, Self::Slow | Self::SlowHalfFailed)
    }

    fn ends_well(self) -> bool {
        matches!(self, Self::Good | Self::Slow)
    }
}

/// A backup as the operator remembers it.
struct Taken {
    day: NaiveDate,
    luck: Luck,
    done: bool,
    snapshots: Vec<SnapshotId>,
    /// Whether its week, its month had no good backup when it was taken.
    first: [bool; 2],
}

impl Taken {
    fn is_good(&self) -> bool {
        self.done && self.luck.ends_well()
    }
}

#[derive(Clone, Copy)]
enum Span {
    Week,
    Month,
}

impl Span {
    const BOTH: [Self; 2] = [Self::Week, Self::Month];

    /// The name of the week or month.
    fn of(self, day: NaiveDate) -> (i32, u32) {
        match self {
            Self::Week => (day.iso_week().year(), day.iso_week().week()),
            Self::Month => (day.year(), day.month()),
        }
    }

    /// The first day on which a week's or month's backup of `day` is no longer promised.
    fn end(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Week => day + Days::new(28),
            Self::Month => {
                day.with_year(day.year() + 1).unwrap_or_else(|| NaiveDate::from_ymd_opt(day.year() + 1, 3, 1).unwrap())
            }
        }
    }
}

/// A small generator (`SplitMix64`): a seed says more than a list of a thousand days.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn luck(&mut self) -> Luck {
        match self.below(20) {
            0 | 1 => Luck::Missed,
            2 => Luck::Failed,
            3 => Luck::HalfFailed,
            4 | 5 => Luck::Slow,
            6 => Luck::SlowHalfFailed,
            _ => Luck::Good,
        }
    }
}

struct Account {
    instances: [Instance; 1],
    snapshots: Vec<Snapshot>,
    history: Vec<Taken>,
}

impl Account {
    fn new() -> Self {
        let tags = [(BACKUP, "Yes"), (RETENTION, "7d 4w 12m")];
        Self { instances: [instance("i-1", &VOLUMES, &tags)], snapshots: Vec::new(), history: Vec::new() }
    }

    fn create(&mut self, today: NaiveDate, luck: Luck) {
        let run = run(&format!("{today}T05:00:00Z"));
        let inventory = create::Inventory {
            instances: self.instances.to_vec(),
            snapshots: self.snapshots.clone(),
            ..create::Inventory::default()
        };
        let plan = create::plan(&inventory, &run);
        let [Create::Backup(backup)] = plan.actions.as_slice() else { panic!("{today}: {:?}", plan.actions) };
        let snapshots: Vec<Snapshot> = backup
            .members
            .iter()
            .map(|volume| Snapshot {
                id: format!("snap-{today}-{volume}").into(),
                volume_as_told: volume.clone(),
                state: Pending,
                message: None,
                started: run.instant,
                description: backup.description(),
                archived: false,
                tags: backup.tags.clone(),
            })
            .collect();
        let first = Span::BOTH
            .map(|span| !self.history.iter().any(|taken| taken.is_good() && span.of(taken.day) == span.of(today)));
        let ids = snapshots.iter().map(|snapshot| snapshot.id.clone()).collect();
        self.history.push(Taken { day: today, luck, done: false, snapshots: ids, first });
        self.snapshots.extend(snapshots);
    }

    /// AWS ends what was begun, but for what is slow and of `today`.
    fn finish(&mut self, today: NaiveDate) {
        for taken in self.history.iter_mut().filter(|taken| !taken.done) {
            if taken.luck.is_slow() && taken.day == today {
                continue;
            }
            taken.done = true;
            for (index, id) in taken.snapshots.iter().enumerate() {
                let fails = match taken.luck {
                    Luck::Good | Luck::Slow | Luck::Missed => false,
                    Luck::Failed => true,
                    Luck::HalfFailed | Luck::SlowHalfFailed => index == 1,
                };
                for snapshot in self.snapshots.iter_mut().filter(|snapshot| snapshot.id == *id) {
                    snapshot.state = if fails { Error } else { Completed };
                }
            }
        }
    }

    fn delete(&mut self, today: NaiveDate) {
        let run = run(&format!("{today}T06:00:00Z"));
        let holds = delete::Holds { enrolment: Enrolment::of(&self.instances, &[]), ..delete::Holds::default() };
        let plan = delete::plan(delete::Found::of(&self.snapshots, &run), &holds, &run);
        let gone: BTreeSet<SnapshotId> = plan.actions.into_iter().map(|action| action.snapshot).collect();
        self.snapshots.retain(|snapshot| !gone.contains(&snapshot.id));
    }

    /// Every good backup of seven days, one of each week for four weeks and of each month for twelve.
    fn is_as_promised(&self, today: NaiveDate, there: &BTreeSet<&SnapshotId>) {
        let is_there = |taken: &Taken| taken.snapshots.iter().all(|id| there.contains(id));
        for taken in self.history.iter().filter(|taken| taken.is_good() || !taken.done) {
            assert!(
                is_there(taken) || taken.day + Days::new(7) <= today,
                "{today}: the backup of {} is gone within its seven days",
                taken.day
            );
        }
        for span in Span::BOTH {
            let mut asked = BTreeSet::new();
            for first in self.history.iter().filter(|taken| taken.is_good()) {
                let name = span.of(first.day);
                if !asked.insert(name) || span.end(first.day) <= today {
                    continue;
                }
                assert!(
                    self.history.iter().any(|taken| taken.is_good() && span.of(taken.day) == name && is_there(taken)),
                    "{today}: nothing is left of {name:?}, whose first good backup was on {}",
                    first.day
                );
            }
        }
    }

    /// Nothing is there that nobody was promised, but for the last good backup.
    fn is_tidy(&self, today: NaiveDate, there: &BTreeSet<&SnapshotId>) {
        let last_good = self.history.iter().filter(|taken| taken.is_good()).map(|taken| taken.day).max();
        for taken in &self.history {
            let promised = taken.day + Days::new(7) > today
                || Span::BOTH
                    .into_iter()
                    .zip(taken.first)
                    .any(|(span, is_first)| is_first && span.end(taken.day) > today);
            if promised || last_good.is_none_or(|last| last == taken.day) {
                continue;
            }
            for id in &taken.snapshots {
                assert!(!there.contains(id), "{today}: {id} ({:?}) is still there", taken.luck);
            }
        }
        // 7 days, 5 weeks, 13 months; and of each week and month the failed tries before its first good one
        assert!(there.len() <= 2 * 60, "{today}: {} snapshots", there.len());
    }
}

proptest! {
    // a case takes a second or so; a seed cannot be made smaller
    #![proptest_config(ProptestConfig { max_shrink_iters: 0, ..ProptestConfig::with_cases(4) })]

    #[test]
    fn the_promise_is_kept_for_three_years(seed: u64) {
        let mut dice = Dice(seed);
        let mut account = Account::new();
        for today in day(FIRST_DAY).iter_days().take(DAYS) {
            let luck = dice.luck();
            if luck != Luck::Missed {
                account.create(today, luck);
            }
            account.finish(today);
            let manager_runs = dice.below(10) != 0;
            if manager_runs {
                account.delete(today);
            }
            let there: BTreeSet<&SnapshotId> = account.snapshots.iter().map(|snapshot| &snapshot.id).collect();
            account.is_as_promised(today, &there);
            if manager_runs {
                account.is_tidy(today, &there);
            }
        }
    }
}
