//! Plans what the failsafe account keeps: a copy of its own of each snapshot that the live account shares, for as long
//! as the setting says, and the newest of each database for ever.

mod shelf;

pub(super) use self::shelf::{Origin, Shelf, origin_of_offered, saved_from, shelves};

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    delete,
    ids::Region,
    plan::{Action, Finding, FindingKind, Plan, Reason, Refusal},
    rds::{
        announcement::Announcement,
        inventory::{DbSnapshot, DbSnapshotId, DbSnapshotState, Quotas},
        limits::{self, UnderWay},
        name,
        share::key_for,
        step::{CopyDbSnapshot, DeleteDbSnapshot, Why},
        wrong,
    },
    run::Run,
    tags::{self, Tags},
};

/// What the saver reads.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// All snapshots that others share with this account, whoever they are.
    pub shared: Vec<DbSnapshot>,
    /// All manual snapshots of this account in the region, whoever made them.
    pub manual: Vec<DbSnapshot>,
    /// The manual snapshots in each region of the setting `SAVER_COPY_DEST`, or why they could not be read.
    pub elsewhere: BTreeMap<Region, Result<Vec<DbSnapshot>, String>>,
    /// What the message said that started the run, if one did, or what of it was not understood: a hint, and no
    /// instruction.
    pub announced: Option<Result<Announcement, String>>,
    /// The quotas of manual snapshots, of this region and of each of those.
    pub quotas: BTreeMap<Region, Quotas>,
}

/// Plans what can be done now: each database's newest copies first, deletions last.
pub fn plan(inventory: &Inventory, run: &Run) -> Plan<Save> {
    let mut plan = Plan::default();
    let settings = &run.settings.failsafe;
    let Some(key) = settings.saver_kms_key.as_ref().filter(|_| !settings.live_accounts.is_empty()) else {
        for (name, is_set, what) in [
            ("SNAPKEEPER_LIVE_ACCOUNT", !settings.live_accounts.is_empty(), "of which accounts snapshots are saved"),
            ("SNAPKEEPER_SAVER_KMS_KEY", settings.saver_kms_key.is_some(), "under which key they are saved"),
        ] {
            if !is_set {
                let cause = format!("not set: nothing else says {what}");
                plan.refusals.push(Refusal { resource: name.to_owned(), cause });
            }
        }
        return plan;
    };
    let saver = Saver { inventory, run, key, offered: offered(&inventory.shared, run) };
    plan.findings.extend(saver.announced());
    saver.first_copies(&mut plan);
    for region in second_regions(run) {
        match inventory.elsewhere.get(region) {
            Some(Ok(there)) => saver.second_copies(region, there, &mut plan),
            Some(Err(cause)) => {
                let cause = format!("could not be looked into: {cause}");
                plan.refusals.push(Refusal { resource: region.to_string(), cause });
            }
            None => {
                let cause = "was not looked into".to_owned();
                plan.refusals.push(Refusal { resource: region.to_string(), cause });
            }
        }
    }
    saver.deletions(&run.region, &inventory.manual, &mut plan);
    for region in second_regions(run) {
        if let Some(Ok(there)) = inventory.elsewhere.get(region) {
            saver.deletions(region, there, &mut plan);
        }
    }
    plan.findings.extend(limits::near_in_each(&inventory.quotas));
    plan
}

/// The regions in which second copies are kept: the region itself has the first ones.
pub(super) fn second_regions(run: &Run) -> impl Iterator<Item = &Region> {
    run.settings.failsafe.copy_to.iter().filter(move |region| **region != run.region)
}

/// What the live accounts share by our names: others share as well, and whatever they like. What tags say of it does not
/// count here: whoever holds the live account may write them.
pub(super) fn offered(shared: &[DbSnapshot], run: &Run) -> Vec<DbSnapshot> {
    let live = &run.settings.failsafe.live_accounts;
    // its ARN becomes a tag; one that is too long for that is none of the sharer's
    let fits = |it: &DbSnapshot| it.arn.chars().count() <= tags::MAX_VALUE;
    let is_offered = |it: &&DbSnapshot| live.contains(&it.owner) && it.id.name.starts_with(name::PREFIX) && fits(it);
    shared.iter().filter(is_offered).map(|it| DbSnapshot { tags: Tags::default(), ..it.clone() }).collect()
}

