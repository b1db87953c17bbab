//! The process in its surroundings: few descriptors, idle clients, signals, logs that nobody reads, process 1, modes of files.

use crate::api::api;
use crate::real::{Daemon, Site, repository};
use rustix::process::Signal;
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const SHOP: &str = "[[project]]\nname = \"shop\"\nrepo = \"repo\"\nurls = [\"http://127.0.0.1:1\"]\n";
const PAGE: &str = "<!doctype html><title>Shop</title><header><nav></nav></header><main><h1>Shop</h1></main>";

fn wish() -> serde_json::Value {
    json!({"feature": "Visitors read Sale", "target_url": "http://127.0.0.1:1/", "acceptance": ["open \"/\"", "see text \"Sale\""]})
}

#[test]
fn idle_connections_neither_end_a_delivery_nor_shut_anybody_out() {
    let site = Site::new(SHOP);
    repository(&site.path().join("repo"), &[("index.html", PAGE)]);
    let mut few = site.command_after("ulimit -n 256; exec \"$@\"");
    few.args(["start-all", "--port", "0"]);
    let daemon = site.start_by(few);
    let half = |number: u32| {
        let mut connection = daemon.connect();
        if number.is_multiple_of(2) {
            connection.write_all(b"GET /livez HTTP/1.1\r\nHost: local").expect("half a request");
        }
        connection
    };
    let idle: Vec<_> = (0..300).map(half).collect();
    let task = daemon.submit(&wish());
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    assert_eq!(daemon.get("/health")["status"], "healthy");
    drop(idle);
}

#[test]
fn a_closed_terminal_ends_the_daemon_as_a_stop_does() {
    let site = Site::new("");
    let daemon = site.start();
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.exit_code(), Some(0), "{}", site.log());
}

#[test]
fn under_nohup_a_closed_terminal_ends_nothing() {
    let site = Site::new("");
    let mut nohup = site.command_after("trap '' HUP; exec \"$@\"");
    nohup.args(["start-all", "--port", "0"]);
    let daemon = site.start_by(nohup);
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.get("/health")["status"], "healthy");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let site = Site::new("");
    let mut full = site.command_after("exec 2>/dev/full; exec \"$@\"");
    full.args(["start-all", "--port", "0"]).env("CHIMERA_LOG", "debug");
    let daemon = site.start_by(full);
    for _ in 0..10 {
        assert_eq!(daemon.get("/health")["status"], "healthy");
    }
    assert_eq!(daemon.terminate(), Some(0));
}

/// Leaves orphans behind, then says no.
const ORPHANING: &str = "[executor]\nmax_retries = 0\n[agent.odd]\nprotocol = \"command\"\n\
    command = [\"sh\", \"-c\", \"for n in 1 2 3 4 5 6 7 8; do (setsid true &); done; exit 1\"]\n\
    [roles]\ne2e-tester-agent = \"odd\"\n";

#[test]
fn as_process_1_the_daemon_reaps_what_loses_its_parent_and_hands_signals_on() {
    let site = Site::new(&format!("{ORPHANING}{SHOP}"));
    repository(&site.path().join("repo"), &[("index.html", PAGE)]);
    let line = "exec unshare --map-root-user --pid --fork --mount-proc --kill-child -- \"$@\"";
    let mut first = site.command_after(line);
    first.args(["start-all", "--port", "0"]);
    let daemon = site.start_by(first);
    let task = daemon.submit(&wish());
    assert_eq!(daemon.ended(&task)["status"], "failed");
    let one = children(daemon.pid());
    assert_eq!(one.len(), 1, "the first process of the new namespace");
    until("the orphans are reaped", || children(one[0]).iter().all(|pid| !is_zombie(*pid)));
    let process = rustix::process::Pid::from_raw(one[0]).expect("a process");
    rustix::process::kill_process(process, Signal::TERM).expect("signalled");
    assert_eq!(daemon.exit_code(), Some(0), "{}", site.log());
}

fn until(what: &str, holds: impl Fn() -> bool) {
    /// Pause between two looks.
    const PAUSE: Duration = Duration::from_millis(20);
    for _ in 0..500 {
        if holds() {
            return;
        }
        // tidy: polls: the process table gives no signal
        std::thread::sleep(PAUSE);
    }
    panic!("it does not come to pass: {what}");
}

fn children(pid: i32) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, parent)| parent == pid)).collect()
}

fn is_zombie(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "Z")
}

/// The state and the parent of a process.
fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn the_data_directory_and_the_database_are_for_their_owner_alone() {
    let site = Site::new("[database]\nurl = \"sqlite:elsewhere.db\"\n");
    let data = site.path().join("chimera-data");
    let daemon: Daemon = api(&site);
    assert_eq!((mode(&data), mode(&site.path().join("elsewhere.db"))), (0o700, 0o600));
    daemon.terminate();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let _daemon = api(&site);
    assert_eq!(mode(&data), 0o700);
    assert!(site.log().contains("closed for them now"), "{}", site.log());
}
