//! How each service wraps an answer: EC2 in its own way, KMS and SSM in JSON, the others in that of the common Query
//! protocol.

use crate::wire::error::Error;
use crate::wire::xml::Nodes;
use chrono::{DateTime, SecondsFormat, Utc};

/// An answer as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Response {
    /// An answer in JSON.
    fn of_json(status: u16, nodes: &Nodes) -> Response {
        Response { status, content_type: JSON, body: nodes.object().to_string() }
    }

    /// An answer in XML.
    fn of_xml(status: u16, body: String) -> Response {
        Response { status, content_type: XML, body }
    }
}

/// The content type of the answers of the Query protocols.
const XML: &str = "text/xml;charset=UTF-8";
/// The content type of the answers of the JSON protocol, version 1.1.
const JSON: &str = "application/x-amz-json-1.1";

/// A service that is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ec2,
    Kms,
    Rds,
    Sns,
    Ssm,
    Sts,
}

impl Service {
    /// The service of this name in a credential scope.
    pub(crate) fn named(name: &str) -> Option<Service> {
        match name {
            "ec2" => Some(Service::Ec2),
            "kms" => Some(Service::Kms),
            "rds" => Some(Service::Rds),
            "sns" => Some(Service::Sns),
            "ssm" => Some(Service::Ssm),
            "sts" => Some(Service::Sts),
            _ => None,
        }
    }

    /// The version of its interface that is modelled; where it speaks JSON, what its targets begin with.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Service::Ec2 => "2016-11-15",
            Service::Kms => "TrentService",
            Service::Rds => "2014-10-31",
            Service::Sns => "2010-03-31",
            Service::Ssm => "AmazonSSM",
            Service::Sts => "2011-06-15",
        }
    }

    /// Whether it speaks JSON, and not a Query protocol.
    pub(crate) fn speaks_json(self) -> bool {
        self.namespace().is_none()
    }

    /// The namespace of its answers, where they are XML.
    fn namespace(self) -> Option<&'static str> {
        match self {
            Service::Ec2 => Some("http://ec2.amazonaws.com/doc/2016-11-15/"),
            Service::Kms | Service::Ssm => None,
            Service::Rds => Some("http://rds.amazonaws.com/doc/2014-10-31/"),
            Service::Sns => Some("http://sns.amazonaws.com/doc/2010-03-31/"),
            Service::Sts => Some("https://sts.amazonaws.com/doc/2011-06-15/"),
        }
    }

    pub(crate) fn success(self, action: &str, request_id: &str, nodes: Nodes) -> Response {
        let content = match self {
            Service::Ec2 => Nodes::new().text("requestId", request_id).and(nodes),
            // its request id stands in a header, which nobody here reads
            Service::Kms | Service::Ssm => return Response::of_json(200, &nodes),
            Service::Rds | Service::Sns | Service::Sts => Nodes::new()
                .nest(format!("{action}Result"), nodes)
                .nest("ResponseMetadata", Nodes::new().text("RequestId", request_id)),
        };
        Response::of_xml(200, content.document(&format!("{action}Response"), self.namespace()))
    }

    pub(crate) fn failure(self, request_id: &str, error: &Error) -> Response {
        let code = Nodes::new().text("Code", &error.code).text("Message", &error.message);
        let body = match self {
            Service::Ec2 => Nodes::new()
                .nest("Errors", Nodes::new().nest("Error", code))
                .text("RequestID", request_id)
                .document("Response", None),
            Service::Kms | Service::Ssm => {
                let told = Nodes::new().text("__type", &error.code).text("message", &error.message);
                return Response::of_json(error.status, &told);
            }
            Service::Rds | Service::Sns | Service::Sts => {
                let at_fault = if error.status < 500 { "Sender" } else { "Receiver" };
                Nodes::new()
                    .nest("Error", Nodes::new().text("Type", at_fault).and(code))
                    .text("RequestId", request_id)
                    .document("ErrorResponse", self.namespace())
            }
        };
        Response::of_xml(error.status, body)
    }
}

/// An instant as AWS writes it: `2026-11-21T05:00:00.000Z`.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
