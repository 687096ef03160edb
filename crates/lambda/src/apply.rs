//! Carries out a plan, deciding nothing: each action on its own, none stopping another.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use futures::{StreamExt, stream};
use snapkeeper_core::{
    calls::LOOKS,
    plan::{Action, Finding, Plan},
};

use crate::{
    context::Context,
    report::{Report, Step, Told},
};

/// How many actions are under way at once. What AWS takes a second is limited beneath, call by call.
const AT_ONCE: usize = 16;
/// How many actions one invocation of several gets done at least for each call that reading takes: the next one reads
/// all again, and that is to cost 2 % of the calls at most.
const WORTH_OF_A_READING: u64 = 50;
/// How long the rate limit must need for all of its tokens, so that it is better to wait for them outside. The bucket of
/// `CopySnapshot`, the smallest one, needs 10 seconds when it is empty.
const WORTH_WAITING_FOR: Duration = Duration::from_secs(8);
/// How long to wait where actions were cut off: what may have been done must be seen to be there, and readings lag.
pub const AFTER_A_CUT: Duration = Duration::from_secs(LOOKS[0] as u64 + LOOKS[1] as u64 + LOOKS[2] as u64);
/// What fails a run of several invocations that comes no further.
const NOTHING_DONE: &str = "nothing of what is left could be done in one invocation";

/// What has become of one action so far. It is filled in while the action is carried out, so that nothing is forgotten of
/// one that is cut off.
#[derive(Debug, Default)]
pub struct Outcome {
    done: bool,
    made: Vec<String>,
    volumes: Vec<String>,
    failed: Vec<Told>,
    kept: Vec<Told>,
    unfinished: Vec<Told>,
}

impl Outcome {
    /// It was done.
    pub fn done(&mut self) {
        self.done = true;
    }

    /// It was done, at least in part, and these were made.
    pub fn made(&mut self, ids: impl IntoIterator<Item = impl ToString>) {
        self.done = true;
        self.made.extend(ids.into_iter().map(|id| id.to_string()));
    }

    /// It was done, at least in part, and these snapshots were made, each of its volume.
    pub fn made_of_volumes(&mut self, made: impl IntoIterator<Item = (impl ToString, impl ToString)>) {
        for (volume, id) in made {
            self.volumes.push(volume.to_string());
            self.made([id]);
        }
    }

    /// This of it failed.
    pub fn failed(&mut self, resource: impl ToString, cause: impl ToString) {
        self.failed.push(Told::new(resource, cause));
    }

    /// This of it had gone before its turn came, or must be left alone.
    pub fn kept(&mut self, resource: impl ToString, cause: impl ToString) {
        self.kept.push(Told::new(resource, cause));
    }

    /// This of it is left for the next run.
    pub fn unfinished(&mut self, resource: impl ToString, cause: impl ToString) {
        self.unfinished.push(Told::new(resource, cause));
    }
}

/// How much of a plan one invocation is to do where the run has several. Whoever waits for the rate limit inside of one
/// pays for it, and whoever leaves too early pays with reading all again.
#[derive(Clone, Copy)]
pub struct Share<'a> {
    /// How many calls it took to read what the plan is of.
    pub calls_read: u64,
    /// How long until the rate limit has all of its tokens again.
    pub refilled_in: &'a (dyn Fn() -> Duration + Sync),
}

/// Carries out the plan by `act`, in a dry run only in words, and reports.
pub async fn apply<A: Action>(plan: Plan<A>, context: &Context, act: impl AsyncFn(&A, &mut Outcome)) -> Report {
    carry_out(plan, context, None, act).await
}

/// The same; where the run has several invocations, as much of it as one is to do. What is left then is for the next one,
/// and no failure, unless nothing was done at all: then the next one would come no further. What waits for others, as for a
/// region that copies as many as it can, is for the next run.
pub async fn apply_share<A: Action>(
    plan: Plan<A>,
    context: &Context,
    share: Share<'_>,
    act: impl AsyncFn(&A, &mut Outcome),
) -> Report {
    carry_out(plan, context, Some(share), act).await
}

