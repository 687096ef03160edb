//! Filters: values within one are alternatives, and all filters must admit a resource.

use crate::ec2::listing::Resource;
use crate::wire::error::Error;
use crate::wire::request::Params;
use std::collections::BTreeSet;

/// A filter by name, and what it looks at.
pub(super) type Field<T> = (&'static str, Look<T>);

/// Whether one of the values that a filter looks at passes a test. Nothing is copied for it: a page may look at hundreds
/// of thousands.
pub(super) type Look<T> = fn(&T, &dyn Fn(&str) -> bool) -> bool;

const MOST_FILTERS: usize = 50;
const MOST_VALUES: usize = 200;

/// One filter.
pub(super) struct Filter<T> {
    name: String,
    test: Test<T>,
    patterns: Patterns,
}

/// The values of a filter.
struct Patterns {
    /// Those in which every character stands for itself.
    exact: BTreeSet<String>,
    /// Those with wildcards in them.
    wild: Vec<Vec<char>>,
}

enum Test<T> {
    Tag(String),
    TagKey,
    /// A tag of whatever key. Older editions of the API reference have it, and it is told to work still: unconfirmed.
    TagValue,
    Field(Look<T>),
}

/// Reads all filters of a request. Which names there are is said in one place, [`Resource::FIELDS`].
pub(super) fn read<T: Resource>(params: &Params) -> Result<Vec<Filter<T>>, Error> {
    let members = params.members("Filter");
    if members.len() > MOST_FILTERS {
        return Err(too_many());
    }
    members.iter().map(|member| read_one(params, member)).collect()
}

fn read_one<T: Resource>(params: &Params, member: &str) -> Result<Filter<T>, Error> {
    let name = params.required(&format!("{member}.Name"))?;
    let patterns = params.list(&format!("{member}.Value"));
    if patterns.is_empty() {
        return Err(Error::invalid(format!("The filter '{name}' has no value")));
    }
    if patterns.len() > MOST_VALUES {
        return Err(too_many());
    }
    let field = T::FIELDS.iter().find(|(field, _)| *field == name);
    let test = match (field, name.strip_prefix("tag:")) {
        (Some((_, look)), _) => Test::Field(*look),
        (None, Some(key)) if T::HAS_TAGS => Test::Tag(key.to_owned()),
        (None, None) if T::HAS_TAGS && name == "tag-key" => Test::TagKey,
        (None, None) if T::HAS_TAGS && name == "tag-value" => Test::TagValue,
        (None, _) => return Err(Error::invalid(format!("The filter '{name}' is invalid"))),
    };
    Ok(Filter { name: name.to_owned(), test, patterns: Patterns::new(&patterns) })
}

fn too_many() -> Error {
    Error::new(
        "FilterLimitExceeded",
        format!("A request takes at most {MOST_FILTERS} filters with {MOST_VALUES} values each."),
    )
}

impl<T: Resource> Filter<T> {
    /// Whether this filter lets a resource through.
    pub(super) fn admits(&self, resource: &T) -> bool {
        match &self.test {
            Test::Tag(key) => resource.tags().get(key).is_some_and(|value| self.patterns.cover(value)),
            Test::TagKey => resource.tags().keys().any(|key| self.patterns.cover(key)),
            Test::TagValue => resource.tags().values().any(|value| self.patterns.cover(value)),
            Test::Field(look) => look(resource, &|value: &str| self.patterns.cover(value)),
        }
    }

    /// Its values, if it has this name and there are no wildcards in them.
    pub(super) fn exactly(&self, name: &str) -> Option<&BTreeSet<String>> {
        (self.name == name && self.patterns.wild.is_empty()).then_some(&self.patterns.exact)
    }
}

impl Patterns {
    fn new(patterns: &[&str]) -> Patterns {
        let (wild, exact): (Vec<&str>, Vec<&str>) =
            patterns.iter().copied().partition(|pattern| pattern.contains(['*', '?', '\\']));
        Patterns {
            exact: exact.into_iter().map(str::to_owned).collect(),
            wild: wild.into_iter().map(|pattern| pattern.chars().collect()).collect(),
        }
    }

    /// Whether one of them covers a value.
    fn cover(&self, value: &str) -> bool {
        if self.exact.contains(value) {
            return true;
        }
        if self.wild.is_empty() {
            return false;
        }
        let value: Vec<char> = value.chars().collect();
        self.wild.iter().any(|pattern| is_match(pattern, &value))
    }
}

/// Whether a pattern covers a whole text: `*` is any characters, `?` is one, `\` takes the next one as it is.
fn is_match(pattern: &[char], text: &[char]) -> bool {
    // where to go on when what follows the last star does not fit: the star, and the text that it does not yet cover
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            Some('\\') if pattern.get(p + 1) == Some(&text[t]) => {
                (p, t) = (p + 2, t + 1);
                continue;
            }
            Some(literal) if *literal != '\\' && *literal == text[t] => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            Some(_) | None => {}
        }
        let Some((at, covered)) = star else { return false };
        star = Some((at, covered + 1));
        (p, t) = (at + 1, covered + 1);
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Look as _, call, simulator};

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(is_match(&chars(pattern), &chars(text)), expected, "{pattern} on {text}");
    }

    #[test]
    fn patterns() {
        check("Yes", "Yes", true);
        check("Yes", "yes", false);
        check("Yes", "Yes!", false);
        check("Y?s", "Yes", true);
        check("Y?s", "Ys", false);
        check("*", "", true);
        check("*a*b", "xaxbxab", true);
        check("*a*b", "xaxbx", false);
        check("2026-11-*", "2026-11-21T05:00:00.000Z", true);
        check("\\*", "*", true);
        check("\\*", "x", false);
        check("\\?\\\\", "?\\", true);
    }

    #[tokio::test(start_paused = true)]
    async fn values_are_alternatives_and_filters_add_up() {
        let sim = simulator();
        for (name, backup) in [("a", "Yes"), ("b", "Yes"), ("c", "No")] {
            call(
                &sim,
                "us-east-1",
                "CreateVolume",
                &[
                    ("AvailabilityZone", "us-east-1a"),
                    ("Size", "8"),
                    ("TagSpecification.1.ResourceType", "volume"),
                    ("TagSpecification.1.Tag.1.Key", "Name"),
                    ("TagSpecification.1.Tag.1.Value", name),
                    ("TagSpecification.1.Tag.2.Key", "Backup"),
                    ("TagSpecification.1.Tag.2.Value", backup),
                ],
            )
            .ok();
        }
        let count =
            |params: &[(&str, &str)]| call(&sim, "us-east-1", "DescribeVolumes", params).ok().texts("volumeId").len();
        assert_eq!(count(&[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "a"), ("Filter.1.Value.2", "c")]), 2);
        assert_eq!(
            count(&[
                ("Filter.1.Name", "tag:Name"),
                ("Filter.1.Value.1", "a"),
                ("Filter.1.Value.2", "c"),
                ("Filter.2.Name", "tag:Backup"),
                ("Filter.2.Value.1", "Y*"),
            ]),
            1
        );
        assert_eq!(count(&[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "Backup")]), 3);
        assert_eq!(count(&[("Filter.1.Name", "tag-value"), ("Filter.1.Value.1", "Yes")]), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_filter_takes_two_hundred_values() {
        let sim = simulator();
        let ask = |values: usize| {
            let mut params = vec![("Filter.1.Name".to_owned(), "volume-id".to_owned())];
            params.extend((1..=values).map(|n| (format!("Filter.1.Value.{n}"), format!("vol-{n:08x}"))));
            let params: Vec<(&str, &str)> =
                params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            call(&sim, "us-east-1", "DescribeSnapshots", &params)
        };
        assert_eq!(ask(200).status, 200);
        assert_eq!(ask(201).code(), "FilterLimitExceeded");
    }
}
