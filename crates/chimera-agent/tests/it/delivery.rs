//! Whole deliveries: the real runner and the real state machine, without daemon and database.

mod deployed;
mod place;
mod repository;
mod rounds;
mod target;
mod told;

use chimera_agent::delivery::{Delivery, Settings};
use chimera_agent::runner::{Attempt, Fence, Runner};
use chimera_agent::spec::{Agent, E2e, Project, Protocol, Recordings, Server, Staging as HowToStage, Suite};
use chimera_agent::staging::Staging;
use chimera_agent::toolchain::Search;
use chimera_agent::vault::Vault;
use chimera_agent::workspace::Workspaces;
use chimera_core::{
    Event, Evidence, EvidenceKind, Lease, Outcome, Phase, Policy, Priority, Rank, Reason, Request, Role,
    State, Status, Task, TaskId, Tick, UnixMillis, Usage, Workflow, step,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A data directory with a runner on it.
struct Bench {
    dir: tempfile::TempDir,
    delivery: Delivery,
}

/// A delivery that has ended.
struct Ended {
    task: Task,
    evidence: Vec<Evidence>,
}

fn agent(name: &str, argv: &[&str]) -> Agent {
    let argv = argv.iter().map(|arg| (*arg).to_owned()).collect();
    let protocol = if name == "builtin" { Protocol::Builtin } else { Protocol::Command { argv } };
    Agent {
        name: name.to_owned(),
        protocol,
        env: Vec::new(),
        timeout: None,
        stall: None,
        max_concurrent: None,
    }
}

impl Bench {
    fn new(projects: impl FnOnce(&Path) -> Vec<Project>, coder: Agent) -> Self {
        Self::with(projects, [(Role::Coder, coder)])
    }

    /// With these agents; the built-in ones have the other roles.
    fn with<const N: usize>(projects: impl FnOnce(&Path) -> Vec<Project>, cast: [(Role, Agent); N]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data_dir = dir.path().join("data");
        std::fs::create_dir_all(&data_dir).expect("a data directory");
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let mut roles: BTreeMap<Role, Vec<Agent>> =
            Role::ALL.into_iter().map(|role| (role, vec![agent("builtin", &[])])).collect();
        let agents = cast.iter().map(|(_, agent)| (agent.name.clone(), agent.clone())).collect();
        roles.extend(cast.map(|(role, agent)| (role, vec![agent])));
        let settings = Settings {
            projects: projects(dir.path()),
            roles,
            agents,
            tools: Search {
                tools_dir: tools_dir(),
                env: environment.clone(),
                overrides: crate::toolchain::overrides(),
                ..Search::default()
            },
            environment,
            policy: Policy::default(),
            green_runs: 2,
            staging_ttl: Duration::from_secs(3600),
            recordings: Recordings::Proof,
            clock: Arc::new(|| UnixMillis(1)),
            data_dir: data_dir.clone(),
        };
        let workspaces = Workspaces::new(&data_dir).expect("workspaces");
        let vault = Vault::new(&data_dir.join("evidence")).expect("a vault");
        let delivery = Delivery::new(settings, workspaces, Staging::new(&data_dir), vault);
        Self { dir, delivery }
    }

    async fn deliver(&self, project: &str, feature: &str, acceptance: &[&str]) -> Ended {
        // Nothing listens there.
        self.deliver_to("http://127.0.0.1:1/", project, feature, acceptance).await
    }

    async fn deliver_to(&self, target: &str, project: &str, feature: &str, acceptance: &[&str]) -> Ended {
        let mut task = task(project, feature, acceptance);
        task.request.target_url = target.to_owned();
        self.worked_off(task, false).await
    }

    /// Works on a task until it has ended, or, without patience, until it is put off.
    async fn worked_off(&self, mut task: Task, patient: bool) -> Ended {
        let mut evidence = Vec::new();
        let tick = Tick { now: UnixMillis(1), jitter: 0.0 };
        let policy = Policy::default();
        advance(&mut task, Event::Claimed { worker: "test".to_owned(), epoch: 1 }, tick, &policy);
        while task.status == Status::Running {
            let timeout = Duration::from_secs(120);
            let attempt = Attempt { task: task.clone(), timeout, fence: Fence::open() };
            let report = self.delivery.run(attempt, CancellationToken::new()).await;
            evidence.extend(report.evidence);
            let settled = Event::Settled { outcome: report.outcome, usage: Usage::default() };
            advance(&mut task, settled, tick, &policy);
            if patient && task.status == Status::Queued {
                advance(&mut task, Event::Claimed { worker: "test".to_owned(), epoch: 1 }, tick, &policy);
            }
        }
        self.delivery.finished(&task).await;
        Ended { task, evidence }
    }
}

fn advance(task: &mut Task, event: Event, tick: Tick, policy: &Policy) {
    let state = State { status: task.status, workflow: task.workflow.clone() };
    let next = step(&state, event, tick, policy).expect("a legal event");
    (task.status, task.workflow) = (next.state.status, next.state.workflow);
}

fn task(project: &str, feature: &str, acceptance: &[&str]) -> Task {
    let request = Request {
        feature: feature.to_owned(),
        // Nothing listens there.
        target_url: "http://127.0.0.1:1/".to_owned(),
        staging_url: None,
        priority: Priority::default(),
        acceptance: acceptance.iter().map(|sentence| (*sentence).to_owned()).collect(),
        project: None,
        not_before: None,
        deadline: None,
        expires_at: None,
        after: Vec::new(),
        labels: BTreeMap::new(),
    };
    let now = UnixMillis(1);
    Task {
        id: TaskId::from_bits(0xfeed),
        project: project.to_owned(),
        status: Status::Queued,
        workflow: Workflow::new(),
        rank: Rank(0),
        ready_at: now,
        created_at: now,
        started_at: None,
        completed_at: None,
        cancel_requested: false,
        ends_at: None,
        discarded_at: None,
        lease: Some(Lease { owner: "test".to_owned(), epoch: 1 }),
        seq: 1,
        request,
    }
}

/// The Python environment that all tests share.
fn tools_dir() -> PathBuf {
    std::env::var_os("CHIMERA_TOOLS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from)
}

fn git(dir: &Path, args: &[&str]) -> String {
    let done = Command::new("git").current_dir(dir).args(args).output().expect("git runs");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// A repository with one page, and the project on it.
fn shop(dir: &Path, staging: HowToStage, files: &[(&str, &str)]) -> Project {
    let repo = dir.join("shop");
    std::fs::create_dir_all(&repo).expect("a directory");
    for (name, text) in files {
        std::fs::write(repo.join(name), text).expect("a file");
    }
    git(&repo, &["init", "--quiet", "--initial-branch=main"]);
    git(&repo, &["add", "--all"]);
    git(
        &repo,
        &["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", "Begin"],
    );
    Project {
        checks: vec!["test -f index.html || test -f app.py".to_owned()],
        staging,
        ..Project::plain("shop", &repo.to_string_lossy(), 500)
    }
}

fn static_site() -> HowToStage {
    HowToStage::Static { static_dir: ".".to_owned(), build: None }
}

const PAGE: (&str, &str) = ("index.html", "<!doctype html><title>Shop</title><main><h1>Shop</h1></main>");

#[tokio::test]
async fn a_playwright_test_project_is_delivered_with_the_same_proof() {
    let project =
        |dir: &Path| vec![Project { e2e: E2e::PlaywrightTest, ..shop(dir, static_site(), &[PAGE]) }];
    let bench = Bench::new(project, agent("builtin", &[]));
    let Ended { task, evidence } =
        bench.deliver("shop", "User can see hours", &["see heading \"Hours\"", "see text \"Open\""]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    assert_eq!(task.workflow.artifacts.test_path.as_deref(), Some("tests/e2e/user_can_see_hours.spec.ts"));
    let names: Vec<&str> = evidence.iter().map(|file| file.name.as_str()).collect();
    for label in ["red", "control-blank", "control-error", "green-1", "green-2", "control-base"] {
        assert!(names.contains(&format!("{label}-report.json").as_str()), "{label} is among {names:?}");
    }
    assert!(names.contains(&"test.spec.ts"), "{names:?}");
}

#[tokio::test]
async fn a_plain_request_completes_on_a_scratch_project() {
    let bench = Bench::new(|_| Vec::new(), agent("builtin", &[]));
    let Ended { task, evidence } = bench.deliver("scratch-example", "User can view homepage", &[]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    let have = &task.workflow.artifacts;
    assert_eq!(have.test_path.as_deref(), Some("tests/e2e/test_user_can_view_homepage.py"));
    assert_eq!(have.target_run.as_deref(), Some("not_visited"));
    let kinds: Vec<EvidenceKind> = evidence.iter().map(|file| file.kind).collect();
    let names: Vec<&str> = evidence.iter().map(|file| file.name.as_str()).collect();
    for label in ["red", "control-blank", "control-error", "green-1", "green-2", "control-base"] {
        assert!(names.contains(&format!("{label}-report.json").as_str()), "{label} is among {names:?}");
    }
    for kind in [EvidenceKind::Test, EvidenceKind::Report, EvidenceKind::Screenshot, EvidenceKind::Diff] {
        assert!(kinds.contains(&kind), "{kind:?} is among the evidence: {kinds:?}");
    }
    let repo = bench.dir.path().join("data/scratch/scratch-example");
    let branch = format!("chimera/{}", task.id);
    assert_eq!(git(&repo, &["rev-parse", &branch]), have.head_commit.as_ref().expect("a head").as_str());
    assert_eq!(
        git(
            &repo,
            &[
                "log",
                "--format=%(trailers:key=Chimera-Phase,valueonly,separator=)",
                &format!("main..{branch}")
            ]
        ),
        "CODE_IMPLEMENTATION\nE2E_TEST_GENERATION"
    );
}

#[tokio::test]
async fn a_feature_that_is_there_already_is_no_success() {
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], agent("builtin", &[]));
    let ended = bench.deliver("shop", "The shop has a heading", &["see heading \"Shop\""]).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::AlreadyGreen), "{:?}", ended.task.workflow.error);
}

#[tokio::test]
async fn the_checkout_of_the_user_is_not_touched() {
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], agent("builtin", &[]));
    let repo = bench.dir.path().join("shop");
    std::fs::write(repo.join("index.html"), "unsaved work").expect("written");
    std::fs::write(repo.join("notes.txt"), "mine").expect("written");
    let before = git(&repo, &["status", "--porcelain"]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    assert_eq!(git(&repo, &["status", "--porcelain"]), before);
    assert_eq!(std::fs::read_to_string(repo.join("index.html")).expect("readable"), "unsaved work");
    assert_eq!(git(&repo, &["branch", "--show-current"]), "main");
}

