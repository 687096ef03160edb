//! Option groups, for the sake of one option: encryption by the engine.

use crate::action::{Read, act};
use crate::model::Here;
use crate::model::database::OptionGroup;
use crate::rds::listing::{Filters, Page};
use crate::rds::params::{LONGEST_SNAPSHOT, members, new_id, old_id, texts};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::collections::{BTreeMap, BTreeSet};

/// What the names of the groups begin with that are always there, and have no options.
const DEFAULT: &str = "default:";

/// The group that a database has if nobody says.
pub(super) fn default_group(engine: &str, version: &str) -> String {
    format!("{DEFAULT}{engine}-{}", version.split('.').next().unwrap_or_default())
}

/// Refuses a group that is not there.
pub(super) fn check_group(here: &mut Here<'_>, name: &str) -> Result<(), Error> {
    if name.starts_with(DEFAULT) || here.region().option_groups.contains_key(name) {
        return Ok(());
    }
    Err(not_found(name))
}

fn not_found(name: &str) -> Error {
    Error::new("OptionGroupNotFoundFault", format!("Specified OptionGroupName: {name} not found."))
}

pub(super) fn create(params: &Params) -> Read {
    let name = new_id(params, "OptionGroupName", LONGEST_SNAPSHOT)?;
    let engine = params.required("EngineName")?.to_owned();
    let major_version = params.required("MajorEngineVersion")?.to_owned();
    let description = params.required("OptionGroupDescription")?.to_owned();
    Ok(act(move |here| {
        let arn = format!("arn:aws:rds:{}:{}:og:{name}", here.place.region, here.place.account);
        let groups = &mut here.region().option_groups;
        if groups.contains_key(&name) {
            let message = format!("An option group named {name} already exists.");
            return Err(Error::new("OptionGroupAlreadyExistsFault", message));
        }
        let options = BTreeSet::new();
        let group = OptionGroup { name: name.clone(), arn, description, engine, major_version, options };
        let answer = Nodes::new().nest("OptionGroup", shape(&group));
        groups.insert(name, group);
        Ok(answer)
    }))
}

pub(super) fn modify(params: &Params) -> Read {
    let name = old_id(params, "OptionGroupName")?;
    // an option's settings are not modelled, and so not taken
    let included: Vec<String> = members(params, "OptionsToInclude", "OptionConfiguration")?
        .iter()
        .map(|member| params.required(&format!("{member}.OptionName")).map(str::to_owned))
        .collect::<Result<_, Error>>()?;
    let removed = texts(params, "OptionsToRemove", "member")?;
    // all is applied at once here
    params.flag("ApplyImmediately")?;
    Ok(act(move |here| {
        let group = here.region().option_groups.get_mut(&name).ok_or_else(|| not_found(&name))?;
        group.options.extend(included);
        group.options.retain(|option| !removed.contains(option));
        Ok(Nodes::new().nest("OptionGroup", shape(group)))
    }))
}

/// The groups that are always there are not listed, unlike AWS's: nothing can be told of them.
pub(super) fn describe(params: &Params) -> Read {
    let name = params.text("OptionGroupName").map(str::to_ascii_lowercase);
    let engine = params.text("EngineName").map(str::to_owned);
    let major_version = params.text("MajorEngineVersion").map(str::to_owned);
    // "This parameter isn't currently supported."
    Filters::read(params, &[])?;
    let page = Page::read(params)?;
    Ok(act(move |here| {
        let page_size = here.world.page_size;
        let is_shown = |group: &&OptionGroup| {
            name.as_ref().is_none_or(|name| *name == group.name)
                && engine.as_ref().is_none_or(|engine| *engine == group.engine)
                && major_version.as_ref().is_none_or(|version| *version == group.major_version)
        };
        let groups = here.region().option_groups.values().filter(is_shown);
        let found: BTreeMap<String, &OptionGroup> = groups.map(|group| (group.name.clone(), group)).collect();
        if let Some(name) = name.as_ref().filter(|name| found.is_empty() && !name.starts_with(DEFAULT)) {
            return Err(not_found(name));
        }
        let (groups, marker) = page.cut(page_size, found);
        let list = groups.into_iter().fold(Nodes::new(), |list, group| list.nest("OptionGroup", shape(group)));
        Ok(Nodes::new().nest("OptionGroupsList", list).maybe("Marker", marker))
    }))
}

fn shape(group: &OptionGroup) -> Nodes {
    let options = group.options.iter().fold(Nodes::new(), |list, option| {
        let told = Nodes::new().text("OptionName", option).text("Persistent", true).text("Permanent", false);
        list.nest("Option", told)
    });
    Nodes::new()
        .text("OptionGroupName", &group.name)
        .text("OptionGroupDescription", &group.description)
        .text("EngineName", &group.engine)
        .text("MajorEngineVersion", &group.major_version)
        .nest("Options", options)
        .text("OptionGroupArn", &group.arn)
}
