//! Plans snapshots of certain instances, asked for by an operator, now: a [`Request`] in place of the tag `Backup`.
//!
//! They are backups like the creator's, with the same tags, and expire like them. What may have to be started again
//! after a run that was killed is planned in [`restart`].

mod json;
mod request;
pub mod restart;
mod selection;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

pub use self::{
    json::read_json,
    request::{Mode, Request, RequestError},
    selection::Selection,
};
use crate::{
    create::{Backup, plan_backups},
    ids::{InstanceId, VolumeId},
    inventory::{Instance, InstanceState, Snapshot, Volume},
    plan::{Action, FindingKind, Plan, Reason, Refusal},
    retention::Retention,
    run::Run,
    tags::{self, Tags},
};

/// Auto Scaling's own tag on the instances of a group.
const GROUP: &str = "aws:autoscaling:groupName";

/// What is read for a request.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The instances that EC2 selects by ids and tags together.
    pub instances: Vec<Instance>,
    /// Those that are named and not among them, but there: see [`Selection::lacking`].
    pub lacking: Vec<Instance>,
    /// The volumes that have a tag `Backup`.
    pub volumes: Vec<Volume>,
    /// The automated snapshots of the region.
    pub snapshots: Vec<Snapshot>,
}

/// Plans one backup for each instance that was asked for. By `now`, the present instant, it is judged whether another
/// run is at an instance: that of the run may be long past.
///
/// If an instance that is named is not there, or nothing is selected, the whole request is refused. One that is there
/// and lacks a tag is left alone. An instance of which no snapshot can be taken as asked is a refusal of its own, and
/// the others are taken.
pub fn plan(inventory: &Inventory, request: &Request, run: &Run, now: DateTime<Utc>) -> Plan<Take> {
    let run = &as_begun(&inventory.snapshots, request, run);
    let mut plan = Plan { refusals: refuse(inventory, request, run), ..Plan::within(run.listed) };
    for instance in inventory.lacking.iter().filter(|instance| instance.is_there()) {
        plan.keep(&instance.id, Reason::LacksTags(request.selection.lacks(&instance.tags)));
    }
    if !plan.refusals.is_empty() {
        return plan;
    }
    let excluded: BTreeSet<&VolumeId> =
        inventory.volumes.iter().filter(|volume| volume.is_excluded()).map(|volume| &volume.id).collect();
    let (mut instances, mut whens) = (Vec::new(), BTreeMap::new());
    for instance in &inventory.instances {
        match judge(instance, request, &excluded, now) {
            Verdict::Gone => plan.keep(&instance.id, Reason::Gone),
            Verdict::Unfit(cause) => plan.refusals.push(Refusal { resource: instance.id.to_string(), cause }),
            Verdict::Take(when) => {
                instances.push(as_asked(instance, request));
                whens.insert(&instance.id, when);
            }
        }
    }
    let theirs: BTreeSet<&VolumeId> =
        instances.iter().flat_map(|instance| &instance.devices).map(|device| &device.volume).collect();
    let volumes: Vec<Volume> = inventory.volumes.iter().filter(|volume| theirs.contains(&volume.id)).cloned().collect();
    let backups = plan_backups(&instances, &volumes, &inventory.snapshots, run, &request.id);
    plan.keep_also(backups.kept, backups.kept_unlisted);
    // while an instance is stopped its volumes do not change, in however many calls they are taken
    let is_to_tell = |kind: FindingKind| kind != FindingKind::NotConsistent || request.mode == Mode::AsIs;
    plan.findings.extend(backups.findings.into_iter().filter(|finding| is_to_tell(finding.kind)));
    plan.refusals.extend(backups.refusals);
    for backup in backups.actions {
        let mut backup = backup.asked_for(request.label.as_deref(), request.protected);
        backup.tags.set(tags::BACKUP_REQUEST, request.id.as_str());
        // an instance is stopped once, however many calls its volumes take
        if let Some(take) = plan.actions.iter_mut().find(|take: &&mut Take| take.instance == backup.instance) {
            take.backups.push(backup);
        } else {
            let when = whens.get(&backup.instance).copied().unwrap_or(When::AsIs);
            plan.actions.push(Take { instance: backup.instance.clone(), backups: vec![backup], when });
        }
    }
    plan
}

/// The run, with the instant at which this very request was first tried: Lambda tries an event again that failed, under
/// the same id, and what was taken then is not to be taken, nor stopped, again.
fn as_begun(snapshots: &[Snapshot], request: &Request, run: &Run) -> Run {
    let is_of_request = |snapshot: &&Snapshot| {
        let is_primary = snapshot.is_automated() && snapshot.copy_of().is_none();
        is_primary && snapshot.tags.get(tags::BACKUP_REQUEST) == Some(request.id.as_str())
    };
    let begun = snapshots.iter().filter(is_of_request).filter_map(|snapshot| tags::run_instant(&snapshot.tags));
    // whoever may tag a snapshot does not set the clock of a run ahead
    let first = begun.filter(|instant| *instant <= run.instant).min();
    Run { instant: first.unwrap_or(run.instant), ..run.clone() }
}

