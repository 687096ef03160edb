//! The simulator as its owner sees it: what to set up, what to break, what to look at.

use crate::clock::Clock;
use crate::config::Config;
use crate::door::in_process::InProcess;
use crate::door::listener::Listener;
use crate::fault::Fault;
use crate::fleet::{BadFleet, Fleet};
use crate::handle::{Exchange, State};
use crate::iam::Policy;
use crate::model::database::Database;
use crate::model::db_snapshot::DbSnapshot;
use crate::model::image::Image;
use crate::model::instance::Instance;
use crate::model::keys;
use crate::model::parameter::Parameter;
use crate::model::region::Region;
use crate::model::snapshot::{Snapshot, StorageTier};
use crate::model::volume::Volume;
use crate::model::{Place, World};
use crate::record::{Call, CallCount, CallKind, DbDeletion, Deletion, Deregistration, Published};
use crate::sight::Sight;
use crate::wire::request::Request;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a KMS key waits for its deletion, where nothing else is said. Source: API reference, `ScheduleKeyDeletion`.
const KEY_DELETION: Duration = Duration::from_hours(24 * 30);

/// A simulated AWS: several accounts, every region. Clones are the same one.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    config: Config,
    clock: Clock,
    state: Mutex<State>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Simulator").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A simulated AWS in which nothing exists yet.
    pub fn new(config: Config) -> Simulator {
        let (clock, state) = (Clock::starting(config.start), Mutex::new(State::new(&config)));
        Simulator(Arc::new(Inner { config, clock, state }))
    }

    /// Its time: the start, and what has passed in tokio's time since it was first used, and what was skipped.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// Moves its time forward at once.
    pub fn skip(&self, by: Duration) {
        self.0.clock.skip(by);
    }

    /// An HTTP client for the Rust SDK which has this AWS at its other end. Whatever the endpoint, it is not looked at.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess(self.clone()))
    }

    /// Listens for HTTP/1 at an address; port 0 takes a free one.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<Listener> {
        Listener::open(self.clone(), address).await
    }

    /// Attaches a policy to an access key, in place of the one that it had: from now on calls with this key may do what
    /// the policy allows, and nothing else. Whoever has no policy may do all. A role, named by its ARN, has one for all
    /// who assume it.
    pub fn attach_policy(&self, access_key: &str, policy: Policy) {
        self.state().policies.insert(access_key.to_owned(), policy);
    }

    /// Lets an account assume a role, named by its ARN, and makes the role if need be. Of this role, whoever assumes it
    /// must say this external id from now on, if there is one.
    pub fn allow_role(&self, role_arn: &str, external_id: Option<&str>, who: &str) {
        self.change(|world, _| {
            let role = world.roles.entry(role_arn.to_owned()).or_default();
            role.external_id = external_id.map(str::to_owned);
            role.trusts.insert(who.to_owned());
        });
    }

    /// Writes a parameter of Systems Manager, of the type `String`; each time is a version more.
    pub fn put_parameter(&self, account: &str, region: &str, name: &str, value: &str) {
        let changed_at = self.now();
        self.change_region(account, region, |_, region| {
            let version = region.parameters.get(name).map_or(1, |parameter| parameter.version + 1);
            region.parameters.insert(name.to_owned(), Parameter { value: value.to_owned(), version, changed_at });
        });
    }

    /// Lets another account use an image and read its snapshots, if the image exists. Where those are encrypted, their key
    /// must be shared besides.
    pub fn share_image(&self, account: &str, region: &str, image: &str, with: &str) {
        self.change_region(account, region, |_, region| {
            if let Some(image) = region.images.get_mut(image) {
                image.shared_with.insert(with.to_owned());
            }
        });
    }

    /// Makes a KMS key, named by alias or id, or enables it again. A copy that has lost its key stays lost.
    pub fn create_key(&self, account: &str, region: &str, key: &str) {
        let now = self.now();
        self.change_region(account, region, |place, region| region.enable_key(&keys::arn(place, key), now));
    }

    /// Disables a KMS key: copies of volumes' snapshots that are being encrypted with it end in `error`, and copies of
    /// databases' snapshots that it is needed for, in whatever account, are `failed` at once.
    pub fn disable_key(&self, account: &str, region: &str, key: &str) {
        self.take_key(account, region, key, None);
    }

    /// Disables a KMS key and tells that it will be deleted in 30 days, unless it is enabled before. That it then is
    /// deleted is not modelled.
    pub fn schedule_key_deletion(&self, account: &str, region: &str, key: &str) {
        self.take_key(account, region, key, Some(self.now() + KEY_DELETION));
    }

    /// Lets another account use a KMS key, as the key's policy would. This alone neither makes nor enables the key.
    pub fn share_key(&self, account: &str, region: &str, key: &str, with: &str) {
        self.change_region(account, region, |place, region| {
            region.keys.entry(keys::arn(place, key)).or_default().shared_with.insert(with.to_owned());
        });
    }

    /// Lets a volume's next snapshots, so many, end in `error`, and the sets that they are part of.
    pub fn fail_snapshots_of(&self, volume: &str, times: u32) {
        self.change(|world, _| world.failures.insert(volume.to_owned(), times));
    }

    /// Refuses snapshots of a volume with this error code, until they are allowed again.
    pub fn refuse_snapshots_of(&self, volume: &str, code: &str) {
        self.change(|world, _| world.refusals.insert(volume.to_owned(), code.to_owned()));
    }

    /// Allows snapshots of a volume again.
    pub fn allow_snapshots_of(&self, volume: &str) {
        self.change(|world, _| world.refusals.remove(volume));
    }

    /// Moves a snapshot to the archive, if it exists.
    pub fn archive(&self, account: &str, region: &str, snapshot: &str) {
        self.change_region(account, region, |_, region| {
            if let Some(snapshot) = region.snapshots.get_mut(snapshot) {
                snapshot.storage_tier = StorageTier::Archive;
            }
        });
    }

    /// Lets every snapshot of a volume that is begun from now on stay `pending` for so long.
    pub fn set_snapshot_time(&self, time: Duration) {
        self.change(|world, _| world.snapshot_time = time);
    }

    /// Lets every copy that is begun from now on stay `pending` for so long. One of weeks is as good as stuck.
    pub fn set_copy_time(&self, time: Duration) {
        self.change(|world, _| world.copy_time = time);
    }

    /// Lets the next copies of images, so many, in whatever account and region, end in `failed`, and the copies of their
    /// snapshots in `error`.
    pub fn fail_image_copies(&self, times: u32) {
        self.change(|world, _| world.failing_image_copies = times);
    }

    /// Lets every snapshot of a database that is begun from now on be `creating` for so long.
    pub fn set_db_snapshot_time(&self, time: Duration) {
        self.change(|world, _| world.rds.snapshot_time = time);
    }

    /// Lets every copy of a database snapshot that is begun from now on be in progress for so long.
    pub fn set_db_copy_time(&self, time: Duration) {
        self.change(|world, _| world.rds.copy_time = time);
    }

    /// Lets the next copies of database snapshots, so many, in whatever account and region, end in `failed`.
    pub fn fail_db_copies(&self, times: u32) {
        self.change(|world, _| world.rds.failing_copies = times);
    }

    /// Ends now, well or not, every snapshot and copy that is being made in a region, deleted ones that still count as
    /// concurrent among them, and those of databases. The dates of a lock that was set meanwhile stay as they are.
    pub fn hurry(&self, account: &str, region: &str) {
        let place = Place::new(account, region);
        self.change(|world, now| world.hurry(&place, now));
    }

    /// Adds a fault to those that are waiting to strike.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Whether requests are refused whose header `X-Amz-Date` is more than 5 minutes off the clock here, as AWS does. At
    /// first they are not.
    pub fn refuse_skewed(&self, refuse: bool) {
        self.state().refuses_skewed = refuse;
    }

    /// Cuts a region off: no call to it is answered, and nothing can be copied from it.
    pub fn region_down(&self, region: &str) {
        self.change(|world, _| world.down.insert(region.to_owned()));
    }

    /// Brings a region back.
    pub fn region_up(&self, region: &str) {
        self.change(|world, _| world.down.remove(region));
    }

    /// All calls so far, or since they were forgotten; but for those without a signature, which are nobody's. There are
    /// none where the configuration does not keep them.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls there were so far, or since they were forgotten, by access key, region, service and action.
    pub fn call_counts(&self) -> BTreeMap<CallKind, CallCount> {
        self.state().counts.clone()
    }

    /// Forgets the calls so far, and their counts.
    pub fn forget_calls(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.counts.clear();
    }

    /// Puts a whole fleet into an account and region at once, or nothing of it.
    ///
    /// # Errors
    /// If it is not one that calls could have made.
    pub fn insert(&self, account: &str, region: &str, fleet: Fleet) -> Result<(), BadFleet> {
        let place = Place::new(account, region);
        self.with_world(|world, now| {
            fleet.check(&place, world.region(&place))?;
            world.will_change(&place, now);
            fleet.put(&place, world);
            Ok(())
        })
    }

    /// Looks at what an account truly has in a region, without copying it. All calls wait meanwhile, so `act` must not
    /// call this simulator.
    pub fn look<T>(&self, account: &str, region: &str, act: impl FnOnce(&Sight<'_>) -> T) -> T {
        let place = Place::new(account, region);
        self.with_world(|world, now| act(&Sight::of(world.region(&place), now)))
    }

    /// A count that grows with every call that takes effect and is no `Describe…`, with whatever time does, and with
    /// whatever the owner changes. As long as it does not grow, there is nothing new to look at.
    pub fn changes(&self) -> u64 {
        self.with_world(|world, _| world.changes)
    }

    /// The snapshots of an account in a region as they truly are, by id.
    pub fn snapshots(&self, account: &str, region: &str) -> Vec<Snapshot> {
        self.look(account, region, |sight| sight.snapshots.values().cloned().collect())
    }

    /// The instances of an account in a region, by id.
    pub fn instances(&self, account: &str, region: &str) -> Vec<Instance> {
        self.look(account, region, |sight| sight.instances.values().cloned().collect())
    }

    /// The volumes of an account in a region, by id.
    pub fn volumes(&self, account: &str, region: &str) -> Vec<Volume> {
        self.look(account, region, |sight| sight.volumes.values().cloned().collect())
    }

    /// The images of an account in a region, by id.
    pub fn images(&self, account: &str, region: &str) -> Vec<Image> {
        self.look(account, region, |sight| sight.images.values().cloned().collect())
    }

    /// The DB instances and clusters of an account in a region, by kind and id.
    pub fn databases(&self, account: &str, region: &str) -> Vec<Database> {
        self.look(account, region, |sight| sight.databases.values().cloned().collect())
    }

    /// The database snapshots of an account in a region as they truly are, by kind and id; automated ones too.
    pub fn db_snapshots(&self, account: &str, region: &str) -> Vec<DbSnapshot> {
        self.look(account, region, |sight| sight.db_snapshots.values().cloned().collect())
    }

    /// Every database snapshot that was ever deleted by a call that named it, the first one first. Automated ones, which
    /// RDS deletes by itself, are not among them.
    pub fn db_deletions(&self) -> Vec<DbDeletion> {
        self.with_world(|world, _| world.db_deletions.clone())
    }

    /// Every snapshot that was ever deleted, the first one first; for those of databases there is [`Self::db_deletions`].
    pub fn deletions(&self) -> Vec<Deletion> {
        self.with_world(|world, _| world.deletions.clone())
    }

    /// Looks at every snapshot that was ever deleted, the first one first, without copying them. All calls wait meanwhile,
    /// so `act` must not call this simulator.
    pub fn look_at_deletions<T>(&self, act: impl FnOnce(&[Deletion]) -> T) -> T {
        self.with_world(|world, _| act(&world.deletions))
    }

    /// Every image that was ever deregistered, the first one first.
    pub fn deregistrations(&self) -> Vec<Deregistration> {
        self.with_world(|world, _| world.deregistrations.clone())
    }

    /// Every message that was ever published, the first one first.
    pub fn published(&self) -> Vec<Published> {
        self.with_world(|world, _| world.published.clone())
    }

    /// Handles one request: the one way in for both doors.
    pub(crate) fn handle(&self, request: &Request) -> Exchange {
        // the lock first: so that the instants of requests are in the order in which they are handled
        let mut state = self.state();
        let now = self.now();
        state.handle(&self.0.config, now, request)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it is now, to be looked at.
    fn with_world<T>(&self, act: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        let mut state = self.state();
        let now = self.now();
        state.settle(&self.0.config, now);
        act(&mut state.world, now)
    }

    /// Disables a key, and whatever is at work with it.
    fn take_key(&self, account: &str, region: &str, key: &str, deletion: Option<DateTime<Utc>>) {
        let place = Place::new(account, region);
        let arn = keys::arn(&place, key);
        self.with_world(|world, now| {
            world.will_change(&place, now);
            let region = world.region(&place);
            region.disable_key(&arn);
            if deletion.is_some() {
                region.keys.entry(arn.clone()).or_default().deletion_at = deletion;
            }
            world.end_copies_with(now, &arn);
        });
    }

    /// Changes something that no reading shows.
    fn change<T>(&self, act: impl FnOnce(&mut World, DateTime<Utc>) -> T) -> T {
        self.with_world(|world, now| {
            world.changes += 1;
            act(world, now)
        })
    }

    /// Changes something that a region holds, which a stale reading may still show as it was.
    fn change_region<T>(&self, account: &str, region: &str, act: impl FnOnce(&Place, &mut Region) -> T) -> T {
        let place = Place::new(account, region);
        self.with_world(|world, now| {
            world.will_change(&place, now);
            act(&place, world.region(&place))
        })
    }
}
