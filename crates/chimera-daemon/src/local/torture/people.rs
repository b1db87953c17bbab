//! What people do meanwhile, as clients do it: they submit tasks of every kind, send again what was not answered, cancel,
//! and pause.

use super::pauses::Paused;
use super::verdict::KEY;
use super::{BACKLOG, answered};
use crate::local::bench::empty;
use crate::seams::{Clock, Dice};
use chimera_core::{Digest, Phase, Policy, Request, TaskId, UnixMillis};
use chimera_store::batch::{self, Batch, NewBatch};
use chimera_store::submit::{self, IdempotencyKey, NewTask};
use chimera_store::{Store, StoreError, read, steer};
use std::collections::BTreeMap;

/// Cancelled are tasks among so many that were accepted last: those that wait, and those that were begun.
const RECENT: usize = BACKLOG as usize * 3 / 2;
/// One round in so many cancels a task.
const WHIMS: u32 = 2;
/// Submissions under way at a time.
const AT_ONCE: usize = 16;
/// One answer in so many gets lost on its way, so that the same is sent again.
const LOST: u32 = 8;
/// How far ahead the times of tasks are, in milliseconds: some pass before anybody gets to them.
const AHEAD: std::ops::Range<i64> = 100..4_000;

/// The people, and what they know.
pub(super) struct People {
    /// Over the network, as clients have it.
    pub(super) store: Store,
    pub(super) rng: fastrand::Rng,
    dice: Dice,
    pub(super) accepted: Vec<TaskId>,
    /// What was not answered, or not that they know.
    unsure: Vec<Sent>,
    keys: u64,
    /// Running tasks that they asked to cancel, and were promised so.
    pub(super) wishes: u32,
    pub(super) pauses: Vec<Paused>,
    pub(super) done: BTreeMap<&'static str, u32>,
}

/// Something that was sent under a key.
#[derive(Clone)]
enum Sent {
    One(Box<NewTask>),
    Together(NewBatch),
}

impl People {
    pub(super) fn new(store: Store, seed: u64) -> Self {
        Self {
            store,
            rng: fastrand::Rng::with_seed(seed.rotate_left(32)),
            dice: Dice::system(),
            accepted: Vec::new(),
            unsure: Vec::new(),
            keys: 0,
            wishes: 0,
            pauses: Vec::new(),
            done: BTreeMap::new(),
        }
    }

    /// Fills the queue up to its measure. What was not answered may be there or not: it is sent again under its key, and
    /// counts once it was answered.
    pub(super) async fn submit(&mut self, queued: u64) {
        let mut all = Vec::new();
        for sent in std::mem::take(&mut self.unsure) {
            all.push(self.renewed(sent));
            self.note("sent again");
        }
        if all.is_empty() {
            all.extend((queued..BACKLOG).map(|_| self.compose()));
        }
        while !all.is_empty() {
            let rest = all.split_off(AT_ONCE.min(all.len()));
            if !self.send(std::mem::replace(&mut all, rest)).await {
                // Somebody may sleep with the lock in hand, and has to be woken up by the torturer.
                return self.unsure.extend(all.into_iter().filter(Sent::has_key));
            }
        }
    }

    /// The same with the ids that a daemon would give it now.
    fn renewed(&self, sent: Sent) -> Sent {
        match sent {
            Sent::One(mut new) => {
                new.id = self.dice.task_id(new.now);
                Sent::One(new)
            }
            Sent::Together(batch) => {
                let mut tasks = batch.tasks;
                tasks.iter_mut().for_each(|new| new.id = self.dice.task_id(new.now));
                chain(&mut tasks);
                Sent::Together(NewBatch { tasks, ..batch })
            }
        }
    }

    /// Sends some side by side; false if one had no answer.
    async fn send(&mut self, all: Vec<Sent>) -> bool {
        let ask = |sent: Sent| {
            let store = self.store.clone();
            tokio::spawn(async move { (ask(&store, sent.clone()).await, sent) })
        };
        let asked: Vec<_> = all.into_iter().map(ask).collect();
        let mut answered = true;
        for one in asked {
            let Ok((answer, sent)) = one.await else { continue };
            answered &= self.take_in(answer, sent);
        }
        answered
    }

    /// False if there was no answer.
    fn take_in(&mut self, answer: Result<Vec<TaskId>, StoreError>, sent: Sent) -> bool {
        match answer {
            Ok(_) if sent.has_key() && self.rng.u32(..LOST) == 0 => self.unsure.push(sent),
            Ok(accepted) => self.accepted.extend(accepted),
            // Refused for good: what it waits for was pruned, or what it had become was.
            Err(StoreError::After(_) | StoreError::NotFound { .. }) => {}
            Err(_) => {
                self.unsure.extend(Some(sent).filter(Sent::has_key));
                return false;
            }
        }
        true
    }

