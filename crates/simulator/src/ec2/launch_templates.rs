//! Launch templates: made, listed, deleted, as far as they name images.

use crate::action::{Read, act};
use crate::ec2::filter::Field;
use crate::ec2::listing::{All, Listing, Resource};
use crate::ec2::tags;
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::launch_template::{DEFAULT_VERSION, LaunchTemplate, LaunchTemplateVersion};
use crate::model::tags::{Tags, tag_set};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::response::instant;
use crate::wire::xml::Nodes;
use std::ops::RangeInclusive;

/// Source: the API model, as for the names below.
const PAGE_SIZES: RangeInclusive<usize> = 1..=200;
const NAME_LENGTH: RangeInclusive<usize> = 3..=128;

impl Resource for LaunchTemplate {
    const KIND: Kind = Kind::LaunchTemplate;
    const FIELDS: &'static [Field<LaunchTemplate>] = &[
        ("create-time", |template, passes| passes(&instant(template.created_at))),
        ("launch-template-name", |template, passes| passes(&template.name)),
    ];
    const PAGE_SIZES: RangeInclusive<usize> = PAGE_SIZES;

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// A version as it is listed.
struct Listed {
    /// The template's id and the version's number: what versions are in order of.
    id: String,
    template: String,
    name: String,
    version: LaunchTemplateVersion,
    /// Always empty: versions have none.
    tags: Tags,
}

impl Resource for Listed {
    const KIND: Kind = Kind::LaunchTemplate;
    const FIELDS: &'static [Field<Listed>] = &[
        ("create-time", |listed, passes| passes(&instant(listed.version.created_at))),
        ("image-id", |listed, passes| listed.version.image_id.as_deref().is_some_and(passes)),
        ("instance-type", |listed, passes| listed.version.instance_type.as_deref().is_some_and(passes)),
        ("is-default-version", |listed, passes| passes(&(listed.version.number == DEFAULT_VERSION).to_string())),
    ];
    const HAS_TAGS: bool = false;
    const PAGE_SIZES: RangeInclusive<usize> = PAGE_SIZES;

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// What a caller wants of a version.
struct Wish {
    description: Option<String>,
    image_id: Option<String>,
    instance_type: Option<String>,
}

impl Wish {
    fn read(params: &Params) -> Result<Wish, Error> {
        let text = |name: &str| params.text(name).map(str::to_owned);
        let wish = Wish {
            description: text("VersionDescription"),
            // what it names need not be there
            image_id: text("LaunchTemplateData.ImageId"),
            instance_type: text("LaunchTemplateData.InstanceType"),
        };
        if wish.image_id.is_none() && wish.instance_type.is_none() {
            return Err(Error::missing("LaunchTemplateData"));
        }
        Ok(wish)
    }

    fn version(self, number: usize, here: &Here<'_>) -> LaunchTemplateVersion {
        LaunchTemplateVersion {
            number,
            description: self.description,
            created_at: here.now,
            image_id: self.image_id,
            instance_type: self.instance_type,
        }
    }
}

/// The one template that a call is about.
enum Named {
    ById(String),
    ByName(String),
}

impl Named {
    fn read(params: &Params) -> Result<Option<Named>, Error> {
        match (params.text("LaunchTemplateId"), params.text("LaunchTemplateName")) {
            // unconfirmed: AWS does not document the code
            (Some(_), Some(_)) => Err(Error::new(
                "InvalidParameterCombination",
                "Either the launch template ID or the launch template name may be specified, but not both.",
            )),
            (Some(id), None) => Ok(Some(Named::ById(Kind::LaunchTemplate.check(id)?))),
            (None, Some(name)) => Ok(Some(Named::ByName(name.to_owned()))),
            (None, None) => Ok(None),
        }
    }

    fn required(params: &Params) -> Result<Named, Error> {
        Named::read(params)?.ok_or_else(|| Error::missing("LaunchTemplateId or LaunchTemplateName"))
    }

    fn find<'a>(&self, here: &'a mut Here<'_>) -> Result<&'a mut LaunchTemplate, Error> {
        match self {
            Named::ById(id) => here.region().launch_template(id),
            Named::ByName(name) => {
                let mut all = here.region().launch_templates.values_mut();
                all.find(|template| template.name == *name).ok_or_else(|| unknown_name(name))
            }
        }
    }
}

/// Which versions of a template are meant.
enum Chosen {
    Latest,
    Default,
    Number(usize),
}

