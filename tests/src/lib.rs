//! What the end-to-end tests share: a world to run jobs in, behind one of three doors, and the programs that they start.
//!
//! A scenario is written once, for a [`World`], and run against each [`Door`]: the simulator inside the process (in
//! virtual time), the simulator over HTTP, and moto, an EC2 that we did not write.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod binaries;
pub mod deployment;
pub mod estate;
pub mod meanwhile;
pub mod mortal;
pub mod moto;
pub mod operator;
pub mod parallel;
pub mod policies;
pub mod python;
pub mod runtime_api;
pub mod wire;
pub mod world;

pub use estate::Estate;
pub use world::{Door, World};
