//! What the repository allows, and how much of it a change may be.

use super::{Bench, Ended, PAGE, agent, shop, static_site};
use chimera_core::{Phase, Reason, Status};
use std::path::Path;

const CRITERIA: [&str; 1] = ["see heading \"Hours\""];

#[tokio::test]
async fn a_change_that_nobody_could_review_goes_back_with_the_folder_that_makes_it_so() {
    let script = "mkdir -p node_packages/x && head -c 34000000 /dev/urandom > node_packages/x/native.node\n\
                  sed -i 's#</main>#<h2>Hours</h2></main>#' index.html\n\
                  echo '{\"outcome\":\"passed\",\"summary\":\"done\"}' > \"$CHIMERA_OUTCOME\"";
    let project = |dir: &Path| vec![shop(dir, static_site(), &[PAGE])];
    let bench = Bench::new(project, agent("coder", &["sh", "-c", script]));
    let Ended { task, .. } = bench.deliver("shop", "User can see hours", &CRITERIA).await;
    assert_eq!(task.status, Status::Failed, "{:?}", task.workflow);
    assert_eq!(task.workflow.failed_in, Some(Phase::CodeImplementation));
    let said = task.workflow.error.unwrap_or_default();
    assert!(said.contains("too large to be reviewed") && said.contains("node_packages/ (32 MiB)"), "{said}");
}

#[tokio::test]
async fn a_file_where_the_tests_should_be_is_said_at_once() {
    let project = |dir: &Path| vec![shop(dir, static_site(), &[PAGE, ("tests", "a file")])];
    let bench = Bench::new(project, agent("builtin", &[]));
    let Ended { task, .. } = bench.deliver("shop", "User can see hours", &CRITERIA).await;
    let workflow = task.workflow;
    assert_eq!((workflow.reason, workflow.attempt), (Some(Reason::Config), 1), "{workflow:?}");
    let said = workflow.error.unwrap_or_default();
    assert!(said.contains("`tests/e2e`") && said.contains("set `e2e_dir`"), "{said}");
}
