//! What exists: a world of accounts and regions, and what time does to it.

pub(crate) mod ids;
pub(crate) mod image;
pub(crate) mod instance;
pub(crate) mod keys;
pub(crate) mod lock;
mod past;
pub(crate) mod region;
pub(crate) mod snapshot;
pub(crate) mod tags;
pub(crate) mod volume;

use crate::config::Config;
use crate::iam::Policy;
use crate::record::{Deletion, Published};
use crate::wire::error::Error;
use chrono::{DateTime, Utc};
use ids::Ids;
use past::Past;
use region::Region;
use snapshot::{PUBLIC_OWNER, Snapshot, public};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One account in one region: everything in EC2 lives in such a place.
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
    /// Volumes whose snapshots are refused, and the error code with which they are.
    pub(crate) refusals: BTreeMap<String, String>,
    /// Volumes whose next snapshots end in `error`, and how many of them.
    pub(crate) failures: BTreeMap<String, u32>,
    /// Regions that do not answer.
    pub(crate) down: BTreeSet<String>,
    pub(crate) deletions: Vec<Deletion>,
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
            refusals: BTreeMap::new(),
            failures: BTreeMap::new(),
            down: BTreeSet::new(),
            deletions: Vec::new(),
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

    /// Exchanges what is in a place for what was there so long ago. Done twice, with no change between, it is undone.
    pub(crate) fn exchange_for_past(&mut self, place: &Place, now: DateTime<Utc>, lag: Duration) {
        if let Some(then) = self.past.at(place, now, lag) {
            std::mem::swap(then, self.regions.entry(place.clone()).or_default());
        }
    }

    /// Lets all snapshots and copies that are being made in a place end now, as soon as the world is settled.
    pub(crate) fn hurry(&mut self, place: &Place, now: DateTime<Utc>) {
        let mut hurried = Vec::new();
        self.due.retain(|(_, of, due)| match due {
            Due::Snapshot(id) if of == place => {
                hurried.push(id.clone());
                false
            }
            Due::Snapshot(_) | Due::Change(_) | Due::Instance(_) => true,
        });
        for id in hurried {
            // one that was deleted is not there, but still counts as concurrent
            if let Some(snapshot) = self.region(place).snapshots.get_mut(&id) {
                snapshot.ends_at = now;
            }
            self.schedule(now, place, Due::Snapshot(id));
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
            let region = self.region(&place);
            match due {
                Due::Snapshot(id) => region.end_snapshot(&id),
                Due::Change(id) => region.end_change(&id),
                Due::Instance(id) => {
                    region.instances.remove(&id);
                }
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
