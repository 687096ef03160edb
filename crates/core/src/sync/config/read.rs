//! Reads the configuration from its tree, and collects all that is wrong.

use std::collections::BTreeSet;

use super::{
    BadConfig, ClientConfig, Config, DatabaseSync, ImageSync, SNAPSHOTS_TO_RETAIN, SyncJob, What, client,
    client::CLIENT,
    options::{Errors, Options, is_secret, nearest, read_text, told},
    tree::{Mapping, Tree},
};
use crate::{
    ids::Region,
    rds::inventory::{DatabaseId, DatabaseKind},
    settings,
    tags::{self, MAX_VALUE},
};

/// What the key of a job begins with.
const SYNC: &str = "sync_";

const TYPE: &str = "sync_type";
const SOURCE: &str = "source_region";
const DESTINATION: &str = "destination_region";
const KEY: &str = "kms_key_id";
const OWNER: &str = "ami_owner";
const IDENTIFIER: &str = "sync_identifier";
const FILTERS: &str = "filters";
const NEWEST: &str = "newest";
const MAX_IMAGES: &str = "max_images_to_retain";
const INSTANCE: &str = "db_instance";
const CLUSTER: &str = "db_cluster";
const MAX_SNAPSHOTS: &str = "max_snapshots_to_retain";

const IMAGE: &str = "ec2_ami";
const DATABASE: &str = "rds_automated_snapshot";

const OF_ALL: [&str; 5] = [TYPE, SOURCE, DESTINATION, CLIENT, KEY];
const OF_IMAGES: [&str; 5] = [OWNER, IDENTIFIER, FILTERS, NEWEST, MAX_IMAGES];
const OF_DATABASES: [&str; 3] = [INSTANCE, CLUSTER, MAX_SNAPSHOTS];

/// Owners that EC2 knows by a name (EC2 API, `DescribeImages`, parameter `Owner`).
const OWNERS: [&str; 3] = ["amazon", "aws-marketplace", "aws-backup-vault"];
const SELF: &str = "self";

const REGION_EXPECTED: &str = "a region's name, such as us-east-1";
const REGIONS_EXPECTED: &str = "one or more region names, such as us-west-2 or [us-west-2, eu-west-1]";
const FILTER_EXPECTED: &str = "name=value, such as tag:Environment=Production, or several values, name=value,value";

/// Reads a configuration.
pub(super) fn config(origin: &str, text: &str) -> Result<Config, BadConfig> {
    let mut errors = Errors { origin, told: Vec::new() };
    let mut config = Config::default();
    match Tree::read(text) {
        Err(error) => errors.tell(format!("it is neither YAML nor JSON: {error}")),
        Ok(Tree::Mapping(top)) => config = whole(&top, &mut errors),
        Ok(other) => {
            errors.tell(format!("it is {}, expected a mapping with keys that begin with {SYNC}", other.kind()));
        }
    }
    if errors.told.is_empty() { Ok(config) } else { Err(BadConfig(errors.told)) }
}

fn whole(top: &Mapping, errors: &mut Errors<'_>) -> Config {
    let mut seen = BTreeSet::new();
    for (key, _) in top {
        if !seen.insert(key.as_str()) {
            errors.wrong(key, "stands twice, expected once");
        } else if key == CLIENT || key.starts_with(SYNC) {
            // read below
        } else if is_secret(key) {
            errors.refuse_secret(key);
        } else {
            let meant = meant_at_top(key).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            errors.wrong(key, format!("unknown, expected {CLIENT} or a key that begins with {SYNC}{meant}"));
        }
    }
    let global = top.iter().find(|(key, _)| key == CLIENT);
    let global = global.map(|(key, tree)| client::read(key, tree, errors)).unwrap_or_default();
    let mut jobs: Vec<SyncJob> = Vec::new();
    let mut names = BTreeSet::new();
    for (key, tree) in top.iter().filter(|(key, _)| key.starts_with(SYNC)) {
        if names.insert(key) {
            jobs.extend(job(key, tree, &global, errors));
        }
    }
    if names.is_empty() {
        errors.tell(format!("there is no key that begins with {SYNC}, expected one for each job"));
    }
    jobs.sort_by(|a, b| a.name.cmp(&b.name));
    for (index, job) in jobs.iter().enumerate() {
        for other in &jobs[..index] {
            if let Some(what) = at_odds(job, other) {
                errors.wrong(
                    &job.name,
                    format!("the same {what} and destination as {}, expected one of them", other.name),
                );
            }
        }
    }
    Config { jobs }
}

