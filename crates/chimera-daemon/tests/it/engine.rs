//! The engine, with a real store and scripted agents.

use crate::script::{House, Script, conformance, pass, settings};
use chimera_agent::runner::Report;
use chimera_core::gates::DaemonState;
use chimera_core::{
    EntryKind, Event, Gates, Outcome, Phase, Reason, Setback, State, Status, Task, Tick, Usage, step,
};
use chimera_daemon::engine::Settings;
use chimera_store::settle::{Settlement, settle};
use chimera_store::{Store, lease as leases, queue, read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Barrier, Notify, mpsc};

conformance! {
    from_every_prefix_of_its_journal_a_task_is_finished,
    a_task_runs_through_all_phases_and_completes,
    five_tasks_run_side_by_side,
    a_role_limit_holds_attempts_back_without_losing_them,
    a_transient_trouble_is_tried_again_and_the_slot_released,
    retries_end,
    a_panic_in_an_attempt_is_an_unknown_outcome,
    cancelling_a_running_task_stops_its_agent,
    a_shutdown_hands_running_tasks_back_without_counting_it,
    a_second_signal_ends_the_grace,
    a_phase_that_ends_within_the_grace_is_recorded,
    a_worker_whose_lease_was_taken_over_writes_nothing,
    the_tasks_of_a_dead_daemon_are_taken_over_at_once,
    a_result_that_was_recorded_unnoticed_is_recorded_once_and_the_task_goes_on,
}

async fn a_task_runs_through_all_phases_and_completes(house: House) {
    let (phases, mut seen) = mpsc::unbounded_channel();
    let running = house.start(
        Script::new(move |attempt, _| {
            let _ = phases.send(attempt.task.phase());
            async move { pass(&attempt) }
        }),
        settings(),
    );
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.phase()), (Status::Completed, Phase::Complete));
    assert_eq!(task.workflow.progress(), "7/7 phases complete");
    assert!(task.started_at.is_some() && task.completed_at.is_some() && task.lease.is_none());
    running.stopped().await;
    let mut order = Vec::new();
    while let Some(phase) = seen.recv().await {
        order.push(phase);
    }
    assert_eq!(order, Phase::WORKING);
}

/// The journal is cut off after each of its entries; whoever opens the database next goes on there, repeats nothing that
/// is recorded, and comes to the same end.
async fn from_every_prefix_of_its_journal_a_task_is_finished(house: House) {
    let short = || Settings { lease: Duration::from_millis(300), ..settings() };
    let uncut = house.start(Script::new(|attempt, _| async move { pass(&attempt) }), short());
    let whole = house.submit(99).await;
    let whole = house.until(&whole, |task| task.status.is_end()).await;
    uncut.stopped().await;
    for (bits, cut) in (1..).zip(Phase::WORKING) {
        let reached = Arc::new(Notify::new());
        let tell = reached.clone();
        let first = house.start(
            Script::new(move |attempt, _| {
                let tell = tell.clone();
                async move {
                    if attempt.task.phase() == cut {
                        tell.notify_one();
                        std::future::pending::<()>().await;
                    }
                    pass(&attempt)
                }
            }),
            short(),
        );
        let id = house.submit(bits).await;
        reached.notified().await;
        first.crash().await;
        let reopened = house.second();
        let honest = Script::new(|attempt, _| async move { pass(&attempt) });
        let second = house.start_on(reopened, honest, short());
        let task = house.until(&id, |task| task.status.is_end()).await;
        assert_eq!(task.status, Status::Completed, "cut off in {cut}");
        assert_eq!(task.workflow.artifacts, whole.workflow.artifacts, "cut off in {cut}");
        second.stopped().await;
        let events = house.store.read(move |tx| read::events(tx, Some(&id), 0, 100)).await.expect("readable");
        let entries = || events.iter().map(|event| &event.entry);
        let settled = entries().filter(|entry| matches!(entry.kind, EntryKind::Settled { .. }));
        assert_eq!(settled.map(|entry| entry.phase).collect::<Vec<_>>(), Phase::WORKING, "cut off in {cut}");
        // More than once, if the machine stands still for longer than this short lease.
        assert!(entries().any(|entry| matches!(entry.kind, EntryKind::Rescued { .. })), "cut off in {cut}");
    }
}

async fn five_tasks_run_side_by_side(house: House) {
    let together = Arc::new(Barrier::new(5));
    let running = house.start(
        Script::new(move |attempt, _| {
            let together = together.clone();
            async move {
                // Nobody passes until five are in the same phase.
                together.wait().await;
                pass(&attempt)
            }
        }),
        settings(),
    );
    let mut ids = Vec::new();
    for bits in 1..=5 {
        ids.push(house.submit(bits).await);
    }
    for id in &ids {
        let task = house.until(id, |task| task.status.is_end()).await;
        assert_eq!(task.status, Status::Completed);
    }
    running.stopped().await;
}

