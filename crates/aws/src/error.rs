//! The error codes of EC2, RDS, KMS, STS and Systems Manager, sorted by what a caller can do. EC2's errors are not modelled in
//! its SDK, and those of the others are told by the same codes: strings, as they stand in the answer.
//!
//! Sources: EC2 API reference, "Error codes"; EC2 API throttling; EBS quotas; the errors of each action in the other API
//! references, by their codes in botocore's model (`DBSnapshotNotFound`, but `DBClusterSnapshotNotFoundFault`).

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::StatusCode,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {message}")]
pub struct Error {
    /// The API action, `CreateSnapshots`.
    pub action: &'static str,
    /// What the caller can do.
    pub kind: Kind,
    /// AWS's code and words, or what went wrong on the way.
    pub message: String,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Too many calls, or the same tag changed by someone else: nothing happened; repeat after a while.
    Throttled,
    /// The same volume again too soon: nothing happened; repeat after 15 seconds.
    TooSoon,
    /// The volume has enough to do, or the instance or database snapshot is in no state for it: nothing happened; the next
    /// run tries again.
    Busy,
    /// As many as AWS takes, copies at once or database snapshots of an account: nothing happened; the next run goes on.
    Full,
    /// There is one of that name already: nothing happened.
    Exists,
    /// An image uses the snapshot.
    InUse,
    /// It is not there, or not any more.
    NotFound,
    /// AWS will not do this, now or later: someone must act.
    Refused,
    /// AWS will not do anything of the sort for this account: permission, quota, region not enabled.
    Denied,
    /// No answer, or one that does not say whether it happened.
    Open,
    /// Nothing was sent: no credentials, or a call that cannot be built.
    Unsent,
}

impl Kind {
    /// Whether the same call may be answered a while later.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Throttled | Self::Open => true,
            Self::TooSoon
            | Self::Busy
            | Self::Full
            | Self::Exists
            | Self::InUse
            | Self::NotFound
            | Self::Refused
            | Self::Denied
            | Self::Unsent => false,
        }
    }
}

impl Error {
    pub(crate) fn of<E>(action: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let cause = std::error::Error::source(error).unwrap_or(error);
        let (kind, message) = if let SdkError::ServiceError(answer) = error {
            let (code, status) = (answer.err().code(), answer.raw().status());
            let message = match (code, answer.err().message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                (None, _) => format!("status {} without an error code", status.as_u16()),
            };
            (kind(code, status), message)
        } else if matches!(error, SdkError::ConstructionFailure(_)) || is_without_credentials(cause) {
            (Kind::Unsent, chain(cause))
        } else {
            // the request may have arrived
            (Kind::Open, format!("no certain answer: {}", chain(cause)))
        };
        Self { action, kind, message }
    }

    /// Whether the call certainly had no effect, for a reason that may lie in one volume alone.
    pub fn may_be_of_one_volume(&self) -> bool {
        match self.kind {
            Kind::TooSoon | Kind::Busy | Kind::NotFound | Kind::Refused => true,
            Kind::Throttled | Kind::Full | Kind::Exists | Kind::InUse | Kind::Denied | Kind::Open | Kind::Unsent => {
                false
            }
        }
    }
}

/// Credentials are looked for before anything is sent, and their absence comes as a failure to dispatch.
fn is_without_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(<dyn std::error::Error>::is::<CredentialsError>)
}

pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = causes(error).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn kind(code: Option<&str>, status: StatusCode) -> Kind {
    match code.unwrap_or_default() {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "EC2ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "ConcurrentTagAccess" => Kind::Throttled,
        "SnapshotCreationPerVolumeRateExceeded" => Kind::TooSoon,
        "ConcurrentSnapshotLimitExceeded"
        | "IncorrectState"
        | "InvalidState"
        | "IncorrectInstanceState"
        | "InvalidDBSnapshotState"
        | "InvalidDBClusterSnapshotStateFault"
        | "InvalidDBClusterStateFault" => Kind::Busy,
        "ResourceLimitExceeded" | "SnapshotQuotaExceeded" => Kind::Full,
        // a token of an earlier call, with other parameters: what that call made is there (EC2 developer guide, "Ensuring
        // idempotency")
        "DBSnapshotAlreadyExists"
        | "DBClusterSnapshotAlreadyExistsFault"
        | "InvalidAMIName.Duplicate"
        | "IdempotentParameterMismatch" => Kind::Exists,
        "InvalidSnapshot.InUse" => Kind::InUse,
        "InvalidSnapshot.NotFound"
        | "InvalidVolume.NotFound"
        | "InvalidInstanceID.NotFound"
        | "InvalidAMIID.NotFound"
        | "InvalidAMIID.Unavailable"
        | "InvalidLaunchTemplateId.NotFound"
        | "DBSnapshotNotFound"
        | "DBClusterSnapshotNotFoundFault"
        | "ParameterNotFound"
        | "NotFoundException" => Kind::NotFound,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "OptInRequired"
        | "Blocked"
        | "PendingSnapshotLimitExceeded"
        | "SnapshotLimitExceeded"
        | "AccessDenied"
        | "AccessDeniedException"
        | "ExpiredToken"
        | "RequestExpired" => Kind::Denied,
        // a success that cannot be understood is a success perhaps
        _ if status.is_server_error() || status.is_success() => Kind::Open,
        _ => Kind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_can_be_done() {
        for (code, status, expected) in [
            (Some("RequestLimitExceeded"), 503, Kind::Throttled),
            (Some("ConcurrentTagAccess"), 400, Kind::Throttled),
            (Some("SnapshotCreationPerVolumeRateExceeded"), 400, Kind::TooSoon),
            (Some("ConcurrentSnapshotLimitExceeded"), 400, Kind::Busy),
            (Some("PendingSnapshotLimitExceeded"), 400, Kind::Denied),
            (Some("IncorrectState"), 400, Kind::Busy),
            (Some("IncorrectInstanceState"), 400, Kind::Busy),
            (Some("ResourceLimitExceeded"), 400, Kind::Full),
            (Some("SnapshotQuotaExceeded"), 400, Kind::Full),
            (Some("DBSnapshotAlreadyExists"), 400, Kind::Exists),
            (Some("DBClusterSnapshotAlreadyExistsFault"), 400, Kind::Exists),
            (Some("InvalidAMIName.Duplicate"), 400, Kind::Exists),
            (Some("IdempotentParameterMismatch"), 400, Kind::Exists),
            (Some("InvalidAMIID.NotFound"), 400, Kind::NotFound),
            (Some("InvalidAMIID.Unavailable"), 400, Kind::NotFound),
            (Some("InvalidLaunchTemplateId.NotFound"), 400, Kind::NotFound),
            (Some("ParameterNotFound"), 400, Kind::NotFound),
            (Some("InvalidDBSnapshotState"), 400, Kind::Busy),
            (Some("InvalidDBClusterSnapshotStateFault"), 400, Kind::Busy),
            (Some("DBSnapshotNotFound"), 404, Kind::NotFound),
            (Some("DBClusterSnapshotNotFoundFault"), 404, Kind::NotFound),
            (Some("NotFoundException"), 400, Kind::NotFound),
            (Some("KMSKeyNotAccessibleFault"), 400, Kind::Refused),
            (Some("SharedSnapshotQuotaExceeded"), 400, Kind::Refused),
            (Some("AccessDenied"), 403, Kind::Denied),
            (Some("AccessDeniedException"), 400, Kind::Denied),
            (Some("Throttling"), 400, Kind::Throttled),
            (Some("ThrottlingException"), 400, Kind::Throttled),
            (Some("KMSInternalException"), 500, Kind::Open),
            (Some("InvalidSnapshot.InUse"), 400, Kind::InUse),
            (Some("InvalidSnapshot.NotFound"), 400, Kind::NotFound),
            (Some("UnauthorizedOperation"), 403, Kind::Denied),
            (Some("SnapshotLimitExceeded"), 400, Kind::Denied),
            (Some("SomethingNew"), 400, Kind::Refused),
            (Some("InternalError"), 500, Kind::Open),
            (Some("Unavailable"), 503, Kind::Open),
            (None, 502, Kind::Open),
            (None, 200, Kind::Open),
        ] {
            assert_eq!(kind(code, StatusCode::try_from(status).unwrap()), expected, "{code:?} {status}");
        }
    }
}
