//! What Snapkeeper decides: pure functions of what was read and of the instant of the run.
//!
//! Nothing here calls AWS, waits, reads a clock or touches a file. Each job is one module with one function `plan`:
//! [`create`], [`copy`], [`delete`], [`watch`], of databases [`rds::share`] and [`rds::save`], and [`on_demand`] for
//! what the creator is asked for by hand. What they share lies beneath: the operator's tags ([`tags`]), how long to keep
//! ([`retention`], [`calendar`]), what was found in the account ([`inventory`]) and which of it can be restored from
//! ([`backup`]). The one thing here that is no decision is the count of calls ([`calls`]), which those who call and those
//! who report share.

pub mod backup;
pub mod calendar;
pub mod calls;
pub mod copy;
pub mod create;
pub mod delete;
pub mod enrolment;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod ids;
pub mod inventory;
pub mod layout;
#[cfg(test)]
pub(crate) mod near;
pub mod notice;
pub mod on_demand;
pub mod plain;
pub mod plan;
pub mod rds;
pub mod retention;
pub mod run;
pub mod settings;
pub mod sync;
pub mod tags;
pub mod watch;
