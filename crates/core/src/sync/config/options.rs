//! The options of a mapping, and all that is wrong with them.

use std::{fmt, num::NonZeroU16};

use super::tree::Tree;
use crate::plain::plain;

const NUMBER_EXPECTED: &str = "a whole number from 1 to 65535";

/// What is wrong.
pub(super) struct Errors<'a> {
    pub(super) origin: &'a str,
    pub(super) told: Vec<String>,
}

impl Errors<'_> {
    /// Something is wrong with the value at a path of keys.
    pub(super) fn wrong(&mut self, path: &str, what: impl fmt::Display) {
        self.tell(format!("{path}: {what}"));
    }

    /// Something is wrong with the whole.
    pub(super) fn tell(&mut self, what: String) {
        self.told.push(plain(&format!("{}: {what}", self.origin)));
    }

    /// Names the key only: what it holds is nobody's business.
    pub(super) fn refuse_secret(&mut self, path: &str) {
        self.wrong(path, "access keys do not belong into a file, expected `profile` or `role_arn` in their place");
    }
}

/// Whether a key is one of those that hold access keys.
pub(super) fn is_secret(key: &str) -> bool {
    let key: String = key.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    ["accesskey", "secret", "sessiontoken", "securitytoken", "password", "credential"].iter().any(|it| key.contains(it))
}

/// The options of a mapping, each of which is taken once.
pub(super) struct Options<'t> {
    pub(super) path: String,
    entries: Vec<(&'t str, &'t Tree)>,
}

impl<'t> Options<'t> {
    /// Those of the mapping at `path`; `None` if it is none.
    pub(super) fn of(path: &str, tree: &'t Tree, errors: &mut Errors<'_>) -> Option<Self> {
        let Tree::Mapping(mapping) = tree else {
            errors.wrong(path, format!("{}, expected a mapping of options", tree.kind()));
            return None;
        };
        let mut entries: Vec<(&str, &Tree)> = Vec::new();
        for (key, value) in mapping {
            if entries.iter().any(|(other, _)| *other == key.as_str()) {
                errors.wrong(&format!("{path}.{key}"), "stands twice, expected once");
            } else {
                entries.push((key.as_str(), value));
            }
        }
        Some(Self { path: path.to_owned(), entries })
    }

    /// Takes an option out.
    pub(super) fn take(&mut self, key: &str) -> Option<&'t Tree> {
        let at = self.entries.iter().position(|(other, _)| *other == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The path of one of them.
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Tells of the options that are left: nobody knows them. `known` are all there are, but those `of_others`.
    pub(super) fn done(self, known: &[&str], of_others: &[&str], errors: &mut Errors<'_>) {
        for (key, _) in &self.entries {
            let path = self.at(key);
            if is_secret(key) {
                errors.refuse_secret(&path);
                continue;
            }
            let expected = match nearest(key, known) {
                _ if of_others.contains(key) => "it is one of the other sync_type".to_owned(),
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("expected one of {}", known.join(", ")),
            };
            errors.wrong(&path, format!("unknown option, {expected}"));
        }
    }

    /// A text.
    pub(super) fn text<T>(
        &mut self,
        key: &str,
        expected: &str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let tree = self.take(key)?;
        read_text(&self.at(key), tree, expected, errors, read)
    }

    /// A text that is told in no error.
    pub(super) fn secret<T>(
        &mut self,
        key: &str,
        expected: &str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let tree = self.take(key)?;
        let value = match tree {
            Tree::Text(text) => read(text.trim()),
            Tree::Number(_) | Tree::Nothing | Tree::Flag(_) | Tree::List(_) | Tree::Mapping(_) => None,
        };
        if value.is_none() {
            errors.wrong(&self.at(key), format!("not understood, expected {expected}"));
        }
        value
    }

    /// A text, or a number that is one.
    pub(super) fn word<T>(
        &mut self,
        key: &str,
        expected: &str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let tree = self.take(key)?;
        let tree = if let Tree::Number(number) = tree { Tree::Text(number.clone()) } else { tree.clone() };
        read_text(&self.at(key), &tree, expected, errors, read)
    }

    /// A text that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        expected: &str,
        errors: &mut Errors<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            errors.wrong(&self.at(key), format!("missing, expected {expected}"));
        }
        self.text(key, expected, errors, read)
    }

    /// Whether it is there, and not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(other, _)| *other == key)
    }

    /// `true` or `false`; `false` where it is not there.
    pub(super) fn flag(&mut self, key: &str, errors: &mut Errors<'_>) -> bool {
        match self.take(key) {
            None => false,
            Some(Tree::Flag(flag)) => *flag,
            Some(other) => {
                errors.wrong(&self.at(key), format!("{}, expected true or false", told(other)));
                false
            }
        }
    }

    /// A number above 0.
    pub(super) fn number(&mut self, key: &str, errors: &mut Errors<'_>) -> Option<NonZeroU16> {
        let tree = self.take(key)?;
        let number = match tree {
            Tree::Number(number) => number.parse().ok(),
            Tree::Nothing | Tree::Flag(_) | Tree::Text(_) | Tree::List(_) | Tree::Mapping(_) => None,
        };
        if number.is_none() {
            errors.wrong(&self.at(key), format!("{}, expected {NUMBER_EXPECTED}", told(tree)));
        }
        number
    }
}

/// Reads a text that is not empty.
pub(super) fn read_text<T>(
    path: &str,
    tree: &Tree,
    expected: &str,
    errors: &mut Errors<'_>,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let value = match tree {
        Tree::Text(text) if !text.trim().is_empty() => read(text.trim()),
        Tree::Nothing | Tree::Flag(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) | Tree::Mapping(_) => None,
    };
    if value.is_none() {
        errors.wrong(path, format!("{}, expected {expected}", told(tree)));
    }
    value
}

/// A value that is not as expected, for messages.
pub(super) fn told(tree: &Tree) -> String {
    match tree {
        Tree::Text(text) if text.trim().is_empty() => "empty".to_owned(),
        Tree::Text(text) => format!("`{text}`"),
        Tree::Number(number) => format!("`{number}`"),
        Tree::Flag(flag) => format!("`{flag}`"),
        Tree::Nothing | Tree::List(_) | Tree::Mapping(_) => tree.kind().to_owned(),
    }
}

/// The known word that was meant, if one is near enough.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // nobody mistypes that much
    let typed = word.to_ascii_lowercase().replace('-', "_");
    if typed.chars().count() > 50 {
        return None;
    }
    let (distance, meant) = known.iter().map(|it| (strsim::osa_distance(&typed, it), *it)).min()?;
    (distance <= 3 && distance < meant.len() / 2).then_some(meant)
}