    fn compose(&mut self) -> Sent {
        if self.rng.u32(..20) == 0 {
            self.note("batches");
            let mut tasks: Vec<NewTask> = (0..3).map(|_| self.task("bench")).collect();
            chain(&mut tasks);
            return Sent::Together(NewBatch { tasks, idempotency: Some(self.key().0) });
        }
        let project = ["bench", "bench", super::gated::LIMITED, super::gated::SHARED][self.rng.usize(..4)];
        let mut new = self.task(project);
        let (ahead, at) = (self.rng.i64(AHEAD), new.now);
        let later = Some(UnixMillis(at.0 + ahead));
        match self.rng.u32(..30) {
            0..3 => new.request.deadline = later,
            3..5 => new.request.expires_at = later,
            5..7 => new.request.not_before = Some(UnixMillis(at.0 + ahead / 4)),
            7..10 => new.request.after = self.recent().into_iter().collect(),
            _ => {}
        }
        if self.rng.bool() {
            let (idempotency, label) = self.key();
            new.idempotency = Some(idempotency);
            new.request.labels.insert(KEY.to_owned(), label);
        }
        Sent::One(Box::new(new))
    }

    fn task(&self, project: &str) -> NewTask {
        NewTask { project: project.to_owned(), ..empty::task(&self.dice) }
    }

    fn key(&mut self) -> (IdempotencyKey, String) {
        self.keys += 1;
        let (key, digits) = (format!("key-{}", self.keys), format!("{:064x}", self.keys));
        let body_sha256 = Digest::parse(&digits).unwrap_or_else(|err| unreachable!("{err}"));
        (IdempotencyKey { key: key.clone(), body_sha256 }, key)
    }

    fn recent(&mut self) -> Option<TaskId> {
        let recent = &self.accepted[self.accepted.len().saturating_sub(RECENT)..];
        if recent.is_empty() {
            return None;
        }
        // Rather an older one: it is more likely to run.
        let chosen = self.rng.usize(..recent.len()).min(self.rng.usize(..recent.len()));
        recent.get(chosen).cloned()
    }

    /// Cancels a task, now and then: one that runs, if there is one, or waits, or has just ended.
    pub(super) async fn cancel(&mut self, running: &[TaskId]) {
        if self.rng.u32(..WHIMS) > 0 {
            return;
        }
        let some_running = (!running.is_empty() && self.rng.u32(..4) > 0)
            .then(|| running[self.rng.usize(..running.len())].clone());
        let Some(id) = some_running.or_else(|| self.recent()) else { return };
        self.note("cancellations");
        if let Ok(steer::Cancel::Requested) = self.cancel_now(id).await {
            self.wishes += 1;
        }
    }

    async fn cancel_now(&self, id: TaskId) -> Result<steer::Cancel, StoreError> {
        let now = Clock::system().now();
        answered(self.store.write_alone(move |tx| steer::cancel(tx, &id, now, &Policy::default()))).await
    }

    /// Lets everything come to an end: nothing is paused, everything is answered, and those of the tasks that wait for
    /// something that was not completed are cancelled.
    pub(super) async fn settle(&mut self, open: Vec<TaskId>) {
        self.pause(true).await;
        self.submit(BACKLOG).await;
        for id in open {
            let wanted = id.clone();
            let in_vain = answered(self.store.read(move |tx| {
                let Some(task) = read::task(tx, &wanted)? else { return Ok(false) };
                let lost = |id: &TaskId| {
                    let task = read::task(tx, id)?;
                    Ok(task.is_some_and(|task| task.status.is_end() && task.phase() != Phase::Complete))
                };
                let lost: Vec<bool> =
                    task.request.after.iter().map(lost).collect::<Result<_, StoreError>>()?;
                Ok(lost.contains(&true))
            }));
            if matches!(in_vain.await, Ok(true)) {
                let _ = self.cancel_now(id).await;
            }
        }
    }

    pub(super) fn note(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }
}

impl Sent {
    fn has_key(&self) -> bool {
        match self {
            Self::One(new) => new.idempotency.is_some(),
            Self::Together(_) => true,
        }
    }
}

/// Submits it, and gives the tasks that it became or had become.
async fn ask(store: &Store, sent: Sent) -> Result<Vec<TaskId>, StoreError> {
    match sent {
        Sent::One(new) => Ok(vec![answered(submit::accept(store, *new)).await?.into_task().id]),
        Sent::Together(batch) => {
            Ok(match answered(store.write(move |tx| batch::submit(tx, &batch))).await? {
                Batch::Created(tasks) => tasks.into_iter().map(|task| task.id).collect(),
                Batch::Existing(tasks) => tasks.into_iter().map(|(id, _)| id).collect(),
            })
        }
    }
}

/// Makes each wait for the one before it.
fn chain(tasks: &mut [NewTask]) {
    for place in 1..tasks.len() {
        tasks[place].request =
            Request { after: vec![tasks[place - 1].id.clone()], ..tasks[place].request.clone() };
    }
}
