//! What all describes have in common: ids, filters, pages.

use crate::ec2::filter::{self, Field, Filter};
use crate::ec2::page::{PAGE_SIZES, Page};
use crate::model::ids::Kind;
use crate::model::tags::Tags;
use crate::wire::error::Error;
use crate::wire::request::Params;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Something that can be listed.
pub(super) trait Resource: Sized + 'static {
    /// What its ids are like.
    const KIND: Kind;
    /// Its filters, but for those on tags. One that is not here is an error.
    const FIELDS: &'static [Field<Self>];
    /// Whether it can be filtered by tags.
    const HAS_TAGS: bool = true;
    /// How many results a caller may ask for at once.
    const PAGE_SIZES: RangeInclusive<usize> = PAGE_SIZES;

    fn id(&self) -> &str;
    fn tags(&self) -> &Tags;
}

/// What a describe asks for.
pub(super) struct Listing<T> {
    ids: BTreeSet<String>,
    filters: Vec<Filter<T>>,
    page: Page,
}

impl<T: Resource> Listing<T> {
    pub(super) fn read(params: &Params) -> Result<Listing<T>, Error> {
        let name = match T::KIND {
            Kind::Instance => "InstanceId",
            Kind::Volume => "VolumeId",
            Kind::Snapshot => "SnapshotId",
            Kind::Image => "ImageId",
            Kind::LaunchTemplate => "LaunchTemplateId",
        };
        let ids = params.list(name).into_iter().map(|id| T::KIND.check(id)).collect::<Result<_, _>>()?;
        Ok(Listing { ids, filters: filter::read(params)?, page: Page::read(params, &T::PAGE_SIZES)? })
    }

    /// Whether it asks for certain ids. An empty list of ids means all.
    pub(super) fn has_ids(&self) -> bool {
        !self.ids.is_empty()
    }

    pub(super) fn has_page_size(&self) -> bool {
        self.page.is_limited()
    }

    /// What was asked for: one page of this size at most, and the token for the next. An id that is not among all is
    /// an error.
    pub(super) fn pick<'a>(
        &self,
        page_size: usize,
        all: impl IntoIterator<Item = &'a T>,
        is_shown: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&'a T>, Option<String>), Error> {
        let mut all: Vec<&T> = all.into_iter().collect();
        all.sort_by(|one, other| one.id().cmp(other.id()));
        let find = |id: &String| all.binary_search_by(|one| one.id().cmp(id.as_str()));
        if let Some(missing) = self.ids.iter().find(|id| find(id).is_err()) {
            return Err(T::KIND.not_found(missing));
        }
        all.retain(|one| {
            (self.ids.is_empty() || self.ids.contains(one.id()))
                && is_shown(one)
                && self.filters.iter().all(|filter| filter.admits(one))
        });
        Ok(self.page.cut(page_size, all, T::id))
    }
}
