//! Tells a webhook that a run began and how it ended, so that a run that never was is missed by someone outside.
//!
//! The address is the setting's, with `/start` or `/fail` added as services for this expect; the body says more. It
//! never fails a run and never goes anywhere else: https only, no redirects, no proxy, five seconds, and nowhere near
//! ([`crate::reach`]).

use std::time::Duration;

use reqwest::{Client, Url, redirect};

use crate::{
    reach::{Reach, Refused},
    report::Report,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Start,
    Success,
    Failure,
}

pub(crate) struct Heartbeat(Option<(Client, Url)>);

impl Heartbeat {
    pub(crate) fn new(url: Option<&Url>, reach: &Reach) -> Self {
        Self(url.and_then(|url| match client(url, reach) {
            Ok(client) => Some((client, url.clone())),
            Err(error) => {
                tracing::warn!(%error, "no heartbeat");
                None
            }
        }))
    }

    pub(crate) async fn tell(&self, beat: Beat, report: Option<&Report>) {
        let Some((client, url)) = &self.0 else { return };
        let body = report.map(super::report::Report::summary).unwrap_or_default();
        // the address is a secret of sorts: it stays out of the log
        match client.post(address(url, beat)).body(body).send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(status = %answer.status(), ?beat, "the heartbeat was not heard"),
            Err(error) => {
                // of the causes, others may hold the host's name
                let error = match Refused::among_causes_of(&error) {
                    Some(refused) => refused.to_string(),
                    None => error.without_url().to_string(),
                };
                tracing::warn!(%error, ?beat, "the heartbeat was not heard");
            }
        }
    }
}

/// A client for this address alone. A proxy would look the name up by itself, and past the check.
fn client(url: &Url, reach: &Reach) -> Result<Client, String> {
    reach.check_url(url).map_err(|refused| refused.to_string())?;
    Client::builder()
        .https_only(true)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .dns_resolver(reach.clone())
        .tls_certs_merge(reach.authority())
        .build()
        .map_err(|error| error.without_url().to_string())
}

fn address(url: &Url, beat: Beat) -> Url {
    let mut url = url.clone();
    let ending = match beat {
        Beat::Start => "start",
        Beat::Success => return url,
        Beat::Failure => "fail",
    };
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(ending);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_and_failure_have_addresses_of_their_own() {
        for (url, beat, expected) in [
            ("https://hc.example/uuid", Beat::Start, "https://hc.example/uuid/start"),
            ("https://hc.example/uuid/", Beat::Failure, "https://hc.example/uuid/fail"),
            ("https://hc.example/uuid?key=1", Beat::Failure, "https://hc.example/uuid/fail?key=1"),
            ("https://hc.example/uuid", Beat::Success, "https://hc.example/uuid"),
        ] {
            assert_eq!(address(&url.parse().unwrap(), beat).as_str(), expected);
        }
    }
}