impl Chosen {
    fn read(text: &str) -> Result<Chosen, Error> {
        match text {
            "$Latest" => Ok(Chosen::Latest),
            "$Default" => Ok(Chosen::Default),
            number => {
                let invalid = || Error::invalid_value("LaunchTemplateVersion", number);
                number.parse().map(Chosen::Number).map_err(|_| invalid())
            }
        }
    }

    fn number(&self, template: &LaunchTemplate) -> usize {
        match self {
            Chosen::Latest => template.latest(),
            Chosen::Default => DEFAULT_VERSION,
            Chosen::Number(number) => *number,
        }
    }
}

pub(super) fn create(params: &Params) -> Read {
    let name = params.required("LaunchTemplateName")?.to_owned();
    let is_known = |one: char| one.is_ascii_alphanumeric() || "().-/_".contains(one);
    if !NAME_LENGTH.contains(&name.len()) || !name.chars().all(is_known) {
        let message = format!("The launch template name {name} is not valid.");
        return Err(Error::new("InvalidLaunchTemplateName.MalformedException", message));
    }
    let wish = Wish::read(params)?;
    let tags = tags::specified(params, Kind::LaunchTemplate)?;
    let token = params.text("ClientToken").map(|token| ("CreateLaunchTemplate", token.to_owned()));
    Ok(act(move |here| {
        if let Some(id) = known(here, token.as_ref()) {
            return Ok(answer(here.region().launch_template(&id)?));
        }
        if here.region().launch_templates.values().any(|template| template.name == name) {
            let message = format!("Launch template name {name} is already in use.");
            return Err(Error::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
        }
        let id = here.world.ids.fresh(Kind::LaunchTemplate);
        let versions = vec![wish.version(DEFAULT_VERSION, here)];
        let template = LaunchTemplate { id: id.clone(), name, created_at: here.now, versions, tags };
        let told = answer(&template);
        remember(here, token, &id);
        here.region().launch_templates.insert(id, template);
        Ok(told)
    }))
}

pub(super) fn create_version(params: &Params) -> Read {
    let named = Named::required(params)?;
    let wish = Wish::read(params)?;
    let token = params.text("ClientToken").map(|token| ("CreateLaunchTemplateVersion", token.to_owned()));
    Ok(act(move |here| {
        if let Some(number) = known(here, token.as_ref()).and_then(|number| number.parse().ok()) {
            let template = named.find(here)?;
            let version = template.version(number)?;
            return Ok(Nodes::new().nest("launchTemplateVersion", shape_version(template, version)));
        }
        let number = named.find(here)?.latest() + 1;
        let version = wish.version(number, here);
        remember(here, token, &number.to_string());
        let template = named.find(here)?;
        template.versions.push(version.clone());
        Ok(Nodes::new().nest("launchTemplateVersion", shape_version(template, &version)))
    }))
}

pub(super) fn describe(params: &Params) -> Read {
    let listing = Listing::<LaunchTemplate>::read(params)?;
    let names: Vec<String> = params.list("LaunchTemplateName").into_iter().map(str::to_owned).collect();
    Ok(act(move |here| {
        let page_size = here.world.page_size;
        let all = &here.region().launch_templates;
        if let Some(unknown) = names.iter().find(|name| !all.values().any(|template| template.name == **name)) {
            return Err(unknown_name(unknown));
        }
        let is_shown = |template: &LaunchTemplate| names.is_empty() || names.contains(&template.name);
        let (templates, next) = listing.pick(page_size, All::of(all), is_shown)?;
        Ok(Nodes::new().items("launchTemplates", templates.into_iter().map(shape)).maybe("nextToken", next))
    }))
}

/// Lists versions: of one template those that are chosen, or all; of all templates only the latest and the default ones.
pub(super) fn describe_versions(params: &Params) -> Read {
    let named = Named::read(params)?;
    let chosen: Vec<Chosen> =
        params.list("LaunchTemplateVersion").into_iter().map(Chosen::read).collect::<Result<_, _>>()?;
    let resolves = params.flag("ResolveAlias")?.unwrap_or_default();
    let listing = Listing::<Listed>::read(params)?;
    if named.is_none() && chosen.is_empty() {
        // unconfirmed, as is the next: AWS does not document the codes
        return Err(Error::missing("LaunchTemplateId, LaunchTemplateName or Versions"));
    }
    if named.is_none() && chosen.iter().any(|one| matches!(one, Chosen::Number(_))) {
        return Err(Error::invalid("Without a launch template, versions can only be $Latest and $Default."));
    }
    Ok(act(move |here| {
        let page_size = here.world.page_size;
        let templates: Vec<LaunchTemplate> = match &named {
            Some(named) => vec![named.find(here)?.clone()],
            None => here.region().launch_templates.values().cloned().collect(),
        };
        let mut all: Vec<Listed> = Vec::new();
        for template in &templates {
            for version in versions(template, &chosen)? {
                all.push(listed(template, version));
            }
        }
        if resolves {
            for listed in &mut all {
                resolve(here, &mut listed.version)?;
            }
        }
        let (page, next) = listing.pick(page_size, All::few(&all), |_| true)?;
        let shapes = page.into_iter().map(shape_listed);
        Ok(Nodes::new().items("launchTemplateVersionSet", shapes).maybe("nextToken", next))
    }))
}

pub(super) fn delete(params: &Params) -> Read {
    let named = Named::required(params)?;
    Ok(act(move |here| {
        let template = named.find(here)?.clone();
        here.region().launch_templates.remove(&template.id);
        Ok(answer(&template))
    }))
}

/// What an earlier call with this client token made.
fn known(here: &mut Here<'_>, token: Option<&(&'static str, String)>) -> Option<String> {
    here.region().client_tokens.get(token?)?.first().cloned()
}

