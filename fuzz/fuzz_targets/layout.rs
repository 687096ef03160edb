//! An instance's layout: read from any tags, and written for any devices.

#![no_main]

use libfuzzer_sys::fuzz_target;
use snapkeeper_core::{
    layout::{self, Place},
    tags::{SOURCE_DEVICES, Tags},
};

fuzz_target!(|said: (Vec<(String, String, bool)>, Vec<String>)| {
    let (devices, values) = said;
    // what parts words from each other is in no device's name
    let word = |text: String| text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect::<String>();
    let written: Vec<Place> = devices
        .into_iter()
        .map(|(device, volume, excluded)| Place {
            device: word(device),
            volume: word(volume).replace(':', "").into(),
            excluded,
        })
        .collect();
    again(written);

    let key = |index: usize| match index {
        0 => SOURCE_DEVICES.to_owned(),
        more => format!("{SOURCE_DEVICES}_{}", more + 1),
    };
    let tags: Tags = values.into_iter().enumerate().map(|(index, value)| (key(index), value)).collect();
    if let Some(read) = layout::read(&tags) {
        again(read);
    }
});

/// What is written is what is read.
fn again(places: Vec<Place>) {
    let mut tags = Tags::default();
    layout::write(&places, &mut tags);
    assert_eq!(layout::read(&tags), Some(places).filter(|places| !places.is_empty()));
}
