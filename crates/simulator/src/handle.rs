//! One request, from what came over the wire to what goes back: the one way in for both doors.

use crate::action::{self, is_describe};
use crate::config::{Config, Rates};
use crate::fault::{FaultKind, Faults, Target};
use crate::iam::Policy;
use crate::model::ids::{Ids, hash};
use crate::model::{Here, Place, REGIONS, World};
use crate::rates::Buckets;
use crate::record::{Call, CallCount, CallKind, Outcome};
use crate::skew;
use crate::wire::error::Error;
use crate::wire::request::{Params, Request, Scope};
use crate::wire::response::{Response, Service};
use crate::wire::xml::Nodes;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that a request can change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    /// Empty where they are not kept.
    pub(crate) calls: Vec<Call>,
    pub(crate) counts: BTreeMap<CallKind, CallCount>,
    /// Whether a request that is dated by a wrong clock is refused.
    pub(crate) refuses_skewed: bool,
    /// By access key, or by the ARN of a role, whose sessions all have it. Whoever has none may do all.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// Calls that take effect later, by when.
    late: BTreeMap<DateTime<Utc>, Vec<Late>>,
    buckets: Buckets,
    /// Apart from the world's, so that a call without effect does not change later ids.
    request_ids: Ids,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The answer; `None` means that the connection is cut.
    pub(crate) answer: Option<Response>,
    /// How long to wait before it.
    pub(crate) delay: Duration,
}

/// A request that is known to be for someone.
struct Addressed<'a> {
    place: &'a Place,
    /// The access key.
    caller: &'a str,
    service: Service,
    request: &'a Request,
}

/// A call that is on its way, while its caller has long lost the connection.
#[derive(Debug)]
struct Late {
    place: Place,
    caller: String,
    service: Service,
    request: Request,
}

impl State {
    pub(crate) fn new(config: &Config) -> State {
        State {
            world: World::new(config),
            faults: Faults::new(config.seed),
            calls: Vec::new(),
            counts: BTreeMap::new(),
            refuses_skewed: false,
            policies: BTreeMap::new(),
            late: BTreeMap::new(),
            buckets: Buckets::default(),
            request_ids: Ids::new(hash(&format!("requests {}", config.seed))),
        }
    }

    /// Lets everything happen whose time has come, late calls among it.
    pub(crate) fn settle(&mut self, config: &Config, now: DateTime<Utc>) {
        while self.late.first_key_value().is_some_and(|(at, _)| *at <= now) {
            let Some((at, calls)) = self.late.pop_first() else { return };
            self.world.settle(at);
            for Late { place, caller, service, request } in &calls {
                // nobody waits for the answer any more, whatever it is
                let _ = self.run(config, at, &Addressed { place, caller, service: *service, request });
            }
        }
        self.world.settle(now);
    }

    /// Handles one request at an instant.
    pub(crate) fn handle(&mut self, config: &Config, now: DateTime<Utc>, request: &Request) -> Exchange {
        self.settle(config, now);
        let request_id = self.request_ids.uuid();
        let action = request.action();
        let Some(scope) = request.authorization.as_deref().and_then(Scope::of_header) else {
            let error = Error::new("MissingAuthenticationToken", "Request is missing Authentication Token");
            return Exchange { answer: Some(Service::Ec2.failure(&request_id, &error)), delay: config.latency };
        };
        let session = self.world.sessions.get(&scope.access_key);
        let account = session.map_or_else(|| config.account_of(&scope.access_key), |session| session.account.as_str());
        let place = Place::new(account, &scope.region);
        let is_up = REGIONS.contains(&place.region.as_str()) && !self.world.down.contains(&place.region);
        let at_once = |result| (result, Duration::ZERO);
        let (result, delay) = match (request.check(), Service::named(&scope.service)) {
            _ if !is_up => at_once(None),
            (Err(error), _) => at_once(Some(Err(error))),
            (Ok(()), Some(service)) => {
                let call = Addressed { place: &place, caller: &scope.access_key, service, request };
                self.with_faults(config, now, &call)
            }
            (Ok(()), None) => {
                let unknown = format!("{}:{action}", scope.service);
                at_once(Some(Err(Error::unknown_action(&unknown))))
            }
        };
        let answer = match &result {
            None => Outcome::Cut,
            Some(Ok(_)) => Outcome::Ok,
            Some(Err(error)) => Outcome::Error { status: error.status, code: error.code.clone() },
        };
        tracing::debug!(region = scope.region, service = scope.service, action, ?answer, "call");
        let service = Service::named(&scope.service).unwrap_or(Service::Ec2);
        self.remember(config, now, place.account, scope, request, answer);
        let answer = result.map(|result| match result {
            Ok(nodes) => service.success(action, &request_id, nodes),
            Err(error) => service.failure(&request_id, &error),
        });
        Exchange { answer, delay: config.latency.saturating_add(delay) }
    }