/// Whether `saved` is the copy of `offered`, in any state.
pub(super) fn is_copy_of(saved: &DbSnapshot, offered: &DbSnapshot) -> bool {
    saved.is_saved() && saved.id == offered.id && saved.tags.get(tags::SOURCE_DB_SNAPSHOT) == Some(offered.arn.as_str())
}

/// Whether `copy` is the second copy of `saved`, in any state: a copy of the same shared snapshot.
pub(super) fn is_second_copy_of(copy: &DbSnapshot, saved: &DbSnapshot) -> bool {
    let is_of_same = copy.tags.get(tags::SOURCE_DB_SNAPSHOT) == saved.tags.get(tags::SOURCE_DB_SNAPSHOT);
    copy.is_saved() && copy.id == saved.id && is_of_same
}

/// The day from which an offered snapshot would no longer be kept, if that has come and it is not the newest of its
/// database: it is not saved any more, nor missed.
pub(super) fn is_past(
    offered: &DbSnapshot,
    all: &[DbSnapshot],
    shelf: Option<&Shelf<'_>>,
    run: &Run,
) -> Option<NaiveDate> {
    let is_newer =
        |other: &DbSnapshot| origin_of_offered(other) == origin_of_offered(offered) && other.by_age(offered).is_gt();
    let is_newest_offered = !all.iter().any(|other| other.is_available() && is_newer(other));
    let empty = Shelf::default();
    shelf.unwrap_or(&empty).is_past(offered, is_newest_offered, run)
}

/// Whether a saved copy is to have a second one: what goes here, or would go there, has none, lest it come and go.
pub(super) fn is_wanted_elsewhere(saved: &DbSnapshot, here: &Shelf<'_>, there: Option<&Shelf<'_>>, run: &Run) -> bool {
    let is_newest = here.newest().is_some_and(|newest| newest.id == saved.id);
    let empty = Shelf::default();
    let is_past_there = there.unwrap_or(&empty).is_past(saved, is_newest, run).is_some();
    here.fate(saved, run).is_err() && (!is_past_there || saved.is_kept_forever())
}

struct Saver<'a> {
    inventory: &'a Inventory,
    run: &'a Run,
    /// The key for copies, in each region its own.
    key: &'a str,
    /// What is shared and may be saved.
    offered: Vec<DbSnapshot>,
}

/// A copy to make, and what says how urgent it is: how many newer ones of its database are to be made as well, and when
/// the data of the database's last one is.
struct Wanted<'a> {
    rank: usize,
    last: Option<DateTime<Utc>>,
    source: &'a DbSnapshot,
    copy: CopyDbSnapshot,
}

impl<'a> Saver<'a> {
    /// What the announcement says that is not so.
    fn announced(&self) -> Option<Finding> {
        let (resource, what) = match self.inventory.announced.as_ref()? {
            Err(why) => ("announcement".to_owned(), format!("it was not understood: {why}")),
            Ok(Announcement { database, snapshot }) => {
                let is_it = |it: &DbSnapshot| it.id == *snapshot && it.database == *database;
                if self.offered.iter().any(is_it) || self.inventory.manual.iter().any(|it| it.is_saved() && is_it(it)) {
                    return None;
                }
                let what = format!("announced as a copy of {database}, but no live account shares it");
                (snapshot.to_string(), what)
            }
        };
        Some(Finding {
            kind: FindingKind::FalseAnnouncement,
            resource,
            what,
            since: None,
            todo: "if it does not go away, find out who may publish to the topic".to_owned(),
        })
    }

