//! Readings that do not show yet what happened a minute before.

use chrono::TimeDelta;
use snapkeeper_reliability::script::{Act, Fault, HOME, Job, Pick, Step, Trouble, WEST, When};

use super::{Calls, Case, DAY, ENROLLED, Expected, Target, calm, case::Sign, launch, script, setting};

/// How far the readings lag behind, in seconds.
const LAG: u32 = 120;

/// Something that has happened, and that a listing shows.
struct News {
    name: &'static str,
    /// The action of the listing.
    action: &'static str,
    /// Its region.
    region: &'static str,
    /// What happened long before, so that it is news.
    before: Vec<Act>,
    what: What,
}

/// What has happened.
enum What {
    /// Others did this.
    Acts(Vec<Act>),
    /// The same event came, and was carried out.
    SameEvent,
}

impl Target {
    /// Each reading of a listing does not show some news, alone; and of a listing of several pages none does, nor does
    /// any other reading show it.
    pub(crate) fn behind_the_news(self, calls: &Calls) -> Vec<Case> {
        let mut cases = Vec::new();
        for news in self.news() {
            let listing = (news.action.to_owned(), news.region.to_owned());
            let Some(pages) = calls.listings.get(&listing).copied() else { continue };
            let (action, region) = listing;
            let of = format!("{self}: {action} in {region} does not show {}", news.name);
            for page in 0..pages {
                let lags = Trouble::Calls {
                    action: Some(action.clone()),
                    region: Some(region.clone()),
                    kind: Fault::Stale(LAG),
                    when: When::After(page),
                };
                cases.push(self.behind(&news, lags, format!("{of} on page {page}"), &of));
            }
            if pages > 1 {
                let lags = Trouble::Calls { action: None, region: None, kind: Fault::Stale(LAG), when: When::From(0) };
                cases.push(self.behind(&news, lags, format!("{of} on any page"), &of));
            }
        }
        cases
    }

    /// The news comes when the run is due, and its event a minute later.
    fn behind(self, news: &News, lags: Trouble, name: String, of: &str) -> Case {
        let due = self.at();
        let mut steps = self.before();
        steps.push(Step::Until(due - TimeDelta::hours(1)));
        steps.extend(news.before.iter().cloned().map(Step::Act));
        steps.push(Step::Until(due));
        match &news.what {
            What::Acts(acts) => steps.extend(acts.iter().cloned().map(Step::Act)),
            What::SameEvent => steps.push(Step::Run(self.run())),
        }
        steps.extend([Step::Until(due + TimeDelta::minutes(1)), Step::Trouble(lags), Step::Run(self.run())]);
        steps.extend(calm(DAY + 1));
        Case { name, script: script(steps, setting()), expected: Expected::Among(of.to_owned(), Sign::Differs) }
    }

    /// What may have happened. A listing that the run does not read has no news for it.
    fn news(self) -> Vec<News> {
        let mut all = of_instances();
        for region in [HOME, WEST] {
            all.extend(self.of_snapshots(region));
        }
        // copies are made elsewhere, and a watcher changes nothing
        let (action, region) = ("DescribeSnapshots", if self.job == Job::Copier { WEST } else { self.region });
        if self.job != Job::Watcher {
            all.push(News {
                name: "what the same event did",
                action,
                region,
                before: Vec::new(),
                what: What::SameEvent,
            });
        }
        all
    }

    /// Of snapshots, and of what holds them.
    fn of_snapshots(self, region: &'static str) -> Vec<News> {
        let automated = || Pick::Automated(region.to_owned(), self.nth);
        let tag = |key: &str, value: &str| Act::Tag(automated(), key.to_owned(), value.to_owned());
        let of = |action, name, act| News { name, action, region, before: Vec::new(), what: What::Acts(vec![act]) };
        vec![
            of("DescribeSnapshots", "a hold", tag("KeepForever", "")),
            of("DescribeSnapshots", "another day", tag("DeleteOn", "2030-01-01")),
            of("DescribeSnapshots", "that one is gone", Act::Delete(automated())),
            of("DescribeImages", "an image", Act::Image(automated())),
            of("DescribeLockedSnapshots", "a lock", Act::Lock(automated(), 30)),
        ]
    }
}

/// Of instances and volumes. In the west there are none at first.
fn of_instances() -> Vec<News> {
    let instance = |nth| Pick::Instance(HOME.to_owned(), nth);
    let backup = |what, value: &str| Act::Tag(what, "Backup".to_owned(), value.to_owned());
    let no_backup = || Act::Untag(instance(1), "Backup".to_owned());
    let left_out = |region: &str| backup(Pick::Volume(region.to_owned(), 0), "No");
    let launched = || launch(WEST, 0, &ENROLLED[..2]);
    let of = |action, region, name, acts| News { name, action, region, before: Vec::new(), what: What::Acts(acts) };
    let (instances, volumes) = ("DescribeInstances", "DescribeVolumes");
    vec![
        of(instances, HOME, "that one is terminated", vec![Act::Terminate(instance(1))]),
        of(instances, HOME, "that one is enrolled no more", vec![no_backup()]),
        of(instances, HOME, "another Retention", vec![Act::Tag(instance(1), "Retention".to_owned(), "3d".to_owned())]),
        News {
            before: vec![no_backup()],
            ..of(instances, HOME, "that one is enrolled again", vec![backup(instance(1), "Yes")])
        },
        of(instances, WEST, "a new one", vec![launched()]),
        of(volumes, HOME, "that one is left out", vec![left_out(HOME)]),
        of(volumes, WEST, "that a new one is left out", vec![launched(), left_out(WEST)]),
    ]
}
