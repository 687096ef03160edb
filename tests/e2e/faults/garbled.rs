//! Answers that arrive spoilt, by a seed: broken off, broken, someone else's, or with other contents than AWS sent.
//!
//! Each has status 200, and nothing on the way has noticed: a proxy that loses the end of an answer may well send the
//! rest in good order.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use snapkeeper_aws::{Aws, Options, SharedHttpClient};
use snapkeeper_core::{calls::Calls, run::Job};
use snapkeeper_lambda::{Report, perform};
use snapkeeper_simulator::{Config, Simulator};
use snapkeeper_tests::{
    World,
    world::{START, instant},
};

use super::{CHANGING, NOW, busy, busy_in, changing, state, undisturbed};
use crate::peers::{HOME, deleted};

/// How many times each job is run.
const SEEDS: u64 = 60;

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_no_xml_fails_the_run_and_changes_nothing() {
    for job in Job::OF_EC2 {
        let quiet = Spoiler::new(0, Damage::Broken, &["Describe"]).only(usize::MAX, 0);
        let (_, readings) = run(&paged().await, job, quiet).await;
        for seed in 0..SEEDS {
            let world = paged().await;
            let before = state(&world);
            let mut spoiler = Spoiler::new(seed, Damage::Broken, &["Describe"]);
            // the destinations' answers are another matter: without one of them the rest goes on
            spoiler.region = Some(HOME);
            let after = spoiler.draw.below(readings.seen_at_home);
            let (report, spoiler) = run(&world, job, spoiler.only(after, usize::MAX)).await;
            let what = format!("{job}, seed {seed}, after {after}: {:?}", spoiler.sent);
            assert!(!spoiler.sent.is_empty(), "{what}");
            assert!(!report.succeeded(), "{what}");
            assert!(changing(&world).is_empty(), "{what}: {:?}", changing(&world));
            assert!(deleted(&world).is_empty(), "{what}");
            assert_eq!(state(&world), before, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_is_no_xml_is_neither_lost_nor_made_twice() {
    for job in CHANGING {
        let (expected, _) = undisturbed(job).await;
        let changes = &["Create", "Copy", "Delete"];
        let (_, quiet) = run(&busy().await, job, Spoiler::new(0, Damage::Broken, changes).only(usize::MAX, 0)).await;
        for seed in 0..SEEDS / 2 {
            let world = busy().await;
            let mut spoiler = Spoiler::new(seed, Damage::Broken, changes);
            let after = spoiler.draw.below(quiet.seen);
            let (report, spoiler) = run(&world, job, spoiler.only(after, 1)).await;
            let what = format!("{job}, seed {seed}, after {after}: {:?}", spoiler.sent);
            assert_eq!(spoiler.sent.len(), 1, "{what}");
            assert!(report.failed.is_empty(), "{what}: {:?}", report.failed);
            assert_eq!(state(&world), expected, "{what}");
        }
    }
}

/// What is well-formed is data, however absurd: it is reported on, and no more can be asked.
#[tokio::test(start_paused = true)]
async fn contents_that_were_altered_on_the_way_make_no_job_panic() {
    for job in Job::OF_EC2 {
        let mut sent = 0;
        for seed in 0..SEEDS {
            let world = paged().await;
            let (report, spoiler) = run(&world, job, Spoiler::new(seed, Damage::Altered, &["Describe"])).await;
            sent += spoiler.sent.len();
            let lists = (report.applied.len(), report.failed.len(), report.unfinished.len(), report.findings.len());
            let counts = &report.counts;
            assert_eq!(
                lists,
                (counts.applied, counts.failed, counts.unfinished, counts.findings),
                "{job}, seed {seed}"
            );
        }
        assert!(sent > 0, "{job}");
    }
}

/// A busy world that answers in pages of two.
async fn paged() -> World {
    let mut config = Config::starting(instant(START));
    config.page_size = 2;
    busy_in(World::of(Simulator::new(config))).await
}

/// Runs a job through a client that spoils answers; and what it came to.
async fn run(world: &World, job: Job, spoiler: Spoiler) -> (Report, Spoiler) {
    let calls = Calls::default();
    let shared = Arc::new(Mutex::new(spoiler));
    let client = Spoiling { inner: world.simulator().http_client(), spoiler: shared.clone() };
    let options = Options {
        region: Some(HOME.parse().expect("a region")),
        keys: Some(("AKIDTEST".to_owned(), "secret".to_owned())),
        http_client: Some(SharedHttpClient::new(client)),
        calls: calls.clone(),
        ..Options::default()
    };
    let aws = Aws::connect(options).await.expect("a region");
    let context = world.context(job, HOME, NOW);
    let report = match job {
        Job::Creator => perform(&aws, &context, &calls, snapkeeper_creator::run, Aws::publish).await,
        Job::Copier => perform(&aws, &context, &calls, snapkeeper_copier::run, Aws::publish).await,
        Job::Manager => perform(&aws, &context, &calls, snapkeeper_manager::run, Aws::publish).await,
        Job::Watcher => perform(&aws, &context, &calls, snapkeeper_watcher::run, Aws::publish).await,
        Job::RdsSharer => perform(&aws, &context, &calls, snapkeeper_rds_sharer::run, Aws::publish).await,
        Job::RdsSaver => perform(&aws, &context, &calls, snapkeeper_rds_saver::run, Aws::publish).await,
        Job::Syncer => perform(&aws, &context, &calls, snapkeeper_syncer::run, Aws::publish).await,
    };
    let spoiler = lock(&shared).clone();
    (report, spoiler)
}

/// An HTTP client whose answers are spoilt.
#[derive(Clone, Debug)]
struct Spoiling {
    inner: SharedHttpClient,
    spoiler: Arc<Mutex<Spoiler>>,
}

/// A connection of it.
#[derive(Debug)]
struct Connection {
    inner: SharedHttpConnector,
    spoiler: Arc<Mutex<Spoiler>>,
}

impl HttpClient for Spoiling {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connection { inner, spoiler: self.spoiler.clone() })
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let spoiler = self.spoiler.clone();
        let call = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let authorization = request.headers().get("authorization").unwrap_or_default().to_owned();
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            if !response.status().is_success() {
                return Ok(response);
            }
            let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
            let spoilt = lock(&spoiler).answer(&call, &authorization, &body);
            if let Some(spoilt) = spoilt {
                // as if nothing had happened to it; HTTP's own check of the length is not what is tried here
                response.headers_mut().insert("content-length", body.len().to_string());
                *response.body_mut() = spoilt.into();
            }
            Ok(response)
        })
    }
}

