//! The judge on Playwright Test files, with a real browser against the same small site as for pytest.

use crate::judge::{Bench, is_video, only, statuses};
use chimera_agent::author;
use chimera_agent::criteria::parse_all;
use chimera_agent::judge::{JudgeError, Run, Scene, Trial};
use chimera_agent::spec::{E2E_DIR, E2e};
use chimera_core::{EvidenceKind, TestReport, TestStatus};
use tokio_util::sync::CancellationToken;

impl Bench {
    pub(crate) fn spec<'a>(&'a self, source: &'a str) -> Trial<'a> {
        Trial { e2e: E2e::PlaywrightTest, test_name: "x.spec.ts", ..self.trial(source) }
    }

    async fn run_spec(&self, source: &str) -> Run {
        self.judge.run(&self.spec(source), &CancellationToken::new()).await.expect("a run")
    }

    pub(crate) async fn spec_report(&self, source: &str) -> TestReport {
        self.run_spec(source).await.report
    }
}

/// Tests with a body each.
pub(crate) fn bodies(bodies: &[&str]) -> String {
    let mut source = "import { test, expect } from '@playwright/test';\n".to_owned();
    for (number, body) in bodies.iter().enumerate() {
        source += &format!("test('test {number}', async ({{ page }}) => {{\n{body}\n}});\n");
    }
    source
}

#[tokio::test]
async fn the_authors_typescript_is_green_where_the_feature_is_and_red_where_it_is_not() {
    let bench = Bench::new().await;
    let sentences = [
        "open \"/\"",
        "see heading \"Homepage\"",
        "not see text \"Nothing\"",
        "click link \"Form\"",
        "fill \"Name\" with \"Ada\"",
        "choose \"Red\" from \"Colour\"",
        "check \"Agreed\"",
        "click button \"Send\"",
        "see text \"Done\"",
        "url is \"/done\"",
    ];
    let compiled = |sentences: &[&str]| {
        let sentences: Vec<String> = sentences.iter().map(|text| (*text).to_owned()).collect();
        let criteria = parse_all(&sentences).expect("in the grammar");
        author::compile(E2e::PlaywrightTest, E2E_DIR, "User can shop", &criteria, "/").source
    };
    let report = bench.spec_report(&compiled(&sentences)).await;
    assert_eq!(only(&report), (TestStatus::Passed, 4, ""));
    assert_eq!(report.tests[0].id, "User can shop");
    assert_eq!(report.tests[0].asserted_at.len(), 4);

    let run = bench.run_spec(&compiled(&["open \"/\"", "see heading \"Books\""])).await;
    let (status, assertions, message) = only(&run.report);
    assert_eq!((status, assertions), (TestStatus::AssertionFailed, 1));
    assert!(message.contains("toBeVisible"), "{message}");
    let kinds: Vec<EvidenceKind> = run.files.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [EvidenceKind::Report, EvidenceKind::Screenshot, EvidenceKind::Log]);
}

#[tokio::test]
async fn each_failure_of_a_spec_has_its_class() {
    let bench = Bench::new().await;
    let home = "await page.goto('/');";
    let (soft, never) =
        ("await expect.soft(page).toHaveTitle('Other');", "await expect(page).toHaveTitle('Other');");
    let unawaited = "expect(page).toHaveTitle('Other');";
    let cases = [
        (format!("{home} expect(await page.title()).toBe('Other');"), TestStatus::AssertionFailed),
        (format!("{home} {soft} expect(await page.title()).toBe('Shop');"), TestStatus::AssertionFailed),
        (format!("{home} await page.getByText('Nope').click();"), TestStatus::AssertionFailed),
        (format!("{home} await test.step('x', async () => {{ {never} }});"), TestStatus::AssertionFailed),
        (format!("{home} throw new Error('x');"), TestStatus::Errored),
        (format!("{home} {unawaited}"), TestStatus::Errored),
        (format!("{home} try {{ {never} }} catch {{}}"), TestStatus::Errored),
        (format!("{home} {soft} test.info().errors.length = 0;"), TestStatus::Errored),
        (
            format!("{home} throw Object.assign(new Error('x'), {{ matcherResult: {{ pass: false }} }});"),
            TestStatus::Errored,
        ),
        (format!("{home} process.exit(0);"), TestStatus::Errored),
        (format!("{home} test.skip(); {never}"), TestStatus::Skipped),
        (format!("{home} test.fail(); {never}"), TestStatus::Skipped),
        (format!("test.fixme(); {home}"), TestStatus::Skipped),
        (never.to_owned(), TestStatus::Errored),
        (
            "await page.goto('data:text/html,x'); expect(await page.title()).toBe('');".to_owned(),
            TestStatus::Errored,
        ),
        ("await page.goto('http://127.0.0.1:9/');".to_owned(), TestStatus::Unreachable),
        (
            "await page.goto('/missing'); expect(await page.title()).toBe('x');".to_owned(),
            TestStatus::AssertionFailed,
        ),
    ];
    let all: Vec<&str> = cases.iter().map(|(body, _)| body.as_str()).collect();
    let report = bench.spec_report(&bodies(&all)).await;
    let expected: Vec<TestStatus> = cases.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses(&report), expected, "{report:#?}");
}

