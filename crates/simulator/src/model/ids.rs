//! Ids: what they look like, and where new ones come from.

use crate::wire::error::Error;

/// A kind of resource that has ids of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Instance,
    Volume,
    Snapshot,
    Image,
    LaunchTemplate,
}

impl Kind {
    /// What its ids begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Kind::Instance => "i",
            Kind::Volume => "vol",
            Kind::Snapshot => "snap",
            Kind::Image => "ami",
            Kind::LaunchTemplate => "lt",
        }
    }

    /// The kind of a well-formed id.
    pub(crate) fn of(id: &str) -> Option<Kind> {
        let all = [Kind::Instance, Kind::Volume, Kind::Snapshot, Kind::Image, Kind::LaunchTemplate];
        all.into_iter().find(|kind| kind.is_well_formed(id))
    }

    /// Reads an id of this kind: eight or seventeen hexadecimal digits.
    pub(crate) fn check(self, id: &str) -> Result<String, Error> {
        if self.is_well_formed(id) {
            return Ok(id.to_owned());
        }
        let code = match self {
            // what does not even begin like an id is another error there than one of the wrong length
            Kind::Volume | Kind::Snapshot if !id.starts_with(self.prefix()) => "InvalidParameterValue",
            Kind::Instance => "InvalidInstanceID.Malformed",
            Kind::Volume => "InvalidVolumeID.Malformed",
            Kind::Snapshot => "InvalidSnapshotID.Malformed",
            Kind::Image => "InvalidAMIID.Malformed",
            Kind::LaunchTemplate => "InvalidLaunchTemplateId.Malformed",
        };
        Err(Error::new(code, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", self.prefix())))
    }

    /// The error for an id that names nothing.
    pub(crate) fn not_found(self, id: &str) -> Error {
        match self {
            Kind::Instance => {
                Error::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
            }
            Kind::Volume => Error::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
            Kind::Snapshot => Error::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")),
            Kind::Image => Error::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")),
            Kind::LaunchTemplate => Error::new(
                "InvalidLaunchTemplateId.NotFound",
                format!("The specified launch template, with template ID {id}, does not exist."),
            ),
        }
    }

    fn is_well_formed(self, id: &str) -> bool {
        id.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix('-')).is_some_and(|digits| {
            matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// Where new ids come from: a counter, mixed with the seed. The same seed and the same calls give the same ids.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    count: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Ids {
        Ids { seed, count: 0 }
    }

    /// A new id of this kind, such as `snap-0123456789abcdef0`.
    pub(crate) fn fresh(&mut self, kind: Kind) -> String {
        self.with_prefix(kind.prefix())
    }

    /// A new id with this prefix.
    pub(crate) fn with_prefix(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.next())
    }

    /// A new id in the form of a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        uuid(self.next())
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        mix(mix(self.seed) ^ self.count)
    }
}

/// A number in the form of a UUID.
pub(crate) fn uuid(number: u64) -> String {
    let hex = format!("{number:016x}{:016x}", mix(number));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A number for a text, the same in every build: FNV-1a, mixed.
pub(crate) fn hash(text: &str) -> u64 {
    let folded = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mix(folded)
}

/// A number that looks like chance, the same for the same number everywhere: the finalizer of splitmix64. It is a
/// bijection, so different counts never give the same id.
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_seed_others() {
        let ids = |seed| {
            let mut ids = Ids::new(seed);
            [ids.fresh(Kind::Snapshot), ids.fresh(Kind::Snapshot)]
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        assert_eq!(Kind::of(&ids(1)[0]), Some(Kind::Snapshot));
    }

    #[test]
    fn ids_have_eight_or_seventeen_lower_case_digits() {
        for good in ["i-12345678", "i-0123456789abcdef0"] {
            assert_eq!(Kind::Instance.check(good), Ok(good.to_owned()));
        }
        for bad in ["", "i-", "i-1234567", "i-123456789", "i-1234567G", "I-12345678", "vol-12345678"] {
            assert_eq!(Kind::Instance.check(bad).unwrap_err().code, "InvalidInstanceID.Malformed", "{bad}");
        }
    }
}
