//! Working files go with the task, however it ended.

use crate::script::{House, conformance, pass, settings};
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::{Task, TaskId};
use chimera_daemon::seams::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

conformance! {
    a_task_that_ended_without_a_worker_is_tidied_up_after,
}

/// Has working files of some tasks; tells of which it tidied them up.
struct Untidy {
    here: Vec<TaskId>,
    tidied: mpsc::UnboundedSender<TaskId>,
}

impl Runner for Untidy {
    fn run(&self, attempt: Attempt, _stop: CancellationToken) -> BoxFuture<'_, Report> {
        Box::pin(async move { pass(&attempt) })
    }

    fn finished<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, ()> {
        let _ = self.tidied.send(task.id.clone());
        Box::pin(async {})
    }

    fn leftovers(&self) -> BoxFuture<'_, Vec<TaskId>> {
        Box::pin(std::future::ready(self.here.clone()))
    }
}

async fn a_task_that_ended_without_a_worker_is_tidied_up_after(house: House) {
    let now = Clock::system().now();
    // One that waits for long, one that is not known, and one that was cancelled while it waited.
    let later = now.plus(Duration::from_secs(3600));
    let waiting = house.submit_with(1, |request| request.not_before = Some(later)).await;
    let ended = house.submit_with(2, |request| request.not_before = Some(later)).await;
    let (wish, policy) = (ended.clone(), settings().policy);
    let cancel = move |tx: &mut chimera_store::Tx<'_>| chimera_store::steer::cancel(tx, &wish, now, &policy);
    house.store.write_alone(cancel).await.expect("cancelled");
    let (tidied, mut told) = mpsc::unbounded_channel();
    let here = vec![waiting, TaskId::from_bits(3), ended.clone()];
    let running = house.start(Arc::new(Untidy { here, tidied }), settings());
    let first = tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time");
    assert_eq!(first, Some(ended));
    running.stopped().await;
    assert_eq!(told.recv().await, None, "no other one");
}