    /// Saves what is shared and not saved yet.
    fn first_copies(&self, plan: &mut Plan<Save>) {
        let shelves = shelves(&self.inventory.manual, &self.run.region);
        let mut missing: BTreeMap<Origin, Vec<&DbSnapshot>> = BTreeMap::new();
        for offered in &self.offered {
            let origin = origin_of_offered(offered);
            match self.may_be_copied(offered, &self.inventory.manual, |it| is_copy_of(it, offered)) {
                Err(stays) => stays.tell(&offered.id, plan),
                Ok(()) => match is_past(offered, &self.offered, shelves.get(&origin), self.run) {
                    Some(day) => plan.keep(&offered.id, Reason::Expired(day)),
                    None => missing.entry(origin).or_default().push(offered),
                },
            }
        }
        let wanted = self.ranked(missing, &shelves, &self.run.region, |offered| {
            let mut tags: Tags = [
                (tags::TYPE, tags::AUTOMATED.to_owned()),
                (tags::SOURCE_DB_SNAPSHOT, offered.arn.clone()),
                (tags::SOURCE_DATABASE, offered.database.to_string()),
                (tags::SOURCE_ACCOUNT, offered.owner.clone()),
                (tags::SOURCE_REGION, self.run.region.to_string()),
                (tags::BACKUP_RUN, self.run.stamp()),
            ]
            .into_iter()
            .collect();
            if let Some(at) = offered.data_at() {
                tags.set(tags::SOURCE_TAKEN, tags::stamp(at));
            }
            tags
        });
        Self::push_copies(wanted, &self.run.region, &self.inventory.manual, plan);
    }

    /// Copies into another region what is saved here and not there yet.
    fn second_copies(&self, region: &Region, there: &'a [DbSnapshot], plan: &mut Plan<Save>) {
        let home = &self.run.region;
        let (shelves_here, shelves_there) = (shelves(&self.inventory.manual, home), shelves(there, home));
        let mut missing: BTreeMap<Origin, Vec<&DbSnapshot>> = BTreeMap::new();
        for (origin, shelf) in &shelves_here {
            for saved in shelf.copies() {
                match self.may_be_copied(saved, there, |it| is_second_copy_of(it, saved)) {
                    Err(Stays::Kept(Reason::CopyThere(_))) => {}
                    Err(stays) => stays.tell(format!("{} in {region}", saved.id), plan),
                    Ok(()) => {
                        if is_wanted_elsewhere(saved, shelf, shelves_there.get(origin), self.run) {
                            missing.entry(origin.clone()).or_default().push(saved);
                        }
                    }
                }
            }
        }
        let wanted = self.ranked(missing, &shelves_there, region, |saved| {
            let own = [
                tags::TYPE,
                tags::SOURCE_DB_SNAPSHOT,
                tags::SOURCE_DATABASE,
                tags::SOURCE_ACCOUNT,
                tags::SOURCE_REGION,
                tags::BACKUP_RUN,
                tags::SOURCE_TAKEN,
                tags::KEEP_FOREVER,
            ];
            let tags: Tags = own.into_iter().filter_map(|key| Some((key, saved.tags.get(key)?))).collect();
            tags.and_what_fits_of(saved.tags.iter())
        });
        Self::push_copies(wanted, region, there, plan);
    }

    /// Whether a snapshot can be copied to one of its own name among `there`.
    fn may_be_copied(
        &self,
        source: &DbSnapshot,
        there: &[DbSnapshot],
        is_copy: impl Fn(&DbSnapshot) -> bool,
    ) -> Result<(), Stays> {
        match there.iter().find(|it| it.id == source.id) {
            Some(copy) if is_copy(copy) && copy.is_live() => Err(Stays::Kept(Reason::CopyThere(copy.id.clone()))),
            Some(copy) if is_copy(copy) => Err(Stays::Kept(Reason::NameNotFree(copy.id.clone()))),
            Some(namesake) => Err(Stays::Refused(format!(
                "{} cannot be copied: {} has a snapshot of that name that is not its copy, which is left alone",
                source.arn,
                namesake.arn.split(':').nth(3).unwrap_or(self.run.region.as_str())
            ))),
            None if !source.is_available() => Err(Stays::Kept(Reason::NotCompleted)),
            None => Ok(()),
        }
    }