async fn a_role_limit_holds_attempts_back_without_losing_them(house: House) {
    let (at_once, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let peak = most.clone();
    let script = Script::new(move |attempt, _| {
        let (at_once, most) = (at_once.clone(), most.clone());
        async move {
            if attempt.task.phase() == Phase::CodeImplementation {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                at_once.fetch_sub(1, Ordering::SeqCst);
            }
            pass(&attempt)
        }
    });
    let gates = Gates { roles: [(chimera_core::Role::Coder, 1)].into(), ..Gates::default() };
    let running = house.start(script, Settings { gates: Arc::new(gates), ..settings() });
    let mut ids = Vec::new();
    for bits in 1..=5 {
        ids.push(house.submit(bits).await);
    }
    for id in &ids {
        house.until(id, |task| task.status == Status::Completed).await;
    }
    running.stopped().await;
    assert_eq!(peak.load(Ordering::SeqCst), 1);
}

async fn a_transient_trouble_is_tried_again_and_the_slot_released(house: House) {
    let tries = Arc::new(AtomicU32::new(0));
    let running = house.start(
        Script::new(move |attempt, _| {
            let tries = tries.clone();
            async move {
                if attempt.task.phase() == Phase::CodeImplementation
                    && tries.fetch_add(1, Ordering::SeqCst) < 2
                {
                    let setback = Setback::new(Reason::AgentError, "rate limit");
                    return Outcome::Transient { setback, retry_after: None }.into();
                }
                pass(&attempt)
            }
        }),
        Settings { max_workers: 1, ..settings() },
    );
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!(task.status, Status::Completed);
    assert_eq!(task.workflow.attempt, 7, "five phases and two more tries");
    running.stopped().await;
}

async fn retries_end(house: House) {
    let running = house.start(
        Script::new(|_, _| async { Outcome::Unknown(Setback::new(Reason::AgentError, "no answer")).into() }),
        settings(),
    );
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::AgentError)));
    assert_eq!(task.workflow.attempt, 4, "one try and three retries");
    running.stopped().await;
}

async fn a_panic_in_an_attempt_is_an_unknown_outcome(house: House) {
    let panicked = Arc::new(AtomicU32::new(0));
    let running = house.start(
        Script::new(move |attempt, _| {
            let first = panicked.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!first, "a planted panic");
                pass(&attempt)
            }
        }),
        settings(),
    );
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!(task.status, Status::Completed);
    running.stopped().await;
}

async fn cancelling_a_running_task_stops_its_agent(house: House) {
    let stopped = Arc::new(Notify::new());
    let told = stopped.clone();
    let running = house.start(
        Script::new(move |_, stop| {
            let stopped = stopped.clone();
            async move {
                stop.cancelled().await;
                stopped.notify_one();
                Report::from(Outcome::Interrupted)
            }
        }),
        settings(),
    );
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    let (wanted, policy) = (id.clone(), settings().policy);
    let now = chimera_daemon::seams::Clock::system().now();
    house
        .store
        .write(move |tx| chimera_store::steer::cancel(tx, &wanted, now, &policy))
        .await
        .expect("the wish is recorded");
    told.notified().await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!(task.status, Status::Cancelled);
    running.stopped().await;
}

async fn a_shutdown_hands_running_tasks_back_without_counting_it(house: House) {
    let script = Script::new(|_, stop| async move {
        stop.cancelled().await;
        Report::from(Outcome::Interrupted)
    });
    let running = house.start(script, Settings { shutdown_grace: Duration::ZERO, ..settings() });
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    running.stopped().await;
    let task = house.task(&id).await;
    assert_eq!((task.status, task.workflow.failures, task.workflow.crashes), (Status::Queued, 0, 0));
    assert!(task.lease.is_none());
}

async fn a_second_signal_ends_the_grace(house: House) {
    let script = Script::new(|_, stop| async move {
        stop.cancelled().await;
        Report::from(Outcome::Interrupted)
    });
    let running = house.start(script, Settings { shutdown_grace: Duration::from_secs(3600), ..settings() });
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    running.now.cancel();
    running.stopped().await;
    assert_eq!(house.task(&id).await.status, Status::Queued);
}

async fn a_phase_that_ends_within_the_grace_is_recorded(house: House) {
    let (started, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, let_go) = (started.clone(), go.clone());
    let running = house.start(
        Script::new(move |attempt, _| {
            let (started, go) = (started.clone(), go.clone());
            async move {
                started.notify_one();
                go.notified().await;
                pass(&attempt)
            }
        }),
        settings(),
    );
    let id = house.submit(1).await;
    begun.notified().await;
    running.asked.cancel();
    let_go.notify_one();
    running.stopped().await;
    let task = house.task(&id).await;
    assert_eq!((task.status, task.phase()), (Status::Queued, Phase::CodeImplementation));
}

