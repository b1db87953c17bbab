//! The people of the simulation: they submit tasks of every kind, some twice under one key, cancel, change their minds, and
//! pause; what they were promised is then searched for in the history.

use crate::stage::{Stage, elapse, how};
use chimera_core::{Digest, EntryKind, Outcome, Phase, Priority, Request, Scope, TaskId, UnixMillis};
use chimera_store::batch::{self, Batch, NewBatch};
use chimera_store::read::{self, Event};
use chimera_store::submit::{IdempotencyKey, NewTask, submit};
use chimera_store::{Store, hold, steer};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long people are there.
const TROUBLE: Duration = Duration::from_secs(3);
/// How long the tasks may take to end afterwards.
pub(crate) const CALM: Duration = Duration::from_secs(60);

/// What they did and know.
#[derive(Default)]
pub(crate) struct Crowd {
    pub(crate) accepted: Vec<TaskId>,
    /// Submissions, for ids and keys.
    number: u64,
    /// What waits for what.
    waiting: Vec<(TaskId, TaskId)>,
    /// When the queue was paused, and the newest entries of the journal when that was so and before it ended.
    pauses: Vec<(UnixMillis, i64, Option<i64>)>,
    violations: Vec<String>,
}

impl Crowd {
    /// Does what people do, while things go wrong.
    pub(crate) async fn gather(&mut self, stage: &Stage, store: &Store) {
        while stage.elapsed() < TROUBLE {
            if (self.accepted.len() as u64) < stage.tasks() {
                self.submit(stage, store).await;
            }
            if stage.has_people() {
                self.whim(stage, store).await;
            }
            elapse(stage.millis(400)).await;
        }
        self.resume(store).await;
    }

    fn task(&mut self, stage: &Stage) -> NewTask {
        self.number += 1;
        let (id, now) = (TaskId::from_bits(self.number), stage.now());
        let mut request = Request::new("An empty feature", "http://127.0.0.1/");
        let later = Some(now.plus(Duration::from_millis(200) + stage.millis(2_500)));
        if stage.has_people() {
            match stage.roll(|dice| dice.u32(..12)) {
                0 => request.deadline = later,
                1 => request.expires_at = later,
                2 => request.not_before = later,
                3 => request.after = self.accepted.last().cloned().into_iter().collect(),
                _ => {}
            }
        }
        NewTask { id, request, project: "sim".to_owned(), now, idempotency: None }
    }

    async fn submit(&mut self, stage: &Stage, store: &Store) {
        let mut new = self.task(stage);
        if stage.has_people() && stage.roll(|dice| dice.u32(..6)) == 0 {
            return self.submit_two(stage, store, new).await;
        }
        if stage.has_people() {
            new.idempotency = Some(self.key());
        }
        let first = accepted(store, new.clone()).await;
        self.waiting.extend(new.request.after.iter().map(|after| (first.clone(), after.clone())));
        self.accepted.push(first.clone());
        if new.idempotency.is_some() && stage.roll(fastrand::Rng::bool) {
            // As if the answer had been lost.
            self.number += 1;
            let again = NewTask { id: TaskId::from_bits(self.number), ..new };
            let second = accepted(store, again).await;
            if first != second {
                self.violations.push(format!("{first} and {second} were submitted under one key"));
                self.accepted.push(second);
            }
        }
    }

    async fn submit_two(&mut self, stage: &Stage, store: &Store, first: NewTask) {
        let mut second = self.task(stage);
        second.request.after = vec![first.id.clone()];
        self.waiting.push((second.id.clone(), first.id.clone()));
        self.waiting.extend(first.request.after.iter().map(|after| (first.id.clone(), after.clone())));
        let batch = NewBatch { tasks: vec![first, second], idempotency: Some(self.key()) };
        match store.write(move |tx| batch::submit(tx, &batch)).await.expect("accepted") {
            Batch::Created(tasks) => self.accepted.extend(tasks.into_iter().map(|task| task.id)),
            Batch::Existing(_) => panic!("a key of its own"),
        }
    }

