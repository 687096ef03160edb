//! An error answer.

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
            | "AuthorizationError"
            | "AuthFailure"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch" => 403,
            "NotFound" => 404,
            "DryRunOperation" => 412,
            "InternalError" => 500,
            "RequestLimitExceeded" | "Unavailable" => 503,
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

    pub(crate) fn throttled() -> Error {
        Error::new("RequestLimitExceeded", "Request limit exceeded.")
    }

    pub(crate) fn denied() -> Error {
        Error::new("UnauthorizedOperation", "You are not authorized to perform this operation.")
    }
}
