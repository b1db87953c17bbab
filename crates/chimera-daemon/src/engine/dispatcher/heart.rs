//! The heartbeat: extends the lease, stops what is no longer ours, and takes over from daemons that are gone.
//!
//! The beat writes one row on a connection of its own. Everything that is about others comes after it, in transactions
//! of their own: what is wrong with a stranger's task does not cost this daemon its lease.

use super::{Dispatcher, Stop};
use crate::engine::Context;
use crate::engine::written::REMEMBERED;
use chimera_agent::process::reap_orphans;
use chimera_core::TaskId;
use chimera_store::{ReadTx, StoreError, Tx, heartbeat, home, lease, suspects};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::time::Instant;

/// A heartbeat that came back.
pub(super) struct Beat {
    /// When it began.
    asked: Instant,
    found: Result<Found, StoreError>,
}

/// What it found.
struct Found {
    beat: heartbeat::Beat,
    /// This daemon's clock was wrong: the lease was extended to a wrong time.
    late: bool,
}

/// What the heartbeats have shown.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Since when the database has answered every one of them in time.
    answering: Option<Instant>,
    /// The tasks that were held without a worker at the last one.
    idle: HashSet<TaskId>,
    /// When the last one was taken in.
    at: Option<Instant>,
    /// The last one went by a wrong clock.
    late: bool,
}

/// What a look at what others have left has shown.
pub(super) struct Cared {
    /// A task waits that must run alone.
    pub(super) suspects: bool,
}

/// Tasks that this daemon holds and does not work on.
#[derive(Default)]
struct Idle {
    /// Their worker broke.
    broken: Vec<TaskId>,
    /// Their claim or their last result was committed without our having heard of it.
    unheard: Vec<TaskId>,
}

impl Dispatcher {
    /// Begins a heartbeat, unless one is under way.
    pub(super) fn beat(&mut self) {
        if !self.beating.is_idle() {
            return;
        }
        let (context, state, asked) = (self.context.clone(), self.state(), Instant::now());
        self.beating.begin(async move {
            let (store, lease) = (context.store.clone(), context.settings.lease);
            let beat = move |tx: &mut Tx<'_>| {
                // Here, not before: while this waited for its turn, the lease would have run down.
                let (now, asked) = (context.clock.now(), context.clock.uncorrected());
                context.written.goes_on(lease::last_beat(tx, context.owner.as_str())?, now)?;
                let beat = heartbeat::beat(tx, context.owner.as_str(), &state, now, lease)?;
                let late = beat.facts.server_time.is_some_and(|time| context.clock.correct(time, asked));
                if let Some(home) = &context.home {
                    home::present(tx, &home.name, context.clock.now(), lease)?;
                }
                Ok(Found { beat, late })
            };
            Beat { asked, found: store.write_apart(beat).await }
        });
    }

    /// Takes in a heartbeat.
    pub(super) fn beaten(&mut self, Beat { asked, found }: Beat) {
        let lease = self.settings().lease;
        let Found { beat: heartbeat::Beat { held, facts }, late } = match found {
            Ok(found) => found,
            Err(StoreError::Moved) => return self.moved(),
            Err(err) => {
                self.seen.answering = None;
                return self.beats.failed(&err);
            }
        };
        self.beats.over();
        self.context.written.recorded();
        if let Err(newer) = facts.understood() {
            self.outgrown(newer);
        }
        if late && !std::mem::replace(&mut self.seen.late, late) {
            return self.beat();
        }
        self.seen.late = false;
        if asked.elapsed() > lease / 3 {
            self.seen.answering = None;
        }
        self.seen.answering.get_or_insert_with(Instant::now);
        // Nothing could be claimed meanwhile.
        self.claim_wanted |= !self.context.lease.holds();
        self.context.lease.extend(asked, lease);
        // An answer that comes later than the lease lasts changes nothing.
        self.lease_told &= !self.context.lease.holds();
        let cancelled: HashSet<&TaskId> =
            held.iter().filter(|held| held.cancel_requested).map(|held| &held.id).collect();
        let held: HashSet<&TaskId> = held.iter().map(|held| &held.id).collect();
        // A task that was claimed after the beat is not among them.
        self.stop_where(Stop::LeaseLost, |running| running.since < asked && !held.contains(&running.task));
        self.stop_where(Stop::Cancelled, |running| cancelled.contains(&running.task));
        let idle = self.idle(&held);
        self.look_after_others(idle);
    }

    /// A newer version works on the database: this daemon begins nothing more, hands back what it runs, and ends.
    fn outgrown(&mut self, newer: StoreError) {
        if self.newer.is_none() {
            tracing::error!(error = %newer, "a newer version works on the database: this daemon hands its tasks back and ends");
            self.newer = Some(newer);
            self.draining.cancel();
        }
    }

    /// The tasks whose worker broke, and those that have been held without a worker since the last heartbeat at least. What a
    /// claim has taken that is still under way is not among them.
    fn idle(&mut self, held: &HashSet<&TaskId>) -> Idle {
        let working: HashSet<&TaskId> = self.running.values().map(|running| &running.task).collect();
        let now: HashSet<TaskId> =
            held.iter().filter(|id| !working.contains(*id)).map(|id| (*id).clone()).collect();
        let claimed_since = self.claiming.is_idle() || self.claim_began > self.seen.at;
        let unheard = |id: &&TaskId| claimed_since && self.seen.idle.contains(*id);
        let mut idle = Idle::default();
        for id in &now {
            if self.broken.contains(id) {
                idle.broken.push(id.clone());
            } else if unheard(&id) {
                idle.unheard.push(id.clone());
            }
        }
        // In an order that a simulation finds again.
        idle.broken.sort();
        idle.unheard.sort();
        self.broken.retain(|id| now.contains(id));
        (self.seen.idle, self.seen.at) = (now, Some(Instant::now()));
        idle
    }

    fn look_after_others(&mut self, idle: Idle) {
        if !self.caring.is_idle() {
            return;
        }
        let (context, lease) = (self.context.clone(), self.settings().lease);
        // Others had no chance to extend theirs while the database did not answer.
        let answering = self.seen.answering.is_some_and(|since| since.elapsed() >= lease);
        self.caring.begin(async move { care(&context, answering, idle).await });
    }

    /// The lease could not be extended for its whole length: others may take over from now on.
    pub(super) fn lease_ran_out(&mut self) {
        if std::mem::replace(&mut self.lease_told, true) {
            return;
        }
        let lease = self.settings().lease;
        tracing::error!(
            ?lease,
            "the lease ran out, as the database does not answer: nothing is deployed and nothing begins until it does"
        );
        self.seen.answering = None;
        // The others change nothing that cannot be taken back: they go on, and their results are recorded if nobody
        // has taken over by then.
        self.stop_where(Stop::Interrupted, |running| running.brake.acts_outside());
    }
}

