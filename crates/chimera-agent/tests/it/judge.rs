//! The judge, with a real browser against a small site on loopback.

use crate::toolchain::tools;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use chimera_agent::author;
use chimera_agent::criteria::parse_all;
use chimera_agent::judge::{Judge, JudgeError, Run, STILL_WAIT, Scene, Trial, fingerprint};
use chimera_agent::spec::{E2E_DIR, E2e};
use chimera_agent::toolchain::Toolchain;
use chimera_core::{EvidenceKind, TestReport, TestStatus};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Far beyond any run, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const HOME: &str = "<!doctype html><title>Shop</title><h1>Homepage</h1><a href=/form>Form</a>";
const FORM: &str = "<!doctype html><title>Form</title><h1>Form</h1><form action=/done>\
    <label>Name <input name=name></label>\
    <label for=c>Colour</label><select id=c name=c><option>Blue</option><option>Red</option></select>\
    <label><input type=checkbox name=ok> Agreed</label><button>Send</button></form>";
const PICTURES: &str =
    "<!doctype html><title>Pictures</title><link rel=icon href=/1.svg><img src=/1.svg><img src=/2.svg>";
const BROKEN: &str = "<!doctype html><title>Broken</title><h1>Broken</h1><img src=/gone.png>\
    <script>console.error('no picture'); console.log('quiet'); nothing()</script>";
const LATE: &str = "<!doctype html><title>Late</title><script>setTimeout(() => {\
    document.body.innerHTML = '<h1>Late</h1><button>Go</button>'; }, 1200)</script>";

/// A site on a port of its own, gone with the test.
pub(crate) async fn site() -> String {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(700)).await; // tidy: polls: the application itself is slow
        Html("<!doctype html><h1>Done</h1>")
    };
    let site = Router::new()
        .route("/", get(|| async { Html(HOME) }))
        .route("/form", get(|| async { Html(FORM) }))
        .route("/pictures", get(|| async { Html(PICTURES) }))
        .route("/broken", get(|| async { Html(BROKEN) }))
        .route("/late", get(|| async { Html(LATE) }))
        .route("/done", get(slow))
        .route("/hangs", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, site).await });
    origin
}

