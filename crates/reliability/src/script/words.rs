//! A script in words.

use super::{Act, Fault, Job, Kill, Pick, Run, Script, Step, Trouble, When};
use std::fmt;

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = &self.setting;
        writeln!(
            f,
            "Pages of {}, answers after {} ms, {} copies at once, clock {:+} h, copies {}, default retention {}, RPO {} h, \
             brake at {} %, days of {}.",
            setting.page_size,
            setting.latency_ms,
            setting.copies_at_once,
            setting.skew_hours,
            if setting.with_key { "with a key" } else { "without a key" },
            setting.default_retention,
            setting.rpo_hours,
            setting.max_delete_percent,
            setting.time_zone
        )?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{number:4}  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Until(at) => write!(f, "until {}", at.format("%Y-%m-%d %H:%M")),
            Step::Act(act) => write!(f, "operator: {act}"),
            Step::Trouble(trouble) => write!(f, "trouble: {trouble}"),
            Step::Calm => f.write_str("all troubles end"),
            Step::Run(run) => run.fmt(f),
            Step::Healed => f.write_str("everything must be as promised"),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} for {}", self.job, self.region, self.at.format("%Y-%m-%d %H:%M"))?;
        if self.twice {
            f.write_str(", twice at once")?;
        }
        if let Some(Kill { call, after }) = self.killed {
            write!(f, ", killed {} call {call}", if after { "after" } else { "before" })?;
        }
        if let Some(deadline) = self.deadline {
            write!(f, ", cut off after {} s", deadline.as_secs())?;
        }
        self.meanwhile.iter().try_for_each(|(call, act)| write!(f, "; before call {call}: {act}"))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Job::Creator => "creator",
            Job::Copier => "copier",
            Job::Manager => "manager",
            Job::Watcher => "watcher",
        })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Launch { region, data, tags } => {
                write!(f, "launches an instance with {data} data volumes in {region}")?;
                tags.iter().try_for_each(|(key, value)| write!(f, " {key}={value:?}"))
            }
            Act::Tag(what, key, value) => write!(f, "tags {what} {key}={value:?}"),
            Act::Untag(what, key) => write!(f, "takes the tag {key} from {what}"),
            Act::Terminate(what) => write!(f, "terminates {what}"),
            Act::Detach(what) => write!(f, "detaches the last data volume of {what}"),
            Act::Attach(what) => write!(f, "attaches a new volume to {what}"),
            Act::Snapshot(what, tags) => {
                write!(f, "takes a snapshot of {what} by hand")?;
                tags.iter().try_for_each(|(key, value)| write!(f, " {key}={value:?}"))
            }
            Act::Delete(what) => write!(f, "deletes {what}"),
            Act::Lock(what, days) => write!(f, "locks {what} for {days} days"),
            Act::Image(what) => write!(f, "makes an image of {what}"),
            Act::Deregister(region) => write!(f, "deregisters the first image in {region}"),
            Act::DateAll(region, day) => write!(f, "tags all automated snapshots in {region} DeleteOn={day:?}"),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Instance(region, nth) => write!(f, "instance #{nth} in {region}"),
            Pick::Volume(region, nth) => write!(f, "volume #{nth} in {region}"),
            Pick::Snapshot(region, nth) => write!(f, "snapshot #{nth} in {region}"),
            Pick::Automated(region, nth) => write!(f, "automated snapshot #{nth} in {region}"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Calls { action, region, kind, when } => {
                match when {
                    When::After(0) => f.write_str("the next call"),
                    When::After(calls) => write!(f, "one call, after {calls} others,"),
                    When::OneIn(calls) => write!(f, "one call in {calls}"),
                    When::From(0) => f.write_str("every call"),
                    When::From(calls) => write!(f, "every call after {calls} others"),
                }?;
                action.iter().try_for_each(|action| write!(f, " of {action}"))?;
                region.iter().try_for_each(|region| write!(f, " to {region}"))?;
                write!(f, " {kind}")
            }
            Trouble::Down(region) => write!(f, "{region} does not answer"),
            Trouble::Up(region) => write!(f, "{region} answers again"),
            Trouble::Fails(volume, times) => write!(f, "the next {times} snapshots of {volume} will fail"),
            Trouble::Refused(volume, code) => write!(f, "snapshots of {volume} are refused: {code}"),
            Trouble::Denied(what) => write!(f, "changes that name {what} are denied"),
            Trouble::ClockRefused => f.write_str("requests dated by a wrong clock are refused"),
            Trouble::KeyOff(region) => write!(f, "the key is disabled in {region}"),
            Trouble::SlowCopies(hours) => write!(f, "copies take {hours} hours"),
            Trouble::SlowSnapshots(hours) => write!(f, "snapshots take {hours} hours"),
        }
    }
}

impl Fault {
    /// The fault's kind, without how long.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Throttled => "throttled",
            Fault::Internal => "internal error",
            Fault::Unavailable => "unavailable",
            Fault::CutBefore => "cut before the effect",
            Fault::CutAfter => "cut after the effect",
            Fault::InternalAfter => "internal error after the effect",
            Fault::Late(_) => "effect comes late",
            Fault::Slow(_) => "slow answer",
            Fault::Stale(_) => "stale reading",
            Fault::Denied => "denied",
            Fault::Expired => "page token expired",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Throttled => f.write_str("is throttled"),
            Fault::Internal => f.write_str("has no effect and answers InternalError"),
            Fault::Unavailable => f.write_str("has no effect and answers Unavailable"),
            Fault::CutBefore => f.write_str("is cut before it takes effect"),
            Fault::CutAfter => f.write_str("is cut after it took effect"),
            Fault::InternalAfter => f.write_str("takes effect and answers InternalError"),
            Fault::Late(seconds) => write!(f, "is cut and takes effect {seconds} s later"),
            Fault::Slow(seconds) => write!(f, "is answered {seconds} s later"),
            Fault::Stale(seconds) => write!(f, "shows what was {seconds} s ago, if it reads"),
            Fault::Denied => f.write_str("is denied"),
            Fault::Expired => f.write_str("finds its page token expired"),
        }
    }
}