#[tokio::test]
async fn a_coder_that_touches_nothing_but_the_frozen_test_has_changed_nothing() {
    let script =
        "echo '# weaker' > \"$(ls tests/e2e/*.py)\"; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let coder = agent("cheat", &["sh", "-c", script]);
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::NoChange), "{:?}", ended.task.workflow.error);
    let error = ended.task.workflow.error.unwrap_or_default();
    assert!(error.contains("nothing but the frozen test, which was restored"), "{error}");
}

#[tokio::test]
async fn a_coder_that_does_nothing_twice_ends_the_task() {
    let coder = agent("idle", &["sh", "-c", "echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME"]);
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::NoChange), "{:?}", ended.task.workflow.error);
}

#[tokio::test]
async fn a_coder_that_misses_the_point_never_completes() {
    let script = "echo $CHIMERA_ATTEMPT >> notes.txt; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let coder = agent("beside", &["sh", "-c", script]);
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::NotGreen), "{:?}", ended.task.workflow.error);
    assert_eq!(ended.task.workflow.validation_rounds, 2, "the same failure twice ends it");
}

#[tokio::test]
async fn a_coder_learns_what_the_reviewer_found() {
    // The first round leaves a secret; the second reads the findings and takes it out.
    let script = r#"
        if grep -q 'private key' "$CHIMERA_EVIDENCE/review.json"; then rm key.pem; else echo '-----BEGIN RSA PRIVATE KEY-----' > key.pem; fi
        sed -i 's|</main>|<p>Open daily</p></main>|' index.html
        echo '{"outcome":"passed"}' > $CHIMERA_OUTCOME"#;
    let coder = agent("careless", &["sh", "-c", script]);
    let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], coder);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    assert_eq!((ended.task.workflow.review_rounds, ended.task.workflow.phase), (1, Phase::Complete));
}

