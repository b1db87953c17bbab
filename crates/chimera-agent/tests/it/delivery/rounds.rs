//! What a next round can fix goes back, with what it needs; nothing else does.

use super::{Bench, Ended, HowToStage, PAGE, Project, agent, author, opener, shop, static_site};
use chimera_agent::spec::{Agent, Server};
use chimera_core::{EvidenceKind, Phase, Reason, Role, Status};
use std::path::Path;

/// An agent that does `first` until its assignment holds `word`, and `then` from there on.
fn until_told(word: &str, first: &str, then: &str) -> Agent {
    let script = format!("if grep -q '{word}' \"$CHIMERA_ASSIGNMENT\"; then {then}\nelse {first}\nfi");
    agent("learner", &["sh", "-c", &script])
}

const PASSED: &str = "echo '{\"outcome\":\"passed\",\"summary\":\"all done\"}' > $CHIMERA_OUTCOME";

/// What a test author does that writes this line between opening the page and the end of the test.
fn writes(line: &str) -> String {
    let source = format!(
        "from playwright.sync_api import Page, expect\ndef test_x(page: Page):\n    page.goto(\"/\")\n    {line}\n"
    );
    format!(
        "mkdir -p tests/e2e; printf '%s' '{source}' > tests/e2e/test_x.py\n\
         echo '{{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_x.py\"}}' > $CHIMERA_OUTCOME"
    )
}

const GOOD: &str = "expect(page.get_by_text(\"Open daily\")).to_be_visible()";

async fn written_by(author: Agent) -> Ended {
    let cast = [(Role::E2eTester, author), opener()];
    let bench = Bench::with(|dir| vec![shop(dir, static_site(), &[PAGE])], cast);
    bench.deliver("shop", "Visitors see the hours", &[]).await
}

fn completed(ended: &Ended) {
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
}

