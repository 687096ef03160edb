//! Forty days of whatever a seed makes of them: faults at random rates, troubles of the accounts, runs that are left out,
//! killed or made twice, messages that are lost, come twice, late, or are forged. At every look what must never be is not,
//! and two rounds after the last trouble all is as promised.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use snapkeeper_core::run::Job::{self, RdsSaver, RdsSharer};
use snapkeeper_lambda::Deadline;
use snapkeeper_simulator::{Fault, FaultKind, mix};
use snapkeeper_tests::{
    Estate,
    estate::{FAILSAFE, HOME, LIVE, LIVE_KEY, SAVER_KEY, Side, message, sns_event},
    mortal::{Death, Mortal},
    policies::FAILSAFE_TOPIC,
    world::instant,
};

use super::{Scene, UNITS, config, own_of, stages::ROUNDS};
use crate::{
    faults::{status, status_after},
    positions::try_all,
    reliability::{count_of_seeds, say},
};

/// How many days a seed has.
const DAYS: u32 = 40;
/// When something is to be done on a day, in minutes after five: by the sharer, and then by the saver.
const TIMES: [i64; 4] = [20, 40, 60, 480];
/// The last trouble lies two days before the end.
const CALM: u32 = 2;

#[test]
fn forty_days_of_anything_break_no_promise() {
    let seeds: Vec<u64> = (0..count_of_seeds("RDS_SEEDS", 6)).collect();
    try_all("databases, forty days of anything", seeds.len(), &seeds, async |seed| {
        Box::pin(lives(*seed)).await.map_err(|why| format!("{why}; RDS_SEEDS must be above {seed}"))
    });
    say(&format!("databases: {} seeds of {DAYS} days", seeds.len()));
}

/// Chance, as a seed has it.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    /// A number below `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.drawn += 1;
        mix(mix(self.seed) ^ self.drawn) % most.max(1)
    }

    /// Whether something happens that does so once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

async fn lives(seed: u64) -> Result<(), String> {
    let mut chance = Chance { seed, drawn: 0 };
    let mut config = config();
    config.seed = seed;
    let estate = Estate::of(config).with_failsafe("RETENTION", ["5d", "10d", "31d"][index(chance.below(3))]);
    let estate = if chance.once_in(2) { estate.with_second_copies() } else { estate };
    let mut scene = Scene::set_in(estate).await;
    let mut heard = 0;
    for day in 1..DAYS {
        let five = instant("2026-11-21T05:00:00Z") + TimeDelta::days(day.into());
        let is_calm = day + CALM >= DAYS;
        if is_calm {
            scene.estate.simulator().clear_faults();
            all_is_well(&scene);
        } else {
            gets_worse(&mut chance, &scene).await;
        }
        for minutes in TIMES {
            scene.until(&(five + TimeDelta::minutes(minutes)).to_rfc3339_opts(SecondsFormat::Secs, true)).await;
            for job in [RdsSharer, RdsSaver] {
                let chance = (!is_calm).then_some(&mut chance);
                Box::pin(runs(chance, &scene, job)).await;
                scene.look().map_err(|why| format!("day {day}, after the {job}: {why}"))?;
            }
            let chance = (!is_calm).then_some(&mut chance);
            Box::pin(hears(chance, &mut scene, &mut heard)).await.map_err(|why| format!("day {day}: {why}"))?;
        }
    }
    scene.heals(ROUNDS).await
}

/// A new day's troubles, and an end of yesterday's.
async fn gets_worse(chance: &mut Chance, scene: &Scene) {
    scene.estate.simulator().clear_faults();
    all_is_well(scene);
    let simulator = scene.estate.simulator();
    // what a reading shows that somebody has just deleted nobody can know to be gone
    let somebody_deletes = chance.once_in(8);
    if chance.once_in(2) {
        let kinds = [
            FaultKind::Throttle,
            FaultKind::Deny,
            FaultKind::CutBefore,
            FaultKind::CutAfter,
            status(500, "InternalFailure"),
            status(503, "ServiceUnavailable"),
            status_after(500, "InternalFailure"),
            FaultKind::Slow(Duration::from_secs(20)),
            FaultKind::Late(Duration::from_secs(40)),
            FaultKind::Stale(Duration::from_mins(5)),
        ];
        for kind in kinds {
            let is_stale = matches!(kind, FaultKind::Stale(_));
            if chance.once_in(3) && !(is_stale && somebody_deletes) {
                let one_in = u32::try_from(2 + chance.below(20)).expect("a few");
                for (world, job) in [(&scene.estate.live, RdsSharer), (&scene.estate.failsafe, RdsSaver)] {
                    let key = world.access_key(job, HOME);
                    simulator.inject(Fault::any(kind.clone()).one_in(one_in).always().by(&key));
                }
            }
        }
    }
    if chance.once_in(6) {
        simulator.disable_key(LIVE, HOME, LIVE_KEY);
    }
    if chance.once_in(6) {
        simulator.disable_key(FAILSAFE, HOME, SAVER_KEY);
    }
    if chance.once_in(10) {
        simulator.region_down(HOME);
    }
    if chance.once_in(4) {
        simulator.fail_db_copies(u32::try_from(1 + chance.below(4)).expect("a few"));
    }
    let times = [Duration::from_mins(1), Duration::from_mins(10), Duration::from_mins(30), Duration::from_hours(7)];
    simulator.set_db_copy_time(times[index(chance.below(4))]);
    if somebody_deletes {
        delete_one(chance, scene).await;
    }
}

