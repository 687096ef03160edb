//! One process that carries out a run.

use super::world::World;
use crate::mutant::lens;
use crate::oracle::{Begun, Told};
use crate::script::{self, Act, Kill};
use chrono::TimeDelta;
use snapkeeper_core::plan::{Finding, FindingKind, Kept, Refusal};
use snapkeeper_core::run;
use snapkeeper_core::settings::Settings;
use std::collections::BTreeSet;

/// A process of the script's life `'a`.
pub(super) struct Process<'a> {
    /// The number of the run.
    pub(super) number: u32,
    /// The run, as its plan sees it.
    pub(super) run: run::Run,
    /// Its region.
    pub(super) region: &'a str,
    /// What it tells in the end.
    pub(super) told: Told,
    /// Whether it was killed.
    pub(super) is_dead: bool,
    /// How many calls it has made.
    pub(super) calls: u32,
    /// How many actions it has time for.
    pub(super) actions_left: u64,
    /// Where it is killed, if it is.
    pub(super) killed: Option<Kill>,
    /// What others do before its calls.
    pub(super) meanwhile: &'a [(u32, Act)],
}

/// What has become of one action.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) is_done: bool,
    pub(super) made: Vec<String>,
    pub(super) failed: Vec<(String, String)>,
    pub(super) kept: Vec<(String, String)>,
    pub(super) unfinished: Vec<(String, String)>,
}

impl Outcome {
    /// It was done, at least in part, and these were made.
    pub(super) fn made(&mut self, ids: Vec<String>) {
        self.is_done = true;
        self.made.extend(ids);
    }

    /// This of it failed.
    pub(super) fn failed(&mut self, resource: &str, cause: impl ToString) {
        self.failed.push((resource.to_owned(), cause.to_string()));
    }

    /// This of it must be left alone.
    pub(super) fn kept(&mut self, resource: &str, cause: &str) {
        self.kept.push((resource.to_owned(), cause.to_owned()));
    }

    /// This of it is left for the next run.
    pub(super) fn unfinished(&mut self, resource: &str, cause: impl ToString) {
        self.unfinished.push((resource.to_owned(), cause.to_string()));
    }
}

impl<'a> Process<'a> {
    /// Begins a run: the first delivery of its event, or another one at once, which nothing disturbs. `None` if its
    /// region is none, or its settings cannot be read.
    pub(super) fn begin(world: &mut World, start: &'a script::Run, is_first: bool) -> Option<Process<'a>> {
        let region = start.region.parse().ok()?;
        // whatever scripts set can be read: `script/make/tests.rs`
        let settings = Settings::from_variables(world.setting.variables()).ok()?;
        let mut run = run::Run::new(job(start.job), region, start.at, settings);
        if let Some(mutant) = world.mutant {
            lens::run(mutant, &mut run, world.truth.now, TimeDelta::hours(world.setting.skew_hours));
        }
        let number = world.runs;
        world.runs += 1;
        let begun = Begun {
            run: number,
            job: start.job,
            region: start.region.clone(),
            instant: start.at,
            lag: world.troubles.lag(start.job, &start.region),
            has_deadline: start.deadline.is_some(),
        };
        world.oracle.begin(begun, &world.truth);
        world.tell(format_args!("run {number}: {} in {}", run.job, run.region));
        Some(Process {
            number,
            run,
            region: &start.region,
            told: Told { asked: Some(BTreeSet::new()), ..Told::default() },
            is_dead: false,
            calls: 0,
            // in the model an action takes ten seconds
            actions_left: start.deadline.map_or(u64::MAX, |deadline| deadline.as_secs() / 10),
            killed: start.killed.filter(|_| is_first),
            meanwhile: if is_first { start.meanwhile.as_slice() } else { &[] },
        })
    }

    /// Puts into the report what the plan tells.
    pub(super) fn tell_plan(&mut self, kept: Vec<Kept>, findings: Vec<Finding>, refusals: Vec<Refusal>) {
        self.told.kept.extend(kept.into_iter().map(|it| (it.resource, it.reason.kind().to_owned())));
        let findings = findings.into_iter().map(|it| (name(it.kind).to_owned(), it.resource, it.what));
        self.told.findings.extend(findings);
        self.told.failed.extend(refusals.into_iter().map(|it| (it.resource, it.cause)));
    }

    /// Puts into the report what has become of an action.
    pub(super) fn tell_outcome(&mut self, resource: String, outcome: Outcome) {
        if outcome.is_done {
            self.told.applied.push((resource, outcome.made));
        }
        self.told.failed.extend(outcome.failed);
        self.told.kept.extend(outcome.kept);
        self.told.unfinished.extend(outcome.unfinished);
    }

    /// Ends the run.
    pub(super) fn end(mut self, world: &mut World) {
        if self.is_dead {
            world.tell(format_args!("run {}: killed", self.number));
            world.oracle.end(self.number, None, None, &world.truth);
            return;
        }
        let told = &mut self.told;
        let is_lost = self.run.job == run::Job::Creator && !told.unfinished.is_empty();
        told.succeeded = told.failed.is_empty() && !is_lost;
        if let Some(mutant) = world.mutant {
            lens::told(mutant, told, self.run.job);
        }
        world.tell(format_args!(
            "run {}: {} done, {:?} failed, {:?} unfinished, {} findings",
            self.number,
            told.applied.len(),
            told.failed,
            told.unfinished,
            told.findings.len()
        ));
        world.oracle.end(self.number, Some(&self.told), None, &world.truth);
    }
}

fn job(job: script::Job) -> run::Job {
    match job {
        script::Job::Creator => run::Job::Creator,
        script::Job::Copier => run::Job::Copier,
        script::Job::Manager => run::Job::Manager,
        script::Job::Watcher => run::Job::Watcher,
    }
}

/// The kind of a finding, as reports write it.
fn name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::LeftStopped => "left_stopped",
        FindingKind::NoRecentBackup => "no_recent_backup",
        FindingKind::Unprotected => "unprotected",
        FindingKind::Failed => "failed",
        FindingKind::IncompleteSet => "incomplete_set",
        FindingKind::StuckPending => "stuck_pending",
        FindingKind::CopyMissing => "copy_missing",
        FindingKind::CopyFailed => "copy_failed",
        FindingKind::CopyStuck => "copy_stuck",
        FindingKind::DestinationUnknown => "destination_unknown",
        FindingKind::UnreadableTag => "unreadable_tag",
        FindingKind::Undated => "undated",
        FindingKind::NotDeleted => "not_deleted",
        FindingKind::NotConsistent => "not_consistent",
        FindingKind::NotFailsafe => "not_failsafe",
        FindingKind::NotSaved => "not_saved",
        FindingKind::Unshareable => "unshareable",
        FindingKind::KeyBlocks => "key_blocks",
        FindingKind::SharedWithStranger => "shared_with_stranger",
        FindingKind::DatabasesUnknown => "databases_unknown",
        FindingKind::QuotaNear => "quota_near",
        FindingKind::FalseAnnouncement => "false_announcement",
    }
}
