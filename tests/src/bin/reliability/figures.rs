//! What came of many scripts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    ops::Range,
    time::Duration,
};

use snapkeeper_reliability::{
    count, model,
    oracle::{Promise, Violation},
    script::{Script, start},
};
use snapkeeper_tests::{parallel, wire};
use tokio::time::Instant;

use crate::World;

/// How many violations are told in full.
const MOST_TOLD: usize = 20;

/// What came of many scripts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    scripts: u64,
    days: u64,
    runs: u64,
    /// In the model world there are none.
    calls: u64,
    /// What was to happen, by kind.
    scripted: BTreeMap<String, u64>,
    /// What struck calls, by kind.
    faults: BTreeMap<String, u64>,
    /// The seeds of the scripts that broke a promise, and how.
    broken: Vec<(u64, Violation)>,
    /// How long it took.
    took: Duration,
}

impl Tally {
    /// Plays the scripts of these seeds, on all cores.
    pub(crate) fn of(world: World, seeds: Range<u64>) -> Tally {
        let size = match world {
            World::Plans | World::Tiny => 256,
            World::Wire => 1,
        };
        let (began, end) = (Instant::now(), seeds.end);
        let parts: Vec<Range<u64>> = seeds.step_by(size).map(|from| from..end.min(from + size as u64)).collect();
        let tallies = parallel::map(&parts, |part| {
            let mut tally = Tally::default();
            for seed in part.clone() {
                tally.add(one(world, seed));
            }
            tally
        });
        let mut all = Tally::default();
        for tally in tallies {
            all.add(tally);
        }
        all.took = began.elapsed();
        all
    }

    /// How many scripts were played a minute, on all cores.
    fn a_minute(&self) -> u64 {
        let scripts = u128::from(self.scripts) * 60_000 / self.took.as_millis().max(1);
        u64::try_from(scripts).unwrap_or(u64::MAX)
    }

    fn add(&mut self, other: Tally) {
        self.scripts += other.scripts;
        self.days += other.days;
        self.runs += other.runs;
        self.calls += other.calls;
        add(&mut self.scripted, other.scripted);
        add(&mut self.faults, other.faults);
        self.broken.extend(other.broken);
    }

    /// Whether no promise was broken.
    pub(crate) fn is_well(&self) -> bool {
        self.broken.is_empty()
    }

    /// How many scripts broke a promise.
    fn ill(&self) -> u64 {
        self.broken.iter().map(|(seed, _)| seed).collect::<BTreeSet<_>>().len() as u64
    }

    /// What is known of the chance that a script breaks a promise.
    fn bound(&self) -> String {
        if self.is_well() && self.scripts > 0 {
            // the rule of three
            format!("below 1 in {}", grouped((self.scripts / 3).max(1)))
        } else {
            "none".to_owned()
        }
    }

    /// For people.
    pub(crate) fn in_words(&self, world: World) -> String {
        let mut text = String::new();
        let [scripts, days, runs, calls] = [self.scripts, self.days, self.runs, self.calls].map(grouped);
        let calls = if self.calls > 0 { format!(", {calls} calls") } else { String::new() };
        let _ = writeln!(text, "{}: {scripts} scripts, {days} days, {runs} runs{calls}", world.name());
        for (kind, count) in self.scripted.iter().chain(&self.faults) {
            let _ = writeln!(text, "{:>12}  {kind}", grouped(*count));
        }
        let _ = writeln!(text, "{} scripts broke a promise", grouped(self.ill()));
        if self.is_well() {
            let _ = writeln!(text, "chance that a script does, with 95 % confidence: {}", self.bound());
        }
        for (seed, violation) in self.broken.iter().take(MOST_TOLD) {
            let _ = writeln!(text, "seed {seed}: {}", wire::in_a_line(violation));
        }
        if self.broken.len() > MOST_TOLD {
            let _ = writeln!(text, "and {} more", grouped((self.broken.len() - MOST_TOLD) as u64));
        }
        if let Some((seed, _)) = self.broken.first() {
            let again = "cargo run -p snapkeeper-tests --bin reliability -- replay";
            let _ = writeln!(text, "\n{again} {} {seed} --shrink", world.name());
        }
        text
    }
}

