//! The client-side rate limit: a token bucket per region and API action, as EC2 has them. RDS and KMS are called as they come.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use leaky_bucket::RateLimiter;
use snapkeeper_core::{ids::Region, settings::ApiRate};

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
        _ if ["Describe", "Get", "List"].iter().any(|reading| action.starts_with(reading)) => Some((100.0, 20.0)),
        // the general class of what changes something; SNS takes far more, and gets a message or two a run
        _ => Some((50.0, 5.0)),
    }
}

/// The buckets of one process.
pub(crate) struct Gates {
    rate: ApiRate,
    buckets: Mutex<BTreeMap<(Region, &'static str), Arc<RateLimiter>>>,
}

impl Gates {
    pub(crate) fn new(rate: ApiRate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Waits for a token.
    pub(crate) async fn pass(&self, region: &Region, action: &'static str) {
        let ApiRate::Share(share) = self.rate else { return };
        let Some((burst, per_second)) = documented(action) else { return };
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (region.clone(), action);
            buckets.entry(key).or_insert_with(|| Arc::new(bucket(burst * share, per_second * share))).clone()
        };
        bucket.acquire_one().await;
    }
}

fn bucket(burst: f64, per_second: f64) -> RateLimiter {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 100")]
    let burst = burst.max(1.0) as usize;
    let interval = Duration::from_secs_f64(1.0 / per_second);
    RateLimiter::builder().initial(burst).max(burst).refill(1).interval(interval).build()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    async fn seconds_for(rate: ApiRate, action: &'static str, calls: usize) -> f64 {
        let gates = Gates::new(rate);
        let begun = Instant::now();
        for _ in 0..calls {
            gates.pass(&"us-east-1".parse().unwrap(), action).await;
        }
        begun.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_burst_calls_come_at_the_documented_rate() {
        for (rate, action, calls, seconds) in [
            (ApiRate::Share(1.0), "CreateSnapshots", 100, 0.0),
            (ApiRate::Share(1.0), "CreateSnapshots", 200, 20.0),
            (ApiRate::Share(0.5), "CreateSnapshots", 200, 60.0),
            (ApiRate::Share(1.0), "DescribeSnapshots", 200, 5.0),
            (ApiRate::Share(1.0), "CopySnapshot", 100, 10.0),
            (ApiRate::Share(1.0), "CopyImage", 110, 10.0),
            (ApiRate::Share(1.0), "StopInstances", 100, 10.0),
            (ApiRate::Share(1.0), "StartInstances", 25, 10.0),
            (ApiRate::Share(0.01), "CopySnapshot", 2, 20.0),
            (ApiRate::Share(0.01), "CopyDBSnapshot", 1_000, 0.0),
            (ApiRate::Share(0.01), "DescribeKey", 1_000, 0.0),
            (ApiRate::Off, "CreateSnapshots", 10_000, 0.0),
        ] {
            let took = seconds_for(rate, action, calls).await;
            assert!((took - seconds).abs() <= 0.02 * seconds + 0.01, "{calls} × {action} at {rate:?} took {took} s");
        }
    }
}
