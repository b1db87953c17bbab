//! Two daemons on one SQLite data directory: the second one touches nothing of the first one's, neither when it starts
//! nor when it ends or is killed.

use crate::crash::{hold, site, wait_until_inside};
use crate::real::{Daemon, Site};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a daemon holds for the attempts that it runs.
#[derive(Debug)]
struct Held {
    files: BTreeSet<PathBuf>,
    processes: BTreeSet<i32>,
}

impl Held {
    /// What it holds once its processes show their environment: while one replaces its program, the kernel shows none.
    fn with_processes(site: &Site, daemon: &Daemon) -> Self {
        for _ in 0..500 {
            let held = Self::by(site, daemon);
            if !held.processes.is_empty() {
                return held;
            }
            // tidy: polls: another process's exec gives no signal
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no process carries the daemon's mark:\n{}", site.log());
    }

    fn by(site: &Site, daemon: &Daemon) -> Self {
        let mut files = BTreeSet::new();
        for part in ["worktrees", "private", "staging", "staging-base"] {
            collect(&site.path().join("chimera-data").join(part), &mut files);
        }
        Self { files, processes: marked(daemon.pid()) }
    }

    /// All of it is still there.
    fn kept(&self, site: &Site, daemon: &Daemon, when: &str) {
        let now = Self::by(site, daemon);
        let gone: Vec<_> = self.files.difference(&now.files).collect();
        let ended: Vec<_> = self.processes.difference(&now.processes).collect();
        assert!(gone.is_empty() && ended.is_empty(), "{when}: {gone:?} {ended:?}\n{}", site.log());
    }
}

fn collect(dir: &Path, into: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        into.insert(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), into);
        }
    }
}

/// The living processes of this daemon's attempts.
fn marked(daemon: i32) -> BTreeSet<i32> {
    let mark = format!("CHIMERA_RUN_ID={daemon}:");
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = |pid: &i32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
    };
    ids.filter(ours).collect()
}

fn wish(feature: &str) -> Value {
    json!({"feature": feature, "target_url": "http://127.0.0.1:1/"})
}

/// Starts a second daemon, kills it, starts a third, which clears up after the second, and stops it.
fn others_come_and_go(site: &Site, first: &Daemon, held: &Held) {
    let second = site.start();
    held.kept(site, first, "the second has started");
    second.kill();
    let third = site.start();
    held.kept(site, first, "the second was killed, and the third has started");
    assert_eq!(third.terminate(), Some(0));
    held.kept(site, first, "the third has ended");
}

#[test]
fn a_running_attempt_does_not_notice_that_other_daemons_come_work_and_go() {
    let site = site();
    let go = site.path().join("go");
    let made = std::process::Command::new("mkfifo").arg(&go).status().expect("mkfifo runs");
    assert!(made.success());
    let agent = site.path().join("agent.sh");
    let held = format!("read _ < {}; exec {}", go.display(), agent.display());
    std::fs::write(site.path().join("held"), held).expect("written");
    hold(site.path(), "CODE_IMPLEMENTATION");
    let first = site.start();
    let task = first.submit(&wish("Visitors are greeted"));
    wait_until_inside(site.path(), &first, &task, "CODE_IMPLEMENTATION");
    let held = Held::with_processes(&site, &first);
    assert!(!held.files.is_empty(), "{held:?}");
    hold(site.path(), "nothing");
    others_come_and_go(&site, &first, &held);
    // A delivery takes longer than a lease: whoever thinks that the first one is gone has found out by then.
    let second = site.start();
    let other = second.submit(&wish("Visitors are greeted again"));
    assert_eq!(second.ended(&other)["status"], "completed", "{}", site.log());
    held.kept(&site, &first, "another task was delivered");
    assert_eq!(second.terminate(), Some(0));
    held.kept(&site, &first, "the one that worked beside it has ended");
    std::fs::write(&go, "\n").expect("the held agent reads");
    assert_eq!(first.ended(&task)["status"], "completed", "{}", site.log());
    let events = first.events(&task);
    let passed = events.iter().filter(|event| event["result"]["outcome"] == "passed").count();
    let others = events.iter().filter(|event| {
        event["event"] == "rescued"
            || event["result"]["outcome"].as_str().is_some_and(|outcome| outcome != "passed")
    });
    assert_eq!((passed, others.count()), (5, 0), "{events:#?}");
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn a_change_that_is_being_staged_stays_when_other_daemons_come_and_go() {
    let site = site();
    hold(site.path(), "STAGING_DEPLOYMENT");
    let first = site.start();
    let task = first.submit(&wish("Visitors are greeted"));
    wait_until_inside(site.path(), &first, &task, "STAGING_DEPLOYMENT");
    let held = Held::with_processes(&site, &first);
    assert!(held.files.iter().any(|path| path.ends_with("index.html")), "{held:?}");
    others_come_and_go(&site, &first, &held);
    assert_eq!(first.get(&format!("/api/tasks/{task}"))["status"], "running");
}