#[tokio::test]
async fn a_server_of_the_project_is_staged_and_judged() {
    let app = r#"
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        body = os.environ["CHIMERA_REVISION"] if self.path == "/revision" else "<h1>Notes</h1>"
        self.wfile.write(body.encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;
    let server = Server { revision: Some("/revision".to_owned()), ..Server::new("exec python3 app.py") };
    let staging = HowToStage::Start(server);
    let script = r#"sed -i 's|<h1>Notes</h1>|<h1>Notes</h1><p>3 notes</p>|' app.py; echo '{"outcome":"passed"}' > $CHIMERA_OUTCOME"#;
    let coder = agent("coder", &["sh", "-c", script]);
    let bench = Bench::new(|dir| vec![shop(dir, staging, &[("app.py", app)])], coder);
    let ended =
        bench.deliver("shop", "Visitors see how many notes there are", &["see text \"3 notes\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    let have = &ended.task.workflow.artifacts;
    assert_eq!(have.deployed_revision, have.head_commit);
}

/// The lease is lost at each of the moments before something that others could see: from there on nothing happens.
#[tokio::test]
async fn whose_lease_is_lost_neither_checks_out_nor_commits_nor_shares_nor_stages() {
    for (lost_at, commits) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let bench = Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], agent("builtin", &[]));
        let mut task = task("shop", "Visitors see the hours", &["see text \"Open daily\""]);
        let tick = Tick { now: UnixMillis(1), jitter: 0.0 };
        advance(&mut task, Event::Claimed { worker: "test".to_owned(), epoch: 1 }, tick, &Policy::default());
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let fence = Fence::new(move || {
            let holds = count.fetch_add(1, Ordering::SeqCst) < lost_at;
            Box::pin(std::future::ready(holds))
        });
        let attempt = Attempt { task: task.clone(), timeout: Duration::from_secs(120), fence };
        let report = bench.delivery.run(attempt, CancellationToken::new()).await;
        assert_eq!(report.outcome, Outcome::Interrupted, "lost at question {lost_at}");
        assert_eq!(asked.load(Ordering::SeqCst), lost_at + 1, "nothing is asked after a no");
        let data = bench.dir.path().join("data");
        let branches = git(&data.join("repositories/shop.git"), &["branch", "--list", "chimera/*"]);
        assert_eq!(branches.lines().count(), commits, "lost at question {lost_at}: {branches}");
        assert_eq!(data.join("worktrees").join(task.id.as_str()).exists(), lost_at > 0);
        assert!(!data.join("staging").exists(), "nothing is staged");
    }
}