fn failed_in(ended: &Ended, phase: Phase, reason: Reason) -> String {
    let workflow = &ended.task.workflow;
    assert_eq!((workflow.failed_in, workflow.reason), (Some(phase), Some(reason)), "{workflow:?}");
    workflow.error.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_refused_test_goes_back_to_its_author_with_line_and_rule() {
    let trick = "page.set_content(\"Open daily\"); expect(page.get_by_text(\"Open daily\")).to_be_visible()";
    let told = "test_x.py:4: mock: `set_content`";
    let ended = written_by(until_told(told, &writes(trick), &writes(GOOD))).await;
    completed(&ended);
    assert_eq!((ended.task.workflow.test_rounds, ended.task.workflow.iteration), (1, 0));
}

#[tokio::test]
async fn a_test_that_is_not_red_for_a_good_reason_goes_back_to_its_author() {
    let blank = "expect(page.locator(\"h1\")).to_have_count(0)";
    let ended = written_by(until_told("blank page", &writes(blank), &writes(GOOD))).await;
    completed(&ended);
    assert_eq!(ended.task.workflow.test_rounds, 1);
}

#[tokio::test]
async fn an_author_that_leaves_no_test_or_more_than_it_is_told_so() {
    let elsewhere = format!(
        "{}; mv tests/e2e/test_x.py x.py; echo '{{\"outcome\":\"passed\",\"test_path\":\"x.py\"}}' > $CHIMERA_OUTCOME",
        writes(GOOD)
    );
    let more = format!("{}; echo more >> index.html", writes(GOOD));
    let script = format!(
        "if grep -q 'may add' $CHIMERA_ASSIGNMENT; then {}\nelif grep -q 'no place' $CHIMERA_ASSIGNMENT; then {more}\n\
         elif grep -q 'changed nothing' $CHIMERA_ASSIGNMENT; then {elsewhere}\n\
         else echo '{{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_x.py\"}}' > $CHIMERA_OUTCOME; fi",
        writes(GOOD)
    );
    let ended = written_by(agent("author", &["sh", "-c", &script])).await;
    completed(&ended);
    assert_eq!(ended.task.workflow.test_rounds, 3);
}

#[tokio::test]
async fn the_same_test_again_ends_the_task() {
    let source = "def test_x(page):\n    page.set_content(\"x\")\n";
    let ended = written_by(author(source)).await;
    failed_in(&ended, Phase::E2eTestGeneration, Reason::RedNotProvable);
    assert_eq!(ended.task.workflow.test_rounds, 2);
}

const APP: &str = r#"import http.server, os
def page():
    return "<h1>Notes</h1>"
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = page() if self.path == "/" else ""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

fn server(build: Option<&str>) -> HowToStage {
    HowToStage::Start(Server {
        build: build.map(str::to_owned),
        ready: Some("/healthy".to_owned()),
        ..Server::new("exec python3 app.py")
    })
}

/// A line that replaces the page's.
fn shows(line: &str) -> String {
    format!("sed -i '3s|.*|    {line}|' app.py; {PASSED}")
}

const RIGHT: &str = "return \"<h1>Notes</h1><p>3 notes</p>\"";

async fn coded_by(coder: Agent, staging: HowToStage) -> Ended {
    let project = |dir: &Path| {
        let checks = Vec::new();
        vec![Project { checks, ..shop(dir, staging, &[("app.py", APP)]) }]
    };
    let bench = Bench::new(project, coder);
    bench.deliver("shop", "Visitors see how many notes there are", &["see text \"3 notes\""]).await
}

#[tokio::test]
async fn a_build_that_the_change_breaks_goes_back_to_the_coder_with_the_end_of_its_log() {
    let build = server(Some("python3 -m py_compile app.py"));
    let coder = until_told("SyntaxError", &shows("return 3 notes"), &shows(RIGHT));
    let ended = coded_by(coder, build).await;
    completed(&ended);
    assert_eq!((ended.task.workflow.validation_rounds, ended.task.workflow.iteration), (1, 4));
}

#[tokio::test]
async fn a_server_that_the_change_keeps_from_starting_goes_back_until_it_fails_the_same_way_again() {
    let breaks = format!("sed -i '1i import nothing_of_that_name' app.py; {PASSED}");
    let fixes = format!("sed -i 1d app.py; {}", shows(RIGHT));
    completed(&coded_by(until_told("nothing_of_that_name", &breaks, &fixes), server(None)).await);
    let again = format!("echo '#' >> app.py; {PASSED}");
    let ended = coded_by(until_told("nothing_of_that_name", &breaks, &again), server(None)).await;
    let error = failed_in(&ended, Phase::StagingDeployment, Reason::StagingFailed);
    assert!(error.contains("ModuleNotFoundError"), "{error}");
    assert_eq!(ended.task.workflow.validation_rounds, 2);
}

#[tokio::test]
async fn an_application_that_cannot_be_built_without_the_change_is_nobodys_round() {
    let build = server(Some("echo no such tool; exit 3"));
    let ended = coded_by(agent("idle", &["false"]), build).await;
    let error = failed_in(&ended, Phase::E2eTestGeneration, Reason::StagingFailed);
    assert!(error.contains("no such tool"), "{error}");
    assert_eq!(ended.task.workflow.attempt, 1);
}

#[tokio::test]
async fn a_page_on_which_the_server_closes_the_connection_or_ends_goes_back_to_the_coder() {
    for (breaks, told) in [("return count_notes()", "NameError: name"), ("os._exit(3)", "net::ERR_")] {
        let coder = until_told(told, &shows(breaks), &shows(RIGHT));
        let ended = coded_by(coder, server(None)).await;
        completed(&ended);
        assert_eq!(ended.task.workflow.validation_rounds, 1, "{breaks}");
    }
}

#[tokio::test]
async fn a_frozen_test_that_a_formatter_touched_is_restored_and_the_rest_of_the_change_goes_on() {
    let format = "for file in tests/e2e/*.py; do echo >> $file; done";
    let opens = "sed -i 's|</main>|<p>Open daily</p></main>|' index.html";
    let leaves = format!("echo '-----BEGIN RSA PRIVATE KEY-----' > key.pem; {opens}; {format}; {PASSED}");
    let coder = until_told("keep formatters", &leaves, &format!("rm key.pem; {PASSED}"));
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    completed(&ended);
    assert_eq!(ended.task.workflow.review_rounds, 1);
    let kept = ended.evidence.iter().filter(|file| file.name == "frozen-test-as-changed.txt");
    assert_eq!(kept.count(), 1, "what became of it is kept");
    assert!(ended.evidence.iter().any(|file| file.kind == EvidenceKind::Diff));
}

#[tokio::test]
async fn a_coder_that_changed_nothing_is_told_so_with_its_own_words() {
    let (_, opener) = opener();
    let chimera_agent::spec::Protocol::Command { argv } = &opener.protocol else { panic!("a command") };
    let coder = until_told("changed nothing; it said: all done", PASSED, &argv[2]);
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    completed(&ended);
    assert_eq!((ended.task.workflow.iteration, ended.task.workflow.unchanged), (4, 0));
}
