//! What exists: a world of accounts and regions, and what time does to it.

pub(crate) mod database;
pub(crate) mod db_snapshot;
pub(crate) mod ids;
pub(crate) mod image;
pub(crate) mod instance;
pub(crate) mod keys;
pub(crate) mod launch_template;
pub(crate) mod lock;
pub(crate) mod parameter;
mod past;
pub(crate) mod region;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod snapshots;
pub(crate) mod tags;
pub(crate) mod under_way;
pub(crate) mod volume;

use crate::config::Config;
use crate::iam::Policy;
use crate::record::{DbDeletion, Deletion, Deregistration, Published};
use crate::wire::error::Error;
use chrono::{DateTime, Utc};
use database::{DbKey, RdsSettings};
use ids::Ids;
use keys::RDS_KEY;
use past::Past;
use region::Region;
use session::{Role, Session};
use snapshot::{PUBLIC_OWNER, Snapshot, public};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One account in one region: everything lives in such a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    pub(crate) fn new(account: &str, region: &str) -> Place {
        Place { account: account.to_owned(), region: region.to_owned() }
    }

    /// The place of a resource whose ARN names both.
    pub(crate) fn of_arn(arn: &str) -> Option<Place> {
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next()?, parts.next()?);
        Some(Place::new(account, region))
    }
}

/// Something that time will do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// This snapshot's creation ends, well or not.
    Snapshot(String),
    /// This instance has been stopped, or runs.
    Change(String),
    /// This terminated instance is no longer listed.
    Instance(String),
    /// This database snapshot's creation ends, well or not.
    DbSnapshot(DbKey),
    /// An automated snapshot of this database is taken.
    Backup(DbKey),
}

/// Everything that exists, in every account and region.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) ids: Ids,
    pub(crate) snapshot_time: Duration,
    pub(crate) copy_time: Duration,
    pub(crate) start_time: Duration,
    pub(crate) stop_time: Duration,
    pub(crate) snapshot_limit: usize,
    pub(crate) copies_at_once: usize,
    pub(crate) page_size: usize,
    pub(crate) rds: RdsSettings,
    /// Volumes whose snapshots are refused, and the error code with which they are.
    pub(crate) refusals: BTreeMap<String, String>,
    /// Volumes whose next snapshots end in `error`, and how many of them.
    pub(crate) failures: BTreeMap<String, u32>,
    /// How many of the next copies of images fail.
    pub(crate) failing_image_copies: u32,
    /// By ARN.
    pub(crate) roles: BTreeMap<String, Role>,
    /// By access key.
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Regions that do not answer.
    pub(crate) down: BTreeSet<String>,
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) db_deletions: Vec<DbDeletion>,
    pub(crate) deregistrations: Vec<Deregistration>,
    pub(crate) published: Vec<Published>,
    /// How much has changed so far.
    pub(crate) changes: u64,
    regions: BTreeMap<Place, Region>,
    past: Past,
    /// What time will do, soonest first, so that a request settles only what has come due.
    due: BTreeSet<(DateTime<Utc>, Place, Due)>,
}

impl World {
    pub(crate) fn new(config: &Config) -> World {
        World {
            ids: Ids::new(config.seed),
            snapshot_time: config.snapshot_time,
            copy_time: config.copy_time,
            start_time: config.start_time,
            stop_time: config.stop_time,
            snapshot_limit: config.snapshot_limit,
            copies_at_once: config.copies_at_once,
            page_size: config.page_size,
            rds: RdsSettings {
                snapshot_time: config.db_snapshot_time,
                copy_time: config.db_copy_time,
                snapshot_limit: config.db_snapshot_limit,
                copies_at_once: config.db_copies_at_once,
                failing_copies: 0,
            },
            refusals: BTreeMap::new(),
            failures: BTreeMap::new(),
            failing_image_copies: 0,
            roles: BTreeMap::new(),
            sessions: BTreeMap::new(),
            down: BTreeSet::new(),
            deletions: Vec::new(),
            db_deletions: Vec::new(),
            deregistrations: Vec::new(),
            published: Vec::new(),
            changes: 0,
            regions: BTreeMap::new(),
            past: Past::new(config.remembers),
            due: BTreeSet::new(),
        }
    }

    /// What an account has in a region; nothing at first.
    pub(crate) fn region(&mut self, place: &Place) -> &mut Region {
        self.regions.entry(place.clone()).or_default()
    }

    /// A snapshot that an account may read in a region: one of its own, or a public one.
    pub(crate) fn readable_snapshot(&mut self, place: &Place, id: &str) -> Result<Snapshot, Error> {
        let own = self.region(place).snapshot(id).cloned();
        own.or_else(|error| public(&place.region).into_iter().find(|snapshot| snapshot.id == id).ok_or(error))
    }

