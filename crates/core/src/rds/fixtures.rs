//! What the plans for databases read, made up for their tests: databases of a live account in `us-east-1`, enrolled, and
//! their snapshots there and in the failsafe account.

use chrono::{SubsecRound, TimeDelta};

use crate::{
    fixtures::{HOME, at, region},
    plan::{Action, Plan},
    rds::{
        inventory::{Database, DatabaseId, DatabaseKind, DbSnapshot, DbSnapshotId, DbSnapshotState},
        name,
    },
    run::{Job, Run},
    settings::Settings,
    tags::{self, Tags},
};

pub(crate) const LIVE: &str = "111111111111";
pub(super) const FAILSAFE: &str = "222222222222";
/// The key under which everything is.
const KEY: &str = "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A run of the live account.
pub(super) fn live_run(instant: &str) -> Run {
    let mut settings = Settings::default();
    settings.failsafe.account = Some(FAILSAFE.to_owned());
    settings.failsafe.kms_key = Some("alias/failsafe".to_owned());
    settings.failsafe.topic = Some("arn:aws:sns:us-east-1:111111111111:failsafe".parse().unwrap());
    Run::new(Job::RdsSharer, region(HOME), at(instant), settings)
}

/// A run of the failsafe account; it keeps for a week.
pub(super) fn failsafe_run(instant: &str) -> Run {
    let mut settings = Settings::default();
    settings.failsafe.live_accounts = [LIVE.to_owned()].into();
    settings.failsafe.saver_kms_key = Some("alias/saved".to_owned());
    settings.failsafe.retention = "7d".parse().unwrap();
    Run::new(Job::RdsSaver, region(HOME), at(instant), settings)
}

fn database(kind: DatabaseKind, name: &str, engine: &str) -> Database {
    Database {
        id: DatabaseId { kind, name: name.to_owned() },
        engine: engine.to_owned(),
        created: Some(at("2026-01-01T00:00:00Z")),
        has_backups: true,
        has_tde: false,
        tags: [(tags::FAILSAFE, "Yes")].into_iter().collect(),
        members: vec![],
    }
}

/// An enrolled DB instance.
pub(crate) fn instance(name: &str) -> Database {
    database(DatabaseKind::Instance, name, "postgres")
}

/// An enrolled Aurora cluster.
pub(crate) fn cluster(name: &str) -> Database {
    database(DatabaseKind::Cluster, name, "aurora-postgresql")
}

/// The available automated snapshot of that moment, `2026-11-21T05:12`.
pub(crate) fn automated(database: &Database, moment: &str) -> DbSnapshot {
    let taken = at(&format!("{moment}:07.251Z"));
    let id = DbSnapshotId {
        kind: database.id.kind,
        name: format!("rds:{}-{}", database.id.name, moment.replace(['T', ':'], "-")),
    };
    DbSnapshot {
        arn: arn(LIVE, &id),
        id,
        owner: LIVE.to_owned(),
        database: database.id.clone(),
        engine: database.engine.clone(),
        state: DbSnapshotState::Available,
        taken: Some(taken),
        made: Some(taken),
        kms_key: Some(KEY.to_owned()),
        tags: Tags::default(),
    }
}

fn arn(account: &str, id: &DbSnapshotId) -> String {
    format!("arn:aws:rds:{HOME}:{account}:{id}")
}

/// The sharer's copy of the automated snapshot of that moment, made within the hour.
pub(super) fn copy(database: &Database, moment: &str) -> DbSnapshot {
    let source = automated(database, moment);
    let id = name::of_copy(&source.id);
    let taken = source.taken.map(|taken| taken.trunc_subsecs(0));
    DbSnapshot {
        arn: arn(LIVE, &id),
        id,
        made: source.made.map(|made| made + TimeDelta::minutes(20)),
        tags: Tags::default(),
        ..source.clone()
    }
    .tagged(tags::TYPE, tags::AUTOMATED)
    .tagged(tags::SOURCE_DB_SNAPSHOT, &source.arn)
    .tagged(tags::SOURCE_DATABASE, &database.id.to_string())
    .tagged(tags::SOURCE_REGION, HOME)
    .tagged(tags::SOURCE_TAKEN, &taken.map(tags::stamp).unwrap_or_default())
}

/// The sharer's copy as the failsafe account sees it.
pub(super) fn offered(database: &Database, moment: &str) -> DbSnapshot {
    DbSnapshot { tags: Tags::default(), ..copy(database, moment) }
}

/// The saver's copy of it.
pub(super) fn saved(database: &Database, moment: &str) -> DbSnapshot {
    let offered = offered(database, moment);
    DbSnapshot {
        arn: arn(FAILSAFE, &offered.id),
        owner: FAILSAFE.to_owned(),
        made: offered.made.map(|made| made + TimeDelta::minutes(20)),
        ..copy(database, moment)
    }
    .tagged(tags::SOURCE_DB_SNAPSHOT, &offered.arn)
    .tagged(tags::SOURCE_ACCOUNT, LIVE)
}

impl DbSnapshot {
    /// With this tag.
    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.set(key, value);
        self
    }

    /// Without this tag.
    pub(crate) fn untagged(mut self, key: &str) -> Self {
        self.tags = self.tags.iter().filter(|(other, _)| *other != key).collect();
        self
    }

    /// Under this name.
    pub(super) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.id.name);
        self
    }

    /// In this state.
    pub(crate) fn in_state(mut self, state: DbSnapshotState) -> Self {
        self.state = state;
        self
    }
}

impl Database {
    /// With this tag.
    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags.set(key, value);
        self
    }
}

/// All that a plan says: what it does, `keep ID: reason`, `find Kind ID`, `refuse ID: why`.
pub(crate) fn told<A: Action>(plan: &Plan<A>) -> Vec<String> {
    let actions = plan.actions.iter().map(ToString::to_string);
    let kept = plan.kept.iter().map(|kept| format!("keep {}: {}", kept.resource, kept.reason.kind()));
    let findings = plan.findings.iter().map(|finding| format!("find {:?} {}", finding.kind, finding.resource));
    let refusals = plan.refusals.iter().map(|refusal| format!("refuse {}: {}", refusal.resource, refusal.cause));
    actions.chain(kept).chain(findings).chain(refusals).collect()
}

/// Compares what a plan says, each by its beginning.
#[track_caller]
pub(crate) fn check_told(told: &[String], expected: &[&str]) {
    let same = told.len() == expected.len() && told.iter().zip(expected).all(|(told, begin)| told.starts_with(begin));
    assert!(same, "told {told:#?}, expected {expected:#?}");
}
