//! The presigned URL that a `CopySnapshot` call carries.
//!
//! AWS documents it as required for encrypted snapshots: the same call, signed for the source region, lets the
//! destination read there on the caller's behalf. botocore adds it to every call; the Rust SDK does not. This does
//! what botocore's `inject_presigned_url_ec2` does, and the tests hold the two against each other byte for byte.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use snapkeeper_core::ids::Region;

/// How long the URL holds; botocore's default.
const EXPIRES_IN: Duration = Duration::from_hours(1);

/// Adds `PresignedUrl` and `DestinationRegion` to the call that it intercepts.
#[derive(Debug)]
pub(crate) struct Presign {
    pub(crate) credentials: Credentials,
    pub(crate) from: Region,
    pub(crate) to: Region,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Presign {
    fn name(&self) -> &'static str {
        "Presign"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        components: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let now = components.time_source().ok_or("no time source")?.now();
        let request = context.request_mut();
        let body = request.body().bytes().ok_or("a streaming body")?;
        let url = request.uri().replace(self.to.as_str(), self.from.as_str());
        let body = self.with_url(body, &url, now)?;
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }
}

impl Presign {
    fn with_url(&self, body: &[u8], url: &str, now: SystemTime) -> Result<String, BoxError> {
        let mut call: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let destination = ("DestinationRegion".to_owned(), self.to.to_string());
        call.push(destination.clone());
        let query = percent_encoded(&call);
        call.pop();

        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(EXPIRES_IN);
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.from.as_str())
            .name("ec2")
            .time(now)
            .settings(settings)
            .build()?
            .into();
        let url = format!("{}/?{query}", url.trim_end_matches('/'));
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))?;
        let (instructions, _) = sign(request, &parameters)?.into_parts();
        let signature: Vec<(String, String)> =
            instructions.params().iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
        call.push(("PresignedUrl".to_owned(), format!("{url}&{}", percent_encoded(&signature))));
        call.push(destination);
        Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(call).finish())
    }
}

/// As a query of an AWS request is written: RFC 3986, a space as `%20`.
fn percent_encoded(pairs: &[(String, String)]) -> String {
    let encode = |text: &str| {
        form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
            .replace('*', "%2A")
            .replace("%7E", "~")
    };
    pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
}
