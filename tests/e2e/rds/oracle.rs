//! What must never be, whatever happens: judged by what the simulator truly holds, never by what a job says.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use snapkeeper_simulator::{DatabaseKind, DbDeletion, DbSnapshot, DbSnapshotState};
use snapkeeper_tests::{
    Estate,
    estate::{FAILSAFE, HOME, LIVE, Side, WEST},
};

use super::{check, is_own, tag, unit_of};

/// What the access keys of all jobs begin with.
const JOBS: &str = "AKID-rds-";
/// Where copies may be: the account, the region, and with whom its copies may be shared.
const PLACES: [(Side, &str, &[&str]); 4] = [
    (Side::Live, HOME, &[FAILSAFE]),
    (Side::Live, WEST, &[FAILSAFE]),
    (Side::Failsafe, HOME, &[]),
    (Side::Failsafe, WEST, &[]),
];
/// The tags that the later life of every copy needs; in the failsafe account also [`OF_ACCOUNT`].
const NEEDED: [&str; 5] = ["Type", "Source_DBSnapshot", "Source_Database", "Source_Region", "Backup_Run"];
const OF_ACCOUNT: &str = "Source_Account";

/// A snapshot by account, region, kind and name.
type Id = (Side, &'static str, DatabaseKind, String);
/// A database by the account and the region in which its copies lie, and by the region and the name that these say it has.
type Unit = (Side, &'static str, String, String);
/// The copies of a database that can be restored from: the one in the live account only if it is shared.
type Good = BTreeMap<Unit, BTreeSet<(DateTime<Utc>, DatabaseKind, String)>>;

/// Whoever watches.
pub(super) struct Oracle {
    /// What is not ours, as it was found.
    foreign: BTreeMap<Id, DbSnapshot>,
    /// What there was at the last look.
    good: Good,
    /// How many deletions were judged.
    judged: usize,
}

impl Oracle {
    /// Takes everything that is there for somebody else's.
    pub(super) fn of(estate: &Estate) -> Self {
        let mut foreign = BTreeMap::new();
        for (id, snapshot) in all(estate) {
            if !snapshot.is_automated {
                foreign.insert(id, snapshot);
            }
        }
        Self { foreign, good: Good::new(), judged: estate.simulator().db_deletions().len() }
    }

    /// Somebody has made, changed or deleted snapshots by hand: what is not a job's is theirs as it is now.
    pub(super) fn learn(&mut self, estate: &Estate) {
        self.judged = estate.simulator().db_deletions().len();
        self.good = good(estate);
        self.foreign = all(estate).into_iter().filter(|(_, it)| !it.is_automated && !made_by_a_job(it)).collect();
    }

    /// Looks. An error says what must never be.
    pub(super) fn look(&mut self, estate: &Estate) -> Result<(), String> {
        let good = good(estate);
        let deletions = estate.simulator().db_deletions();
        for deletion in deletions.iter().skip(self.judged) {
            self.judge(deletion, &good)?;
        }
        self.judged = deletions.len();
        let now = all(estate);
        for (id, snapshot) in &now {
            self.is_allowed(id, snapshot)?;
        }
        for id in self.foreign.keys() {
            check(now.contains_key(id), || format!("{id:?} was not ours, and is gone"))?;
        }
        for (unit, before) in &self.good {
            let after = good.get(unit).map_or(0, BTreeSet::len);
            let is_well = before.is_empty() || after > 0;
            check(is_well, || format!("{unit:?} had a copy that could be restored, and has none"))?;
        }
        self.good = good;
        Ok(())
    }

    fn is_allowed(&self, id: &Id, snapshot: &DbSnapshot) -> Result<(), String> {
        let (side, region, ..) = id;
        if snapshot.is_automated {
            let untouched = snapshot.shared_with.is_empty() && tag(snapshot, "Backup_Run").is_none();
            return check(untouched, || format!("{id:?} is automated, and was changed: {snapshot:?}"));
        }
        if let Some(found) = self.foreign.get(id) {
            let same = (&found.tags, &found.shared_with) == (&snapshot.tags, &snapshot.shared_with);
            return check(same, || format!("{id:?} is not ours, and was changed: {snapshot:?}"));
        }
        let further = (*side == Side::Failsafe).then_some(OF_ACCOUNT);
        let lacking = NEEDED.into_iter().chain(further).find(|key| tag(snapshot, key).is_none());
        check(lacking.is_none(), || format!("{id:?} lacks {lacking:?}: {:?}", snapshot.tags))?;
        let of = tag(snapshot, OF_ACCOUNT).unwrap_or(LIVE);
        check(of == LIVE, || format!("{id:?} is of account {of}"))?;
        let allowed = PLACES.iter().find(|place| (place.0, place.1) == (*side, *region)).map_or(&[][..], |it| it.2);
        let strangers = snapshot.shared_with.iter().find(|account| !allowed.contains(&account.as_str()));
        check(strangers.is_none(), || format!("{id:?} is shared with {strangers:?}"))?;
        check(snapshot.id.starts_with("failsafe-"), || format!("{id:?} has a strange name"))
    }

    /// Whether what a job deleted was its to delete, and something as good or better stayed.
    fn judge(&mut self, deletion: &DbDeletion, now: &Good) -> Result<(), String> {
        let DbDeletion { caller, account, region, snapshot, .. } = deletion;
        let place = PLACES.iter().find(|place| place.0.account() == account && place.1 == region);
        let Some((side, region, _)) = place else { return Err(format!("deleted elsewhere: {deletion:?}")) };
        let id = (*side, *region, snapshot.kind, snapshot.id.clone());
        let unit = unit(*side, region, snapshot);
        let copy = (snapshot.taken_at, snapshot.kind, snapshot.id.clone());
        if !caller.starts_with(JOBS) {
            self.foreign.remove(&id);
            if self.good.get_mut(&unit).is_some_and(|good| good.remove(&copy) && good.is_empty()) {
                self.good.remove(&unit);
            }
            return Ok(());
        }
        check(!snapshot.is_automated, || format!("{caller} deletes the automated {id:?}"))?;
        check(is_own(snapshot) && !self.foreign.contains_key(&id), || format!("{caller} deletes {id:?}, not its own"))?;
        check(tag(snapshot, "KeepForever").is_none(), || format!("{caller} deletes {id:?}, which is held"))?;
        match snapshot.state {
            DbSnapshotState::Failed => return Ok(()),
            DbSnapshotState::Available => {}
            DbSnapshotState::Creating | DbSnapshotState::Copying => {
                return Err(format!("{caller} deletes {id:?}, which is being made"));
            }
        }
        // what was there before, or has become good since by another run
        let now = now.get(&unit).and_then(BTreeSet::last).map(|(taken, ..)| *taken);
        let good = self.good.entry(unit).or_default();
        good.remove(&copy);
        let newest = good.last().map(|(taken, ..)| *taken).max(now);
        check(newest >= Some(snapshot.taken_at), || {
            format!("{caller} deletes {id:?}, the newest that there was: {good:?}")
        })
    }
}

/// Whether a job made it: it has a tag that only jobs write.
fn made_by_a_job(snapshot: &DbSnapshot) -> bool {
    is_own(snapshot) && tag(snapshot, "Backup_Run").is_some()
}

fn all(estate: &Estate) -> BTreeMap<Id, DbSnapshot> {
    let mut all = BTreeMap::new();
    for (side, region, _) in PLACES {
        for snapshot in estate.simulator().db_snapshots(side.account(), region) {
            all.insert((side, region, snapshot.kind, snapshot.id.clone()), snapshot);
        }
    }
    all
}

/// Of which database a copy is. One that does not say from which region it is, is of that in which it lies.
fn unit(side: Side, region: &'static str, snapshot: &DbSnapshot) -> Unit {
    let source = tag(snapshot, "Source_Region").unwrap_or(region);
    (side, region, source.to_owned(), unit_of(snapshot).to_owned())
}

/// What can be restored from.
fn good(estate: &Estate) -> Good {
    let mut good = Good::new();
    for ((side, region, ..), snapshot) in all(estate) {
        let counts = side == Side::Failsafe || snapshot.shared_with.contains(FAILSAFE);
        if made_by_a_job(&snapshot) && snapshot.state == DbSnapshotState::Available && counts {
            good.entry(unit(side, region, &snapshot)).or_default().insert((
                snapshot.taken_at,
                snapshot.kind,
                snapshot.id,
            ));
        }
    }
    good
}
