//! What agents are told in a whole delivery: the second round knows what the first one did wrong.

use super::{Bench, Ended, PAGE, agent, shop, static_site};
use chimera_agent::spec::{E2e, Project, Server, Staging as HowToStage, Suite};
use chimera_core::{EvidenceKind, Role, Status};
use std::path::Path;
use tempfile::TempDir;

/// A coder that keeps every prompt and everything it is shown, does this in its first round and that in the later ones.
fn coder(into: &Path, first: &str, later: &str) -> String {
    format!(
        "n=$(ls -d {into}/round-* 2>/dev/null | wc -l); d={into}/round-$((n + 1)); mkdir $d; cat > $d/prompt; \
         cp -r \"$CHIMERA_EVIDENCE\" $d/evidence; cp \"$CHIMERA_ASSIGNMENT\" $d/assignment.json; \
         if [ $n = 0 ]; then {first}; else {later}; fi; \
         echo '{{\"outcome\":\"passed\"}}' > \"$CHIMERA_OUTCOME\"",
        into = into.display()
    )
}

fn read(dir: &TempDir, name: &str) -> String {
    std::fs::read_to_string(dir.path().join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

const SERVER: &str = r#"
import http.server, os, traceback
def page():
    return "<h1>Notes</h1>"
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            code, body = 200, "" if self.path == "/favicon.ico" else page()
        except Exception:
            traceback.print_exc()
            code, body = 500, "<h1>Internal Server Error</h1>"
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

#[tokio::test]
async fn a_coder_whose_change_breaks_a_page_is_shown_the_page_and_the_servers_traceback() {
    let seen = tempfile::tempdir().expect("a directory");
    let script = coder(
        seen.path(),
        "sed -i 's|return \"<h1>|return count + \"<h1>|' app.py",
        "sed -i 's|return count + \"<h1>Notes</h1>|return \"<h1>Notes</h1><p>3 notes</p>|' app.py",
    );
    let project = |dir: &Path| {
        let staging = HowToStage::Start(Server {
            ready: Some("/favicon.ico".to_owned()),
            ..Server::new("exec python3 -u app.py")
        });
        vec![shop(dir, staging, &[("app.py", SERVER)])]
    };
    let bench = Bench::new(project, agent("coder", &["sh", "-c", &script]));
    let Ended { task, evidence } = bench
        .deliver("shop", "Visitors see how many", &["see heading \"Notes\"", "see text \"3 notes\""])
        .await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);

    let first = read(&seen, "round-1/prompt");
    assert!(first.contains("BEGIN how the test fails on the unchanged application"), "{first}");
    assert!(first.contains("criterion 2: Locator expected to be visible"), "{first}");
    assert!(
        first.contains("start, with the port to listen on in $PORT: `exec python3 -u app.py`"),
        "{first}"
    );
    let second = read(&seen, "round-2/prompt");
    for told in [
        "Round 2 of at most 4",
        "So far you changed 1 file, +1 -1",
        "criterion 1 of 2",
        "(HTTP status 500)",
        "- heading \"Internal Server Error\" [level=1]",
        "NameError: name 'count' is not defined",
    ] {
        assert!(second.contains(told), "{told} is not in {second}");
    }
    for file in ["failure.json", "green-1-report.json", "green-1.png", "green-1-trace.zip", "green-1.log"] {
        assert!(seen.path().join("round-2/evidence").join(file).is_file(), "{file} is shown");
    }
    assert!(read(&seen, "round-2/evidence/green-1-server.log").contains("Traceback"));
    assert!(evidence.iter().any(|file| file.kind == EvidenceKind::Log && file.name == "failure.json"));
}

/// A suite with one test, which fails as soon as the page speaks of the hours.
const SUITE: &str = r#"
import traceback
try:
    assert "Open" not in open("index.html").read() or "ok" in open("index.html").read(), "the page lost its ok"
    body = ""
except AssertionError as err:
    body = f'<failure message="no ok">{traceback.format_exc()}</failure>'
open("junit.xml", "w").write(f'<testsuite><testcase classname="pages" name="home">{body}</testcase></testsuite>')
"#;

#[tokio::test]
async fn a_coder_whose_change_fails_the_suite_is_shown_the_traceback_and_the_command() {
    let seen = tempfile::tempdir().expect("a directory");
    let script = coder(
        seen.path(),
        "sed -i 's|</main>|<p>Open daily</p></main>|' index.html",
        "sed -i 's|daily|daily, ok|' index.html",
    );
    let project = |dir: &Path| {
        let suite = Suite { command: "python3 suite.py".to_owned(), report: Some("junit.xml".to_owned()) };
        vec![Project { suite: Some(suite), ..shop(dir, static_site(), &[PAGE, ("suite.py", SUITE)]) }]
    };
    let bench = Bench::new(project, agent("coder", &["sh", "-c", &script]));
    let Ended { task, .. } =
        bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    assert!(
        read(&seen, "round-1/prompt")
            .contains("test suite, in which nothing may newly fail: `python3 suite.py`")
    );
    let second = read(&seen, "round-2/prompt");
    for told in
        ["1 test. Its command is `python3 suite.py`", "pages.home", "AssertionError: the page lost its ok"]
    {
        assert!(second.contains(told), "{told} is not in {second}");
    }
    assert!(read(&seen, "round-2/evidence/suite-head-junit.xml").contains("pages"));
}

/// With Playwright Test, too, there is a picture of what the test saw.
#[tokio::test]
async fn a_coder_whose_change_fails_a_spec_is_shown_its_picture_and_trace() {
    let seen = tempfile::tempdir().expect("a directory");
    let script =
        coder(seen.path(), "echo x > notes.txt", "sed -i 's|</main>|<p>Open daily</p></main>|' index.html");
    let project =
        |dir: &Path| vec![Project { e2e: E2e::PlaywrightTest, ..shop(dir, static_site(), &[PAGE]) }];
    let bench = Bench::new(project, agent("coder", &["sh", "-c", &script]));
    let Ended { task, .. } =
        bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    for file in ["green-1-report.json", "green-1.png", "green-1-trace.zip"] {
        assert!(seen.path().join("round-2/evidence").join(file).is_file(), "{file} is shown");
    }
    let second = read(&seen, "round-2/prompt");
    assert!(second.contains("visitors_see_the_hours.spec.ts:"), "{second}");
    assert!(second.contains("- heading \"Shop\" [level=1]"), "{second}");
}

#[tokio::test]
async fn a_reviewer_sees_the_change_with_context_and_what_was_checked() {
    let seen = tempfile::tempdir().expect("a directory");
    let script = coder(seen.path(), "true", "true");
    let page = "<!doctype html>\n<title>Shop</title>\n<main>\n<h1>Shop</h1>\n</main>\n";
    let project = |dir: &Path| vec![shop(dir, static_site(), &[("index.html", page)])];
    let coder = agent(
        "coder",
        &[
            "sh",
            "-c",
            "sed -i 's|<h1>Shop</h1>|<h1>Shop</h1> Open daily|' index.html; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME",
        ],
    );
    let bench = Bench::with(
        project,
        [(Role::Coder, coder), (Role::Guardian, agent("reviewer", &["sh", "-c", &script]))],
    );
    let Ended { task, .. } =
        bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    let (prompt, patch) = (read(&seen, "round-1/prompt"), read(&seen, "round-1/evidence/change.patch"));
    for text in [&prompt, &patch] {
        assert!(
            text.contains("\n <title>Shop</title>\n") && text.contains("+<h1>Shop</h1> Open daily"),
            "{text}"
        );
    }
    assert!(!prompt.contains("have passed already"), "nobody has checked it: {prompt}");
}

/// An agent that left no answer hears so when it is asked again.
#[tokio::test]
async fn an_agent_hears_why_its_last_attempt_did_not_count() {
    let seen = tempfile::tempdir().expect("a directory");
    let script = coder(seen.path(), "exit 0", "sed -i 's|</main>|<p>Open daily</p></main>|' index.html");
    let bench =
        Bench::new(|dir| vec![shop(dir, static_site(), &[PAGE])], agent("coder", &["sh", "-c", &script]));
    let task = super::task("shop", "Visitors see the hours", &["see text \"Open daily\""]);
    let Ended { task, .. } = bench.worked_off(task, true).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    assert!(!read(&seen, "round-1/prompt").contains("did not count"));
    let second = read(&seen, "round-2/prompt");
    assert!(second.contains("Your last attempt at this did not count"), "{second}");
    assert!(
        second.contains("agent `coder`: it ended without writing its answer to $CHIMERA_OUTCOME"),
        "{second}"
    );
}

/// A test that says nothing about the application goes back to its author, with what it did there.
#[tokio::test]
async fn a_test_author_is_shown_what_its_refused_test_did() {
    let seen = tempfile::tempdir().expect("a directory");
    let test = |line: &str| {
        format!(
            "mkdir -p tests/e2e; printf 'from playwright.sync_api import Page, expect\\n\\n\\ndef test_hours(page: Page):\\n    \
             page.goto(\"/\")\\n    {line}\\n' > tests/e2e/test_hours.py"
        )
    };
    // The first one passes on a blank page.
    let first = test("expect(page).to_have_title(\"\")");
    let later = test("expect(page.get_by_text(\"Open daily\")).to_be_visible()");
    let script = coder(seen.path(), &first, &later).replace(
        "{\"outcome\":\"passed\"}",
        "{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_hours.py\"}",
    );
    let author = agent("author", &["sh", "-c", &script]);
    let change = "sed -i 's|</main>|<p>Open daily</p></main>|' index.html; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let cast = [(Role::E2eTester, author), (Role::Coder, agent("coder", &["sh", "-c", change]))];
    let bench = Bench::with(|dir| vec![shop(dir, static_site(), &[PAGE])], cast);
    let Ended { task, .. } = bench.deliver("shop", "Visitors see the hours", &[]).await;
    assert_eq!(task.status, Status::Completed, "{:?}", task.workflow);
    let second = read(&seen, "round-2/prompt");
    for told in [
        "On the application as it is now the end-to-end test `test_hours` failed",
        "passes on a blank page: it says nothing about the application",
        "- heading \"Shop\" [level=1]",
        "red-report.json",
    ] {
        assert!(second.contains(told), "{told} is not in {second}");
    }
    for file in ["failure.json", "red.png", "test.py"] {
        assert!(seen.path().join("round-2/evidence").join(file).is_file(), "{file} is shown");
    }
}