    fn key(&self) -> IdempotencyKey {
        let body_sha256 = Digest::parse(&"0".repeat(64)).expect("a digest");
        IdempotencyKey { key: self.number.to_string(), body_sha256 }
    }

    async fn whim(&mut self, stage: &Stage, store: &Store) {
        let (now, policy) = (stage.now(), how(false).policy);
        let id = self.accepted[stage.roll(|dice| dice.usize(..self.accepted.len()))].clone();
        // What is refused (it has ended, it has not) was worth trying.
        match stage.roll(|dice| dice.u32(..14)) {
            0 => drop(store.write(move |tx| steer::cancel(tx, &id, now, &policy)).await),
            1 => {
                let from = Phase::WORKING[stage.roll(|dice| dice.usize(..Phase::WORKING.len()))];
                drop(store.write(move |tx| steer::requeue(tx, &id, from, now, &policy)).await);
            }
            2 => {
                let priority = Priority::new(stage.roll(|dice| dice.i64(1..=10))).expect("a priority");
                drop(store.write(move |tx| steer::set_priority(tx, &id, priority, now)).await);
            }
            3 if self.pauses.last().is_none_or(|(.., until)| until.is_some()) => {
                store.write_alone(move |tx| hold::pause(tx, &Scope::Queue, None, now)).await.expect("paused");
                self.pauses.push((stage.now(), newest(store).await, None));
            }
            _ => self.resume(store).await,
        }
    }

    async fn resume(&mut self, store: &Store) {
        if let Some((.., until @ None)) = self.pauses.last_mut() {
            *until = Some(newest(store).await);
            store.write(|tx| hold::resume(tx, &Scope::Queue)).await.expect("resumed");
        }
    }

    /// Waits until every task has ended, cancelling those that wait in vain; false if that takes too long.
    pub(crate) async fn until_ended(&self, stage: &Stage, store: &Store) -> bool {
        let begin = stage.elapsed();
        while stage.elapsed() - begin < CALM {
            for (id, after) in self.waiting.clone() {
                let known = move |tx: &chimera_store::ReadTx<'_>| read::task(tx, &after);
                let task = store.read(known).await.expect("readable").expect("there");
                if task.status.is_end() && task.phase() != Phase::Complete {
                    let (now, policy) = (stage.now(), how(false).policy);
                    // It may have ended by itself.
                    drop(store.write(move |tx| steer::cancel(tx, &id, now, &policy)).await);
                }
            }
            let counts = store.read(read::counts).await.expect("readable");
            if counts.queued + counts.running == 0 {
                return true;
            }
            elapse(Duration::from_millis(100)).await;
        }
        false
    }

    /// What was promised and not kept: a key, a pause, and the limit, if there is one.
    pub(crate) fn broken_promises(&self, events: &[Event], limit: Option<usize>) -> Vec<String> {
        let (mut running, mut found) = (BTreeSet::new(), self.violations.clone());
        for Event { id, task_id, entry, .. } in events {
            let goes_on = matches!(
                &entry.kind,
                EntryKind::Settled { result: Outcome::Passed { .. }, handed_back: false, .. }
            ) && !entry.to.is_end();
            let begins = goes_on || matches!(entry.kind, EntryKind::Claimed { .. });
            if begins {
                running.insert(task_id);
            } else if !matches!(entry.kind, EntryKind::CancelRequested | EntryKind::PriorityChanged { .. }) {
                running.remove(task_id);
            }
            if begins && limit.is_some_and(|limit| running.len() > limit) {
                found.push(format!("{task_id} began although {} ran", running.len() - 1));
            }
            let paused = |(from, first, last): &(UnixMillis, i64, Option<i64>)| {
                *first < *id && last.is_none_or(|last| *id <= last) && *from < entry.at
            };
            if begins && self.pauses.iter().any(paused) {
                found.push(format!("{task_id} began {} although the queue was paused", entry.to));
            }
        }
        found
    }
}

async fn accepted(store: &Store, new: NewTask) -> TaskId {
    store.write(move |tx| submit(tx, &new)).await.expect("accepted").into_task().id
}

async fn newest(store: &Store) -> i64 {
    store.read(read::last_event_id).await.expect("readable")
}
