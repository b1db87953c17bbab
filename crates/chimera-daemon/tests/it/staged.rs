//! Staged changes and temporary files in the life of real daemons: what a killed one leaves, and what a cancelled task leaves.

use crate::crash;
use crate::real::{Daemon, Site};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a test run may take to begin on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until a test run has laid out its directory, and gives the root that it is in.
fn run_begun(site: &Site, known: &[PathBuf]) -> PathBuf {
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        let begun = roots(site.path())
            .into_iter()
            .filter(|root| !known.contains(root))
            .find(|root| entries(root).iter().any(|room| room.join("report").is_dir()));
        if let Some(root) = begun {
            return root;
        }
        // tidy: polls: another process makes the directory and gives no signal
        std::thread::sleep(PAUSE);
    }
    panic!("no test run began:\n{}", site.log());
}

/// The roots of temporary directories in the data directory.
fn roots(site: &Path) -> Vec<PathBuf> {
    let mut all = entries(&site.join("chimera-data/private"));
    all.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("t-")));
    all
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The servers that were started and are still there.
fn servers(site: &Path) -> Vec<String> {
    let started = std::fs::read_to_string(site.join("servers")).unwrap_or_default();
    let alive = |pid: &&str| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("http.server"))
    };
    started.lines().filter(alive).map(str::to_owned).collect()
}

fn start(site: &Site) -> Daemon {
    let tmp = site.path().join("tmp");
    site.start_as(&["start-all", "--port", "0"], &[("TMPDIR", tmp.to_str().expect("a plain path"))])
}

#[test]
fn nothing_is_left_of_three_killed_daemons_and_of_a_cancelled_task() {
    let site = crash::site();
    let config = std::fs::read_to_string(site.path().join("chimera.toml")).expect("a configuration");
    let start_line = format!("start = \"echo $$ >> {}/servers; exec", site.path().display());
    let config = config.replace("start = \"exec", &start_line);
    // Three deaths in one phase are enough to give it up, otherwise.
    let config = config.replace("[executor]\n", "[executor]\nmax_crashes = 9\n");
    std::fs::write(site.path().join("chimera.toml"), config).expect("written");
    std::fs::create_dir(site.path().join("tmp")).expect("a directory");
    crash::hold(site.path(), "nothing");
    let (mut task, mut killed) = (None, Vec::new());
    for _ in 0..3 {
        let daemon = start(&site);
        task.get_or_insert_with(|| {
            daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}))
        });
        killed.push(run_begun(&site, &killed));
        // Before the kill: afterwards any daemon that starts on the machine may end what is left behind.
        assert_eq!(servers(site.path()).len(), 1, "the base is served, and by nobody else");
        daemon.kill();
    }
    let task = task.expect("a task");
    crash::hold(site.path(), "CODE_IMPLEMENTATION");
    let daemon = start(&site);
    crash::wait_until_inside(site.path(), &daemon, &task, "CODE_IMPLEMENTATION");
    assert!(killed.iter().all(|root| !root.exists()), "{killed:?}");
    assert_eq!(servers(site.path()).len(), 1, "those of the killed daemons are ended");
    daemon.post(&format!("/api/tasks/{task}/cancel"), &json!({}));
    assert_eq!(daemon.ended(&task)["status"], "cancelled");
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(servers(site.path()), [""; 0]);
    let nothing: [PathBuf; 0] = [];
    let left = [roots(site.path()), entries(&site.path().join("tmp"))];
    assert_eq!(left.concat(), nothing);
    for kind in ["staging", "staging-base"] {
        assert_eq!(entries(&site.path().join("chimera-data").join(kind)), nothing, "{kind}");
    }
}

#[test]
fn the_server_of_a_completed_task_is_reachable_again_after_a_restart() {
    let site = crash::site();
    crash::hold(site.path(), "nothing");
    let daemon = site.start();
    let task =
        daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}));
    let ended = daemon.ended(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    let url = ended["result"]["deployment_url"].as_str().expect("an address").to_owned();
    assert!(page(&url).is_some_and(|page| page.contains("Hello")));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(page(&url), None, "it ends with the daemon");
    let daemon = site.start();
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if page(&url).is_some_and(|page| page.contains("Hello")) {
            assert_eq!(daemon.terminate(), Some(0));
            return;
        }
        // tidy: polls: a server is started again in the background, and nothing tells when it listens
        std::thread::sleep(PAUSE);
    }
    panic!("the link is dead:\n{}", site.log());
}

/// What is served at an address, if anything.
fn page(url: &str) -> Option<String> {
    ureq::get(url).call().ok()?.body_mut().read_to_string().ok()
}
