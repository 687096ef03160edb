//! `DescribeRegions`.

use crate::action::{Read, act};
use crate::model::REGIONS;
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

pub(super) fn describe(params: &Params) -> Read {
    // all regions are opted in here, so it makes no difference
    params.flag("AllRegions")?;
    let names: Vec<String> = params.list("RegionName").into_iter().map(str::to_owned).collect();
    if let Some(unknown) = names.iter().find(|name| !REGIONS.contains(&name.as_str())) {
        return Err(Error::invalid(format!("Invalid region name: {unknown}")));
    }
    Ok(act(move |_| {
        let listed = REGIONS.iter().filter(|region| names.is_empty() || names.iter().any(|name| name == *region));
        Ok(Nodes::new().items(
            "regionInfo",
            listed.map(|region| {
                Nodes::new()
                    .text("regionName", region)
                    .text("regionEndpoint", format!("ec2.{region}.amazonaws.com"))
                    .text("optInStatus", "opt-in-not-required")
            }),
        ))
    }))
}
