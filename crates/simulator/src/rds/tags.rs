//! The tags of RDS, which has rules of its own for them, and the actions on them.

use crate::action::{Read, act};
use crate::model::Here;
use crate::model::database::DatabaseKind::{Cluster, Instance};
use crate::model::tags::{self, Tags};
use crate::rds::params::{Named, members, texts};
use crate::rds::words::words;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

/// Reads the tags that a call writes. How many there may be is checked as for EC2; the code is unconfirmed.
pub(super) fn written(params: &Params) -> Result<Tags, Error> {
    let read = |member: &String| {
        let key = params.required(&format!("{member}.Key"))?;
        let value = params.text(&format!("{member}.Value")).unwrap_or_default();
        Ok((key.to_owned(), value.to_owned()))
    };
    let pairs: Vec<(String, String)> =
        members(params, "Tags", "Tag")?.iter().map(read).collect::<Result<_, Error>>()?;
    if let Some((key, value)) = pairs.iter().find(|(key, value)| !is_taken(key) || !is_taken(value)) {
        return Err(Error::invalid(format!("Invalid tag: key {key}, value {value}.")));
    }
    tags::checked(pairs)
}

/// Whether RDS takes this as the key or the value of a tag: "can't be prefixed with aws: or rds:", and "can only contain
/// only the set of Unicode letters, digits, white-space, '_', '.', ':', '/', '=', '+', '-', '@'". Source: API model, `Tag`.
fn is_taken(text: &str) -> bool {
    let is_known = |one: char| one.is_alphanumeric() || one == ' ' || "_.:/=+-@".contains(one);
    let is_reserved = |prefix: &str| text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    text.chars().all(is_known) && !is_reserved("aws:") && !is_reserved("rds:")
}

/// `<TagList>…</TagList>`, which is there where there are no tags as well.
pub(super) fn tag_list(tags: &Tags) -> Nodes {
    let tag = |(key, value): (&String, &String)| Nodes::new().text("Key", key).text("Value", value);
    let list = tags.iter().map(tag).fold(Nodes::new(), |list, tag| list.nest("Tag", tag));
    Nodes::new().nest("TagList", list)
}

pub(super) fn add(params: &Params) -> Read {
    let resource = Named::read(params)?;
    let new = written(params)?;
    if new.is_empty() {
        return Err(Error::missing("Tags"));
    }
    Ok(act(move |here| {
        let tags = tags_of(here, &resource)?;
        *tags = tags::merged(tags, &new)?;
        Ok(Nodes::new())
    }))
}

pub(super) fn remove(params: &Params) -> Read {
    let resource = Named::read(params)?;
    let keys = texts(params, "TagKeys", "member")?;
    if keys.is_empty() {
        return Err(Error::missing("TagKeys"));
    }
    Ok(act(move |here| {
        tags_of(here, &resource)?.retain(|key, _| !keys.contains(key));
        Ok(Nodes::new())
    }))
}

pub(super) fn list(params: &Params) -> Read {
    let resource = Named::read(params)?;
    Ok(act(move |here| Ok(tag_list(tags_of(here, &resource)?))))
}

impl Named {
    /// Reads what the tags are to be of.
    fn read(params: &Params) -> Result<Named, Error> {
        let arn = params.required("ResourceName")?;
        Named::of_arn(arn).ok_or_else(|| Error::invalid(format!("Invalid resource name: {arn}")))
    }
}

/// The tags of a database or a snapshot of the caller's, in the region that was called.
///
/// An automated snapshot is as good as any other: "ARNs in Amazon RDS" has those of automated ones, `snapshot:rds:…`, and
/// `AddTagsToResource` excepts none. That AWS takes them is unconfirmed.
fn tags_of<'a>(here: &'a mut Here<'_>, named: &Named) -> Result<&'a mut Tags, Error> {
    if named.place != *here.place {
        // unconfirmed: AWS does not document the code
        return Err(Error::invalid("The resource is not of this account and region."));
    }
    let region = here.region();
    let key = |kind| (kind, named.id.clone());
    match named.resource.as_str() {
        "db" => match region.databases.get_mut(&key(Instance)) {
            Some(database) => Ok(&mut database.tags),
            None => Err(words(Instance).no_database(&named.id)),
        },
        "cluster" => match region.databases.get_mut(&key(Cluster)) {
            Some(database) => Ok(&mut database.tags),
            None => Err(words(Cluster).no_database(&named.id)),
        },
        "snapshot" => match region.db_snapshots.get_mut(&key(Instance)) {
            Some(snapshot) => Ok(&mut snapshot.tags),
            None => Err(words(Instance).no_snapshot(&named.id)),
        },
        "cluster-snapshot" => match region.db_snapshots.get_mut(&key(Cluster)) {
            Some(snapshot) => Ok(&mut snapshot.tags),
            None => Err(words(Cluster).no_snapshot(&named.id)),
        },
        other => Err(Error::invalid(format!("Tags of a resource of the kind {other} are not modelled."))),
    }
}

