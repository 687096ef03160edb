//! Which databases are to have a copy in the failsafe account, and what forbids it.

use std::collections::BTreeSet;

use crate::{
    plan::{Finding, FindingKind},
    rds::inventory::Database,
    run::Run,
    tags::{self, Choice},
};

/// The databases of a region, by whether they are enrolled.
pub(super) struct Enrolment<'a> {
    /// Those that are, by the tag `Failsafe` or the setting `DB_INSTANCES`.
    pub(super) enrolled: Vec<&'a Database>,
    /// Those that are not.
    pub(super) others: Vec<&'a Database>,
    /// Tags that cannot be read, and names that are no database's.
    pub(super) findings: Vec<Finding>,
}

impl<'a> Enrolment<'a> {
    /// Reads the tags and the setting. What either enrols is enrolled: in doubt the data is kept.
    pub(super) fn of(databases: &'a [Database], run: &Run) -> Self {
        let named = &run.settings.failsafe.databases;
        let mut enrolment = Self { enrolled: Vec::new(), others: Vec::new(), findings: Vec::new() };
        for database in databases {
            let (choice, error) = Choice::of(tags::FAILSAFE, &database.tags);
            enrolment.findings.extend(error.iter().map(|error| Finding::unreadable(&database.id, error)));
            if choice == Choice::Yes || named.contains(&database.id.name) {
                enrolment.enrolled.push(database);
            } else {
                enrolment.others.push(database);
            }
        }
        for cluster in &enrolment.others {
            let tagged = cluster.members.iter().filter(|it| Choice::of(tags::FAILSAFE, &it.tags).0 == Choice::Yes);
            enrolment.findings.extend(tagged.map(|member| Finding {
                kind: FindingKind::NotFailsafe,
                resource: format!("db:{}", member.name),
                what: format!(
                    "its tag Failsafe enrols nothing: it is a member of {}, which is not enrolled",
                    cluster.id
                ),
                since: None,
                todo: format!("put the tag on {}", cluster.id),
            }));
        }
        let there: BTreeSet<&str> = databases.iter().map(|database| database.id.name.as_str()).collect();
        for name in named.iter().filter(|name| !there.contains(name.as_str())) {
            enrolment.findings.push(Finding {
                kind: FindingKind::NotFailsafe,
                resource: name.clone(),
                what: format!("SNAPKEEPER_DB_INSTANCES names it, but {} has no such database", run.region),
                since: None,
                todo: "correct the setting; a member of a cluster is enrolled by the name of the cluster".to_owned(),
            });
        }
        enrolment
    }
}

/// What forbids that an enrolled database has a copy that can be shared, whatever is tried.
pub(super) fn obstacle(database: &Database) -> Option<Finding> {
    let (kind, what, todo) = if database.is_multi_az_cluster() {
        (
            FindingKind::Unshareable,
            format!("it is a cluster, but none of Aurora ({}): AWS does not share its snapshots", database.engine),
            "export its data by other means, and take it out of the enrolment",
        )
    } else if database.is_custom() {
        (
            FindingKind::Unshareable,
            "it is one of RDS Custom: AWS does not copy its snapshots".to_owned(),
            "keep its data by other means, and take it out of the enrolment",
        )
    } else if database.has_tde {
        (
            FindingKind::Unshareable,
            "its option group has TDE: AWS does not share its snapshots".to_owned(),
            "encrypt it with a KMS key in place of TDE, or export its data by other means",
        )
    } else if database.has_backups {
        return None;
    } else {
        (
            FindingKind::NotFailsafe,
            "it has no automated backups, so that there is nothing to copy".to_owned(),
            "set its backup retention period to a day or more",
        )
    };
    Some(Finding { kind, resource: database.id.to_string(), what, since: None, todo: todo.to_owned() })
}
