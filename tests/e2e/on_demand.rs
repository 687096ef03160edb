//! Snapshots on demand: what is taken of what is asked for, by payload and by command; and that whatever ran before a run
//! that stops instances runs after it.

mod choices;
mod doors;
mod notices;
mod refusals;
mod stopping;
mod struck;
mod throttled;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use snapkeeper_core::run::Job;
use snapkeeper_lambda::Report;
use snapkeeper_simulator::{Config, Instance, InstanceState, Simulator, Snapshot};
use snapkeeper_tests::{
    World, policies,
    world::{ACCOUNT, START, instant},
};

use crate::peers::{HOME, automated, tag};

/// When somebody asks.
const NOW: &str = "2026-11-21T05:00:00Z";
/// Where alerts go.
const ALERTS: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
/// The tag of an instance that a run has stopped, or is about to.
const MARK: &str = "Snapkeeper_Stopped";

/// How long an instance takes to stop, and how long to start.
const STOP_TIME: Duration = Duration::from_secs(30);
const START_TIME: Duration = Duration::from_secs(5);
/// Long enough for an instance that is being started to run, and for one that is being stopped to be stopped.
const A_WHILE: Duration = Duration::from_mins(2);

/// A simulated AWS in which instances take their time, and so does every answer.
fn config() -> Config {
    let mut config = Config::starting(instant(START));
    (config.stop_time, config.start_time) = (STOP_TIME, START_TIME);
    config.latency = Duration::from_millis(100);
    config
}

/// A world in which the creator may stop instances.
fn of(config: Config) -> World {
    World::of(Simulator::new(config)).with_policy(Job::Creator, policies::creator_that_may_stop(HOME, ALERTS))
}

/// Instances of each kind at the time at which somebody asks.
struct Scene {
    world: World,
    /// By name.
    ids: BTreeMap<&'static str, String>,
}

/// An instance: its name, its further devices, its tags.
type Described = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

/// The instances of a scene: name, devices besides the root volume, and further tags. `db` is stopped, the others run.
/// None is enrolled but `web-1`.
const INSTANCES: [Described; 4] = [
    ("web-1", &["/dev/sdf"], &[("Env", "PROD"), ("Owner", "John"), ("Backup", "Yes"), ("Retention", "3d")]),
    ("web-2", &[], &[("Env", "TEST"), ("Owner", "John")]),
    ("db", &[], &[("Env", "PROD"), ("Owner", "Jane")]),
    ("other", &[], &[]),
];

impl Scene {
    /// A scene in the world where everything takes its time.
    async fn set() -> Self {
        Self::set_in(of(config())).await
    }

    /// Sets the scene in a world.
    async fn set_in(world: World) -> Self {
        Box::pin(Self::made_in(world)).await
    }

    async fn made_in(world: World) -> Self {
        let operator = world.operator(HOME).await;
        let mut ids = BTreeMap::new();
        for (name, data, tags) in INSTANCES {
            let tags = [tags, &[("Name", name)]].concat();
            ids.insert(name, operator.run_instance(data, &tags).await);
        }
        world.pass(A_WHILE).await;
        operator.stop(&ids["db"]).await;
        world.pass(A_WHILE).await;
        world.until(NOW).await;
        if !world.is_moto() {
            world.simulator().forget_calls();
        }
        Self { world, ids }
    }

    /// Asks for snapshots.
    async fn ask(&self, payload: Value) -> Report {
        Box::pin(self.world.on_demand(HOME, NOW, &payload)).await
    }

    fn id(&self, name: &str) -> &str {
        &self.ids[name]
    }

    /// The instance of this name, as it truly is.
    fn look(&self, name: &str) -> Instance {
        let mut all = self.world.simulator().instances(ACCOUNT, HOME).into_iter();
        all.find(|instance| instance.id == self.ids[name]).expect("an instance")
    }

    /// The name of an instance.
    fn name_of(&self, id: &str) -> &'static str {
        self.ids.iter().find(|(_, of)| *of == id).map_or("?", |(name, _)| *name)
    }

    /// What was taken.
    fn taken(&self) -> Vec<Snapshot> {
        automated(&self.world, HOME)
    }

    /// How many snapshots there are of each instance.
    fn count(&self) -> BTreeMap<&'static str, usize> {
        let mut count = BTreeMap::new();
        for snapshot in self.taken() {
            let instance = tag(&snapshot, "Source_InstanceId").expect("the instance").to_owned();
            *count.entry(self.name_of(&instance)).or_default() += 1;
        }
        count
    }

    /// Whether everything is as it was before anybody asked, but for snapshots: what ran runs, what was stopped is
    /// stopped, and no mark is left. If not, what is otherwise.
    fn is_as_before(&self) -> Result<(), String> {
        for name in self.ids.keys() {
            let Instance { state, tags, .. } = self.look(name);
            let expected = if *name == "db" { InstanceState::Stopped } else { InstanceState::Running };
            if state != expected {
                return Err(format!("{name} is {state:?}, and its mark is {:?}", tags.get(MARK)));
            }
            if let Some(mark) = tags.get(MARK) {
                return Err(format!("{name} is {state:?}, and still marked {mark}"));
            }
        }
        Ok(())
    }

    /// Whether each volume has at most one snapshot, and each snapshot all its tags. If not, what is wrong.
    fn has_no_duplicates_and_no_bare_snapshots(&self) -> Result<(), String> {
        let mut of_volumes: BTreeMap<String, usize> = BTreeMap::new();
        for snapshot in self.world.simulator().snapshots(ACCOUNT, HOME) {
            *of_volumes.entry(snapshot.volume_id.clone()).or_default() += 1;
            let needed = ["Type", "DeleteOn", "Backup_Run", "Scripted", "Source_InstanceId", "Source_Region", "Name"];
            if let Some(lacking) = needed.iter().find(|key| tag(&snapshot, key).is_none()) {
                return Err(format!("{} lacks {lacking}: {:?}", snapshot.id, snapshot.tags));
            }
        }
        match of_volumes.iter().find(|(_, count)| **count > 1) {
            Some((volume, count)) => Err(format!("{volume} was taken {count} times")),
            None => Ok(()),
        }
    }
}

/// A payload that asks to stop whatever the selection finds.
fn stop_all_of_john_and_jane() -> Value {
    json!({ "tags": {"tag:Owner": ["John", "Jane"]}, "stop": true })
}

/// The calls of an action that a scene has seen.
fn made(scene: &Scene, action: &str) -> usize {
    scene.world.simulator().calls().iter().filter(|call| call.action == action).count()
}
