//! Several real daemons on one queue: one is frozen or killed in the middle of a delivery, another one finishes it,
//! and what wakes up afterwards changes nothing.

use crate::crash::{hold, site, wait_until_inside};
use crate::real::{Daemon, Site, git};
use crate::scratch::Scratch;
use chimera_agent::process::Identity;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

fn wish(daemon: &Daemon) -> String {
    daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}))
}

/// Every phase passed once.
fn delivered_once(daemon: &Daemon, task: &str, log: &str) -> Value {
    let ended = daemon.ended(task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{log}");
    let passed = daemon.events(task).iter().filter(|event| event["result"]["outcome"] == "passed").count();
    assert_eq!(passed, 5, "no phase is recorded twice");
    ended
}

/// What anybody can see of a task: its journal, its branch in the user's repository and in the daemon's clone.
fn seen(daemon: &Daemon, repo: &Path, clone: &Path, task: &str) -> (Vec<Value>, String, String) {
    let head = |place: &Path| git(place, &["rev-parse", &format!("refs/heads/chimera/{task}")]);
    (daemon.events(task), head(repo), head(clone))
}

/// A daemon is frozen while its coder works; when it wakes up, another one has delivered.
fn frozen_with(held: &str) -> (Site, Daemon, Daemon, String) {
    let site = site();
    std::fs::write(site.path().join("held"), held.replace("HERE", site.path().to_str().expect("plain")))
        .expect("written");
    hold(site.path(), "CODE_IMPLEMENTATION");
    let frozen = site.start();
    let task = wish(&frozen);
    wait_until_inside(site.path(), &frozen, &task, "CODE_IMPLEMENTATION");
    frozen.signal(Signal::STOP);
    hold(site.path(), "nothing");
    let heir = site.start();
    delivered_once(&heir, &task, &site.log());
    (site, frozen, heir, task)
}

#[test]
fn a_daemon_that_was_frozen_beyond_its_lease_commits_nothing_when_it_wakes_up() {
    // The coder goes on while its daemon is frozen, and has its answer ready when it wakes up.
    let held = "while ! [ -e HERE/delivered ]; do sleep 0.05; done; mkdir -p \"$PWD\"; echo late > \"$PWD/late.html\"; \
        echo '{\"outcome\": \"passed\"}' > \"$CHIMERA_OUTCOME\"; echo > HERE/answered";
    let (site, frozen, heir, task) = frozen_with(held);
    std::fs::write(site.path().join("delivered"), "").expect("written");
    let (repo, clone) = (site.path().join("repo"), site.path().join("chimera-data/repositories/shop.git"));
    let before = seen(&heir, &repo, &clone, &task);
    frozen.signal(Signal::CONT);
    site.until_logged("leaving the task to its new owner");
    assert_eq!(seen(&heir, &repo, &clone, &task), before);
    // It works on as if nothing had been.
    assert_eq!(heir.terminate(), Some(0));
    let next = wish(&frozen);
    delivered_once(&frozen, &next, &site.log());
}

#[test]
fn what_an_agent_started_is_ended_when_its_daemon_finds_its_lease_lost() {
    let (site, frozen, heir, task) = frozen_with(
        "setsid sleep 600 & echo $! > HERE/grandchild; mv HERE/grandchild HERE/pid; exec sleep 600",
    );
    let grandchild = pid_in(&site.path().join("pid"));
    assert!(grandchild.is_alive(), "a frozen daemon ends nobody");
    let (repo, clone) = (site.path().join("repo"), site.path().join("chimera-data/repositories/shop.git"));
    let before = seen(&heir, &repo, &clone, &task);
    frozen.signal(Signal::CONT);
    site.until_logged("leaving the task to its new owner");
    assert!(grandchild.is_gone());
    assert_eq!(seen(&heir, &repo, &clone, &task), before);
}

/// Another machine: a data directory of its own, the same configuration otherwise.
fn machine(first: &Site, server: &Scratch, git: &str) -> Site {
    let config = std::fs::read_to_string(first.path().join("chimera.toml")).expect("readable");
    let shared = format!("[database]\nurl = \"{}\"\n[git]\n{git}\n", server.url());
    Site::new(&format!("{shared}{config}"))
}

fn killed_on_one_machine_and_finished_on_another(phase: &str) {
    let (template, server) = (site(), Scratch::new());
    let remote = template.path().join("shared/{project}.git");
    let sharing = format!("remote = {:?}", remote.to_str().expect("a plain path"));
    let (one, other) = (machine(&template, &server, &sharing), machine(&template, &server, &sharing));
    hold(template.path(), phase);
    let killed = one.start();
    let task = wish(&killed);
    wait_until_inside(template.path(), &killed, &task, phase);
    killed.kill();
    hold(template.path(), "nothing");
    let heir = other.start();
    let ended = delivered_once(&heir, &task, &other.log());
    let branch = format!("chimera/{task}");
    let head = git(&template.path().join("shared/shop.git"), &["rev-parse", &branch]);
    assert_eq!(git(&template.path().join("repo"), &["rev-parse", &branch]), head, "{ended:#}");
    let files = git(&template.path().join("repo"), &["ls-tree", "-r", "--name-only", &branch]);
    assert_eq!(files, "index.html\ntests/e2e/test_greeting.py");
}

#[test]
fn a_task_whose_machine_died_during_the_review_is_finished_by_another_machine() {
    killed_on_one_machine_and_finished_on_another("GUARDIAN_REVIEW");
}

#[test]
fn a_task_whose_machine_died_while_the_browser_ran_is_staged_and_finished_by_another_machine() {
    killed_on_one_machine_and_finished_on_another("E2E_VALIDATION");
}

/// Waits until the task waits for something of this kind.
fn until_waiting_for(daemon: &Daemon, task: &str, kind: &str) -> String {
    for _ in 0..1_000 {
        let waiting = daemon.get(&format!("/api/tasks/{task}"))["waiting_for"].clone();
        if waiting["kind"] == kind {
            return waiting["detail"].as_str().expect("told").to_owned();
        }
        // tidy: polls: what a task waits for changes with the time alone
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{task} never waits for a {kind}: {:#}", daemon.get(&format!("/api/tasks/{task}")));
}

#[test]
fn without_a_shared_repository_a_task_waits_for_the_machine_that_has_its_branch() {
    let (template, server) = (site(), Scratch::new());
    let (one, other) = (machine(&template, &server, ""), machine(&template, &server, ""));
    hold(template.path(), "CODE_IMPLEMENTATION");
    let killed = one.start();
    let task = wish(&killed);
    wait_until_inside(template.path(), &killed, &task, "CODE_IMPLEMENTATION");
    killed.kill();
    hold(template.path(), "nothing");
    let stranger = other.start();
    let told = until_waiting_for(&stranger, &task, "machine");
    let home = std::fs::read_to_string(one.path().join("chimera-data/home")).expect("a home");
    assert!(told.contains(home.trim()), "{told}");
    let back = one.start();
    delivered_once(&back, &task, &one.log());
}

#[test]
fn a_task_whose_machine_never_comes_back_ends_with_the_remedy_and_can_be_retried_elsewhere() {
    let (template, server) = (site(), Scratch::new());
    let short = "home_patience = \"3s\"";
    let (one, other) = (machine(&template, &server, short), machine(&template, &server, short));
    hold(template.path(), "CODE_IMPLEMENTATION");
    let killed = one.start();
    let task = wish(&killed);
    wait_until_inside(template.path(), &killed, &task, "CODE_IMPLEMENTATION");
    killed.kill();
    hold(template.path(), "nothing");
    let stranger = other.start();
    let ended = stranger.ended(&task);
    assert_eq!((&ended["status"], &ended["reason"]), (&json!("failed"), &json!("config")), "{ended:#}");
    assert!(ended["error"].as_str().expect("told").contains("`git.remote` is not set"), "{ended:#}");
    let (status, answer) =
        stranger.post(&format!("/api/tasks/{task}/retry"), &json!({"from": "E2E_TEST_GENERATION"}));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stranger.ended(&task)["status"], "completed", "{}", other.log());
}

/// What a daemon that was killed left running is ended by its successor, or by a daemon beside it.
fn orphans_are_ended(by_a_neighbour: bool) {
    let site = site();
    let held = "setsid sleep 600 & echo $! > HERE/grandchild; mv HERE/grandchild HERE/pid; exec sleep 600";
    std::fs::write(site.path().join("held"), held.replace("HERE", site.path().to_str().expect("plain")))
        .expect("written");
    hold(site.path(), "CODE_IMPLEMENTATION");
    let killed = site.start();
    let task = wish(&killed);
    wait_until_inside(site.path(), &killed, &task, "CODE_IMPLEMENTATION");
    hold(site.path(), "nothing");
    let neighbour = by_a_neighbour.then(|| site.start());
    let orphan = pid_in(&site.path().join("pid"));
    // Not after the kill: any daemon of this machine that starts meanwhile may end it.
    assert!(orphan.is_alive(), "it runs as long as its daemon does");
    killed.kill();
    let heir = neighbour.unwrap_or_else(|| site.start());
    delivered_once(&heir, &task, &site.log());
    assert!(orphan.is_gone());
}

#[test]
fn the_processes_of_a_killed_daemon_are_ended_at_the_next_start() {
    orphans_are_ended(false);
}

#[test]
fn the_processes_of_a_killed_daemon_are_ended_by_a_daemon_beside_it() {
    orphans_are_ended(true);
}

/// The process that writes its id into this file.
fn pid_in(path: &Path) -> Identity {
    for _ in 0..1_000 {
        if let Some(pid) = std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()) {
            return Identity::of(pid);
        }
        // tidy: polls: a file of another process gives no signal
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{} is not written", path.display());
}
