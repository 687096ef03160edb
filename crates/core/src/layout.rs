//! An instance's layout as the tags `Source_Devices`, `Source_Devices_2`, … tell it: what a restore needs.
//!
//! `/dev/xvda=vol-0a /dev/sdf=vol-0b /dev/sdg=vol-0c:excluded`: every attached volume by its device; `excluded` marks
//! one that the operator left out of the backup.

use crate::{
    ids::VolumeId,
    tags::{MAX_VALUE, SOURCE_DEVICES, Tags},
};

const EXCLUDED: &str = ":excluded";

/// One volume of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The device name, `/dev/xvda`.
    pub device: String,
    /// The volume attached there.
    pub volume: VolumeId,
    /// Left out of the backup by the operator.
    pub excluded: bool,
}

/// Writes the layout into as many tags as it takes.
pub fn write(layout: &[Place], tags: &mut Tags) {
    let mut values = vec![String::new()];
    for Place { device, volume, excluded } in layout {
        let word = format!("{device}={volume}{}", if *excluded { EXCLUDED } else { "" });
        let length = values.last().map_or(0, |value| value.chars().count());
        match values.last_mut() {
            Some(value) if length == 0 => value.push_str(&word),
            Some(value) if length + 1 + word.chars().count() <= MAX_VALUE => {
                value.push(' ');
                value.push_str(&word);
            }
            _ => values.push(word),
        }
    }
    for (index, value) in values.into_iter().enumerate() {
        tags.set(key(index), value);
    }
}

/// Reads the layout; `None` where there is none or a word of it cannot be read.
pub fn read(tags: &Tags) -> Option<Vec<Place>> {
    let places: Option<Vec<Place>> = (0..)
        .map_while(|index| tags.get(&key(index)))
        .flat_map(str::split_ascii_whitespace)
        .map(|word| {
            let (device, volume) = word.split_once('=')?;
            let (volume, excluded) = match volume.strip_suffix(EXCLUDED) {
                Some(volume) => (volume, true),
                None => (volume, false),
            };
            Some(Place { device: device.to_owned(), volume: volume.into(), excluded })
        })
        .collect();
    places.filter(|places| !places.is_empty())
}

/// Whether a tag is one of those that tell a layout.
pub fn is_key(tag: &str) -> bool {
    let number = |rest: &str| rest.strip_prefix('_').is_some_and(|it| it.parse::<usize>().is_ok_and(|it| it > 1));
    tag.strip_prefix(SOURCE_DEVICES).is_some_and(|rest| rest.is_empty() || number(rest))
}

fn key(index: usize) -> String {
    if index == 0 { SOURCE_DEVICES.to_owned() } else { format!("{SOURCE_DEVICES}_{}", index + 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::near::near;

    #[test]
    fn writing_and_reading_give_the_same_however_many_volumes() {
        for count in [1_usize, 2, 7, 8, 9, 40, 128] {
            let layout: Vec<Place> = (0..count)
                .map(|n| Place {
                    device: format!("/dev/sd{n:03}"),
                    volume: format!("vol-{n:017x}").into(),
                    excluded: n % 3 == 1,
                })
                .collect();
            let mut tags = Tags::default();
            write(&layout, &mut tags);
            assert!(tags.iter().all(|(_, value)| value.len() <= MAX_VALUE), "{count}");
            assert!(tags.iter().count() <= 24, "{count} volumes leave room for the other tags");
            assert_eq!(read(&tags), Some(layout), "{count}");
        }
    }

    #[test]
    fn a_layout_that_cannot_be_read_is_none() {
        for value in ["", "  ", "/dev/xvda", "/dev/xvda=vol-0a junk"] {
            assert_eq!(read(&[(SOURCE_DEVICES, value)].into_iter().collect()), None, "{value:?}");
        }
    }

    #[test]
    fn only_the_tags_that_are_written_tell_a_layout() {
        for (tag, expected) in [
            ("Source_Devices", true),
            ("Source_Devices_2", true),
            ("Source_Devices_24", true),
            ("Source_Devices_1", false),
            ("Source_Devices_0", false),
            ("Source_Devices_", false),
            ("Source_Devices_2_b", false),
            ("Source_Devices2", false),
            ("Source_Device", false),
            ("My_Source_Devices", false),
            ("", false),
        ] {
            assert_eq!(is_key(tag), expected, "{tag:?}");
        }
    }

    /// A word of a layout, without what parts words from each other.
    fn words(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
        near(texts).prop_map(|text| {
            text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').take(100).collect::<String>()
        })
    }

    proptest! {
        #[test]
        fn whatever_devices_are_called_they_are_read_as_written(
            places in prop::collection::vec(
                (words(&["/dev/xvda", "xvdf"]), words(&["vol-0123456789abcdef0", "vol-12345678"]), any::<bool>()),
                1..60,
            ),
        ) {
            let layout: Vec<Place> = places
                .into_iter()
                .map(|(device, volume, excluded)| Place { device, volume: volume.replace(':', "").into(), excluded })
                .collect();
            let mut tags = Tags::default();
            write(&layout, &mut tags);
            prop_assert!(tags.iter().all(|(_, value)| value.chars().count() <= MAX_VALUE));
            prop_assert_eq!(read(&tags), Some(layout));
        }

        #[test]
        fn what_can_be_read_at_all_reads_the_same_when_written_again(
            values in prop::collection::vec(
                near(&["/dev/xvda=vol-0a", "/dev/xvda=vol-0a /dev/sdf=vol-0b:excluded", "=", ""]),
                0..4,
            ),
        ) {
            let tags: Tags = values.into_iter().enumerate().map(|(index, value)| (key(index), value)).collect();
            if let Some(layout) = read(&tags) {
                let mut again = Tags::default();
                write(&layout, &mut again);
                prop_assert_eq!(read(&again), Some(layout));
            }
        }
    }
}
