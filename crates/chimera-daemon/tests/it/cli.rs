//! The command line against a running daemon.

use crate::api::api;
use crate::real::{Daemon, Site};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn command(site: &Site, daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = site.command();
    command.env("CHIMERA_SERVER", &daemon.url).args(args);
    command
}

fn run(site: &Site, daemon: &Daemon, args: &[&str]) -> Output {
    command(site, daemon, args).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(site: &Site, daemon: &Daemon, args: &[&str]) -> Value {
    let output = run(site, daemon, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {}", said(&output)))
}

fn submit(site: &Site, daemon: &Daemon, more: &[&str]) -> String {
    let args = [&["submit", "Visitors read this", "--target-url", "https://example.com"], more].concat();
    json(site, daemon, &args)["task_id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_task_is_submitted_shown_steered_and_listed() {
    let site = Site::new("");
    let daemon = api(&site);
    let more = [
        "--priority",
        "7",
        "--accept",
        "open \"/\"",
        "--accept",
        "see text \"This\"",
        "--label",
        "team=shop",
    ];
    let id = submit(&site, &daemon, &more);
    let shown = json(&site, &daemon, &["status", &id]);
    assert_eq!(shown["priority"], 7);
    assert_eq!(shown["acceptance"][1], "see text \"This\"");
    assert_eq!(shown["labels"]["team"], "shop");
    let text = said(&run(&site, &daemon, &["status", &id]));
    assert!(text.contains("queued") && text.contains("no daemon is running that takes tasks"), "{text}");
    let text = said(&run(&site, &daemon, &["list"]));
    assert!(text.contains("queued: no_daemon"), "{text}");
    let text = said(&run(&site, &daemon, &["priority", &id, "9"]));
    assert_eq!(text, format!("{id} has priority 9\n"));
    let text = said(&run(&site, &daemon, &["cancel", &id]));
    assert_eq!(text, format!("{id} is cancelled\n"));
    let list = said(&run(&site, &daemon, &["list", "--status", "cancelled"]));
    let columns: Vec<&str> = list.lines().nth(1).expect("a task").split_whitespace().collect();
    assert_eq!(columns[..4], [&id, "cancelled", "E2E_TEST_GENERATION", "9"]);
    assert_eq!(said(&run(&site, &daemon, &["list", "--status", "running"])), "no tasks\n");
    let text = said(&run(&site, &daemon, &["retry", &id]));
    assert!(text.contains("is queued again, from E2E_TEST_GENERATION"), "{text}");
}

#[test]
fn a_request_comes_from_standard_input_too() {
    let site = Site::new("");
    let daemon = api(&site);
    let mut child = command(&site, &daemon, &["submit", "--file", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let request = br#"{"feature": "From a pipe", "target_url": "https://example.com", "priority": 2}"#;
    child.stdin.take().expect("its input").write_all(request).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let accepted: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let id = accepted["task_id"].as_str().expect("an id");
    assert_eq!(json(&site, &daemon, &["status", id])["feature"], "From a pipe");
}

#[test]
fn refusals_are_told_and_exit_codes_say_which_kind() {
    let site = Site::new("");
    let daemon = api(&site);
    let refused = run(&site, &daemon, &["submit", "x", "--target-url", "file:///x"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("target_url"));
    let refused = run(&site, &daemon, &["status", "chimera-000000000000", "--json"]);
    let told: Value = serde_json::from_slice(&refused.stderr).expect("JSON");
    assert_eq!((refused.status.code(), &told["status"]), (Some(1), &Value::from(404)));
    let wrong = run(&site, &daemon, &["submit", "x"]);
    assert_eq!(wrong.status.code(), Some(2));
    let nobody = site.command().args(["list", "--server", "http://127.0.0.1:1"]).output().expect("it runs");
    assert_eq!(nobody.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("chimera-daemon start-all"));
    let id = submit(&site, &daemon, &[]);
    run(&site, &daemon, &["cancel", &id]);
    let watched = run(&site, &daemon, &["watch", &id]);
    assert_eq!(watched.status.code(), Some(3), "{}", said(&watched));
}

#[test]
fn usage_errors_are_json_where_json_is_asked_for() {
    let site = Site::new("");
    for args in [
        &["start", "--json"][..],
        &["start-all", "--json", "--port", "0"],
        &["start", "--port", "0", "--json"],
        &["api", "--workers", "3", "--json"],
        &["submit", "x", "--json"],
        &["lst", "--json"],
        &["logs", "chimera-1", "--follow", "--json"],
    ] {
        let refused = site.command().args(args).output().expect("it runs");
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        let told: Value = serde_json::from_slice(&refused.stderr).expect("JSON");
        assert!(told["error"].is_string() && told["status"].is_null(), "{args:?}: {told}");
    }
    let help = site.command().args(["list", "--help"]).output().expect("it runs");
    let text = said(&help);
    assert!(text.contains("--server") && !text.contains("--tools-dir"), "{text}");
}

#[test]
fn text_of_requests_does_not_steer_the_terminal() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = submit(&site, &daemon, &[]);
    let logs = site.path().join("chimera-data/logs").join(&id);
    std::fs::create_dir_all(&logs).expect("a directory");
    std::fs::write(logs.join("001-E2E_TEST_GENERATION-red.log"), "\u{1b}]0;owned\u{7}red\n")
        .expect("written");
    let text = said(&run(&site, &daemon, &["logs", &id]));
    assert_eq!(text, "==> 001-E2E_TEST_GENERATION-red.log <==\n]0;ownedred\n");
}

#[test]
fn init_writes_a_configuration_that_works_and_never_overwrites_one() {
    let site = Site::new("");
    let dir = site.path().join("new");
    std::fs::create_dir(&dir).expect("a directory");
    let run = || site.command().args(["init", "new"]).output().expect("it runs");
    assert!(run().status.success());
    let doctored = site.command().current_dir(&dir).args(["migrate", "--json"]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&doctored.stdout).expect("JSON");
    assert!(told["database"].as_str().expect("a path").ends_with("new/chimera-data/tasks.db"), "{told}");
    let again = run();
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
}

#[test]
fn completions_are_printed_for_each_shell() {
    let site = Site::new("");
    for shell in ["bash", "zsh", "fish"] {
        let output = site.command().args(["completions", shell]).output().expect("it runs");
        assert!(said(&output).contains("start-all"), "{shell}");
    }
}

#[test]
fn a_log_is_followed_from_its_last_lines() {
    let site = Site::new("");
    let daemon = api(&site);
    let id = submit(&site, &daemon, &[]);
    let logs = site.path().join("chimera-data/logs").join(&id);
    std::fs::create_dir_all(&logs).expect("a directory");
    std::fs::write(logs.join("001-E2E_TEST_GENERATION-red.log"), "one\ntwo\nthree\n").expect("written");
    run(&site, &daemon, &["cancel", &id]);
    for (args, printed) in [
        (&["logs", &id, "--follow", "--tail", "2"][..], "two\nthree\n"),
        (&["logs", &id, "--follow", "--tail", "9"], "one\ntwo\nthree\n"),
        (&["logs", &id, "--tail", "1"], "three\n"),
        (&["logs", &id, "--follow"], "one\ntwo\nthree\n"),
    ] {
        let text = said(&run(&site, &daemon, args));
        assert_eq!(text, format!("==> 001-E2E_TEST_GENERATION-red.log <==\n{printed}"), "{args:?}");
    }
}
