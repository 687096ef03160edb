//! Carries out a plan, deciding nothing: each action on its own, none stopping another.

use futures::{StreamExt, stream};
use snapkeeper_core::plan::{Action, Finding, Plan};

use crate::{
    context::Context,
    report::{Report, Step, Told},
};

/// How many actions are under way at once. What AWS takes a second is limited beneath, call by call.
const AT_ONCE: usize = 16;

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

/// Carries out the plan by `act`, in a dry run only in words, and reports.
pub async fn apply<A: Action>(plan: Plan<A>, context: &Context, act: impl AsyncFn(&A, &mut Outcome)) -> Report {
    if context.run.dry_run {
        return planned(plan, context);
    }
    let (mut report, actions) = begin(plan, context);
    let (all, mut finished) = (actions.len(), 0);
    context.progress.tell(finished, all);
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(all);
    let mut under_way = stream::iter(actions.iter().enumerate())
        .map(async |(index, action)| (index, one(action, context, &act).await))
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = under_way.next().await {
        outcomes.push(outcome);
        finished += 1;
        context.progress.tell(finished, all);
    }
    outcomes.sort_by_key(|(index, _)| *index);
    for ((_, outcome), action) in outcomes.into_iter().zip(&actions) {
        if outcome.done {
            report.applied.push(Step { volumes: outcome.volumes, ..step(action, outcome.made) });
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

/// Reports what the plan would do, and does nothing.
pub fn planned<A: Action>(plan: Plan<A>, context: &Context) -> Report {
    let (mut report, actions) = begin(plan, context);
    report.dry_run = true;
    report.planned = actions.iter().map(|action| step(action, Vec::new())).collect();
    report
}

/// The report of a plan of which nothing is carried out yet, and what is to be.
fn begin<A: Action>(plan: Plan<A>, context: &Context) -> (Report, Vec<A>) {
    let mut report = Report::of(&context.run);
    report.keep(plan.kept);
    report.findings = plan.findings.into_iter().map(Finding::plain).collect();
    report.measures = plan.measures;
    report.failed = plan.refusals.into_iter().map(Told::from).collect();
    (report, plan.actions)
}

async fn one<A: Action>(action: &A, context: &Context, act: &impl AsyncFn(&A, &mut Outcome)) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(why) = context.why_not_begin() {
        outcome.unfinished(action.resource(), format!("{why}: {action}"));
    } else if context.deadline.for_action(act(action, &mut outcome)).await.is_none() {
        outcome.unfinished(action.resource(), format!("cut off by the deadline, perhaps done: {action}"));
    }
    outcome
}

fn step<A: Action>(action: &A, made: Vec<String>) -> Step {
    Step::new(&action.resource(), &action.to_string(), made)
}
