//! How each service wraps an answer: EC2 in its own way, the others in that of the common Query protocol.

use crate::wire::error::Error;
use crate::wire::xml::Nodes;
use chrono::{DateTime, SecondsFormat, Utc};
use std::io;

/// An answer as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Response {
    /// An answer that cannot be written is a failure of the server.
    fn of(status: u16, body: io::Result<String>) -> Response {
        match body {
            Ok(body) => Response { status, body },
            Err(error) => Response { status: 500, body: error.to_string() },
        }
    }
}

/// The content type of every answer.
pub(crate) const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

/// A service that is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ec2,
    Sns,
    Sts,
}

impl Service {
    /// The service of this name in a credential scope.
    pub(crate) fn named(name: &str) -> Option<Service> {
        match name {
            "ec2" => Some(Service::Ec2),
            "sns" => Some(Service::Sns),
            "sts" => Some(Service::Sts),
            _ => None,
        }
    }

    /// The version of its interface that is modelled.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Service::Ec2 => "2016-11-15",
            Service::Sns => "2010-03-31",
            Service::Sts => "2011-06-15",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Service::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Service::Sns => "http://sns.amazonaws.com/doc/2010-03-31/",
            Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    pub(crate) fn success(self, action: &str, request_id: &str, nodes: Nodes) -> Response {
        let content = match self {
            Service::Ec2 => Nodes::new().text("requestId", request_id).and(nodes),
            Service::Sns | Service::Sts => Nodes::new()
                .nest(&format!("{action}Result"), nodes)
                .nest("ResponseMetadata", Nodes::new().text("RequestId", request_id)),
        };
        Response::of(200, content.document(&format!("{action}Response"), Some(self.namespace())))
    }

    pub(crate) fn failure(self, request_id: &str, error: &Error) -> Response {
        let code = Nodes::new().text("Code", &error.code).text("Message", &error.message);
        let body = match self {
            Service::Ec2 => Nodes::new()
                .nest("Errors", Nodes::new().nest("Error", code))
                .text("RequestID", request_id)
                .document("Response", None),
            Service::Sns | Service::Sts => {
                let at_fault = if error.status < 500 { "Sender" } else { "Receiver" };
                Nodes::new()
                    .nest("Error", Nodes::new().text("Type", at_fault).and(code))
                    .text("RequestId", request_id)
                    .document("ErrorResponse", Some(self.namespace()))
            }
        };
        Response::of(error.status, body)
    }
}

/// An instant as AWS writes it: `2026-11-21T05:00:00.000Z`.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
