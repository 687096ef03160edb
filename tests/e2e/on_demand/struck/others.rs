//! Others are at work: before each call of a run somebody stops, starts, terminates, marks or tags what it is about.

use snapkeeper_lambda::Report;
use snapkeeper_simulator::{InstanceState, Outcome};
use snapkeeper_tests::meanwhile::Meanwhile;

use super::{
    A_WHILE, FUNCTION_TIME, MARK, Scene, TWO, all_run, ask_ec2, asked, asked_through, calls_by_run,
    calls_of_a_quiet_run, each, is_whole, key, next_run, places, played, scene, scene_in,
    stale::{lagging, remembering},
    try_all,
};

/// What somebody does. That of `db`, which is stopped, is named so; all else is about `web-1`, which runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Stop,
    Hibernate,
    Start,
    Terminate,
    /// Takes the mark off, if there is one.
    Unmark,
    /// Sets a mark, or another one, as a run does.
    Mark,
    /// The same with a value that no run sets.
    Garble,
    /// Takes `Backup` away.
    Unenroll,
    OptOut,
    StartDb,
    MarkDb,
}

const ALL: [Act; 11] = [
    Act::Stop,
    Act::Hibernate,
    Act::Start,
    Act::Terminate,
    Act::Unmark,
    Act::Mark,
    Act::Garble,
    Act::Unenroll,
    Act::OptOut,
    Act::StartDb,
    Act::MarkDb,
];

/// The mark of another run.
const THEIRS: &str = "2026-11-21T05:00:05Z another";

/// How far a run is with its instance, by the call that it makes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has not stopped it yet.
    Runs,
    /// It has stopped it, and not started it yet.
    Down,
    /// It has started it, and has not seen it running yet.
    Starts,
    /// It has seen it running, and is about to take the mark off.
    Started,
}

impl Phase {
    fn at(call: u32, calls: &[String]) -> Self {
        if call <= place_of("StopInstances", calls) {
            Self::Runs
        } else if call <= place_of("StartInstances", calls) {
            Self::Down
        } else if call < place_of("DeleteTags", calls) {
            Self::Starts
        } else {
            Self::Started
        }
    }
}

/// The last call of an action: of the two to start an instance, the one that is no dry run.
fn place_of(action: &str, calls: &[String]) -> u32 {
    let place = calls.iter().rposition(|call| call == action).expect("a call of this action");
    u32::try_from(place).expect("a few")
}

/// Before each call. What somebody has stopped stays so, what ran otherwise runs, and no mark is left.
#[test]
fn whatever_others_do_at_any_call_no_instance_is_left_as_nobody_wanted_it() {
    let calls = calls_of_a_quiet_run(TWO);
    let positions = each(&ALL, places(&calls));
    try_all("on demand, others act", 180, &positions, async |(act, call)| {
        let scene = scene(TWO).await;
        disturbed(&scene, *act, *call, &calls).await
    });
}

/// The same where a run sees everything seven seconds late: what it cannot see the answers to its calls tell it.
#[test]
fn the_same_where_each_reading_lags_behind() {
    let calls = played(async || {
        let scene = scene_in(remembering(), TWO).await;
        scene.world.simulator().inject(lagging(7).always());
        let report = asked(&scene, FUNCTION_TIME).await;
        assert!(report.succeeded(), "{:?}", report.failed);
        calls_by_run(&scene)
    });
    let positions = each(&[Act::Stop, Act::Hibernate, Act::Unmark, Act::Mark], places(&calls));
    try_all("on demand, others act, and readings lag behind", 80, &positions, async |(act, call)| {
        let scene = scene_in(remembering(), TWO).await;
        scene.world.simulator().inject(lagging(7).always());
        disturbed(&scene, *act, *call, &calls).await
    });
}

