//! How far snapshots are, for whoever waits for them.

use aws_sdk_ec2::types;
use snapkeeper_core::{
    ids::SnapshotId,
    inventory::SnapshotState,
    tags::{AUTOMATED, BACKUP_RUN, TYPE},
};

use super::{Ec2, convert, describe::PAGE, filters};
use crate::{call::Twice, error::Error, pages::pages};

/// How far a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotProgress {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its state.
    pub state: SnapshotState,
    /// How much of it is there, in per cent.
    pub percent: u8,
    /// Why it is in that state, where AWS says so.
    pub message: Option<String>,
}

impl Ec2 {
    /// How far the snapshots of a run are, by the run's stamp as in the tag `Backup_Run`.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn progress_of_run(&self, stamp: &str) -> Result<Vec<SnapshotProgress>, Error> {
        let wanted = [(TYPE, AUTOMATED), (BACKUP_RUN, stamp)];
        let wanted = wanted.map(|(key, value)| (format!("tag:{key}"), value.to_owned()));
        let call = self.client.describe_snapshots().owner_ids("self").max_results(PAGE);
        let call = call.set_filters(Some(filters(wanted.into())));
        pages("DescribeSnapshots", async |token| {
            let page = self
                .caller
                .call("DescribeSnapshots", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            Ok((page.snapshots().iter().filter_map(progress).collect(), page.next_token))
        })
        .await
    }
}

fn progress(snapshot: &types::Snapshot) -> Option<SnapshotProgress> {
    let told = convert::snapshot(snapshot)?;
    // `43%`, and nothing at first
    let percent: Option<u8> = snapshot.progress().and_then(|percent| percent.trim_end_matches('%').parse().ok());
    let percent = if told.state == SnapshotState::Completed { 100 } else { percent.unwrap_or(0) };
    Some(SnapshotProgress { snapshot: told.id, state: told.state, percent: percent.min(100), message: told.message })
}
