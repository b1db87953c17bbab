//! Deliveries of projects that an agent deploys.

use super::*;

/// A delivery for `target` by an agent that says `origin` serves the head.
async fn deployed_at(target: &str, origin: &str) -> Ended {
    let script = format!(
        "head=$(sed -n 's/.*\"head_commit\": \"\\([0-9a-f]*\\)\".*/\\1/p' $CHIMERA_ASSIGNMENT)\n\
         echo '{{\"outcome\":\"passed\",\"deployment_url\":\"{origin}\",\"revision\":\"'$head'\"}}' > $CHIMERA_OUTCOME"
    );
    let deployer = (Role::Deployment, agent("deployer", &["sh", "-c", &script]));
    let staging = HowToStage::Agent {
        agent: "deployer".to_owned(),
        revision: Some("/index.html".to_owned()),
        shared: true,
    };
    let project = |dir: &Path| {
        let urls = vec![target.to_owned()];
        vec![Project { urls, test_target: true, ..shop(dir, staging, &[PAGE]) }]
    };
    let bench = Bench::with(project, [opener(), deployer]);
    bench.deliver_to(target, "shop", "Visitors see the hours", &["see text \"Open daily\""]).await
}

/// The shop before the change, on a server of its own.
async fn old_shop() -> String {
    let old = format!("<meta name=\"revision\" content=\"{}\"><h1>Shop</h1>", "a".repeat(40));
    let site = axum::Router::new().fallback(move || std::future::ready(axum::response::Html(old.clone())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, site).await });
    origin
}

#[tokio::test]
async fn where_the_daemon_cannot_stand_between_browser_and_page_nothing_is_proven() {
    let http = old_shop().await;
    let https = "https://127.0.0.1:1/";
    let cases = [
        (https, http.as_str(), "target_url", Phase::E2eTestGeneration),
        (&http, https, "deployment_url", Phase::StagingDeployment),
    ];
    for (target, deployment, field, phase) in cases {
        let workflow = deployed_at(target, deployment).await.task.workflow;
        assert_eq!(
            (workflow.reason, workflow.failed_in),
            (Some(Reason::Config), Some(phase)),
            "{workflow:?}"
        );
        let told = workflow.error.unwrap_or_default();
        assert!(told.contains(&format!("`{field}` is {https}")), "{told}");
    }
}

#[tokio::test]
async fn an_agent_that_left_the_old_deployment_in_place_is_found_out() {
    let origin = old_shop().await;
    let ended = deployed_at(&origin, &origin).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::StaleStaging), "{:?}", ended.task.workflow);
    assert_eq!(ended.task.workflow.failed_in, Some(Phase::StagingDeployment));
}
