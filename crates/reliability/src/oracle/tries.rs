//! One bad item harms no other: nothing is told as failed for which no call was made.

use super::place::Place;
use super::runs::{Broken, Running};
use super::{Promise, Told};
use crate::script::Job;
use std::collections::BTreeMap;

/// A run is over, and told this. What is left over for the next run is not its business.
pub(super) fn ended(place: &Place, running: &Running, told: &Told, broken: &mut Broken) {
    let Some(asked) = &told.asked else { return };
    match running.begun.job {
        // what a copier leaves where a region is full or has stopped answering, it tells as unfinished
        Job::Creator | Job::Copier | Job::Manager => {}
        // it asks for nothing
        Job::Watcher => return,
    }
    let window = running.window;
    let is_id = |it: &str| ["i-", "vol-", "snap-"].iter().any(|kind| it.starts_with(kind));
    for (resource, why) in told.failed.iter().filter(|(resource, _)| is_id(resource)) {
        // a volume with the others of its instance, an instance volume by volume
        let with_others = place.instances.iter().any(|(id, it)| asked.contains(id) && it.had(resource, window));
        let volumes = place.instances.get(resource).map(|it| it.devices.within(window).flat_map(BTreeMap::values));
        let in_parts = volumes.into_iter().flatten().any(|volume| asked.contains(volume));
        if !asked.contains(resource) && !with_others && !in_parts {
            let what = format!("{running} tells that {resource} failed ({why}), and gave it up without a try");
            broken.push((Promise::NothingInSilence, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOME, Scene, list};
    use super::super::{Promise, Told};
    use crate::script::Job;

    #[test]
    fn what_failed_was_tried() {
        for (failed, asked, expected) in [
            ("snap-b", "snap-a", 1),
            ("snap-a", "snap-a", 0),
            ("vol-b", "i-a", 0),
            ("vol-b", "vol-a", 1),
            ("i-a", "vol-a", 0),
            ("i-b", "vol-a", 1),
            (HOME, "vol-a", 0),
        ] {
            let mut scene = Scene::new();
            // not enrolled: nothing is missed
            scene.instance("i-a", &[], &["vol-a", "vol-b"]);
            let mut watched = scene.watch();
            let asked = Some([asked.to_owned()].into());
            let told = Told { failed: list(&[(failed, "stopped")]), asked, ..Told::default() };
            watched.run(Job::Creator, HOME, &told);
            watched.check(Promise::NothingInSilence, &vec!["gave it up without a try"; expected]);
        }
    }

    #[test]
    fn what_one_snapshot_failed_at_the_others_are_tried_all_the_same() {
        for job in [Job::Copier, Job::Manager] {
            let mut watched = Scene::new().watch();
            let failed = list(&[("snap-a", "denied"), ("snap-b", "stopped")]);
            let told = Told { failed, asked: Some(["snap-a".to_owned()].into()), ..Told::default() };
            watched.run(job, HOME, &told);
            watched.check(Promise::NothingInSilence, &["snap-b failed (stopped), and gave it up without a try"]);
        }
    }
}
