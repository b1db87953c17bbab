//! Which browser judges: in both runners a whole one, which says of itself what a person's says.

use crate::judge::Bench;
use crate::toolchain::tools;
use axum::Router;
use axum::http::HeaderMap;
use axum::response::Html;
use axum::routing::get;
use chimera_agent::judge::{Judge, JudgeError, Scene, Trial};
use chimera_agent::toolchain::MINIMUM_MAJOR;
use chimera_core::TestStatus;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a page sees of a browser, and no page of a person's browser sees otherwise.
const SEEN: &str = "JSON.stringify([isSecureContext, navigator.plugins.length, navigator.pdfViewerEnabled, typeof chrome, \
     Notification.permission, navigator.userAgentData.brands.length, \
     /Headless/.test(navigator.userAgent + JSON.stringify(navigator.userAgentData))])";
const PERSONS: &str = "[true,5,true,\"object\",\"default\",2,false]";

/// A program that starts the real browser, and changes how that calls itself on the way to the runner.
const DISGUISE: &str = r#"#!/usr/bin/python3
import os, re, subprocess, sys, threading
down_read, down_write = os.pipe()
up_read, up_write = os.pipe()
from_runner, to_runner = os.dup(3), os.fdopen(os.dup(4), "wb")
os.dup2(down_read, 3)
os.dup2(up_write, 4)
subprocess.Popen(["REAL", *sys.argv[1:]], pass_fds=(3, 4))
for pipe in (3, 4, down_read, up_write):
    os.close(pipe)
def down():
    with os.fdopen(down_write, "wb") as browser:
        while data := os.read(from_runner, 65536):
            browser.write(data)
            browser.flush()
threading.Thread(target=down, daemon=True).start()
held = b""
while data := os.read(up_read, 65536):
    whole, end, held = (held + data).rpartition(b"\0")
    to_runner.write(re.sub(rb'"product":"Chrome/\d+', b'"product":"PRODUCT', whole) + end)
    to_runner.flush()
"#;

/// The browser of the tests under another name and version, below `dir`.
fn disguised(dir: &Path, real: &Path, product: &str) -> PathBuf {
    let bin = dir.join(product.replace('/', "-")).join("bin");
    std::fs::create_dir_all(&bin).expect("made");
    let path = bin.join("browser");
    let script = DISGUISE.replace("REAL", &real.display().to_string()).replace("PRODUCT", product);
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

/// A site that shows how the browser's requests describe it.
async fn mirror() -> String {
    let show = |headers: HeaderMap| async move {
        let said: Vec<String> = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("sec-ch") || name.as_str() == "user-agent")
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        Html(format!("<!doctype html><title>Mirror</title><pre>{}</pre>", said.join("\n")))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(show))).await });
    origin
}

fn in_python(body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!("from playwright.sync_api import Page, expect\n\ndef test_x(page: Page):\n    {body}\n")
}

fn in_typescript(body: &str) -> String {
    format!(
        "import {{ test, expect }} from '@playwright/test';\ntest('x', async ({{ page }}) => {{\n{body}\n}});\n"
    )
}

#[tokio::test]
async fn pages_and_servers_see_a_persons_browser() {
    let (bench, origin) = (Bench::new().await, mirror().await);
    let python = in_python(&format!(
        "page.goto('/')\n\
         seen = page.evaluate('{SEEN}')\nassert seen == '{PERSONS}', seen\n\
         expect(page.get_by_text('sec-ch-ua:')).to_be_visible()\n\
         assert 'Headless' not in page.locator('pre').inner_text(), page.locator('pre').inner_text()"
    ));
    let typescript = in_typescript(&format!(
        "await page.goto('/');\nexpect(await page.evaluate('{SEEN}')).toBe('{PERSONS}');\n\
         await expect(page.locator('pre')).toContainText('sec-ch-ua:');\n\
         await expect(page.locator('pre')).not.toContainText('Headless');"
    ));
    // Under a name of its own, too: there a page is secure because the browser is told so.
    for host in ["127.0.0.1", "shop.example"] {
        let seen_at = origin.replace("127.0.0.1", host);
        let scene = Scene::Served { at: &origin, keep_host: true };
        for trial in [bench.trial(&python), bench.spec(&typescript)] {
            let trial = Trial { origin: &seen_at, scene, ..trial };
            let run = bench.judge.run(&trial, &CancellationToken::new()).await.expect("a run");
            let test = &run.report.tests[0];
            assert_eq!(test.status, TestStatus::Passed, "{seen_at}, {}: {:?}", trial.test_name, test.message);
        }
    }
}

#[tokio::test]
async fn a_headless_shell_and_a_browser_that_is_too_old_judge_nothing() {
    let (bench, tools, dir) = (Bench::new().await, tools().await, tempfile::tempdir().expect("a directory"));
    let python = in_python("page.goto('/')\nexpect(page).to_have_title('Shop')");
    let typescript = in_typescript("await page.goto('/');\nawait expect(page).toHaveTitle('Shop');");
    let current = format!("Chrome/{MINIMUM_MAJOR}");
    for (product, refusal) in [
        ("HeadlessChrome/999", Some("is a headless shell")),
        (&*format!("Chrome/{}", MINIMUM_MAJOR - 1), Some("or newer")),
        (&*current, None),
    ] {
        let mut tools = tools.clone();
        tools.chromium = disguised(dir.path(), &tools.chromium, product);
        let judge = Judge::new(tools);
        for trial in [bench.trial(&python), bench.spec(&typescript)] {
            let ended = judge.run(&trial, &CancellationToken::new()).await;
            match (refusal, ended) {
                (None, Ok(run)) => assert_eq!(run.report.tests[0].status, TestStatus::Passed),
                (Some(refusal), Err(JudgeError::Tool(why))) => {
                    assert!(why.contains("browser does not start") && why.contains(refusal), "{why}");
                }
                (_, ended) => panic!("{product}, {}: {ended:?}", trial.test_name),
            }
        }
    }
}