#[tokio::test]
async fn groups_and_loops_give_each_test_an_id() {
    let bench = Bench::new().await;
    let report = bench
        .spec_report(
            "import { test, expect } from '@playwright/test';\n\
             test.describe('shop', () => {\n  for (const text of ['Homepage', 'Form'])\n\
             \x20   test(`shows ${text}`, async ({ page }) => {\n      await page.goto('/');\n\
             \x20     await expect(page.getByText(text)).toBeVisible();\n    });\n});\n",
        )
        .await;
    assert_eq!(statuses(&report), [TestStatus::Passed; 2]);
    let ids: Vec<&str> = report.tests.iter().map(|test| test.id.as_str()).collect();
    assert_eq!(ids, ["shop › shows Homepage", "shop › shows Form"]);
}

#[tokio::test]
async fn a_spec_that_cannot_be_loaded_or_has_no_test_shows_nothing() {
    let bench = Bench::new().await;
    for (source, said) in [
        ("test('x', async (", "x.spec.ts"),
        (
            "import './nothing';\nimport { test } from '@playwright/test';\ntest('x', async () => {});\n",
            "nothing",
        ),
        ("import { test } from '@playwright/test';\n", "o test"),
        ("import { test } from '@playwright/test';\ntest.only('x', async () => {});\n", "only"),
        ("process.exit(0);\n", "without a report"),
    ] {
        let report = bench.spec_report(source).await;
        let error = report.error.unwrap_or_else(|| panic!("{source}: {:?}", report.tests));
        assert!(error.contains(said), "{source}: {error}");
    }
}

#[tokio::test]
async fn a_spec_finds_neither_the_token_nor_a_way_to_forge_the_report() {
    let bench = Bench::new().await;
    let body = "const fs = require('fs'); const path = require('path');\n\
         await page.goto('/');\n\
         const plugin = path.join(process.cwd(), '..', 'plugin');\n\
         const files = fs.readdirSync(plugin).map(name => fs.readFileSync(path.join(plugin, name), 'utf8'));\n\
         const all = [...files, JSON.stringify(process.env), process.argv.join(' ')].join(' ');\n\
         expect(all).not.toMatch(/\"?token\"?[=:] ?\"?[0-9]/);\n\
         fs.writeFileSync(path.join(process.cwd(), '..', 'report', 'report.json'), '{\"token\": \"1\", \"tests\": []}');\n\
         expect(await page.title()).toBe('Other');";
    let report = bench.spec_report(&bodies(&[body])).await;
    let (status, assertions, message) = only(&report);
    assert_eq!((status, assertions), (TestStatus::AssertionFailed, 2), "{message}");
    assert!(message.contains("Other"), "{message}");
}

