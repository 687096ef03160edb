//! A call of a job, as it goes over the wire.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// A call of a job.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The service that it is signed for, such as `ec2`.
    pub(super) service: String,
    /// The region that it is signed for.
    pub(super) region: String,
    /// Its action, such as `DescribeSnapshots`.
    pub(super) action: String,
    /// Its other parameters.
    pub(super) params: Vec<(String, String)>,
}

impl Call {
    pub(super) fn of(request: &HttpRequest) -> Call {
        // the bodies of the Query protocol are always in memory
        let body = request.body().bytes().unwrap_or_default();
        let mut params: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let action = params.iter().find(|(name, _)| name == "Action").map(|(_, action)| action.clone());
        params.retain(|(name, _)| name != "Action" && name != "Version");
        // Credential=KEY/20261121/us-east-1/ec2/aws4_request
        let scope = request.headers().get("authorization").and_then(|header| header.split_once("Credential="));
        let signed_for = |nth| scope.and_then(|(_, scope)| scope.split('/').nth(nth)).unwrap_or_default().to_owned();
        Call { service: signed_for(3), region: signed_for(2), action: action.unwrap_or_default(), params }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it only reads.
    pub(super) fn reads(&self) -> bool {
        self.action.starts_with("Describe")
    }

    /// Whether it creates snapshots.
    pub(super) fn creates(&self) -> bool {
        matches!(self.action.as_str(), "CreateSnapshot" | "CreateSnapshots" | "CopySnapshot")
    }

    /// Whether it asks for a page after the first.
    pub(super) fn is_for_a_later_page(&self) -> bool {
        self.get("NextToken").is_some()
    }

    /// What it names to change or to act on: a volume, an instance, a snapshot. Of filters and tags nothing counts.
    pub(super) fn about(&self) -> impl Iterator<Item = &str> {
        const NAMES: [&str; 5] =
            ["VolumeId", "InstanceSpecification.InstanceId", "SourceSnapshotId", "SnapshotId", "ResourceId.1"];
        NAMES.into_iter().filter_map(move |name| self.get(name))
    }

    /// Whether it tells the alert topic something.
    pub(super) fn publishes(&self) -> bool {
        self.action == "Publish"
    }

    /// Of what it creates a snapshot: a volume, an instance, or a snapshot.
    pub(super) fn of_what(&self) -> Option<&str> {
        ["VolumeId", "InstanceSpecification.InstanceId", "SourceSnapshotId"].iter().find_map(|name| self.get(name))
    }
}
