//! What somebody does in the account, by chance.

use super::Maker;
use crate::script::{Act, FAR, HOME, Pick, WEST};

/// What operators write, most often the first ones. The last ones cannot be read.
const RETENTIONS: [&str; 14] =
    ["1d", "2d", "2", "1d 1w", "3d", "2d 1w 1m", "7d", "1w", " 2D,1W ", "1d 2w 1y", "2x", "0", "soon", "-1d"];
const BACKUPS: [&str; 8] = ["Yes", "Yes", "yes", " YES ", "No", "no", "Yse", ""];
const DESTINATIONS: [&str; 8] = [
    WEST,
    WEST,
    "us-west-2 eu-west-1",
    "us-west-2,eu-west-1",
    FAR,
    "us-east-1",
    "us-west-2 somewhere",
    "us-west-2 us-west-2",
];
pub(super) const DAYS: [&str; 6] = ["2026-11-24", "2026-11-20", "2030-01-01", "2026-11-2", "2026-13-01", "tomorrow"];
/// What somebody may spoil on our snapshots.
const OWN_TAGS: [&str; 8] = [
    "Source_Devices",
    "Source_VolumeId",
    "Source_SnapshotId",
    "Source_Region",
    "Source_InstanceId",
    "Backup_Run",
    "Copy_Dest",
    "Type",
];
const SPOILED: [&str; 4] = ["", "?", "us-west-2", "/dev/xvda="];

impl Maker {
    pub(super) fn launch(&mut self, region: &str, plain: bool) -> Act {
        let data = self.one_of(&[0, 0, 1, 1, 2]);
        let mut tags = if plain { self.plain_tags() } else { Vec::new() };
        let mut tag = |key: &str, value: &str| tags.push((key.to_owned(), value.to_owned()));
        if plain {
            tag("Copy_Dest", WEST);
        } else {
            if !self.chance(8) {
                let value = if self.chance(75) { "Yes" } else { self.one_of(&BACKUPS) };
                tag("Backup", value);
            }
            if self.chance(85) {
                tag("Retention", self.retention());
            }
            if self.chance(50) {
                let value = self.one_of(&DESTINATIONS);
                tag("Copy_Dest", value);
            }
            if self.chance(30) {
                tag("Name", "web (1) - <&>");
            }
        }
        Act::Launch { region: region.to_owned(), data, tags }
    }

    /// The tags of an instance that is enrolled for certain.
    pub(super) fn plain_tags(&mut self) -> Vec<(String, String)> {
        let retention = self.one_of(&["1d", "2d", "1d 1w"]);
        [("Backup", "Yes"), ("Retention", retention)].map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
    }

    fn retention(&mut self) -> &'static str {
        // a few per cent cannot be read
        let readable = RETENTIONS.len() - 4;
        if self.chance(6) { RETENTIONS[readable + self.rng.usize(..4)] } else { RETENTIONS[self.rng.usize(..readable)] }
    }

    pub(super) fn act(&mut self) -> Act {
        let region = if self.chance(75) { HOME } else { WEST }.to_owned();
        let nth = self.rng.usize(..64);
        let instance = Pick::Instance(region.clone(), nth);
        let volume = Pick::Volume(region.clone(), nth);
        let snapshot = Pick::Snapshot(region.clone(), nth);
        let automated = Pick::Automated(region.clone(), nth);
        let text = str::to_owned;
        match self.rng.u32(..100) {
            0..8 => self.launch(&region, false),
            8..16 => Act::Tag(instance, text("Retention"), text(self.retention())),
            16..22 => Act::Tag(instance, text("Backup"), text(self.one_of(&BACKUPS))),
            22..24 => Act::Untag(instance, text("Backup")),
            24..27 => Act::Untag(instance, text("Retention")),
            27..32 => Act::Tag(instance, text("Copy_Dest"), text(self.one_of(&DESTINATIONS))),
            32..36 => Act::Tag(volume, text("Backup"), text(self.one_of(&BACKUPS))),
            36..42 => Act::Terminate(instance),
            42..47 => Act::Detach(instance),
            47..53 => Act::Attach(instance),
            53..66 => Act::Tag(automated, text("KeepForever"), text(self.one_of(&["", "yes", "no", "false"]))),
            66..69 => Act::Untag(automated, text("KeepForever")),
            69..73 => Act::Snapshot(volume, self.tags_by_hand()),
            73..79 => Act::Delete(snapshot),
            79..84 => Act::Lock(automated, self.rng.u16(1..9)),
            84..89 => Act::Image(automated),
            89..91 => Act::Deregister(region),
            91..95 => Act::Tag(automated, text("DeleteOn"), text(self.one_of(&DAYS))),
            95..97 => self.spoil(automated),
            97..98 => Act::Untag(automated, text("DeleteOn")),
            _ => Act::DateAll(region, text(self.one_of(&DAYS[..2]))),
        }
    }

    /// Somebody spoils one of our tags, or takes it away.
    pub(super) fn spoil(&mut self, snapshot: Pick) -> Act {
        let key = self.one_of(&OWN_TAGS).to_owned();
        if self.chance(25) {
            Act::Untag(snapshot, key)
        } else {
            Act::Tag(snapshot, key, self.one_of(&SPOILED).to_owned())
        }
    }

    fn tags_by_hand(&mut self) -> Vec<(String, String)> {
        let mut tags = Vec::new();
        if self.chance(50) {
            // somebody else's tool has a tag of that name as well
            tags.push(("DeleteOn".to_owned(), DAYS[0].to_owned()));
        }
        if self.chance(20) {
            tags.push(("Type".to_owned(), "Automated".to_owned()));
        }
        tags
    }
}
