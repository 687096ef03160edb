//! Plans the copies of a database's newest automated snapshot in its destinations.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, SubsecRound, Utc};

use crate::{
    ids::Region,
    plan::{Action, Plan, Reason, Refusal},
    rds::{
        inventory::{DatabaseKind, DbSnapshot, DbSnapshotId, DbSnapshotState},
        limits::UnderWay,
        name,
        share::key_for,
        step::{CopyDbSnapshot, DeleteDbSnapshot, Why},
    },
    run::Run,
    sync::{
        SyncState, Synced,
        config::{DatabaseSync, SyncJob, What},
        copy_key, is_trace, mark, named, source_key, source_tag,
    },
    tags::{self, Tags},
};

/// What is read for a job on a database.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// The automated snapshots of the source's region.
    pub automated: Vec<DbSnapshot>,
    /// The manual snapshots in each destination, whoever made them, or why they could not be read.
    pub destinations: BTreeMap<Region, Result<Vec<DbSnapshot>, String>>,
}

/// Plans what is to be done, and tells what is there. Copies come first, deletions last. What is wrong is a refusal
/// each, in the name of the job.
pub fn plan(inventory: &Inventory, job: &SyncJob, run: &Run) -> (Plan<SyncSnapshot>, Vec<Synced>) {
    let mut steps =
        Steps { job, plan: Plan::default(), synced: vec![], copies: vec![], tags: vec![], deletions: vec![] };
    let sync = match &job.what {
        What::Database(sync) => sync,
        What::Image(_) => {
            steps.refuse("it is no job on a database".to_owned());
            return steps.done();
        }
    };
    match newest(&inventory.automated, sync, job) {
        Ok(source) => {
            let syncer = Syncer { job, sync, run, source };
            for region in &job.destinations {
                match inventory.destinations.get(region) {
                    Some(Ok(there)) => syncer.destination(region, there, &mut steps),
                    Some(Err(cause)) => steps.refuse(format!("{region} could not be looked into: {cause}")),
                    None => steps.refuse(format!("{region} was not looked into")),
                }
            }
        }
        Err(cause) => steps.refuse(cause),
    }
    steps.done()
}

/// The newest automated snapshot that can be copied.
fn newest<'a>(automated: &'a [DbSnapshot], sync: &DatabaseSync, job: &SyncJob) -> Result<&'a DbSnapshot, String> {
    let (database, from) = (&sync.database, &job.source);
    let all: Vec<&DbSnapshot> = automated.iter().filter(|it| it.database == *database).collect();
    let newest = all.iter().copied().filter(|it| it.is_available()).max_by_key(|it| (moment(it), it.id.clone()));
    match newest {
        Some(source) if source.id.kind == DatabaseKind::Cluster && !source.is_aurora() => Err(format!(
            "{database} is a cluster, but none of Aurora ({}): AWS does not copy its snapshots",
            source.engine
        )),
        Some(source) if source.engine.starts_with("custom-") => {
            Err(format!("{database} is one of RDS Custom ({}): AWS does not copy its snapshots", source.engine))
        }
        Some(source) => Ok(source),
        None if all.is_empty() => Err(format!(
            "{database} has no automated snapshot in {from}: is its name right, and its backup retention period not 0?"
        )),
        None => Err(format!("{database} has no automated snapshot in {from} that is available yet")),
    }
}

/// When the data of an automated snapshot is. Its tags say nothing of that: it may have them of its database, and that
/// of the copy from which it was restored.
fn moment(automated: &DbSnapshot) -> Option<DateTime<Utc>> {
    automated.taken.map(|taken| taken.trunc_subsecs(0))
}

/// What comes of a job, by its kinds.
struct Steps<'a> {
    job: &'a SyncJob,
    plan: Plan<SyncSnapshot>,
    synced: Vec<Synced>,
    copies: Vec<SyncSnapshot>,
    tags: Vec<SyncSnapshot>,
    deletions: Vec<SyncSnapshot>,
}

impl Steps<'_> {
    fn refuse(&mut self, cause: String) {
        self.plan.refusals.push(Refusal { resource: self.job.name.clone(), cause });
    }

    fn done(mut self) -> (Plan<SyncSnapshot>, Vec<Synced>) {
        self.plan.actions = [self.copies, self.tags, self.deletions].concat();
        (self.plan, self.synced)
    }
}

/// A job on a database whose newest snapshot is known.
struct Syncer<'a> {
    job: &'a SyncJob,
    sync: &'a DatabaseSync,
    run: &'a Run,
    source: &'a DbSnapshot,
}

