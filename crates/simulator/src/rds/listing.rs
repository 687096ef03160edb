//! What a describe of RDS lists: filters and pages.

use crate::ec2::page::{last_id, token};
use crate::rds::params::{members, texts};
use crate::wire::error::Error;
use crate::wire::request::Params;
use std::collections::BTreeMap;

/// Source: API model, `MaxRecords`.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 20..=100;
/// How many results a page has if nobody says. Source: the same.
const DEFAULT_PAGE: usize = 100;

/// The page that a request asks for.
pub(super) struct Page {
    most: usize,
    /// Under what the last result of the page before is listed.
    after: Option<String>,
    fingerprint: u64,
}

impl Page {
    pub(super) fn read(params: &Params) -> Result<Page, Error> {
        let most = params.parsed::<usize>("MaxRecords")?.unwrap_or(DEFAULT_PAGE);
        if !PAGE_SIZES.contains(&most) {
            return Err(Error::invalid(format!("Invalid value {most} for MaxRecords. Must be between 20 and 100")));
        }
        let fingerprint = params.fingerprint();
        let marker = params.text("Marker");
        // unconfirmed: AWS does not document the code
        let invalid = || Error::invalid("Invalid value for Marker.");
        let after = marker.map(|marker| last_id(marker, fingerprint).ok_or_else(invalid)).transpose()?;
        Ok(Page { most, after, fingerprint })
    }

    /// Cuts this page, of this size at most, out of everything, by what it is listed under; and the marker for the next,
    /// if any.
    pub(super) fn cut<T>(&self, page_size: usize, all: BTreeMap<String, T>) -> (Vec<T>, Option<String>) {
        let most = self.most.min(page_size.max(1));
        let mut rest = all.into_iter().filter(|(id, _)| self.after.as_ref().is_none_or(|after| id > after));
        let page: Vec<(String, T)> = rest.by_ref().take(most).collect();
        let more = rest.next().is_some();
        let marker = page.last().filter(|_| more).map(|(last, _)| token(self.fingerprint, last));
        (page.into_iter().map(|(_, one)| one).collect(), marker)
    }
}

/// The filters of a request: all must pass.
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads the filters, which must be of these names.
    pub(super) fn read(params: &Params, known: &[&str]) -> Result<Filters, Error> {
        let mut filters = Vec::new();
        for member in members(params, "Filters", "Filter")? {
            let name = params.required(&format!("{member}.Name"))?;
            if !known.contains(&name) {
                return Err(Error::invalid(format!("Unrecognized filter name: {name}")));
            }
            filters.push((name.to_owned(), texts(params, &format!("{member}.Values"), "Value")?));
        }
        Ok(Filters(filters))
    }

    /// Whether something passes that has, under the name of a filter, these values.
    pub(super) fn pass(&self, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, wanted)| values(name).iter().any(|value| wanted.contains(value)))
    }
}
