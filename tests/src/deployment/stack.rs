//! What `CloudFormation` made of a template.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use snapkeeper_core::run::Job;

use crate::world::ACCOUNT;

/// A stack: what `CloudFormation` gave to each service.
#[derive(Debug)]
pub struct Stack {
    /// Where it is.
    pub region: String,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its resources, by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// By job, the logical id that its function has if it is deployed.
    functions: BTreeMap<Job, String>,
}

/// One resource of a stack.
#[derive(Debug)]
pub struct Resource {
    /// Its type.
    pub kind: String,
    /// Its physical id.
    pub id: String,
    /// Its properties, with all references and functions resolved.
    pub properties: Value,
}

impl Stack {
    pub(super) fn read(region: &str, stack: &Value, functions: &BTreeMap<Job, String>) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let members = |value: &Value| value.as_object().expect("an object").clone();
        let resource = |told: &Value| Resource {
            kind: text(&told["type"]),
            id: text(&told["id"]),
            properties: told["properties"].clone(),
        };
        Self {
            region: region.to_owned(),
            outputs: members(&stack["outputs"]).iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            resources: members(&stack["resources"]).iter().map(|(name, told)| (name.clone(), resource(told))).collect(),
            functions: functions.clone(),
        }
    }

    /// The jobs that are deployed.
    pub fn jobs(&self) -> Vec<Job> {
        let functions = self.functions.iter();
        functions.filter(|(_, name)| self.resources.contains_key(*name)).map(|(job, _)| *job).collect()
    }

    /// A resource by its logical id.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn get(&self, name: &str) -> &Resource {
        self.resources.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The resources of a type.
    pub fn of_kind(&self, kind: &str) -> Vec<&Resource> {
        self.resources.values().filter(|resource| resource.kind == kind).collect()
    }

    /// A job's function.
    ///
    /// # Panics
    /// If it is not deployed.
    #[track_caller]
    pub fn function(&self, job: Job) -> &Resource {
        self.get(&self.functions[&job])
    }

    /// The ARN of a job's function.
    ///
    /// # Panics
    /// If it is not deployed.
    #[track_caller]
    pub fn arn(&self, job: Job) -> String {
        format!("arn:aws:lambda:{}:{ACCOUNT}:function:{}", self.region, self.function(job).id)
    }

    /// The role that a function runs under, or a schedule, by the role's ARN.
    ///
    /// # Panics
    /// If there is none in the stack.
    #[track_caller]
    pub fn role(&self, arn: &Value) -> &Resource {
        let arn = arn.as_str().expect("an ARN");
        let named = |role: &&Resource| arn.rsplit('/').next() == Some(role.id.as_str());
        self.of_kind("AWS::IAM::Role").into_iter().find(named).unwrap_or_else(|| panic!("there is no {arn}"))
    }

    /// What a job's role may do: the statements of all its policies, as one, but for those on logs. No log is written
    /// by calls that could be held to them.
    ///
    /// # Panics
    /// If it is not deployed.
    #[track_caller]
    pub fn policy(&self, job: Job) -> Value {
        let role = self.role(&self.function(job).properties["Role"]);
        let policies = role.properties["Policies"].as_array().expect("policies").iter();
        let statements = policies.filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array()).flatten();
        let statements: Vec<Value> =
            statements.filter(|statement| !statement["Action"].to_string().contains("\"logs:")).cloned().collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}
