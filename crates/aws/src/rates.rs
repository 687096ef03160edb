//! The client-side rate limit: a token bucket per region and API action, as EC2 has them. RDS and KMS are called as they come.
//!
//! AWS's bucket may be emptier than ours: another tool draws from it, or a process before this one did. A call that is
//! throttled says so. Then ours counts as empty, too, and fills more slowly for a minute.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use snapkeeper_core::{ids::Region, settings::ApiRate};
use tokio::{
    sync,
    time::{Instant, sleep},
};

/// How much longer than a later call an earlier one may take to reach AWS: it opens the connection, for one. AWS's bucket
/// begins to fill only when it arrives. Ours holds that much less, so that no later call comes too soon.
const HELD_BACK: Duration = Duration::from_millis(250);
/// Each throttled call slows its bucket down to this share of the speed that it had.
const SLOWER: f64 = 0.8;
/// The slowest that a bucket fills, as a share of its full speed.
const SLOWEST: f64 = 0.125;
/// How long after the last throttled call a bucket fills at full speed again.
const RECOVERY: Duration = Duration::from_mins(1);
/// The shortest wait that tokio's timer knows.
const TICK: Duration = Duration::from_millis(1);
/// A token that lacks no more than this is one: the sums of many fractions are not exact.
const ROUNDING: f64 = 1e-6;

/// EC2's documented buckets: how many calls at once, and how many tokens come back a second (EC2 developer guide,
/// "Request throttling"). What is not listed belongs to the general classes. RDS documents no rates, and KMS takes 2,000
/// `DescribeKey` a second (KMS developer guide, "Request quotas"): no limit.
fn documented(action: &str) -> Option<(f64, f64)> {
    match action {
        "CreateSnapshot" | "CreateSnapshots" | "DeleteSnapshot" | "DeregisterImage" => Some((100.0, 5.0)),
        "CopyImage" => Some((100.0, 1.0)),
        "CreateTags" | "DeleteTags" => Some((100.0, 10.0)),
        // those of instances started and stopped hold 1,000 at first, far more than the calls, and fill as fast or faster
        "StartInstances" => Some((5.0, 2.0)),
        "AddTagsToResource" | "DescribeAccountAttributes" | "DescribeKey" | "DescribeOptionGroups" => None,
        _ if action.contains("DB") => None,
        _ if reads(action) => Some((100.0, 20.0)),
        // the general class of what changes something; SNS takes far more, and gets a message or two a run
        _ => Some((50.0, 5.0)),
    }
}

fn reads(action: &str) -> bool {
    ["Describe", "Get", "List"].iter().any(|reading| action.starts_with(reading))
}

/// That a call may be made: the token for it is taken.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) action: &'static str,
    at: Instant,
}

/// The buckets of one process.
pub(crate) struct Gates {
    rate: ApiRate,
    buckets: Mutex<BTreeMap<(Region, &'static str), Arc<Bucket>>>,
}

impl Gates {
    pub(crate) fn new(rate: ApiRate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Waits for a token.
    pub(crate) async fn pass(&self, region: &Region, action: &'static str) -> Pass {
        if let Some(bucket) = self.bucket(region, action) {
            bucket.take().await;
        }
        Pass { action, at: Instant::now() }
    }

    /// Waits for a token of either action: the first one's if both have one now, else whichever comes first.
    pub(crate) async fn pass_either(&self, region: &Region, first: &'static str, second: &'static str) -> Pass {
        tokio::select! {
            biased;
            pass = self.pass(region, first) => pass,
            pass = self.pass(region, second) => pass,
        }
    }

    /// Takes note that AWS throttled a call.
    pub(crate) fn throttled(&self, region: &Region, call: &Pass) {
        if let Some(bucket) = self.bucket(region, call.action) {
            bucket.slow_down(call.at, Instant::now());
        }
    }

    /// How long until every bucket is full again from which a call that changes something was drawn.
    pub(crate) fn refilled_in(&self) -> Duration {
        let now = Instant::now();
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let changing = buckets.iter().filter(|((_, action), _)| !reads(action));
        changing.map(|(_, bucket)| bucket.refilled_in(now)).max().unwrap_or_default()
    }

    /// The same of the bucket of one action.
    pub(crate) fn refilled_in_of(&self, region: &Region, action: &'static str) -> Duration {
        self.bucket(region, action).map(|bucket| bucket.refilled_in(Instant::now())).unwrap_or_default()
    }

    fn bucket(&self, region: &Region, action: &'static str) -> Option<Arc<Bucket>> {
        let ApiRate::Share(share) = self.rate else { return None };
        let (burst, per_second) = documented(action)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry((region.clone(), action))
            .or_insert_with(|| Arc::new(Bucket::full(burst * share, per_second * share)));
        Some(bucket.clone())
    }
}

/// A token bucket. Between two looks nothing happens: what has come meanwhile follows from the time, so that a late timer
/// or a process that stood still loses nothing.
struct Bucket {
    burst: f64,
    per_second: f64,
    level: Mutex<Level>,
    /// Whoever has it waits for the next token, the others for it, in the order in which they came.
    turn: sync::Mutex<()>,
}

/// What was in a bucket when it was last looked at.
struct Level {
    tokens: f64,
    at: Instant,
    slowed: Option<Slowed>,
}

/// That a bucket fills more slowly.
#[derive(Clone, Copy)]
struct Slowed {
    /// Since when.
    at: Instant,
    /// To which share of its full speed, at first. It grows with the square of the time: slowly, where the last throttled
    /// call shows where the limit is.
    to: f64,
}

impl Bucket {
    fn full(burst: f64, per_second: f64) -> Self {
        let burst = (burst - per_second * HELD_BACK.as_secs_f64()).max(1.0);
        let level = Mutex::new(Level { tokens: burst, at: Instant::now(), slowed: None });
        Self { burst, per_second, level, turn: sync::Mutex::default() }
    }

