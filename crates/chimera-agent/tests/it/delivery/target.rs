//! What is asked of the running application.

use super::*;
use axum::http::Method;
use chimera_core::PhaseOutput;
use std::sync::Mutex;

/// A running application that notes what it is asked.
#[derive(Clone, Default)]
struct Production {
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicU32>,
}

impl Production {
    /// Serves it, and gives its origin.
    async fn open(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = self.asked.clone();
        let app = axum::Router::new().fallback(move |method: Method, uri: axum::http::Uri| {
            asked.lock().expect("unpoisoned").push(format!("{method} {uri}"));
            std::future::ready(axum::response::Html("<h1>Shop</h1><p>token=INTERNAL-SECRET-42</p>"))
        });
        let connections = self.connections.clone();
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            connections.fetch_add(1, Ordering::SeqCst);
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        origin
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("unpoisoned").clone()
    }
}

/// Has a test written for this address, on such a project or on a scratch project, and gives the word for the target, or
/// why there is none; and the names of the evidence.
async fn written(target: &str, project: Option<Project>) -> (Result<String, String>, Vec<String>) {
    let name = project.as_ref().map_or("scratch-shop", |_| "shop").to_owned();
    let project = |dir: &Path| {
        project.into_iter().map(|p| Project { repo: shop(dir, static_site(), &[PAGE]).repo, ..p }).collect()
    };
    let bench = Bench::with(project, []);
    let mut task = task(&name, "Visitors see the hours", &["see text \"Open daily\""]);
    task.request.target_url = target.to_owned();
    let tick = Tick { now: UnixMillis(1), jitter: 0.0 };
    advance(&mut task, Event::Claimed { worker: "test".to_owned(), epoch: 1 }, tick, &Policy::default());
    let attempt = Attempt { task, timeout: Duration::from_secs(120), fence: Fence::open() };
    let report = bench.delivery.run(attempt, CancellationToken::new()).await;
    let word = match report.outcome {
        Outcome::Passed { output: PhaseOutput::E2eTestGeneration { target_run, .. } } => Ok(target_run),
        Outcome::Failed(setback) => Err(setback.summary),
        other => Err(format!("{other:?}")),
    };
    (word, report.evidence.into_iter().map(|file| file.name).collect())
}

fn claiming(origin: &str) -> Project {
    Project { urls: vec![format!("{origin}/shop")], ..Project::plain("shop", "", 500) }
}

#[tokio::test]
async fn an_address_that_no_project_claims_is_not_visited() {
    let production = Production::default();
    let origin = production.open().await;
    let scratch = written(&origin, None).await;
    let beside = written(&format!("{origin}/shopping"), Some(claiming(&origin))).await;
    for (word, evidence) in [scratch, beside] {
        assert_eq!(word.as_deref(), Ok("not_visited"));
        assert!(!evidence.iter().any(|name| name.starts_with("target")), "{evidence:?}");
    }
    assert_eq!(production.connections.load(Ordering::SeqCst), 0, "not so much as a connection");
}

#[tokio::test]
async fn the_application_of_a_project_is_asked_for_its_page_once() {
    let production = Production::default();
    let origin = production.open().await;
    let (word, evidence) = written(&format!("{origin}/shop/hours?day=1"), Some(claiming(&origin))).await;
    assert_eq!(word.as_deref(), Ok("reached"));
    assert!(!evidence.iter().any(|name| name.starts_with("target")), "{evidence:?}");
    assert_eq!(production.asked(), ["GET /shop/hours?day=1"]);
    let (word, _) = written("http://127.0.0.1:1/shop", Some(claiming("http://127.0.0.1:1"))).await;
    assert_eq!(word.as_deref(), Ok("unreachable"));
}

#[tokio::test]
async fn a_generated_test_runs_against_production_only_where_the_project_says_so() {
    let production = Production::default();
    let origin = production.open().await;
    let project = || Project { test_target: true, ..claiming(&origin) };
    let (word, evidence) = written(&format!("{origin}/shop/"), Some(project())).await;
    assert_eq!(word.as_deref(), Ok("failed"));
    assert!(evidence.contains(&"target-report.json".to_owned()), "{evidence:?}");
    let (word, _) = written(&format!("{origin}/intern/"), Some(project())).await;
    assert_eq!(word.as_deref(), Ok("not_visited"), "and only at its own addresses");
}

#[tokio::test]
async fn where_an_agent_deploys_the_test_runs_only_at_an_address_that_the_project_claims() {
    let production = Production::default();
    let origin = production.open().await;
    let staging = || HowToStage::Agent { agent: "deployer".to_owned(), revision: None, shared: true };
    let claimed = Project { staging: staging(), test_target: true, ..claiming(&origin) };
    let (word, evidence) = written(&format!("{origin}/intern/"), Some(claimed)).await;
    assert_eq!(evidence, [""; 0], "nobody has written a test");
    assert!(word.is_err_and(|why| why.contains("is not below one of the project's `urls`")));
    let unasked = Project { staging: staging(), ..claiming(&origin) };
    let (word, _) = written(&format!("{origin}/shop/"), Some(unasked)).await;
    assert!(word.is_err_and(|why| why.contains("`test_target` is not set")));
    assert_eq!(production.connections.load(Ordering::SeqCst), 0);
}
