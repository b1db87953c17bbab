//! The product as its users meet it: the real binary, the built-in agents, real browsers.

use crate::real::{Site, git, repository};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Stdio;

const PAGE: &str = "<!doctype html><title>Shop</title><header><nav></nav></header><main><h1>Shop</h1></main>";

/// A project `shop` of one static page, and what the configuration says besides.
fn shop(more: &str) -> Site {
    let site = Site::new(&format!(
        "{more}\n[[project]]\nname = \"shop\"\nrepo = \"repo\"\nurls = [\"http://127.0.0.1:1\"]\n"
    ));
    repository(&site.path().join("repo"), &[("index.html", PAGE)]);
    site
}

fn wish(text: &str) -> Value {
    let acceptance = ["open \"/\"".to_owned(), format!("see text \"{text}\"")];
    json!({"feature": format!("Visitors read {text}"), "target_url": "http://127.0.0.1:1/", "acceptance": acceptance})
}

#[test]
fn five_tasks_finish_side_by_side() {
    let site = shop("");
    let daemon = site.start();
    let tasks: Vec<String> = (1..=5).map(|number| daemon.submit(&wish(&format!("wish {number}")))).collect();
    let ended: Vec<Value> = tasks.iter().map(|task| daemon.ended(task)).collect();
    let mut origins = BTreeSet::new();
    for (number, (task, ended)) in (1..).zip(tasks.iter().zip(&ended)) {
        assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
        let result = &ended["result"];
        assert_eq!(result["test_path"], format!("tests/e2e/test_visitors_read_wish_{number}.py"));
        origins.insert(result["deployment_url"].as_str().expect("a deployment").to_owned());
        let branch = format!("chimera/{task}");
        let page = git(&site.path().join("repo"), &["show", &format!("{branch}:index.html")]);
        let wishes = page.matches("wish ").count();
        assert!(
            page.contains(&format!("wish {number}")) && wishes == 1,
            "each branch has its own change:\n{page}"
        );
    }
    assert_eq!(origins.len(), 5, "each task has a staging of its own");
    let started = ended.iter().map(|task| task["started_at"].as_str().expect("a time")).max();
    let completed = ended.iter().map(|task| task["completed_at"].as_str().expect("a time")).min();
    assert!(started < completed, "the last one began before the first one ended");
    let left = std::fs::read_dir(site.path().join("chimera-data/worktrees")).expect("readable").count();
    assert_eq!(left, 0, "no worktree is left");
}

#[test]
fn the_delivered_test_is_red_on_its_base_and_green_on_its_head_by_hand() {
    let site = shop("");
    let daemon = site.start();
    let task = daemon.submit(&wish("open on Sundays"));
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let checkout = site.path().join("checkout");
    let repo = site.path().join("repo");
    git(site.path(), &["clone", "--quiet", repo.to_str().expect("a plain path"), "checkout"]);
    git(&checkout, &["checkout", "--quiet", &format!("chimera/{task}")]);
    let test = ended["result"]["test_path"].as_str().expect("a test").to_owned();
    assert!(by_hand(&checkout, &test), "green on the head");
    git(&checkout, &["checkout", "--quiet", "main", "--", "index.html"]);
    assert!(!by_hand(&checkout, &test), "red on the base");
}

/// Serves a directory and runs a test against it with plain pytest, as a reviewer would.
fn by_hand(checkout: &std::path::Path, test: &str) -> bool {
    use std::io::{BufRead, BufReader};
    let python = crate::real::tools_dir().join("venv/bin/python");
    let server = "import http.server as h, sys\ns = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\nprint(s.server_port, flush=True)\ns.serve_forever()";
    let mut serving = std::process::Command::new(&python)
        .args(["-c", server])
        .current_dir(checkout)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server");
    let mut port = String::new();
    BufReader::new(serving.stdout.take().expect("its output")).read_line(&mut port).expect("a port");
    // The system's browser instead of one that Playwright would fetch.
    let conftest = "import pytest\n@pytest.fixture(scope='session')\ndef browser_type_launch_args(browser_type_launch_args):\n    return {**browser_type_launch_args, 'executable_path': CHROMIUM, 'args': ['--no-sandbox']}\n";
    let chromium =
        std::env::var("CHIMERA_CHROMIUM").unwrap_or_else(|_| "/usr/lib/chromium/chromium".to_owned());
    std::fs::write(checkout.join("conftest.py"), conftest.replace("CHROMIUM", &format!("{chromium:?}")))
        .expect("written");
    let run = std::process::Command::new(&python)
        .args(["-m", "pytest", "-q", test, "--base-url", &format!("http://127.0.0.1:{}", port.trim())])
        .current_dir(checkout)
        .output()
        .expect("pytest runs");
    serving.kill().expect("ended");
    serving.wait().expect("reaped");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("1 passed") || said.contains("1 failed"), "one test ran: {said}");
    run.status.success()
}

