//! Instances that take many minutes to stop or to start, longer than a run waits for them, or lives.

use std::time::Duration;

use snapkeeper_core::run::Job;
use snapkeeper_lambda::Deadline;
use snapkeeper_simulator::{Config, InstanceState};

use super::{
    FUNCTION_TIME, HOME, MARK, NOW, Scene, TWO, UNTIL_DEAD, after_the_next_run, all_run, in_context, now, played,
    quick, scene_in, told_of_what_is_left, try_all,
};

/// How many minutes it takes to stop, and to start.
const MINUTES: [u64; 4] = [1, 5, 11, 20];

/// With a function's time, and with the command's, which has no end. What was down when the run was over is started by
/// the next one, and the one after that finds nothing to do.
#[test]
fn however_long_it_takes_to_stop_and_to_start_no_instance_is_left_stopped() {
    let times = MINUTES.into_iter().flat_map(|stops| MINUTES.map(|starts| (stops, starts)));
    let positions: Vec<((u64, u64), bool)> =
        times.flat_map(|times| [true, false].map(|is_function| (times, is_function))).collect();
    try_all("on demand, slow to stop and to start", 32, &positions, async |((stops, starts), is_function)| {
        let config = slow(*stops, *starts);
        let start_time = config.start_time;
        let scene = scene_in(config, TWO).await;
        let mut context = scene.world.context(Job::Creator, HOME, NOW);
        if *is_function {
            context.deadline = Deadline::within(FUNCTION_TIME);
        }
        let begun = tokio::time::Instant::now();
        let report = in_context(&scene, context).await;
        let took = begun.elapsed();
        if *is_function && took > FUNCTION_TIME {
            return Err(format!("it took {took:?}: nobody would have read its report"));
        }
        told_of_what_is_left(&scene, &report)?;
        scene.has_no_duplicates_and_no_bare_snapshots()?;

        scene.world.pass(UNTIL_DEAD).await;
        // it tells of what it has started and has not seen running within some minutes
        let next = Box::pin(scene.world.run(Job::Creator, HOME, &now(&scene))).await;
        told_of_what_is_left(&scene, &next)?;
        scene.world.pass(start_time).await;
        all_run(&scene)?;
        after_the_next_run(&scene).await
    });
}

/// It was started, and is on its way when the run is over: that is what is told, and the mark stays.
#[test]
fn what_is_not_seen_running_keeps_its_mark_and_is_told_of() {
    played(async || {
        let scene: Scene = scene_in(slow(1, 3), TWO).await;
        let report = in_context(&scene, scene.world.context(Job::Creator, HOME, NOW)).await;
        let told: Vec<(&str, &str)> =
            report.failed.iter().map(|it| (it.resource.as_str(), it.cause.as_str())).collect();
        let [(resource, cause)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*resource, scene.id("web-1"));
        for words in [
            "not seen running again",
            "EC2 has said that it starts",
            "keeps the tag Snapkeeper_Stopped",
            "snapkeeper snapshot --recover",
        ] {
            assert!(cause.contains(words), "{words}: {cause}");
        }
        let web_1 = scene.look("web-1");
        assert_eq!((web_1.state, web_1.tags.contains_key(MARK)), (InstanceState::Pending, true));
        assert_eq!(after_the_next_run(&scene).await, Ok(()));
    });
}

/// An AWS in which an instance takes so many minutes to stop, and so many to start.
fn slow(stops: u64, starts: u64) -> Config {
    let mut config = quick();
    (config.stop_time, config.start_time) = (Duration::from_mins(stops), Duration::from_mins(starts));
    config
}
