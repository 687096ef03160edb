//! The same plan made at once of whole lists: what the folded one is held against.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    backup::{Backups, home},
    calendar,
    copy::{Copies, primaries},
    delete::{self, Found, Verdict},
    ids::{Region, VolumeId},
    inventory::{Device, Instance, Snapshot, SnapshotState, Volume},
    notice::Notice,
    on_demand::restart,
    plan::{Finding, FindingKind, Measure, Plan, Reason},
    rds,
    run::Run,
    tags::{self, BackupPolicy, Choice, DeleteOn},
};

/// What the watcher reads.
#[derive(Clone, Debug)]
pub(super) struct Inventory {
    /// All instances of the region.
    pub(super) instances: Vec<Instance>,
    /// All volumes of the region.
    pub(super) volumes: Vec<Volume>,
    /// All own snapshots of the region, whoever made them.
    pub(super) snapshots: Vec<Snapshot>,
    /// What may hold them, as the manager reads it.
    pub(super) holds: delete::Holds,
    /// Of each destination the copies, or why they could not be read.
    pub(super) destinations: BTreeMap<Region, Result<Copies, String>>,
    /// The databases, or why they could not be read: that takes nothing from the rest.
    pub(super) rds: Result<rds::watch::Inventory, String>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            instances: Vec::new(),
            volumes: Vec::new(),
            snapshots: Vec::new(),
            holds: delete::Holds::default(),
            destinations: BTreeMap::new(),
            rds: Ok(rds::watch::Inventory::default()),
        }
    }
}

/// The regions in which copies are promised, by enrolled instances or by snapshots.
pub(super) fn destinations(instances: &[Instance], snapshots: &[Snapshot], run: &Run) -> BTreeSet<Region> {
    let of_instances =
        instances.iter().map(|instance| policy(instance, run)).filter(|policy| policy.backup == Choice::Yes);
    let of_snapshots = primaries(snapshots).flat_map(|primary| tags::destinations(&primary.tags, &run.region).0);
    of_instances.flat_map(|policy| policy.copy_to).chain(of_snapshots).collect()
}

/// Plans the digest: one notice, where there is anything to say and a topic to say it to.
pub(super) fn plan(inventory: &Inventory, run: &Run) -> Plan<Notice> {
    let watch = Watch {
        inventory,
        run,
        backups: Backups::of(&inventory.snapshots),
        volumes: inventory.volumes.iter().map(|volume| (&volume.id, volume)).collect(),
    };
    let mut findings = Vec::new();
    watch.instances(&mut findings);
    watch.volumes(&mut findings);
    watch.primaries(&mut findings);
    watch.copies(&mut findings);
    watch.deletions(&mut findings);
    findings.extend(rds::watch::findings(&inventory.rds, run));
    findings.sort_by(|a, b| (a.kind, &a.resource, &a.what).cmp(&(b.kind, &b.resource, &b.what)));
    let mut measures = watch.measures(&findings);
    measures.extend(rds::watch::measures(&inventory.rds, run));
    let actions = match run.settings.alert_topic {
        Some(_) if !findings.is_empty() => vec![Notice::digest(&findings, run)],
        Some(_) | None => Vec::new(),
    };
    Plan { actions, findings, measures, ..Plan::default() }
}

fn policy(instance: &Instance, run: &Run) -> BackupPolicy {
    BackupPolicy::from_tags(&instance.tags, &run.region, &run.settings.default_retention).0
}

/// A volume that is to be backed up.
struct Promised<'a> {
    device: &'a Device,
    /// When its last good backup was taken.
    good: Option<DateTime<Utc>>,
    /// Since when it has waited for the next: that instant, or if there is no good one, since when it has been there.
    since: DateTime<Utc>,
}

struct Watch<'a> {
    inventory: &'a Inventory,
    run: &'a Run,
    backups: Backups,
    volumes: BTreeMap<&'a VolumeId, &'a Volume>,
}

impl<'a> Watch<'a> {
    /// Whether something that began then has had its time.
    fn is_overdue(&self, since: DateTime<Utc>) -> bool {
        self.run.instant - since > self.run.settings.rpo
    }

    fn is_due(&self, snapshot: &Snapshot) -> bool {
        matches!(snapshot.delete_on(), DeleteOn::Day(day) if day <= self.run.day())
    }

