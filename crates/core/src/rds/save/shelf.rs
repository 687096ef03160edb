//! The saved copies of one database in one region, and how long each is kept.

use std::{collections::BTreeMap, fmt};

use chrono::NaiveDate;

use crate::{
    calendar::Unit,
    ids::Region,
    plan::Reason,
    rds::inventory::{DbSnapshot, DbSnapshotState},
    run::Run,
    tags,
};

/// A database and where it is. Databases of the same name in two accounts or regions are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// The live account.
    pub(crate) account: String,
    /// The region in which the live account shares copies of it.
    pub(crate) region: String,
    /// `db:orders`.
    pub(crate) database: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of account {} in {}", self.database, self.account, self.region)
    }
}

/// Of which database a saved copy is, by its tags. What does not say from which region it is, is of that in which it lies.
pub(super) fn origin_of_saved(saved: &DbSnapshot) -> Origin {
    let tag = |key: &str, otherwise: &str| saved.tags.get(key).unwrap_or(otherwise).to_owned();
    Origin {
        account: tag(tags::SOURCE_ACCOUNT, ""),
        region: tag(tags::SOURCE_REGION, saved.region()),
        database: tag(tags::SOURCE_DATABASE, &saved.database.to_string()),
    }
}

/// Of which database a shared snapshot is.
pub(crate) fn origin_of_offered(offered: &DbSnapshot) -> Origin {
    Origin {
        account: offered.owner.clone(),
        region: offered.region().to_owned(),
        database: offered.database.to_string(),
    }
}

/// Those among `snapshots` that the saver of `region` keeps, in any state. Beside them there may be second copies of other
/// regions, with which that region's saver deals.
pub(crate) fn saved_from<'a>(snapshots: &'a [DbSnapshot], region: &Region) -> impl Iterator<Item = &'a DbSnapshot> {
    snapshots.iter().filter(move |it| it.is_saved() && origin_of_saved(it).region == region.as_str())
}

/// The available saved copies among `snapshots` that the saver of `region` keeps, by their databases.
pub(crate) fn shelves<'a>(snapshots: &'a [DbSnapshot], region: &Region) -> BTreeMap<Origin, Shelf<'a>> {
    let mut shelves: BTreeMap<Origin, Shelf<'_>> = BTreeMap::new();
    for saved in saved_from(snapshots, region).filter(|saved| saved.is_available()) {
        shelves.entry(origin_of_saved(saved)).or_default().0.push(saved);
    }
    for shelf in shelves.values_mut() {
        shelf.0.sort_by(|a, b| a.by_age(b));
    }
    shelves
}

/// The available saved copies of one database, the oldest first.
#[derive(Default)]
pub(crate) struct Shelf<'a>(Vec<&'a DbSnapshot>);

impl<'a> Shelf<'a> {
    /// The copies, the oldest first.
    pub(crate) fn copies(&self) -> impl Iterator<Item = &'a DbSnapshot> {
        self.0.iter().copied()
    }

    /// The newest copy, which always stays.
    pub(crate) fn newest(&self) -> Option<&'a DbSnapshot> {
        self.0.last().copied()
    }

    /// Whether a saved copy goes, since when it is due; or why it stays.
    pub(super) fn fate(&self, copy: &DbSnapshot, run: &Run) -> Result<NaiveDate, Reason> {
        if copy.is_kept_forever() {
            return Err(Reason::KeepForever);
        }
        match copy.state {
            DbSnapshotState::Available => {}
            DbSnapshotState::InProgress => return Err(Reason::NotCompleted),
            DbSnapshotState::Failed | DbSnapshotState::Deleting => return Err(Reason::NameNotFree(copy.id.clone())),
            DbSnapshotState::Unknown => return Err(Reason::UnknownState),
        }
        if self.newest().is_none_or(|newest| newest.id == copy.id) {
            return Err(Reason::NewestCopy);
        }
        match self.due(copy, run) {
            None => Err(Reason::NoInstant),
            Some(day) if day <= run.day() => Ok(day),
            Some(day) => Err(Reason::NotDue(day)),
        }
    }

    /// The day from which a snapshot, were it saved here, would be due, if that has come. Never of the newest.
    pub(super) fn is_past(&self, snapshot: &DbSnapshot, is_newest_elsewhere: bool, run: &Run) -> Option<NaiveDate> {
        let is_newest = is_newest_elsewhere && self.newest().is_none_or(|newest| newest.by_age(snapshot).is_lt());
        self.due(snapshot, run).filter(|day| *day <= run.day() && !is_newest)
    }

    /// The first day on which a copy may go, by the setting `RETENTION`: a coarser term holds for the oldest copy of its
    /// week, month or year, which lives for the whole span. What was saved later takes that place from no copy, however old
    /// its data is.
    fn due(&self, copy: &DbSnapshot, run: &Run) -> Option<NaiveDate> {
        let day = run.day_of(copy.data_at()?);
        let older: Vec<NaiveDate> = self
            .copies()
            .filter(|other| other.id != copy.id && other.by_age(copy).is_lt() && !was_saved_after(other, copy))
            .filter_map(|other| other.data_at().map(|at| run.day_of(at)))
            .collect();
        let covered = |unit: Unit, _| older.iter().any(|other| unit.same(*other, day));
        Some(run.settings.failsafe.retention.decide(day, covered).0)
    }
}

/// Whether one was saved by a later run than `copy`, or does not say by which. What is not saved yet will be the last.
fn was_saved_after(other: &DbSnapshot, copy: &DbSnapshot) -> bool {
    let run = tags::run_instant(&copy.tags);
    run.is_some_and(|run| tags::run_instant(&other.tags).is_none_or(|other| other > run))
}
