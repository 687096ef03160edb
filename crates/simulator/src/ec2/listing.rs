//! What all describes have in common: ids, filters, pages.

use crate::ec2::filter::{self, Field, Filter};
use crate::ec2::page::{PAGE_SIZES, Page};
use crate::model::ids::Kind;
use crate::model::tags::Tags;
use crate::wire::error::Error;
use crate::wire::request::Params;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::{Bound, RangeInclusive};

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

    /// The ids that it asks for.
    pub(super) fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    /// The values of the filter of this name, if there is one, and if there are no wildcards in them.
    pub(super) fn exactly(&self, filter: &str) -> Option<&BTreeSet<String>> {
        self.filters.iter().find_map(|one| one.exactly(filter))
    }

    /// What was asked for: one page of this size at most, and the token for the next. An id that is not among all is
    /// an error.
    pub(super) fn pick<'a>(
        &self,
        page_size: usize,
        all: All<'a, T>,
        is_shown: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&'a T>, Option<String>), Error> {
        if let Some(missing) = self.ids.iter().find(|id| !all.has(id)) {
            return Err(T::KIND.not_found(missing));
        }
        let all = if self.has_ids() { all.only(&self.ids) } else { all };
        let is_meant = |one: &&'a T| {
            (self.ids.is_empty() || self.ids.contains(one.id()))
                && is_shown(one)
                && self.filters.iter().all(|filter| filter.admits(one))
        };
        Ok(self.page.cut(page_size, all.in_order(self.page.after()).filter(is_meant), T::id))
    }
}

/// All that a describe picks from. What is not needed for its page is not even looked at.
pub(super) struct All<'a, T> {
    /// By id.
    many: Option<&'a BTreeMap<String, T>>,
    /// By id: the only ones of the many that can be meant, where that is known.
    only: Option<BTreeMap<&'a str, &'a T>>,
    /// Others, whose ids are none of those.
    few: Vec<&'a T>,
}

impl<'a, T: Resource> All<'a, T> {
    /// What is kept by id.
    pub(super) fn of(many: &'a BTreeMap<String, T>) -> All<'a, T> {
        All { many: Some(many), only: None, few: Vec::new() }
    }

    /// What is not kept by id, and not much.
    pub(super) fn few(few: &'a [T]) -> All<'a, T> {
        All { many: None, only: None, few: few.iter().collect() }
    }

    /// These besides.
    pub(super) fn and(mut self, few: &'a [T]) -> All<'a, T> {
        self.few.extend(few);
        self
    }

    /// Of what is kept by id only these, as far as they are there.
    pub(super) fn only(self, ids: impl IntoIterator<Item: AsRef<str>>) -> All<'a, T> {
        let Some(many) = self.many else { return self };
        let found = ids.into_iter().filter_map(|id| many.get(id.as_ref())).map(|one| (one.id(), one));
        All { only: Some(found.collect()), ..self }
    }

    fn has(&self, id: &str) -> bool {
        self.many.is_some_and(|many| many.contains_key(id)) || self.few.iter().any(|one| one.id() == id)
    }

    /// What comes after an id, or all, in the order of the ids.
    fn in_order(self, after: Option<&str>) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let mut few = self.few;
        few.sort_by(|one, other| one.id().cmp(other.id()));
        let many: Box<dyn Iterator<Item = &'a T> + 'a> = match (self.only, self.many) {
            (Some(only), _) => Box::new(only.into_values()),
            (None, Some(many)) => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                Box::new(many.range::<str, _>((start, Bound::<&str>::Unbounded)).map(|(_, one)| one))
            }
            (None, None) => Box::new(iter::empty()),
        };
        let (mut many, mut few) = (many.peekable(), few.into_iter().peekable());
        iter::from_fn(move || {
            let is_of_few = match (many.peek(), few.peek()) {
                (Some(one), Some(other)) => other.id() < one.id(),
                (None, _) => true,
                (Some(_), None) => false,
            };
            if is_of_few { few.next() } else { many.next() }
        })
    }
}