fn remember(here: &mut Here<'_>, token: Option<(&'static str, String)>, made: &str) {
    if let Some(token) = token {
        here.region().client_tokens.insert(token, vec![made.to_owned()]);
    }
}

fn unknown_name(name: &str) -> Error {
    let message = format!("The specified launch template, with template name {name}, does not exist.");
    Error::new("InvalidLaunchTemplateName.NotFoundException", message)
}

/// The versions of a template that are chosen, each once; all of them, if none is.
fn versions<'a>(template: &'a LaunchTemplate, chosen: &[Chosen]) -> Result<Vec<&'a LaunchTemplateVersion>, Error> {
    if chosen.is_empty() {
        return Ok(template.versions.iter().collect());
    }
    let mut numbers: Vec<usize> = chosen.iter().map(|one| one.number(template)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().map(|number| template.version(number)).collect()
}

fn listed(template: &LaunchTemplate, version: &LaunchTemplateVersion) -> Listed {
    Listed {
        id: format!("{}/{:010}", template.id, version.number),
        template: template.id.clone(),
        name: template.name.clone(),
        version: version.clone(),
        tags: Tags::new(),
    }
}

/// Puts the image that a parameter names in the parameter's place.
fn resolve(here: &mut Here<'_>, version: &mut LaunchTemplateVersion) -> Result<(), Error> {
    let Some(name) = version.parameter() else { return Ok(()) };
    let Some(parameter) = here.region().parameters.get(name) else {
        // unconfirmed: AWS does not document the code
        return Err(Error::invalid(format!("The parameter {name} could not be resolved.")));
    };
    version.image_id = Some(parameter.value.clone());
    Ok(())
}

fn answer(template: &LaunchTemplate) -> Nodes {
    Nodes::new().nest("launchTemplate", shape(template))
}

fn shape(template: &LaunchTemplate) -> Nodes {
    Nodes::new()
        .text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("createTime", instant(template.created_at))
        .text("defaultVersionNumber", DEFAULT_VERSION)
        .text("latestVersionNumber", template.latest())
        .and(tag_set(&template.tags))
}

fn shape_version(template: &LaunchTemplate, version: &LaunchTemplateVersion) -> Nodes {
    shape_listed(&listed(template, version))
}

fn shape_listed(listed: &Listed) -> Nodes {
    let version = &listed.version;
    let data =
        Nodes::new().maybe("imageId", version.image_id.as_ref()).maybe("instanceType", version.instance_type.as_ref());
    Nodes::new()
        .text("launchTemplateId", &listed.template)
        .text("launchTemplateName", &listed.name)
        .text("versionNumber", version.number)
        .maybe("versionDescription", version.description.as_ref())
        .text("createTime", instant(version.created_at))
        .text("defaultVersion", version.number == DEFAULT_VERSION)
        .nest("launchTemplateData", data)
}

#[cfg(test)]
#[path = "launch_templates_tests.rs"]
mod tests;
