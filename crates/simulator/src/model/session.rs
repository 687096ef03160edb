//! Roles, and sessions of those who assumed them.

use std::collections::BTreeSet;

/// A role, as far as its trust policy goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Role {
    /// What whoever assumes it must say, if anything.
    pub(crate) external_id: Option<String>,
    /// The accounts that may assume it.
    pub(crate) trusts: BTreeSet<String>,
}

impl Role {
    /// Whether an account that says this may assume it.
    pub(crate) fn admits(&self, account: &str, external_id: Option<&str>) -> bool {
        let is_known = self.external_id.is_none() || self.external_id.as_deref() == external_id;
        self.trusts.contains(account) && is_known
    }
}

/// Whoever assumed a role, by an access key of its own.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The role's account.
    pub(crate) account: String,
    /// The role's ARN.
    pub(crate) role: String,
    pub(crate) name: String,
}
