//! Snapshot locks: set, lifted, listed.

use crate::action::{Read, act};
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::model::ids::Kind;
use crate::model::lock::{Lock, LockMode, LockState};
use crate::model::snapshot::SnapshotState;
use crate::model::tags::Tags;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

const DAYS: std::ops::RangeInclusive<i64> = 1..=36_500;
const COOL_OFF_HOURS: std::ops::RangeInclusive<i64> = 1..=72;

/// A snapshot and its lock, as it is listed. One without a lock may be asked for by id, and is not listed.
struct Locked {
    id: String,
    owner: String,
    lock: Option<(Lock, LockState)>,
    /// Always empty: locked snapshots are not filtered by tags.
    tags: Tags,
}

impl Resource for Locked {
    const KIND: Kind = Kind::Snapshot;
    const FIELDS: &'static [Field<Locked>] =
        &[("lock-state", |locked, passes| locked.lock.as_ref().is_some_and(|(_, state)| passes(state.as_str())))];
    const HAS_TAGS: bool = false;

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// Until when a lock is to last.
#[derive(Clone, Copy)]
enum Term {
    Days(i64),
    Until(DateTime<Utc>),
}

pub(super) fn lock(params: &Params) -> Read {
    let id = Kind::Snapshot.check(params.required("SnapshotId")?)?;
    let mode = match params.required("LockMode")? {
        "governance" => LockMode::Governance,
        "compliance" => LockMode::Compliance,
        other => return Err(Error::invalid_value("LockMode", other)),
    };
    let term = match (params.parsed::<i64>("LockDuration")?, params.parsed::<DateTime<Utc>>("ExpirationDate")?) {
        (Some(days), None) if DAYS.contains(&days) => Term::Days(days),
        (Some(days), None) => return Err(Error::invalid_value("LockDuration", &days.to_string())),
        (None, Some(until)) => Term::Until(until),
        (None, None) => return Err(Error::missing("LockDuration")),
        (Some(_), Some(_)) => {
            let message = "LockDuration and ExpirationDate cannot be used together.";
            return Err(Error::new("InvalidParameterCombination", message));
        }
    };
    let cool_off = params.parsed::<i64>("CoolOffPeriod")?;
    if let Some(hours) = cool_off {
        if mode == LockMode::Governance {
            return Err(Error::new("InvalidParameterCombination", "CoolOffPeriod is for LockMode compliance only."));
        }
        if !COOL_OFF_HOURS.contains(&hours) {
            return Err(Error::invalid_value("CoolOffPeriod", &hours.to_string()));
        }
    }
    Ok(act(move |here| {
        let now = here.now;
        let snapshot = here.own_snapshot(&id)?;
        if snapshot.state == SnapshotState::Error {
            return Err(Error::new("IncorrectState", format!("The snapshot {id} is in the error state.")));
        }
        // the duration of a lock counts from the snapshot's completion
        let starts_at = if snapshot.state == SnapshotState::Pending { snapshot.ends_at } else { now };
        let expires_on = match term {
            Term::Days(days) => starts_at + TimeDelta::days(days),
            Term::Until(until) if until > now => until,
            Term::Until(_) => return Err(Error::invalid("ExpirationDate is not in the future.")),
        };
        let old = snapshot.lock.as_ref().filter(|old| old.state(now) == LockState::Compliance);
        if old.is_some_and(|old| mode != LockMode::Compliance || expires_on < old.expires_on) {
            return Err(locked(&id));
        }
        let cool_off_until = cool_off.map(|hours| now + TimeDelta::hours(hours));
        let lock = Lock { mode, created_on: now, starts_at, expires_on, cool_off_until };
        snapshot.lock = Some(lock.clone());
        here.region().locked.insert(id.clone());
        Ok(Nodes::new().text("snapshotId", &id).and(shape(&lock, lock.state(now))))
    }))
}

pub(super) fn unlock(params: &Params) -> Read {
    let id = Kind::Snapshot.check(params.required("SnapshotId")?)?;
    Ok(act(move |here| {
        let now = here.now;
        let snapshot = here.own_snapshot(&id)?;
        match snapshot.lock.as_ref().map(|lock| lock.state(now)) {
            Some(LockState::Governance | LockState::ComplianceCoolOff | LockState::Expired) => snapshot.lock = None,
            Some(LockState::Compliance) => return Err(locked(&id)),
            None => return Err(Error::invalid(format!("The snapshot {id} is not locked."))),
        }
        Ok(Nodes::new().text("snapshotId", &id))
    }))
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<Locked>::read(params)?;
    Ok(act(move |here| {
        let (now, page_size) = (here.now, here.world.page_size);
        let region = here.region();
        let ids: BTreeSet<&String> = region.locked.iter().chain(listing.ids()).collect();
        let all: Vec<Locked> = ids
            .into_iter()
            .filter_map(|id| region.snapshots.all().get(id))
            .map(|snapshot| Locked {
                id: snapshot.id.clone(),
                owner: snapshot.owner.clone(),
                lock: snapshot.lock.as_ref().map(|lock| (lock.clone(), lock.state(now))),
                tags: Tags::new(),
            })
            .collect();
        let (page, next) = listing.pick(page_size, All::few(&all), |one| one.lock.is_some())?;
        let shapes = page.into_iter().filter_map(|one| {
            let (lock, state) = one.lock.as_ref()?;
            let nodes = Nodes::new().text("ownerId", &one.owner).text("snapshotId", &one.id);
            Some(nodes.and(shape(lock, *state)))
        });
        Ok(Nodes::new().items("snapshotSet", shapes).maybe("nextToken", next))
    }))
}

fn locked(id: &str) -> Error {
    // unconfirmed: AWS does not document the code
    Error::new("SnapshotLocked", format!("The snapshot {id} is locked in compliance mode."))
}

fn shape(lock: &Lock, state: LockState) -> Nodes {
    Nodes::new()
        .text("lockState", state.as_str())
        .text("lockDuration", lock.days())
        .maybe("coolOffPeriod", lock.cool_off_hours())
        .maybe("coolOffPeriodExpiresOn", lock.cool_off_until.map(instant))
        .text("lockCreatedOn", instant(lock.created_on))
        .text("lockDurationStartTime", instant(lock.starts_at))
        .text("lockExpiresOn", instant(lock.expires_on))
}

#[cfg(test)]
mod tests {
    use crate::Simulator;
    use crate::testing::{Look as _, Reply, call, simulator, snapshot};
    use std::time::Duration;

