//! SNS: topics, subscriptions, messages.

use crate::action::{Read, act};
use crate::iam::ask::Ask;
use crate::model::{Here, Place};
use crate::record::Published;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

const LONGEST_NAME: usize = 256;
const LONGEST_SUBJECT: usize = 100;
/// In bytes.
const LARGEST_MESSAGE: usize = 256 * 1024;

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "CreateTopic" => create_topic(params),
        "Subscribe" => subscribe(params),
        "Publish" => publish(params),
        other => Err(Error::unknown_action(other)),
    }
}

/// What an action asks of the caller's policy: each is about one topic. Source: Service Authorization Reference.
pub(crate) fn asks(action: &str, params: &Params, here: &Here<'_>) -> Vec<Ask> {
    let named = params.text("TopicArn").map(str::to_owned);
    let topic = named.unwrap_or_else(|| topic_arn(here.place, params.text("Name").unwrap_or_default()));
    let owner = Place::of_arn(&topic).map(|place| place.account).unwrap_or_default();
    vec![Ask::new(format!("sns:{action}"), topic).with("aws:ResourceAccount", &owner)]
}

fn topic_arn(place: &Place, name: &str) -> String {
    format!("arn:aws:sns:{}:{}:{name}", place.region, place.account)
}

fn create_topic(params: &Params) -> Read {
    let name = params.required("Name")?.to_owned();
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(is_valid) {
        return Err(invalid("Topic Name"));
    }
    Ok(act(move |here| {
        let arn = topic_arn(here.place, &name);
        here.region().topics.entry(arn.clone()).or_default();
        Ok(Nodes::new().text("TopicArn", arn))
    }))
}

/// What can be subscribed (SNS API reference, `Subscribe`).
const PROTOCOLS: [&str; 9] =
    ["application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"];

fn subscribe(params: &Params) -> Read {
    let arn = params.required("TopicArn")?.to_owned();
    let protocol = params.required("Protocol")?.to_owned();
    let endpoint = params.required("Endpoint")?.to_owned();
    let wants_arn = params.flag("ReturnSubscriptionArn")?.unwrap_or_default();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err(invalid("Protocol"));
    }
    Ok(act(move |here| {
        let id = here.world.ids.uuid();
        // who must confirm first: a person, or a server
        let is_confirmed = !["email", "email-json", "http", "https"].contains(&protocol.as_str());
        topic(here, &arn)?.push((protocol, endpoint));
        let told = if wants_arn || is_confirmed { format!("{arn}:{id}") } else { "pending confirmation".to_owned() };
        Ok(Nodes::new().text("SubscriptionArn", told))
    }))
}

fn publish(params: &Params) -> Read {
    let topic_arn = params.required("TopicArn")?.to_owned();
    let message = params.required("Message")?.to_owned();
    let subject = params.text("Subject").map(str::to_owned);
    if message.is_empty() || message.len() > LARGEST_MESSAGE {
        return Err(invalid("Message too long or empty"));
    }
    if subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
        return Err(invalid("Subject"));
    }
    Ok(act(move |here| {
        topic(here, &topic_arn)?;
        let id = here.world.ids.uuid();
        here.world.published.push(Published {
            at: here.now,
            account: here.place.account.clone(),
            region: here.place.region.clone(),
            topic_arn,
            subject,
            message,
        });
        Ok(Nodes::new().text("MessageId", id))
    }))
}

/// "Must be ASCII text that begins with a letter, number, or punctuation mark; must not include line breaks or control
/// characters; and must be less than 100 characters long." Source: API reference. The error names 100 as allowed.
fn is_subject(subject: &str) -> bool {
    let bytes = subject.as_bytes();
    subject.len() <= LONGEST_SUBJECT
        && bytes.first().is_some_and(u8::is_ascii_graphic)
        && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

fn topic<'a>(here: &'a mut Here<'_>, arn: &str) -> Result<&'a mut Vec<(String, String)>, Error> {
    here.region().topics.get_mut(arn).ok_or_else(|| Error::new("NotFound", "Topic does not exist"))
}

fn invalid(what: &str) -> Error {
    Error::new("InvalidParameter", format!("Invalid parameter: {what}"))
}

#[cfg(test)]
mod tests {
    use crate::Simulator;
    use crate::testing::{Look as _, Reply, call_service, simulator};

    const ARN: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

    fn sns(sim: &Simulator, action: &str, params: &[(&str, &str)]) -> Reply {
        call_service(sim, "sns", "us-east-1", action, params)
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_kept_for_its_reader() {
        let sim = simulator();
        let message = [("TopicArn", ARN), ("Subject", "Hello"), ("Message", "two\nlines")];
        assert_eq!(sns(&sim, "Publish", &message).status, 404, "there is no topic yet");
        for _ in 0..2 {
            assert_eq!(sns(&sim, "CreateTopic", &[("Name", "alerts")]).ok().first("TopicArn"), ARN);
        }
        let email = [("TopicArn", ARN), ("Protocol", "email"), ("Endpoint", "me@example.com")];
        sns(&sim, "Subscribe", &email).ok();
        sns(&sim, "Publish", &message).ok();
        let published = sim.published();
        assert_eq!(published.len(), 1);
        assert_eq!((published[0].subject.as_deref(), published[0].message.as_str()), (Some("Hello"), "two\nlines"));
    }

    #[tokio::test(start_paused = true)]
    async fn subjects_and_messages_are_held_to_what_sns_takes() {
        let sim = simulator();
        sns(&sim, "CreateTopic", &[("Name", "alerts")]).ok();
        let long = "x".repeat(101);
        let large = "x".repeat(256 * 1024 + 1);
        for (subject, message) in
            [("a\nb", "m"), ("ü", "m"), (" a", "m"), (long.as_str(), "m"), ("s", large.as_str()), ("", "m")]
        {
            let answer = sns(&sim, "Publish", &[("TopicArn", ARN), ("Subject", subject), ("Message", message)]);
            assert_eq!(answer.code(), "InvalidParameter", "{subject:?}");
        }
        assert!(sim.published().is_empty());
    }
}
