//! Carries out a plan, deciding nothing: each action on its own, none stopping another.

use futures::{StreamExt, stream};
use snapkeeper_core::plan::{Action, Plan};

use crate::{
    context::Context,
    report::{Failed, Report, Step},
};

/// How many actions are under way at once. What AWS takes a second is limited beneath, call by call.
const AT_ONCE: usize = 16;

/// What became of one action.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The ids of what it made.
    pub made: Vec<String>,
    /// Whether it was done, at least in part.
    pub done: bool,
    /// What of it failed.
    pub failed: Vec<Failed>,
    /// What of it had gone before its turn came, or is kept by AWS.
    pub kept: Vec<Failed>,
    /// What of it is left for the next run.
    pub unfinished: Vec<Failed>,
}

impl Outcome {
    /// Done, having made these.
    pub fn made(ids: impl IntoIterator<Item = impl ToString>) -> Self {
        Self { made: ids.into_iter().map(|id| id.to_string()).collect(), done: true, ..Self::default() }
    }

    /// Done.
    pub fn done() -> Self {
        Self { done: true, ..Self::default() }
    }

    /// Failed.
    pub fn failed(resource: impl ToString, cause: impl ToString) -> Self {
        Self { failed: vec![Failed::new(resource, cause)], ..Self::default() }
    }

    /// Nothing to do any more.
    pub fn kept(resource: impl ToString, cause: impl ToString) -> Self {
        Self { kept: vec![Failed::new(resource, cause)], ..Self::default() }
    }

    /// Left for the next run.
    pub fn unfinished(resource: impl ToString, cause: impl ToString) -> Self {
        Self { unfinished: vec![Failed::new(resource, cause)], ..Self::default() }
    }
}

/// Carries out the plan by `act`, in a dry run only in words, and reports.
pub async fn apply<A: Action>(plan: Plan<A>, context: &Context, act: impl AsyncFn(&A) -> Outcome) -> Report {
    let mut report = Report::of(&context.run);
    report.keep(plan.kept);
    report.findings = plan.findings;
    report.failed = plan.refusals.into_iter().map(Failed::from).collect();
    if context.run.dry_run {
        report.planned = plan.actions.iter().map(|action| step(action, Vec::new())).collect();
        return report;
    }
    let (all, mut finished) = (plan.actions.len(), 0);
    context.progress.tell(finished, all);
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(all);
    let mut under_way = stream::iter(plan.actions.iter().enumerate())
        .map(async |(index, action)| (index, one(action, context, &act).await))
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = under_way.next().await {
        outcomes.push(outcome);
        finished += 1;
        context.progress.tell(finished, all);
    }
    outcomes.sort_by_key(|(index, _)| *index);
    for ((_, outcome), action) in outcomes.into_iter().zip(&plan.actions) {
        if outcome.done {
            report.applied.push(step(action, outcome.made));
        }
        report.failed.extend(outcome.failed);
        report.unfinished.extend(outcome.unfinished);
        for kept in outcome.kept {
            *report.kept_by_reason.entry("changed_meanwhile").or_default() += 1;
            report.kept.push(kept);
        }
    }
    report
}

async fn one<A: Action>(action: &A, context: &Context, act: &impl AsyncFn(&A) -> Outcome) -> Outcome {
    if context.deadline.is_near() {
        return Outcome::unfinished(action.resource(), format!("no time left: {action}"));
    }
    context.deadline.for_action(act(action)).await.unwrap_or_else(|| {
        Outcome::unfinished(action.resource(), format!("cut off by the deadline, perhaps done: {action}"))
    })
}

fn step<A: Action>(action: &A, made: Vec<String>) -> Step {
    Step { resource: action.resource(), what: action.to_string(), made }
}
