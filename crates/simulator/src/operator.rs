//! Calls as an operator would make them, without a client: for setting up what a demo or a test then runs on.

use crate::Simulator;
use crate::wire::request::Request;
use crate::wire::response::Service;
use crate::wire::xml;

/// The access key with which [`Simulator::call`] calls.
pub const OPERATOR: &str = "OPERATOR";

/// The answer to an operator's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its HTTP status; 0 if the connection was cut.
    pub status: u16,
    /// The XML.
    pub body: String,
}

impl Reply {
    /// The text of the first element of this name that has no elements in it.
    pub fn text(&self, element: &str) -> Option<String> {
        self.texts(element).into_iter().next()
    }

    /// The text of all elements of this name that have no elements in them, in document order.
    pub fn texts(&self, element: &str) -> Vec<String> {
        xml::texts(&self.body, element)
    }
}

impl Simulator {
    /// Calls an action of `ec2`, `sns` or `sts` in a region with the key [`OPERATOR`], which is the default account's
    /// unless it is configured. It goes the way of every call, faults and log included.
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
        let told = |element| reply.text(element).unwrap_or_default();
        Err(format!("status {} {}: {}", reply.status, told("Code"), told("Message")))
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
        let version = Service::named(service).map_or("", Service::version);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", version)
            .extend_pairs(parameters)
            .finish();
        let scope = format!("{key}/20261121/{region}/{service}/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
        let request = Request::parse(Some(&authorization), None, body.as_bytes());
        match self.handle(&request).answer {
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
