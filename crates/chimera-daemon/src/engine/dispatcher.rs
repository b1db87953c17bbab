//! The loop that owns the pool.
//!
//! It registers its interest in changes, looks, then sleeps: on a commit anywhere, on the end of a worker, on
//! its heartbeat, on the next retry time, at the latest on the poll interval, which grows while nothing happens. It never
//! waits for the database alone: each call of it is one of the things that it waits for, beside the end of its lease.

mod call;
mod claiming;
mod drain;
mod heart;
mod room;
mod solo;
mod waking;

use super::brake::Stop;
use super::pause::Pause;
use super::pool::Pool;
use super::running::Running;
use super::tools;
use super::worker::Left;
use super::{Context, Settings};
use call::Call;
use chimera_core::{TaskId, UnixMillis};
use chimera_store::{Commits, StoreError};
use claiming::Claimed;
use heart::{Beat, Cared, Seen};
use solo::Solo;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) struct Dispatcher {
    context: Arc<Context>,
    workers: JoinSet<Left>,
    running: HashMap<Id, Running>,
    /// Shutdown: no new phase may begin once this is cancelled.
    draining: CancellationToken,
    /// A claim may find something that the last one did not.
    claim_wanted: bool,
    /// The last claim left ready tasks behind, which any commit may set free.
    held_back: bool,
    /// The commits that were heeded.
    heard: Commits,
    /// Something was committed since the claim that is under way began.
    heard_since: bool,
    claiming: Call<Result<Claimed, StoreError>>,
    claim_began: Option<Instant>,
    claims: Pause,
    /// When a claim may find what the last one did not.
    next_ready: Option<UnixMillis>,
    beating: Call<Beat>,
    beats: Pause,
    seen: Seen,
    /// The end of the lease has been told.
    lease_told: bool,
    caring: Call<Result<Cared, StoreError>>,
    cares: Pause,
    looking: Call<Result<Vec<TaskId>, StoreError>>,
    looks: Pause,
    /// When to look for cancellations, if something was committed since the last look.
    look_at: Option<Instant>,
    /// The look that is under way may have missed something.
    look_again: bool,
    /// Tasks whose worker broke.
    broken: HashSet<TaskId>,
    solo: Solo,
    pool: Pool,
    counting: Call<Result<u32, StoreError>>,
    /// How long the next poll waits.
    lull: Duration,
    poll_at: Instant,
    /// The queue was found closed, and that was told.
    moved: bool,
    /// A newer version works on the database.
    newer: Option<StoreError>,
}

impl Dispatcher {
    pub(super) fn new(context: Arc<Context>, shutdown: CancellationToken) -> Self {
        let solo = Solo::new(&shutdown);
        let (pool, lull) = (Pool::new(&context.settings), context.settings.poll_interval);
        Self {
            context,
            workers: JoinSet::new(),
            running: HashMap::new(),
            draining: shutdown,
            claim_wanted: true,
            held_back: false,
            heard: Commits::default(),
            heard_since: false,
            claiming: Call::NONE,
            claim_began: None,
            claims: Pause::new("claim tasks"),
            next_ready: None,
            beating: Call::NONE,
            beats: Pause::new("extend the lease"),
            seen: Seen::default(),
            lease_told: false,
            caring: Call::NONE,
            cares: Pause::new("look after what others have left"),
            looking: Call::NONE,
            looks: Pause::new("look for cancellations"),
            look_at: None,
            look_again: false,
            broken: HashSet::new(),
            solo,
            pool,
            counting: Call::NONE,
            lull,
            poll_at: Instant::now() + lull,
            moved: false,
            newer: None,
        }
    }

    /// Works until it is told to end, or must.
    ///
    /// # Errors
    /// Why it must.
    pub(super) async fn run(mut self, now: CancellationToken) -> Result<(), StoreError> {
        let shutdown = self.draining.clone();
        let mut changes = self.context.store.changes();
        let mut tools = self.context.tools.clone();
        let mut beat = tokio::time::interval(self.settings().lease / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            // All that have ended, so that one claim fills all of their slots.
            while let Some(ended) = self.workers.try_join_next_with_id() {
                self.ended(ended);
            }
            self.look_at_machine();
            self.claim();
            self.stop_overdue();
            let nap = tokio::time::sleep(self.nap());
            let (ran_out, again) = (until(self.lease_end()), until(self.beat_again()));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = ran_out => self.lease_ran_out(),
                _ = beat.tick() => self.beat(),
                () = again => self.beat(),
                beat = self.beating.ended() => self.beaten(beat),
                cared = self.caring.ended() => self.cared(cared),
                claimed = self.claiming.ended() => self.claimed(claimed),
                found = self.looking.ended() => self.looked(found),
                ready = self.counting.ended() => self.counted(ready),
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = tools::changed(&mut tools) => self.tools_changed(),
                Ok(()) = changes.changed() => self.changed(*changes.borrow_and_update()),
                () = nap => self.woken(),
            }
        }
        self.drain(now, beat).await;
        self.newer.map_or(Ok(()), Err)
    }

    fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// When the lease runs out, unless that has been told.
    fn lease_end(&self) -> Option<Instant> {
        if self.lease_told { None } else { self.context.lease.runs_out_at() }
    }

    /// When a heartbeat that failed is to be tried again.
    fn beat_again(&self) -> Option<Instant> {
        self.beats.until().filter(|_| self.beating.is_idle())
    }

    fn stop_overdue(&self) {
        let time = self.context.clock.now();
        self.running.values().for_each(|running| running.stop_if_overdue(time));
    }

    fn ended(&mut self, ended: Result<(Id, Left), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(err) => err.id(),
        };
        let Some(running) = self.running.remove(&id) else { return };
        self.one_less(running.alone);
        match ended {
            Ok((_, Left::Done)) => return,
            Ok((_, Left::GaveUp)) => {}
            Err(err) => tracing::error!(task = %running.task, error = %err, "a worker broke"),
        }
        // The next heartbeat finds the task without a worker; that counts as a crash.
        self.broken.insert(running.task);
    }

    fn cared(&mut self, cared: Result<Cared, StoreError>) {
        match cared {
            Ok(Cared { suspects }) => {
                self.cares.over();
                self.suspects_wait(suspects);
            }
            Err(StoreError::Moved) => self.moved(),
            Err(err) => self.cares.failed(&err),
        }
    }

    /// The queue lives in another database now: whoever works there takes the tasks over.
    fn moved(&mut self) {
        if !std::mem::replace(&mut self.moved, true) {
            tracing::error!("{}", StoreError::Moved);
        }
        self.stop_where(Stop::LeaseLost, |_| true);
    }

    fn stop_where(&self, why: Stop, which: impl Fn(&Running) -> bool) {
        let mut stopped: Vec<&Running> = self.running.values().filter(|running| which(running)).collect();
        // In an order that a simulation finds again.
        stopped.sort_by(|one, other| one.task.cmp(&other.task));
        stopped.into_iter().for_each(|running| running.brake.pull(why));
    }
}

/// Waits until that moment; for ever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
