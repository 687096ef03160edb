//! Whatever fault strikes whatever call: the next run for the same event mends it.

use std::time::Duration;

use snapkeeper_simulator::{Fault, FaultKind};

use super::{CHANGING, NOW, busy, state, status, status_after, undisturbed};
use crate::peers::{HOME, deleted};

#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_is_mended_by_the_same_event() {
    for job in CHANGING {
        let (expected, quiet) = undisturbed(job).await;
        let calls: u64 = quiet.calls.values().sum();
        for kind in kinds() {
            for after in 0..u32::try_from(calls).expect("few") {
                let world = busy().await;
                world.simulator().inject(Fault::any(kind.clone()).after(after));
                let struck = world.run(job, HOME, NOW).await;
                world.simulator().clear_faults();
                let mended = world.run(job, HOME, NOW).await;
                let what = format!("{job}, {kind:?} at call {after}: {:?}", struck.failed);
                assert!(mended.failed.is_empty(), "{what}, then {:?}", mended.failed);
                assert_eq!(state(&world), expected, "{what}");
                assert!(deleted(&world).len() <= 1, "{what}");
            }
        }
    }
}

/// Every second call is struck, up to the 23rd.
#[tokio::test(start_paused = true)]
async fn a_fault_at_every_second_call_is_mended_by_the_same_event() {
    for job in CHANGING {
        let (expected, _) = undisturbed(job).await;
        for kind in kinds() {
            let world = busy().await;
            for after in 0..12 {
                world.simulator().inject(Fault::any(kind.clone()).after(after * 2));
            }
            world.run(job, HOME, NOW).await;
            world.simulator().clear_faults();
            let mended = world.run(job, HOME, NOW).await;
            assert!(mended.failed.is_empty(), "{job}, {kind:?}: {:?}", mended.failed);
            assert_eq!(state(&world), expected, "{job}, {kind:?}");
        }
    }
}

fn kinds() -> [FaultKind; 7] {
    [
        FaultKind::Throttle,
        status(500, "InternalError"),
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        status_after(500, "InternalError"),
        FaultKind::Slow(Duration::from_mins(1)),
        FaultKind::Deny,
    ]
}
