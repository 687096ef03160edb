//! The only crate that names an AWS SDK: one adapter per service, Snapkeeper's types on its outside.
//!
//! Every call to AWS goes through [`call`]: it is counted, waits for its place under the client-side rate limit, and is
//! repeated where that is harmless. What comes back is either one of `snapkeeper-core`'s types or an [`Error`] whose
//! [`Kind`] says what the caller can do.

mod call;
mod ec2;
mod error;
mod kms;
mod pages;
mod presign;
mod rates;
mod rds;
mod sns;
mod ssm;
mod sts;
mod whole;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use aws_config::{
    BehaviorVersion, SdkConfig, default_provider::region, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
pub use aws_smithy_runtime_api::client::http::SharedHttpClient;
use snapkeeper_core::{
    calls::Calls,
    enrolment::Enrolment,
    ids::Region,
    notice::Notice,
    rds::inventory::KeyState,
    settings::{ApiRate, Settings, TopicArn},
    sync::config::ClientConfig,
};

use crate::{
    call::{Caller, Jitter},
    rates::Gates,
};
pub use crate::{
    ec2::{Ec2, SnapshotLeft, SnapshotProgress, Taken},
    error::{Error, Kind},
    rds::Rds,
};

/// No connection takes longer on a network that works.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The slowest answer waited for: EC2 takes seconds for a full page or a large set.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach AWS. What is `None` comes from where the AWS CLI finds it, environment, profile, instance role, unless keys
/// are given.
#[derive(Clone)]
pub struct Options {
    /// The home region.
    pub region: Option<Region>,
    /// An endpoint in AWS's place, for every service and region.
    pub endpoint_url: Option<String>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// An access key and its secret. With these, nothing at all is looked for.
    pub keys: Option<(String, String)>,
    /// A role that is assumed with these credentials, to do everything else.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for besides.
    pub external_id: Option<String>,
    /// An HTTP client in place of the SDK's own: the simulator's inner door.
    pub http_client: Option<SharedHttpClient>,
    /// The client-side limit per API action.
    pub api_rate: ApiRate,
    /// Where calls are counted.
    pub calls: Calls,
    /// The clock by which requests are signed, in place of the machine's.
    pub clock: Option<Clock>,
    /// What the jitter of repeats is drawn from, in place of chance. With a clock as well, the same run makes the same
    /// calls, to the byte.
    pub jitter_seed: Option<u64>,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A clock as the SDK has it.
struct Told(Clock);

impl TimeSource for Told {
    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Default for Options {
    /// Everything from the environment, at AWS's documented rates.
    fn default() -> Self {
        Self {
            region: None,
            endpoint_url: None,
            profile: None,
            keys: None,
            role_arn: None,
            external_id: None,
            http_client: None,
            api_rate: ApiRate::Share(1.0),
            calls: Calls::default(),
            clock: None,
            jitter_seed: None,
        }
    }
}

/// AWS, as seen from one region.
pub struct Aws {
    /// EC2 in the home region.
    pub ec2: Ec2,
    rds: OnceLock<Rds>,
    region: Region,
    config: SdkConfig,
    options: Options,
    gates: Arc<Gates>,
    jitter: Arc<Jitter>,
}

impl Aws {
    /// Connects as a Lambda function does: everything from the environment.
    ///
    /// # Errors
    /// If the environment names no region.
    pub async fn from_environment(settings: Settings, calls: Calls) -> Result<Self, NotConnected> {
        Self::connect(Options { api_rate: settings.api_rate, calls, ..Options::default() }).await
    }

    /// Connects; no call is made yet, but to assume a role.
    ///
    /// # Errors
    /// If neither the options nor the environment name a region, the profile that they name gives no credentials, or the role
    /// is not to be assumed.
    pub async fn connect(options: Options) -> Result<Self, NotConnected> {
        let gates = Arc::new(Gates::new(options.api_rate));
        let jitter = Arc::new(Jitter::new(options.jitter_seed));
        Self::connect_through(options, gates, jitter).await
    }