/// Looks after what daemons that are gone have left; `answering` says whether they would have been able to extend their
/// leases.
async fn care(context: &Arc<Context>, answering: bool, idle: Idle) -> Result<Cared, StoreError> {
    let now = context.clock.now();
    let (gone_before, silent_since) =
        (now.minus(REMEMBERED), context.home.as_ref().map(|home| now.minus(home.patience)));
    let look = move |tx: &ReadTx<'_>| {
        let forgettable = heartbeat::is_anything_forgettable(tx, now, gone_before)?;
        let silent = silent_since.map_or(Ok(false), |since| home::is_any_silent(tx, since))?;
        Ok((lease::owners(tx, now)?, suspects::wait(tx)?, forgettable, silent))
    };
    let (owners, suspects, forgettable, silent) = context.store.read_apart(look).await?;
    let mut taken_back = false;
    if forgettable || silent || !idle.broken.is_empty() || !idle.unheard.is_empty() {
        let context_too = context.clone();
        let keep = move |tx: &mut Tx<'_>| {
            let (owner, now) = (context_too.owner.as_str(), context_too.clock.now());
            heartbeat::forget(tx, now, gone_before)?;
            if let Some(since) = silent_since.filter(|_| silent) {
                home::give_up(tx, since)?;
            }
            let mut taken = lease::forsake(tx, owner, &idle.broken, now, &context_too.settings.policy)?;
            taken.extend(lease::hand_back(tx, owner, &idle.unheard, now)?);
            Ok(taken)
        };
        let taken = context.store.write(keep).await?;
        told(&taken);
        taken_back |= !taken.is_empty();
    }
    let mut died_here = false;
    for owner in owners {
        let gone = context.owner.knows_gone(&owner.name);
        died_here |= gone;
        if gone || (owner.expired && answering && owner.name != context.owner.as_str()) {
            taken_back |= take_over(context, owner.name, gone).await?;
        }
    }
    if died_here {
        end_orphans();
    }
    // What has just been taken back may be one.
    let suspects = if taken_back { context.store.read_apart(suspects::wait).await? } else { suspects };
    Ok(Cared { suspects })
}

/// Takes all tasks from an owner, a few at a time; false if there were none.
async fn take_over(context: &Arc<Context>, owner: String, gone: bool) -> Result<bool, StoreError> {
    let mut any = false;
    loop {
        let (context_too, owner) = (context.clone(), owner.clone());
        let rescue = move |tx: &mut Tx<'_>| {
            // Here, not before: nobody is gone at a time at which the heartbeat was still seen.
            let (now, policy) = (context_too.clock.now(), &context_too.settings.policy);
            if gone {
                lease::rescue_gone(tx, &owner, now, policy)
            } else {
                lease::rescue_expired(tx, &owner, now, policy)
            }
        };
        let taken = context.store.write(rescue).await?;
        if taken.is_empty() {
            return Ok(any);
        }
        told(&taken);
        any = true;
    }
}

fn told(taken: &[TaskId]) {
    for task in taken {
        tracing::warn!(%task, "taken back from a daemon or worker that is gone");
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