async fn carry_out<A: Action>(
    plan: Plan<A>,
    context: &Context,
    share: Option<Share<'_>>,
    act: impl AsyncFn(&A, &mut Outcome),
) -> Report {
    if context.run.dry_run {
        return planned(plan, context);
    }
    let (mut report, actions) = begin(plan, context);
    let (all, mut finished) = (actions.len(), 0);
    context.progress.tell(finished, all);
    let turn = Turn::of(share, context);
    let mut lists = Lists::after(&report);
    // each action goes when it is done: there may be very many
    let mut under_way = stream::iter(actions.into_iter().enumerate())
        .map(async |(index, action)| (index, one(&action, context, &turn, &act).await))
        .buffer_unordered(AT_ONCE);
    while let Some((index, (step, outcome))) = under_way.next().await {
        lists.add(index, step, outcome);
        finished += 1;
        context.progress.tell(finished, all);
    }
    lists.end(&mut report);
    if let (Some(share), Some(now)) = (turn.share, &context.continuation)
        && report.is_unfinished()
    {
        if turn.is_in_vain() {
            // the first one, which is told wherever only a few are
            report.failed.insert(0, Told::new(&context.run.region, NOTHING_DONE));
        } else if turn.leaves.load(Ordering::Relaxed) {
            report.continuation = Some(now.next(None, turn.wait(share)));
        }
    }
    report
}

/// Reports what the plan would do, and does nothing.
pub fn planned<A: Action>(plan: Plan<A>, context: &Context) -> Report {
    let (mut report, actions) = begin(plan, context);
    report.dry_run = true;
    report.planned = actions.iter().take(report.listed).map(|action| step(action, Vec::new())).collect();
    report.unlisted.planned = actions.len() - report.planned.len();
    report
}

/// The report of a plan of which nothing is carried out yet, and what is to be.
fn begin<A: Action>(plan: Plan<A>, context: &Context) -> (Report, Vec<A>) {
    let mut report = Report::of(&context.run);
    report.keep(plan.kept, plan.kept_unlisted);
    report.findings = plan.findings.into_iter().map(Finding::plain).collect();
    report.unlisted.findings = plan.findings_unlisted;
    report.measures = plan.measures;
    report.failed = plan.refusals.into_iter().map(Told::from).collect();
    (report, plan.actions)
}

/// Carries out one action. Returns what is told of it as done, if it was, and all else.
async fn one<A: Action>(
    action: &A,
    context: &Context,
    turn: &Turn<'_>,
    act: &impl AsyncFn(&A, &mut Outcome),
) -> (Option<Step>, Outcome) {
    let mut outcome = Outcome::default();
    if let Some(why) = context.why_not_begin().or_else(|| turn.why_not_begin()) {
        turn.leaves.store(true, Ordering::Relaxed);
        outcome.unfinished(action.resource(), format!("{why}: {action}"));
    } else if context.deadline.for_action(act(action, &mut outcome)).await.is_none() {
        turn.leaves.store(true, Ordering::Relaxed);
        turn.cuts_off.store(true, Ordering::Relaxed);
        outcome.unfinished(action.resource(), format!("cut off by the deadline, perhaps done: {action}"));
    }
    turn.done.fetch_add(u64::from(outcome.done), Ordering::Relaxed);
    let step = outcome.done.then(|| {
        let (made, volumes) = (std::mem::take(&mut outcome.made), std::mem::take(&mut outcome.volumes));
        Step { volumes, ..step(action, made) }
    });
    (step, outcome)
}

fn step<A: Action>(action: &A, made: Vec<String>) -> Step {
    Step::new(&action.resource(), &action.to_string(), made)
}

/// How far an invocation has come with its share.
struct Turn<'a> {
    /// `None` where no other one follows: all is its share.
    share: Option<Share<'a>>,
    /// How many actions were done. What fails, or depends on others, is tried again by each invocation: if it counted, what
    /// comes after it would never have its turn.
    done: AtomicU64,
    is_over: AtomicBool,
    /// Whether actions were left that could go on now, for all that is known.
    leaves: AtomicBool,
    /// Whether actions were cut off, which may have been done.
    cuts_off: AtomicBool,
}

