//! RDS: one function an action. What it has twice, for DB instances and for clusters, is one function here.

mod account;
mod asks;
mod copy;
mod databases;
mod describe;
mod key_rights;
mod listing;
mod option_groups;
mod params;
mod share;
mod snapshots;
mod tags;
mod words;

use crate::action::Read;
use crate::model::database::DatabaseKind::{Cluster, Instance};
use crate::wire::error::Error;
use crate::wire::request::Params;

pub(crate) use asks::asks;

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "CreateDBInstance" => databases::create(Instance, params),
        "CreateDBCluster" => databases::create(Cluster, params),
        "DeleteDBInstance" => databases::delete(Instance, params),
        "DeleteDBCluster" => databases::delete(Cluster, params),
        "DescribeDBInstances" => databases::describe(Instance, params),
        "DescribeDBClusters" => databases::describe(Cluster, params),
        "CreateDBSnapshot" => snapshots::create(Instance, params),
        "CreateDBClusterSnapshot" => snapshots::create(Cluster, params),
        "DeleteDBSnapshot" => snapshots::delete(Instance, params),
        "DeleteDBClusterSnapshot" => snapshots::delete(Cluster, params),
        "DescribeDBSnapshots" => describe::describe(Instance, params),
        "DescribeDBClusterSnapshots" => describe::describe(Cluster, params),
        "CopyDBSnapshot" => copy::copy(Instance, params),
        "CopyDBClusterSnapshot" => copy::copy(Cluster, params),
        "ModifyDBSnapshotAttribute" => share::modify(Instance, params),
        "ModifyDBClusterSnapshotAttribute" => share::modify(Cluster, params),
        "DescribeDBSnapshotAttributes" => share::describe(Instance, params),
        "DescribeDBClusterSnapshotAttributes" => share::describe(Cluster, params),
        "AddTagsToResource" => tags::add(params),
        "RemoveTagsFromResource" => tags::remove(params),
        "ListTagsForResource" => tags::list(params),
        "CreateOptionGroup" => option_groups::create(params),
        "ModifyOptionGroup" => option_groups::modify(params),
        "DescribeOptionGroups" => option_groups::describe(params),
        "DescribeAccountAttributes" => Ok(account::describe()),
        other => Err(Error::unknown_action(other)),
    }
}