    /// AWS as seen by a job that may have an identity of its own, from the region in which its source is. What the job does
    /// not say is as here, and its calls count among those of this run.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); or if the account is not the one that the job names.
    pub async fn as_client(&self, client: &ClientConfig, region: &Region) -> Result<Self, NotConnected> {
        if *client == ClientConfig::default() {
            let config = self.config.to_builder().region(sdk_region(region)).build();
            return Ok(self.seen_from(region, config));
        }
        let mut options = Options { region: Some(region.clone()), ..self.options.clone() };
        if client.profile.is_some() {
            options.profile.clone_from(&client.profile);
            options.keys = None;
        }
        if client.endpoint_url.is_some() {
            options.endpoint_url.clone_from(&client.endpoint_url);
        }
        if client.role_arn.is_some() {
            options.role_arn.clone_from(&client.role_arn);
            options.external_id.clone_from(&client.external_id);
        }
        let aws = Box::pin(Self::connect_through(options, self.gates.clone(), self.jitter.clone())).await?;
        let Some(expected) = &client.account else { return Ok(aws) };
        let found = Box::pin(sts::account(&aws.config, &aws.caller(region))).await;
        let found = found.map_err(|error| NotConnected::NoAccount { cause: error.to_string() })?;
        if found == *expected { Ok(aws) } else { Err(NotConnected::Account { expected: expected.clone(), found }) }
    }

    async fn connect_through(options: Options, gates: Arc<Gates>, jitter: Arc<Jitter>) -> Result<Self, NotConnected> {
        let mut config = match options.keys.clone() {
            Some((key, secret)) => given(&options, Credentials::new(key, secret, None, None, "given")),
            None => found(&options).await?,
        };
        let region: Region =
            config.region().and_then(|region| region.as_ref().parse().ok()).ok_or(NotConnected::NoRegion)?;
        let caller = Caller::new(region.clone(), gates.clone(), jitter.clone(), options.calls.clone());
        if let Some(role) = &options.role_arn {
            let assumed = Box::pin(sts::assume(&config, &caller, role, options.external_id.as_deref())).await;
            let credentials =
                assumed.map_err(|error| NotConnected::Role { role: role.clone(), cause: error.to_string() })?;
            let credentials = SharedCredentialsProvider::new(credentials);
            config = config.into_builder().credentials_provider(credentials).build();
        }
        let ec2 = Ec2::new(&config, &region, caller);
        Ok(Self { ec2, rds: OnceLock::new(), region, config, options, gates, jitter })
    }

    /// The same identity, at home in another region.
    fn seen_from(&self, region: &Region, config: SdkConfig) -> Self {
        Self {
            ec2: Ec2::new(&config, region, self.caller(region)),
            rds: OnceLock::new(),
            region: region.clone(),
            config,
            options: self.options.clone(),
            gates: self.gates.clone(),
            jitter: self.jitter.clone(),
        }
    }

    /// The home region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// RDS in the home region. Jobs that do not ask for it do not carry the code of its client.
    pub fn rds(&self) -> &Rds {
        self.rds.get_or_init(|| Rds::new(&self.config, &self.region, self.caller(&self.region)))
    }

    /// EC2 in another region.
    pub fn in_region(&self, region: &Region) -> Ec2 {
        Ec2::new(&self.config, region, self.caller(region))
    }

    /// RDS in another region.
    pub fn rds_in(&self, region: &Region) -> Rds {
        Rds::new(&self.config, region, self.caller(region))
    }

    /// What KMS says of a key of the home region, given by its alias, id or ARN.
    pub async fn key_state(&self, key: &str) -> KeyState {
        kms::key_state(&self.config, &self.region, &self.caller(&self.region), key).await
    }

    /// The text of a parameter of Systems Manager in the home region, decrypted if need be.
    ///
    /// # Errors
    /// As Systems Manager answers.
    pub async fn parameter(&self, name: &str) -> Result<String, Error> {
        ssm::parameter(&self.config, &self.region, &self.caller(&self.region), name).await
    }

    /// The enrolled volumes of other regions, as far as these answer. What depends on one that does not is kept.
    pub async fn enrolments(&self, regions: BTreeSet<Region>) -> BTreeMap<Region, Enrolment> {
        let mut enrolments = BTreeMap::new();
        for region in regions {
            match self.in_region(&region).enrolment().await {
                Ok(enrolment) => {
                    enrolments.insert(region, enrolment);
                }
                Err(error) => tracing::warn!(%region, %error, "did not say which of its volumes are enrolled"),
            }
        }
        enrolments
    }