fn lock(spoiler: &Mutex<Spoiler>) -> MutexGuard<'_, Spoiler> {
    spoiler.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is done to an answer.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// It is no XML any more, or none of AWS's.
    Broken,
    /// It is XML of other contents; about every second answer.
    Altered,
}

/// Which answers are spoilt, and how.
#[derive(Clone, Debug)]
struct Spoiler {
    draw: Draw,
    damage: Damage,
    /// How the actions begin.
    actions: &'static [&'static str],
    region: Option<&'static str>,
    after: usize,
    times: usize,
    /// How many answers it could have spoilt.
    seen: usize,
    /// How many of them in the region of the run.
    seen_at_home: usize,
    /// What it made of the answers that it spoilt, their last characters.
    sent: Vec<String>,
}

impl Spoiler {
    /// Spoils every answer to these actions.
    fn new(seed: u64, damage: Damage, actions: &'static [&'static str]) -> Self {
        let (draw, sent) = (Draw(seed), Vec::new());
        Self { draw, damage, actions, region: None, after: 0, times: usize::MAX, seen: 0, seen_at_home: 0, sent }
    }

    /// Only so many, after so many have passed.
    fn only(self, after: usize, times: usize) -> Self {
        Self { after, times, ..self }
    }

    /// What becomes of an answer; `None` if it is let through.
    fn answer(&mut self, call: &str, authorization: &str, body: &str) -> Option<Vec<u8>> {
        let is_of = |region: &str| authorization.contains(&format!("/{region}/ec2/"));
        let is_action = self.actions.iter().any(|action| call.starts_with(&format!("Action={action}")));
        if !is_action || !self.region.is_none_or(is_of) {
            return None;
        }
        self.seen += 1;
        self.seen_at_home += usize::from(is_of(HOME));
        if self.seen <= self.after || self.sent.len() >= self.times {
            return None;
        }
        let spoilt = match self.damage {
            Damage::Broken => broken(body, &mut self.draw),
            Damage::Altered if self.draw.below(2) == 0 => return None,
            Damage::Altered => {
                (0..=self.draw.below(3)).fold(body.to_owned(), |body, _| altered(&body, &mut self.draw)).into()
            }
        };
        let end = spoilt.len().saturating_sub(60);
        self.sent.push(format!("{} bytes, …{}", spoilt.len(), String::from_utf8_lossy(&spoilt[end..])));
        Some(spoilt)
    }
}

