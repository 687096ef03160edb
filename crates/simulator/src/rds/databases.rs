//! Databases: made, listed, deleted. They are `available` at once.

use crate::action::{Read, act};
use crate::model::Here;
use crate::model::database::{Database, DatabaseKind, arn, is_aurora, parse_window};
use crate::model::keys::{self, RDS_KEY};
use crate::model::region::Region;
use crate::model::tags::Tags;
use crate::rds::copy::no_key;
use crate::rds::listing::{Filters, Page};
use crate::rds::option_groups::{check_group, default_group};
use crate::rds::params::{LONGEST_DATABASE, LONGEST_SNAPSHOT, Named, new_id, old_id};
use crate::rds::snapshots::check_new;
use crate::rds::tags;
use crate::rds::words::words;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use std::collections::BTreeMap;

/// Source: API model, `BackupRetentionPeriod`.
const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 0..=35;
/// AWS draws one for each database at random.
const DEFAULT_WINDOW: &str = "03:00-03:30";
const DEFAULT_STORAGE: u32 = 20;

/// What a caller wants of a new database.
struct Wish {
    kind: DatabaseKind,
    id: String,
    engine: String,
    engine_version: Option<String>,
    class: Option<String>,
    storage: Option<u32>,
    master_username: Option<String>,
    encrypted: Option<bool>,
    key: Option<String>,
    retention_days: Option<u32>,
    backup_window: Option<String>,
    copies_tags: bool,
    option_group: Option<String>,
    tde_credential: Option<String>,
    cluster: Option<String>,
    tags: Tags,
}

pub(super) fn create(kind: DatabaseKind, params: &Params) -> Read {
    let wish = read(kind, params)?;
    check(&wish)?;
    Ok(act(move |here| {
        let word = words(kind).database;
        let database = database(here, wish)?;
        here.world.add_database(here.place, here.now, database.clone());
        Ok(Nodes::new().nest(word, shape(here.region(), &database, "creating")))
    }))
}

fn read(kind: DatabaseKind, params: &Params) -> Result<Wish, Error> {
    let owned = |name: &str| params.text(name).map(str::to_owned);
    let (class, cluster, tde_credential) = match kind {
        DatabaseKind::Instance => {
            let class = params.required("DBInstanceClass")?.to_owned();
            let cluster = owned("DBClusterIdentifier").map(|id| id.to_ascii_lowercase());
            (Some(class), cluster, owned("TdeCredentialArn"))
        }
        DatabaseKind::Cluster => (owned("DBClusterInstanceClass"), None, None),
    };
    // nobody logs in here
    params.text("MasterUserPassword");
    Ok(Wish {
        kind,
        id: new_id(params, &words(kind).database_id(), LONGEST_DATABASE)?,
        engine: params.required("Engine")?.to_owned(),
        engine_version: owned("EngineVersion"),
        class,
        storage: params.parsed("AllocatedStorage")?,
        master_username: owned("MasterUsername"),
        encrypted: params.flag("StorageEncrypted")?,
        key: owned("KmsKeyId"),
        retention_days: params.parsed("BackupRetentionPeriod")?,
        backup_window: owned("PreferredBackupWindow"),
        copies_tags: params.flag("CopyTagsToSnapshot")?.unwrap_or_default(),
        option_group: owned("OptionGroupName"),
        tde_credential,
        cluster,
        tags: tags::written(params)?,
    })
}

/// Refuses what does not go together, whatever there is.
fn check(wish: &Wish) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::new("InvalidParameterCombination", why));
    if let Some(days) = wish.retention_days
        && (!RETENTION_DAYS.contains(&days) || days == 0 && wish.kind == DatabaseKind::Cluster)
    {
        return Err(Error::invalid(format!("Invalid backup retention period: {days}.")));
    }
    if let Some(window) = wish.backup_window.as_deref().filter(|window| parse_window(window).is_none()) {
        return Err(Error::invalid(format!("Invalid backup window: {window}.")));
    }
    if wish.key.is_some() && wish.encrypted != Some(true) {
        return refused("KmsKeyId requires StorageEncrypted.");
    }
    if wish.cluster.is_some() && (wish.encrypted.is_some() || wish.retention_days.is_some()) {
        return refused("Encryption and backups of a member are managed by its DB cluster.");
    }
    if wish.kind == DatabaseKind::Instance && is_aurora(&wish.engine) && wish.cluster.is_none() {
        return refused("A DB instance of Aurora must be a member of a DB cluster.");
    }
    Ok(())
}

