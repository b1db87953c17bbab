//! The loop that owns the pool.
//!
//! It registers its interest in changes, looks, then sleeps: on a commit anywhere, on the end of a worker, on
//! its heartbeat, on the next retry time, at the latest on the poll interval, which grows while nothing happens.

mod drain;
mod room;

use super::pool::Pool;
use super::running::Running;
use super::worker::{Brake, Stop, work};
use super::{Context, Settings};
use super::{told, tools};
use chimera_agent::process::reap_orphans;
use chimera_core::{Task, TaskId, UnixMillis};
use chimera_store::StoreError;
use chimera_store::home;
use chimera_store::queue::{self, Claim};
use chimera_store::{hold, roster};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long commits are gathered before they are searched for cancellations: a busy daemon commits thousands of
/// times a second itself.
const GATHER: Duration = Duration::from_millis(20);
/// How many times its interval the poll waits at most, once nothing has happened for a while: it only finds what a lost
/// notification did not tell.
const LULL: u32 = 4;

pub(super) struct Dispatcher {
    context: Arc<Context>,
    workers: JoinSet<()>,
    running: HashMap<Id, Running>,
    /// Shutdown: no new phase may begin once this is cancelled.
    draining: CancellationToken,
    last_beat: Instant,
    /// When a claim may find what the last one did not.
    next_ready: Option<UnixMillis>,
    pool: Pool,
    /// How long the next poll waits.
    lull: Duration,
    /// When to look for cancellations, if something was committed since the last look.
    look_at: Option<Instant>,
    /// The queue was found closed, and that was told.
    moved: bool,
}

impl Dispatcher {
    pub(super) fn new(context: Arc<Context>, shutdown: CancellationToken) -> Self {
        let (pool, lull) = (Pool::new(&context.settings), context.settings.poll_interval);
        Self {
            context,
            workers: JoinSet::new(),
            running: HashMap::new(),
            draining: shutdown,
            last_beat: Instant::now(),
            next_ready: None,
            pool,
            lull,
            look_at: None,
            moved: false,
        }
    }

