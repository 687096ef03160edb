//! Two accounts of one AWS: databases are in the live one, and copies of their snapshots are to be kept in the failsafe
//! one, to which whoever deletes everything in the live one has no access.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::{Context, Event, Report};
use snapkeeper_simulator::{Config, Published, Simulator};

use crate::{
    operator::Operator,
    policies::{self, FAILSAFE_TOPIC},
    world::{ACCOUNT, START, World, instant, keys_in, topic_in},
};

/// The account of the databases.
pub const LIVE: &str = ACCOUNT;
/// The account that keeps copies.
pub const FAILSAFE: &str = "210987654321";
/// The region of both.
pub const HOME: &str = "us-east-1";
/// Where second copies are kept.
pub const WEST: &str = policies::SECOND_COPIES[0];
/// The key under which copies are shared.
pub const LIVE_KEY: &str = "alias/failsafe";
/// The key of what is kept.
pub const SAVER_KEY: &str = "alias/saver";

/// When automated snapshots are taken.
const BACKUP_WINDOW: &str = "05:00-05:30";
/// For how many days they are kept.
const BACKUPS_KEPT: i32 = 7;

/// What makes a database that is backed up to the failsafe account, and no more.
pub const ENROLLED: &[(&str, &str)] = &[("Failsafe", "Yes")];

/// Two accounts.
pub struct Estate {
    /// The one with the databases, under the settings of the sharer.
    pub live: World,
    /// The one that keeps copies, under the settings of the saver.
    pub failsafe: World,
}

/// One of the two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// With the databases.
    Live,
    /// With copies.
    Failsafe,
}

impl Side {
    /// The account's id.
    pub fn account(self) -> &'static str {
        match self {
            Self::Live => LIVE,
            Self::Failsafe => FAILSAFE,
        }
    }
}

impl Estate {
    /// Two accounts in a simulated AWS inside the process.
    pub fn in_process() -> Self {
        Self::of(Config::starting(instant(START)))
    }

    /// The same, so configured.
    pub fn of(config: Config) -> Self {
        Self::beginning(World::of(Simulator::new(with_accounts(config))))
    }

    /// The same, over HTTP.
    pub async fn listening(config: Config) -> Self {
        Self::beginning(World::listening(Simulator::new(with_accounts(config))).await)
    }

    /// Two accounts in moto, where each job may do what its policy allows, as far as moto evaluates it.
    pub fn moto() -> Self {
        let of = |account: &str, job: Job| {
            let user = if account == LIVE { job.name().to_owned() } else { format!("{account}:{job}") };
            (user, policies::document_in(account, job, HOME, &topic_in(account, HOME)))
        };
        let documents: BTreeMap<String, Value> = BTreeMap::from([
            of(LIVE, Job::RdsSharer),
            of(LIVE, Job::Watcher),
            of(FAILSAFE, Job::RdsSaver),
            of(FAILSAFE, Job::Watcher),
        ]);
        Self::in_world(World::under(&json!(documents)))
    }

    /// With keys and topic in a simulated AWS.
    fn beginning(live: World) -> Self {
        let estate = Self::in_world(live);
        let simulator = estate.simulator();
        simulator.create_key(LIVE, HOME, LIVE_KEY);
        simulator.share_key(LIVE, HOME, LIVE_KEY, FAILSAFE);
        for region in [HOME, WEST] {
            simulator.create_key(FAILSAFE, region, SAVER_KEY);
        }
        simulator.call("sns", HOME, "CreateTopic", &[("Name", "failsafe")]).expect("CreateTopic");
        estate
    }

    fn in_world(live: World) -> Self {
        let failsafe = live.beside(FAILSAFE).with("LIVE_ACCOUNT", LIVE).with("SAVER_KMS_KEY", SAVER_KEY);
        let live = live.with("FAILSAFE_ACCOUNT", FAILSAFE).with("FAILSAFE_KMS_KEY", LIVE_KEY);
        Self { live: live.with("FAILSAFE_TOPIC_ARN", FAILSAFE_TOPIC), failsafe }
    }

    /// With a setting in the live account.
    #[must_use]
    pub fn with_live(self, name: &str, value: &str) -> Self {
        Self { live: self.live.with(name, value), ..self }
    }

    /// With a setting in the failsafe account.
    #[must_use]
    pub fn with_failsafe(self, name: &str, value: &str) -> Self {
        Self { failsafe: self.failsafe.with(name, value), ..self }
    }

    /// With second copies in [`WEST`].
    #[must_use]
    pub fn with_second_copies(self) -> Self {
        self.with_failsafe("SAVER_COPY_DEST", WEST)
    }

    /// With another policy for a job than that of its file, in the account in which it works.
    #[must_use]
    pub fn with_policy(self, job: Job, document: Value) -> Self {
        match job {
            Job::RdsSaver => Self { failsafe: self.failsafe.with_policy(job, document), ..self },
            Job::RdsSharer | Job::Watcher | Job::Creator | Job::Copier | Job::Manager | Job::Syncer => {
                Self { live: self.live.with_policy(job, document), ..self }
            }
        }
    }

    /// The simulator behind both.
    #[track_caller]
    pub fn simulator(&self) -> &Simulator {
        self.live.simulator()
    }

    /// An account.
    pub fn side(&self, side: Side) -> &World {
        match side {
            Side::Live => &self.live,
            Side::Failsafe => &self.failsafe,
        }
    }

    /// The account in which a job of databases works.
    pub fn of_job(&self, job: Job) -> &World {
        match job {
            Job::RdsSaver => &self.failsafe,
            Job::RdsSharer | Job::Watcher | Job::Creator | Job::Copier | Job::Manager | Job::Syncer => &self.live,
        }
    }