/// The database as it is to be, if it can be.
fn database(here: &mut Here<'_>, wish: Wish) -> Result<Database, Error> {
    let Wish { kind, id, engine, .. } = wish;
    if here.region().databases.contains_key(&(kind, id.clone())) {
        return Err(words(kind).database_exists(&id));
    }
    let cluster = wish.cluster.as_ref().map(|id| cluster(here, id)).transpose()?;
    if let Some(cluster) = cluster.as_ref().filter(|cluster| cluster.engine != engine) {
        return Err(Error::invalid(format!("The engine of {} is {}, not {engine}.", cluster.id, cluster.engine)));
    }
    let kms_key_id = match &cluster {
        Some(cluster) => cluster.kms_key_id.clone(),
        None if wish.encrypted == Some(true) => {
            let key = keys::arn(here.place, wish.key.as_deref().unwrap_or(RDS_KEY));
            if !here.world.may_use_key(&here.place.account, &key) {
                return Err(no_key("specified", &key));
            }
            Some(key)
        }
        None => None,
    };
    let engine_version = wish.engine_version.unwrap_or_else(|| default_version(&engine).to_owned());
    let option_group = wish.option_group.unwrap_or_else(|| default_group(&engine, &engine_version));
    check_group(here, &option_group)?;
    Ok(Database {
        kind,
        arn: arn(here.place, kind, &id),
        id,
        engine,
        engine_version,
        class: wish.class,
        storage: wish.storage.unwrap_or(DEFAULT_STORAGE),
        master_username: wish.master_username.unwrap_or_else(|| "admin".to_owned()),
        created_at: here.now,
        kms_key_id,
        retention_days: wish.retention_days.or(cluster.map(|cluster| cluster.retention_days)).unwrap_or(1),
        backup_window: wish.backup_window.unwrap_or_else(|| DEFAULT_WINDOW.to_owned()),
        copies_tags: wish.copies_tags,
        option_group,
        tde_credential: wish.tde_credential,
        cluster: wish.cluster,
        tags: wish.tags,
        next_backup_at: None,
    })
}

fn cluster(here: &mut Here<'_>, id: &str) -> Result<Database, Error> {
    let key = (DatabaseKind::Cluster, id.to_owned());
    here.region().databases.get(&key).cloned().ok_or_else(|| words(DatabaseKind::Cluster).no_database(id))
}

/// A version that there is of an engine.
fn default_version(engine: &str) -> &'static str {
    match engine {
        "mysql" => "8.0.39",
        "mariadb" => "10.11.9",
        "aurora-mysql" => "8.0.mysql_aurora.3.07.1",
        "postgres" | "aurora-postgresql" => "16.4",
        oracle if oracle.starts_with("oracle") => "19.0.0.0.ru-2024-07.rur-2024-07.r1",
        _ => "15.00.4375.4.v1",
    }
}

pub(super) fn delete(kind: DatabaseKind, params: &Params) -> Read {
    let id = old_id(params, &words(kind).database_id())?;
    let skips_final = params.flag("SkipFinalSnapshot")?.unwrap_or_default();
    let final_id = match params.text("FinalDBSnapshotIdentifier") {
        Some(_) => Some(new_id(params, "FinalDBSnapshotIdentifier", LONGEST_SNAPSHOT)?),
        None => None,
    };
    if params.flag("DeleteAutomatedBackups")? == Some(false) {
        return Err(Error::invalid("Automated backups that outlive their database are not modelled."));
    }
    if skips_final && final_id.is_some() {
        let message = "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.";
        return Err(Error::new("InvalidParameterCombination", message));
    }
    Ok(act(move |here| {
        let (now, words) = (here.now, words(kind));
        let found = here.region().databases.get(&(kind, id.clone())).cloned();
        let database = found.ok_or_else(|| words.no_database(&id))?;
        let is_member = |one: &Database| kind == DatabaseKind::Cluster && one.cluster.as_ref() == Some(&id);
        if here.region().databases.values().any(is_member) {
            let message = "Cluster cannot be deleted, it still contains DB instances in non-deleting state.";
            return Err(words.bad_database(message));
        }
        match final_id {
            Some(final_id) if database.has_snapshots() => {
                check_new(here, kind, &final_id)?;
                let last = here.world.draft_of_database(here.place, now, &database, &final_id);
                here.world.begin_db_snapshot(here.place, last);
            }
            Some(_) => return Err(words.bad_database("A member of a DB cluster has no final snapshot of its own.")),
            None if !skips_final && database.has_snapshots() => {
                let message = "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.";
                return Err(Error::new("InvalidParameterCombination", message));
            }
            None => {}
        }
        let answer = Nodes::new().nest(words.database, shape(here.region(), &database, "deleting"));
        here.region().databases.remove(&(kind, id.clone()));
        let snapshots = here.region().db_snapshots.values();
        let automated: Vec<_> = snapshots
            .filter(|one| one.is_automated && one.kind == kind && one.database == id)
            .map(|one| (one.kind, one.id.clone()))
            .collect();
        for key in automated {
            here.world.remove_db_snapshot(here.place, now, &key);
        }
        Ok(answer)
    }))
}

