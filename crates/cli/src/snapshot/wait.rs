//! `--wait`: until what was begun is completed, with a bar for each snapshot.

use std::{collections::BTreeMap, io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use snapkeeper_aws::{Aws, SnapshotProgress};
use snapkeeper_core::{ids::SnapshotId, inventory::SnapshotState};
use snapkeeper_lambda::{Context, Report, Step, Told};

/// How many seconds pass between two looks.
const BETWEEN_LOOKS: u32 = 5;
/// A snapshot that so many looks in a row do not show is gone. EC2's readings may lag behind its writings.
const LOOKS_IN_VAIN: u32 = 12;

/// One snapshot that is waited for.
struct Awaited {
    bar: ProgressBar,
    percent: u8,
    in_vain: u32,
}

/// Waits until each snapshot of the report is completed. What does not come to be so is added to the report.
pub(super) async fn until_completed(aws: &Aws, context: &Context, report: &mut Report) {
    let mut awaited = with_bars(&report.applied);
    while !awaited.is_empty() {
        match aws.ec2.progress_of_run(&context.run.stamp()).await {
            Ok(seen) => look(&mut awaited, seen, report),
            Err(error) if error.kind.may_pass() => tracing::warn!(%error, "looked in vain whether they are completed"),
            Err(error) => {
                let cause = format!("cannot be seen whether its snapshots are completed: {error}");
                report.failed.push(Told::new(aws.region(), cause));
                return;
            }
        }
        for _ in 0..BETWEEN_LOOKS {
            if awaited.is_empty() {
                return;
            }
            if context.cancel.is_cancelled() {
                report.unfinished.extend(awaited.iter().map(|(id, it)| {
                    it.bar.abandon();
                    Told::new(id, format!("pending, {} % done: it goes on without being waited for", it.percent))
                }));
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// What was made, each with its bar: on a terminal's standard error; nothing in a pipe.
fn with_bars(applied: &[Step]) -> BTreeMap<SnapshotId, Awaited> {
    let bars = if std::io::stderr().is_terminal() {
        MultiProgress::new()
    } else {
        MultiProgress::with_draw_target(ProgressDrawTarget::hidden())
    };
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos:>3} % {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let made = applied.iter().flat_map(|step| step.made.iter().map(move |snapshot| (&step.resource, snapshot)));
    made.map(|(instance, snapshot)| {
        let bar =
            bars.add(ProgressBar::new(100).with_style(style.clone()).with_prefix(format!("{instance} {snapshot}")));
        bar.tick();
        (SnapshotId::from(snapshot.as_str()), Awaited { bar, percent: 0, in_vain: 0 })
    })
    .collect()
}

/// Takes out what is no longer to be waited for.
fn look(awaited: &mut BTreeMap<SnapshotId, Awaited>, seen: Vec<SnapshotProgress>, report: &mut Report) {
    let seen: BTreeMap<SnapshotId, SnapshotProgress> =
        seen.into_iter().map(|progress| (progress.snapshot.clone(), progress)).collect();
    awaited.retain(|id, it| {
        let Some(SnapshotProgress { state, percent, message, .. }) = seen.get(id) else {
            it.in_vain += 1;
            if it.in_vain == LOOKS_IN_VAIN {
                it.bar.abandon_with_message("gone");
                report.failed.push(Told::new(id, "not there any more: somebody deleted it while it was waited for"));
            }
            return it.in_vain < LOOKS_IN_VAIN;
        };
        (it.in_vain, it.percent) = (0, *percent);
        it.bar.set_position((*percent).into());
        match state {
            SnapshotState::Pending | SnapshotState::Unknown => true,
            SnapshotState::Completed => {
                it.bar.finish_with_message("completed");
                false
            }
            SnapshotState::Error => {
                it.bar.abandon_with_message("failed");
                let why = message.as_deref().unwrap_or("AWS does not say why");
                report.failed.push(Told::new(id, format!("ended in error ({why}): take another one")));
                false
            }
            SnapshotState::InRecycleBin => {
                it.bar.abandon_with_message("in the Recycle Bin");
                report.failed.push(Told::new(id, "in the Recycle Bin: somebody deleted it while it was waited for"));
                false
            }
        }
    });
}