async fn a_worker_whose_lease_was_taken_over_writes_nothing(house: House) {
    let (started, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, ended) = (started.clone(), stopped.clone());
    let running = house.start(
        Script::new(move |attempt, stop| {
            let (started, stopped) = (started.clone(), stopped.clone());
            async move {
                started.notify_one();
                stop.cancelled().await;
                stopped.notify_one();
                // It passes all the same: too late.
                pass(&attempt)
            }
        }),
        settings(),
    );
    let id = house.submit(1).await;
    begun.notified().await;
    // Another daemon, which believes that much time has passed, takes the task over.
    let other = house.second();
    let later = chimera_daemon::seams::Clock::system().now().plus(Duration::from_secs(3600));
    let policy = settings().policy;
    let take = move |tx: &mut chimera_store::Tx<'_>| {
        for owner in leases::owners(tx, later)? {
            leases::rescue_expired(tx, &owner.name, later, &policy)?;
        }
        let lease = Duration::from_secs(3600);
        let gates = &Gates::default();
        leases::extend(tx, "other", &DaemonState::default(), later, lease)?;
        queue::claim(tx, &queue::Claim { owner: "other", now: later, limit: 1, gates })
    };
    // A task is passed over while its owner beats its heart in that very instant.
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken = other.write(take).await.expect("possible");
    }
    assert_eq!(taken.len(), 1);
    ended.notified().await;
    running.stopped().await;
    let task = house.task(&id).await;
    let lease = task.lease.expect("the other daemon holds the task");
    assert_eq!((task.status, lease.owner.as_str(), lease.epoch), (Status::Running, "other", 2));
    let wanted = id.clone();
    let events = house.store.read(move |tx| read::events(tx, Some(&wanted), 0, 100)).await.expect("readable");
    assert!(events.iter().all(|event| !matches!(event.entry.kind, EntryKind::Settled { .. })));
}

async fn the_tasks_of_a_dead_daemon_are_taken_over_at_once(house: House) {
    let id = house.submit(1).await;
    // A process that is gone: its id with a start time that no process has.
    let me = chimera_daemon::engine::Owner::current().to_string();
    let mut child = std::process::Command::new("true").spawn().expect("a process");
    child.wait().expect("it ends");
    let dead = me.replacen(&std::process::id().to_string(), &child.id().to_string(), 1);
    let now = chimera_daemon::seams::Clock::system().now();
    house
        .store
        .write(move |tx| {
            let (lease, gates) = (Duration::from_secs(3600), &Gates::default());
            leases::extend(tx, &dead, &DaemonState::default(), now, lease)?;
            queue::claim(tx, &queue::Claim { owner: &dead, now, limit: 1, gates })
        })
        .await
        .expect("claimed by a daemon that is gone");
    let running = house.start(Script::new(|attempt, _| async move { pass(&attempt) }), settings());
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!(task.status, Status::Completed);
    running.stopped().await;
}

/// The answer to a commit can be lost while the commit is not. The worker must not record its result twice,
/// and the task must not stay behind under a lease that is extended for ever.
async fn a_result_that_was_recorded_unnoticed_is_recorded_once_and_the_task_goes_on(house: House) {
    let store = house.store.clone();
    let running = house.start(
        Script::new(move |attempt, _| {
            let store = store.clone();
            async move {
                let report = pass(&attempt);
                if attempt.task.phase() == Phase::E2eTestGeneration {
                    record(&store, &attempt.task, report.outcome.clone()).await;
                }
                report
            }
        }),
        Settings { lease: Duration::from_secs(3), ..settings() },
    );
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.crashes), (Status::Completed, 0), "a passed phase forgives");
    running.stopped().await;
    let events = house.store.read(move |tx| read::events(tx, Some(&id), 0, 100)).await.expect("readable");
    let story: Vec<&str> = events.iter().map(|event| event.entry.kind.as_str()).collect();
    let settled = "settled";
    // Found without a worker, the second attempt counts as interrupted: nobody crashed.
    let expected = ["accepted", "claimed", settled, settled, "claimed", settled, settled, settled, settled];
    assert_eq!(story, expected);
}

/// Settles as a worker does.
async fn record(store: &Store, task: &Task, outcome: Outcome) {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let now = chimera_daemon::seams::Clock::system().now();
    let event = Event::Settled { outcome, usage: Usage::default() };
    let transition = step(&state, event, Tick { now, jitter: 0.0 }, &settings().policy).expect("it settles");
    let epoch = task.lease.as_ref().expect("held").epoch;
    let settlement = Settlement::new(task, epoch, transition, now);
    let record = move |tx: &mut chimera_store::Tx<'_>| settle(tx, &settlement);
    store.write(record).await.expect("recorded");
}
