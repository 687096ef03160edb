//! EC2: one function an action.

mod asks;
mod copy;
mod copy_image;
mod deregister;
mod devices;
mod filter;
mod images;
mod instances;
mod key_rights;
mod launch;
mod launch_templates;
mod listing;
mod locks;
pub(crate) mod page;
mod power;
mod regions;
mod snapshots;
mod tags;
mod volumes;

use crate::action::Read;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

pub(crate) use asks::asks;

pub(crate) fn read(action: &str, params: &Params) -> Read {
    match action {
        "RunInstances" => launch::run(params),
        "DescribeInstances" => instances::describe(params),
        "StartInstances" => power::start(params),
        "StopInstances" => power::stop(params),
        "TerminateInstances" => power::terminate(params),
        "CreateVolume" => volumes::create(params),
        "DescribeVolumes" => volumes::describe(params),
        "AttachVolume" => volumes::attach(params),
        "DetachVolume" => volumes::detach(params),
        "DeleteVolume" => volumes::delete(params),
        "CreateSnapshot" => snapshots::create(params),
        "CreateSnapshots" => snapshots::create_set(params),
        "DescribeSnapshots" => snapshots::describe(params),
        "DeleteSnapshot" => snapshots::delete(params),
        "CopySnapshot" => copy::copy(params),
        "LockSnapshot" => locks::lock(params),
        "UnlockSnapshot" => locks::unlock(params),
        "DescribeLockedSnapshots" => locks::describe(params),
        "CreateImage" => images::create(params),
        "RegisterImage" => images::register(params),
        "DescribeImages" => images::describe(params),
        "DisableImage" => images::disable(params),
        "DeregisterImage" => deregister::deregister(params),
        "CopyImage" => copy_image::copy(params),
        "CreateLaunchTemplate" => launch_templates::create(params),
        "CreateLaunchTemplateVersion" => launch_templates::create_version(params),
        "DescribeLaunchTemplates" => launch_templates::describe(params),
        "DescribeLaunchTemplateVersions" => launch_templates::describe_versions(params),
        "DeleteLaunchTemplate" => launch_templates::delete(params),
        "CreateTags" => tags::create(params),
        "DeleteTags" => tags::delete(params),
        "DescribeRegions" => regions::describe(params),
        other => Err(Error::unknown_action(other)),
    }
}

/// `<return>true</return>`: what EC2 answers where there is nothing to say.
fn done() -> Nodes {
    Nodes::new().text("return", true)
}