    /// Is told before anything changes in a place: counts the change, and keeps what has been there.
    pub(crate) fn will_change(&mut self, place: &Place, now: DateTime<Utc>) {
        self.changes += 1;
        self.past.keep(place, now, self.regions.get(place));
    }

    /// Exchanges what is in a region, in every account, for what was there so long ago: of what others share with it, an
    /// account reads in their places. Done twice, with no change between, it is undone.
    pub(crate) fn exchange_for_past(&mut self, region: &str, now: DateTime<Utc>, lag: Duration) {
        for (place, present) in self.regions.iter_mut().filter(|(place, _)| place.region == region) {
            if let Some(then) = self.past.at(place, now, lag) {
                std::mem::swap(then, present);
            }
        }
    }

    /// Whether RDS can use a key for an account: one of the account's own, or one whose policy lets the account use it.
    pub(crate) fn may_use_key(&self, account: &str, key: &str) -> bool {
        let Some(place) = Place::of_arn(key) else { return false };
        let is_own = place.account == account;
        if key == keys::arn(&place, RDS_KEY) {
            return is_own;
        }
        let found = self.regions.get(&place).and_then(|region| region.keys.get(key));
        found.is_some_and(|key| key.enabled && (is_own || key.shared_with.contains(account)))
    }

    /// Lets all snapshots and copies that are being made in a place end now, as soon as the world is settled.
    pub(crate) fn hurry(&mut self, place: &Place, now: DateTime<Utc>) {
        let mut hurried = Vec::new();
        self.due.retain(|(_, of, due)| match due {
            Due::Snapshot(_) | Due::DbSnapshot(_) if of == place => {
                hurried.push(due.clone());
                false
            }
            Due::Snapshot(_) | Due::Change(_) | Due::Instance(_) | Due::DbSnapshot(_) | Due::Backup(_) => true,
        });
        for due in hurried {
            let region = self.region(place);
            // one that was deleted is not there, but one of a volume still counts as concurrent
            let ends_at = match &due {
                Due::Snapshot(id) => region.snapshots.get_mut(id).map(|snapshot| &mut snapshot.ends_at),
                Due::DbSnapshot(key) => region.db_snapshots.get_mut(key).map(|snapshot| &mut snapshot.ends_at),
                Due::Change(_) | Due::Instance(_) | Due::Backup(_) => None,
            };
            if let Some(ends_at) = ends_at {
                *ends_at = now;
            }
            self.schedule(now, place, due);
        }
    }

    pub(crate) fn schedule(&mut self, at: DateTime<Utc>, place: &Place, due: Due) {
        self.due.insert((at, place.clone(), due));
    }

    /// Lets everything happen whose time has come.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>) {
        while self.due.first().is_some_and(|(at, _, _)| *at <= now) {
            let Some((at, place, due)) = self.due.pop_first() else { return };
            self.will_change(&place, at);
            match due {
                Due::Snapshot(id) => self.region(&place).end_snapshot(&id),
                Due::Change(id) => self.region(&place).end_change(&id),
                Due::Instance(id) => {
                    self.region(&place).instances.remove(&id);
                }
                Due::DbSnapshot(key) => self.end_db_snapshot(&place, at, &key),
                Due::Backup(key) => self.begin_backup(&place, at, &key),
            }
        }
    }
}

/// The world as one call sees it: its place, its caller and what that may do, and its instant.
pub(crate) struct Here<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) place: &'a Place,
    /// The access key.
    pub(crate) caller: &'a str,
    /// What the caller may do; all, if there is none.
    pub(crate) policy: Option<&'a Policy>,
    pub(crate) now: DateTime<Utc>,
}

impl Here<'_> {
    /// A snapshot that the caller may read here: one of its own, or a public one.
    pub(crate) fn readable_snapshot(&mut self, id: &str) -> Result<Snapshot, Error> {
        self.world.readable_snapshot(self.place, id)
    }

    /// A snapshot that the caller may change. A public one is there, but someone else's.
    pub(crate) fn own_snapshot(&mut self, id: &str) -> Result<&mut Snapshot, Error> {
        self.check_own(id)?;
        self.region().snapshot(id)
    }

    /// Refuses a change to what is someone else's.
    pub(crate) fn check_own(&self, id: &str) -> Result<(), Error> {
        if public(&self.place.region).iter().any(|snapshot| snapshot.id == id) {
            // unconfirmed: AWS does not document with which code it refuses this
            let message = format!("You are not authorized to perform this operation: {id} belongs to {PUBLIC_OWNER}.");
            return Err(Error::new("UnauthorizedOperation", message));
        }
        Ok(())
    }

    /// What the caller's account has in the called region.
    pub(crate) fn region(&mut self) -> &mut Region {
        self.world.region(self.place)
    }
}

/// The regions of the `aws` partition. A call to any other name finds no one to answer it.
pub(crate) const REGIONS: [&str; 33] = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-east-2",
];
