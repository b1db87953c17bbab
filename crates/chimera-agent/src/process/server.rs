//! Processes that are to live on: the servers of staged changes.

use super::output::WhenFull;
use super::supervise::{self, Stop};
use super::{Exit, Identity, SpawnError, Spec};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// A running server. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub struct Server {
    identity: Identity,
    stop: Stop,
    ended: watch::Receiver<Option<Exit>>,
    printed: Arc<AtomicU64>,
}

impl Server {
    /// Starts a server; it is supervised until it ends or is stopped. `spec.timeout` and `spec.stall` hold; of a log that
    /// is larger than `spec.output_cap` the middle is cut out while the server lives on.
    ///
    /// # Errors
    /// [`SpawnError`] if it could not be started.
    pub fn start(spec: Spec) -> Result<Self, SpawnError> {
        let started = supervise::start(&spec, WhenFull::Cut)?;
        let identity = Identity::of(started.pid().unwrap_or(0));
        let printed = started.printed();
        let (tell, ended) = watch::channel(None);
        let stop = Stop::default();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let exit = started.finish(&spec, &stopped).await;
            let _ = tell.send(Some(exit));
        });
        Ok(Self { identity, stop, ended, printed })
    }

    /// The first process of the server.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How many bytes it has printed so far: so many of the newest of them are at the end of its log, as far as they were
    /// not cut out.
    pub fn printed(&self) -> u64 {
        self.printed.load(Ordering::SeqCst)
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.ended.borrow().clone()
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&self) -> Option<Exit> {
        let mut ended = self.ended.clone();
        ended.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone())
    }

    /// Ends it within `spec.grace` and waits until nothing of it is left.
    pub async fn stop(self) {
        self.stop.asked.cancel();
        self.ended().await;
    }

    /// Ends it within `spec.grace`, or sooner, once `now` completes, and waits until nothing of it is left.
    pub async fn stop_or(self, now: impl Future<Output = ()>) {
        self.stop.asked.cancel();
        tokio::select! {
            _ = self.ended() => return,
            () = now => self.stop.now.cancel(),
        }
        self.ended().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.asked.cancel();
    }
}
