//! Ctrl-C during a run that may have stopped instances: it must not end before they are started again.

use std::io::{self, Write as _};

const TOLD: &str =
    "interrupted: nothing new is begun, every instance that was stopped is started again, and then the report follows";

/// From now on Ctrl-C ends nothing by itself: each time, `cancel` is called, and it is said what happens.
#[cfg(unix)]
pub(super) fn on_interrupt(cancel: impl Fn() + Send + 'static) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                Some(()) = quit.recv() => {}
                // a terminal that is closed, or lost with its connection, does not stop a run half-way: it goes on
                Some(()) = hang_up.recv() => continue,
                else => break,
            }
            cancel();
            tell();
        }
    });
    Ok(())
}

/// From now on Ctrl-C ends nothing by itself: each time, `cancel` is called, and it is said what happens.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
pub(super) fn on_interrupt(cancel: impl Fn() + Send + 'static) -> io::Result<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            cancel();
            tell();
        }
    });
    Ok(())
}

/// Says what happens. That nobody can be told is no reason to end: `eprintln!` would.
fn tell() {
    let _ = writeln!(anstream::stderr(), "{TOLD}");
}
