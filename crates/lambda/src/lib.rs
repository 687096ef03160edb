//! What the jobs share at run time: from an event to a [`Run`](snapkeeper_core::run::Run), from a plan to a [`Report`],
//! and from a report to all who should hear of it.
//!
//! A job is a function of `(&Aws, &Context)`. [`perform`] carries it out once, in a Lambda function ([`serve`]) as from
//! the terminal. Nothing here knows AWS: what reaches it is handed in.

mod apply;
pub mod clock;
mod context;
mod continuation;
pub mod environment;
mod event;
mod heartbeat;
mod metrics;
mod news;
mod perform;
mod reach;
mod report;
mod serve;

pub use crate::{
    apply::{AFTER_A_CUT, Outcome, Share, apply, apply_share, planned},
    context::{Began, Cancel, Context, Deadline, Progress},
    continuation::Continuation,
    event::{BadEvent, Event},
    perform::perform,
    reach::Reach,
    report::{Counts, Report, Step, Told},
    serve::serve,
};
/// What ends a Lambda function: the Runtime API cannot be reached.
pub use lambda_runtime::Error as RuntimeError;
