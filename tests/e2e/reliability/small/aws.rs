//! What goes wrong in AWS for as long as nobody mends it: here from some moment on for the rest of two days, on which
//! all jobs run, after two days on which backups were taken and copied.

use std::ops::Range;

use chrono::TimeDelta;
use snapkeeper_reliability::script::{HOME, Job, Pick, Script, Setting, Step, Trouble, WEST};
use snapkeeper_tests::wire;

use super::{Case, DAY, Expected, TIMES, calm, case::Sign, plain, script, setting, small_account, start};

/// Early on the first day of all, before the first backup, in minutes from the start.
const AT_FIRST: i64 = 4 * 60;
/// Early on the first of the two days, before the third backup.
const EARLY: i64 = minutes(4, 30);
/// How many volumes there are.
const VOLUMES: usize = 3;

/// The key for copies is disabled: before each job, and while snapshots and copies are being made.
pub(crate) fn key_disabled() -> Vec<Case> {
    let setting = Setting { with_key: true, ..setting() };
    let usual = usual(setting);
    let disabled = |(hour, minute)| {
        let name = format!("the key is disabled at {hour:02}:{minute:02}");
        lasting(name, setting, minutes(hour, minute), Trouble::KeyOff(WEST.to_owned()), Sign::OtherCalls(usual))
    };
    [(5, 0), (5, 5), (7, 0), (7, 5), (9, 0), (11, 0)].map(disabled).to_vec()
}

/// Snapshots of each volume end in `error`, and the sets that they are part of: one of them, or all that there are.
pub(crate) fn snapshots_fail() -> Vec<Case> {
    let usual = usual(setting());
    let fails = |nth| {
        [(AT_FIRST, 9, "all snapshots"), (EARLY, 1, "a snapshot")].map(|(from, times, what)| {
            let trouble = Trouble::Fails(volume(nth), times);
            lasting(format!("{what} of volume {nth} fail"), setting(), from, trouble, Sign::OtherCalls(usual))
        })
    };
    (0..VOLUMES).flat_map(fails).collect()
}

/// Snapshots of each volume are refused, for a reason of each kind.
pub(crate) fn snapshots_refused() -> Vec<Case> {
    let usual = usual(setting());
    let refused = |nth| {
        ["IncorrectState", "InvalidParameterValue", "SnapshotLimitExceeded"].map(|code| {
            let trouble = Trouble::Refused(volume(nth), code.to_owned());
            let name = format!("snapshots of volume {nth} are refused: {code}");
            lasting(name, setting(), EARLY, trouble, Sign::OtherCalls(usual))
        })
    };
    (0..VOLUMES).flat_map(refused).collect()
}

/// The jobs may not touch one of all the instances, volumes, primaries and copies that they turn to in these days.
pub(crate) fn denied() -> Vec<Case> {
    let usual = usual(setting());
    // the new primaries, when they are completed; and the new copies
    let (taken, copied) = (minutes(6, 30), minutes(8, 30));
    let mut all = Vec::new();
    all.extend(picks(Pick::Instance, HOME, 0..2).map(|pick| (EARLY, pick)));
    all.extend(picks(Pick::Volume, HOME, 0..VOLUMES).map(|pick| (EARLY, pick)));
    for region in [HOME, WEST] {
        all.extend(picks(Pick::Automated, region, 0..2 * VOLUMES).map(|pick| (EARLY, pick)));
    }
    all.extend(picks(Pick::Automated, HOME, 2 * VOLUMES..3 * VOLUMES).map(|pick| (taken, pick)));
    all.extend(picks(Pick::Automated, WEST, 2 * VOLUMES..3 * VOLUMES).map(|pick| (copied, pick)));
    let denied = |(minute, pick): (i64, Pick)| {
        let sign = Sign::OtherCalls(usual);
        let expected = match &pick {
            // a set is asked for by its instance, and a volume of its own by the volume
            Pick::Instance(..) => Expected::Among("an instance is denied".to_owned(), sign),
            Pick::Volume(..) => Expected::Among("a volume is denied".to_owned(), sign),
            Pick::Snapshot(..) | Pick::Automated(..) => Expected::Here(sign),
        };
        let name = format!("{pick} is denied");
        Case { name, script: days(setting(), Some((minute, Trouble::Denied(pick)))), expected }
    };
    all.into_iter().map(denied).collect()
}

