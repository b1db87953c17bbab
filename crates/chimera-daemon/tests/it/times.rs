//! Deadlines and hanging attempts, with a real store and scripted agents.

use crate::script::{House, Script, conformance, pass, settings};
use chimera_agent::runner::Report;
use chimera_core::{Outcome, Phase, Reason, Status, UnixMillis};
use chimera_daemon::engine::Settings;
use chimera_daemon::seams::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

conformance! {
    a_running_task_is_ended_at_its_deadline,
    a_waiting_task_is_ended_at_its_deadline_without_an_agent,
    a_task_that_expires_has_never_run,
    an_attempt_that_ignores_its_limit_is_given_up_and_tried_again,
    an_attempt_that_ignores_its_cancellation_is_given_up,
    what_waits_for_a_task_starts_when_it_completes,
}

fn soon() -> UnixMillis {
    Clock::system().now().plus(Duration::from_millis(700))
}

async fn a_running_task_is_ended_at_its_deadline(house: House) {
    let running = house.start(
        Script::new(|_, stop| async move {
            stop.cancelled().await;
            Report::from(Outcome::Interrupted)
        }),
        Settings { poll_interval: Duration::from_secs(3600), ..settings() },
    );
    let deadline = soon();
    let id = house.submit_with(1, |request| request.deadline = Some(deadline)).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Deadline)));
    assert_eq!(task.workflow.failed_in, Some(Phase::E2eTestGeneration));
    assert!(task.completed_at >= Some(deadline));
    running.stopped().await;
}

async fn a_waiting_task_is_ended_at_its_deadline_without_an_agent(house: House) {
    let begun = Arc::new(AtomicU32::new(0));
    let count = begun.clone();
    let script = Script::new(move |attempt, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { pass(&attempt) }
    });
    let far = Clock::system().now().plus(Duration::from_secs(3600));
    let deadline = soon();
    let id = house
        .submit_with(1, |request| (request.not_before, request.deadline) = (Some(far), Some(deadline)))
        .await;
    let running = house.start(script, settings());
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Deadline)));
    running.stopped().await;
    assert_eq!(begun.load(Ordering::SeqCst), 0);
}

async fn a_task_that_expires_has_never_run(house: House) {
    let far = Clock::system().now().plus(Duration::from_secs(3600));
    let expiry = soon();
    let id = house
        .submit_with(1, |request| (request.not_before, request.expires_at) = (Some(far), Some(expiry)))
        .await;
    let running = house.start(Script::new(|attempt, _| async move { pass(&attempt) }), settings());
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.attempt), (Status::Cancelled, 0));
    running.stopped().await;
}

async fn an_attempt_that_ignores_its_limit_is_given_up_and_tried_again(house: House) {
    let tries = Arc::new(AtomicU32::new(0));
    let script = Script::new(move |attempt, _| {
        let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            pass(&attempt)
        }
    });
    // Long enough for the second try, which does nothing, however busy the machine is.
    let short = Duration::from_secs(1);
    let timeouts = [(Phase::E2eTestGeneration, short)].into();
    let mut settings = Settings { timeouts, patience: short, max_workers: 1, ..settings() };
    // Long enough for the wait to be seen, however busy the machine is.
    (settings.policy.retry.base, settings.policy.retry.cap) = (short, short);
    let running = house.start(script, settings);
    let id = house.submit(1).await;
    let waiting = house.until(&id, |task| task.workflow.failures == 1 || task.status.is_end()).await;
    assert!(waiting.workflow.error.expect("it is told").contains("did not end itself"));
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.attempt), (Status::Completed, 6));
    running.stopped().await;
}

async fn an_attempt_that_ignores_its_cancellation_is_given_up(house: House) {
    let script = Script::new(|_, _| async {
        std::future::pending::<()>().await;
        Report::from(Outcome::Interrupted)
    });
    let running = house.start(script, Settings { patience: Duration::from_millis(50), ..settings() });
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    let (wish, now, policy) = (id.clone(), Clock::system().now(), settings().policy);
    let cancel = move |tx: &mut chimera_store::Tx<'_>| chimera_store::steer::cancel(tx, &wish, now, &policy);
    house.store.write(cancel).await.expect("possible");
    assert_eq!(house.until(&id, |task| task.status.is_end()).await.status, Status::Cancelled);
    running.stopped().await;
}

async fn what_waits_for_a_task_starts_when_it_completes(house: House) {
    let running = house.start(
        Script::new(|attempt, _| async move { pass(&attempt) }),
        Settings { poll_interval: Duration::from_secs(3600), ..settings() },
    );
    let far = Clock::system().now().plus(Duration::from_millis(300));
    let first = house.submit_with(1, |request| request.not_before = Some(far)).await;
    let second = house.submit_with(2, |request| request.after = vec![first.clone()]).await;
    let last = house.submit_with(3, |request| request.after = vec![second.clone(), first.clone()]).await;
    let last = house.until(&last, |task| task.status.is_end()).await;
    assert_eq!(last.status, Status::Completed);
    let [first, second] = [house.task(&first).await, house.task(&second).await];
    assert!(second.started_at >= first.completed_at && last.started_at >= second.completed_at);
    running.stopped().await;
}