    /// Counts a call, and keeps it if calls are kept.
    fn remember(
        &mut self,
        config: &Config,
        at: DateTime<Utc>,
        account: String,
        scope: Scope,
        request: &Request,
        answer: Outcome,
    ) {
        let Scope { access_key: caller, region, service } = scope;
        let kind = CallKind { caller, region, service, action: request.action().to_owned() };
        if config.keeps_calls {
            let is_own = |(name, _): &&(String, String)| name != "Action" && name != "Version";
            self.calls.push(Call {
                at,
                caller: kind.caller.clone(),
                account,
                region: kind.region.clone(),
                service: kind.service.clone(),
                action: kind.action.clone(),
                params: request.pairs.iter().filter(is_own).cloned().collect(),
                answer: answer.clone(),
            });
        }
        self.counts.entry(kind).or_default().add(&answer);
    }

    /// Handles a call as the fault that strikes it would have it. No result means that the connection is cut.
    fn with_faults(
        &mut self,
        config: &Config,
        now: DateTime<Utc>,
        call: &Addressed<'_>,
    ) -> (Option<Result<Nodes, Error>>, Duration) {
        let at_once = |result| (result, Duration::ZERO);
        let (region, action, params) = (&call.place.region, call.request.action(), &call.request.pairs);
        match self.faults.strike(&Target { caller: call.caller, region, action, params }) {
            Some(FaultKind::Throttle) => at_once(Some(Err(Error::throttled(call.service)))),
            Some(FaultKind::Deny) => at_once(Some(Err(Error::denied(call.service)))),
            Some(FaultKind::Status { status, code }) => at_once(Some(Err(Error::with_status(status, &code)))),
            Some(FaultKind::CutBefore) => at_once(None),
            Some(FaultKind::CutAfter) => {
                // the answer is lost, whatever it was
                let _ = self.run(config, now, call);
                at_once(None)
            }
            Some(FaultKind::StatusAfter { status, code }) => {
                let _ = self.run(config, now, call);
                at_once(Some(Err(Error::with_status(status, &code))))
            }
            Some(FaultKind::Late(delay)) => {
                let (place, caller, request) = (call.place.clone(), call.caller.to_owned(), call.request.clone());
                let late = Late { place, caller, service: call.service, request };
                self.late.entry(now + delay).or_default().push(late);
                at_once(None)
            }
            Some(FaultKind::Slow(delay)) => (Some(self.run(config, now, call)), delay),
            Some(FaultKind::Stale(lag)) if is_describe(action) => {
                self.world.exchange_for_past(region, now, lag);
                let result = self.run(config, now, call);
                self.world.exchange_for_past(region, now, lag);
                at_once(Some(result))
            }
            // what is no reading cannot be stale
            None | Some(FaultKind::Stale(_)) => at_once(Some(self.run(config, now, call))),
        }
    }

    fn run(&mut self, config: &Config, now: DateTime<Utc>, call: &Addressed<'_>) -> Result<Nodes, Error> {
        let Addressed { place, caller, service, request } = *call;
        if self.refuses_skewed
            && let Some(error) = skew::refusal(service, now, request)
        {
            return Err(error);
        }
        let action = request.action();
        let params = Params::new(format!("{}/{}", place.account, place.region), &request.pairs);
        match config.rates {
            Rates::Off => {}
            Rates::Aws => {
                if !self.buckets.take(place, service, action, &params, now) {
                    return Err(Error::throttled(service));
                }
            }
        }
        if !is_describe(action) {
            self.world.will_change(place, now);
        }
        let role = self.world.sessions.get(caller).map(|session| session.role.as_str());
        let policy = self.policies.get(caller).or_else(|| self.policies.get(role?));
        let mut here = Here { world: &mut self.world, place, caller, policy, now };
        action::run(service, action, &params, &mut here)
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