/// The destination makes fewer copies at once than there are volumes, on all days.
pub(crate) fn destination_full() -> Vec<Case> {
    let usual = usual(setting());
    let full = |copies_at_once: usize| Case {
        name: format!("{copies_at_once} copies at once"),
        script: days(Setting { copies_at_once, ..setting() }, None),
        expected: Expected::Here(Sign::OtherCalls(usual)),
    };
    (1..VOLUMES).map(full).collect()
}

/// Copies take longer than until the manager runs, than until the next copier, and for ever; those for ever also where
/// they fill what the destination makes at once, on the first day or on the second.
pub(crate) fn copies_slow() -> Vec<Case> {
    // three at once are enough where they are not slow
    let usual = usual(setting());
    let slow = |(hours, copies_at_once): (u32, usize)| {
        let setting = Setting { copies_at_once, ..setting() };
        let name = format!("copies take {hours} hours, {copies_at_once} at once");
        lasting(name, setting, EARLY, Trouble::SlowCopies(hours), Sign::OtherCalls(usual))
    };
    [(3, 20), (30, 20), (200, 20), (200, 4), (200, 3)].map(slow).to_vec()
}

/// Snapshots take longer than until the copier runs, than until the next creator, and for ever: from the first day on,
/// or after two good ones.
pub(crate) fn snapshots_slow() -> Vec<Case> {
    let usual = usual(setting());
    let slow = |hours: u32| {
        [(AT_FIRST, "from the first day on"), (EARLY, "later")].map(|(from, when)| {
            let name = format!("snapshots take {hours} hours {when}");
            lasting(name, setting(), from, Trouble::SlowSnapshots(hours), Sign::OtherCalls(usual))
        })
    };
    [3, 30, 200].into_iter().flat_map(slow).collect()
}

/// Requests are refused for the clock by which they are dated: before each job, and until the calm.
pub(crate) fn wrong_clock_refused() -> Vec<Case> {
    let refused = |skew_hours: i64| {
        TIMES.map(|(job, hour)| {
            let setting = Setting { skew_hours, ..setting() };
            let name = format!("a clock that is {skew_hours:+} h wrong is refused from the {job} on");
            lasting(name, setting, minutes(hour, 0), Trouble::ClockRefused, Sign::Struck("clock refused"))
        })
    };
    [48, -48].into_iter().flat_map(refused).collect()
}

/// The case in which this goes wrong from this minute on.
fn lasting(name: String, setting: Setting, minute: i64, trouble: Trouble, sign: Sign) -> Case {
    Case { name, script: days(setting, Some((minute, trouble))), expected: Expected::Here(sign) }
}

/// The fingerprint of the calls that are made where nothing goes wrong.
fn usual(setting: Setting) -> u64 {
    wire::fingerprint(&wire::play_blocking(&days(setting, None), None).log)
}

/// The days, in which this goes wrong from this minute on, and the calm.
fn days(setting: Setting, goes_wrong: Option<(i64, Trouble)>) -> Script {
    let mut todo: Vec<(i64, Step)> = Vec::new();
    if let Some((minute, trouble)) = goes_wrong {
        // before what runs at the same minute
        todo.push((minute, Step::Until(start() + TimeDelta::minutes(minute))));
        todo.push((minute, Step::Trouble(trouble)));
    }
    for day in 0..DAY + 2 {
        for (job, hour) in TIMES {
            let is_early = day < DAY && matches!(job, Job::Manager | Job::Watcher);
            if is_early {
                continue;
            }
            let minute = (24 * day + hour) * 60;
            todo.push((minute, plain(job, HOME, day)));
            if job == Job::Manager {
                todo.push((minute, plain(job, WEST, day)));
            }
        }
    }
    todo.sort_by_key(|(minute, _)| *minute);
    let mut steps = small_account();
    steps.extend(todo.into_iter().map(|(_, step)| step));
    steps.extend(calm(DAY + 2));
    script(steps, setting)
}

/// A time on the first of the two days, in minutes from the start.
const fn minutes(hour: i64, minute: i64) -> i64 {
    (24 * DAY + hour) * 60 + minute
}

/// These numbers of a kind.
fn picks(kind: fn(String, usize) -> Pick, region: &str, numbers: Range<usize>) -> impl Iterator<Item = Pick> {
    numbers.map(move |nth| kind(region.to_owned(), nth))
}

fn volume(nth: usize) -> Pick {
    Pick::Volume(HOME.to_owned(), nth)
}