impl Syncer<'_> {
    fn destination(&self, region: &Region, there: &[DbSnapshot], steps: &mut Steps<'_>) {
        let own: Vec<(&DbSnapshot, &str)> =
            there.iter().filter_map(|copy| Some((copy, self.source_of(copy)?))).collect();
        let is_failed = |copy: &&DbSnapshot| copy.state == DbSnapshotState::Failed;
        let failed: Vec<&DbSnapshot> = own.iter().map(|(copy, _)| *copy).filter(is_failed).collect();
        for copy in &failed {
            Self::failed(copy, region, steps);
        }
        let present = self.present(&own);
        let mut newest = present.map(|(copy, _)| copy).filter(|copy| copy.is_available());
        match present {
            Some((copy, source)) => self.tell(copy, source, region, steps),
            None => {
                if let Some(copy) = self.copy(region, there, steps) {
                    steps.copies.push(SyncSnapshot::Copy(copy));
                    // it comes beside those that stay: were it waited for, a run each day would never let one go
                    let own = || own.iter().map(|(copy, _)| *copy).filter(|copy| copy.is_live());
                    if own().all(DbSnapshot::is_available) {
                        newest = own().max_by(|a, b| a.by_age(b));
                    }
                }
            }
        }
        // while copies fail there is no telling what is needed
        if failed.is_empty() {
            self.surplus(own.into_iter().map(|(copy, _)| copy).collect(), newest, region, steps);
        }
    }

    /// Of which snapshot it is the copy that sync made, by its ARN, if it is one of this database. The name must agree:
    /// what is taken of a database that was restored from a copy may have the copy's tags.
    fn source_of<'b>(&self, copy: &'b DbSnapshot) -> Option<&'b str> {
        let is_of_database = copy.tags.get(tags::SOURCE_DATABASE) == Some(self.sync.database.to_string().as_str());
        let arn = named(&copy_key(&self.job.source), &copy.tags).filter(|_| copy.is_synced() && is_of_database)?;
        // arn:aws:rds:REGION:ACCOUNT:snapshot:rds:NAME
        let name = arn.splitn(7, ':').nth(6)?.to_owned();
        let source = DbSnapshotId { kind: copy.id.kind, name };
        (name::of_synced(&self.job.source, &source) == copy.id).then_some(arn)
    }

    /// The copy of the source, or else one of data as new: the newest of yesterday is none of today, should today's be
    /// gone from the list.
    fn present<'b>(&self, own: &[(&'b DbSnapshot, &'b str)]) -> Option<(&'b DbSnapshot, &'b str)> {
        let live = || own.iter().copied().filter(|(copy, _)| copy.is_live());
        let moment = moment(self.source);
        let is_as_new = |(copy, _): &(&DbSnapshot, &str)| moment.is_some() && copy.data_at() >= moment;
        let copy = live().find(|(_, source)| *source == self.source.arn);
        copy.or_else(|| live().filter(is_as_new).max_by(|a, b| a.0.by_age(b.0)))
    }

    /// Tells of a copy that is there or on its way, and has the source tell of it.
    fn tell(&self, copy: &DbSnapshot, source: &str, region: &Region, steps: &mut Steps<'_>) {
        let state = match copy.state {
            DbSnapshotState::Available => SyncState::InSync,
            DbSnapshotState::InProgress => SyncState::InProgress,
            DbSnapshotState::Unknown | DbSnapshotState::Failed | DbSnapshotState::Deleting => {
                return steps.refuse(format!("its copy {} in {region} is in a state that is not known", copy.id));
            }
        };
        let (source, resource) = (source.to_owned(), copy.arn.clone());
        if source == self.source.arn && named(&source_key(region), &self.source.tags) != Some(copy.arn.as_str()) {
            steps.tags.push(SyncSnapshot::Tag {
                arn: source.clone(),
                region: self.job.source.clone(),
                tags: source_tag(region, self.run, &copy.arn),
            });
        }
        steps.synced.push(Synced { region: region.to_string(), source, resource, state });
    }

    /// A copy that failed goes, which frees its name.
    fn failed(copy: &DbSnapshot, region: &Region, steps: &mut Steps<'_>) {
        let id = &copy.id;
        if copy.is_kept_forever() {
            return steps
                .refuse(format!("its copy {id} in {region} failed, and KeepForever holds it: delete it by hand"));
        }
        steps.refuse(format!(
            "its copy {id} in {region} failed: it is deleted, and the next run copies again; look at the events of \
             RDS, and at the KMS keys of source and copy and who may use them"
        ));
        let (region, snapshot) = (region.clone(), id.clone());
        steps.deletions.push(SyncSnapshot::Delete(DeleteDbSnapshot { region, snapshot, why: Why::Failed }));
    }

    /// The copy to make, if it can be made now.
    fn copy(&self, region: &Region, there: &[DbSnapshot], steps: &mut Steps<'_>) -> Option<CopyDbSnapshot> {
        let source = self.source;
        let target = name::of_synced(&self.job.source, &source.id);
        if let Some(namesake) = there.iter().find(|it| it.id == target) {
            if self.source_of(namesake) == Some(source.arn.as_str()) {
                steps.plan.keep(format!("{target} in {region}"), Reason::NameNotFree(target.clone()));
            } else {
                steps.refuse(format!(
                    "{} cannot be copied to {region}: {target} there has the name of its copy, and is not: it is left \
                     alone",
                    source.id
                ));
            }
            return None;
        }
        let kms_key = self.sync.kms_key.as_deref().and_then(|key| key_for(source, key));
        if source.kms_key.is_some() && kms_key.is_none() {
            steps.refuse(format!(
                "{} is encrypted: its copy in {region} needs a KMS key there, `kms_key_id`, or by tags alone the \
                 setting SNAPKEEPER_COPY_KMS_KEY",
                source.id
            ));
            return None;
        }
        if !UnderWay::among(there).take_place(source.is_aurora()) {
            steps.plan.keep(format!("{target} in {region}"), Reason::CopiesUnderWay(region.clone()));
            return None;
        }
        let (database, to) = (source.database.clone(), region.clone());
        Some(CopyDbSnapshot { database, source: source.arn.clone(), to, target, kms_key, tags: self.tags() })
    }

    /// The tags of a copy. It has no `Source_DBSnapshot`, which marks the copies of the failsafe jobs.
    fn tags(&self) -> Tags {
        const NOT_SO_OF_THE_COPY: [&str; 8] = [
            tags::SOURCE_DB_SNAPSHOT,
            tags::SOURCE_ACCOUNT,
            tags::SOURCE_TAKEN,
            tags::FAILSAFE,
            tags::FAILSAFE_ANNOUNCED,
            tags::KEEP_FOREVER,
            tags::BACKUP_SYNC,
            tags::DELETE_ON,
        ];
        let mut own: Tags = [
            (tags::SYNC_MADE.to_owned(), tags::YES.to_owned()),
            (copy_key(&self.job.source), mark(self.run, &self.source.arn)),
            (tags::TYPE.to_owned(), tags::AUTOMATED.to_owned()),
            (tags::SOURCE_DATABASE.to_owned(), self.sync.database.to_string()),
            (tags::SOURCE_REGION.to_owned(), self.job.source.to_string()),
            (tags::BACKUP_RUN.to_owned(), self.run.stamp()),
        ]
        .into_iter()
        .collect();
        if let Some(at) = moment(self.source) {
            own.set(tags::SOURCE_TAKEN, tags::stamp(at));
        }
        let others = self.source.tags.iter().filter(|(key, _)| !NOT_SO_OF_THE_COPY.contains(key) && !is_trace(key));
        own.and_what_fits_of(others)
    }

    /// Lets the available copies go that are older than so many, if the `newest` is available.
    fn surplus(&self, mut own: Vec<&DbSnapshot>, newest: Option<&DbSnapshot>, region: &Region, steps: &mut Steps<'_>) {
        let max = self.sync.max_snapshots_to_retain;
        own.retain(|copy| copy.is_available());
        own.sort_by(|a, b| b.by_age(a));
        for copy in own.into_iter().skip(max.get().into()).rev() {
            let reason = if copy.is_kept_forever() {
                Some(Reason::KeepForever)
            } else if newest.is_none() {
                Some(Reason::NewestNotThere(region.clone()))
            } else if newest.is_some_and(|newest| newest.id == copy.id) {
                Some(Reason::NewestCopy)
            } else if copy.data_at().is_none() {
                Some(Reason::NoInstant)
            } else {
                None
            };
            if let Some(reason) = reason {
                steps.plan.keep(format!("{} in {region}", copy.id), reason);
            } else {
                let (region, snapshot) = (region.clone(), copy.id.clone());
                let delete = DeleteDbSnapshot { region, snapshot, why: Why::Surplus(max) };
                steps.deletions.push(SyncSnapshot::Delete(delete));
            }
        }
    }
}