/// A test author that writes this test.
fn author(source: &str) -> Agent {
    let script = format!(
        "mkdir -p tests/e2e; printf '%s' '{source}' > tests/e2e/test_x.py\n\
         echo '{{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_x.py\"}}' > $CHIMERA_OUTCOME"
    );
    agent("author", &["sh", "-c", &script])
}

async fn refused(source: &str) -> (Option<Reason>, String) {
    let coder = agent("idle", &["sh", "-c", "exit 1"]);
    let bench = Bench::with(
        |dir| vec![shop(dir, static_site(), &[PAGE])],
        [(Role::E2eTester, author(source)), (Role::Coder, coder)],
    );
    let ended = bench.deliver("shop", "Visitors see the hours", &[]).await;
    (ended.task.workflow.reason, ended.task.workflow.error.unwrap_or_default())
}

#[tokio::test]
async fn a_test_with_a_trick_in_it_is_refused_with_line_and_rule() {
    let source = "from playwright.sync_api import Page, expect\ndef test_x(page: Page):\n    page.goto(\"/\")\n    \
        page.set_content(\"Open daily\")\n    expect(page.get_by_text(\"Open daily\")).to_be_visible()\n";
    let (reason, error) = refused(source).await;
    assert_eq!(reason, Some(Reason::RedNotProvable));
    assert_eq!(error, "tests/e2e/test_x.py:4: mock: `set_content` changes what the application shows");
}

