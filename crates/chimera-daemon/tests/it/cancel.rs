//! An acknowledged cancellation while the daemon that works on the task shuts down.

use crate::script::{House, Script, conformance, settings};
use chimera_agent::runner::Report;
use chimera_core::{Outcome, Reason, Status, TaskId};
use chimera_daemon::engine::Settings;
use chimera_daemon::seams::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

conformance! {
    a_shutdown_while_a_cancelled_agent_ends_does_not_bring_the_task_back,
    a_task_that_is_cancelled_during_the_grace_is_stopped_at_once,
    a_deadline_that_passes_during_the_grace_ends_the_task,
}

/// By then a shutdown without a grace has reached every worker.
const HEARD: Duration = Duration::from_millis(300);

async fn cancel(house: &House, id: &TaskId) {
    let (wanted, policy, now) = (id.clone(), settings().policy, Clock::system().now());
    let wish = move |tx: &mut chimera_store::Tx<'_>| chimera_store::steer::cancel(tx, &wanted, now, &policy);
    house.store.write(wish).await.expect("the wish is recorded");
}

/// What happens to an agent that ends once it is told to, and may.
#[derive(Clone, Default)]
struct Slow {
    begun: Arc<Notify>,
    told: Arc<Notify>,
    may_end: Arc<Notify>,
}

impl Slow {
    fn script(&self) -> Arc<Script> {
        let slow = self.clone();
        Script::new(move |_, stop| {
            let Slow { begun, told, may_end } = slow.clone();
            async move {
                begun.notify_one();
                stop.cancelled().await;
                told.notify_one();
                may_end.notified().await;
                Report::from(Outcome::Interrupted)
            }
        })
    }
}

async fn a_shutdown_while_a_cancelled_agent_ends_does_not_bring_the_task_back(house: House) {
    let slow = Slow::default();
    let settings = Settings { shutdown_grace: Duration::ZERO, ..settings() };
    let running = house.start(slow.script(), settings);
    let id = house.submit(1).await;
    slow.begun.notified().await;
    cancel(&house, &id).await;
    slow.told.notified().await;
    let stopped = running.stopped();
    tokio::pin!(stopped);
    // The shutdown reaches the worker before its agent has ended.
    assert!(tokio::time::timeout(HEARD, &mut stopped).await.is_err(), "it waits for its agent");
    slow.may_end.notify_one();
    stopped.await;
    assert_eq!(house.task(&id).await.status, Status::Cancelled);
}

async fn a_task_that_is_cancelled_during_the_grace_is_stopped_at_once(house: House) {
    let slow = Slow::default();
    let settings = Settings { shutdown_grace: Duration::from_secs(3600), ..settings() };
    let running = house.start(slow.script(), settings);
    let id = house.submit(1).await;
    slow.begun.notified().await;
    running.asked.cancel();
    cancel(&house, &id).await;
    slow.may_end.notify_one();
    let stopped = tokio::time::timeout(Duration::from_secs(20), running.stopped());
    stopped.await.expect("the daemon has nothing more to wait for");
    assert_eq!(house.task(&id).await.status, Status::Cancelled);
}

async fn a_deadline_that_passes_during_the_grace_ends_the_task(house: House) {
    let slow = Slow::default();
    let settings = Settings { shutdown_grace: Duration::from_secs(3600), ..settings() };
    let running = house.start(slow.script(), settings);
    let deadline = Clock::system().now().plus(Duration::from_secs(1));
    let id = house.submit_with(1, |request| request.deadline = Some(deadline)).await;
    slow.begun.notified().await;
    running.asked.cancel();
    slow.may_end.notify_one();
    let stopped = tokio::time::timeout(Duration::from_secs(20), running.stopped());
    stopped.await.expect("the daemon has nothing more to wait for");
    let task = house.task(&id).await;
    assert_eq!((task.status, task.workflow.reason), (Status::Failed, Some(Reason::Deadline)));
}
