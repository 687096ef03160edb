//! An error answer.

use crate::wire::response::Service;

/// An error answer: AWS's code, and the HTTP status that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Error {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Error {
        let status = match code {
            "UnauthorizedOperation"
            | "AccessDenied"
            | "AuthorizationError"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch" => 403,
            "NotFound"
            | "DBInstanceNotFound"
            | "DBClusterNotFoundFault"
            | "DBSnapshotNotFound"
            | "DBClusterSnapshotNotFoundFault"
            | "OptionGroupNotFoundFault" => 404,
            "DryRunOperation" => 412,
            "InternalError" => 500,
            "RequestLimitExceeded" | "ServiceUnavailable" | "Unavailable" => 503,
            _ => 400,
        };
        Error { status, code: code.to_owned(), message: message.into() }
    }

    pub(crate) fn with_status(status: u16, code: &str) -> Error {
        Error { status, code: code.to_owned(), message: format!("Injected: {code}") }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new("InvalidParameterValue", message)
    }

    pub(crate) fn invalid_value(parameter: &str, value: &str) -> Error {
        Error::invalid(format!("Value ({value}) for parameter {parameter} is invalid."))
    }

    pub(crate) fn missing(parameter: &str) -> Error {
        Error::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    pub(crate) fn unknown_parameter(parameter: &str) -> Error {
        Error::new("UnknownParameter", format!("The parameter {parameter} is not recognized"))
    }

    pub(crate) fn unknown_action(action: &str) -> Error {
        Error::new("InvalidAction", format!("The action {action} is not valid for this web service."))
    }

    /// What a service answers to too many calls.
    pub(crate) fn throttled(service: Service) -> Error {
        match service {
            Service::Ec2 | Service::Sns => Error::new("RequestLimitExceeded", "Request limit exceeded."),
            Service::Kms | Service::Ssm => Error::new("ThrottlingException", "Rate exceeded"),
            Service::Rds | Service::Sts => Error::new("Throttling", "Rate exceeded"),
        }
    }

    /// What a service answers to a caller who may do nothing at all.
    pub(crate) fn denied(service: Service) -> Error {
        let code = match service {
            Service::Ec2 | Service::Sns => "UnauthorizedOperation",
            Service::Kms | Service::Ssm => "AccessDeniedException",
            Service::Rds | Service::Sts => "AccessDenied",
        };
        Error::new(code, "You are not authorized to perform this operation.")
    }
}

/// Whether this is a code of [`Error::throttled`].
pub(crate) fn is_throttle(code: &str) -> bool {
    matches!(code, "RequestLimitExceeded" | "ThrottlingException" | "Throttling")
}
