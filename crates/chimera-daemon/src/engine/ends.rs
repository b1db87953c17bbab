//! Ends waiting tasks whose time is up, beside the dispatcher: the claim never takes one, so nothing depends on
//! this being quick.

use super::Context;
use super::pause::Pause;
use chimera_core::UnixMillis;
use chimera_store::times;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The shortest time between two looks at tasks whose time may have come closer: so much later than its time may one be
/// shown as ended that was just submitted or sent back.
const LOOK: Duration = Duration::from_secs(5);
/// The longest time between two looks, if nothing is heard of new tasks.
const LONGEST: Duration = Duration::from_secs(60);
/// Pause after a look that found tasks which another daemon is ending or changing.
const TAKEN: Duration = Duration::from_millis(250);
/// Tasks ended by one transaction.
const AT_ONCE: u32 = 100;

/// Never returns.
pub(super) async fn run(context: Arc<Context>) {
    let mut changes = context.store.changes();
    let (mut looks, mut sweeps) =
        (Pause::new("look for tasks whose time is up"), Pause::new("end tasks whose time is up"));
    loop {
        let (now, looked) = (context.clock.now(), Instant::now());
        let heard = changes.borrow_and_update().claimable;
        let nap = match context.store.read(times::next).await {
            Ok(at) => {
                looks.over();
                match at {
                    Some(at) if at <= now => sweep(&context, now, &mut sweeps).await,
                    at => at.map_or(LONGEST, |at| at.since(now).min(LONGEST)),
                }
            }
            Err(err) => {
                looks.failed(&err);
                LOOK
            }
        };
        let news = async {
            let _ = changes.wait_for(|commits| commits.claimable != heard).await;
            tokio::time::sleep_until(looked + LOOK).await;
        };
        tokio::select! {
            () = tokio::time::sleep(nap) => (),
            () = news => (),
        }
    }
}

async fn sweep(context: &Context, now: UnixMillis, sweeps: &mut Pause) -> Duration {
    match context.store.write(move |tx| times::sweep(tx, now, AT_ONCE)).await {
        Ok(ended) => {
            sweeps.over();
            let pause = if ended.is_empty() { TAKEN } else { Duration::ZERO };
            for (task, limit) in ended {
                tracing::info!(%task, ?limit, "its time is up");
            }
            pause
        }
        Err(err) => {
            sweeps.failed(&err);
            LOOK
        }
    }
}