#[cfg(test)]
mod tests {
    use crate::Simulator;
    use crate::testing::{ACCOUNT, Look as _, Reply, call_service, database, simulator};
    use std::time::Duration;

    const REGION: &str = "us-east-1";
    const ORDERS: &str = "arn:aws:rds:us-east-1:123456789012:db:orders";

    fn add(sim: &Simulator, arn: &str, key: &str, value: &str) -> Reply {
        let params = [("ResourceName", arn), ("Tags.Tag.1.Key", key), ("Tags.Tag.1.Value", value)];
        call_service(sim, "rds", REGION, "AddTagsToResource", &params)
    }

    #[tokio::test(start_paused = true)]
    async fn tags_are_added_listed_and_removed() {
        let sim = simulator();
        database(&sim, REGION, "orders", &[]);
        add(&sim, ORDERS, "Failsafe", "Yes").ok();
        add(&sim, ORDERS, "Team", "shop").ok();
        let list = || call_service(&sim, "rds", REGION, "ListTagsForResource", &[("ResourceName", ORDERS)]).ok();
        assert_eq!((list().texts("Key"), list().texts("Value")), (tags(["Failsafe", "Team"]), tags(["Yes", "shop"])));
        let keys = [("ResourceName", ORDERS), ("TagKeys.member.1", "Failsafe"), ("TagKeys.member.2", "None")];
        call_service(&sim, "rds", REGION, "RemoveTagsFromResource", &keys).ok();
        assert_eq!(list().texts("Key"), tags(["Team"]));
        let told = call_service(&sim, "rds", REGION, "DescribeDBInstances", &[]).ok();
        assert_eq!(told.texts("Key"), tags(["Team"]));
        let other = add(&sim, &ORDERS.replace("orders", "other"), "Failsafe", "Yes");
        assert_eq!((other.status, other.code().as_str()), (404, "DBInstanceNotFound"));
        assert_eq!(add(&sim, &ORDERS.replace("us-east-1", "eu-west-1"), "a", "b").code(), "InvalidParameterValue");
    }

    fn tags<const N: usize>(texts: [&str; N]) -> Vec<String> {
        texts.map(str::to_owned).to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn tags_are_held_to_what_rds_takes() {
        let sim = simulator();
        database(&sim, REGION, "orders", &[]);
        for (key, value, code) in [
            ("Größe", "1 / 2 = a@b_c-d+e:f.g", ""),
            ("Empty", "", ""),
            ("Source", "arn:aws:rds:us-east-1:123456789012:snapshot:rds:orders-2026-11-21-05-00", ""),
            ("Source", "rds:orders-2026-11-21-05-00", "InvalidParameterValue"),
            ("rds:x", "", "InvalidParameterValue"),
            ("aws:x", "", "InvalidParameterValue"),
            ("List", "a,b", "InvalidParameterValue"),
            ("", "x", "InvalidParameterValue"),
        ] {
            assert_eq!(add(&sim, ORDERS, key, value).code(), code, "{key}={value}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_automated_snapshot_is_tagged_like_any_other() {
        let sim = simulator();
        database(&sim, REGION, "orders", &[]);
        sim.skip(Duration::from_mins(5));
        let automated = || sim.db_snapshots(ACCOUNT, REGION).remove(0);
        let arn = automated().arn;
        assert!(automated().is_automated && arn.contains(":snapshot:rds:orders-"), "{arn}");
        add(&sim, &arn, "Sync-us-west-2", "20261121050500+0000 / arn:aws:rds:us-west-2:123456789012:snapshot:x").ok();
        let told = call_service(&sim, "rds", REGION, "ListTagsForResource", &[("ResourceName", &arn)]).ok();
        assert_eq!((told.texts("Key"), automated().tags.len()), (tags(["Sync-us-west-2"]), 1));
        let keys = [("ResourceName", arn.as_str()), ("TagKeys.member.1", "Sync-us-west-2")];
        call_service(&sim, "rds", REGION, "RemoveTagsFromResource", &keys).ok();
        assert!(automated().tags.is_empty());
    }
}
