//! Texts with wildcards.

use super::PolicyError;

/// How many parts an ARN has: `arn`, partition, service, region, account, and the resource.
const PARTS: usize = 6;

/// A text in which wildcards may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Just(char),
    /// Any one character: `?`.
    One,
    /// Any characters, or none: `*`.
    Any,
}

/// An ARN in which wildcards may stand. None of them reaches from one of its parts into another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArnPattern {
    /// `*` by itself.
    Everything,
    /// Part by part.
    Parts(Vec<Glob>),
}

impl Glob {
    /// Reads a text in which `*` and `?` are wildcards.
    pub(super) fn read(text: &str) -> Result<Glob, PolicyError> {
        tokens(text, |character| match character {
            '*' => Token::Any,
            '?' => Token::One,
            other => Token::Just(other),
        })
    }

    /// Reads a text in which nothing is a wildcard.
    pub(super) fn exact(text: &str) -> Result<Glob, PolicyError> {
        tokens(text, Token::Just)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        fits(&self.0, &text)
    }
}

impl ArnPattern {
    pub(super) fn read(text: &str) -> Result<ArnPattern, PolicyError> {
        if text == "*" {
            return Ok(ArnPattern::Everything);
        }
        // for its variables, which may have colons in them
        Glob::read(text)?;
        let parts: Vec<&str> = text.splitn(PARTS, ':').collect();
        if parts.len() != PARTS || parts.first() != Some(&"arn") {
            return Err(PolicyError::Malformed(format!("{text} is no ARN")));
        }
        Ok(ArnPattern::Parts(parts.into_iter().map(Glob::read).collect::<Result<_, _>>()?))
    }

    pub(super) fn matches(&self, arn: &str) -> bool {
        match self {
            ArnPattern::Everything => true,
            ArnPattern::Parts(patterns) => {
                let parts: Vec<&str> = arn.splitn(PARTS, ':').collect();
                parts.len() == patterns.len() && patterns.iter().zip(parts).all(|(pattern, part)| pattern.matches(part))
            }
        }
    }
}

/// Reads a text, its characters as they are told. `${*}`, `${?}` and `${$}` are the characters in them: "IAM policy
/// elements: Variables and tags".
fn tokens(text: &str, read: impl Fn(char) -> Token) -> Result<Glob, PolicyError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(variable) = rest.strip_prefix("${") {
            let (character, after) = match variable.split_once('}') {
                Some(("*", after)) => ('*', after),
                Some(("?", after)) => ('?', after),
                Some(("$", after)) => ('$', after),
                Some(_) | None => return Err(PolicyError::Variable(text.to_owned())),
            };
            tokens.push(Token::Just(character));
            rest = after;
        } else {
            tokens.push(read(character));
            rest = &rest[character.len_utf8()..];
        }
    }
    Ok(Glob(tokens))
}

fn fits(tokens: &[Token], text: &[char]) -> bool {
    match (tokens.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((Token::Any, more)), rest) => fits(more, text) || rest.is_some_and(|(_, shorter)| fits(tokens, shorter)),
        (Some((Token::One, more)), Some((_, shorter))) => fits(more, shorter),
        (Some((Token::Just(wanted), more)), Some((found, shorter))) => wanted == found && fits(more, shorter),
        (Some((Token::One | Token::Just(_), _)), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(Glob::read(pattern).unwrap().matches(text), expected, "{pattern} {text}");
    }

    #[test]
    fn an_asterisk_is_any_text_and_a_question_mark_any_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a:b/c", true),
            ("?*", "", false),
            ("?*", "ü", true),
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("A", "a", false),
        ] {
            check(pattern, text, expected);
        }
    }

    #[test]
    fn a_wildcard_in_braces_is_a_character() {
        for (pattern, text, expected) in [
            ("snapshot/${*}", "snapshot/*", true),
            ("snapshot/${*}", "snapshot/snap-1", false),
            ("${?}${$}", "?$", true),
            ("${?}", "a", false),
            ("$5", "$5", true),
        ] {
            check(pattern, text, expected);
        }
        assert!(!Glob::exact("a*").unwrap().matches("ab") && Glob::exact("a*").unwrap().matches("a*"));
    }

    #[test]
    fn a_variable_is_an_error() {
        for text in ["${AWS::Region}", "a${", "${aws:username}", "${}", "${*"] {
            assert_eq!(Glob::exact(text), Err(PolicyError::Variable(text.to_owned())));
        }
    }

    #[test]
    fn a_wildcard_does_not_leave_its_part_of_an_arn() {
        let arn = "arn:aws:ec2:us-east-1::snapshot/snap-1";
        for (pattern, expected) in [
            ("*", true),
            (arn, true),
            ("arn:aws:ec2:*:*:snapshot/*", true),
            ("arn:aws:ec2:*::snapshot/snap-*", true),
            ("arn:*:*:*:*:*", true),
            ("arn:aws:ec2:*:?*:snapshot/*", false),
            ("arn:aws:ec2:us-west-2:*:snapshot/*", false),
            ("arn:aws:ec2:*:*:volume/*", false),
        ] {
            assert_eq!(ArnPattern::read(pattern).unwrap().matches(arn), expected, "{pattern}");
        }
        assert!(!ArnPattern::read("arn:aws:*:*:*:*").unwrap().matches("*"), "of no resource");
        for bad in ["", "**", "arn:aws:ec2:*", "aws:ec2:us-east-1:1:a:b", "*:*:*:*:*:*"] {
            assert!(matches!(ArnPattern::read(bad), Err(PolicyError::Malformed(_))), "{bad}");
        }
    }
}
