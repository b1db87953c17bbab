//! A real PostgreSQL server, all of whose processes are frozen for longer than the lease, under a real daemon.

use crate::crash::{hold, site, wait_until_inside};
use crate::real::{Daemon, Site};
use crate::server::{Server, programs};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// The lease in the site's configuration.
const LEASE: Duration = Duration::from_secs(3);
/// How long `/readyz` and `/health` may take.
const PROBE: Duration = Duration::from_secs(4);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(6);

/// The processes of the server: the one that starts others, and those that it has started.
fn processes(server: &Server) -> Vec<i32> {
    let pid_file = std::fs::read_to_string(server.data().join("postmaster.pid")).expect("it runs");
    let first: i32 = pid_file.lines().next().expect("a line").trim().parse().expect("a process id");
    let parent = |process: i32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<i32>().ok());
        parent == Some(first)
    };
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    std::iter::once(first).chain(all.filter(|process| parent(*process))).collect()
}

/// A frozen server; it thaws with the end of the value, so that it can be ended.
struct Frozen(Vec<i32>);

impl Frozen {
    fn of(server: &Server) -> Self {
        // The first one first, after which there are no new ones.
        let first = Self(processes(server).into_iter().take(1).collect());
        first.send(Signal::STOP);
        let all = Self(processes(server));
        std::mem::forget(first);
        all.send(Signal::STOP);
        all
    }

    fn send(&self, signal: Signal) {
        for process in &self.0 {
            // One that has ended needs nothing more.
            let _ = kill_process(Pid::from_raw(*process).expect("a process id"), signal);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.send(Signal::CONT);
    }
}

fn server() -> Server {
    let server = Server::make(programs().expect("PostgreSQL's programs")).expect("a server");
    server.start("").expect("it starts");
    server
}

fn start(site: &Site, server: &Server) -> Daemon {
    let url = format!("{}/postgres", server.url());
    site.start_as(&["start-all", "--port", "0"], &[("CHIMERA_DATABASE_URL", &url)])
}

/// A probe answers within its limit that the database does not.
fn told_unready(daemon: &Daemon, path: &str) {
    let began = Instant::now();
    let answer = daemon.call("GET", path, &[], b"");
    let took = began.elapsed();
    assert_eq!(answer.status, 503, "{path}: {}", answer.text);
    assert!(answer.text.contains("database") || answer.text.contains("answer"), "{path}: {}", answer.text);
    assert!(took < PROBE + SLACK, "{path} took {took:?}");
}

#[test]
fn a_deployment_ends_with_the_lease_and_the_task_goes_on_once_the_server_does() {
    let (site, server) = (site(), server());
    hold(site.path(), "STAGING_DEPLOYMENT");
    let daemon = start(&site, &server);
    let task =
        daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}));
    wait_until_inside(site.path(), &daemon, &task, "STAGING_DEPLOYMENT");
    let (frozen, began) = (Frozen::of(&server), Instant::now());
    site.until_logged("the lease ran out");
    assert!(began.elapsed() < LEASE + SLACK, "told after {:?}", began.elapsed());
    // The build would sleep for ten minutes: it ends although its end cannot be recorded.
    site.until_logged("cannot record a result");
    told_unready(&daemon, "/readyz");
    told_unready(&daemon, "/health");
    assert_eq!(daemon.call("GET", "/livez", &[], b"").status, 200);
    // The server stays away for five leases, and nothing is said twice about that.
    site.until_logged("cannot extend the lease");
    let rest = (LEASE * 5).saturating_sub(began.elapsed());
    // tidy: polls: that something is not said gives no signal
    std::thread::sleep(rest);
    let log = site.log();
    let errors = log.lines().filter(|line| line.contains(" ERROR ") || line.contains(" WARN "));
    let mut said: Vec<&str> =
        errors.filter_map(|line| line.split_once(": ")?.1.split(" error=").next()).collect();
    said.sort_unstable();
    assert!(said.windows(2).all(|two| two[0] != two[1]), "one line per state:\n{log}");
    hold(site.path(), "nothing");
    drop(frozen);
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let crashes = daemon.events(&task).iter().filter(|event| event["event"] == "rescued").count();
    assert_eq!(crashes, 0, "an outage is nobody's crash");
    assert_eq!(daemon.call("GET", "/readyz", &[], b"").status, 200);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn a_daemon_whose_server_is_frozen_ends_within_its_grace() {
    let (site, server) = (site(), server());
    hold(site.path(), "CODE_IMPLEMENTATION");
    let daemon = start(&site, &server);
    let task =
        daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}));
    wait_until_inside(site.path(), &daemon, &task, "CODE_IMPLEMENTATION");
    let frozen = Frozen::of(&server);
    site.until_logged("the lease ran out");
    let began = Instant::now();
    // A second for the agent, two without hope of a record, two for a goodbye, and as long for the connections.
    daemon.terminate();
    assert!(
        began.elapsed() < Duration::from_secs(10) + SLACK,
        "it took {:?}\n{}",
        began.elapsed(),
        site.log()
    );
    drop(frozen);
    hold(site.path(), "nothing");
    let next = start(&site, &server);
    let ended = next.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
}
