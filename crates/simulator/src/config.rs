//! How a simulated AWS is set up.

use chrono::{DateTime, Utc};
use std::time::Duration;

/// The account of every access key that is neither configured nor an account id.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";
/// How long an account id is.
const ACCOUNT_DIGITS: usize = 12;

/// How a simulated AWS is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The instant at which its time begins.
    pub start: DateTime<Utc>,
    /// What all ids are derived from, and which calls a fault by rate strikes.
    pub seed: u64,
    /// Access keys and the account ids that they belong to. Of the others, a key of twelve digits is an account's own
    /// id, as in moto, and any other belongs to `123456789012`.
    pub accounts: Vec<(String, String)>,
    /// How long a snapshot of a volume stays `pending`.
    pub snapshot_time: Duration,
    /// How long a copy stays `pending`.
    pub copy_time: Duration,
    /// How long an instance stays `pending`, made or started.
    pub start_time: Duration,
    /// How long an instance stays `stopping`.
    pub stop_time: Duration,
    /// How long every answer takes.
    pub latency: Duration,
    /// Whether calls are throttled.
    pub rates: Rates,
    /// How many snapshots a region may hold.
    pub snapshot_limit: usize,
    /// How many copies into a region may be under way at once.
    pub copies_at_once: usize,
    /// How long a snapshot of a database is `creating`.
    pub db_snapshot_time: Duration,
    /// How long a copy of a database snapshot is in progress.
    pub db_copy_time: Duration,
    /// How many manual snapshots of DB instances a region may hold, and as many of clusters.
    pub db_snapshot_limit: usize,
    /// How many copies of database snapshots into a region may be in progress at once; of Aurora they are five anyway.
    pub db_copies_at_once: usize,
    /// How many results a page holds at most, whatever `MaxResults` or `MaxRecords` says; at least one. A describe of EC2
    /// that asks for no pages is answered in full.
    pub page_size: usize,
    /// Whether every call is remembered, to be told by [`Simulator::calls`](crate::Simulator::calls). They are counted in
    /// any case: [`Simulator::call_counts`](crate::Simulator::call_counts).
    pub keeps_calls: bool,
    /// How far back stale readings reach. Where it is no time, nothing is remembered and no reading is stale.
    pub remembers: Duration,
}

impl Config {
    /// The defaults, with time beginning at `start`.
    pub fn starting(start: DateTime<Utc>) -> Config {
        Config {
            start,
            seed: 0,
            accounts: Vec::new(),
            snapshot_time: Duration::from_mins(1),
            copy_time: Duration::from_mins(5),
            start_time: Duration::ZERO,
            stop_time: Duration::ZERO,
            latency: Duration::ZERO,
            rates: Rates::Off,
            snapshot_limit: 100_000,
            // "Quotas for Amazon EBS"
            copies_at_once: 20,
            db_snapshot_time: Duration::from_mins(5),
            db_copy_time: Duration::from_mins(10),
            // "Quotas and constraints for Amazon RDS"; "Copying a DB snapshot"
            db_snapshot_limit: 100,
            db_copies_at_once: 20,
            page_size: 1000,
            keeps_calls: true,
            remembers: Duration::ZERO,
        }
    }

    /// The account that an access key belongs to.
    pub(crate) fn account_of<'a>(&'a self, access_key: &'a str) -> &'a str {
        let configured = self.accounts.iter().find(|(key, _)| key == access_key).map(|(_, account)| account.as_str());
        let is_account = access_key.len() == ACCOUNT_DIGITS && access_key.bytes().all(|byte| byte.is_ascii_digit());
        configured.unwrap_or(if is_account { access_key } else { DEFAULT_ACCOUNT })
    }
}

/// Whether calls are throttled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rates {
    /// Never.
    #[default]
    Off,
    /// By AWS's documented token buckets, one for each account, region and action.
    Aws,
}
