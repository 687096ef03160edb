//! What goes wrong, by chance.

use super::Maker;
use crate::script::{FAR, Fault, HOME, Pick, Step, Trouble, WEST, When};

const CODES: [&str; 3] = ["IncorrectState", "InvalidParameterValue", "SnapshotLimitExceeded"];

impl Maker {
    /// Something that goes on until the calm, often for longer than backups are kept.
    pub(super) fn besiege(&mut self) {
        let region = HOME.to_owned();
        let volume = Pick::Volume(region.clone(), self.rng.usize(..8));
        let trouble = match self.rng.u32(..12) {
            0..3 => Trouble::Fails(volume, self.rng.u32(2..9)),
            3 => Trouble::Refused(volume, self.one_of(&CODES).to_owned()),
            4 => Trouble::KeyOff(self.one_of(&[WEST, WEST, FAR, HOME]).to_owned()),
            5 => Trouble::SlowCopies(200),
            6 => Trouble::SlowSnapshots(self.one_of(&[30, 200])),
            7 => Trouble::Denied(self.anything(region)),
            8 => Trouble::ClockRefused,
            _ => Trouble::Calls {
                action: Some(
                    self.one_of(&["DeleteSnapshot", "CreateSnapshots", "CopySnapshot", "CopySnapshot"]).to_owned(),
                ),
                region: None,
                kind: self.one_of(&[
                    Fault::Denied,
                    Fault::CutAfter,
                    Fault::CutAfter,
                    Fault::Internal,
                    Fault::Throttled,
                ]),
                when: When::OneIn(self.rng.u32(2..5)),
            },
        };
        self.steps.push(Step::Trouble(trouble));
    }

    pub(super) fn trouble(&mut self) -> Trouble {
        let region = if self.chance(60) { HOME } else { WEST }.to_owned();
        let volume = Pick::Volume(region.clone(), self.rng.usize(..64));
        match self.rng.u32(..100) {
            0..63 => self.fault(region),
            63..67 => Trouble::Denied(self.anything(region)),
            67..70 => Trouble::ClockRefused,
            70..82 => Trouble::Fails(volume, self.rng.u32(1..4)),
            82..87 => Trouble::Refused(volume, self.one_of(&CODES).to_owned()),
            87..91 => Trouble::KeyOff(self.one_of(&[WEST, WEST, FAR, HOME]).to_owned()),
            91..95 => Trouble::SlowCopies(self.one_of(&[2, 30, 200])),
            _ => Trouble::SlowSnapshots(self.one_of(&[2, 30, 50])),
        }
    }

    /// Whatever a call of the jobs may name.
    fn anything(&mut self, region: String) -> Pick {
        let nth = self.rng.usize(..64);
        match self.rng.u32(..4) {
            0 => Pick::Instance(region, nth),
            1 => Pick::Volume(region, nth),
            _ => Pick::Automated(region, nth),
        }
    }

    fn fault(&mut self, region: String) -> Trouble {
        const KINDS: [Fault; 15] = [
            Fault::Throttled,
            Fault::Internal,
            Fault::Unavailable,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::CutAfter,
            Fault::InternalAfter,
            Fault::Late(3),
            Fault::Late(40),
            Fault::Slow(40),
            Fault::Stale(20),
            Fault::Stale(400),
            Fault::Stale(4_000),
            Fault::Denied,
            Fault::Expired,
        ];
        const ACTIONS: [&str; 11] = [
            "DescribeInstances",
            "DescribeVolumes",
            "DescribeSnapshots",
            "DescribeSnapshots",
            "DescribeImages",
            "CreateSnapshot",
            "CreateSnapshots",
            "CopySnapshot",
            "DeleteSnapshot",
            "CreateTags",
            "Publish",
        ];
        let kind = self.one_of(&KINDS);
        let of_readings = matches!(kind, Fault::Stale(_) | Fault::Expired);
        let actions = if of_readings { &ACTIONS[..5] } else { &ACTIONS[..] };
        let action = self.chance(65).then(|| self.one_of(actions).to_owned());
        let when = match self.rng.u32(..10) {
            0..4 => When::After(self.rng.u32(..12)),
            4..9 => When::OneIn(self.rng.u32(2..9)),
            _ => When::From(self.rng.u32(..12)),
        };
        Trouble::Calls { action, region: self.chance(40).then_some(region), kind, when }
    }
}
