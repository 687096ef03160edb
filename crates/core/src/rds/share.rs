//! Plans the next step of each enrolled database in the live account: copy its newest automated snapshot under a key that
//! can be shared, share the copy with the failsafe account, announce it, and only then let older copies go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

use crate::{
    plan::{Action, Finding, FindingKind, Plan, Reason, Refusal},
    rds::{
        announcement::Announcement,
        enrolled::{self, Enrolment},
        inventory::{Database, DatabaseId, DbSnapshot, DbSnapshotId, DbSnapshotState, KeyState, Quotas},
        limits::{self, UnderWay},
        name,
        step::{CopyDbSnapshot, DeleteDbSnapshot, Why},
        wrong,
    },
    run::Run,
    tags::{self, Tags},
};

/// What the sharer reads.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// All databases of the region; members of clusters are not among them.
    pub databases: Vec<Database>,
    /// Their automated snapshots.
    pub automated: Vec<DbSnapshot>,
    /// All manual snapshots of the account in the region, whoever made them.
    pub manual: Vec<DbSnapshot>,
    /// With which accounts a snapshot is shared, of those that [`to_look_at`] named.
    pub shared_with: BTreeMap<DbSnapshotId, BTreeSet<String>>,
    /// The key of the setting `FAILSAFE_KMS_KEY`.
    pub key: KeyState,
    /// The quotas of manual snapshots.
    pub quotas: Quotas,
}

/// The snapshots of which it must be known with whom they are shared: the available own copies.
pub fn to_look_at(manual: &[DbSnapshot]) -> Vec<DbSnapshotId> {
    manual.iter().filter(|it| it.is_to_share() && it.is_available()).map(|it| it.id.clone()).collect()
}

/// Plans what can be done now: copies of the databases whose last copy is the oldest first, deletions last.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<Share> {
    let mut plan = Plan::default();
    let settings = &run.settings.failsafe;
    let (Some(account), Some(key)) = (&settings.account, &settings.kms_key) else {
        for (name, is_set, what) in [
            ("SNAPKEEPER_FAILSAFE_ACCOUNT", settings.account.is_some(), "with which account copies are shared"),
            ("SNAPKEEPER_FAILSAFE_KMS_KEY", settings.kms_key.is_some(), "under which key copies can be shared"),
        ] {
            if !is_set {
                let cause = format!("not set: nothing else says {what}");
                plan.refusals.push(Refusal { resource: name.to_owned(), cause });
            }
        }
        return plan;
    };
    let mut own: BTreeMap<&DatabaseId, Vec<&DbSnapshot>> = BTreeMap::new();
    for copy in inventory.manual.iter().filter(|snapshot| snapshot.is_to_share()) {
        own.entry(&copy.database).or_default().push(copy);
    }
    let sharer = Sharer { inventory, run, account, key, own };
    sharer.copies(&mut plan);
    sharer.shares(&mut plan);
    sharer.deletions(&mut plan);
    plan.findings.extend(wrong::shared_with_strangers(&inventory.shared_with, Some(account)));
    plan.findings.extend(limits::near(&inventory.quotas, &run.region));
    plan
}

struct Sharer<'a> {
    inventory: &'a Inventory,
    run: &'a Run,
    /// The failsafe account.
    account: &'a str,
    /// The key for copies.
    key: &'a str,
    /// The own copies in any state, by database: also of such as are gone.
    own: BTreeMap<&'a DatabaseId, Vec<&'a DbSnapshot>>,
}

/// Why an enrolled database gets no copy now.
enum NotNow {
    Kept(Reason),
    Refused(Refusal),
}

