//! What must hold, whatever happens: checked, not believed.
//!
//! ```text
//!   script      a seed becomes steps: an operator's acts, troubles, runs, and at last calm
//!      │
//!      ├──────────────▶ model     a plain world in which `core`'s plans are carried out; no SDK, instant
//!      └──────────────▶ (tests)   the real jobs through the real SDK, on the simulator
//!      ▼                   │
//!   truth  ◀───────────────┘      what truly exists, in types of its own
//!      ▼
//!   oracle      the promises, each a predicate on the truth and its history
//! ```
//!
//! `oracle` and `truth` use nothing of `core`: they were written from what is promised, not from how it is kept.
//! Never deployed.

pub mod by_hand;
pub mod count;
pub mod found;
pub mod model;
pub mod mutant;
pub mod oracle;
pub mod script;
pub mod shrink;
pub mod truth;
