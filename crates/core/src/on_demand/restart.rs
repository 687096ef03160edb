//! Plans what follows from marks: an instance that a run has stopped, and did not start because it was killed, is
//! started. As long as that run may be at it still, it is told of.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::InstanceId,
    inventory::{Instance, InstanceState},
    plan::{Action, Finding, FindingKind, Plan, Reason},
    run::Run,
    tags,
};

/// A run may still be at what it marked so long ago: longer than a Lambda function can live.
pub const FRESH: TimeDelta = TimeDelta::minutes(30);

/// Plans to start what is marked, also what seems to run: that may be an old reading, and to start what runs does
/// nothing. Marks that are younger than `older_than` at `now` are left to the run that set them, and told of if the
/// instance is stopped; with nothing as `older_than` none is.
pub fn plan(marked: &[Instance], older_than: TimeDelta, now: DateTime<Utc>) -> Plan<Restart> {
    let mut plan = Plan::default();
    for instance in marked {
        let Some(mark) = instance.tags.get(tags::STOPPED) else { continue };
        // what cannot be read was not written by a run that is under way
        if is_younger(instance, older_than, now) {
            plan.findings.extend(left_stopped(instance));
            continue;
        }
        if !instance.is_there() {
            plan.keep(&instance.id, Reason::Gone);
            continue;
        }
        plan.actions.push(Restart { instance: instance.id.clone(), mark: mark.to_owned() });
    }
    plan
}

/// Tells of an instance that a run has stopped, if this is one. Nobody can see from here whether that run lives; if it
/// does not, the instance waits for the next creator.
pub(crate) fn left_stopped(instance: &Instance) -> Option<Finding> {
    let is_stopped = match instance.state {
        InstanceState::Stopping | InstanceState::Stopped => instance.tags.has(tags::STOPPED),
        InstanceState::Pending
        | InstanceState::Running
        | InstanceState::ShuttingDown
        | InstanceState::Terminated
        | InstanceState::Unknown => false,
    };
    is_stopped.then(|| {
        let since = marked_at(instance);
        let at = since.map_or_else(String::new, |since| format!(" at {}", tags::stamp(since)));
        Finding {
            kind: FindingKind::LeftStopped,
            resource: instance.id.to_string(),
            what: format!("a run stopped it{at}, and starts it again or was killed"),
            since,
            todo: "if no run is at it, start it by `snapkeeper snapshot --recover`".to_owned(),
        }
    })
}

/// Whether a run that set this instance's mark may still be under way.
pub(super) fn is_fresh(instance: &Instance, now: DateTime<Utc>) -> bool {
    is_younger(instance, FRESH, now)
}

/// The mark that a run sets at `now`, on one instance: no other run has the same. The instant comes first.
pub fn mark(run: &Run, now: DateTime<Utc>) -> String {
    format!("{} {:x}-{:x}", tags::stamp(now), run.instant.timestamp(), now.timestamp_subsec_nanos())
}

/// Another machine's clock may be ahead, but not by much: a mark of a distant future is nobody's.
fn is_younger(instance: &Instance, than: TimeDelta, now: DateTime<Utc>) -> bool {
    marked_at(instance).is_some_and(|marked| (now - marked).abs() < than)
}

/// The instant of an instance's mark, which is its first word.
fn marked_at(instance: &Instance) -> Option<DateTime<Utc>> {
    let instant = instance.tags.get(tags::STOPPED)?.split_whitespace().next()?;
    Some(DateTime::parse_from_rfc3339(instant).ok()?.to_utc())
}

/// Starts a marked instance, and takes the mark off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The instance.
    pub instance: InstanceId,
    /// The mark's value.
    pub mark: String,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, mark } = self;
        write!(f, "start {instance} if it is stopped: a run marked it {}", mark.escape_debug())
    }
}

impl Action for Restart {
    fn resource(&self) -> String {
        self.instance.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, instance, run};

    const OLD: &str = "2026-11-21T05:30:00Z";
    const YOUNG: &str = "2026-11-21T05:30:01Z";

