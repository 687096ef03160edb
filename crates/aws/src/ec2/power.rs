//! Stopping and starting instances, and the mark on those that we stop.

use aws_sdk_ec2::types::{InstanceStateChange, Tag};
use snapkeeper_core::{ids::InstanceId, inventory::InstanceState, tags};

use super::{Ec2, convert};
use crate::{call::Twice, error::Error};

impl Ec2 {
    /// Begins to stop an instance. Returns the state that it was in before, if the answer says so.
    ///
    /// # Errors
    /// [`Kind::Open`](crate::Kind::Open) if it may be stopped all the same, perhaps a while later: the call is not made
    /// again, since one that comes late would stop an instance that was started meanwhile.
    pub async fn stop_instance(&self, id: &InstanceId) -> Result<Option<InstanceState>, Error> {
        let call = self.client.stop_instances().instance_ids(id.as_str());
        let answer = self.caller.call("StopInstances", Twice::Harmful, || call.clone().send()).await?;
        Ok(state_before(answer.stopping_instances(), id))
    }

    /// Begins to start an instance. One that runs counts as started. Returns the state that it was in before, if the
    /// answer says so.
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::Kind::Busy) while it is still stopping.
    pub async fn start_instance(&self, id: &InstanceId) -> Result<Option<InstanceState>, Error> {
        let call = self.client.start_instances().instance_ids(id.as_str());
        let answer = self.caller.call("StartInstances", Twice::Harmless, || call.clone().send()).await?;
        Ok(state_before(answer.starting_instances(), id))
    }

    /// Whether this account may start an instance: EC2 is asked, and starts nothing.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) if it may not.
    pub async fn may_start(&self, id: &InstanceId) -> Result<(), Error> {
        let call = self.client.start_instances().instance_ids(id.as_str()).dry_run(true);
        match self.caller.call("StartInstances", Twice::Harmless, || call.clone().send()).await {
            // what would have been done is told as an error (EC2 API, "Common query parameters": DryRun)
            Err(error) if !error.message.starts_with("DryRunOperation") => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Marks an instance that is about to be stopped, by the tag [`tags::STOPPED`].
    ///
    /// # Errors
    /// As EC2 answers.
    pub async fn mark(&self, id: &InstanceId, mark: &str) -> Result<(), Error> {
        let call = self.client.create_tags().resources(id.as_str()).tags(stopped(mark));
        self.caller.call("CreateTags", Twice::Harmless, || call.clone().send()).await?;
        Ok(())
    }

    /// Takes this mark off, and no other: what another run has set meanwhile stays (EC2 API, `DeleteTags`: a tag that is
    /// given with its value is deleted only if it has that value).
    ///
    /// # Errors
    /// As EC2 answers.
    pub async fn unmark(&self, id: &InstanceId, mark: &str) -> Result<(), Error> {
        let call = self.client.delete_tags().resources(id.as_str()).tags(stopped(mark));
        self.caller.call("DeleteTags", Twice::Harmless, || call.clone().send()).await?;
        Ok(())
    }
}

fn state_before(changes: &[InstanceStateChange], id: &InstanceId) -> Option<InstanceState> {
    let of_it = changes.iter().find(|change| change.instance_id() == Some(id.as_str()));
    of_it.and_then(InstanceStateChange::previous_state).map(|state| convert::instance_state(Some(state)))
}

fn stopped(mark: &str) -> Tag {
    Tag::builder().key(tags::STOPPED).value(mark).build()
}