    /// How long until all buckets of AWS's rate limit are full again from which this process has drawn calls that change
    /// something: no time, if it did not, or has no limit.
    pub fn refilled_in(&self) -> Duration {
        self.gates.refilled_in()
    }

    /// The same of the buckets from which backups are taken: those of sets from one, those of single volumes from two, so
    /// that for these the fuller one counts.
    pub fn creating_refilled_in(&self, takes_sets: bool) -> Duration {
        let of = |action| self.gates.refilled_in_of(&self.region, action);
        let sets = of("CreateSnapshots");
        if takes_sets { sets } else { sets.min(of("CreateSnapshot")) }
    }

    /// How many calls were made since the count was last taken.
    pub fn calls_made(&self) -> u64 {
        self.options.calls.total()
    }

    /// Publishes a notice to a topic.
    ///
    /// # Errors
    /// As SNS answers.
    pub async fn publish(&self, notice: &Notice, topic: &TopicArn) -> Result<(), Error> {
        sns::publish(&self.config, &self.caller(&topic.region), topic, notice).await
    }

    fn caller(&self, region: &Region) -> Caller {
        Caller::new(region.clone(), self.gates.clone(), self.jitter.clone(), self.options.calls.clone())
    }
}

/// The configuration with keys that were given: nothing is taken from the environment, so that it is the same everywhere.
fn given(options: &Options, keys: Credentials) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .credentials_provider(SharedCredentialsProvider::new(keys));
    config.set_region(options.region.as_ref().map(sdk_region));
    config.set_endpoint_url(options.endpoint_url.clone());
    config.set_http_client(options.http_client.clone());
    config.set_time_source(options.clock.clone().map(|clock| SharedTimeSource::new(Told(clock))));
    config.build()
}

/// The configuration as the AWS CLI finds it.
async fn found(options: &Options) -> Result<SdkConfig, NotConnected> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts());
    if let Some(region) = &options.region {
        loader = loader.region(sdk_region(region));
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(profile) = &options.profile {
        // as in the AWS CLI, a profile that was asked for goes before keys that happen to be in the environment
        let region = match &options.region {
            Some(region) => Some(sdk_region(region)),
            None => region::Builder::default().profile_name(profile).build().region().await,
        };
        let mut config = ProviderConfig::default().with_region(region);
        if let Some(client) = &options.http_client {
            config = config.with_http_client(client.clone());
        }
        if let Some(clock) = &options.clock {
            config = config.with_time_source(Told(clock.clone()));
        }
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
        if let Err(error) = provider.provide_credentials().await {
            return Err(NotConnected::Profile { profile: profile.clone(), cause: error::chain(&error) });
        }
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(client) = &options.http_client {
        loader = loader.http_client(client.clone());
    }
    if let Some(clock) = &options.clock {
        loader = loader.time_source(Told(clock.clone()));
    }
    Ok(loader.load().await)
}

fn sdk_region(region: &Region) -> aws_config::Region {
    aws_config::Region::new(region.to_string())
}

/// How long answers are waited for. Each call decides itself whether it may be repeated: see `call`.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ATTEMPT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(ATTEMPT_TIMEOUT)
        .build()
}

/// Why AWS cannot be called at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotConnected {
    /// No region is configured.
    #[error("no region: give --region or set AWS_REGION to a region's name, such as us-east-1")]
    NoRegion,
    /// The profile that was asked for gives no credentials.
    #[error("profile `{profile}`: {cause}")]
    Profile {
        /// The profile's name.
        profile: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The role that was asked for is not to be assumed.
    #[error("role `{role}`: {cause}")]
    Role {
        /// The role's ARN.
        role: String,
        /// What AWS says.
        cause: String,
    },
    /// It is not the account that was asked for.
    #[error("this is account {found}: expected {expected}")]
    Account {
        /// The account that was asked for.
        expected: String,
        /// The account that is called.
        found: String,
    },
    /// AWS does not say which account this is.
    #[error("which account this is cannot be told: {cause}")]
    NoAccount {
        /// What AWS says.
        cause: String,
    },
}
