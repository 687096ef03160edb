//! Texts that are nearly right, as people type, paste and mistype them: for the property tests of what reads texts.

use proptest::{
    prelude::*,
    sample::{Index, select},
};

/// What gets into a text: other separators and spaces, marks that cannot be seen, digits, signs, letters whose case
/// folds oddly, and what XML or a terminal does not take.
const STRAYS: &[&str] = &[
    " ", ",", "\t", "\n", "\u{a0}", "\u{3000}", "\u{200b}", "\u{200f}", "\u{202e}", "\u{feff}", "\u{301}", "+", "-",
    "0", "9", ":", "=", ".", "/", "\0", "\u{1b}", "İ", "ſ", "\u{212a}", "😀", "\u{ffff}",
];

/// One of these texts, with up to three slips in it; now and then any text at all.
pub(crate) fn near(texts: &'static [&'static str]) -> BoxedStrategy<String> {
    let with_slips = (select(texts), prop::collection::vec(slips(), 0..4))
        .prop_map(|(text, slips)| slips.iter().fold(text.to_owned(), |text, slip| slip.in_text(&text)));
    let any_text = prop::collection::vec(any::<char>(), 0..40).prop_map(|chars| chars.into_iter().collect::<String>());
    prop_oneof![8 => with_slips, 1 => any_text, 1 => "\\PC*"].boxed()
}

/// What can happen to a text.
#[derive(Clone, Debug)]
enum Slip {
    /// Its end is lost.
    Ends(Index),
    /// Its beginning is lost.
    Begins(Index),
    Doubled,
    Upper,
    Lower,
    /// In full-width letters and digits, as an input method for Chinese or Japanese writes them.
    Wide,
    Stray(Index, &'static str),
    /// The key of its last character got stuck.
    Stuck(usize),
}

fn slips() -> impl Strategy<Value = Slip> {
    prop_oneof![
        any::<Index>().prop_map(Slip::Ends),
        any::<Index>().prop_map(Slip::Begins),
        Just(Slip::Doubled),
        Just(Slip::Upper),
        Just(Slip::Lower),
        Just(Slip::Wide),
        (any::<Index>(), select(STRAYS)).prop_map(|(at, stray)| Slip::Stray(at, stray)),
        (1..300_usize).prop_map(Slip::Stuck),
    ]
}

impl Slip {
    fn in_text(&self, text: &str) -> String {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let place = |index: &Index| places[index.index(places.len())];
        match self {
            Slip::Ends(at) => text[..place(at)].to_owned(),
            Slip::Begins(at) => text[place(at)..].to_owned(),
            Slip::Doubled => format!("{text}{text}"),
            Slip::Upper => text.to_uppercase(),
            Slip::Lower => text.to_lowercase(),
            Slip::Wide => text.chars().map(wide).collect(),
            Slip::Stray(at, stray) => format!("{}{stray}{}", &text[..place(at)], &text[place(at)..]),
            Slip::Stuck(times) => match text.chars().next_back() {
                Some(last) => text.chars().chain(std::iter::repeat_n(last, *times)).collect(),
                None => String::new(),
            },
        }
    }
}

/// The full-width form of a character of ASCII (Unicode, "Halfwidth and Fullwidth Forms").
fn wide(c: char) -> char {
    if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c) } else { c }
}