    /// The present, in whole seconds that have begun.
    pub fn now(&self) -> String {
        let now = self.simulator().now() + TimeDelta::milliseconds(999);
        now.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// What surrounds a run of a job that is made now.
    pub fn context(&self, job: Job) -> Context {
        self.of_job(job).context(job, HOME, &self.now())
    }

    /// Runs the sharer or the saver now.
    pub async fn run(&self, job: Job) -> Report {
        Box::pin(self.of_job(job).run_in(&self.context(job))).await
    }

    /// Runs the saver for a message of SNS, as its function does.
    pub async fn hear(&self, event: &Value) -> Report {
        Box::pin(self.failsafe.run_in(&self.heard(event))).await
    }

    /// What surrounds a run of the saver for a message of SNS.
    ///
    /// # Panics
    /// If it is none.
    pub fn heard(&self, event: &Value) -> Context {
        let event = Event::read(event, "8476a536").and_then(|event| event.of(Job::RdsSaver)).expect("a message");
        let mut context = self.context(Job::RdsSaver);
        context.announced = event.announced;
        context
    }

    /// Runs the watcher of an account now.
    pub async fn watch(&self, side: Side) -> Report {
        Box::pin(self.side(side).run(Job::Watcher, HOME, &self.now())).await
    }

    /// An operator of an account.
    pub async fn operator(&self, side: Side) -> Operator {
        self.side(side).operator(HOME).await
    }
}

/// With the keys of the jobs in the failsafe account.
fn with_accounts(mut config: Config) -> Config {
    config.accounts.extend(keys_in(FAILSAFE, HOME));
    config
}

/// The event by which a function hears of a message.
pub fn sns_event(published: &Published) -> Value {
    message(&published.topic_arn, &published.message, &published.at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The event by which a function hears of a message with this text, published then.
pub fn message(topic: &str, text: &str, at: &str) -> Value {
    json!({ "Records": [{
        "EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": format!("{topic}:2bcfbf39-05c3-41de-beaa-fcfcc21c8f55"),
        "Sns": {
            "Type": "Notification", "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "TopicArn": topic,
            "Subject": "Snapkeeper", "Message": text, "Timestamp": at, "SignatureVersion": "1", "Signature": "EXAMPLE",
            "SigningCertUrl": "EXAMPLE", "UnsubscribeUrl": "EXAMPLE", "MessageAttributes": {},
        },
    }]})
}

impl Operator {
    /// Makes a DB instance with encrypted storage whose automated snapshots are taken daily at five, and the first one at
    /// once.
    pub async fn create_db_instance(&self, name: &str, tags: &[(&str, &str)]) {
        let call = self.rds.create_db_instance().db_instance_identifier(name).engine("postgres");
        let call = call.db_instance_class("db.t3.micro").allocated_storage(20).storage_encrypted(true);
        let call = call.master_username("admin").master_user_password("password");
        let call = call.backup_retention_period(BACKUPS_KEPT).preferred_backup_window(BACKUP_WINDOW);
        call.copy_tags_to_snapshot(true).set_tags(sdk_tags(tags)).send().await.expect("CreateDBInstance");
    }

    /// Makes an Aurora cluster like that.
    pub async fn create_db_cluster(&self, name: &str, tags: &[(&str, &str)]) {
        let call = self.rds.create_db_cluster().db_cluster_identifier(name).engine("aurora-postgresql");
        let call = call.storage_encrypted(true).backup_retention_period(BACKUPS_KEPT);
        let call = call.master_username("admin").master_user_password("password");
        let call = call.preferred_backup_window(BACKUP_WINDOW).set_tags(sdk_tags(tags));
        call.send().await.expect("CreateDBCluster");
    }

    /// Takes a snapshot of a DB instance by hand.
    pub async fn db_snapshot_by_hand(&self, database: &str, name: &str, tags: &[(&str, &str)]) {
        let call = self.rds.create_db_snapshot().db_instance_identifier(database).db_snapshot_identifier(name);
        call.set_tags(sdk_tags(tags)).send().await.expect("CreateDBSnapshot");
    }

    /// Copies a snapshot of a DB instance, as somebody who knows nothing of Snapkeeper would.
    pub async fn copy_db_snapshot(&self, source: &str, target: &str, key: &str, tags: &[(&str, &str)]) {
        let call = self.rds.copy_db_snapshot().source_db_snapshot_identifier(source).kms_key_id(key);
        let call = call.target_db_snapshot_identifier(target).set_tags(sdk_tags(tags));
        call.send().await.expect("CopyDBSnapshot");
    }

    /// Shares a snapshot of a DB instance with an account.
    pub async fn share_db_snapshot(&self, name: &str, account: &str) {
        let call = self.rds.modify_db_snapshot_attribute().db_snapshot_identifier(name).attribute_name("restore");
        call.values_to_add(account).send().await.expect("ModifyDBSnapshotAttribute");
    }

    /// Deletes a snapshot of a DB instance.
    pub async fn delete_db_snapshot(&self, name: &str) {
        self.rds.delete_db_snapshot().db_snapshot_identifier(name).send().await.expect("DeleteDBSnapshot");
    }

    /// Makes a KMS key with an alias.
    pub async fn create_kms_key(&self, alias: &str) {
        let key = self.kms.create_key().send().await.expect("CreateKey").key_metadata.expect("a key");
        self.kms.create_alias().alias_name(alias).target_key_id(key.key_id()).send().await.expect("CreateAlias");
    }
}

/// Tags, as the SDK takes them.
pub fn sdk_tags(tags: &[(&str, &str)]) -> Option<Vec<Tag>> {
    Some(tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect())
}