/// What the result says of a copy once it is begun: it has an ARN of its own account's and destination's.
pub fn synced(copy: &CopyDbSnapshot) -> Synced {
    // arn:aws:rds:REGION:ACCOUNT:snapshot:rds:NAME
    let parts: Vec<&str> = copy.source.splitn(6, ':').collect();
    let resource = match parts.as_slice() {
        [arn, partition, service, _, account, _] => {
            format!("{arn}:{partition}:{service}:{}:{account}:{}", copy.to, copy.target)
        }
        _ => copy.target.to_string(),
    };
    Synced { region: copy.to.to_string(), source: copy.source.clone(), resource, state: SyncState::Created }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncSnapshot {
    /// Copies a snapshot.
    Copy(CopyDbSnapshot),
    /// Tags the source.
    Tag {
        /// The ARN of what is tagged.
        arn: String,
        /// Its region.
        region: Region,
        /// The tags.
        tags: Tags,
    },
    /// Deletes a copy that sync made.
    Delete(DeleteDbSnapshot),
}

impl fmt::Display for SyncSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(copy) => write!(f, "{copy}"),
            Self::Tag { arn, region, tags } => {
                write!(f, "tag {arn} in {region}:")?;
                tags.iter().try_for_each(|(key, value)| write!(f, " {key}={}", value.escape_debug()))
            }
            Self::Delete(delete) => write!(f, "{delete}"),
        }
    }
}

impl Action for SyncSnapshot {
    fn resource(&self) -> String {
        match self {
            Self::Copy(copy) => copy.target.to_string(),
            Self::Tag { arn, .. } => arn.clone(),
            Self::Delete(delete) => delete.snapshot.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