#[test]
fn engine_and_interface_work_as_two_processes() {
    let site = shop("");
    let api = site.start_with(&["api", "--port", "0"]);
    let mut engine =
        site.command().arg("start").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("an engine");
    let task = api.submit(&wish("two processes"));
    let ended = api.ended(&task);
    engine.kill().expect("ended");
    engine.wait().expect("reaped");
    assert_eq!(ended["status"], "completed", "{ended:#}");
}

#[test]
fn a_stop_signal_hands_the_running_task_back_and_a_restart_completes_it() {
    let more = "[executor]\nshutdown_grace = \"0s\"\n[agent.slow]\nprotocol = \"command\"\ncommand = [\"HERE/coder.sh\"]\n[roles]\ncoder-agent = \"slow\"\n";
    let site = shop("");
    let here = site.path().to_str().expect("a plain path");
    let config = std::fs::read_to_string(site.path().join("chimera.toml")).expect("readable");
    std::fs::write(site.path().join("chimera.toml"), format!("{}{config}", more.replace("HERE", here)))
        .expect("written");
    let script = format!(
        "#!/bin/sh\nif [ -e {here}/go ]; then echo '<p>handed back</p>' >> index.html; echo '{{\"outcome\":\"passed\"}}' > $CHIMERA_OUTCOME; else echo in > {here}/entered; exec sleep 600; fi\n"
    );
    std::fs::write(site.path().join("coder.sh"), script).expect("written");
    git(site.path(), &["init", "--quiet"]);
    assert!(
        std::process::Command::new("chmod")
            .args(["+x", "coder.sh"])
            .current_dir(site.path())
            .status()
            .expect("runs")
            .success()
    );
    assert!(
        std::process::Command::new("mkfifo")
            .arg("entered")
            .current_dir(site.path())
            .status()
            .expect("runs")
            .success()
    );
    let daemon = site.start();
    let task = daemon.submit(&wish("handed back"));
    std::fs::read_to_string(site.path().join("entered")).expect("the coder speaks");
    assert_eq!(daemon.terminate(), Some(0));
    std::fs::write(site.path().join("go"), "").expect("written");
    let daemon = site.start();
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let events = daemon.events(&task);
    assert!(events.iter().all(|event| event["event"] != "rescued"), "nobody had to be rescued");
    let handed_back = events.iter().filter(|event| event["result"]["outcome"] == "interrupted").count();
    assert_eq!(handed_back, 1);
}

#[test]
fn cancelling_over_http_ends_a_running_agent() {
    let more = "[agent.slow]\nprotocol = \"command\"\ncommand = [\"sh\", \"-c\", \"echo in > HERE/entered; exec sleep 600\"]\n[roles]\ncoder-agent = \"slow\"\n";
    let site = shop("");
    let here = site.path().to_str().expect("a plain path");
    let config = std::fs::read_to_string(site.path().join("chimera.toml")).expect("readable");
    std::fs::write(site.path().join("chimera.toml"), format!("{}{config}", more.replace("HERE", here)))
        .expect("written");
    assert!(
        std::process::Command::new("mkfifo")
            .arg("entered")
            .current_dir(site.path())
            .status()
            .expect("runs")
            .success()
    );
    let daemon = site.start();
    let task = daemon.submit(&wish("never"));
    std::fs::read_to_string(site.path().join("entered")).expect("the coder speaks");
    let (status, _) = daemon.post(&format!("/api/tasks/{task}/cancel"), &json!({}));
    assert_eq!(status, 202, "its worker has to stop it");
    assert_eq!(daemon.ended(&task)["status"], "cancelled");
    let (again, problem) = daemon.post(&format!("/api/tasks/{task}/cancel"), &json!({}));
    assert_eq!(again, 409, "{problem}");
}