/// Why nothing of the request can be done: an instance that is named is not there, or no instance is selected at all.
fn refuse(inventory: &Inventory, request: &Request, run: &Run) -> Vec<Refusal> {
    let Inventory { instances, lacking, .. } = inventory;
    let is_there = |id: &InstanceId| instances.iter().chain(lacking).any(|it| it.id == *id && it.is_there());
    let missing = request.selection.instances.iter().filter(|id| !is_there(id));
    let mut refusals: Vec<Refusal> = missing
        .map(|id| Refusal {
            resource: id.to_string(),
            cause: format!(
                "{} has no such instance: nothing was done; correct the request and send it again",
                run.region
            ),
        })
        .collect();
    if refusals.is_empty() && !instances.iter().any(Instance::is_there) {
        refusals.push(Refusal {
            resource: run.region.to_string(),
            cause: format!(
                "there is no instance {}: nothing was done; keys and values are read to the letter",
                request.selection
            ),
        });
    }
    refusals
}

/// What becomes of an instance.
enum Verdict {
    Take(When),
    Gone,
    Unfit(String),
}

fn judge(instance: &Instance, request: &Request, excluded: &BTreeSet<&VolumeId>, now: DateTime<Utc>) -> Verdict {
    let is_running = match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => return Verdict::Gone,
        InstanceState::Running => true,
        InstanceState::Stopped => false,
        InstanceState::Pending => return neither("starting"),
        InstanceState::Stopping => return neither("stopping"),
        InstanceState::Unknown => return neither("in a state that is not known"),
    };
    let unfit = |cause: &str| Verdict::Unfit(format!("{cause}; it was not touched"));
    if instance.tags.has(tags::STOPPED) && !is_running {
        return unfit(
            "another run has stopped it and starts it again: ask again when it runs, \
             or start it by `snapkeeper snapshot --recover` if there is no such run",
        );
    }
    if instance.devices.is_empty() {
        return unfit("it has no EBS volume of which a snapshot could be taken");
    }
    if instance.devices.iter().all(|device| excluded.contains(&device.volume)) {
        return unfit("all of its volumes are tagged Backup=No: take that tag off one of them");
    }
    if let Some(retention) = unreadable_retention(instance, request) {
        return unfit(&format!("its tag Retention is {retention:?}: correct it, or give --retention"));
    }
    match request.mode {
        Mode::OnlyStopped if is_running => {
            unfit("it is running, and only stopped ones are to be taken: stop it before")
        }
        Mode::Stop if is_running => match not_to_be_stopped(instance, now) {
            Some(cause) => unfit(cause),
            None => Verdict::Take(When::StoppedForIt),
        },
        Mode::Stop | Mode::OnlyStopped => Verdict::Take(When::Stopped),
        Mode::AsIs => Verdict::Take(When::AsIs),
    }
}

/// What the instance's tag says, if it counts and cannot be read. A scheduled run takes such an instance undated; here
/// somebody is there to mend it.
fn unreadable_retention<'a>(instance: &'a Instance, request: &Request) -> Option<&'a str> {
    let counts = !request.protected && request.retention.is_none();
    instance.tags.get(tags::RETENTION).filter(|value| counts && value.parse::<Retention>().is_err())
}

fn neither(what: &str) -> Verdict {
    Verdict::Unfit(format!(
        "it is {what}, neither running nor stopped: ask again when it is one of them; it was not touched"
    ))
}

/// Why a running instance must not, or cannot, be stopped.
fn not_to_be_stopped(instance: &Instance, now: DateTime<Utc>) -> Option<&'static str> {
    if instance.root_is_store {
        Some("its root is an instance store, so it cannot be stopped: take it as it runs")
    } else if instance.is_spot {
        Some("it is a Spot instance, and nobody can promise that it starts again: take it as it runs")
    } else if instance.tags.has(GROUP) {
        Some("its Auto Scaling group would put another one in its place while it is stopped: take it as it runs")
    } else if restart::is_fresh(instance, now) {
        Some("another run has marked it and is about to stop it: ask again when that has ended")
    } else {
        None
    }
}

/// The instance as the creator sees it: enrolled by the request, and kept as long as the request says.
fn as_asked(instance: &Instance, request: &Request) -> Instance {
    // what is kept forever needs no day, and so no tag that can be read
    let mut tags: Tags =
        instance.tags.iter().filter(|(key, _)| !(request.protected && *key == tags::RETENTION)).collect();
    tags.set(tags::BACKUP, tags::YES);
    if let Some(retention) = &request.retention {
        tags.set(tags::RETENTION, retention.to_string());
    }
    Instance { tags, ..instance.clone() }
}

/// The backup of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// The instance.
    pub instance: InstanceId,
    /// What is taken of it: one call each, and more than one only where one cannot leave out what is to be left out.
    pub backups: Vec<Backup>,
    /// In which state.
    pub when: When,
}

/// In which state an instance is to be when its snapshots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In whichever it is.
    AsIs,
    /// Stopped, as it was found.
    Stopped,
    /// Stopped: it runs, and is stopped before and started again after.
    StoppedForIt,
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backups: Vec<String> = self.backups.iter().map(ToString::to_string).collect();
        let backups = backups.join("; ");
        match self.when {
            When::StoppedForIt => write!(f, "stop {}; {backups}; start it again", self.instance),
            When::AsIs | When::Stopped => f.write_str(&backups),
        }
    }
}

impl Action for Take {
    fn resource(&self) -> String {
        self.instance.to_string()
    }
}

#[cfg(test)]
mod tests;