/// Asks for snapshots while somebody does this before that call of the run.
async fn disturbed(scene: &Scene, act: Act, call: u32, calls: &[String]) -> Result<(), String> {
    let way = Meanwhile::before(call, scene.world.simulator().http_client());
    let run = asked_through(scene, FUNCTION_TIME, Some(way.client()));
    let (report, acted) = Box::pin(way.both(run, async { act.carry_out(scene) })).await;
    let has_effect = acted.ok_or("the run never made that call")?;
    scene.world.simulator().clear_faults();
    scene.world.pass(A_WHILE).await;
    let phase = Phase::at(call, calls);
    let (web_1, db) = act.leaves(phase, has_effect);
    if web_1 == [InstanceState::Running] {
        // the run itself has seen to it, and leaves nothing to the next one
        all_run(scene)?;
    }
    if act != Act::Terminate {
        scene.has_no_duplicates_and_no_bare_snapshots()?;
        if report.succeeded() {
            is_whole(scene)?;
        }
    }
    if act == Act::Start && has_effect && call <= place_of("CreateSnapshots", calls) && report.succeeded() {
        return Err("it was started when it was taken, and nobody is told".to_owned());
    }
    next_run(scene).await?;
    for (name, expected) in [("web-1", web_1), ("db", db)] {
        let instance = scene.look(name);
        let what = format!("{phase:?}, {}", if has_effect { "with effect" } else { "without effect" });
        if !expected.contains(&instance.state) {
            return Err(format!("{what}: {name} is {:?}, not {expected:?}: {:?}", instance.state, report.failed));
        }
        if let Some(mark) = instance.tags.get(MARK).filter(|_| instance.state != InstanceState::Terminated) {
            return Err(format!("{what}: {name} is still marked {mark}: {:?}", report.failed));
        }
    }
    Ok(())
}

impl Act {
    /// Does it. Whether it has changed anything: EC2 may refuse it, or it may be so already.
    fn carry_out(self, scene: &Scene) -> bool {
        let (web_1, db) = (scene.id("web-1"), scene.id("db"));
        let change = |action: &str, params: &[(&str, &str)]| {
            let reply = ask_ec2(&scene.world, action, params);
            // the state that it has now, and the one before
            reply.is_ok_and(|reply| reply.texts("name").windows(2).any(|states| states[0] != states[1]))
        };
        let tag = |id: &str, key: &str, value: &str| {
            let params = [("ResourceId.1", id), ("Tag.1.Key", key), ("Tag.1.Value", value)];
            ask_ec2(&scene.world, "CreateTags", &params).is_ok()
        };
        let untag = |id: &str, key: &str| {
            ask_ec2(&scene.world, "DeleteTags", &[("ResourceId.1", id), ("Tag.1.Key", key)]).is_ok()
        };
        match self {
            Self::Stop => change("StopInstances", &[("InstanceId.1", web_1)]),
            Self::Hibernate => change("StopInstances", &[("InstanceId.1", web_1), ("Hibernate", "true")]),
            Self::Start => change("StartInstances", &[("InstanceId.1", web_1)]),
            Self::Terminate => change("TerminateInstances", &[("InstanceId.1", web_1)]),
            Self::Unmark => untag(web_1, MARK),
            Self::Mark => tag(web_1, MARK, THEIRS),
            Self::Garble => tag(web_1, MARK, "x"),
            Self::Unenroll => untag(web_1, "Backup"),
            Self::OptOut => tag(web_1, "Backup", "No"),
            Self::StartDb => change("StartInstances", &[("InstanceId.1", db)]),
            Self::MarkDb => tag(db, MARK, THEIRS),
        }
    }

