//! What a process uses: time, memory, and the computing of it and of its children.
//!
//! It is read from `/proc`, so the benchmark needs Linux.

use std::{
    fs,
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::time::Instant;

/// How often a running process is looked at. Its own peak is told by the kernel; only that of its children is a sample.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How many ticks of a processor's time the kernel tells as a second (`proc(5)`; `USER_HZ` is the same on every Linux).
const TICKS_A_SECOND: u64 = 100;

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// User and system, its children's too.
    pub(crate) cpu: Duration,
    /// The most that it held at once, in KiB.
    pub(crate) peak_kib: u64,
    /// Whether it ended well.
    pub(crate) succeeded: bool,
}

/// Runs a command to its end, but no longer than `limit`. Nothing else may be a child of this process meanwhile.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Usage> {
    let (before, begun) = (cpu_of_children()?, Instant::now());
    let mut child = Ended(command.spawn().with_context(|| format!("cannot start {}", name(command)))?);
    let watch = Watch::of(child.0.id());
    let status = loop {
        if let Some(status) = child.0.try_wait()? {
            break status;
        }
        if begun.elapsed() > limit {
            bail!("{} did not end within {limit:?}", name(command));
        }
        thread::sleep(Duration::from_millis(2));
    };
    let wall = begun.elapsed();
    let peak_kib = watch.peak_kib();
    Ok(Usage { wall, cpu: cpu_of_children()?.saturating_sub(before), peak_kib, succeeded: status.success() })
}

/// A program's name and arguments, without the folder that it is in.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let last =
        |word: &std::ffi::OsStr| std::path::Path::new(word).file_name().unwrap_or(word).to_string_lossy().into_owned();
    words.map(last).collect::<Vec<_>>().join(" ")
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // one that has ended already takes no harm
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks at a process until it is asked what the peak was.
pub(crate) struct Watch {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watch {
    /// Begins to look at a process.
    pub(crate) fn of(pid: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ended = ends.clone();
        let thread = thread::spawn(move || {
            let mut peak = 0;
            loop {
                // once more at the end: a process that still runs tells its own peak then
                let is_last = ended.load(Ordering::Relaxed);
                peak = peak.max(held_kib(pid));
                if is_last {
                    return peak;
                }
                thread::sleep(BETWEEN_LOOKS);
            }
        });
        Self { ends, thread }
    }

    /// Looks a last time, and tells the most that was held.
    pub(crate) fn peak_kib(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// What a process holds now with its children, or has held at most by itself; nothing of one that is gone.
fn held_kib(pid: u32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let children = children(pid);
    let own_peak = field_kib(&status, "VmHWM:");
    if children.is_empty() {
        return own_peak;
    }
    let together = field_kib(&status, "VmRSS:") + children.into_iter().map(held_now_kib).sum::<u64>();
    own_peak.max(together)
}

fn held_now_kib(pid: u32) -> u64 {
    let own = fs::read_to_string(format!("/proc/{pid}/status")).map_or(0, |status| field_kib(&status, "VmRSS:"));
    own + children(pid).into_iter().map(held_now_kib).sum::<u64>()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn field_kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().split(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What children that have ended, and their children, have computed so far.
pub(crate) fn cpu_of_children() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    cpu_in(&stat).context("/proc/self/stat is not what proc(5) says")
}

/// `cutime` and `cstime`, the 16th and 17th field; the second is a name in brackets, which may hold anything.
fn cpu_in(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(13);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_A_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let status = "Name:\tcreator\nVmPeak:\t  999 kB\nVmHWM:\t   12345 kB\nVmRSS:\t    1000 kB\n";
        assert_eq!(
            (field_kib(status, "VmHWM:"), field_kib(status, "VmRSS:"), field_kib(status, "No:")),
            (12_345, 1_000, 0)
        );
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 150 75 20 0 1 0 9";
        assert_eq!(cpu_in(stat), Some(Duration::from_millis(2_250)));
        assert_eq!(cpu_in("42 (a"), None);
    }
}
