//! Databases: a copy of each enrolled one's newest automated snapshot, kept where an intruder has no access.
//!
//! In the live account [`share`] plans copies that can be shared, and shares them; in the failsafe account [`save`] plans
//! copies of what is shared, and lets old ones go; [`watch`] finds what is not so in either. All three read the same
//! plain types ([`inventory`]), and what they do to a snapshot is the same two steps ([`step`]). A [`name`] is the key by
//! which a copy is made only once.

pub mod announcement;
mod enrolled;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod inventory;
pub(crate) mod limits;
pub mod name;
pub mod save;
pub mod share;
pub mod step;
#[cfg(test)]
mod tests;
pub mod watch;
mod wrong;
