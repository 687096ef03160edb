//! AWS's request rates: a token bucket for each account, region and action.

use crate::action::is_describe;
use crate::model::Place;
use crate::wire::request::Params;
use crate::wire::response::Service;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// The size of a bucket and how fast it fills, in calls and calls a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rate {
    burst: i64,
    refill: i64,
}

/// Source: "Request throttling for the Amazon EC2 API". The `CopySnapshot` row is not listed there; it is the generic
/// class of changing calls. The buckets of instances, of which a start or a stop takes one token each, hold 1,000 and are
/// not modelled.
fn rate(action: &str, params: &Params) -> Rate {
    let (burst, refill) = match action {
        "CreateSnapshot" | "CreateSnapshots" | "DeleteSnapshot" | "ModifySnapshotAttribute" | "DeregisterImage" => {
            (100, 5)
        }
        "CopyImage" => (100, 1),
        "CreateTags" | "DeleteTags" => (100, 10),
        "StartInstances" => (5, 2),
        "DescribeInstances" | "DescribeVolumes" | "DescribeSnapshots" if is_unfiltered(params) => (50, 10),
        _ if is_describe(action) => (100, 20),
        _ => (50, 5),
    };
    Rate { burst, refill }
}

fn is_unfiltered(params: &Params) -> bool {
    !params.names().any(|name| name.starts_with("Filter.") || name == "MaxResults" || name == "NextToken")
}

/// How full a bucket was when it was last looked at, in thousandths of a call: whole numbers, so no drift.
#[derive(Clone, Copy, Debug)]
struct Level {
    millis: i64,
    at: DateTime<Utc>,
}

/// All buckets that were ever drawn from.
///
/// An action has one bucket, but for the describes, whose unfiltered calls draw from another: hence the rate in the key.
#[derive(Debug, Default)]
pub(crate) struct Buckets(BTreeMap<(Place, String, Rate), Level>);

impl Buckets {
    /// Takes one call out of its bucket; false means that the bucket is empty and the call is throttled.
    pub(crate) fn take(
        &mut self,
        place: &Place,
        service: Service,
        action: &str,
        params: &Params,
        now: DateTime<Utc>,
    ) -> bool {
        if service != Service::Ec2 {
            return true;
        }
        let rate = rate(action, params);
        let full = rate.burst * 1000;
        let key = (place.clone(), action.to_owned(), rate);
        let level = self.0.entry(key).or_insert(Level { millis: full, at: now });
        let elapsed = (now - level.at).num_milliseconds();
        // calls a second are thousandths of a call a millisecond
        level.millis = full.min(level.millis.saturating_add(elapsed.saturating_mul(rate.refill)));
        // what is left of a millisecond counts next time
        level.at += TimeDelta::milliseconds(elapsed);
        if level.millis < 1000 {
            return false;
        }
        level.millis -= 1000;
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call, simulator_with};
    use crate::{Config, Rates};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_refills_by_action_and_region() {
        let sim = simulator_with(|config: &mut Config| config.rates = Rates::Aws);
        let delete = || call(&sim, "us-east-1", "DeleteSnapshot", &[("SnapshotId", "snap-00000000")]);
        for _ in 0..100 {
            assert_eq!(delete().code(), "InvalidSnapshot.NotFound");
        }
        assert_eq!((delete().code(), delete().status), ("RequestLimitExceeded".to_owned(), 503));
        assert_eq!(
            call(&sim, "us-west-2", "DeleteSnapshot", &[("SnapshotId", "snap-00000000")]).code(),
            "InvalidSnapshot.NotFound"
        );
        sim.skip(Duration::from_millis(200));
        assert_eq!(delete().code(), "InvalidSnapshot.NotFound");
        assert_eq!(delete().code(), "RequestLimitExceeded");
    }
}
