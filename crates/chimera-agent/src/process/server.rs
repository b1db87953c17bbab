//! Processes that are to live on: the servers of staged changes.

use super::{Exit, Identity, SpawnError, Spec, supervise};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A running server. Dropping it ends it and everything that it started.
#[derive(Debug)]
pub struct Server {
    identity: Identity,
    stop: CancellationToken,
    ended: watch::Receiver<Option<Exit>>,
}

impl Server {
    /// Starts a server; it is supervised until it ends or is stopped. `spec.timeout` and `spec.stall` hold.
    ///
    /// # Errors
    /// [`SpawnError`] if it could not be started.
    pub fn start(spec: Spec) -> Result<Self, SpawnError> {
        let started = supervise::start(&spec)?;
        let identity = Identity::of(started.pid().unwrap_or(0));
        let (tell, ended) = watch::channel(None);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let exit = started.finish(&spec, &stopped).await;
            let _ = tell.send(Some(exit));
        });
        Ok(Self { identity, stop, ended })
    }

    /// The first process of the server.
    pub fn identity(&self) -> &Identity {
        &self.identity
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

    /// Ends it and waits until nothing of it is left.
    pub async fn stop(self) {
        self.stop.cancel();
        self.ended().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
