//! `kill -9` in each of the five phases: the task completes after a restart, and nothing happens twice.

use crate::real::{Daemon, Site, git, repository};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// How long a phase may take to begin.
const PATIENCE: Duration = Duration::from_secs(300);

/// Every agent of the task in one script: in the phase named in `hold` it says so through a pipe and goes on with
/// the script `held`, which by default never ends; otherwise it does its work.
const AGENT: &str = r#"#!/bin/sh
set -eu
here=$(dirname "$0")
if [ "$(cat "$here/hold")" = "$CHIMERA_PHASE" ]; then
    echo "$CHIMERA_PHASE" > "$here/entered"
    exec sh "$here/held"
fi
case $CHIMERA_PHASE in
E2E_TEST_GENERATION)
    mkdir -p tests/e2e
    cat > tests/e2e/test_greeting.py <<'END'
from playwright.sync_api import Page, expect


def test_greeting(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="Hello")).to_be_visible(timeout=500)
END
    echo '{"outcome": "passed", "test_path": "tests/e2e/test_greeting.py"}' > "$CHIMERA_OUTCOME" ;;
CODE_IMPLEMENTATION)
    echo '<!doctype html><title>Shop</title><h1>Hello</h1>' > index.html
    echo '{"outcome": "passed", "summary": "greets"}' > "$CHIMERA_OUTCOME" ;;
GUARDIAN_REVIEW)
    echo '{"outcome": "passed", "summary": "fine"}' > "$CHIMERA_OUTCOME" ;;
esac
"#;

/// The project's server; before it starts, the build step may be held just like an agent, but only for the
/// head of the branch: the base is staged during the first phase.
const CONFIG: &str = r#"
[executor]
shutdown_grace = "1s"
lease = "3s"
[agent.scripted]
protocol = "command"
command = ["HERE/agent.sh"]
[roles]
e2e-tester-agent = "scripted"
coder-agent = "scripted"
guardian-agent = "scripted"
[[project]]
name = "shop"
repo = "HERE/repo"
urls = ["http://127.0.0.1:1"]
[project.staging]
build = "if grep -q Hello index.html && [ \"$(cat HERE/hold)\" = STAGING_DEPLOYMENT ]; then echo in > HERE/entered; exec sleep 600; fi"
start = "exec python3 -m http.server --bind 127.0.0.1 $PORT"
"#;

pub(crate) fn site() -> Site {
    let site = Site::new("");
    let here = site.path().to_str().expect("a plain path").to_owned();
    std::fs::write(site.path().join("chimera.toml"), CONFIG.replace("HERE", &here)).expect("written");
    std::fs::write(site.path().join("agent.sh"), AGENT).expect("written");
    std::fs::write(site.path().join("held"), "exec sleep 600").expect("written");
    let made =
        Command::new("chmod").arg("+x").arg(site.path().join("agent.sh")).status().expect("chmod runs");
    assert!(made.success());
    let made = Command::new("mkfifo").arg(site.path().join("entered")).status().expect("mkfifo runs");
    assert!(made.success());
    repository(
        &site.path().join("repo"),
        &[("index.html", "<!doctype html><title>Shop</title><p>Soon.</p>")],
    );
    site
}

pub(crate) fn hold(site: &Path, phase: &str) {
    std::fs::write(site.join("hold"), phase).expect("written");
}

/// Waits until the daemon is in the middle of the phase.
pub(crate) fn wait_until_inside(site: &Path, daemon: &Daemon, task: &str, phase: &str) {
    if phase == "E2E_VALIDATION" {
        // No agent runs there; the browser takes its time once the phase has begun.
        assert!(daemon.follow(task, |event| event["to"] == phase), "the task reaches {phase}");
    } else {
        let (entered, pipe) = (site.join("entered"), mpsc::channel());
        // Blocks until the held process opens the pipe.
        std::thread::spawn(move || pipe.0.send(std::fs::read_to_string(entered)));
        let log = || std::fs::read_to_string(site.join("daemon.log")).unwrap_or_default();
        let spoken =
            pipe.1.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("nobody is in {phase}:\n{}", log()));
        spoken.expect("the held process speaks");
    }
}

fn killed_in(phase: &str) {
    let site = site();
    hold(site.path(), phase);
    let daemon = site.start();
    let task =
        daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}));
    wait_until_inside(site.path(), &daemon, &task, phase);
    daemon.kill();
    hold(site.path(), "nothing");
    let daemon = site.start();
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let mut passed: BTreeMap<String, u32> = BTreeMap::new();
    for event in daemon.events(&task) {
        if event["result"]["outcome"] == "passed" {
            *passed.entry(event["phase"].to_string()).or_default() += 1;
        }
    }
    assert_eq!(passed.len(), 5, "{passed:?}");
    assert!(passed.values().all(|times| *times == 1), "no phase is recorded twice: {passed:?}");
    let rescued = daemon.events(&task).iter().filter(|event| event["event"] == "rescued").count();
    assert_eq!(rescued, 1, "the crash is on record");
    let branch = format!("chimera/{task}");
    let files = git(&site.path().join("repo"), &["ls-tree", "-r", "--name-only", &branch]);
    assert_eq!(files, "index.html\ntests/e2e/test_greeting.py");
    let commits = git(&site.path().join("repo"), &["rev-list", "--count", &format!("main..{branch}")]);
    assert_eq!(commits, "2", "one commit per phase that changed something");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_kill_while_the_test_is_written_costs_one_attempt() {
    killed_in("E2E_TEST_GENERATION");
}

#[test]
fn a_kill_while_the_code_is_changed_costs_one_attempt() {
    killed_in("CODE_IMPLEMENTATION");
}

#[test]
fn a_kill_during_the_review_costs_one_attempt() {
    killed_in("GUARDIAN_REVIEW");
}

#[test]
fn a_kill_while_the_change_is_staged_costs_one_attempt() {
    killed_in("STAGING_DEPLOYMENT");
}

#[test]
fn a_kill_while_the_browser_runs_costs_one_attempt() {
    killed_in("E2E_VALIDATION");
}
