//! Tells a webhook that a run began and how it ended, so that a run that never was is missed by someone outside.
//!
//! The address is the setting's, with `/start` or `/fail` added as services for this expect; the body says more. It
//! never fails a run and never goes anywhere else: https only, no redirects, five seconds.

use std::time::Duration;

use reqwest::{Client, Url, redirect};

use crate::report::Report;

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
    pub(crate) fn new(url: Option<&Url>) -> Self {
        let client = || Client::builder().https_only(true).redirect(redirect::Policy::none()).timeout(TIMEOUT).build();
        Self(url.and_then(|url| match client() {
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
            Err(error) => tracing::warn!(error = %error.without_url(), ?beat, "the heartbeat was not heard"),
        }
    }
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