/// An end of the accounts' troubles.
fn all_is_well(scene: &Scene) {
    let simulator = scene.estate.simulator();
    simulator.region_up(HOME);
    simulator.create_key(LIVE, HOME, LIVE_KEY);
    simulator.share_key(LIVE, HOME, LIVE_KEY, FAILSAFE);
    simulator.create_key(FAILSAFE, HOME, SAVER_KEY);
    simulator.fail_db_copies(0);
    simulator.set_db_copy_time(Duration::from_mins(10));
}

/// Somebody deletes a copy in the live account by hand.
async fn delete_one(chance: &mut Chance, scene: &Scene) {
    let unit = UNITS[index(chance.below(2))];
    let own = own_of(&scene.estate, Side::Live, HOME, unit);
    if own.is_empty() {
        return;
    }
    let id = &own[index(chance.below(own.len() as u64))].id;
    let rds = scene.estate.operator(Side::Live).await.rds;
    // where the region is down or it is being made, it stays
    if unit.starts_with("db:") {
        let _ = rds.delete_db_snapshot().db_snapshot_identifier(id).send().await;
    } else {
        let _ = rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(id).send().await;
    }
}

/// A run, or none, or two, or one that is cut off or killed.
async fn runs(chance: Option<&mut Chance>, scene: &Scene, job: Job) {
    let world = scene.estate.of_job(job);
    let mut context = scene.estate.context(job);
    let Some(chance) = chance else {
        world.run_in(&context).await;
        return;
    };
    match chance.below(12) {
        0 | 1 => {}
        2 => {
            let call = u32::try_from(chance.below(16)).expect("a few");
            let way = Mortal::new(Death { call, after: chance.once_in(2) }, scene.estate.simulator().http_client());
            way.alive(Box::pin(world.run_through(&context, Some(way.client())))).await;
        }
        3 => {
            context.deadline = Deadline::within(Duration::from_millis(500 + chance.below(8000)));
            world.run_in(&context).await;
        }
        4 => {
            let wait = Duration::from_millis(chance.below(3000));
            let other = async {
                tokio::time::sleep(wait).await;
                scene.estate.run(job).await
            };
            tokio::join!(Box::pin(world.run_in(&context)), Box::pin(other));
        }
        _ => {
            world.run_in(&context).await;
        }
    }
}

/// The messages that came since, or some of them, or old ones, or forged ones.
async fn hears(chance: Option<&mut Chance>, scene: &mut Scene, heard: &mut usize) -> Result<(), String> {
    let mut published = scene.estate.simulator().published();
    published.retain(|it| it.topic_arn == FAILSAFE_TOPIC);
    let new = published.len().saturating_sub(*heard);
    let mut events: Vec<Value> = published.iter().skip(*heard).map(sns_event).collect();
    *heard = published.len();
    if let Some(chance) = chance {
        events.retain(|_| !chance.once_in(3));
        if new > 0 && chance.once_in(3) {
            events.push(sns_event(&published[index(chance.below(published.len() as u64))]));
        }
        if chance.once_in(3) {
            events.reverse();
        }
        if chance.once_in(10) {
            let forged = ["rds:orders-2026-11-22-05-00", "failsafe-orders-by-hand", "orders-for-others", ""];
            let text = json!({"Instance": "orders", "FailsafeSnapshotID": forged[index(chance.below(4))]}).to_string();
            let at = scene.estate.now();
            events.push(message(FAILSAFE_TOPIC, &text, &at));
        }
    }
    for event in events {
        Box::pin(scene.estate.hear(&event)).await;
        scene.look().map_err(|why| format!("after {event}: {why}"))?;
    }
    Ok(())
}

/// A number as an index.
fn index(number: u64) -> usize {
    usize::try_from(number).expect("a few")
}
