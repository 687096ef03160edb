//! Accounts and troubles that a seed makes.

use std::process::Command;

use snapkeeper_reliability::{
    found::found,
    script::{Fault, Script, Step, Trouble, When, make},
};
use snapkeeper_tests::{parallel, wire};

use super::{count_of_seeds, cut_down, say};

/// How many seeds are played where the environment does not say how many.
const SEEDS: u64 = 60;

/// The fingerprints of the logs of some seeds, the same on every machine.
const PINNED: [(u64, u64); 3] = [(1, 0x66ef_6bac_a7ed_d0ba), (2, 0xd1c0_2a59_8995_82ca), (3, 0x4389_e5e7_ae7a_3845)];

/// `RELIABILITY_SEEDS` says how many seeds.
#[test]
fn no_seed_breaks_a_promise() {
    let count = count_of_seeds("RELIABILITY_SEEDS", SEEDS);
    let seeds: Vec<u64> = (0..count).collect();
    let played = parallel::map(&seeds, |seed| {
        let played = wire::play_blocking(&make(*seed, &wire::options()), None);
        (played.calls, (!played.violations.is_empty()).then_some(*seed))
    });
    let failing: Vec<u64> = played.iter().filter_map(|(_, failing)| *failing).collect();
    if let Some(seed) = failing.first() {
        let told = cut_down("wire", &make(*seed, &wire::options()), |script| {
            let played = wire::play_blocking(script, None);
            (played.violations, played.story)
        });
        panic!("{failing:?} of {count} seeds break a promise. The first one:\n\n{told}");
    }
    let calls: u64 = played.iter().map(|(calls, _)| *calls).sum();
    assert!(calls > count, "{calls} calls of {count} seeds");
    say(&format!("wire: {count} scripts, {calls} calls"));
}

#[test]
fn what_was_found_once_stays_mended() {
    for (what, script) in found() {
        let played = wire::play_blocking(&script, None);
        let broken: Vec<String> = played.violations.iter().map(wire::in_a_line).collect();
        assert!(broken.is_empty(), "{what}\n{broken:#?}\n{}", played.story.join("\n"));
    }
}

#[test]
fn the_same_seed_gives_the_same_log_to_the_byte() {
    let scripts: Vec<Script> = (0..6).map(with_many_faults).collect();
    let logs = || parallel::map(&scripts, |script| wire::play_blocking(script, None).log);
    let (first, second) = (logs(), logs());
    for ((script, first), second) in scripts.iter().zip(first).zip(second) {
        assert!(first.len() > 100, "seed {}: {} calls", script.seed, first.len());
        let differing = first.iter().zip(&second).find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {}", script.seed);
        assert_eq!(first.len(), second.len(), "seed {}", script.seed);
    }
}

#[test]
fn the_log_of_a_seed_is_the_same_everywhere() {
    let found = parallel::map(&PINNED, |(seed, _)| {
        let played = wire::play_blocking(&make(*seed, &wire::options()), None);
        (*seed, wire::fingerprint(&played.log))
    });
    let hex = |of: &[(u64, u64)]| of.iter().map(|(seed, log)| format!("({seed}, {log:#018x})")).collect::<Vec<_>>();
    assert!(
        found == PINNED,
        "the logs are {:?}, and were {:?}. A log may change only when calls do: if they were meant to, pin the new ones",
        hex(&found),
        hex(&PINNED)
    );
}

/// Nor does what is configured there: an endpoint, a region, a profile.
#[test]
fn the_environment_does_not_change_a_log() {
    let told = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reliability"));
        let output = command.args(["replay", "wire", "1"]).envs(variables.iter().copied()).output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains("fingerprint")).map(str::to_owned).expect(&text)
    };
    let plain = told(&[]);
    let config = std::env::temp_dir().join(format!("snapkeeper-config-{}", std::process::id()));
    std::fs::write(
        &config,
        "[default]\nendpoint_url = http://127.0.0.1:9\nregion = eu-west-3\nuse_fips_endpoint = true\n",
    )
    .expect("a file");
    let file = config.to_string_lossy().into_owned();
    let variables = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:9"),
        ("AWS_REGION", "eu-west-3"),
        ("AWS_MAX_ATTEMPTS", "7"),
        ("AWS_CONFIG_FILE", file.as_str()),
    ];
    for variable in variables {
        assert_eq!(told(&[variable]), plain, "{variable:?}");
    }
    std::fs::remove_file(&config).expect("it is there");
}

/// A script with faults from its beginning to its calm.
fn with_many_faults(seed: u64) -> Script {
    let mut script = make(seed, &wire::options());
    let faults = [Fault::Throttled, Fault::CutAfter, Fault::Internal, Fault::Stale(20), Fault::Slow(40)];
    let more =
        faults.map(|kind| Step::Trouble(Trouble::Calls { action: None, region: None, kind, when: When::OneIn(12) }));
    drop(script.steps.splice(0..0, more));
    script
}
