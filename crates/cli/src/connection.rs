//! How the command reaches AWS: region, endpoint and profile, as the AWS CLI finds them.

use std::ffi::OsString;

use anyhow::bail;
use clap::Args;
use snapkeeper_aws::{Aws, NotConnected, Options};
use snapkeeper_core::{calls::Calls, ids::Region, settings::Settings};
use url::Url;

// no doc comment: clap would make it the help of the command that takes these arguments
#[derive(Args)]
pub(crate) struct Connection {
    /// The region in which it runs; else as the AWS CLI finds it
    #[arg(long)]
    region: Option<Region>,
    /// An endpoint in AWS's place, for every service
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// A profile of the AWS configuration files
    #[arg(long)]
    profile: Option<String>,
}

impl Connection {
    /// Connects; no call is made yet.
    pub(crate) async fn open(self, settings: &Settings, calls: &Calls) -> anyhow::Result<Aws> {
        Ok(Aws::connect(self.options(settings, calls)?).await?)
    }

    /// Connects, to this region if neither the command nor its environment names one.
    pub(crate) async fn open_or_in(
        self,
        region: Option<&Region>,
        settings: &Settings,
        calls: &Calls,
    ) -> anyhow::Result<Aws> {
        let options = self.options(settings, calls)?;
        match (Box::pin(Aws::connect(options.clone())).await, region) {
            (Err(NotConnected::NoRegion), Some(region)) => {
                Ok(Aws::connect(Options { region: Some(region.clone()), ..options }).await?)
            }
            (connected, _) => Ok(connected?),
        }
    }

    fn options(self, settings: &Settings, calls: &Calls) -> anyhow::Result<Options> {
        check_endpoints(self.endpoint_url.as_deref())?;
        Ok(Options {
            region: self.region,
            endpoint_url: self.endpoint_url,
            profile: self.profile,
            api_rate: settings.api_rate,
            calls: calls.clone(),
            ..Options::default()
        })
    }
}

/// Where the SDK looks for an endpoint when none is given.
const ENDPOINT_VARIABLES: [&str; 7] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_ENDPOINT_URL_RDS",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_STS",
];

/// Refuses what is no address. The SDK would let every call fail, or go elsewhere after a mere warning.
fn check_endpoints(given: Option<&str>) -> anyhow::Result<()> {
    if let Some(url) = given {
        return check_endpoint("--endpoint-url", url);
    }
    let is_ignored = |value: OsString| value.eq_ignore_ascii_case("true");
    if std::env::var_os("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(is_ignored) {
        return Ok(());
    }
    for name in ENDPOINT_VARIABLES {
        if let Some(url) = std::env::var_os(name) {
            check_endpoint(name, &url.to_string_lossy())?;
        }
    }
    Ok(())
}

fn check_endpoint(name: &str, url: &str) -> anyhow::Result<()> {
    // `Url` forgives spaces around an address and slashes too many, which the SDK does not
    let host = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let begins_well =
        host.is_some_and(|host| host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '['));
    if !begins_well || !url.bytes().all(|byte| byte.is_ascii_graphic()) || Url::parse(url).is_err() {
        bail!("{name} is `{url}`: expected an address such as http://127.0.0.1:5000");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_address() {
        for (url, is_one) in [
            ("http://127.0.0.1:5000", true),
            ("https://ec2.us-east-1.amazonaws.com", true),
            ("http://[::1]:5000/", true),
            ("foo", false),
            ("127.0.0.1:5000", false),
            ("http://", false),
            ("http:///x", false),
            ("http://a b", false),
            ("http://127.0.0.1:port", false),
            ("ftp://127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(check_endpoint("AWS_ENDPOINT_URL", url).is_ok(), is_one, "{url}");
        }
    }
}