    /// The copies to make, the most urgent first.
    fn ranked<'b>(
        &self,
        missing: BTreeMap<Origin, Vec<&'b DbSnapshot>>,
        shelves: &BTreeMap<Origin, Shelf<'_>>,
        to: &Region,
        tags: impl Fn(&DbSnapshot) -> Tags,
    ) -> Vec<Wanted<'b>> {
        let mut wanted = Vec::new();
        for (origin, mut sources) in missing {
            sources.sort_by(|a, b| b.by_age(a));
            let last = shelves.get(&origin).and_then(Shelf::newest).and_then(DbSnapshot::data_at);
            for (rank, source) in sources.into_iter().enumerate() {
                let copy = CopyDbSnapshot {
                    database: source.database.clone(),
                    source: source.arn.clone(),
                    to: to.clone(),
                    target: source.id.clone(),
                    kms_key: key_for(source, self.key),
                    tags: tags(source),
                };
                wanted.push(Wanted { rank, last, source, copy });
            }
        }
        wanted.sort_by(|a, b| (a.rank, a.last, &a.copy.source).cmp(&(b.rank, b.last, &b.copy.source)));
        wanted
    }

    /// Plans as many of the copies as AWS makes at once into the region.
    fn push_copies(wanted: Vec<Wanted<'_>>, to: &Region, there: &[DbSnapshot], plan: &mut Plan<Save>) {
        let mut under_way = UnderWay::among(there);
        let mut taken: BTreeMap<DbSnapshotId, String> = BTreeMap::new();
        for Wanted { source, copy, .. } in wanted {
            if let Some(first) = taken.get(&copy.target) {
                let cause = format!("cannot be copied to {}: that is the name of the copy of {first}", copy.target);
                plan.refusals.push(Refusal { resource: copy.source, cause });
            } else if under_way.take_place(source.is_aurora()) {
                taken.insert(copy.target.clone(), copy.source.clone());
                plan.actions.push(Save::Copy(copy));
            } else {
                plan.keep(&copy.target, Reason::CopiesUnderWay(to.clone()));
            }
        }
    }

    /// Lets own copies in a region go: those that failed, and those that are due; none where the brake holds. Second copies
    /// of other regions that lie there are none of this saver's.
    fn deletions(&self, region: &Region, snapshots: &[DbSnapshot], plan: &mut Plan<Save>) {
        let shelves = shelves(snapshots, &self.run.region);
        // what failed has no day, and goes first
        let mut going: Vec<(Option<NaiveDate>, DeleteDbSnapshot)> = Vec::new();
        let mut saved = 0;
        for copy in saved_from(snapshots, &self.run.region) {
            saved += 1;
            let fate = match (copy.state, shelves.get(&shelf::origin_of_saved(copy))) {
                (DbSnapshotState::Failed, _) if !copy.is_kept_forever() => Ok(Why::Failed),
                (_, Some(shelf)) => shelf.fate(copy, self.run).map(Why::Due),
                (_, None) => Shelf::default().fate(copy, self.run).map(Why::Due),
            };
            if copy.state == DbSnapshotState::Failed {
                plan.findings.push(wrong::failed(copy, region));
            }
            match fate {
                Ok(why) => {
                    let due = match &why {
                        Why::Due(day) => Some(*day),
                        Why::Failed | Why::Superseded(_) | Why::NeverShared(_) | Why::Surplus(_) => None,
                    };
                    let delete = DeleteDbSnapshot { region: region.clone(), snapshot: copy.id.clone(), why };
                    going.push((due, delete));
                }
                Err(reason) => plan.keep(format!("{} in {region}", copy.id), reason),
            }
        }
        going.sort_by(|a, b| (a.0, &a.1.snapshot).cmp(&(b.0, &b.1.snapshot)));
        if let Some(refusal) = delete::brake(going.len(), saved, region, self.run) {
            plan.refusals.push(refusal);
            for (_, delete) in going {
                plan.keep(format!("{} in {region}", delete.snapshot), Reason::Brake);
            }
        } else {
            plan.actions.extend(going.into_iter().map(|(_, delete)| Save::Delete(delete)));
        }
    }
}

/// Why a snapshot is not copied.
enum Stays {
    Kept(Reason),
    Refused(String),
}

impl Stays {
    fn tell(self, resource: impl fmt::Display, plan: &mut Plan<Save>) {
        match self {
            Self::Kept(reason) => plan.keep(resource, reason),
            Self::Refused(cause) => plan.refusals.push(Refusal { resource: resource.to_string(), cause }),
        }
    }
}

/// One step of the saver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Save {
    /// Copies a shared snapshot to one of this account's own, or an own one to another region.
    Copy(CopyDbSnapshot),
    /// Deletes an own copy.
    Delete(DeleteDbSnapshot),
}

impl fmt::Display for Save {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(copy) => write!(f, "{copy}"),
            Self::Delete(delete) => write!(f, "{delete}"),
        }
    }
}

impl Action for Save {
    fn resource(&self) -> String {
        match self {
            Self::Copy(copy) => copy.target.to_string(),
            Self::Delete(delete) => delete.snapshot.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
