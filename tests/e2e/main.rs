//! End-to-end tests, by subject.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod boto3;
mod command;
mod continuation;
mod deployed;
mod faults;
mod functions;
mod heartbeat;
mod machine;
mod on_demand;
mod peers;
mod policies;
mod positions;
mod rds;
mod reliability;
mod scenarios;
mod sync;
mod template;