/// No XML, whatever was drawn; or, in the last case, not what was asked for.
fn broken(xml: &str, draw: &mut Draw) -> Vec<u8> {
    let elements = elements(xml);
    let Element { whole, content } = draw.one_of(&elements).clone();
    let joined = |head: &str, middle: &str, tail: &str| [head, middle, tail].concat().into_bytes();
    match draw.below(8) {
        // it ends anywhere: at least the last `>` is lost
        0 => xml.as_bytes()[..draw.below(xml.len())].to_vec(),
        // it ends between two tags, most often after one item of a list
        1 | 2 => xml.as_bytes()[..if whole.end < xml.len() { whole.end } else { content.end }].to_vec(),
        // a tag is lost
        3 => joined(&xml[..whole.start], "", &xml[content.start..]),
        4 => joined(&xml[..content.end], "", &xml[whole.end..]),
        // another element ends than began
        5 => joined(&xml[..content.end], "</x", &xml[content.end + 2..]),
        // a tag that is none
        6 => joined(&xml[..content.start], "<", &xml[content.start..]),
        _ => {
            let mut bytes = xml.as_bytes().to_vec();
            let at = draw.below(bytes.len());
            // a lone byte of that kind is no UTF-8
            bytes[at] |= 0x80;
            draw.one_of(&[bytes, Vec::new(), b"{}".to_vec(), b"<html><body>Bad gateway</body></html>".to_vec()]).clone()
        }
    }
}

/// XML still, but with an element lost, twice there, or with another text.
fn altered(xml: &str, draw: &mut Draw) -> String {
    let elements = elements(xml);
    let leaves: Vec<&Element> = elements.iter().filter(|one| !xml[one.content.clone()].contains('<')).collect();
    let others = elements.split_last().map_or(&[][..], |(_document, others)| others);
    if others.is_empty() {
        return xml.to_owned();
    }
    let Element { whole, .. } = draw.one_of(others);
    let (head, one, tail) = (&xml[..whole.start], &xml[whole.clone()], &xml[whole.end..]);
    match draw.below(5) {
        0 => format!("{head}{tail}"),
        1 => format!("{head}{one}{one}{tail}"),
        kind => {
            let Element { content, .. } = draw.one_of(&leaves);
            let text = if kind == 2 { "9".repeat(100_000) } else { (*draw.one_of(TEXTS)).to_owned() };
            format!("{}{text}{}", &xml[..content.start], &xml[content.end..])
        }
    }
}

/// Texts for any element, as XML.
const TEXTS: &[&str] = &[
    "",
    " ",
    "true",
    "0",
    "-1",
    "99999999999999999999",
    "NaN",
    "0000-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999Z",
    "2026-13-41T25:61:61Z",
    "2026-11-21",
    "pending",
    "completed",
    "error",
    "recovering",
    "terminated",
    "a-state-that-is-new",
    "Backup",
    "Yes",
    "DeleteOn",
    "KeepForever",
    "Source_SnapshotId",
    "7d 4w",
    "us-west-2 us-east-1 mars",
    "vol-ffffffff",
    "/dev/xvda=vol-0a /dev/sdf",
    "&#x202e;&#x200b;",
    "&lt;/item&gt; &amp;amp; &#128169;",
];

/// Where an element is, with its tags and without.
#[derive(Clone, Debug)]
struct Element {
    whole: Range<usize>,
    content: Range<usize>,
}

/// The elements of a document as the simulator writes it, in the order of their ends: the document itself comes last.
fn elements(xml: &str) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(begin) = xml[at..].find('<').map(|gap| at + gap) {
        let end = xml[begin..].find('>').map_or(xml.len(), |gap| begin + gap + 1);
        let tag = &xml[begin..end];
        if tag.starts_with("</") {
            let (whole, content) = open.pop().expect("an element that is open");
            elements.push(Element { whole: whole..end, content: content..begin });
        } else if !tag.starts_with("<?") && !tag.ends_with("/>") {
            open.push((begin, end));
        }
        at = end;
    }
    elements
}

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % count as u64).expect("less than the count")
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
