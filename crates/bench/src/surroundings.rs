//! On what the benchmark ran: what tells something of its numbers, and nothing that tells whose machine it was.

use std::{fs, num::NonZero, process::Command, thread};

use serde::{Deserialize, Serialize};

use crate::programs::{Programs, told};

/// On what, with what, how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) python: String,
    pub(crate) c7n: String,
    pub(crate) boto3: String,
    pub(crate) seed: u64,
    pub(crate) latency_ms: u64,
}

impl Surroundings {
    /// What is here.
    pub(crate) fn look(programs: &Programs, seed: u64, latency_ms: u64) -> Self {
        let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = file("/proc/cpuinfo");
        let memory = file("/proc/meminfo");
        let version = |of: &str| {
            let script = format!("import importlib.metadata as m; print(m.version('{of}'))");
            programs.told_by_python(&["-c", &script]).unwrap_or_default()
        };
        Self {
            cpu: value(&cpu, "model name").to_owned(),
            cores: thread::available_parallelism().map_or(0, NonZero::get),
            memory_gib: value(&memory, "MemTotal").split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
                / 1_048_576,
            // without what a distribution or an owner calls it
            kernel: file("/proc/sys/kernel/osrelease").trim().split('-').next().unwrap_or_default().to_owned(),
            rustc: told(Command::new("rustc").arg("--version")).unwrap_or_default(),
            python: programs.told_by_python(&["--version"]).unwrap_or_default(),
            c7n: version("c7n"),
            boto3: version("boto3"),
            seed,
            latency_ms,
        }
    }
}

/// What stands after `key` and a colon.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_after_a_colon_is_read() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 3:1\nMemTotal:       24000000 kB\n";
        assert_eq!((value(text, "model name"), value(text, "MemTotal")), ("A CPU @ 3:1", "24000000 kB"));
        assert_eq!(value(text, "flags"), "");
    }
}