    /// Instances that a run has stopped, enrolled ones without a recent good backup, and tags that cannot be read.
    fn instances(&self, findings: &mut Vec<Finding>) {
        for instance in self.inventory.instances.iter().filter(|instance| instance.is_there()) {
            findings.extend(restart::left_stopped(instance));
            let (policy, errors) =
                BackupPolicy::from_tags(&instance.tags, &self.run.region, &self.run.settings.default_retention);
            findings.extend(errors.iter().map(|error| Finding::unreadable(&instance.id, error)));
            if policy.backup != Choice::Yes {
                continue;
            }
            let lacking: Vec<Promised<'_>> =
                self.promised_of(instance).filter(|promised| self.is_overdue(promised.since)).collect();
            let Some(since) = lacking.iter().map(|it| it.since).min() else { continue };
            let volumes: Vec<String> = lacking
                .iter()
                .map(|Promised { device, good, .. }| {
                    let last = good
                        .map_or_else(|| "never backed up".to_owned(), |good| format!("last on {}", tags::stamp(good)));
                    format!("{} ({}) {last}", device.volume, device.name)
                })
                .collect();
            findings.push(Finding {
                kind: FindingKind::NoRecentBackup,
                resource: instance.id.to_string(),
                what: format!(
                    "no good backup within {} hours: {}",
                    self.run.settings.rpo.num_hours(),
                    volumes.join(", ")
                ),
                since: Some(since),
                todo: "look at the creator's last reports for this instance, and run it again".to_owned(),
            });
        }
    }