impl<'a> Turn<'a> {
    fn of(share: Option<Share<'a>>, context: &Context) -> Self {
        Self {
            share: share.filter(|_| context.continuation.is_some()),
            done: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            cuts_off: AtomicBool::new(false),
        }
    }

    /// Why no action is to be begun any more, if that is so. Once it is, it stays so.
    fn why_not_begin(&self) -> Option<&'static str> {
        let share = self.share?;
        let is_worth_it = self.done.load(Ordering::Relaxed) >= WORTH_OF_A_READING.saturating_mul(share.calls_read);
        if is_worth_it && (share.refilled_in)() >= WORTH_WAITING_FOR {
            self.is_over.store(true, Ordering::Relaxed);
        }
        self.is_over.load(Ordering::Relaxed).then_some("left for the next invocation")
    }

    /// Whether nothing was done of what could go on.
    fn is_in_vain(&self) -> bool {
        self.done.load(Ordering::Relaxed) == 0 && self.leaves.load(Ordering::Relaxed)
    }

    /// How long to wait before the next invocation.
    fn wait(&self, share: Share<'_>) -> Duration {
        let wait = (share.refilled_in)();
        if self.cuts_off.load(Ordering::Relaxed) { wait.max(AFTER_A_CUT) } else { wait }
    }
}

/// What is told of the actions, as far as it is listed, in their order.
struct Lists {
    applied: First<Step>,
    failed: First<Told>,
    unfinished: First<Told>,
    kept: First<Told>,
    made: usize,
}

impl Lists {
    /// What comes after that which the report has already.
    fn after(report: &Report) -> Self {
        Self {
            applied: First::of(report.listed),
            failed: First::of(report.listed.saturating_sub(report.failed.len())),
            unfinished: First::of(report.listed),
            kept: First::of(report.listed.saturating_sub(report.kept.len())),
            made: 0,
        }
    }

    fn add(&mut self, index: usize, step: Option<Step>, outcome: Outcome) {
        self.made += step.as_ref().map_or(0, |step| step.made.len());
        self.applied.add(index, step.into_iter().collect());
        self.failed.add(index, outcome.failed);
        self.unfinished.add(index, outcome.unfinished);
        self.kept.add(index, outcome.kept);
    }

    fn end(self, report: &mut Report) {
        let meanwhile = self.kept.all;
        if meanwhile > 0 {
            *report.kept_by_reason.entry("changed_meanwhile").or_default() += meanwhile;
        }
        report.unlisted.applied += self.applied.end(&mut report.applied);
        report.unlisted.failed += self.failed.end(&mut report.failed);
        report.unlisted.unfinished += self.unfinished.end(&mut report.unfinished);
        report.unlisted.kept += self.kept.end(&mut report.kept);
        report.unlisted_made += self.made - report.made();
    }
}

/// The first entries of a list, whatever the order in which they come, and how many there are in all.
struct First<T> {
    most: usize,
    all: usize,
    held: usize,
    entries: BTreeMap<usize, Vec<T>>,
}

impl<T> First<T> {
    fn of(most: usize) -> Self {
        Self { most, all: 0, held: 0, entries: BTreeMap::new() }
    }

    fn add(&mut self, index: usize, entries: Vec<T>) {
        if entries.is_empty() {
            return;
        }
        self.all += entries.len();
        self.held += entries.len();
        self.entries.insert(index, entries);
        // the last ones go, as long as enough are held without them
        while let Some(last) = self.entries.last_entry() {
            let rest = self.held - last.get().len();
            if rest < self.most {
                break;
            }
            self.held = rest;
            last.remove();
        }
    }

    /// Puts what is listed at the end of a list. Returns how many are not.
    fn end(self, list: &mut Vec<T>) -> usize {
        let before = list.len();
        list.extend(self.entries.into_values().flatten().take(self.most));
        self.all - (list.len() - before)
    }
}

#[cfg(test)]
mod tests;