impl<'a> Sharer<'a> {
    /// Copies the newest automated snapshot of each enrolled database that has no copy yet.
    fn copies(&self, plan: &mut Plan<Share>) {
        let Enrolment { enrolled, others, findings } = Enrolment::of(&self.inventory.databases, self.run);
        plan.findings.extend(findings);
        for database in others {
            plan.keep(&database.id, Reason::NotEnrolled);
        }
        let (hopeless, hopeful): (Vec<_>, Vec<_>) =
            enrolled.into_iter().map(|it| (it, enrolled::obstacle(it))).partition(|(_, obstacle)| obstacle.is_some());
        plan.findings.extend(hopeless.into_iter().filter_map(|(_, obstacle)| obstacle));
        let key_blocks = self.look_at_key(!hopeful.is_empty(), plan);
        let mut wanted: Vec<(Option<DateTime<Utc>>, &Database, &DbSnapshot)> = Vec::new();
        for (database, _) in hopeful {
            match self.next_copy(database) {
                Ok(source) => wanted.push((self.last_copied(&database.id), database, source)),
                Err(NotNow::Kept(reason)) => plan.keep(&database.id, reason),
                Err(NotNow::Refused(refusal)) => plan.refusals.push(refusal),
            }
        }
        wanted.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        let mut under_way = UnderWay::among(&self.inventory.manual);
        for (_, database, source) in wanted {
            let copy = self.copy(database, source);
            if key_blocks && copy.kms_key.is_some() {
                plan.keep(&database.id, Reason::KeyNotUsable);
            } else if under_way.take_place(source.is_aurora()) {
                plan.actions.push(Share::Copy(copy));
            } else {
                plan.keep(&database.id, Reason::CopiesUnderWay(self.run.region.clone()));
            }
        }
    }

    /// Whether nothing can be copied under the key; says so before it is tried.
    fn look_at_key(&self, is_needed: bool, plan: &mut Plan<Share>) -> bool {
        if !is_needed {
            return false;
        }
        if let KeyState::Unknown(cause) = &self.inventory.key {
            plan.findings.push(Finding {
                kind: FindingKind::KeyBlocks,
                resource: self.key.to_owned(),
                what: format!("whether it can be used is not known: {cause}"),
                since: None,
                todo: "let the sharer call kms:DescribeKey on it".to_owned(),
            });
        }
        let obstacle = self.inventory.key.obstacle(self.key);
        let is_one = obstacle.is_some();
        plan.refusals.extend(obstacle.map(|what| Refusal {
            resource: self.key.to_owned(),
            cause: format!(
                "{what}: nothing is copied until SNAPKEEPER_FAILSAFE_KMS_KEY names an enabled key of your own"
            ),
        }));
        is_one
    }

