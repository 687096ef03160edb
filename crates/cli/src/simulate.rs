//! `snapkeeper simulate`: the simulated AWS over HTTP.

use std::{net::SocketAddr, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;
use snapkeeper_lambda::clock;
use snapkeeper_simulator::{Config, Simulator};

use crate::text;

/// What can be said after `snapkeeper simulate`
#[derive(Args)]
pub(crate) struct Arguments {
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

pub(crate) async fn simulate(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let address = arguments.listen;
    if !address.ip().is_loopback() {
        bail!(
            "--listen is `{address}`: expected a loopback address such as 127.0.0.1:5000, for it asks nobody who they are"
        );
    }
    let simulator = Simulator::new(Config::starting(clock::now()));
    let listener = simulator.listen(address).await.with_context(|| format!("cannot listen on {address}"))?;
    text::print(&format!("listening on http://{}\n", listener.address()))?;
    anstream::eprintln!(
        "Any access key will do. Try, in another terminal:\n  \
         export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_REGION=us-east-1 AWS_ENDPOINT_URL=http://{}\n  \
         snapkeeper run watcher\n\
         What was published: GET /_simulator/published; every call: GET /_simulator/calls. Ctrl-C ends it.",
        listener.address()
    );
    tokio::signal::ctrl_c().await?;
    listener.stop().await;
    Ok(ExitCode::SUCCESS)
}
