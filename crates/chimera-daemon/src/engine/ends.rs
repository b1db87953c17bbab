//! Ends waiting tasks whose time is up, beside the dispatcher: the claim never takes one, so nothing depends on
//! this being quick.

use super::Context;
use chimera_core::UnixMillis;
use chimera_store::times;
use std::sync::Arc;
use std::time::Duration;

/// The longest time between two looks: so much later than its time may a task be shown as ended that was
/// submitted or changed by another process.
const LOOK: Duration = Duration::from_secs(5);
/// Pause after a look that found tasks which another daemon is ending or changing.
const TAKEN: Duration = Duration::from_millis(250);
/// Tasks ended by one transaction.
const AT_ONCE: u32 = 100;

/// Never returns.
pub(super) async fn run(context: Arc<Context>) {
    loop {
        let now = context.clock.now();
        let nap = match context.store.read(times::next).await {
            Ok(Some(at)) if at <= now => sweep(&context, now).await,
            Ok(at) => at.map_or(LOOK, |at| at.since(now).min(LOOK)),
            Err(err) => {
                tracing::error!(error = %err, "cannot look for tasks whose time is up");
                LOOK
            }
        };
        tokio::time::sleep(nap).await;
    }
}

async fn sweep(context: &Context, now: UnixMillis) -> Duration {
    match context.store.write(move |tx| times::sweep(tx, now, AT_ONCE)).await {
        Ok(ended) => {
            let pause = if ended.is_empty() { TAKEN } else { Duration::ZERO };
            for (task, limit) in ended {
                tracing::info!(%task, ?limit, "its time is up");
            }
            pause
        }
        Err(err) => {
            tracing::error!(error = %err, "cannot end tasks whose time is up");
            LOOK
        }
    }
}
