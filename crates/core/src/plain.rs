//! What others wrote, fit for one line of a log, a mail or a terminal.
//!
//! Whoever may tag a snapshot, name a device or make AWS say something may write line breaks that begin a line of their
//! own, codes that move a terminal's cursor, or marks that turn the reading direction around. [`plain`] stands where such
//! text leaves for people: in what a report tells, and in a digest.

/// The longest text that is told, in characters. Longer than any sentence of ours, short enough that a few hundred of
/// them fit where a report goes. AWS's encoded explanation of a refusal fits as well.
const MAX: usize = 4_000;

/// The text in one line: what is not printable written as Rust writes it (`\n`, `\u{1b}`), what is too long cut. What is
/// plain already stays as it is.
pub fn plain(text: &str) -> String {
    if text.len() <= MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut told = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escaped: String = match character {
            // escaped in Rust, but harmless
            '\'' | '"' | '\\' => character.to_string(),
            other => other.escape_debug().collect(),
        };
        length += escaped.chars().count();
        if length > MAX {
            return cut(&told);
        }
        told.push_str(&escaped);
    }
    told
}

/// The text with a sign at its end that there was more, still no longer than [`MAX`].
fn cut(text: &str) -> String {
    text.chars().take(MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::near::near;

    #[test]
    fn what_is_not_printable_is_escaped() {
        for (text, expected) in [
            ("", ""),
            ("tag Retention is \"2weeks\": it's C:\\x", "tag Retention is \"2weeks\": it's C:\\x"),
            ("Größe 日本 → … 😀", "Größe 日本 → … 😀"),
            ("i-1\n- i-2: all is well", "i-1\\n- i-2: all is well"),
            ("a\r\tb\0", "a\\r\\tb\\0"),
            ("\u{1b}[2J\u{9b}31m\u{7f}", "\\u{1b}[2J\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt\u{2066}\u{200f}\u{61c}", "\\u{202e}txt\\u{2066}\\u{200f}\\u{61c}"),
            ("\u{2028}\u{85}\u{feff}\u{ad}", "\\u{2028}\\u{85}\\u{feff}\\u{ad}"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(plain(&"x".repeat(MAX)), "x".repeat(MAX));
        assert_eq!(plain(&"x".repeat(MAX + 1)), format!("{}…", "x".repeat(MAX - 1)));
        assert_eq!(plain(&"ü".repeat(MAX + 1)), format!("{}…", "ü".repeat(MAX - 1)));
        assert_eq!(plain(&"\n".repeat(MAX)).chars().count(), MAX);
    }

    proptest! {
        #[test]
        fn whatever_is_told_is_one_printable_line_and_stays_the_same(
            text in near(&["no good backup", "/dev/xvda=vol-0a", "UnauthorizedOperation: no"]),
        ) {
            let told = plain(&text);
            prop_assert!(told.chars().count() <= MAX);
            // what is printable, Rust does not escape either
            let is_printable = |c: char| matches!(c, '\'' | '"' | '\\') || c.escape_debug().eq([c]);
            prop_assert!(told.chars().all(is_printable), "{told:?}");
            prop_assert_eq!(plain(&told), told);
        }
    }
}
