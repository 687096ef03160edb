//! Where the configuration comes from: the setting itself, or a parameter of Systems Manager that it names.

use anyhow::Context as _;
use snapkeeper_aws::Aws;
use snapkeeper_core::{settings::Settings, sync::config::Config};

/// What the configuration is called in errors.
const SETTING: &str = "SNAPKEEPER_SYNC_CONFIG";
/// What the setting begins with that names a parameter.
const PARAMETER: &str = "ssm:";

/// The configuration that the settings say, or have Systems Manager say; without one there are no jobs in it.
///
/// # Errors
/// A [`BadConfig`](snapkeeper_core::sync::config::BadConfig) if something is wrong with it; another if it could not be read
/// at all.
pub async fn configuration(aws: &Aws, settings: &Settings) -> anyhow::Result<Config> {
    let Some(said) = &settings.sync_config else { return Ok(Config::default()) };
    let Some(name) = said.strip_prefix(PARAMETER).map(str::trim) else { return Ok(Config::read(SETTING, said)?) };
    let text = aws.parameter(name).await.with_context(|| format!("{SETTING} names the parameter `{name}`"))?;
    Ok(Config::read(&format!("parameter {name}"), &text)?)
}