    /// In which states `web-1` and `db` may be after the next run of the creator, if this was done in that phase of a
    /// run.
    fn leaves(self, phase: Phase, has_effect: bool) -> (&'static [InstanceState], &'static [InstanceState]) {
        const RUNNING: &[InstanceState] = &[InstanceState::Running];
        const STOPPED: &[InstanceState] = &[InstanceState::Stopped];
        let web_1: &'static [InstanceState] = match (self, phase) {
            (Self::Terminate, _) => &[InstanceState::Terminated],
            // whoever stops it after the run has changed nothing, and nobody can know that they wanted to
            (Self::Stop | Self::Hibernate, _) if !has_effect => RUNNING,
            (Self::Stop | Self::Hibernate, Phase::Runs | Phase::Started) => STOPPED,
            // it is marked, and looks like one that has fallen back when it was started: the run starts it once more,
            // unless it has seen it running by then
            (Self::Stop | Self::Hibernate, Phase::Down | Phase::Starts) => {
                &[InstanceState::Running, InstanceState::Stopped]
            }
            (
                Self::Start
                | Self::Unmark
                | Self::Mark
                | Self::Garble
                | Self::Unenroll
                | Self::OptOut
                | Self::StartDb
                | Self::MarkDb,
                _,
            ) => RUNNING,
        };
        let db = match self {
            // a mark says that a run has stopped it, and nobody can know that none has
            Self::StartDb | Self::MarkDb => RUNNING,
            Self::Stop
            | Self::Hibernate
            | Self::Start
            | Self::Terminate
            | Self::Unmark
            | Self::Mark
            | Self::Garble
            | Self::Unenroll
            | Self::OptOut => STOPPED,
        };
        (web_1, db)
    }
}

/// Another run has put its mark in the place of ours, and has taken it off: to start the instance is denied then.
#[test]
fn what_has_lost_its_mark_is_marked_again_and_started() {
    played(async || {
        let (scene, report) = just_before("CreateSnapshots", |scene| {
            assert!(Act::Mark.carry_out(scene) && Act::Unmark.carry_out(scene));
        })
        .await;
        assert!(report.succeeded(), "{:?}", report.failed);
        let calls = scene.world.simulator().calls().into_iter().filter(|call| call.caller == key());
        let denied = |outcome: &Outcome| match outcome {
            Outcome::Error { code, .. } => code == "UnauthorizedOperation",
            Outcome::Ok | Outcome::Cut => false,
        };
        let told = calls.filter(|call| ["CreateTags", "StartInstances"].contains(&call.action.as_str()));
        let told: Vec<(String, bool)> = told.map(|call| (call.action, denied(&call.answer))).collect();
        let told: Vec<(&str, bool)> = told.iter().map(|(action, is_denied)| (action.as_str(), *is_denied)).collect();
        let marked = ("CreateTags", false);
        // the first StartInstances is a dry run
        let tried = [("StartInstances", false), ("StartInstances", true)];
        assert_eq!(told, [marked, tried[0], marked, tried[1], marked, ("StartInstances", false)]);
        assert_eq!(scene.is_as_before().and_then(|()| is_whole(&scene)), Ok(()));
    });
}

/// Before its snapshots are taken, when it is stopped.
#[test]
fn what_somebody_starts_meanwhile_is_told_not_to_be_consistent() {
    played(async || {
        let (scene, report) = just_before("CreateSnapshots", |scene| assert!(Act::Start.carry_out(scene))).await;
        let told: Vec<&str> = report.failed.iter().map(|it| it.cause.as_str()).collect();
        assert_eq!(told, ["it was started meanwhile: its snapshots are not consistent on disk"]);
        assert_eq!(report.failed[0].resource, scene.id("web-1"));
        assert_eq!(scene.is_as_before().and_then(|()| is_whole(&scene)), Ok(()), "it has them all the same");
    });
}

/// What comes of a run if something happens just before its last call of an action, and a while later.
async fn just_before(action: &str, act: impl Fn(&Scene)) -> (Scene, Report) {
    let call = place_of(action, &calls_of_a_quiet_run(TWO));
    let scene = scene(TWO).await;
    let way = Meanwhile::before(call, scene.world.simulator().http_client());
    let run = asked_through(&scene, FUNCTION_TIME, Some(way.client()));
    let (report, acted) = Box::pin(way.both(run, async { act(&scene) })).await;
    acted.expect("the run makes that call");
    scene.world.pass(A_WHILE).await;
    (scene, report)
}