    /// The newest automated snapshot, if there is no copy of data as new.
    fn next_copy(&self, database: &Database) -> Result<&'a DbSnapshot, NotNow> {
        let newest = self
            .inventory
            .automated
            .iter()
            .filter(|snapshot| snapshot.database == database.id && snapshot.is_available())
            .max_by(|a, b| a.by_age(b));
        let Some(newest) = newest else { return Err(NotNow::Kept(Reason::NothingToCopy)) };
        let target = name::of_copy(&newest.id);
        if let Some(namesake) = self.inventory.manual.iter().find(|snapshot| snapshot.id == target) {
            return Err(if !namesake.is_to_share() || namesake.database != database.id {
                NotNow::Refused(Refusal {
                    resource: database.id.to_string(),
                    cause: format!(
                        "{target} is the name of its next copy, but of a snapshot that is not the sharer's: it is left \
                         alone, and nothing is copied as long as it is there"
                    ),
                })
            } else if namesake.is_live() {
                NotNow::Kept(Reason::CopyThere(target))
            } else {
                NotNow::Kept(Reason::NameNotFree(target))
            });
        }
        // one that takes longer than a day is overtaken by none: its end comes first
        if self.own_of(&database.id).iter().any(|copy| copy.state == DbSnapshotState::InProgress) {
            return Err(NotNow::Kept(Reason::NotCompleted));
        }
        // the newest of yesterday is none of today, should today's be gone from the list
        let is_as_new =
            |copy: &&&DbSnapshot| copy.is_live() && newest.data_at().is_some_and(|at| copy.data_at() >= Some(at));
        match self.own_of(&database.id).iter().find(is_as_new) {
            Some(copy) => Err(NotNow::Kept(Reason::CopyThere(copy.id.clone()))),
            None => Ok(newest),
        }
    }

    fn own_of(&self, database: &DatabaseId) -> &[&'a DbSnapshot] {
        self.own.get(database).map_or(&[], Vec::as_slice)
    }

    fn last_copied(&self, database: &DatabaseId) -> Option<DateTime<Utc>> {
        self.own_of(database).iter().filter(|copy| copy.is_live()).filter_map(|copy| copy.data_at()).max()
    }

    fn copy(&self, database: &Database, source: &DbSnapshot) -> CopyDbSnapshot {
        let mut own: Tags = [
            (tags::TYPE, tags::AUTOMATED.to_owned()),
            // by its ARN: a tag's value must not begin with `rds:` (RDS API, `Tag`)
            (tags::SOURCE_DB_SNAPSHOT, source.arn.clone()),
            (tags::SOURCE_DATABASE, database.id.to_string()),
            (tags::SOURCE_REGION, self.run.region.to_string()),
            (tags::BACKUP_RUN, self.run.stamp()),
        ]
        .into_iter()
        .collect();
        if let Some(at) = source.data_at() {
            own.set(tags::SOURCE_TAKEN, tags::stamp(at));
        }
        // what would say of the copy what is not so
        let of_others = |(key, _): &(&str, &str)| {
            ![tags::FAILSAFE, tags::KEEP_FOREVER, tags::FAILSAFE_ANNOUNCED, tags::SOURCE_ACCOUNT, tags::SOURCE_TAKEN]
                .contains(key)
        };
        let others = source.tags.iter().chain(database.tags.iter()).filter(of_others);
        CopyDbSnapshot {
            database: database.id.clone(),
            source: source.id.name.clone(),
            to: self.run.region.clone(),
            target: name::of_copy(&source.id),
            kms_key: key_for(source, self.key),
            tags: own.and_what_fits_of(others),
        }
    }

    /// Shares the newest available copy of each database, and announces it.
    fn shares(&self, plan: &mut Plan<Share>) {
        let mut announces = Vec::new();
        for (database, copies) in &self.own {
            let Some(newest) = newest(copies) else { continue };
            let announcement = Announcement { database: (*database).clone(), snapshot: newest.id.clone() };
            let snapshot = newest.id.clone();
            if self.is_shared(newest) != Some(true) {
                plan.actions.push(Share::Share { snapshot, account: self.account.to_owned(), announcement });
            } else if self.run.settings.failsafe.topic.is_some() && !newest.tags.has(tags::FAILSAFE_ANNOUNCED) {
                announces.push(Share::Announce { snapshot, announcement });
            }
        }
        plan.actions.extend(announces);
    }

    /// Whether a copy is shared with the failsafe account; `None` where that was not looked at.
    fn is_shared(&self, copy: &DbSnapshot) -> Option<bool> {
        self.inventory.shared_with.get(&copy.id).map(|accounts| accounts.contains(self.account))
    }

    /// Lets own copies go: those that failed, and the older ones as soon as the newest is seen to be shared.
    fn deletions(&self, plan: &mut Plan<Share>) {
        for copies in self.own.values() {
            let newest_shared = copies.iter().copied().filter(|copy| self.is_shared(copy) == Some(true));
            let newest_shared = newest(&newest_shared.collect::<Vec<_>>());
            let newest = newest(copies);
            for copy in copies {
                match self.fate(copy, newest, newest_shared) {
                    Ok(why) => {
                        if why == Why::Failed {
                            plan.findings.push(wrong::failed(copy, &self.run.region));
                        }
                        plan.actions.push(Share::Delete(DeleteDbSnapshot {
                            region: self.run.region.clone(),
                            snapshot: copy.id.clone(),
                            why,
                        }));
                    }
                    Err(reason) => plan.keep(&copy.id, reason),
                }
            }
        }
    }

    /// Why an own copy goes, or why it stays.
    fn fate(
        &self,
        copy: &DbSnapshot,
        newest: Option<&DbSnapshot>,
        newest_shared: Option<&DbSnapshot>,
    ) -> Result<Why, Reason> {
        if copy.is_kept_forever() {
            return Err(Reason::KeepForever);
        }
        match copy.state {
            DbSnapshotState::Failed => return Ok(Why::Failed),
            DbSnapshotState::InProgress => return Err(Reason::NotCompleted),
            DbSnapshotState::Deleting => return Err(Reason::NameNotFree(copy.id.clone())),
            DbSnapshotState::Unknown => return Err(Reason::UnknownState),
            DbSnapshotState::Available => {}
        }
        // an available copy is the newest itself, if there is no other
        let Some(newest) = newest.filter(|newest| newest.id != copy.id) else { return Err(Reason::NewestCopy) };
        if copy.data_at().is_none() || newest.data_at().is_none() {
            return Err(Reason::NoInstant);
        }
        // somebody may be copying it at this moment, and would lose the copy with its source
        let shared = tags::instant(tags::FAILSAFE_ANNOUNCED, &copy.tags);
        let begins = copy.made.map(|made| shared.map_or(made, |shared| made.max(shared)));
        let had_its_time = begins.is_some_and(|begins| self.run.instant - begins > self.run.settings.rpo);
        let was_never_shared = self.is_shared(copy) == Some(false);
        match newest_shared.filter(|shared| shared.data_at() > copy.data_at()) {
            Some(shared) if was_never_shared || had_its_time => Ok(Why::Superseded(shared.id.clone())),
            Some(_) => Err(Reason::HasItsTime),
            // nobody can have copied it, and while sharing fails there would be one more each day
            None if was_never_shared && had_its_time => Ok(Why::NeverShared(newest.id.clone())),
            None => Err(Reason::NewestNotShared(newest.id.clone())),
        }
    }
}