#[tokio::test]
async fn a_spec_sees_the_controls_and_nothing_of_the_network() {
    let bench = Bench::new().await;
    let source = bodies(&["await page.goto('/'); expect(await page.title()).toBe('');"]);
    let blank = Trial { scene: Scene::Blank, ..bench.spec(&source) };
    let run = bench.judge.run(&blank, &CancellationToken::new()).await.expect("a run");
    assert_eq!(only(&run.report).0, TestStatus::Passed);

    let source = bodies(&["const answer = await page.goto('/'); expect(answer?.status()).toBe(500);"]);
    let error = Trial { scene: Scene::Error, ..bench.spec(&source) };
    let run = bench.judge.run(&error, &CancellationToken::new()).await.expect("a run");
    assert_eq!(only(&run.report).0, TestStatus::Passed);

    let other = crate::judge::site().await;
    let body = format!("await page.goto('/'); await page.request.get('{other}/');");
    let report = bench.spec_report(&bodies(&[&body])).await;
    assert_eq!(only(&report).0, TestStatus::Errored, "{report:?}");
}

#[tokio::test]
async fn a_page_cannot_tell_a_spec_from_people() {
    let bench = Bench::new().await;
    let body = "await page.goto('/'); expect(await page.evaluate('navigator.userAgent')).not.toContain('Headless');\n\
         expect(await page.evaluate('navigator.webdriver')).toBe(false);";
    assert_eq!(only(&bench.spec_report(&bodies(&[body])).await).0, TestStatus::Passed);
}

#[tokio::test]
async fn trace_and_video_are_left_when_they_are_asked_for() {
    let bench = Bench::new().await;
    let source = bodies(&["await page.goto('/'); await expect(page).toHaveTitle('Shop');"]);
    let trial = Trial { recorded: true, ..bench.spec(&source) };
    let run = bench.judge.run(&trial, &CancellationToken::new()).await.expect("a run");
    assert!(run.files.iter().any(|(kind, name, _)| *kind == EvidenceKind::Trace && name == "run-trace.zip"));
    assert!(run.files.iter().any(|(_, name, _)| name == "run.webm") && is_video(&run));
}

#[tokio::test]
async fn a_spec_that_fails_leaves_a_picture_too_if_it_is_recorded() {
    let bench = Bench::new().await;
    for body in [
        "await page.goto('/'); await expect(page).toHaveTitle('Other');",
        "await page.goto('/'); await page.getByLabel('Nope').fill('x');",
        "await page.goto('/'); await page.waitForURL('**/other', { timeout: 300 });",
    ] {
        let source = bodies(&[body]);
        let trial = Trial { recorded: true, ..bench.spec(&source) };
        let run = bench.judge.run(&trial, &CancellationToken::new()).await.expect("a run");
        let names: Vec<&str> = run.files.iter().map(|(_, name, _)| name.as_str()).collect();
        assert!(names.contains(&"run.png"), "{body}: {names:?}");
    }
}

#[tokio::test]
async fn a_spec_has_a_name_of_its_own_kind() {
    let bench = Bench::new().await;
    for name in ["test_x.py", "../x.spec.ts", "x.test.ts", ".spec.ts", "a b.spec.ts", "x.spec.js"] {
        let trial = Trial { test_name: name, ..bench.spec("") };
        let err = bench.judge.run(&trial, &CancellationToken::new()).await.expect_err("no such name");
        assert!(matches!(err, JudgeError::Trial(_)), "{name}: {err}");
    }
    assert_eq!(E2e::of("opening-hours.spec.ts"), E2e::PlaywrightTest);
    assert_eq!(E2e::of("test_opening_hours.py"), E2e::Pytest);
}

#[tokio::test]
async fn a_failing_action_is_named_as_the_spec_calls_it() {
    let bench = Bench::new().await;
    let actions = [("click", "click()"), ("fill", "fill('x')"), ("selectOption", "selectOption('x')")];
    let all: Vec<String> = actions
        .iter()
        .map(|(_, call)| format!("await page.goto('/'); await page.getByLabel('Nope').{call};"))
        .collect();
    let report = bench.spec_report(&bodies(&all.iter().map(String::as_str).collect::<Vec<_>>())).await;
    for (test, (name, _)) in report.tests.iter().zip(actions) {
        let message = test.message.as_deref().unwrap_or_default();
        assert!(message.starts_with(&format!("TimeoutError: locator.{name}: ")), "{name}: {message}");
        assert_eq!(test.status, TestStatus::AssertionFailed, "{message}");
    }
}
