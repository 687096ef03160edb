//! A seed becomes a script: what an operator does, what goes wrong, when the jobs run, and at last calm.
//!
//! Both worlds, the model and the simulator, play the same scripts. A script is a list of steps each of which makes
//! sense without the others, so that one that breaks a promise can be cut down to the steps that matter.

mod make;
mod words;

pub use make::{Options, calm, make, start};

use chrono::{DateTime, Utc};
use std::time::Duration;

/// The region in which everything begins.
pub const HOME: &str = "us-east-1";
/// The region to which most copies go.
pub const WEST: &str = "us-west-2";
/// Another region to which copies go.
pub const FAR: &str = "eu-west-1";
/// Every region in which jobs run.
pub const REGIONS: [&str; 3] = [HOME, WEST, FAR];
/// The instant at which every world begins: a Monday.
pub const START: &str = "2026-11-23T00:00:00Z";

/// What happens, from the first to the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What it was made of. Whatever a world must choose by chance, it draws from this.
    pub seed: u64,
    /// How the world is set up.
    pub setting: Setting,
    /// What happens.
    pub steps: Vec<Step>,
}

/// How the world and the jobs are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How many results a page holds at most.
    pub page_size: usize,
    /// How long each answer takes, in milliseconds.
    pub latency_ms: u64,
    /// How many copies a destination takes at once.
    pub copies_at_once: usize,
    /// How many hours the clock of the jobs' machine is ahead of the true time.
    pub skew_hours: i64,
    /// Whether copies are to be encrypted with the key [`KEY`].
    pub with_key: bool,
    /// How long to keep where there is no tag `Retention`.
    pub default_retention: &'static str,
    /// How many hours old a last good backup may be.
    pub rpo_hours: u16,
    /// The brake: how many per cent of the automated snapshots a run may delete.
    pub max_delete_percent: u8,
    /// The time zone that says when a day begins: one without summer time.
    pub time_zone: &'static str,
}

impl Default for Setting {
    /// An AWS that answers at once, on large pages; a clock that is right; and the jobs' default settings.
    fn default() -> Setting {
        Setting {
            page_size: 1000,
            latency_ms: 0,
            copies_at_once: 20,
            skew_hours: 0,
            with_key: false,
            default_retention: "7d",
            rpo_hours: 30,
            max_delete_percent: 50,
            time_zone: "UTC",
        }
    }
}

impl Setting {
    /// The settings of the jobs, as their environment has them.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("DEFAULT_RETENTION", self.default_retention.to_owned()),
            ("RPO_HOURS", self.rpo_hours.to_string()),
            ("MAX_DELETE_PERCENT", self.max_delete_percent.to_string()),
            ("TIME_ZONE", self.time_zone.to_owned()),
        ];
        if self.with_key {
            variables.push(("COPY_KMS_KEY", KEY.to_owned()));
        }
        variables.into_iter().map(|(name, value)| (format!("SNAPKEEPER_{name}"), value)).collect()
    }
}

/// The key for copies, which every region has.
pub const KEY: &str = "alias/backup";

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Time passes until this instant, if it has not come yet.
    Until(DateTime<Utc>),
    /// The operator acts.
    Act(Act),
    /// From now on something goes wrong.
    Trouble(Trouble),
    /// All that went wrong is over: faults, dead regions, disabled keys, slow copies. What is pending ends.
    Calm,
    /// A job is started by its schedule.
    Run(Run),
    /// After calm and two rounds of all jobs: everything must be as promised.
    Healed,
}

/// What an operator does, or somebody else in the account. What it is about is picked from what there is at the time;
/// where there is nothing to pick from, nothing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Starts an instance with a root volume and so many data volumes.
    Launch {
        /// Where.
        region: String,
        /// Data volumes.
        data: u8,
        /// The instance's tags.
        tags: Vec<(String, String)>,
    },
    /// Writes a tag.
    Tag(Pick, String, String),
    /// Takes a tag away.
    Untag(Pick, String),
    /// Terminates an instance.
    Terminate(Pick),
    /// Detaches an instance's last data volume, which stays.
    Detach(Pick),
    /// Makes a volume and attaches it to an instance.
    Attach(Pick),
    /// Takes a snapshot by hand, with these tags.
    Snapshot(Pick, Vec<(String, String)>),
    /// Deletes a snapshot by hand.
    Delete(Pick),
    /// Locks a snapshot for a number of days.
    Lock(Pick, u16),
    /// Makes an image of a snapshot.
    Image(Pick),
    /// Deregisters a region's first image.
    Deregister(String),
    /// Writes `DeleteOn` on all automated snapshots of a region: a script gone wrong.
    DateAll(String, String),
}

