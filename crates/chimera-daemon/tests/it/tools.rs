//! Tasks wait for tools that are missing, through the real engine.

use crate::script::{House, conformance, pass, settings};
use chimera_agent::runner::{Attempt, BoxFuture, Report, Runner};
use chimera_core::gates::MissingTool;
use chimera_core::{Phase, Status, Task};
use chimera_daemon::seams::Clock;
use chimera_store::roster;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

conformance! {
    tasks_wait_before_the_phase_whose_tool_is_missing_and_go_on_once_it_is_there,
    a_daemon_that_has_the_tool_takes_what_another_one_cannot,
}

/// Passes everything, on a machine whose tools come and go.
struct Workshop {
    missing: watch::Sender<Vec<MissingTool>>,
    validated: AtomicU32,
}

impl Workshop {
    fn lacking(missing: Vec<MissingTool>) -> Arc<Self> {
        Arc::new(Self { missing: watch::Sender::new(missing), validated: AtomicU32::new(0) })
    }
}

impl Runner for Workshop {
    fn run(&self, attempt: Attempt, _: CancellationToken) -> BoxFuture<'_, Report> {
        let validates = attempt.task.phase() == Phase::E2eValidation;
        self.validated.fetch_add(u32::from(validates), Ordering::SeqCst);
        Box::pin(async move { pass(&attempt) })
    }

    fn finished<'a>(&'a self, _: &'a Task) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn tools(&self) -> Option<watch::Receiver<Vec<MissingTool>>> {
        Some(self.missing.subscribe())
    }
}

fn browser() -> Vec<MissingTool> {
    let detail = "Chromium is missing".to_owned();
    vec![MissingTool { detail, phases: vec![Phase::E2eValidation], project: None }]
}

async fn tasks_wait_before_the_phase_whose_tool_is_missing_and_go_on_once_it_is_there(house: House) {
    let workshop = Workshop::lacking(browser());
    let running = house.start(workshop.clone(), settings());
    let ids = [house.submit(1).await, house.submit(2).await, house.submit(3).await];
    for id in &ids {
        let waits = |task: &Task| task.status == Status::Queued && task.phase() == Phase::E2eValidation;
        house.until(id, waits).await;
    }
    let now = Clock::system().now();
    let daemons = house.store.read(move |tx| roster::daemons(tx, now)).await.expect("readable");
    assert_eq!(daemons[0].state.missing_tools, browser(), "it says so");
    assert_eq!(workshop.validated.load(Ordering::SeqCst), 0);
    workshop.missing.send_replace(Vec::new());
    for id in &ids {
        let task = house.until(id, |task| task.status.is_end()).await;
        assert_eq!((task.status, task.workflow.attempt), (Status::Completed, 5), "one attempt a phase");
    }
    running.stopped().await;
}

async fn a_daemon_that_has_the_tool_takes_what_another_one_cannot(house: House) {
    let (without, with) = (Workshop::lacking(browser()), Workshop::lacking(Vec::new()));
    let one = house.start(without.clone(), settings());
    let two = house.start_on(house.second(), with.clone(), settings());
    for bits in 1..=4 {
        let id = house.submit(bits).await;
        let task = house.until(&id, |task| task.status.is_end()).await;
        assert_eq!(task.status, Status::Completed);
    }
    let counts = [&without, &with].map(|workshop| workshop.validated.load(Ordering::SeqCst));
    assert_eq!(counts, [0, 4]);
    one.stopped().await;
    two.stopped().await;
}
