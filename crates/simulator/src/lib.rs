//! AWS on the wire, simulated: several accounts, every region, one model, two doors.
//!
//! ```text
//! door/in_process   HttpClient under the Rust SDK ─┐
//! door/listener     HTTP/1 on loopback ────────────┤
//!                                                  ▼
//!                   handle    scope, faults, rates, log: one request at a time
//!                     │
//!                   wire      parameters in, XML or JSON out
//!                     │
//!                   iam       what the caller's policy lets it do
//!                     │
//!                   ec2, kms, rds, sns, ssm, sts    one function an action: read all parameters, then act
//!                     │
//!                   model     what exists and existed, and what time does to it
//!                     ▲
//!                   fleet     what its owner puts in at once, without calls
//! ```
//!
//! A describe costs what its page costs, not what the region holds: it walks on from where the page before ended, and
//! what backups filter by is indexed. Where many calls are made, [`Config::keeps_calls`] is better off.
//!
//! What holds throughout:
//! - **Nothing is ignored in silence.** An action, a parameter or a filter that is not modelled is an error answer.
//!   An action reads its parameters first and acts in a closure, which runs only if every parameter was read.
//! - **The wall clock is never read.** Time is the start plus tokio's time plus what was skipped.
//! - **The same seed and the same calls give the same ids**, and faults by rate strike the same calls. What looks like
//!   chance is drawn from the seed.
//! - **A request is atomic.** They are handled one after the other under one lock, which is never held over an await.
//! - **An error answer has no effect**, but where a [`Fault`] asks for just that.

mod action;
mod clock;
mod config;
mod door;
mod ec2;
mod fault;
mod fleet;
mod handle;
mod iam;
mod kms;
mod model;
mod operator;
mod rates;
mod rds;
mod record;
mod sight;
mod simulator;
mod skew;
mod sns;
mod ssm;
mod sts;
#[cfg(test)]
mod testing;
mod wire;

pub use config::{Config, Rates};
pub use door::listener::Listener;
pub use fault::{Fault, FaultKind};
pub use fleet::{BadFleet, Fleet, fleet_id};
pub use iam::{Policy, PolicyError};
pub use model::database::{Database, DatabaseKind};
pub use model::db_snapshot::{DbSnapshot, DbSnapshotState};
pub use model::ids::mix;
pub use model::image::{Image, ImageDevice, ImageSource, ImageState};
pub use model::instance::{Instance, InstanceState};
pub use model::lock::{Lock, LockMode};
pub use model::snapshot::{Snapshot, SnapshotState, Source, StorageTier};
pub use model::tags::Tags;
pub use model::volume::{Attachment, Volume};
pub use operator::{OPERATOR, Reply};
pub use record::{Call, CallCount, CallKind, DbDeletion, Deletion, Deregistration, Outcome, Published};
pub use sight::Sight;
pub use simulator::Simulator;