/// What two jobs have in common, of which each would let go what the other keeps.
fn at_odds(one: &SyncJob, other: &SyncJob) -> Option<&'static str> {
    let meet =
        one.source == other.source && one.client == other.client && !one.destinations.is_disjoint(&other.destinations);
    match (&one.what, &other.what) {
        (What::Database(a), What::Database(b)) if meet && a.database == b.database => Some("database"),
        (What::Image(a), What::Image(b)) => {
            let lets_go = a.max_images_to_retain.is_some() || b.max_images_to_retain.is_some();
            let is_same = a.identifier.is_some() && a.identifier == b.identifier;
            (meet && lets_go && is_same).then_some("sync_identifier (of which one lets images go)")
        }
        (What::Database(_), What::Database(_) | What::Image(_)) | (What::Image(_), What::Database(_)) => None,
    }
}

/// Reads a job. `None` if something is wrong with it, which is told.
fn job(name: &str, tree: &Tree, global: &ClientConfig, errors: &mut Errors<'_>) -> Option<SyncJob> {
    let mut options = Options::of(name, tree, errors)?;
    let kind = options.required(TYPE, "ec2_ami or rds_automated_snapshot", errors, |text| {
        [IMAGE, DATABASE].into_iter().find(|kind| *kind == text)
    });
    let source = options.required(SOURCE, REGION_EXPECTED, errors, client::region);
    let destinations = options.destinations(source.as_ref(), errors);
    let own = options.take(CLIENT).map(|tree| client::read(&format!("{name}.{CLIENT}"), tree, errors));
    let client = client::merged(name, own.unwrap_or_default(), global, errors);
    let kms_key = options.text(
        KEY,
        "a key's alias or id in the destination, such as alias/backup: not an ARN, since each destination has its own",
        errors,
        |text| settings::read_key(text).ok(),
    );
    let known = |more: &[&'static str]| [OF_ALL.as_slice(), more].concat();
    let what = match kind {
        Some(IMAGE) => {
            let what = options.image(kms_key, errors).map(What::Image);
            options.done(&known(&OF_IMAGES), &OF_DATABASES, errors);
            what
        }
        Some(_) => {
            let what = options.database(kms_key, errors).map(What::Database);
            options.done(&known(&OF_DATABASES), &OF_IMAGES, errors);
            what
        }
        None => {
            // what is known of either: which of them it is to be is told already
            for key in OF_IMAGES.iter().chain(&OF_DATABASES) {
                options.take(key);
            }
            options.done(&known(&[OF_IMAGES.as_slice(), OF_DATABASES.as_slice()].concat()), &[], errors);
            None
        }
    };
    Some(SyncJob { name: name.to_owned(), source: source?, destinations: destinations?, client, what: what? })
}

impl Options<'_> {
    /// The destinations: a text of one or several, or a list.
    fn destinations(&mut self, source: Option<&Region>, errors: &mut Errors<'_>) -> Option<BTreeSet<Region>> {
        let path = self.at(DESTINATION);
        let names: Vec<&str> = match self.take(DESTINATION) {
            None => {
                errors.wrong(&path, format!("missing, expected {REGIONS_EXPECTED}"));
                return None;
            }
            Some(Tree::Text(text)) => text.split(tags::between).filter(|name| !name.is_empty()).collect(),
            Some(Tree::List(list)) => {
                let mut names = Vec::new();
                for (index, entry) in list.iter().enumerate() {
                    let Tree::Text(name) = entry else {
                        let wrong = format!("{}, expected {REGION_EXPECTED}", told(entry));
                        errors.wrong(&format!("{path}[{index}]"), wrong);
                        return None;
                    };
                    names.push(name.as_str());
                }
                names
            }
            Some(other) => {
                errors.wrong(&path, format!("{}, expected {REGIONS_EXPECTED}", told(other)));
                return None;
            }
        };
        if names.is_empty() {
            errors.wrong(&path, format!("empty, expected {REGIONS_EXPECTED}"));
            return None;
        }
        let mut regions = BTreeSet::new();
        let mut is_whole = true;
        for name in names {
            let wrong = match client::region(name) {
                None => format!("`{name}`, expected {REGION_EXPECTED}"),
                Some(region) if Some(&region) == source => {
                    format!("`{region}` is the {SOURCE}, expected another region")
                }
                Some(region) if regions.contains(&region) => format!("`{region}` stands twice, expected once"),
                Some(region) => {
                    regions.insert(region);
                    continue;
                }
            };
            is_whole = false;
            errors.wrong(&path, wrong);
        }
        is_whole.then_some(regions)
    }

    /// What `sync_type: ec2_ami` has besides.
    fn image(&mut self, kms_key: Option<String>, errors: &mut Errors<'_>) -> Option<ImageSync> {
        let (is_identified, is_filtered) = (self.has(IDENTIFIER), self.has(FILTERS));
        let expected = "an AWS account's twelve digits, in quotes where they begin with 0, or self, amazon, \
                        aws-marketplace or aws-backup-vault";
        let owner = self.word(OWNER, expected, errors, |text| {
            if text == SELF || OWNERS.contains(&text) {
                Some(text.to_owned())
            } else {
                settings::read_account(text).ok()
            }
        });
        let is_value = |text: &str| text.chars().count() <= MAX_VALUE && !text.chars().any(char::is_control);
        let expected =
            "the value of the image's tag Sync-Identifier, at most 256 characters, in quotes where it is a number";
        // as a number `1.10` would be the same as `1.1`
        let identifier = self.text(IDENTIFIER, expected, errors, |text| is_value(text).then(|| text.to_owned()));
        let filters = self.filters(errors);
        let newest = self.flag(NEWEST, errors);
        let says_max = self.has(MAX_IMAGES);
        let max_images_to_retain = self.number(MAX_IMAGES, errors);
        if !is_identified && !is_filtered {
            errors.wrong(&self.path, format!("neither {IDENTIFIER} nor {FILTERS}, expected at least one of them"));
        }
        if says_max && !is_identified {
            errors.wrong(
                &self.at(MAX_IMAGES),
                format!("without {IDENTIFIER}, expected both: it tells what superseded what"),
            );
        }
        let owner = owner.filter(|owner| owner != SELF);
        let chosen = identifier.is_some() || !filters.is_empty();
        chosen.then_some(ImageSync { owner, identifier, filters, newest, max_images_to_retain, kms_key })
    }

    /// EC2's filters, `name=value,value` each.
    fn filters(&mut self, errors: &mut Errors<'_>) -> Vec<(String, Vec<String>)> {
        let path = self.at(FILTERS);
        let mut filters: Vec<(String, Vec<String>)> = Vec::new();
        let entries = match self.take(FILTERS) {
            None => return filters,
            Some(Tree::List(list)) if !list.is_empty() => list.as_slice(),
            Some(text @ Tree::Text(_)) => std::slice::from_ref(text),
            Some(other) => {
                let what = if let Tree::List(_) = other { "empty".to_owned() } else { told(other) };
                errors.wrong(&path, format!("{what}, expected a list of {FILTER_EXPECTED}"));
                return filters;
            }
        };
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match read_text(&path, entry, FILTER_EXPECTED, errors, read_filter) {
                Some(filter) if filters.contains(&filter) => errors.wrong(&path, "stands twice, expected once"),
                Some(filter) => filters.push(filter),
                None => {}
            }
        }
        filters
    }

    /// What `sync_type: rds_automated_snapshot` has besides.
    fn database(&mut self, kms_key: Option<String>, errors: &mut Errors<'_>) -> Option<DatabaseSync> {
        let (has_instance, has_cluster) = (self.has(INSTANCE), self.has(CLUSTER));
        let mut read = |key: &str, kind: DatabaseKind, expected: &str| {
            let name = self.text(key, expected, errors, |text| settings::read_database(text).ok())?;
            Some(DatabaseId { kind, name })
        };
        let instance =
            read(INSTANCE, DatabaseKind::Instance, "a DB instance's identifier, such as orders: not its ARN");
        let cluster = read(CLUSTER, DatabaseKind::Cluster, "a DB cluster's identifier, such as orders: not its ARN");
        match (has_instance, has_cluster) {
            (true, true) => errors.wrong(&self.path, format!("both {INSTANCE} and {CLUSTER}, expected one of them")),
            (false, false) => {
                errors.wrong(&self.at(INSTANCE), format!("missing, expected a DB instance's identifier, or {CLUSTER}"));
            }
            (true, false) | (false, true) => {}
        }
        let max_snapshots_to_retain = self.number(MAX_SNAPSHOTS, errors).unwrap_or(SNAPSHOTS_TO_RETAIN);
        Some(DatabaseSync { database: instance.or(cluster)?, max_snapshots_to_retain, kms_key })
    }
}

/// Reads `tag:Environment=Production,Staging`.
fn read_filter(text: &str) -> Option<(String, Vec<String>)> {
    let (name, values) = text.split_once('=')?;
    let name = name.trim();
    // tag:KEY, where the key may be anything but empty
    let is_name = match name.strip_prefix("tag:") {
        Some(key) => !key.trim().is_empty(),
        None => !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    (is_name && values.iter().all(|value| !value.is_empty())).then(|| (name.to_owned(), values))
}

/// What a key at the top may have been meant for: `sync-web` for `sync_web`.
fn meant_at_top(key: &str) -> Option<String> {
    if let Some(meant) = nearest(key, &[CLIENT]) {
        return Some(meant.to_owned());
    }
    let (begin, rest) = key.split_once(['_', '-', ' ', ':'])?;
    let is_sync = nearest(begin, &["sync"]).is_some();
    (is_sync && !rest.is_empty()).then(|| format!("{SYNC}{rest}"))
}