    fn ask(sim: &Simulator, action: &str, id: &str, more: &[(&str, &str)]) -> Reply {
        call(sim, "us-east-1", action, &[[("SnapshotId", id)].as_slice(), more].concat())
    }

    fn states(sim: &Simulator) -> Vec<String> {
        call(sim, "us-east-1", "DescribeLockedSnapshots", &[]).ok().texts("lockState")
    }

    #[tokio::test(start_paused = true)]
    async fn a_locked_snapshot_is_deleted_only_when_the_lock_is_lifted_or_over() {
        let sim = simulator();
        let id = snapshot(&sim, "us-east-1");
        let governance = [("LockMode", "governance"), ("LockDuration", "1")];
        ask(&sim, "LockSnapshot", &id, &governance).ok();
        assert_eq!(states(&sim), ["governance"]);
        assert_eq!(ask(&sim, "DeleteSnapshot", &id, &[]).code(), "SnapshotLocked");
        ask(&sim, "UnlockSnapshot", &id, &[]).ok();
        ask(&sim, "LockSnapshot", &id, &governance).ok();
        sim.skip(Duration::from_hours(24));
        assert_eq!(states(&sim), ["expired"]);
        ask(&sim, "DeleteSnapshot", &id, &[]).ok();
    }

    #[tokio::test(start_paused = true)]
    async fn a_compliance_lock_is_lifted_only_while_it_cools_off() {
        let sim = simulator();
        let id = snapshot(&sim, "us-east-1");
        let compliance = [("LockMode", "compliance"), ("LockDuration", "30"), ("CoolOffPeriod", "1")];
        ask(&sim, "LockSnapshot", &id, &compliance).ok();
        assert_eq!(states(&sim), ["compliance-cooloff"]);
        sim.skip(Duration::from_hours(1));
        assert_eq!(states(&sim), ["compliance"]);
        assert_eq!(ask(&sim, "UnlockSnapshot", &id, &[]).code(), "SnapshotLocked");
        let shorter = [("LockMode", "compliance"), ("LockDuration", "1")];
        assert_eq!(ask(&sim, "LockSnapshot", &id, &shorter).code(), "SnapshotLocked");
    }
}
