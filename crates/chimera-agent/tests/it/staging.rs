//! Deployments: they serve the commit they say, at one origin per task, and end.

mod build;
mod keep;
mod output;
mod ready;

use crate::fixture::{digest, environment, id, write};
use chimera_agent::process::Identity;
use chimera_agent::spec::{Server, Staging as How};
use chimera_agent::staging::{Deploy, Deployment, REVISION_PATH, Staging, StagingError};
use chimera_core::{Digest, TaskId, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NOW: UnixMillis = UnixMillis(1_000_000);
const TTL: Duration = Duration::from_secs(60);

struct House {
    dir: tempfile::TempDir,
    staging: Staging,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let staging = Staging::new(dir.path());
        Self { dir, staging }
    }

    fn source(&self, files: &[(&str, &str)]) -> PathBuf {
        let source = self.dir.path().join("export");
        std::fs::create_dir_all(&source).expect("a directory");
        write(&source, files);
        source
    }

    async fn deploy(
        &self,
        how: &How,
        revision: &Digest,
        files: &[(&str, &str)],
    ) -> Result<Deployment, StagingError> {
        self.deploy_by(&self.staging, how, revision, files).await
    }

    /// The same by another daemon on the same data directory, or under a name.
    async fn deploy_by(
        &self,
        staging: &Staging,
        how: &How,
        revision: &Digest,
        files: &[(&str, &str)],
    ) -> Result<Deployment, StagingError> {
        let (source, log, task) = (self.source(files), self.log(), id(1));
        let deploy = deploy(&task, revision, &source, how, &log);
        staging.deploy(deploy, &CancellationToken::new()).await
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// A file of the deployment in its first place.
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("staging").join(id(1).as_str()).join(name)
    }
}

fn deploy<'a>(
    task: &'a TaskId,
    revision: &'a Digest,
    source: &'a Path,
    spec: &'a How,
    log: &'a Path,
) -> Deploy<'a> {
    Deploy {
        task,
        revision,
        source,
        spec,
        host: None,
        port: None,
        ttl: TTL,
        now: NOW,
        log,
        environment: &at_home,
    }
}

fn at_home(home: &Path) -> BTreeMap<String, String> {
    let mut environment = environment();
    environment.insert("HOME".to_owned(), home.display().to_string());
    environment.insert("TMPDIR".to_owned(), home.join("tmp").display().to_string());
    environment
}

/// Waits until a process has opened a pipe to read from it, and lets it go on.
async fn let_go(pipe: &Path) {
    let pipe = pipe.to_owned();
    tokio::task::spawn_blocking(move || std::fs::write(pipe, "go\n").expect("somebody reads"))
        .await
        .expect("no panic");
}

fn site() -> How {
    How::Static { static_dir: ".".to_owned(), build: None }
}

fn app(start: &str) -> How {
    How::Start(Server::new(start))
}

/// The answer to a request, head and body; empty if nothing answers.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").expect("a plain origin");
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

async fn fetch(url: &str, path: &'static str) -> String {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || get(&url, path)).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_deployment_serves_its_commit_and_says_so() {
    let house = House::new();
    let first = house.deploy(&site(), &digest('a'), &[("index.html", "first")]).await.expect("up");
    assert!(fetch(&first.url, "/").await.ends_with("first"));
    assert!(fetch(&first.url, REVISION_PATH).await.ends_with(digest('a').as_str()));
    assert_eq!(house.staging.revision(&id(1)).await.expect("it answers"), digest('a'));
    assert!(
        !fetch(&first.url, "/../deployment.json").await.contains("expires_at"),
        "nothing beside the site"
    );

    let second = house.deploy(&site(), &digest('b'), &[("index.html", "second")]).await.expect("up");
    assert_eq!(first.url, second.url, "one origin per task");
    assert!(fetch(&second.url, "/").await.ends_with("second"));
    assert_eq!(house.staging.revision(&id(1)).await.expect("it answers"), digest('b'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_deployments_outlive_the_daemon_until_their_time_is_up() {
    let house = House::new();
    let made = house.deploy(&site(), &digest('a'), &[("index.html", "hello")]).await.expect("up");
    house.staging.shutdown(&CancellationToken::new()).await;
    let next = Staging::new(house.dir.path());
    next.restore(NOW.plus(TTL / 2)).await;
    let again = next.ensure(&id(1), &CancellationToken::new()).await.expect("it is back");
    assert_eq!(again.revision, made.revision);
    assert!(fetch(&again.url, "/").await.ends_with("hello"));
    next.sweep(NOW.plus(TTL), &HashMap::new()).await;
    assert_eq!(fetch(&again.url, "/").await, "");
    assert!(!house.dir.path().join("staging").join(id(1).as_str()).exists());
    let gone = next.ensure(&id(1), &CancellationToken::new()).await.expect_err("it is gone");
    assert!(gone.to_string().contains("retry it from STAGING_DEPLOYMENT"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projects_server_gets_its_port_and_revision_and_is_ended_with_its_children() {
    let house = House::new();
    let server = "import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(os.environ['CHIMERA_REVISION'].encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((os.environ['HOST'], int(os.environ['PORT'])), Handler).serve_forever()
";
    let how = How::Start(Server {
        build: Some("cp source.txt server.py".to_owned()),
        revision: Some("/revision".to_owned()),
        ..Server::new("sleep 600 & python3 server.py")
    });
    let made = house.deploy(&how, &digest('c'), &[("source.txt", server)]).await.expect("up");
    assert!(fetch(&made.url, "/").await.ends_with(digest('c').as_str()));
    assert_eq!(house.staging.revision(&id(1)).await.expect("it answers"), digest('c'));
    house.staging.shutdown(&CancellationToken::new()).await;
    assert_eq!(fetch(&made.url, "/").await, "");
    assert!(matches!(house.staging.revision(&id(1)).await, Err(StagingError::Unreachable(_))));
}

#[tokio::test]
async fn a_stopped_attempt_leaves_no_server() {
    let house = House::new();
    let stop = CancellationToken::new();
    let source = house.source(&[("index.html", "x")]);
    let spec = app("echo $$ > pid; exec sleep 600");
    let log = house.log();
    let (task, revision) = (id(1), digest('a'));
    let deploy = deploy(&task, &revision, &source, &spec, &log);
    let pid = house.file("files/pid");
    let number = std::cell::Cell::new(0);
    let started = async {
        number.set(pid_in(&pid).await);
        stop.cancel();
    };
    let (made, ()) = tokio::join!(house.staging.deploy(deploy, &stop), started);
    assert!(matches!(made, Err(StagingError::Stopped)), "{made:?}");
    assert!(!Identity::of(number.into_inner()).is_alive());
    assert!(!house.file("").exists(), "nothing of it is left");
}

/// The process id in a file; waits until it is whole.
async fn pid_in(path: &Path) -> u32 {
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(pid) = text.strip_suffix('\n').and_then(|text| text.parse().ok()) {
            return pid;
        }
        tokio::task::yield_now().await;
    }
}
