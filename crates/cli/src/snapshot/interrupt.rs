//! Ctrl-C during a run that may have stopped instances: it must not end before they are started again.

use std::io::{self, Write as _};

const TOLD: &str =
    "interrupted: nothing new is begun, every instance that was stopped is started again, and then the report follows";
#[cfg(unix)]
const NOT_NOW: &str = "not now: an instance may be stopped, so the run goes on; Ctrl-C ends it in good order";

/// Ctrl-Z: its number on Linux, and on macOS and the BSDs. tokio has no name for it.
#[cfg(unix)]
const SUSPEND: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 20 } else { 18 };

/// From now on Ctrl-C ends nothing by itself: each time, `cancel` is called, and it is said what happens. Nor do Ctrl-Z and
/// some other signals halt or end the run.
#[cfg(unix)]
pub(super) fn on_interrupt(cancel: impl Fn() + Send + 'static) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    // a terminal that is closed, or lost with its connection, does not stop a run half-way; nor do these others. To listen
    // to a signal once keeps it for good from what it does by default
    let unheard = [SignalKind::hangup(), SignalKind::alarm(), SignalKind::user_defined1(), SignalKind::user_defined2()];
    for kind in unheard {
        drop(signal(kind)?);
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut suspend = signal(SignalKind::from_raw(SUSPEND))?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                Some(()) = quit.recv() => {}
                Some(()) = suspend.recv() => {
                    tell(NOT_NOW);
                    continue;
                }
                else => break,
            }
            cancel();
            tell(TOLD);
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
            tell(TOLD);
        }
    });
    Ok(())
}

/// Says what happens. That nobody can be told is no reason to end: `eprintln!` would.
fn tell(what: &str) {
    let _ = writeln!(anstream::stderr(), "{what}");
}