pub(super) fn describe(kind: DatabaseKind, params: &Params) -> Read {
    let id = params.text(&words(kind).database_id()).map(str::to_ascii_lowercase);
    let known: &[&str] = match kind {
        DatabaseKind::Instance => &["db-cluster-id", "db-instance-id", "engine"],
        DatabaseKind::Cluster => {
            // clusters of other accounts are not modelled
            params.flag("IncludeShared")?;
            &["db-cluster-id", "engine"]
        }
    };
    let (filters, page) = (Filters::read(params, known)?, Page::read(params)?);
    Ok(act(move |here| {
        let (words, page_size) = (words(kind), here.world.page_size);
        let region: &Region = here.region();
        let is_named = |one: &Database| id.as_ref().is_none_or(|id| is_it(one, id));
        let is_shown = |one: &&Database| one.kind == kind && is_named(one) && filters.pass(|name| field(one, name));
        let found: BTreeMap<String, &Database> =
            region.databases.values().filter(is_shown).map(|one| (one.id.clone(), one)).collect();
        if let Some(id) = id.as_ref().filter(|_| found.is_empty()) {
            return Err(words.no_database(id));
        }
        let (databases, marker) = page.cut(page_size, found);
        let list = databases
            .into_iter()
            .fold(Nodes::new(), |list, one| list.nest(words.database, shape(region, one, "available")));
        Ok(Nodes::new().maybe("Marker", marker).nest(format!("{}s", words.database), list))
    }))
}

/// Whether an identifier or an ARN, in lower case, is a database's.
fn is_it(database: &Database, named: &str) -> bool {
    if Named::of_arn(named).is_some() { database.arn == named } else { database.id == named }
}

/// What a filter of this name looks at.
fn field(database: &Database, name: &str) -> Vec<String> {
    match (name, database.kind) {
        ("db-cluster-id", DatabaseKind::Instance) => database.cluster.iter().cloned().collect(),
        ("db-cluster-id", DatabaseKind::Cluster) | ("db-instance-id", _) => {
            vec![database.id.clone(), database.arn.clone()]
        }
        _ => vec![database.engine.clone()],
    }
}

fn shape(region: &Region, database: &Database, status: &str) -> Nodes {
    match database.kind {
        DatabaseKind::Instance => shape_of_instance(database, status),
        DatabaseKind::Cluster => shape_of_cluster(region, database, status),
    }
}

fn shape_of_instance(database: &Database, status: &str) -> Nodes {
    let group = Nodes::new().text("OptionGroupName", &database.option_group).text("Status", "in-sync");
    Nodes::new()
        .text("DBInstanceIdentifier", &database.id)
        .maybe("DBInstanceClass", database.class.as_ref())
        .text("Engine", &database.engine)
        .text("DBInstanceStatus", status)
        .text("MasterUsername", &database.master_username)
        .text("AllocatedStorage", database.storage)
        .text("InstanceCreateTime", instant(database.created_at))
        .text("PreferredBackupWindow", &database.backup_window)
        .text("BackupRetentionPeriod", database.retention_days)
        .text("EngineVersion", &database.engine_version)
        .nest("OptionGroupMemberships", Nodes::new().nest("OptionGroupMembership", group))
        .maybe("TdeCredentialArn", database.tde_credential.as_ref())
        .maybe("DBClusterIdentifier", database.cluster.as_ref())
        .text("StorageEncrypted", database.kms_key_id.is_some())
        .maybe("KmsKeyId", database.kms_key_id.as_ref())
        .text("CopyTagsToSnapshot", database.copies_tags)
        .text("DBInstanceArn", &database.arn)
        .and(tags::tag_list(&database.tags))
}

fn shape_of_cluster(region: &Region, database: &Database, status: &str) -> Nodes {
    let members = region.databases.values().filter(|one| one.cluster.as_ref() == Some(&database.id));
    // the first one writes
    let members = members.enumerate().fold(Nodes::new(), |list, (place, one)| {
        let member = Nodes::new().text("DBInstanceIdentifier", &one.id).text("IsClusterWriter", place == 0);
        list.nest("DBClusterMember", member)
    });
    Nodes::new()
        .text("AllocatedStorage", if is_aurora(&database.engine) { 1 } else { database.storage })
        .text("BackupRetentionPeriod", database.retention_days)
        .text("DBClusterIdentifier", &database.id)
        .text("Status", status)
        .text("Engine", &database.engine)
        .text("EngineVersion", &database.engine_version)
        .text("MasterUsername", &database.master_username)
        .text("PreferredBackupWindow", &database.backup_window)
        .nest("DBClusterMembers", members)
        .text("StorageEncrypted", database.kms_key_id.is_some())
        .maybe("KmsKeyId", database.kms_key_id.as_ref())
        .text("DBClusterArn", &database.arn)
        .text("ClusterCreateTime", instant(database.created_at))
        .maybe("DBClusterInstanceClass", database.class.as_ref())
        .text("CopyTagsToSnapshot", database.copies_tags)
        .and(tags::tag_list(&database.tags))
}

#[cfg(test)]
#[path = "databases_tests.rs"]
mod tests;