    #[test]
    fn what_was_marked_long_enough_ago_is_started_in_whatever_state() {
        #[track_caller]
        fn check(mark: &str, state: InstanceState, older_than: TimeDelta, expected: &[&str]) {
            let marked = instance("i-1", &["vol-a"], &[(tags::STOPPED, mark)]).in_state(state);
            let plan = plan(&[marked], older_than, at("2026-11-21T06:00:00Z"));
            assert!(plan.actions.iter().all(|action| action.resource() == "i-1"), "{:?}", plan.actions);
            let told = plan.actions.iter().map(ToString::to_string);
            let kept = plan.kept.iter().map(|kept| format!("keep {}: {}", kept.resource, kept.reason.kind()));
            assert_eq!(told.chain(kept).collect::<Vec<_>>(), expected);
        }
        let start = &["start i-1 if it is stopped: a run marked it 2026-11-21T05:30:00Z"];
        for state in [
            InstanceState::Stopped,
            InstanceState::Stopping,
            InstanceState::Unknown,
            // that may be an old reading
            InstanceState::Running,
            InstanceState::Pending,
        ] {
            check(OLD, state, FRESH, start);
            check(YOUNG, state, FRESH, &[]);
        }
        // as runs write it
        let written = mark(&run("2026-11-21T05:29:00Z"), at("2026-11-21T05:30:01.5Z"));
        assert!(written.starts_with("2026-11-21T05:30:01Z "), "{written}");
        check(&written, InstanceState::Stopped, FRESH, &[]);
        check(OLD, InstanceState::Terminated, FRESH, &["keep i-1: gone"]);
        // all, however young, and whatever the other machine's clock
        for mark in ["2026-11-21T06:00:00Z", "2026-11-21T06:00:40Z"] {
            let start = format!("start i-1 if it is stopped: a run marked it {mark}");
            check(mark, InstanceState::Stopped, TimeDelta::zero(), &[&start]);
            check(mark, InstanceState::Stopped, FRESH, &[]);
        }
        // what no run of ours can have written
        let start = "start i-1 if it is stopped: a run marked it 2036-11-21T06:00:00Z";
        check("2036-11-21T06:00:00Z", InstanceState::Stopped, FRESH, &[start]);
        check("a\nb", InstanceState::Stopped, FRESH, &[r"start i-1 if it is stopped: a run marked it a\nb"]);
    }

    #[test]
    fn what_may_still_be_started_by_its_run_is_told_of() {
        #[track_caller]
        fn check(mark: &str, state: InstanceState, expected: Option<&str>) {
            let marked = instance("i-1", &["vol-a"], &[(tags::STOPPED, mark)]).in_state(state);
            let plan = plan(&[marked], FRESH, at("2026-11-21T06:00:00Z"));
            let told: Vec<&str> = plan.findings.iter().map(|finding| finding.what.as_str()).collect();
            assert_eq!(told, Vec::from_iter(expected), "{mark} {state:?}");
            assert!(plan.findings.iter().all(|it| it.kind == FindingKind::LeftStopped && it.resource == "i-1"));
        }
        let told = "a run stopped it at 2026-11-21T05:30:01Z, and starts it again or was killed";
        for mark in [YOUNG, "2026-11-21T05:30:01Z 6ba1c3d8-1f4a2c0"] {
            check(mark, InstanceState::Stopped, Some(told));
            check(mark, InstanceState::Stopping, Some(told));
            check(mark, InstanceState::Running, None);
            check(mark, InstanceState::Pending, None);
            check(mark, InstanceState::Terminated, None);
        }
        // what is started now is no finding
        check(OLD, InstanceState::Stopped, None);
    }

    #[test]
    fn what_is_not_marked_is_not_touched() {
        let stopped = instance("i-1", &["vol-a"], &[]).in_state(InstanceState::Stopped);
        assert_eq!(plan(&[stopped], TimeDelta::zero(), at("2026-11-21T06:00:00Z")), Plan::default());
    }
}