    /// The volumes of an enrolled instance that are to be backed up.
    fn promised_of(&self, instance: &'a Instance) -> impl Iterator<Item = Promised<'a>> {
        let volume_of = move |device: &Device| self.volumes.get(&device.volume).copied();
        let devices = instance.devices.iter().filter(move |device| !volume_of(device).is_some_and(Volume::is_excluded));
        devices.map(move |device| {
            let good = self.backups.last_good_at(&home(&device.volume));
            let made = volume_of(device).map(|volume| volume.created);
            let since = good.or(device.attached).or(made).unwrap_or(instance.launched);
            Promised { device, good, since }
        })
    }

    /// Volumes that nobody protects and nobody left out.
    fn volumes(&self, findings: &mut Vec<Finding>) {
        let instances: BTreeMap<_, _> =
            self.inventory.instances.iter().map(|it| (&it.id, policy(it, self.run).backup)).collect();
        let with_snapshot: BTreeSet<&VolumeId> = self
            .inventory
            .snapshots
            .iter()
            .filter(|snapshot| matches!(snapshot.state, SnapshotState::Pending | SnapshotState::Completed))
            .filter(|snapshot| snapshot.copy_of().is_none())
            .map(|snapshot| &snapshot.volume_as_told)
            .collect();
        for volume in &self.inventory.volumes {
            findings
                .extend(Choice::from_tags(&volume.tags).1.iter().map(|error| Finding::unreadable(&volume.id, error)));
            // an enrolled instance's volumes are told of with the instance
            let spoken_for = volume
                .attached_to
                .iter()
                .any(|instance| matches!(instances.get(instance), Some(Choice::Yes | Choice::No)));
            if volume.is_excluded()
                || spoken_for
                || with_snapshot.contains(&volume.id)
                || !self.is_overdue(volume.created)
            {
                continue;
            }
            let (place, tag) = match volume.attached_to.first() {
                Some(instance) => (format!("on {instance}"), format!("tag {instance} Backup=Yes")),
                None => ("attached to no instance".to_owned(), "delete it if it is not needed".to_owned()),
            };
            findings.push(Finding {
                kind: FindingKind::Unprotected,
                resource: volume.id.to_string(),
                what: format!("no snapshot at all; {place}"),
                since: Some(volume.created),
                todo: format!("{tag}, or tag the volume Backup=No to be asked no more"),
            });
        }
    }

    /// Primaries that failed, hang or lack a member, as long as they matter.
    fn primaries(&self, findings: &mut Vec<Finding>) {
        let mut sets_told = BTreeSet::new();
        for snapshot in primaries(&self.inventory.snapshots) {
            let volume = snapshot.volume();
            let superseded = self.backups.last_good_at(&home(&volume)).is_some_and(|good| good > snapshot.taken());
            let matters = !superseded || !self.is_overdue(snapshot.taken());
            let finding = |kind, what: String, todo: &str| Finding {
                kind,
                resource: snapshot.id.to_string(),
                what,
                since: Some(snapshot.started),
                todo: todo.to_owned(),
            };
            match snapshot.state {
                SnapshotState::Error if matters => {
                    let why = snapshot.message.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                    let what = format!("snapshot of {volume} ended in error{why}");
                    findings.push(finding(
                        FindingKind::Failed,
                        what,
                        "nothing, the manager deletes it; if it comes again, look at the volume's KMS key",
                    ));
                }
                SnapshotState::Pending if self.is_overdue(snapshot.started) => findings.push(finding(
                    FindingKind::StuckPending,
                    format!("snapshot of {volume} is still pending"),
                    "look at its progress in EC2; a volume takes only five pending snapshots",
                )),
                // members that expire leave others behind that are held
                SnapshotState::Completed if matters && !self.is_due(snapshot) => {
                    let missing = self.backups.missing_from_set_of(snapshot);
                    let set = [tags::SOURCE_INSTANCE_ID, tags::BACKUP_RUN, tags::BACKUP_REQUEST]
                        .map(|key| snapshot.tags.get(key));
                    if missing.is_empty() && self.backups.is_of_several_moments(snapshot) && sets_told.insert(set) {
                        findings.push(finding(
                            FindingKind::NotConsistent,
                            format!("its set of {} was begun at different moments", set[0].unwrap_or_default()),
                            "nothing if the volumes do not depend on each other; else see why the set was not taken at once",
                        ));
                    }
                    if missing.is_empty() || self.is_in_progress(snapshot, &missing) || !sets_told.insert(set) {
                        continue;
                    }
                    let missing: Vec<&str> = missing.iter().map(VolumeId::as_str).collect();
                    let instance = set[0].unwrap_or("an unknown instance");
                    findings.push(finding(
                        FindingKind::IncompleteSet,
                        format!("backup of {instance} lacks {}: it does not count as a good one", missing.join(", ")),
                        "nothing if the next run succeeds; else look at the creator's report for these volumes",
                    ));
                }
                SnapshotState::Error
                | SnapshotState::Completed
                | SnapshotState::Pending
                | SnapshotState::InRecycleBin
                | SnapshotState::Unknown => {}
            }
        }
    }

    fn is_in_progress(&self, snapshot: &Snapshot, missing: &[VolumeId]) -> bool {
        missing.iter().any(|volume| {
            self.backups.of_volume(&home(volume)).any(|member| {
                member.state() == SnapshotState::Pending
                    && member.taken() == snapshot.taken()
                    && !self.is_overdue(member.started())
            })
        })
    }

    /// Copies that are not where the tags promise them, told once for each volume and destination.
    fn copies(&self, findings: &mut Vec<Finding>) {
        for (region, copies) in &self.inventory.destinations {
            if let Err(cause) = copies {
                findings.push(Finding {
                    kind: FindingKind::DestinationUnknown,
                    resource: region.to_string(),
                    what: format!("copies there could not be looked at: {cause}"),
                    since: None,
                    todo: "check that the region exists, is enabled for the account, and answers".to_owned(),
                });
            }
        }
        let mut wrong: BTreeMap<_, Vec<(&Snapshot, String)>> = BTreeMap::new();
        for primary in primaries(&self.inventory.snapshots).filter(|it| it.state == SnapshotState::Completed) {
            let (named, errors) = tags::destinations(&primary.tags, &self.run.region);
            findings.extend(errors.iter().map(|error| Finding::unreadable(&primary.id, error)));
            if self.is_due(primary) && !primary.is_kept_forever() {
                continue;
            }
            for region in named {
                let Some(Ok(there)) = self.inventory.destinations.get(&region) else { continue };
                if let Some((kind, why)) = self.what_is_wrong_with_copy(primary, there) {
                    wrong.entry((kind, primary.volume(), region)).or_default().push((primary, why));
                }
            }
        }
        for ((kind, volume, region), mut primaries) in wrong {
            primaries.sort_by_key(|(primary, _)| primary.taken());
            let (Some((oldest, _)), Some((newest, why))) = (primaries.first(), primaries.last()) else { continue };
            let more = match primaries.len() {
                1 => String::new(),
                count => format!(" (and {} older)", count - 1),
            };
            findings.push(Finding {
                kind,
                resource: volume.to_string(),
                what: format!("{}{more} in {region}: {why}", newest.id),
                since: Some(oldest.taken()),
                todo: if kind == FindingKind::CopyFailed {
                    "check the KMS key of the destination and who may use it"
                } else {
                    "look at the copier's last reports; AWS runs 20 copies at once into one region"
                }
                .to_owned(),
            });
        }
    }

    fn what_is_wrong_with_copy(&self, primary: &Snapshot, there: &Copies) -> Option<(FindingKind, String)> {
        let copies = there.of(&primary.id);
        if copies.iter().any(|copy| copy.state == SnapshotState::Completed) {
            return None;
        }
        if let Some(copy) = copies.iter().find(|copy| copy.is_live()) {
            return self
                .is_overdue(copy.started)
                .then(|| (FindingKind::CopyStuck, format!("copy {} is still pending", copy.id)));
        }
        if let Some(copy) = copies.iter().rfind(|copy| copy.state == SnapshotState::Error) {
            let why = there.cause(&copy.id).unwrap_or("AWS does not say why");
            return Some((FindingKind::CopyFailed, format!("copy {} ended in error: {why}", copy.id)));
        }
        self.is_overdue(primary.taken()).then(|| (FindingKind::CopyMissing, "there is no copy".to_owned()))
    }

    /// Snapshots that should be gone, and those of which that cannot be told.
    fn deletions(&self, findings: &mut Vec<Finding>) {
        let mut undated: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
        let verdicts = verdicts(self.inventory, self.run);
        for snapshot in self.inventory.snapshots.iter().filter(|snapshot| snapshot.is_automated()) {
            let (due, why, todo) = match (snapshot.delete_on(), &verdicts[snapshot.id.as_str()]) {
                (_, Verdict::Keep(Reason::KeepForever | Reason::InRecycleBin)) => continue,
                (DeleteOn::Unsaid, _) => {
                    let instance = snapshot.tags.get(tags::SOURCE_INSTANCE_ID).unwrap_or(snapshot.id.as_str());
                    undated.entry(instance).or_default().push(snapshot);
                    continue;
                }
                (DeleteOn::Unreadable(error), _) => {
                    findings.push(Finding::unreadable(&snapshot.id, &error));
                    continue;
                }
                // today's are the manager's business until the day is over
                (DeleteOn::Day(due), _) if due >= self.run.day() => continue,
                (DeleteOn::Day(due), Verdict::Delete(_)) => (
                    due,
                    format!("due since {due}, and nothing holds it"),
                    "look at the manager's last reports: it did not run, failed, or its brake held",
                ),
                (DeleteOn::Day(due), Verdict::Keep(reason)) => (
                    due,
                    format!("due since {due}, but kept: {reason}"),
                    if matches!(reason, Reason::LastGood | Reason::LastGoodPerhaps(_)) {
                        "see why there is no newer good backup"
                    } else {
                        "release it if it is not needed, or tag it KeepForever"
                    },
                ),
            };
            findings.push(Finding {
                kind: FindingKind::NotDeleted,
                resource: snapshot.id.to_string(),
                what: why,
                since: Some(calendar::begin_of(due, self.run.settings.time_zone)),
                todo: todo.to_owned(),
            });
        }
        for (instance, mut snapshots) in undated {
            snapshots.sort_by_key(|snapshot| snapshot.taken());
            let (Some(oldest), Some(newest)) = (snapshots.first(), snapshots.last()) else { continue };
            findings.push(Finding {
                kind: FindingKind::Undated,
                resource: instance.to_owned(),
                what: match snapshots.len() {
                    1 => format!("{} has no DeleteOn and will never expire", newest.id),
                    count => {
                        format!("{count} snapshots have no DeleteOn and will never expire, the newest {}", newest.id)
                    }
                },
                since: Some(oldest.taken()),
                todo: "correct the tag Retention of the instance, or tag them DeleteOn or KeepForever".to_owned(),
            });
        }
    }

    /// The numbers. They agree with the findings: what is new and still has its time is neither protected nor
    /// unprotected.
    fn measures(&self, findings: &[Finding]) -> BTreeMap<&'static str, Measure> {
        let instances = self.inventory.instances.iter().filter(|it| it.is_there());
        let enrolled = instances.filter(|it| Choice::from_tags(&it.tags).0 == Choice::Yes);
        // a volume that instances share counts once
        let (mut protected, mut lacking) = (BTreeSet::new(), BTreeSet::new());
        let mut oldest: Option<DateTime<Utc>> = None;
        for promised in enrolled.flat_map(|instance| self.promised_of(instance)) {
            if self.is_overdue(promised.since) {
                lacking.insert(&promised.device.volume);
            } else if promised.good.is_some() {
                protected.insert(&promised.device.volume);
            }
            oldest = oldest.into_iter().chain(promised.good).min();
        }
        let without_any = findings.iter().filter(|finding| finding.kind == FindingKind::Unprotected).count();
        let mut measures = BTreeMap::from([
            ("VolumesProtected", count(protected.len())),
            ("VolumesUnprotected", count(lacking.len() + without_any)),
        ]);
        if let Some(oldest) = oldest {
            let age = (self.run.instant - oldest).num_seconds();
            measures.insert("OldestBackupAge", Measure::Seconds(age.try_into().unwrap_or_default()));
        }
        measures
    }
}

/// What becomes of each snapshot where no brake holds.
fn verdicts(inventory: &Inventory, run: &Run) -> BTreeMap<String, Verdict> {
    let mut run = run.clone();
    run.settings.max_delete_percent = 100;
    let plan = delete::plan(Found::of(&inventory.snapshots, &run), &inventory.holds, &run);
    let deleted = plan.actions.into_iter().map(|it| (it.snapshot.to_string(), Verdict::Delete(it.why)));
    deleted.chain(plan.kept.into_iter().map(|it| (it.resource, Verdict::Keep(it.reason)))).collect()
}

fn count(number: usize) -> Measure {
    Measure::Count(number.try_into().unwrap_or(u64::MAX))
}
