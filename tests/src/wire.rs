//! The wire world: a script, played by the real jobs through the real SDK, on the simulator, in virtual time.
//!
//! ```text
//!   script ──▶ player ──▶ job ──▶ SDK ──▶ line ──▶ simulator
//!                │                          │          │
//!                └────────── watch ◀────────┴──────────┘
//!                    oracle and true state
//! ```
//!
//! `line` lies between the SDK and the simulator, one for each run. It numbers the run's calls, lets faults strike them,
//! kills the process, lets operators act in between, and lets the oracle see what truly exists after every single call.
//! The same script makes the same calls, to the byte.

mod acts;
mod bug;
mod call;
mod line;
mod player;
mod strikes;
mod told;
mod truth;
mod watch;

pub use bug::WireBug;

use std::{any::Any, collections::BTreeMap, fmt::Write as _, thread};

use chrono::SecondsFormat;
use snapkeeper_lambda::Report;
use snapkeeper_reliability::{
    oracle::{Promise, Violation},
    script::{Options, START, Script},
};
use snapkeeper_simulator::Call;

use crate::world::instant;

/// The SDK, unoptimized as it is in tests, may need more than the two megabytes that a thread has otherwise.
const STACK: usize = 16 << 20;

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The promises that were broken.
    pub violations: Vec<Violation>,
    /// How many days passed.
    pub days: u32,
    /// How many runs there were.
    pub runs: u32,
    /// How many calls the jobs made.
    pub calls: u64,
    /// What struck them, by kind, and how often.
    pub faults: BTreeMap<String, u64>,
    /// How many readings that lagged behind showed something else than what was so.
    pub differing: u64,
    /// What the runs reported, by their numbers. One that was killed has reported nothing.
    pub reports: BTreeMap<u32, Report>,
    /// Every call, an operator's too, with its instant, its parameters and its outcome: a line each.
    pub log: Vec<String>,
    /// What happened, in words.
    pub story: Vec<String>,
}

/// How large the scripts are that are played on the wire.
pub fn options() -> Options {
    Options::small()
}

/// Plays a script, with a planted bug if there is to be one. Only under tokio's paused time, on a single thread.
pub async fn play(script: &Script, bug: Option<WireBug>) -> Played {
    player::play(script, bug).await
}

/// Plays a script on a thread and a runtime of its own. A panic of a job is a broken promise.
///
/// # Panics
/// If there is no thread or no runtime to be had.
pub fn play_blocking(script: &Script, bug: Option<WireBug>) -> Played {
    let play_it = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(play(script, bug))
    };
    let played = thread::scope(|scope| {
        let played = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, play_it);
        played.expect("a thread").join()
    });
    played.unwrap_or_else(|panic| {
        let what = format!("a job panicked: {}", words_of(panic.as_ref()));
        let broken = Violation { promise: Promise::NothingInSilence, at: instant(START), what };
        Played { violations: vec![broken], ..Played::default() }
    })
}

/// A number that two logs share only if they are the same, to the byte.
pub fn fingerprint(log: &[String]) -> u64 {
    // FNV-1a
    let bytes = log.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A broken promise in a line.
pub fn in_a_line(Violation { promise, at, what }: &Violation) -> String {
    format!("{} {promise:?}: {what}", at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

/// A call as a line of the log.
fn logged(call: &Call) -> String {
    let at = call.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut line = format!("{at} {} {} {}", call.caller, call.region, call.action);
    for (name, value) in &call.params {
        // a message has several lines
        let _ = write!(line, " {name}={}", value.escape_debug());
    }
    let _ = write!(line, " -> {:?}", call.answer);
    line
}
