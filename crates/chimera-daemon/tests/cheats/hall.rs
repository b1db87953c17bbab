//! One daemon, one project per case and runner, and agents that do what the case says.

use crate::case::{App, Case, Expect, PAGE, Runner};
use crate::real::{Daemon, Site, repository};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Deliveries side by side: each may hold a browser.
const WORKERS: u32 = 3;
/// One agent per role for all cases, which fail on purpose: no circuit breaker may hold back those that come after.
const CONFIG: &str = r#"[executor]
max_workers = WORKERS
max_retries = 1
retry_base = "10ms"
max_test_rounds = 0
max_review_rounds = 1
max_validation_rounds = 0
breaker_failures = 0
[roles]
e2e-tester-agent = "author"
coder-agent = "coder"
guardian-agent = ["builtin", "guardian"]
"#;
const ROLES: [&str; 4] = ["author", "coder", "guardian", "deployer"];

/// Every agent: finds its case by the feature's words, and does what the case says.
const AGENT: &str = r#"#!/bin/sh
# agent.sh ROLE
set -eu
HERE=$(dirname "$0")
ask() { python3 -c 'import json, os, sys; print(json.load(open(os.environ["CHIMERA_ASSIGNMENT"])).get(sys.argv[1]) or "")' "$1"; }
FEATURE=$(ask feature)
CASE="$HERE/cases/${FEATURE##* }"
TEST=$(cat "$CASE/test_path")
HEAD=$(ask head_commit)
URL=$(cat "$CASE/url")
say() { printf '%s\n' "$1" > "$CHIMERA_OUTCOME"; }
passed() { say '{"outcome": "passed", "summary": "done"}'; }
# Puts a sentence onto the page.
add() { for page in index.html app.py; do if [ -e "$page" ]; then sed -i "s|</main>|<p>$1</p></main>|" "$page"; fi; done; }
# Serves the working directory, and says that it is the head.
deploy() { cp index.html "$CASE/served/index.html"; printf '%s' "$HEAD" > "$CASE/served/revision"; }
. "$CASE/$1.sh"
"#;

/// A server that says which revision it serves, and whose page can be changed by one substitution.
const SERVER: &str = include_str!("app.py");

/// What came of a case.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) case: Case,
    pub(crate) runner: Runner,
    pub(crate) status: String,
    pub(crate) reason: String,
    /// What a person is told.
    pub(crate) told: String,
}

impl Verdict {
    /// What is wrong with it, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let fine = match self.case.expect {
            Expect::Completed => self.status == "completed",
            Expect::Refused(reasons) => self.status == "failed" && reasons.contains(&self.reason.as_str()),
        };
        let Self { case, runner, status, reason, told } = self;
        (!fine).then(|| format!("{} on {}: {status} {reason}: {told}", case.name, runner.name()))
    }
}

/// Has every case delivered on every runner that it has a test for; or some of them, by their names.
pub(crate) fn deliver(cases: &[Case], wanted: Option<&str>) -> Vec<Verdict> {
    let runs: Vec<(&Case, Runner)> = cases
        .iter()
        .flat_map(|case| {
            Runner::ALL.into_iter().filter(|runner| case.runs_on(*runner)).map(move |r| (case, r))
        })
        .filter(|(case, runner)| is_wanted(wanted, case, *runner))
        .collect();
    let site = Site::new("");
    let mut config = CONFIG.replace("WORKERS", &WORKERS.to_string());
    for role in ROLES {
        let agent = site.path().join("agent.sh").display().to_string();
        let _ = write!(config, "[agent.{role}]\nprotocol = \"command\"\ncommand = [{agent:?}, {role:?}]\n");
    }
    let targets: Vec<String> =
        runs.iter().map(|(case, runner)| lay_out(&site, case, *runner, &mut config)).collect();
    std::fs::write(site.path().join("chimera.toml"), config).expect("a configuration");
    let agent = site.path().join("agent.sh");
    std::fs::write(&agent, AGENT).expect("an agent");
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let daemon = site.start();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let following: Vec<_> = runs
            .iter()
            .zip(&targets)
            .map(|((case, runner), target)| {
                let task = daemon.submit(&json!({
                    "feature": format!("Case {}", id(case, *runner)),
                    "target_url": target,
                    "project": id(case, *runner),
                }));
                let (daemon, done, total) = (&daemon, &done, runs.len());
                scope.spawn(move || {
                    let verdict = follow(daemon, case, *runner, &task);
                    let number = done.fetch_add(1, Ordering::Relaxed) + 1;
                    let mark = if verdict.complaint().is_some() { "WRONG" } else { "ok" };
                    println!(
                        "{number:>3}/{total} {mark:<5} {}: {} {}",
                        id(case, *runner),
                        verdict.status,
                        verdict.reason
                    );
                    verdict
                })
            })
            .collect();
        following.into_iter().map(|one| one.join().expect("followed to its end")).collect()
    })
}

