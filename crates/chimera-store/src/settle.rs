//! The end of an attempt: what came of it is recorded, once, as long as the lease holds.
//!
//! Mostly this is a row of a statement that many share and that touches no index. If something is paused, or somebody
//! failed last, that statement finds no row and the gates are asked: the task then goes on, or goes back into the queue.

use crate::change::{Change, Statement};
use crate::commits::News;
use crate::hold::{self, breaker_of};
use crate::queue::decide;
use crate::{Store, StoreError, Tx, after, journal, read, suspects};
use chimera_core::gates::{Board, Breaker, Failure, Gates, Health, Pause};
use chimera_core::{
    Entry, EntryKind, Event, Evidence, Lane, Next, Outcome, Policy, Scope, State, Status, Task, TaskId,
    Transition, UnixMillis, limits,
};
use std::sync::Arc;
use std::time::Duration;

const GOING_ON: &str =
    "phase = given.column1, workflow_state = given.column2, attempt = given.column3, seq = seq + 1";
const ON: &[&str] = &["TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT"];
macro_rules! going_on {
    () => {
        "lease_epoch = given.column4 AND tasks.attempt = given.column5 AND status = 'running' \
         AND tasks.cancel_requested = 0"
    };
}
/// Settles without giving the lease back: touches no index. Finds no row if anything is held back.
pub(crate) static ADVANCE: Statement = Statement::update(
    GOING_ON,
    ON,
    concat!(going_on!(), " AND NOT EXISTS (SELECT 1 FROM pauses) AND NOT EXISTS (SELECT 1 FROM breakers)"),
);
static ADVANCE_ALL_THE_SAME: Statement = Statement::update(GOING_ON, ON, going_on!());
const SETTING: &str = "status = given.column1, phase = given.column2, workflow_state = given.column3, seq = seq + 1, \
    ready_at = given.column4, parked = given.column5, completed_at = given.column6, attempt = given.column7, \
    lease_owner = NULL, lease_expires_at = NULL, cancel_requested = 0";
const SET: &[&str] =
    &["TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "TEXT"];
macro_rules! setting {
    () => {
        "lease_epoch = given.column8 AND tasks.attempt = given.column9 AND status = 'running'"
    };
}
/// Ends a task whose cancellation was asked for.
static CANCEL: Statement = Statement::update(SETTING, SET, setting!());
/// Finds no row if the task is to be cancelled: that was promised to a person, whatever the attempt came to.
static SETTLE: Statement =
    Statement::update(SETTING, SET, concat!(setting!(), " AND tasks.cancel_requested = 0"));
/// Finds no row if there is more to be done.
pub(crate) static SETTLE_ONLY: Statement = Statement::update(
    SETTING,
    SET,
    concat!(
        setting!(),
        " AND tasks.cancel_requested = 0 AND (awaited = 0 OR given.column1 <> 'completed') AND NOT EXISTS (SELECT 1 FROM breakers)"
    ),
);

/// What came of an attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The task.
    pub id: TaskId,
    /// Its project.
    pub project: String,
    /// The epoch of the lease under which the attempt ran.
    pub epoch: i64,
    /// What follows.
    pub transition: Arc<Transition>,
    /// What the attempt left.
    pub evidence: Vec<Evidence>,
    /// The agent whose trouble it is, if it is an agent's; otherwise the project's.
    pub agent: Option<String>,
    /// The gates before the next phase.
    pub gates: Arc<Gates>,
    /// The time now.
    pub now: UnixMillis,
}

/// Where a task went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// Where the transition says.
    AsDecided,
    /// Back into the queue: something holds the next phase back. See [`Transition::handed_back`].
    HandedBack,
    /// Nowhere: somebody had asked to cancel it, and so it ended.
    Cancelled,
}

