//! The end of an attempt that does not end itself.
//!
//! A runner keeps its time limit and obeys its stop signal. This is for the day when it does neither: a worker
//! that waited for ever would have its lease extended for ever.

use super::brake::Brake;
use chimera_agent::runner::Report;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Why there is no report.
pub(super) enum Lost {
    /// It broke.
    Broke(JoinError),
    /// It overran its limit although it keeps it itself, or did not end when it was told to.
    Hung,
}

/// Waits for an attempt. Told to stop by `brake`, or past `timeout` and `patience`, it has `patience` to end.
pub(super) async fn bounded(
    mut attempt: JoinHandle<Report>,
    (timeout, patience): (Duration, Duration),
    brake: &Brake,
    stop: &CancellationToken,
) -> Result<Report, Lost> {
    let overrun = tokio::select! {
        biased;
        ended = &mut attempt => return ended.map_err(Lost::Broke),
        () = brake.pulled() => false,
        () = tokio::time::sleep(timeout + patience) => true,
    };
    stop.cancel();
    match tokio::time::timeout(patience, &mut attempt).await {
        Ok(ended) if !overrun => return ended.map_err(Lost::Broke),
        // Whatever it says now is not to be relied on: it says that it was stopped, which counts as nothing.
        Ok(_) => return Err(Lost::Hung),
        Err(_) => (),
    }
    // Ends it where it waits next, and with it the processes that it holds.
    attempt.abort();
    Err(Lost::Hung)
}
