//! One request, from what came over the wire to what goes back: the one way in for both doors.

use crate::action;
use crate::config::{Config, Rates};
use crate::fault::{FaultKind, Faults};
use crate::model::ids::{Ids, hash};
use crate::model::{Here, Place, REGIONS, World};
use crate::rates::Buckets;
use crate::record::{Call, Outcome};
use crate::wire::error::Error;
use crate::wire::request::{Params, Request, Scope};
use crate::wire::response::{Response, Service};
use crate::wire::xml::Nodes;
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Everything that a request can change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<Call>,
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
    place: Place,
    service: Service,
    action: &'a str,
    params: &'a Params,
}

impl State {
    pub(crate) fn new(config: &Config) -> State {
        State {
            world: World::new(config),
            faults: Faults::default(),
            calls: Vec::new(),
            buckets: Buckets::default(),
            request_ids: Ids::new(hash(&format!("requests {}", config.seed))),
        }
    }

    /// Handles one request at an instant.
    pub(crate) fn handle(&mut self, config: &Config, now: DateTime<Utc>, request: &Request) -> Exchange {
        self.world.settle(now);
        let request_id = self.request_ids.uuid();
        let action = request.get("Action").unwrap_or_default();
        let Some(scope) = request.authorization.as_deref().and_then(Scope::of_header) else {
            let error = Error::new("MissingAuthenticationToken", "Request is missing Authentication Token");
            return Exchange { answer: Some(Service::Ec2.failure(&request_id, &error)), delay: config.latency };
        };
        let place = Place::new(config.account_of(&scope.access_key), &scope.region);
        let is_up = REGIONS.contains(&place.region.as_str()) && !self.world.down.contains(&place.region);
        let (result, delay) = match Service::named(&scope.service) {
            Some(service) if is_up => {
                let params = Params::new(format!("{}/{}", place.account, place.region), &request.pairs);
                let call = Addressed { place: place.clone(), service, action, params: &params };
                self.with_faults(config, now, &call, &request.pairs)
            }
            None if is_up => {
                let unknown = format!("{}:{action}", scope.service);
                (Some(Err(Error::unknown_action(&unknown))), Duration::ZERO)
            }
            Some(_) | None => (None, Duration::ZERO),
        };
        let answer = match &result {
            None => Outcome::Cut,
            Some(Ok(_)) => Outcome::Ok,
            Some(Err(error)) => Outcome::Error { status: error.status, code: error.code.clone() },
        };
        tracing::debug!(region = scope.region, service = scope.service, action, ?answer, "call");
        let is_own = |(name, _): &&(String, String)| name != "Action" && name != "Version";
        self.calls.push(Call {
            at: now,
            account: place.account,
            region: place.region,
            service: scope.service.clone(),
            action: action.to_owned(),
            params: request.pairs.iter().filter(is_own).cloned().collect(),
            answer,
        });
        let service = Service::named(&scope.service).unwrap_or(Service::Ec2);
        let answer = result.map(|result| match result {
            Ok(nodes) => service.success(action, &request_id, nodes),
            Err(error) => service.failure(&request_id, &error),
        });
        Exchange { answer, delay: config.latency.saturating_add(delay) }
    }

    /// Handles a call as the fault that strikes it would have it. No result means that the connection is cut.
    fn with_faults(
        &mut self,
        config: &Config,
        now: DateTime<Utc>,
        call: &Addressed<'_>,
        pairs: &[(String, String)],
    ) -> (Option<Result<Nodes, Error>>, Duration) {
        let at_once = |result| (result, Duration::ZERO);
        match self.faults.strike(&call.place.region, call.action, pairs) {
            None => at_once(Some(self.run(config, now, call))),
            Some(FaultKind::Throttle) => at_once(Some(Err(Error::throttled()))),
            Some(FaultKind::Deny) => at_once(Some(Err(Error::denied()))),
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
            Some(FaultKind::Slow(delay)) => (Some(self.run(config, now, call)), delay),
        }
    }

    fn run(&mut self, config: &Config, now: DateTime<Utc>, call: &Addressed<'_>) -> Result<Nodes, Error> {
        let Addressed { place, service, action, params } = call;
        match config.rates {
            Rates::Off => {}
            Rates::Aws => {
                if !self.buckets.take(place, *service, action, params, now) {
                    return Err(Error::throttled());
                }
            }
        }
        let mut here = Here { world: &mut self.world, place, now };
        action::run(*service, action, params, &mut here)
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