#[tokio::test]
async fn a_test_that_says_nothing_of_the_application_is_refused() {
    let source = "from playwright.sync_api import Page, expect\ndef test_x(page: Page):\n    page.goto(\"/\")\n    \
        expect(page.locator(\"h1\")).to_have_count(0)\n";
    let (reason, error) = refused(source).await;
    assert_eq!(reason, Some(Reason::RedNotProvable));
    assert!(
        error.starts_with("test_x passes on a blank page: it says nothing about the application"),
        "{error}"
    );
}

/// What an honest coder does for "Open daily".
fn opener() -> (Role, Agent) {
    let script = "sed -i 's|</main>|<p>Open daily</p></main>|' index.html; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    (Role::Coder, agent("coder", &["sh", "-c", script]))
}

async fn reviewed(script: &str) -> String {
    let guardian = (Role::Guardian, agent("reviewer", &["sh", "-c", script]));
    let bench = Bench::with(|dir| vec![shop(dir, static_site(), &[PAGE])], [opener(), guardian]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_ne!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    ended.task.workflow.error.unwrap_or_default()
}

#[tokio::test]
async fn a_review_of_another_commit_is_none() {
    let script =
        format!("echo '{{\"outcome\":\"passed\",\"commit\":\"{}\"}}' > $CHIMERA_OUTCOME", "0".repeat(40));
    let error = reviewed(&script).await;
    assert!(
        error.contains("speaks of commit 0000000000000000000000000000000000000000, but it was shown"),
        "{error}"
    );
}

#[tokio::test]
async fn a_review_of_what_the_reviewer_has_changed_is_none() {
    let script =
        "chmod u+w index.html; echo better >> index.html; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let error = reviewed(script).await;
    assert!(error.contains("changed `index.html` in the copy that it reviewed"), "{error}");
}

/// Delivers with a suite that wants the page to have `<h1>Shop</h1>`, a second test that never passes, and a third one
/// that runs unless there is a file `hush`.
async fn with_suite(coder: &str) -> (Task, Vec<String>) {
    let command = "if grep -q '<h1>Shop</h1>' index.html; then mark=; else mark='<failure message=\"no heading\"/>'; fi\n\
        echo \"<testcase name='old'><error/></testcase><testcase name='heading'>$mark</testcase>\" > out.xml\n\
        [ -e hush ] || echo \"<testcase name='third'></testcase>\" >> out.xml; exit 1";
    let suite = Suite { command: command.to_owned(), report: Some("out.xml".to_owned()) };
    let coder = agent(
        "coder",
        &["sh", "-c", &format!("{coder}; echo '{{\"outcome\":\"passed\"}}' > $CHIMERA_OUTCOME")],
    );
    let project = |dir: &Path| Project { suite: Some(suite), ..shop(dir, static_site(), &[PAGE]) };
    let bench = Bench::with(|dir| vec![project(dir)], [(Role::Coder, coder)]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    (ended.task, ended.evidence.into_iter().map(|file| file.name).collect())
}

#[tokio::test]
async fn what_newly_fails_in_the_suite_of_the_project_sends_the_change_back() {
    let breaks = "sed -i 's|<h1>Shop</h1></main>|<h1>Sh0p</h1><p>Open daily</p></main>|; s/$/ /' index.html";
    let (task, names) = with_suite(breaks).await;
    assert_eq!(task.workflow.reason, Some(Reason::NotGreen), "{:?}", task.workflow);
    let error = task.workflow.error.unwrap_or_default();
    assert!(error.starts_with("heading fails with the change and did not without it"), "{error}");
    assert!(
        names.contains(&"suite-base.log".to_owned()) && !names.contains(&"green-1.log".to_owned()),
        "{names:?}"
    );
    // What failed before may fail after.
    let (task, _) = with_suite("sed -i 's|</main>|<p>Open daily</p></main>|' index.html").await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    // What passed before must not go away.
    let (task, _) = with_suite("touch hush; sed -i 's|</main>|<p>Open daily</p></main>|' index.html").await;
    let error = task.workflow.error.unwrap_or_default();
    assert!(error.starts_with("third fails with the change and did not without it"), "{error}");
}
