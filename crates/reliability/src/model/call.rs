//! How calls are made: numbered, struck by faults, repeated where that is harmless, and looked for where it is not. As
//! `snapkeeper-aws` does it, in `call.rs` and `ec2/create.rs`.

use super::change::Change;
use super::failure::{ATTEMPT_TIMEOUT, Failure, Kind};
use super::process::Process;
use super::world::{Due, World};
use crate::mutant::Mutant;
use crate::oracle::Who;
use crate::script::Fault;
use crate::truth::Truth;
use chrono::TimeDelta;
use snapkeeper_core::calls::{LOOKS, REPEATS, REPEATS_OF_OPEN, TRIES_TOO_SOON};

/// Whether making a call twice does what making it once does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twice {
    Harmless,
    Harmful,
}

/// Reads all pages of a list.
pub(super) fn read<T>(
    world: &mut World,
    process: &mut Process<'_>,
    action: &'static str,
    region: &str,
    look: impl Fn(&World, &Truth) -> Vec<T>,
) -> Result<Vec<T>, Failure> {
    let lag = page(world, process, action, region, false)?;
    let then = world.past.at(world.truth.now - lag);
    let mut items = look(&*world, then.unwrap_or(&world.truth));
    let page_size = world.setting.page_size.max(1);
    if world.mutant == Some(Mutant::FirstPageOnly) {
        items.truncate(page_size);
        return Ok(items);
    }
    // the first page decides which version of the world it is; what happens between pages does not show
    for _ in 1..items.len().div_ceil(page_size) {
        page(world, process, action, region, true)?;
    }
    Ok(items)
}

/// Makes a call that may be made twice: it deletes or tags.
pub(super) fn change(world: &mut World, process: &mut Process<'_>, change: &Change) -> Result<Vec<String>, Failure> {
    repeated(world, process, change, Twice::Harmless)
}

/// Makes a call that creates, and after an open outcome looks whether it did, before making it once more.
pub(super) fn create(world: &mut World, process: &mut Process<'_>, change: &Change) -> Result<Vec<String>, Failure> {
    if world.mutant != Some(Mutant::TagsAfterCreation) {
        return create_once_for_certain(world, process, change);
    }
    let (bare, tags) = change.without_tags();
    let made = create_once_for_certain(world, process, &bare)?;
    for id in &made {
        let tag = Change::Tag(change.region().to_owned(), id.clone(), tags.clone());
        repeated(world, process, &tag, Twice::Harmless)?;
    }
    Ok(made)
}

