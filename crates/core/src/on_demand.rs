//! Plans snapshots of certain instances, asked for by an operator, now: a [`Request`] in place of the tag `Backup`.
//!
//! They are backups like the creator's, with the same tags, and expire like them. What may have to be started again
//! after a run that was killed is planned in [`restart`].

mod request;
pub mod restart;

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};

pub use self::request::{Mode, Request, RequestError, Selection};
pub use crate::create::Inventory;
use crate::{
    create::{Backup, plan_backups},
    ids::{InstanceId, VolumeId},
    inventory::{Instance, InstanceState, Volume},
    plan::{Action, FindingKind, Plan, Reason, Refusal},
    run::Run,
    tags::{self, Tags},
};

/// Auto Scaling's own tag on the instances of a group.
const GROUP: &str = "aws:autoscaling:groupName";

/// Plans one backup for each instance that was asked for. What EC2 selected is in `inventory.instances`. By `now`, the
/// present instant, it is judged whether another run is at an instance: that of the run may be long past.
///
/// If an instance that is named is not among them, or nothing is, the whole request is refused. An instance of which no
/// snapshot can be taken as asked is a refusal of its own, and the others are taken.
pub fn plan(inventory: &Inventory, request: &Request, run: &Run, now: DateTime<Utc>) -> Plan<Take> {
    let refusals = refuse(inventory, request, run);
    if !refusals.is_empty() {
        return Plan { refusals, ..Plan::default() };
    }
    let mut plan = Plan::default();
    let excluded: BTreeSet<&VolumeId> =
        inventory.volumes.iter().filter(|volume| volume.is_excluded()).map(|volume| &volume.id).collect();
    let (mut instances, mut to_stop) = (Vec::new(), BTreeSet::new());
    for instance in &inventory.instances {
        match judge(instance, request.mode, &excluded, now) {
            Verdict::Gone => plan.keep(&instance.id, Reason::Gone),
            Verdict::Unfit(cause) => plan.refusals.push(Refusal { resource: instance.id.to_string(), cause }),
            Verdict::Take { stop } => {
                instances.push(as_asked(instance, request));
                if stop {
                    to_stop.insert(instance.id.clone());
                }
            }
        }
    }
    let theirs: BTreeSet<&VolumeId> =
        instances.iter().flat_map(|instance| &instance.devices).map(|device| &device.volume).collect();
    let volumes: Vec<Volume> = inventory.volumes.iter().filter(|volume| theirs.contains(&volume.id)).cloned().collect();
    let backups = plan_backups(&instances, &volumes, &inventory.snapshots, run);
    plan.kept.extend(backups.kept);
    // while an instance is stopped its volumes do not change, in however many calls they are taken
    let is_to_tell = |kind: FindingKind| kind != FindingKind::NotConsistent || request.mode == Mode::AsIs;
    plan.findings.extend(backups.findings.into_iter().filter(|finding| is_to_tell(finding.kind)));
    plan.refusals.extend(backups.refusals);
    for backup in backups.actions {
        let backup = backup.asked_for(request.label.as_deref(), request.protected);
        // an instance is stopped once, however many calls its volumes take
        if let Some(take) = plan.actions.iter_mut().find(|take: &&mut Take| take.instance == backup.instance) {
            take.backups.push(backup);
        } else {
            let (instance, stop) = (backup.instance.clone(), to_stop.contains(&backup.instance));
            plan.actions.push(Take { instance, backups: vec![backup], stop });
        }
    }
    plan
}

/// Why nothing of the request can be done: an instance that is named is not there, or no instance is selected at all.
fn refuse(inventory: &Inventory, request: &Request, run: &Run) -> Vec<Refusal> {
    let with_tags = if request.selection.tags.is_empty() { "" } else { " with the tags that were asked for" };
    let is_there = |id: &InstanceId| inventory.instances.iter().any(|it| it.id == *id && it.is_there());
    let missing = request.selection.instances.iter().filter(|id| !is_there(id));
    let mut refusals: Vec<Refusal> = missing
        .map(|id| Refusal {
            resource: id.to_string(),
            cause: format!(
                "{} has no such instance{with_tags}: nothing was done; correct the request and send it again",
                run.region
            ),
        })
        .collect();
    if refusals.is_empty() && !inventory.instances.iter().any(Instance::is_there) {
        refusals.push(Refusal {
            resource: run.region.to_string(),
            cause: format!("there is no instance{with_tags}: nothing was done; keys and values are read to the letter"),
        });
    }
    refusals
}

/// What becomes of an instance.
enum Verdict {
    Take { stop: bool },
    Gone,
    Unfit(String),
}

fn judge(instance: &Instance, mode: Mode, excluded: &BTreeSet<&VolumeId>, now: DateTime<Utc>) -> Verdict {
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
    match mode {
        Mode::OnlyStopped if is_running => {
            unfit("it is running, and only stopped ones are to be taken: stop it before")
        }
        Mode::Stop if is_running => match not_to_be_stopped(instance, now) {
            Some(cause) => unfit(cause),
            None => Verdict::Take { stop: true },
        },
        Mode::AsIs | Mode::Stop | Mode::OnlyStopped => Verdict::Take { stop: false },
    }
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
    /// Whether it runs, and is stopped before and started again after.
    pub stop: bool,
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backups: Vec<String> = self.backups.iter().map(ToString::to_string).collect();
        let backups = backups.join("; ");
        if self.stop { write!(f, "stop {}; {backups}; start it again", self.instance) } else { f.write_str(&backups) }
    }
}

impl Action for Take {
    fn resource(&self) -> String {
        self.instance.to_string()
    }
}

#[cfg(test)]
mod tests;
