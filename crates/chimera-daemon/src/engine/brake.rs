//! The way to stop a worker from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

/// Why a task is stopped from outside; a later one counts more than those before it. A person who asked to cancel a task
/// was told that it will stop, which neither its deadline nor a shutdown may turn into anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stop {
    /// The daemon shuts down, or could not extend its lease: the attempt counts as nothing.
    Interrupted = 1,
    /// Its deadline has passed.
    Deadline = 2,
    /// Somebody asked to cancel it.
    Cancelled = 3,
    /// The lease is gone: nothing may be written any more.
    LeaseLost = 4,
}

impl Stop {
    const ALL: [Self; 4] = [Self::Interrupted, Self::Deadline, Self::Cancelled, Self::LeaseLost];
}

/// The way to stop a worker: a reason and a signal.
#[derive(Debug, Clone, Default)]
pub(super) struct Brake {
    reason: Arc<AtomicU8>,
    signal: CancellationToken,
    /// The attempt under way acts outside of the daemon.
    outside: Arc<AtomicBool>,
}

impl Brake {
    /// Stops the worker; a reason that counts more replaces one that counts less.
    pub(super) fn pull(&self, why: Stop) {
        self.reason.fetch_max(why as u8, Ordering::SeqCst);
        self.signal.cancel();
    }

    pub(super) fn is_pulled(&self) -> bool {
        self.signal.is_cancelled()
    }

    /// Waits until somebody pulls it.
    pub(super) async fn pulled(&self) {
        self.signal.cancelled().await;
    }

    /// A signal for the attempt: this one, or one of its own.
    pub(super) fn child(&self) -> CancellationToken {
        self.signal.child_token()
    }

    /// What counts most of why it was pulled.
    pub(super) fn reason(&self) -> Option<Stop> {
        let reason = self.reason.load(Ordering::SeqCst);
        Stop::ALL.into_iter().find(|stop| *stop as u8 == reason)
    }

    /// Says whether the attempt that begins may change what others see.
    pub(super) fn begin(&self, acts_outside: bool) {
        self.outside.store(acts_outside, Ordering::SeqCst);
    }

    /// Whether the attempt under way may change what others see.
    pub(super) fn acts_outside(&self) -> bool {
        self.outside.load(Ordering::SeqCst)
    }
}