/// Picks one of what there is in a region, by number modulo how many there are, in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// An instance that is not terminated.
    Instance(String, usize),
    /// A volume that is attached to an instance that is not terminated.
    Volume(String, usize),
    /// A snapshot, whoever made it.
    Snapshot(String, usize),
    /// A snapshot with `Type=Automated`.
    Automated(String, usize),
}

/// What goes wrong from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Calls of the jobs fail. An operator's never do.
    Calls {
        /// Only of this action; any if `None`.
        action: Option<String>,
        /// Only to this region; any if `None`.
        region: Option<String>,
        /// How.
        kind: Fault,
        /// Which of the matching calls.
        when: When,
    },
    /// A region does not answer.
    Down(String),
    /// A region answers again.
    Up(String),
    /// The next snapshots of a volume, so many, end in `error`, and the sets that they are part of.
    Fails(Pick, u32),
    /// Snapshots of a volume are refused with this code.
    Refused(Pick, String),
    /// The jobs may change nothing by a call that names this. Readings may name it: EC2 denies none of them for one
    /// resource.
    Denied(Pick),
    /// Requests that are dated by a wrong clock are refused, as AWS does. Where the clock is right, nothing is.
    ClockRefused,
    /// The key for copies is disabled in a region, for copies in the making as well.
    KeyOff(String),
    /// What is copied from now on takes so many hours.
    SlowCopies(u32),
    /// Snapshots that are begun from now on take so many hours.
    SlowSnapshots(u32),
}

/// Which of the matching calls a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Only the one after so many others.
    After(u32),
    /// One in so many, by chance.
    OneIn(u32),
    /// Each after so many others.
    From(u32),
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Throttled, without effect.
    Throttled,
    /// An internal error, without effect.
    Internal,
    /// The service is not available, without effect.
    Unavailable,
    /// The connection is cut before the call takes effect.
    CutBefore,
    /// The connection is cut after the call took effect.
    CutAfter,
    /// The call takes effect and is answered with an internal error.
    InternalAfter,
    /// The connection is cut at once, and the call takes effect so many seconds later.
    Late(u32),
    /// The call takes effect, and the answer comes so many seconds later.
    Slow(u32),
    /// A reading shows what was so many seconds ago.
    Stale(u32),
    /// Permission is denied.
    Denied,
    /// The page token has expired: only calls for later pages.
    Expired,
}

/// Which calls a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any.
    All,
    /// Calls that read.
    Readings,
    /// Calls that read a later page.
    LaterPages,
}

impl Fault {
    /// Which calls it can strike.
    pub fn reach(self) -> Reach {
        match self {
            Fault::Stale(_) => Reach::Readings,
            Fault::Expired => Reach::LaterPages,
            Fault::Throttled
            | Fault::Internal
            | Fault::Unavailable
            | Fault::CutBefore
            | Fault::CutAfter
            | Fault::InternalAfter
            | Fault::Late(_)
            | Fault::Slow(_)
            | Fault::Denied => Reach::All,
        }
    }
}

/// The jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Takes snapshots.
    Creator,
    /// Copies them.
    Copier,
    /// Deletes what is due.
    Manager,
    /// Tells what is wrong.
    Watcher,
}

impl Job {
    /// Whether a run of it in this region, its home, may make such a reading: of this action, in that region; `None` is any.
    pub fn may_read(self, home: &str, action: Option<&str>, region: Option<&str>) -> bool {
        match self {
            Job::Creator => {
                let reads = ["DescribeInstances", "DescribeVolumes", "DescribeSnapshots"];
                action.is_none_or(|action| reads.contains(&action)) && region.is_none_or(|region| region == home)
            }
            // wherever copies go, and where they came from
            Job::Copier => action.is_none_or(|action| action == "DescribeSnapshots"),
            Job::Manager | Job::Watcher => true,
        }
    }
}

/// One start of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The job.
    pub job: Job,
    /// Its region.
    pub region: String,
    /// The scheduled instant. Until then time passes; where it has passed, it is a late delivery.
    pub at: DateTime<Utc>,
    /// Whether the same event is delivered twice at once.
    pub twice: bool,
    /// Where the process is killed, if it is.
    pub killed: Option<Kill>,
    /// In how long the Lambda environment cuts the run off.
    pub deadline: Option<Duration>,
    /// What others do before the call of this number, counted from 0.
    pub meanwhile: Vec<(u32, Act)>,
}

/// Where a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// At the call of this number, counted from 0.
    pub call: u32,
    /// Whether the call has taken effect by then.
    pub after: bool,
}

impl Run {
    /// A run that nothing disturbs.
    pub fn plain(job: Job, region: &str, at: DateTime<Utc>) -> Run {
        let region = region.to_owned();
        Run { job, region, at, twice: false, killed: None, deadline: None, meanwhile: Vec::new() }
    }
}