/// What came of one script.
fn one(world: World, seed: u64) -> Tally {
    let script = world.script(seed);
    let owned = |counts: BTreeMap<&'static str, u64>| counts.into_iter().map(|(kind, count)| (kind.to_owned(), count));
    let scripted = owned(count::count(&script)).collect();
    let of_seed = |violations: Vec<Violation>| violations.into_iter().map(|broken| (seed, broken)).collect::<Vec<_>>();
    match world {
        World::Plans | World::Tiny => {
            let played = in_the_model(&script);
            let (days, runs) = (played.days.into(), played.runs.into());
            let (faults, broken) = (owned(played.faults).collect(), of_seed(played.violations));
            Tally { scripts: 1, days, runs, scripted, faults, broken, ..Tally::default() }
        }
        World::Wire => {
            let played = wire::play_blocking(&script, None);
            let (days, runs) = (played.days.into(), played.runs.into());
            let (calls, faults, broken) = (played.calls, played.faults, of_seed(played.violations));
            Tally { scripts: 1, days, runs, calls, scripted, faults, broken, ..Tally::default() }
        }
    }
}

fn add(all: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (kind, count) in more {
        *all.entry(kind).or_default() += count;
    }
}

/// What comes of a script in the model world. A panic is a broken promise, and not the end of all other scripts.
pub(crate) fn in_the_model(script: &Script) -> model::Played {
    parallel::caught(|| model::play(script, None)).unwrap_or_else(|panic| {
        let what = format!("the script panics: {panic}");
        let broken = Violation { promise: Promise::NothingInSilence, at: start(), what };
        model::Played { violations: vec![broken], ..model::Played::default() }
    })
}

/// The figures, in Markdown.
pub(crate) fn table(tallies: &[(World, Tally)]) -> String {
    let mut text = String::from(
        "| World | Scripts | A minute | Days | Runs | Calls | Scripts that broke a promise | Chance that one does |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for (world, tally) in tallies {
        let [scripts, days, runs, ill] = [tally.scripts, tally.days, tally.runs, tally.ill()].map(grouped);
        let speed = grouped(tally.a_minute());
        let calls = if tally.calls > 0 { grouped(tally.calls) } else { String::new() };
        let (name, bound) = (world.name(), tally.bound());
        let _ = writeln!(text, "| {name} | {scripts} | {speed} | {days} | {runs} | {calls} | {ill} | {bound} |");
    }
    text.push_str(&by_kind("What the scripts held", tallies, |tally| &tally.scripted));
    text.push_str(&by_kind("What struck calls", tallies, |tally| &tally.faults));
    text
}

/// A table of counts by kind, a column for each world.
fn by_kind(head: &str, tallies: &[(World, Tally)], of: fn(&Tally) -> &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    let names = tallies.iter().map(|(world, _)| world.name()).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(text, "\n| {head} | {names} |\n| ---{} |", " | ---:".repeat(tallies.len()));
    let kinds: BTreeSet<&String> = tallies.iter().flat_map(|(_, tally)| of(tally).keys()).collect();
    for kind in kinds {
        let counts = tallies.iter().map(|(_, tally)| of(tally).get(kind).map_or_else(String::new, |it| grouped(*it)));
        let _ = writeln!(text, "| {kind} | {} |", counts.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// A number as people write it: `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_row_and_each_world_a_column() {
        let tally =
            |kind: &str, count| Tally { faults: BTreeMap::from([(kind.to_owned(), count)]), ..Tally::default() };
        let tallies = [(World::Plans, tally("killed", 1_200)), (World::Wire, tally("denied", 3))];
        let table = by_kind("What struck calls", &tallies, |tally| &tally.faults);
        let expected =
            "\n| What struck calls | plans | wire |\n| --- | ---: | ---: |\n| denied |  | 3 |\n| killed | 1,200 |  |\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