fn follow(daemon: &Daemon, case: &Case, runner: Runner, task: &str) -> Verdict {
    let mut ended = daemon.ended(task);
    // A stream ends early if the daemon is busy; the task then has not.
    while matches!(ended["status"].as_str(), Some("queued" | "running")) {
        ended = daemon.ended(task);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Verdict {
        case: case.clone(),
        runner,
        status: text(&ended["status"]),
        reason: text(&ended["reason"]),
        told: text(&ended["error"]),
    }
}

fn is_wanted(wanted: Option<&str>, case: &Case, runner: Runner) -> bool {
    wanted.is_none_or(|names| {
        let known = [case.name, short(runner), &id(case, runner)].map(str::to_owned);
        names.split(',').any(|name| known.iter().any(|known| known == name.trim()))
    })
}

fn id(case: &Case, runner: Runner) -> String {
    format!("{}-{}", case.name, short(runner))
}

fn short(runner: Runner) -> &'static str {
    match runner {
        Runner::Pytest => "py",
        Runner::Playwright => "ts",
    }
}

/// Makes the repository, the scripts and the project of a case; gives the URL that the request is about.
fn lay_out(site: &Site, case: &Case, runner: Runner, config: &mut String) -> String {
    let id = id(case, runner);
    let dir = site.path().join("cases").join(&id);
    let mut files = case.files.clone();
    match case.app {
        App::Server => files.push(("app.py", SERVER)),
        App::Static | App::Deployed => files.push(("index.html", PAGE)),
    }
    // A case's own files come first: a page of its own replaces the plain one.
    files.dedup_by(|later, earlier| later.0 == earlier.0);
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|(path, _)| seen.insert(*path));
    repository(&site.path().join("repos").join(&id), &files);
    std::fs::create_dir_all(&dir).expect("a directory");
    for (name, text) in [
        ("test", case.test(runner).expect("it runs on this one")),
        ("test_path", runner.test_path()),
        ("author.sh", case.author),
        ("coder.sh", case.coder),
        ("guardian.sh", case.guardian),
        ("deployer.sh", case.deployer),
    ] {
        std::fs::write(dir.join(name), text).expect("a file");
    }
    let (target, url) = match case.app {
        App::Static | App::Server => ("http://127.0.0.1:1/".to_owned(), String::new()),
        App::Deployed => {
            // What users see stays as it is, whatever is deployed to the place of staging.
            let repo = site.path().join("repos").join(&id);
            (serve(&dir.join("live"), &repo), serve(&dir.join("served"), &repo))
        }
    };
    std::fs::write(dir.join("url"), &url).expect("a file");
    let staging = match case.app {
        App::Static => "",
        App::Server => "start = \"exec python3 app.py\"\nready = \"/health\"\nrevision = \"/revision\"\n",
        App::Deployed => "agent = \"deployer\"\nrevision = \"/revision\"\n",
    };
    // Where an agent deploys, the base is seen at the target.
    let seen = match case.app {
        App::Deployed => format!("urls = [{target:?}]\ntest_target = true\n"),
        App::Static | App::Server => String::new(),
    };
    let _ = write!(
        config,
        "[[project]]\nname = {id:?}\nrepo = \"repos/{id}\"\ne2e = {:?}\n{seen}{}\n[project.staging]\n{staging}",
        runner.name(),
        case.config,
    );
    target
}

/// The server of a deployment agent: serves the page in a directory, first the base. It ends with the test program.
fn serve(served: &Path, repo: &Path) -> String {
    std::fs::create_dir_all(served).expect("a directory");
    std::fs::copy(repo.join("index.html"), served.join("index.html")).expect("a page");
    std::fs::write(served.join("revision"), crate::real::git(repo, &["rev-parse", "HEAD"]))
        .expect("a revision");
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let (served, pages) = (served.to_owned(), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A thread each: browsers open connections that they say nothing on.
            let (served, pages) = (served.clone(), pages.clone());
            std::thread::spawn(move || answer(&stream, &served, &pages));
        }
    });
    url
}

/// Answers one request. A file `old.html` makes every second page an old one.
fn answer(mut stream: &TcpStream, served: &Path, pages: &AtomicUsize) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split_whitespace().nth(1).unwrap_or("/");
    let file: PathBuf = match path {
        "/revision" => served.join("revision"),
        "/" => {
            let second = pages.fetch_add(1, Ordering::Relaxed) % 2 == 1;
            let old = served.join("old.html");
            if second && old.exists() { old } else { served.join("index.html") }
        }
        _ => served.join("nothing"),
    };
    let (status, body) = std::fs::read(file).map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let kind = if path == "/revision" { "text/plain" } else { "text/html" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
