//! Calls as an operator would make them, without a client: for setting up what a demo or a test then runs on.

use crate::Simulator;
use crate::wire::request::Request;
use crate::wire::response::Service;
use crate::wire::{json, xml};

/// The access key with which [`Simulator::call`] calls.
pub const OPERATOR: &str = "OPERATOR";

/// The answer to an operator's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its HTTP status; 0 if the connection was cut.
    pub status: u16,
    /// The XML; of KMS and SSM, the JSON.
    pub body: String,
}

impl Reply {
    /// The text of the first element of this name that has no elements in it; in JSON, of a member.
    pub fn text(&self, element: &str) -> Option<String> {
        self.texts(element).into_iter().next()
    }

    /// The text of all elements of this name that have no elements in them, in document order.
    pub fn texts(&self, element: &str) -> Vec<String> {
        if self.body.starts_with('{') { json::texts(&self.body, element) } else { xml::texts(&self.body, element) }
    }
}

impl Simulator {
    /// Calls an action of `ec2`, `kms`, `rds`, `sns`, `ssm` or `sts` in a region with the key [`OPERATOR`], which is the
    /// default account's unless it is configured. It goes the way of every call, faults and log included.
    ///
    /// # Errors
    /// The code and message of an error answer, or that there was none.
    pub fn call(
        &self,
        service: &str,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Reply, String> {
        let reply = self.ask(OPERATOR, service, region, action, parameters);
        if reply.status == 200 {
            return Ok(reply);
        }
        let told = |element, member| reply.text(element).or_else(|| reply.text(member)).unwrap_or_default();
        Err(format!("status {} {}: {}", reply.status, told("Code", "__type"), told("Message", "message")))
    }

    /// Calls an action by this access key.
    pub(crate) fn ask(
        &self,
        key: &str,
        service: &str,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Reply {
        let named = Service::named(service);
        let version = named.map_or("", Service::version);
        let scope = format!("{key}/20261121/{region}/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
        if named.is_some_and(Service::speaks_json) {
            let target = format!("{version}.{action}");
            let body = json::object(parameters);
            return self.answer(&Request::parse_json(Some(&authorization), &target, body.as_bytes()));
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", version)
            .extend_pairs(parameters)
            .finish();
        self.answer(&Request::parse(Some(&authorization), None, body.as_bytes()))
    }

    fn answer(&self, request: &Request) -> Reply {
        match self.handle(request).answer {
            Some(answer) => Reply { status: answer.status, body: answer.body },
            None => Reply { status: 0, body: String::new() },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::simulator;

    #[tokio::test(start_paused = true)]
    async fn a_reply_tells_what_was_typed() {
        let sim = simulator();
        let typed = "<a & \"b\">\r\n'c'";
        let params = [
            ("AvailabilityZone", "us-east-1a"),
            ("Size", "8"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", typed),
        ];
        let reply = sim.call("ec2", "us-east-1", "CreateVolume", &params).unwrap();
        assert_eq!((reply.text("value").as_deref(), reply.texts("key")), (Some(typed), vec!["Name".to_owned()]));
        assert_eq!(reply.text("tagSet"), None);
    }
}
