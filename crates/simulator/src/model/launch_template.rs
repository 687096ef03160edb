//! Launch templates, as far as they name images.

use crate::model::tags::Tags;
use crate::wire::error::Error;
use chrono::{DateTime, Utc};

/// A launch template. Its default version is the first one, since nothing here changes that.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: String,
    /// No other template has it in this account and region.
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
    /// In the order of their numbers, which begin with 1; none is ever deleted by itself.
    pub(crate) versions: Vec<LaunchTemplateVersion>,
    pub(crate) tags: Tags,
}

/// A version of a launch template.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplateVersion {
    pub(crate) number: usize,
    pub(crate) description: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    /// An image's id, or `resolve:ssm:` and the name of a parameter.
    pub(crate) image_id: Option<String>,
    pub(crate) instance_type: Option<String>,
}

/// The number of the version that is used where nobody says which.
pub(crate) const DEFAULT_VERSION: usize = 1;
/// What an image's id begins with that stands in a parameter.
pub(crate) const BY_PARAMETER: &str = "resolve:ssm:";

impl LaunchTemplate {
    /// The number of its latest version.
    pub(crate) fn latest(&self) -> usize {
        self.versions.len()
    }

    pub(crate) fn version(&self, number: usize) -> Result<&LaunchTemplateVersion, Error> {
        self.versions.iter().find(|version| version.number == number).ok_or_else(|| {
            let message = format!("Could not find the specified version {number} for launch template {}.", self.id);
            Error::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }
}

impl LaunchTemplateVersion {
    /// The parameter that its image stands in, if it does.
    pub(crate) fn parameter(&self) -> Option<&str> {
        self.image_id.as_deref()?.strip_prefix(BY_PARAMETER)
    }
}