pub(crate) struct Bench {
    pub(crate) judge: Judge,
    origin: String,
    out: TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let judge = Judge::new(tools().await);
        Self { judge, origin: site().await, out: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn trial<'a>(&'a self, source: &'a str) -> Trial<'a> {
        Trial {
            e2e: E2e::Pytest,
            test_name: "test_x.py",
            test: source.as_bytes(),
            origin: &self.origin,
            scene: Scene::Served { at: &self.origin, keep_host: true },
            allow_hosts: &[],
            out_dir: self.out.path(),
            label: "run",
            timeout: PATIENCE,
            still_wait: STILL_WAIT,
            recorded: false,
        }
    }

    pub(crate) async fn run(&self, source: &str) -> Run {
        self.judge.run(&self.trial(source), &CancellationToken::new()).await.expect("a run")
    }

    pub(crate) async fn report(&self, source: &str) -> TestReport {
        self.run(source).await.report
    }

    async fn written_by_the_author(&self, sentences: &[&str]) -> TestReport {
        let sentences: Vec<String> = sentences.iter().map(|sentence| (*sentence).to_owned()).collect();
        let test = author::compile(
            E2e::Pytest,
            E2E_DIR,
            "User can shop",
            &parse_all(&sentences).expect("in the grammar"),
            "/",
        );
        self.report(&test.source).await
    }
}

/// A test whose body is `lines`.
pub(crate) fn body(lines: &str) -> String {
    tests(&[("", lines)])
}

/// Tests with a decorator and a body each.
pub(crate) fn tests(tests: &[(&str, &str)]) -> String {
    let mut source = "from playwright.sync_api import Page, expect\nimport os, pytest, time\n".to_owned();
    for (number, (decorator, lines)) in tests.iter().enumerate() {
        let body: String = lines.lines().map(|line| format!("    {}\n", line.trim())).collect();
        source.push_str(&format!("\n{decorator}\ndef test_{number}(page: Page):\n{body}"));
    }
    source
}

pub(crate) fn statuses(report: &TestReport) -> Vec<TestStatus> {
    assert_eq!(report.error, None);
    report.tests.iter().map(|test| test.status).collect()
}

pub(crate) fn only(report: &TestReport) -> (TestStatus, u32, &str) {
    assert_eq!((report.tests.len(), &report.error), (1, &None), "{report:?}");
    let test = &report.tests[0];
    (test.status, test.assertions, test.message.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn a_heading_that_is_there_is_green_and_one_that_is_not_is_red() {
    let bench = Bench::new().await;
    let report =
        bench.written_by_the_author(&["open \"/\"", "see heading \"Homepage\"", "title is \"Shop\""]).await;
    assert_eq!(only(&report), (TestStatus::Passed, 2, ""));
    assert_eq!(report.tests[0].id, "test_user_can_shop");

    let report = bench.written_by_the_author(&["open \"/\"", "see heading \"Books\""]).await;
    let (status, assertions, message) = only(&report);
    assert_eq!((status, assertions), (TestStatus::AssertionFailed, 1));
    assert!(message.contains("Locator expected to be visible"), "{message}");
}

#[tokio::test]
async fn every_form_of_the_grammar_runs_in_a_browser() {
    let bench = Bench::new().await;
    let report = bench
        .written_by_the_author(&[
            "open \"/\"",
            "see link \"Form\"",
            "click link \"Form\"",
            "url is \"/form\"",
            "fill \"Name\" with \"Ada\"",
            "choose \"Red\" from \"Colour\"",
            "check \"Agreed\"",
            "see button \"Send\"",
            "not see text \"Done\"",
            "click button \"Send\"",
            "see text \"done\"",
            "url is \"/done?name=Ada&c=Red&ok=on\"",
            "open \"/\"",
            "click \"Form\"",
            "click \"Send\"",
            "see heading \"Done\"",
        ])
        .await;
    assert_eq!(only(&report), (TestStatus::Passed, 7, ""));
}

#[tokio::test]
async fn a_page_that_changes_by_script_is_waited_for() {
    let bench = Bench::new().await;
    let report =
        bench.written_by_the_author(&["open \"/late\"", "click button \"Go\"", "see heading \"Late\""]).await;
    assert_eq!(only(&report), (TestStatus::Passed, 1, ""));
    let report = bench.written_by_the_author(&["open \"/late\"", "see heading \"Late\""]).await;
    assert_eq!(only(&report), (TestStatus::Passed, 1, ""));
}

#[tokio::test]
async fn a_missing_element_to_act_on_is_red() {
    let bench = Bench::new().await;
    let actions = [
        "get_by_role('button', name='Buy').click()",
        "get_by_label('Address').fill('x')",
        "get_by_label('Terms').check()",
        "get_by_label('Size').select_option(label='S')",
    ];
    let bodies = actions.map(|action| format!("page.goto('/form')\npage.{action}"));
    let report = bench.report(&tests(&bodies.each_ref().map(|body| ("", body.as_str())))).await;
    assert_eq!(statuses(&report), [TestStatus::AssertionFailed; 4], "{report:?}");
}

#[tokio::test]
async fn a_page_that_answers_404_fails_by_the_assertion() {
    let bench = Bench::new().await;
    let report = bench.written_by_the_author(&["open \"/nowhere\"", "see heading \"Books\""]).await;
    assert_eq!(only(&report).0, TestStatus::AssertionFailed, "{report:?}");
}

#[tokio::test]
async fn a_page_that_cannot_be_reached_is_no_red() {
    let bench = Bench::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = format!("http://{closed}");
    let source = body("page.goto('/')\nexpect(page).to_have_title('x')");
    let scene = Scene::Served { at: &origin, keep_host: true };
    let trial = Trial { origin: &origin, scene, ..bench.trial(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap();
    let (status, _, message) = only(&run.report);
    assert_eq!(status, TestStatus::Unreachable);
    assert!(message.contains("net::ERR_EMPTY_RESPONSE"), "{message}");

    let report =
        bench.report(&body("page.goto('/hangs', timeout=500)\nexpect(page).to_have_title('x')")).await;
    assert_eq!(only(&report).0, TestStatus::Unreachable);
    // An assertion on a page that is not of the application, too.
    let report =
        bench.report(&body("page.set_content('<p>')\nexpect(page).to_have_title('x', timeout=9)")).await;
    assert_eq!(only(&report).0, TestStatus::Errored);
}

#[tokio::test]
async fn the_page_has_no_network_but_the_origin() {
    let bench = Bench::new().await;
    let urls = ["http://example.com/", "http://192.0.2.1/", "https://localhost.example.org/"];
    let bodies = urls.map(|url| format!("page.goto('{url}')"));
    let report = bench.report(&tests(&bodies.each_ref().map(|body| ("", body.as_str())))).await;
    assert_eq!(statuses(&report), [TestStatus::Unreachable; 3], "{report:?}");
    for test in report.tests {
        let message = test.message.unwrap();
        assert!(message.contains("net::ERR_"), "{message}");
    }
}

#[tokio::test]
async fn what_breaks_is_no_red() {
    let bench = Bench::new().await;
    let report = bench.report("def test_x(page:\n").await;
    assert!(report.tests.is_empty() && report.error.as_ref().unwrap().contains("SyntaxError"), "{report:?}");
    let report = bench.report("import nothing_of_the_kind\ndef test_x(page): pass\n").await;
    assert!(report.tests.is_empty() && report.error.unwrap().contains("nothing_of_the_kind"));
    let report = bench.report("").await;
    assert_eq!(report, TestReport { tests: Vec::new(), error: None });

    let report = bench.report("def test_x(no_such_fixture):\n    assert True\n").await;
    assert_eq!(only(&report).0, TestStatus::Errored);
    let report = bench.report(&body("page.goto('/')\nexpect(page).to_have_title('Shop')\nos._exit(0)")).await;
    assert!(
        report.tests.is_empty() && report.error.as_ref().unwrap().contains("without a report"),
        "{report:?}"
    );
}

#[tokio::test]
async fn what_does_not_run_or_does_not_count_is_skipped() {
    let bench = Bench::new().await;
    let fails = "page.goto('/')\nexpect(page).to_have_title('Books')";
    let passes = "page.goto('/')\nexpect(page).to_have_title('Shop')";
    let source = tests(&[
        ("@pytest.mark.skip", passes),
        ("@pytest.mark.xfail", fails),
        ("@pytest.mark.xfail", passes),
        ("@pytest.mark.xfail(strict=True)", passes),
        ("", &format!("pytest.skip('later')\n{passes}")),
        ("", &format!("pytest.xfail('known')\n{passes}")),
        ("", passes),
    ]);
    let statuses = statuses(&bench.report(&source).await);
    assert_eq!(statuses[..6], [TestStatus::Skipped; 6]);
    assert_eq!(statuses[6..], [TestStatus::Passed]);
}

#[tokio::test]
async fn assertions_are_counted_and_their_failures_told_from_others() {
    let bench = Bench::new().await;
    let source = tests(&[
        ("", "page.goto('/')"),
        (
            "",
            "page.goto('/')\nassert page.title() == 'Shop'\nexpect(page.get_by_role('link')).not_to_have_count(7)\n\
             expect(page.request.get('/form')).to_be_ok()",
        ),
        ("", "page.goto('/')\nassert page.title() == 'Books'"),
        ("", "page.goto('/')\nexpect.soft(page).to_have_title('a', timeout=9)"),
        ("", "expect(page.request.get('/nowhere')).to_be_ok()"),
        ("", "page.goto('/')\nraise ValueError('own trouble')"),
        ("", "page.goto('/')\nimport unittest\nunittest.TestCase().assertEqual(1, 2)"),
        // The application was never reached.
        ("", "page.set_content('<p>')\nexpect(page).to_have_title('x', timeout=9)"),
        ("", "page.goto('/hangs', timeout=500)"),
    ]);
    let report = bench.report(&source).await;
    let expected = [
        (TestStatus::Passed, 0),
        (TestStatus::Passed, 3),
        (TestStatus::AssertionFailed, 0),
        (TestStatus::AssertionFailed, 1),
        (TestStatus::AssertionFailed, 1),
        (TestStatus::Errored, 0),
        (TestStatus::Errored, 0),
        (TestStatus::Errored, 1),
        (TestStatus::Unreachable, 0),
    ];
    let found: Vec<_> = report.tests.iter().map(|test| (test.status, test.assertions)).collect();
    assert_eq!(found, expected, "{report:?}");
}

#[tokio::test]
async fn a_test_that_does_not_end_is_ended_with_its_browser() {
    let bench = Bench::new().await;
    let source = body("page.goto('/')\ntime.sleep(1000)");
    let name = "test_without_end.py";
    let trial = Trial { test_name: name, timeout: Duration::from_secs(8), ..bench.trial(&source) };
    let stop = CancellationToken::new();
    let run = bench.judge.run(&trial, &stop);
    let (run, tmp) = tokio::join!(run, temporary_directory_of(name));
    let err = run.unwrap_err();
    assert!(matches!(err, JudgeError::TimedOut(_)), "{err}");
    assert_eq!(processes_with(&tmp), 0);
    assert!(!Path::new(&tmp).exists());
}

/// The temporary directory of the process that runs this test file, once there is one.
async fn temporary_directory_of(test_name: &str) -> String {
    loop {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let runs = |file: &std::path::PathBuf| {
            let line = std::fs::read(file.join("cmdline")).unwrap_or_default();
            line.ends_with(format!("\0{test_name}\0").as_bytes())
        };
        let found = entries.map(|entry| entry.path()).find(runs).and_then(|process| {
            let environment = std::fs::read(process.join("environ")).ok()?;
            let environment = String::from_utf8_lossy(&environment).into_owned();
            environment.split('\0').find_map(|variable| variable.strip_prefix("TMPDIR=").map(str::to_owned))
        });
        if let Some(tmp) = found {
            return tmp;
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // tidy: polls: a process tells nobody that it is there
    }
}

/// Processes, dying ones aside, that have a temporary directory in their environment.
fn processes_with(tmp: &str) -> usize {
    let environments = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    environments
        .filter_map(|entry| std::fs::read(entry.path().join("environ")).ok())
        .filter(|environment| String::from_utf8_lossy(environment).contains(tmp))
        .count()
}

#[tokio::test]
async fn a_run_can_be_stopped() {
    let bench = Bench::new().await;
    let stop = CancellationToken::new();
    stop.cancel();
    let source = body("time.sleep(1000)");
    let err = bench.judge.run(&bench.trial(&source), &stop).await.unwrap_err();
    assert!(matches!(err, JudgeError::Stopped), "{err}");
}

#[tokio::test]
async fn a_run_leaves_report_picture_trace_video_and_log() {
    let bench = Bench::new().await;
    let source = body("page.goto('/')\nexpect(page).to_have_title('Shop')");
    let trial = Trial { recorded: true, label: "green-1", ..bench.trial(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap();
    let names: Vec<(EvidenceKind, &str)> =
        run.files.iter().map(|(kind, name, _)| (*kind, name.as_str())).collect();
    let expected = [
        (EvidenceKind::Report, "green-1-report.json"),
        (EvidenceKind::Screenshot, "green-1.png"),
        (EvidenceKind::Trace, "green-1-trace.zip"),
        (EvidenceKind::Video, "green-1.webm"),
        (EvidenceKind::Log, "green-1.log"),
    ];
    assert_eq!(names, expected);
    for (_, _, path) in &run.files {
        assert!(std::fs::metadata(path).unwrap().len() > 0, "{}", path.display());
    }
    assert!(is_video(&run));
    let json = std::fs::read(&run.files[0].2).unwrap();
    assert_eq!(serde_json::from_slice::<TestReport>(&json).unwrap(), run.report);
    assert!(std::fs::read_to_string(&run.log).unwrap().contains("1 passed"));
}

/// Whether a run's video is one: WebM begins like every Matroska file.
pub(crate) fn is_video(run: &Run) -> bool {
    let video = run.files.iter().find(|(kind, ..)| *kind == EvidenceKind::Video);
    let bytes = video.map(|(.., path)| std::fs::read(path).expect("readable"));
    bytes.is_some_and(|bytes| bytes.starts_with(b"\x1a\x45\xdf\xa3") && bytes.len() > 1000)
}

#[tokio::test]
async fn where_nothing_records_videos_runs_are_made_without() {
    let bench = Bench::new().await;
    let judge = Judge::new(Toolchain { video: None, ..tools().await });
    let python = body("page.goto('/')\nexpect(page).to_have_title('Shop')");
    let typescript = "import { test, expect } from '@playwright/test';\n\
         test('x', async ({ page }) => { await page.goto('/'); await expect(page).toHaveTitle('Shop'); });\n";
    let trial = Trial { recorded: true, ..bench.trial(&python) };
    let spec =
        Trial { e2e: E2e::PlaywrightTest, test_name: "x.spec.ts", test: typescript.as_bytes(), ..trial };
    for trial in [trial, spec] {
        let run = judge.run(&trial, &CancellationToken::new()).await.expect("a run");
        assert_eq!(only(&run.report).0, TestStatus::Passed);
        let kinds: Vec<EvidenceKind> = run.files.iter().map(|(kind, ..)| *kind).collect();
        assert_eq!(
            kinds,
            [EvidenceKind::Report, EvidenceKind::Screenshot, EvidenceKind::Trace, EvidenceKind::Log]
        );
    }
}

#[tokio::test]
async fn a_test_sees_a_bare_world() {
    let bench = Bench::new().await;
    let report = bench
        .report(&body(
            "assert os.listdir('.') == ['test_x.py'], os.listdir('.')\n\
             assert set(os.listdir(os.environ['HOME'])) <= {'config', 'cache', 'run'}, os.listdir(os.environ['HOME'])\n\
             allowed = {'HOME', 'TMPDIR', 'PATH', 'LANG', 'TZ', 'CHIMERA_RUN_ID', 'NODE_COMPILE_CACHE', 'PYTEST_CURRENT_TEST', 'PYTEST_VERSION', 'LC_CTYPE'}\n\
             rest = [n for n in os.environ if n not in allowed and not n.startswith(('XDG_', 'PYTHON', 'PYTEST_', 'PLAYWRIGHT_'))]\n\
             assert not rest, rest\n\
             page.goto('/')\nexpect(page).to_have_title('Shop')",
        ))
        .await;
    assert_eq!(only(&report), (TestStatus::Passed, 4, ""), "{report:?}");
}

#[tokio::test]
async fn a_report_of_the_tests_own_does_not_count() {
    let bench = Bench::new().await;
    let forged = r#"{"token": "x", "tests": [{"id": "test_x", "status": "passed", "assertions": 1, "duration_ms": 1}], "error": null, "tool_error": null}"#;
    let source = body(&format!("open('../report/report.json', 'w').write('''{forged}''')\nos._exit(0)"));
    let report = bench.report(&source).await;
    assert_eq!(report.error.as_deref(), Some("the report was not written by the judge"));
}

#[tokio::test]
async fn broken_tools_are_told_apart_from_broken_tests() {
    let bench = Bench::new().await;
    let source = body("page.goto('/')");
    let mut tools = tools().await;
    tools.chromium = "/bin/false".into();
    let err =
        Judge::new(tools.clone()).run(&bench.trial(&source), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&err, JudgeError::Tool(why) if why.contains("browser does not start")), "{err}");
    tools.python = "/usr/bin/python3".into();
    let err =
        Judge::new(tools.clone()).run(&bench.trial(&source), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&err, JudgeError::Tool(why) if why.contains("runner does not start")), "{err}");
    tools.python = "/nowhere/python".into();
    let err = Judge::new(tools).run(&bench.trial(&source), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&err, JudgeError::Tool(why) if why.contains("is gone")), "{err}");
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_runs() {
    let bench = Bench::new().await;
    for name in ["pytest.py", "../test_x.py", "test_x.txt", "test_.py", "test_a b.py", "conftest.py"] {
        let trial = Trial { test_name: name, ..bench.trial("") };
        let err = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(err, JudgeError::Trial(_)), "{name}");
    }
    for origin in ["", "127.0.0.1", "file:///etc", "javascript:alert(1)"] {
        let trial = Trial { origin, ..bench.trial("") };
        let err = bench.judge.run(&trial, &CancellationToken::new()).await.unwrap_err();
        assert!(matches!(err, JudgeError::Trial(_)), "{origin}");
    }
}

#[tokio::test]
async fn the_same_failure_has_the_same_fingerprint_on_any_port() {
    let source = body("page.goto('/')\nexpect(page.get_by_text('Chapter 3')).to_be_visible(timeout=300)");
    let other = body("page.goto('/')\nexpect(page.get_by_text('Chapter 4')).to_be_visible(timeout=300)");
    let (first, second) = (Bench::new().await, Bench::new().await);
    let print = fingerprint(&first.report(&source).await);
    assert_eq!(fingerprint(&second.report(&source).await), print);
    assert_ne!(fingerprint(&second.report(&other).await), print);
}
