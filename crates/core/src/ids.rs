//! One type per kind of id, so that a volume's id cannot be handed to what deletes snapshots.
//!
//! Ids of AWS are short enough to need no memory of their own: there may be half a million of them.

use std::{fmt, str::FromStr};

use serde::Serialize;
use smol_str::SmolStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The id as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<SmolStr>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// An EBS snapshot, `snap-0123456789abcdef0`.
    SnapshotId
);
id!(
    /// An EBS volume, `vol-0123456789abcdef0`.
    VolumeId
);
id!(
    /// An EC2 instance, `i-0123456789abcdef0`.
    InstanceId
);
id!(
    /// An Amazon machine image, `ami-0123456789abcdef0`.
    ImageId
);

/// An AWS region by its name, `us-east-1`. Well formed; whether AWS has such a region only AWS can tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Region(SmolStr);

impl Region {
    /// The name as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = NotARegion;

    /// Reads `us-east-1`, `us-gov-west-1`, …, without regard to case and surrounding space.
    fn from_str(text: &str) -> Result<Self, NotARegion> {
        let name = text.trim().to_ascii_lowercase();
        let words = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let well_formed = name.rsplit_once('-').is_some_and(|(place, number)| {
            (1..=2).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
                && place.split_once('-').is_some_and(|(partition, rest)| {
                    partition.len() >= 2 && words(partition) && rest.split('-').all(words)
                })
        });
        if well_formed { Ok(Self(name.into())) } else { Err(NotARegion(text.to_owned())) }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no region's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region's name, such as us-east-1")]
pub struct NotARegion(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_read_without_regard_to_case_and_space() {
        for (text, name) in [
            ("us-east-1", Some("us-east-1")),
            (" US-West-2 ", Some("us-west-2")),
            ("us-gov-west-1", Some("us-gov-west-1")),
            ("ap-southeast-12", Some("ap-southeast-12")),
            ("eusc-de-east-1", Some("eusc-de-east-1")),
            ("us-east", None),
            ("us-east-1a", None),
            ("us-1", None),
            ("useast1", None),
            ("us--1", None),
            ("us-east-", None),
            ("", None),
            ("us-east-1.evil.example", None),
        ] {
            assert_eq!(text.parse::<Region>().ok().as_ref().map(Region::as_str), name, "{text:?}");
        }
    }
}