fn create_once_for_certain(
    world: &mut World,
    process: &mut Process<'_>,
    change: &Change,
) -> Result<Vec<String>, Failure> {
    let (mut open, mut too_soon) = (0, 0);
    loop {
        let outcome = repeated(world, process, change, Twice::Harmful);
        let kind = match &outcome {
            Ok(_) => return outcome,
            Err(failure) => failure.kind,
        };
        match kind {
            Kind::Open => open += 1,
            Kind::TooSoon => too_soon += 1,
            Kind::Throttled
            | Kind::Busy
            | Kind::CopiesFull
            | Kind::InUse
            | Kind::NotFound
            | Kind::Refused
            | Kind::Denied
            | Kind::Killed => return outcome,
        }
        if world.mutant == Some(Mutant::BlindRetryOfCreates) {
            if open + too_soon > TRIES_TOO_SOON {
                return outcome;
            }
            world.wait(LOOKS.iter().sum());
            continue;
        }
        let mut found = Vec::new();
        let (stale, mut has_doubts) = (world.troubles.stale(), false);
        for seconds in LOOKS {
            world.wait(seconds);
            match read(world, process, "DescribeSnapshots", change.region(), |_, truth| change.traces(truth)) {
                Ok(seen) => found = seen,
                // not to know is no reason to create again
                Err(_) => return if found.is_empty() { outcome } else { Ok(found) },
            }
            if world.troubles.stale() > stale && !has_doubts {
                // what was made may be hidden from it
                world.oracle.doubts(process.number, Some(change.subject()));
                has_doubts = true;
            }
            if !found.is_empty() && change.missing(&found, &world.truth).is_empty() {
                return Ok(found);
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        if open > 1 || too_soon >= TRIES_TOO_SOON {
            return outcome;
        }
    }
}

/// Reads one page; how long ago what it shows was true.
fn page(
    world: &mut World,
    process: &mut Process<'_>,
    action: &'static str,
    region: &str,
    is_later: bool,
) -> Result<TimeDelta, Failure> {
    let mut patience = Patience::new(Twice::Harmless);
    loop {
        let Begun { fault, dies } = begin(world, process, action, region, None, is_later)?;
        if dies {
            return Err(die(world, process));
        }
        if let Some(Fault::Slow(seconds)) = fault {
            world.wait(seconds.min(ATTEMPT_TIMEOUT));
        }
        match fault.and_then(Failure::by) {
            Some(failure) if patience.is_spent(failure.kind) => return Err(failure),
            Some(_) => {}
            None => {
                let Some(Fault::Stale(seconds)) = fault else { return Ok(TimeDelta::zero()) };
                // it may hide what there is already
                if action == "DescribeSnapshots" {
                    world.oracle.doubts(process.number, None);
                }
                return Ok(TimeDelta::seconds(seconds.into()));
            }
        }
    }
}

fn repeated(
    world: &mut World,
    process: &mut Process<'_>,
    change: &Change,
    twice: Twice,
) -> Result<Vec<String>, Failure> {
    let mut patience = Patience::new(twice);
    loop {
        match attempt(world, process, change) {
            Err(failure) if !patience.is_spent(failure.kind) => {}
            outcome => return outcome,
        }
    }
}

/// Makes a call that changes something, once.
fn attempt(world: &mut World, process: &mut Process<'_>, change: &Change) -> Result<Vec<String>, Failure> {
    let Begun { fault, dies } = begin(world, process, change.action(), change.region(), Some(change.subject()), false)?;
    let who = Who::Run(process.number);
    if let Change::Delete(region, snapshot) = change {
        world.oracle.asks_to_delete(process.number, region, snapshot, &world.truth);
    }
    if let Some(asked) = &mut process.told.asked {
        asked.insert(change.subject().to_owned());
    }
    let outcome = match fault {
        // the last two strike readings only
        None | Some(Fault::Stale(_) | Fault::Expired) => world.carry_out(change, who),
        Some(fault @ (Fault::CutAfter | Fault::InternalAfter)) => {
            let outcome = world.carry_out(change, who);
            Failure::by(fault).map_or(outcome, Err)
        }
        Some(fault @ Fault::Slow(seconds)) => {
            let outcome = world.carry_out(change, who);
            world.wait(seconds.min(ATTEMPT_TIMEOUT));
            Failure::by(fault).map_or(outcome, Err)
        }
        Some(Fault::Late(seconds)) => {
            let at = world.truth.now + TimeDelta::seconds(seconds.into());
            world.schedule(at, Due::Effect(change.clone()));
            // no look can find it; what takes effect before the answer is lost, a look finds
            if matches!(change, Change::Take(..) | Change::Copy(_)) {
                world.oracle.doubts(process.number, Some(change.subject()));
            }
            Err(Failure::unanswered())
        }
        Some(fault @ (Fault::Throttled | Fault::Internal | Fault::Unavailable | Fault::CutBefore | Fault::Denied)) => {
            Err(Failure::by(fault).unwrap_or_else(Failure::unanswered))
        }
    };
    if let Err(failure) = &outcome
        && failure.kind == Kind::Open
        && matches!(change, Change::Take(..) | Change::Copy(_))
    {
        world.oracle.had_no_answer(process.number, change.region());
    }
    if dies { Err(die(world, process)) } else { outcome }
}

/// A call that has begun: the fault that strikes it, and whether the process dies before the answer.
struct Begun {
    fault: Option<Fault>,
    dies: bool,
}

/// Begins a call: numbers it, lets others act before it, and finds what strikes it. `changed`: what it is to change.
fn begin(
    world: &mut World,
    process: &mut Process<'_>,
    action: &str,
    region: &str,
    changed: Option<&str>,
    is_later_page: bool,
) -> Result<Begun, Failure> {
    if process.is_dead {
        return Err(Failure::killed());
    }
    let number = process.calls;
    process.calls += 1;
    let meanwhile = process.meanwhile;
    for (_, act) in meanwhile.iter().filter(|(call, _)| *call == number) {
        world.tell(format_args!("before call {number}: {act}"));
        world.act(act);
    }
    let kill = process.killed.filter(|kill| kill.call == number);
    if kill.is_some_and(|kill| !kill.after) {
        return Err(die(world, process));
    }
    let fault = if world.troubles.is_down(region) {
        world.troubles.count("region down");
        Some(Fault::CutBefore)
    } else if !world.truth.regions.contains_key(region) {
        Some(Fault::CutBefore)
    } else if world.troubles.refuses(changed, world.setting.skew_hours != 0) {
        Some(Fault::Denied)
    } else {
        world.troubles.strike(action, region, is_later_page)
    };
    if let Some(fault) = fault {
        world.tell(format_args!("call {number}, {action} in {region}, {fault}"));
    }
    Ok(Begun { fault, dies: kill.is_some() })
}

fn die(world: &mut World, process: &mut Process<'_>) -> Failure {
    process.is_dead = true;
    world.troubles.count("killed");
    Failure::killed()
}

/// How often a call may still be repeated.
struct Patience {
    twice: Twice,
    repeats: usize,
    open: usize,
}

impl Patience {
    fn new(twice: Twice) -> Patience {
        Patience { twice, repeats: 0, open: 0 }
    }

    /// Whether a call that failed so must not be made again.
    fn is_spent(&mut self, kind: Kind) -> bool {
        let may_be_repeated = match kind {
            Kind::Throttled => true,
            Kind::Open => {
                self.open += 1;
                self.twice == Twice::Harmless && self.open <= REPEATS_OF_OPEN
            }
            Kind::TooSoon
            | Kind::Busy
            | Kind::CopiesFull
            | Kind::InUse
            | Kind::NotFound
            | Kind::Refused
            | Kind::Denied
            | Kind::Killed => false,
        };
        self.repeats += 1;
        !may_be_repeated || self.repeats > REPEATS
    }
}
