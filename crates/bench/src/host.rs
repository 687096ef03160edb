//! The simulated AWS: in this process, but on a thread of its own, so that whoever waits here does not slow it.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use snapkeeper_simulator::{Config, Fault, FaultKind, Rates, Simulator};
use tokio::sync::oneshot;

use crate::case::{Case, Mode};

/// When the simulated time begins. It is in the past, for a function refuses an event of the future.
pub(crate) const START: &str = "2025-11-22T05:00:00Z";
/// Of how many calls one goes wrong, where faults are asked for.
const ONE_IN: u32 = 100;
/// The actions that faults strike: those that change something, and the reading of what they change.
const STRUCK: [&str; 6] =
    ["CreateSnapshot", "CreateSnapshots", "CopySnapshot", "DeleteSnapshot", "CreateTags", "DescribeSnapshots"];

/// When the simulated time begins.
pub(crate) fn start() -> anyhow::Result<DateTime<Utc>> {
    START.parse().context("the start")
}

/// A simulated AWS for a case.
pub(crate) fn simulator(case: &Case, seed: u64, latency: Duration) -> anyhow::Result<Simulator> {
    let (rates, latency) = match case.mode {
        Mode::Buckets | Mode::Virtual | Mode::Faults => (Rates::Aws, latency),
        Mode::RatesOff => (Rates::Off, Duration::ZERO),
    };
    let simulator = Simulator::new(Config {
        seed,
        rates,
        latency,
        // the quotas are not what is measured: copies are made as fast as the buckets let them
        snapshot_limit: usize::MAX,
        copies_at_once: usize::MAX,
        snapshot_time: Duration::from_secs(5),
        copy_time: Duration::from_secs(5),
        // where nothing is, it is asked when the first call came
        keeps_calls: case.instances == 0,
        ..Config::starting(start()?)
    });
    if case.mode == Mode::Faults {
        for action in STRUCK {
            // together about one call in a hundred
            for kind in [
                FaultKind::Throttle,
                FaultKind::StatusAfter { status: 500, code: "InternalError".to_owned() },
                FaultKind::CutAfter,
            ] {
                simulator.inject(Fault::new(action, kind).one_in(3 * ONE_IN).always());
            }
        }
    }
    Ok(simulator)
}

/// A simulator that listens, until this is dropped.
pub(crate) struct Host {
    address: SocketAddr,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    /// Lets a simulator listen on a free port of the loopback interface.
    pub(crate) fn open(simulator: Simulator) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (ends, ended) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                match simulator.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await {
                    Ok(listener) => {
                        let _ = told.send(Ok(listener.address()));
                        // whichever way the other end goes, it is over
                        let _ = ended.await;
                        listener.stop().await;
                    }
                    Err(error) => {
                        let _ = told.send(Err(error));
                    }
                }
            });
        });
        let address = address.recv().context("the simulator's thread ended")?.context("no free port")?;
        Ok(Self { address, ends: Some(ends), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(ends) = self.ends.take() {
            let _ = ends.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
