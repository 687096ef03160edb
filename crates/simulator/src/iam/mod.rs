//! IAM: what a policy lets the holder of an access key do.
//!
//! A [`Policy`] is read from a document once. An [`Ask`] is one question to it: an action on one resource, with the
//! condition keys that AWS would have there. A call asks several, and each is answered by itself. What the calls ask is
//! told beside the services, as for EC2 in `ec2/asks.rs`.

pub(crate) mod ask;
mod condition;
mod document;
mod pattern;

use ask::Ask;
use condition::Condition;
use pattern::{ArnPattern, Glob};
use serde::Deserialize;
use thiserror::Error;

/// An identity-based policy: what the access key to which it is attached may do.
///
/// It has `Version` 2012-10-17 and a list `Statement`, whose members have `Sid`, `Effect`, `Action`, `Resource` and
/// `Condition`; it has no `Principal`, since it speaks of whoever it is attached to. Everything else is an error, so
/// that nothing is allowed, or left unrefused, because it was not understood:
/// - the operators of conditions are `StringEquals`, `StringLike`, `ArnLike` and `Bool`, each also with `IfExists`,
///   `Null`, and for `aws:TagKeys`, which has several values, `ForAllValues:` and `ForAnyValue:` with the first two;
/// - their keys are `aws:RequestTag/…`, `aws:ResourceTag/…`, `aws:TagKeys`, `aws:RequestedRegion`,
///   `aws:PrincipalAccount`, `aws:ResourceAccount` (not of EC2), `ec2:ResourceTag/…`, `ec2:CreateAction`, `ec2:Owner`,
///   `ec2:ParentVolume`, `ec2:Region`, `kms:CallerAccount`, `kms:GrantIsForAWSResource`, `kms:RequestAlias`,
///   `kms:ViaService`, `rds:req-tag/…`, `rds:TagsFromRequest`, and of RDS's resources `rds:db-tag/…`,
///   `rds:cluster-tag/…`, `rds:snapshot-tag/…`, `rds:cluster-snapshot-tag/…` and `rds:og-tag/…`, `sts:ExternalId`,
///   `sts:RoleSessionName`;
/// - `${*}`, `${?}` and `${$}` stand for the characters in them, and any other `${…}` must be replaced beforehand.
///
/// Source: "IAM JSON policy element reference".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// Why a document is no policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    /// It does not have the form of a policy, or an element that is not known.
    #[error("no policy: {0}")]
    Malformed(String),
    /// It names an operator or a key of conditions that is not known.
    #[error("not known in a policy: {0}")]
    Unknown(String),
    /// A variable stands in it.
    #[error("a variable that was not replaced: {0}")]
    Variable(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    /// In lower case.
    actions: Vec<Glob>,
    resources: Vec<ArnPattern>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Reads a policy from its document in JSON.
    ///
    /// # Errors
    /// Where it is none, or has anything in it that could not be held to.
    pub fn parse(document: &str) -> Result<Policy, PolicyError> {
        document::read(document).map(|statements| Policy { statements })
    }

    /// Refuses, in AWS's words, what this policy does not allow: what no statement allows, or one denies.
    pub(crate) fn check(&self, ask: &Ask) -> Result<(), String> {
        let Ask { action, resource, .. } = ask;
        let effects: Vec<Effect> =
            self.statements.iter().filter(|one| one.applies(ask)).map(|one| one.effect).collect();
        // "Troubleshoot access denied error messages"
        let because = if effects.contains(&Effect::Deny) {
            "with an explicit deny in an identity-based policy".to_owned()
        } else if effects.is_empty() && !(ask.is_of_nothing && self.speaks_of(action)) {
            format!("because no identity-based policy allows the {action} action")
        } else {
            return Ok(());
        };
        Err(format!("is not authorized to perform: {action} on resource: {resource} {because}"))
    }

    /// Whether an action is allowed at all, be it on whatever resource and under whatever conditions.
    fn speaks_of(&self, action: &str) -> bool {
        self.statements.iter().any(|one| one.effect == Effect::Allow && one.is_of(action))
    }
}

impl Statement {
    fn applies(&self, ask: &Ask) -> bool {
        self.is_of(&ask.action)
            && self.resources.iter().any(|resource| resource.matches(&ask.resource))
            && self.conditions.iter().all(|condition| condition.holds(&ask.context))
    }

    fn is_of(&self, action: &str) -> bool {
        let action = action.to_lowercase();
        self.actions.iter().any(|pattern| pattern.matches(&action))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