    pub(super) async fn run(mut self, now: CancellationToken) {
        let shutdown = self.draining.clone();
        let mut changes = self.context.store.changes();
        let mut tools = self.context.tools.clone();
        let mut beat = tokio::time::interval(self.settings().lease / 3);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !shutdown.is_cancelled() {
            changes.borrow_and_update();
            // All that have ended, so that one claim fills all of their slots.
            while let Some(ended) = self.workers.try_join_next_with_id() {
                self.ended(ended);
            }
            self.claim().await;
            let time = self.context.clock.now();
            self.running.values().for_each(|running| running.stop_if_overdue(time));
            let nap = tokio::time::sleep(self.nap());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = beat.tick() => self.heartbeat().await,
                Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
                () = tools::changed(&mut tools) => self.tools_changed().await,
                Ok(()) = changes.changed() => {
                    self.lull = self.settings().poll_interval;
                    if !self.running.is_empty() {
                        self.look_at.get_or_insert_with(|| Instant::now() + GATHER);
                    }
                    self.look_if_due().await;
                }
                () = nap => {
                    self.lull = self.lull.saturating_mul(2).min(self.settings().poll_interval * LULL);
                    self.stop_cancelled().await;
                }
            }
        }
        self.drain(now, beat).await;
    }

    fn settings(&self) -> &Settings {
        &self.context.settings
    }

    /// How long nothing needs to be looked at.
    fn nap(&self) -> Duration {
        let now = self.context.clock.now();
        let deadline = self.running.values().filter_map(Running::deadline_ahead).min();
        let until = |at: UnixMillis| at.since(now).max(Duration::from_millis(1));
        let (ready, deadline) = (self.next_ready.map(until), deadline.map(until));
        let look = self.look_at.map(|at| at.saturating_duration_since(Instant::now()));
        [ready, deadline, look, self.pool.nap()].into_iter().flatten().fold(self.lull, Duration::min)
    }

    /// Fills the free slots.
    async fn claim(&mut self) {
        self.look_at_machine().await;
        let limit @ 1.. = self.pool.free(self.running.len()) else { return };
        let (context, lease) = (self.context.clone(), self.settings().lease);
        let claimed = self
            .context
            .store
            .write_in_turn(move |tx| {
                // Here, not before: while this waited for its turn, a lease would have run down.
                let now = context.clock.now();
                let gates = &context.gates();
                let claim = Claim { owner: context.owner.as_str(), now, lease, limit, gates };
                let tasks = match &context.home {
                    None => queue::claim(tx, &claim)?,
                    Some(home) => home::claim(tx, &claim, &home.name)?,
                };
                let filled = tasks.len() >= limit as usize;
                let next = if filled { None } else { queue::next_event_at(tx, now)? };
                Ok((tasks, next))
            })
            .await;
        match claimed {
            Ok((tasks, next)) => {
                self.next_ready = next;
                self.moved = false;
                tasks.into_iter().for_each(|task| self.start(task));
            }
            Err(StoreError::Moved) => self.moved(),
            Err(err) => tracing::error!(error = %err, "cannot claim tasks; trying again at the next poll"),
        }
    }

    fn start(&mut self, task: Task) {
        let brake = Brake::default();
        let id = task.id.clone();
        told::claimed(&task);
        if task.cancel_requested {
            brake.pull(Stop::Cancelled);
        }
        let deadline = task.time_up().map(|(at, _)| at);
        let worker = work(self.context.clone(), task, brake.clone(), self.draining.clone());
        let handle = self.workers.spawn(worker);
        self.running.insert(handle.id(), Running { task: id, brake, deadline });
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(err) => err.id(),
        };
        let running = self.running.remove(&id);
        if let (Err(err), Some(running)) = (ended, running) {
            // The next heartbeat finds the task without a worker; that counts as a crash.
            tracing::error!(task = %running.task, error = %err, "a worker broke");
        }
    }

    /// Extends the leases, stops what is no longer ours, takes over from daemons that are gone.
    async fn heartbeat(&mut self) {
        self.set_clock().await;
        let (context, lease) = (self.context.clone(), self.settings().lease);
        let (policy, state) = (self.settings().policy, self.state());
        let working: HashSet<TaskId> = self.running.values().map(|running| running.task.clone()).collect();
        let beaten = self
            .context
            .store
            .write(move |tx| {
                // Here, not before: while this waited for its turn, the leases would have run down.
                let now = context.clock.now();
                let held = queue::heartbeat(tx, context.owner.as_str(), now, lease)?;
                if let Some(home) = &context.home {
                    home::present(tx, &home.name, now, lease, home.patience)?;
                }
                roster::present(tx, context.owner.as_str(), &state, now, lease)?;
                hold::forget(tx, now)?;
                let gone: Vec<String> =
                    queue::owners(tx)?.into_iter().filter(|other| context.owner.knows_gone(other)).collect();
                // Read again: nobody was gone at a time at which he was still seen.
                let now = context.clock.now();
                let mut rescued = queue::rescue(tx, now, &gone, &policy)?;
                let died_here = !gone.is_empty();
                let idle: Vec<TaskId> =
                    held.iter().map(|held| held.id.clone()).filter(|id| !working.contains(id)).collect();
                rescued.extend(queue::forsake(tx, context.owner.as_str(), &idle, now, &policy)?);
                Ok((held, rescued, died_here))
            })
            .await;
        match beaten {
            Ok((held, rescued, died_here)) => {
                self.last_beat = Instant::now();
                if died_here {
                    end_orphans();
                }
                for task in rescued {
                    tracing::warn!(%task, "taken back from a daemon or worker that is gone");
                }
                let held: HashSet<TaskId> = held.into_iter().map(|held| held.id).collect();
                self.stop_where(Stop::LeaseLost, |task| !held.contains(task));
            }
            Err(StoreError::Moved) => self.moved(),
            Err(err) => {
                tracing::error!(error = %err, "cannot extend leases");
                if self.last_beat.elapsed() >= self.settings().lease {
                    self.stop_where(Stop::LeaseLost, |_| true);
                }
            }
        }
    }

    /// Leases go by the clock of the database server, where several machines share one.
    async fn set_clock(&self) {
        let clock = &self.context.clock;
        let asked = clock.uncorrected();
        match self.context.store.server_time().await {
            Ok(Some(time)) => clock.correct(time, asked),
            Ok(None) => {}
            Err(err) => tracing::error!(error = %err, "cannot read the time of the database server"),
        }
    }

    async fn look_if_due(&mut self) {
        if self.look_at.is_some_and(|at| at <= Instant::now()) {
            self.stop_cancelled().await;
        }
    }

    /// Stops the running tasks that somebody asked to cancel.
    async fn stop_cancelled(&mut self) {
        self.look_at = None;
        if self.running.is_empty() {
            return;
        }
        let context = self.context.clone();
        let cancelled =
            self.context.store.read(move |tx| queue::cancellations(tx, context.owner.as_str())).await;
        match cancelled {
            Ok(tasks) => self.stop_where(Stop::Cancelled, |task| tasks.contains(task)),
            Err(err) => tracing::error!(error = %err, "cannot look for cancellations"),
        }
    }

    /// The queue lives in another database now: whoever works there takes the tasks over.
    fn moved(&mut self) {
        if !std::mem::replace(&mut self.moved, true) {
            tracing::error!("{}", StoreError::Moved);
        }
        self.stop_where(Stop::LeaseLost, |_| true);
    }

    fn stop_where(&self, why: Stop, which: impl Fn(&TaskId) -> bool) {
        let mut stopped: Vec<&Running> =
            self.running.values().filter(|running| which(&running.task)).collect();
        // In an order that a simulation finds again.
        stopped.sort_by(|one, other| one.task.cmp(&other.task));
        stopped.into_iter().for_each(|running| running.brake.pull(why));
    }
}

/// Ends what daemons that died on this machine left running, beside everything else.
fn end_orphans() {
    tokio::task::spawn_blocking(|| {
        let ended = reap_orphans();
        if ended > 0 {
            tracing::warn!(ended, "ended processes that a daemon which is gone left behind");
        }
    });
}