/// Records what came of an attempt, once, as long as the lease of that epoch holds. A task whose cancellation was asked
/// for ends as cancelled instead: the wish was acknowledged, so nothing may outrun it.
///
/// # Errors
/// [`StoreError::LeaseLost`] if it does not, or the attempt's result is on record already; nothing is
/// written then.
pub fn settle(tx: &mut Tx<'_>, settlement: &Settlement) -> Result<Onward, StoreError> {
    let transition = &*settlement.transition;
    tx.heed_pauses()?;
    if transition.next != Next::Run {
        if let Some(pause) = settlement.pause() {
            tx.in_turn()?;
            hold::put(tx, &pause)?;
        }
        // First: an attempt that tries a breaker is known as such while it runs. Undone if the lease is lost.
        record_health(tx, settlement)?;
        return settlement.write(tx, &SETTLE, transition, Onward::AsDecided);
    }
    if !settlement.must_queue() {
        if tx.change(settlement.change(&ADVANCE, transition)?)? {
            journal::index(tx, &settlement.id, &settlement.evidence)?;
            return Ok(Onward::AsDecided);
        }
        // The lease is lost, or something is held back: not by a breaker that has just been tried with success.
        record_health(tx, settlement)?;
        let held = hold::held(tx, settlement.now)?;
        let lane = Lane::new(&settlement.project, transition.entry.to);
        if Board::over_all(&settlement.gates, held).lets_pass(&lane) {
            return settlement.write(tx, &ADVANCE_ALL_THE_SAME, transition, Onward::AsDecided);
        }
    } else {
        record_health(tx, settlement)?;
    }
    settlement.write(tx, &SETTLE, &transition.clone().handed_back(), Onward::HandedBack)
}

/// As [`settle`], together with what others settle at the same time.
///
/// # Errors
/// As [`settle`].
pub async fn record(store: &Store, settlement: Settlement) -> Result<Onward, StoreError> {
    let transition = settlement.transition.clone();
    let runs_on = transition.next == Next::Run;
    if settlement.is_failure() || settlement.pause().is_some() {
        return store.write_alone(move |tx| settle(tx, &settlement)).await;
    }
    let by_itself = !settlement.evidence.is_empty() || (runs_on && settlement.must_queue());
    if by_itself {
        return store.write_in_turn(move |tx| settle(tx, &settlement)).await;
    }
    let statement = match transition.state.status {
        Status::Cancelled => &CANCEL,
        _ if runs_on => &ADVANCE,
        _ => &SETTLE_ONLY,
    };
    let change = settlement.change(statement, &transition)?;
    let again = settlement.clone();
    match store.change(change, Onward::AsDecided, move |tx| settle(tx, &settlement)).await {
        Err(StoreError::NotAlone) => store.write_alone(move |tx| settle(tx, &again)).await,
        answer => answer,
    }
}

impl Settlement {
    /// What came of an attempt at the task that left nothing, where nothing holds tasks back.
    pub fn new(task: &Task, epoch: i64, transition: Transition, now: UnixMillis) -> Self {
        Self {
            id: task.id.clone(),
            project: task.project.clone(),
            epoch,
            transition: Arc::new(transition),
            evidence: Vec::new(),
            agent: None,
            gates: Arc::default(),
            now,
        }
    }

    /// Whether the next phase begins with a claim, whatever is held back.
    fn must_queue(&self) -> bool {
        let entry = &self.transition.entry;
        self.gates.queue_between(&self.project, entry.phase, entry.to)
    }

    /// Whether a failure is to be counted.
    fn is_failure(&self) -> bool {
        self.gates.breaker.is_some() && health(&self.transition).0 == Health::Failing
    }

    /// The pause of an agent that nobody can work with.
    fn pause(&self) -> Option<Pause> {
        let EntryKind::Settled { result, .. } = &self.transition.entry.kind else { return None };
        let Outcome::Unavailable { agent, setback, retry_after } = result else { return None };
        let until = retry_after.map(|wait| self.now.plus(wait.min(limits::RETRY_AFTER)));
        let (scope, reason) = (Scope::Agent(agent.clone()), Some(setback.summary.clone()));
        Some(Pause { scope, since: self.now, until, reason })
    }

    /// Makes the change, and what always goes with it.
    fn write(
        &self,
        tx: &mut Tx<'_>,
        statement: &'static Statement,
        transition: &Transition,
        onward: Onward,
    ) -> Result<Onward, StoreError> {
        let cancels = transition.state.status == Status::Cancelled;
        let statement = if cancels { &CANCEL } else { statement };
        if !tx.change(self.change(statement, transition)?)? {
            return self.cancelled(tx);
        }
        journal::index(tx, &self.id, &self.evidence)?;
        if transition.state.status == Status::Completed {
            after::release(tx, &self.id, self.now)?;
        }
        Ok(onward)
    }

