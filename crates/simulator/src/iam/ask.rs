//! One question to a policy.

use crate::model::Place;
use crate::model::tags::Tags;
use std::collections::BTreeMap;

/// The condition keys that are there, in lower case, and their values.
///
/// The names of keys are not case-sensitive, and those of tags are among them: `aws:ResourceTag/Owner` is about a tag
/// `owner` as well. A resource that has both has two values there. Source: "IAM JSON policy elements: Condition".
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// One question to a policy: may this be done to that?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// `ec2:DeleteSnapshot`.
    pub(super) action: String,
    /// Its ARN; `*` where the action is not about certain ones.
    pub(super) resource: String,
    /// Whether there is no such resource, so that nobody knows the keys that it would have.
    pub(super) is_of_nothing: bool,
    pub(super) context: Context,
}

impl Ask {
    pub(crate) fn new(action: impl Into<String>, resource: impl Into<String>) -> Ask {
        Ask { action: action.into(), resource: resource.into(), is_of_nothing: false, context: Context::new() }
    }

    /// The same of a resource that is not there. Whoever may do it to some resource is told by the call itself that
    /// there is none; nothing is done by that.
    ///
    /// Unconfirmed: AWS does not document which it says first. Tools whose policies are bound to tags, such as the EBS
    /// CSI driver and Karpenter, count on it.
    pub(crate) fn of_nothing(self) -> Ask {
        Ask { is_of_nothing: true, ..self }
    }

    /// Adds a value to a condition key.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Ask {
        self.context.entry(key.to_lowercase()).or_default().push(value.to_owned());
        self
    }

    /// Adds the keys that every call has. What a service calls elsewhere on the caller's behalf has its region by then.
    pub(crate) fn called_in(self, place: &Place) -> Ask {
        let ask =
            if self.context.contains_key("aws:requestedregion") { self } else { self.requested_in(&place.region) };
        ask.with("aws:PrincipalAccount", &place.account)
    }

    /// The same in a region.
    pub(crate) fn requested_in(self, region: &str) -> Ask {
        self.with("aws:RequestedRegion", region)
    }

    /// Adds the tags that a call writes.
    pub(crate) fn with_request_tags(self, tags: &Tags) -> Ask {
        tags.iter()
            .fold(self, |ask, (key, value)| ask.with("aws:TagKeys", key).with(&format!("aws:RequestTag/{key}"), value))
    }

    /// Adds the tags that a resource of EC2 has.
    pub(crate) fn with_resource_tags(self, tags: &Tags) -> Ask {
        tags.iter().fold(self, |ask, (key, value)| {
            ask.with(&format!("aws:ResourceTag/{key}"), value).with(&format!("ec2:ResourceTag/{key}"), value)
        })
    }
}
