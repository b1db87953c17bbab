//! The state machine's step, the claim and the settle by themselves: `cargo bench -p chimera-store`. The claim and
//! the settle are durable commits to a file of SQLite, so they measure the disk as well. Whole workflows, beside the raw
//! limit of the same run, are measured by `chimera-daemon bench`.

use chimera_core::{
    Event, Gates, Outcome, Policy, Reason, Request, Setback, State, Status, Task, TaskId, Tick, Transition,
    UnixMillis, Usage, Workflow, step,
};
use chimera_store::queue::{self, Claim};
use chimera_store::settle::{Settlement, settle};
use chimera_store::submit::{NewTask, submit};
use chimera_store::{Database, Options, Store};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
/// Tasks in the queue that is claimed from.
const QUEUED: u64 = 10_000;

fn handed_back(state: &State) -> Transition {
    let event = Event::Settled { outcome: Outcome::Interrupted, usage: Usage::default() };
    step(state, event, Tick { now: NOW, jitter: 0.0 }, &Policy::default()).expect("a running task settles")
}

fn step_alone(criterion: &mut Criterion) {
    let state = State { status: Status::Running, workflow: Workflow { attempt: 1, ..Workflow::new() } };
    let setback = Setback::new(Reason::AgentError, "the network is gone");
    let outcome = Outcome::Transient { setback, retry_after: None };
    let event = Event::Settled { outcome, usage: Usage::default() };
    let tick = Tick { now: NOW, jitter: 0.5 };
    let policy = Policy::default();
    criterion.bench_function("step: a transient failure", |bencher| {
        bencher.iter(|| step(black_box(&state), event.clone(), tick, &policy));
    });
}

/// A queue, and the runtime that it is spoken to from.
struct House {
    runtime: Runtime,
    store: Store,
    _dir: tempfile::TempDir,
}

impl House {
    fn full() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let runtime = Runtime::new().expect("a runtime");
        let database = Database::Sqlite(dir.path().join("tasks.db"));
        let store = Store::open(&database, &Options::default()).expect("a database");
        let fill = store.write(|tx| {
            let new = |bits| NewTask {
                id: TaskId::from_bits(bits),
                request: Request::new("User can view homepage", "https://example.com"),
                project: "shop".to_owned(),
                now: NOW,
                idempotency: None,
            };
            (1..=QUEUED).try_for_each(|bits| submit(tx, &new(bits)).map(drop))
        });
        runtime.block_on(fill).expect("room for them");
        Self { runtime, store, _dir: dir }
    }

    fn claim(&self) -> Task {
        let claimed = self.store.write(|tx| {
            let gates = &Gates::default();
            queue::claim(tx, &Claim { owner: "bench", now: NOW, limit: 1, gates })
        });
        self.runtime.block_on(claimed).expect("claimed").pop().expect("the queue is full")
    }

    fn settle(&self, task: &Task) {
        let state = State { status: task.status, workflow: task.workflow.clone() };
        let epoch = task.lease.as_ref().map_or(0, |lease| lease.epoch);
        let settlement = Settlement::new(task, epoch, handed_back(&state), NOW);
        let settled = self.store.write(move |tx| settle(tx, &settlement).map(drop));
        self.runtime.block_on(settled).expect("the lease holds");
    }
}

/// The time of some of many calls: `f` gives what counts.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn measured<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let from = Instant::now();
    let value = f();
    (value, from.elapsed())
}

fn claim_and_settle(criterion: &mut Criterion) {
    let house = House::full();
    criterion.bench_function("claim: one of 10,000, durable", |bencher| {
        bencher.iter_custom(|number| {
            (0..number)
                .map(|_| {
                    let (task, time) = measured(|| house.claim());
                    house.settle(&task);
                    time
                })
                .sum()
        });
    });
    criterion.bench_function("settle: handed back, durable", |bencher| {
        bencher.iter_custom(|number| {
            (0..number)
                .map(|_| {
                    let task = house.claim();
                    measured(|| house.settle(&task)).1
                })
                .sum()
        });
    });
}

criterion_group!(benches, step_alone, claim_and_settle);
criterion_main!(benches);