fn newest<'a>(copies: &[&'a DbSnapshot]) -> Option<&'a DbSnapshot> {
    copies.iter().copied().filter(|copy| copy.is_available()).max_by(|a, b| a.by_age(b))
}

/// The key for a copy: none for one of an unencrypted Aurora snapshot, which a copy cannot encrypt (RDS API,
/// `CopyDBClusterSnapshot`, parameter `KmsKeyId`).
pub(crate) fn key_for(source: &DbSnapshot, key: &str) -> Option<String> {
    let stays_unencrypted = source.is_aurora() && source.kms_key.is_none();
    (!stays_unencrypted).then(|| key.to_owned())
}

/// One step of the sharer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Copies an automated snapshot.
    Copy(CopyDbSnapshot),
    /// Shares a copy with an account, and then announces it.
    Share {
        /// The copy.
        snapshot: DbSnapshotId,
        /// The failsafe account, twelve digits, as the setting says.
        account: String,
        /// What to announce.
        announcement: Announcement,
    },
    /// Announces a copy that is shared already.
    Announce {
        /// The copy.
        snapshot: DbSnapshotId,
        /// What to announce.
        announcement: Announcement,
    },
    /// Deletes an own copy.
    Delete(DeleteDbSnapshot),
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(copy) => write!(f, "{copy}"),
            Self::Share { snapshot, account, .. } => write!(f, "share {snapshot} with {account}"),
            Self::Announce { snapshot, announcement } => {
                write!(f, "announce {snapshot} as a copy of {}", announcement.database)
            }
            Self::Delete(delete) => write!(f, "{delete}"),
        }
    }
}

impl Action for Share {
    fn resource(&self) -> String {
        match self {
            Self::Copy(copy) => copy.database.to_string(),
            Self::Share { snapshot, .. } | Self::Announce { snapshot, .. } => snapshot.to_string(),
            Self::Delete(delete) => delete.snapshot.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