    /// Ends the task as cancelled if that is why no row was found; otherwise the lease is lost.
    fn cancelled(&self, tx: &mut Tx<'_>) -> Result<Onward, StoreError> {
        let task = read::task_to_change(tx, &self.id)?.filter(|task| task.cancel_requested);
        let lost = || StoreError::LeaseLost { id: self.id.clone() };
        let task = task.ok_or_else(lost)?;
        let transition = decide(&task, Event::Cancelled, self.now, &Policy::default())?;
        // The attempt and the epoch are those of the result: only its own worker ends the task.
        let entry = Entry { attempt: self.transition.entry.attempt, ..transition.entry };
        if !tx.change(self.change(&CANCEL, &Transition { entry, ..transition })?)? {
            return Err(lost());
        }
        journal::index(tx, &self.id, &self.evidence)?;
        Ok(Onward::Cancelled)
    }

    fn change(&self, statement: &'static Statement, transition: &Transition) -> Result<Change, StoreError> {
        let State { status, workflow } = &transition.state;
        let (phase, text) = (workflow.phase.as_str().into(), serde_json::to_string(workflow)?.into());
        let wait = match transition.next {
            Next::Run => None,
            Next::Wait(_) if workflow.is_suspect() => Some(suspects::PARKED),
            Next::Wait(until) => Some(until),
            Next::End => Some(self.now),
        };
        let mut values = vec![phase, text];
        if let Some(ready_at) = wait {
            let parked = (*status == Status::Queued).then_some(ready_at > self.now);
            let completed_at = status.is_end().then_some(self.now.0);
            values.insert(0, status.as_str().into());
            values.extend([ready_at.0.into(), parked.into(), completed_at.into()]);
        }
        values.extend([
            i64::from(workflow.attempt).into(),
            self.epoch.into(),
            i64::from(transition.entry.attempt).into(),
            self.id.as_str().into(),
        ]);
        let change = Change::new(&self.id, statement, values, &transition.entry)?;
        Ok(if *status == Status::Queued { change.telling(News::CLAIMABLE) } else { change })
    }
}

/// What the attempt says about whoever carried it out; and if that is no good, in which words, and how long it wants
/// to be left alone.
fn health(transition: &Transition) -> (Health, &str, Option<Duration>) {
    let EntryKind::Settled { result, .. } = &transition.entry.kind else {
        return (Health::Unclear, "", None);
    };
    let (error, retry_after) = match result {
        Outcome::Transient { setback, retry_after } => (setback.summary.as_str(), *retry_after),
        Outcome::Unknown(setback) | Outcome::Failed(setback) => (setback.summary.as_str(), None),
        _ => ("", None),
    };
    (result.health(), error, retry_after)
}

/// Counts a failure, or forgets the failures of those who have just worked.
fn record_health(tx: &mut Tx<'_>, settlement: &Settlement) -> Result<(), StoreError> {
    let Some(policy) = settlement.gates.breaker else { return Ok(()) };
    let (health, error, retry_after) = health(&settlement.transition);
    let lane = Lane::new(&settlement.project, settlement.transition.entry.phase);
    match health {
        Health::Unclear => Ok(()),
        Health::Sound => {
            let agents = settlement.gates.agents(&lane);
            let worked = |scope: &Scope| match scope {
                Scope::Agent(name) => agents.contains(&name.as_str()),
                scope => scope.kind() == "project" && scope.name() == lane.project,
            };
            let known = hold::breakers(tx)?.into_iter().map(|breaker| breaker.scope);
            known.filter(worked).try_for_each(|scope| hold::close(tx, &scope).map(drop))
        }
        Health::Failing => {
            let scope = match &settlement.agent {
                Some(agent) => Scope::Agent(agent.clone()),
                None => Scope::Project(lane.project),
            };
            tx.in_turn()?;
            let before = breaker_of(tx, &scope)?;
            let attempt = (&settlement.id, settlement.transition.entry.attempt);
            let failure = Failure { at: settlement.now, error, retry_after, attempt };
            hold::count(tx, &Breaker::after(before.as_ref(), scope, &failure, policy))
        }
    }
}