    /// Waits for a token. If the wait is given up, none is taken.
    async fn take(&self) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.take_now(Instant::now()) {
            sleep(wait).await;
        }
    }

    /// Takes a token, or says after which time to try again.
    fn take_now(&self, now: Instant) -> Result<(), Duration> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut level, now);
        let lacking = 1.0 - level.tokens;
        if lacking > ROUNDING {
            // it gets no slower meanwhile, but by a throttled call: then there is another wait after this one
            return Err(Duration::from_secs_f64(lacking / (self.per_second * level.speed())).max(TICK));
        }
        level.tokens -= 1.0;
        Ok(())
    }

    /// Takes note that a call was throttled for which a token was taken at `taken`.
    fn slow_down(&self, taken: Instant, now: Instant) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut level, now);
        // what was under way already when another call was throttled says nothing new
        if level.slowed.is_some_and(|slowed| taken <= slowed.at) {
            return;
        }
        level.slowed = Some(Slowed { at: now, to: (level.speed() * SLOWER).max(SLOWEST) });
        level.tokens = level.tokens.min(0.0);
    }

    /// How long until it is full, if nothing is taken; rather too long than too short.
    fn refilled_in(&self, now: Instant) -> Duration {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.fill(&mut level, now);
        let lacking = (self.burst - level.tokens).max(0.0) / self.per_second;
        let seconds = level.slowed.map_or(lacking, |slowed| {
            let recovered = slowed.at + RECOVERY;
            let until_then = (recovered - now).as_secs_f64();
            let meanwhile = slowed.filled(recovered) - slowed.filled(now);
            if lacking > meanwhile { until_then + lacking - meanwhile } else { until_then.min(lacking / level.speed()) }
        });
        Duration::from_secs_f64(seconds)
    }

    /// Adds what has come since the last look.
    fn fill(&self, level: &mut Level, now: Instant) {
        let seconds = match level.slowed {
            None => (now - level.at).as_secs_f64(),
            Some(slowed) => slowed.filled(now) - slowed.filled(level.at),
        };
        level.tokens = (level.tokens + seconds * self.per_second).min(self.burst);
        level.at = now;
        level.slowed = level.slowed.filter(|slowed| now - slowed.at < RECOVERY);
    }
}

impl Level {
    /// How fast it fills at the moment, as a share of its full speed.
    fn speed(&self) -> f64 {
        self.slowed.map_or(1.0, |Slowed { at, to }| {
            let recovered = ((self.at - at).as_secs_f64() / RECOVERY.as_secs_f64()).min(1.0);
            to + (1.0 - to) * recovered * recovered
        })
    }
}

impl Slowed {
    /// How many seconds at full speed fill as much as it filled until then: the integral of the speed.
    fn filled(&self, until: Instant) -> f64 {
        let (seconds, recovery) = ((until - self.at).as_secs_f64(), RECOVERY.as_secs_f64());
        let slow = seconds.min(recovery);
        self.to * slow + (1.0 - self.to) * slow * slow * slow / (3.0 * recovery * recovery) + (seconds - slow)
    }
}

#[cfg(test)]
mod tests;
