//! Deployments: they serve the commit they say, at one origin per task, and end.

use crate::fixture::{digest, environment, id, write};
use chimera_agent::spec::Staging as How;
use chimera_agent::staging::{Deploy, Deployment, REVISION_PATH, Staging, StagingError};
use chimera_core::{Digest, UnixMillis};
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
        let source = self.source(files);
        let deploy = Deploy {
            task: &id(1),
            revision,
            source: &source,
            spec: how,
            port: None,
            ttl: TTL,
            now: NOW,
            log: &self.dir.path().join("log"),
            environment: &environment(),
        };
        self.staging.deploy(deploy, &CancellationToken::new()).await
    }
}

fn site() -> How {
    How::Static { static_dir: ".".to_owned() }
}

fn app(start: &str) -> How {
    How::Start { start: start.to_owned(), build: None, ready: "/".to_owned(), revision: None }
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
    house.staging.shutdown().await;
    let next = Staging::new(house.dir.path());
    next.restore(NOW.plus(TTL / 2)).await;
    let again = next.ensure(&id(1), &CancellationToken::new()).await.expect("it is back");
    assert_eq!(again.revision, made.revision);
    assert!(fetch(&again.url, "/").await.ends_with("hello"));
    next.sweep(NOW.plus(TTL)).await;
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
    let how = How::Start {
        start: "sleep 600 & python3 server.py".to_owned(),
        build: Some("cp source.txt server.py".to_owned()),
        ready: "/".to_owned(),
        revision: Some("/revision".to_owned()),
    };
    let made = house.deploy(&how, &digest('c'), &[("source.txt", server)]).await.expect("up");
    assert!(fetch(&made.url, "/").await.ends_with(digest('c').as_str()));
    assert_eq!(house.staging.revision(&id(1)).await.expect("it answers"), digest('c'));
    house.staging.shutdown().await;
    assert_eq!(fetch(&made.url, "/").await, "");
    assert!(matches!(house.staging.revision(&id(1)).await, Err(StagingError::Unreachable(_))));
}

#[tokio::test]
async fn what_does_not_start_says_why_with_the_end_of_its_log() {
    let house = House::new();
    let died = house.deploy(&app("echo cannot find module x; exit 3"), &digest('a'), &[]).await;
    let died = died.expect_err("it does not start").to_string();
    assert!(died.contains("Code(3)") && died.contains("cannot find module x"), "{died}");
    let how = How::Start {
        start: "true".to_owned(),
        build: Some("echo no compiler; false".to_owned()),
        ready: "/".to_owned(),
        revision: None,
    };
    let unbuilt = house.deploy(&how, &digest('a'), &[]).await.expect_err("it cannot be built").to_string();
    assert!(unbuilt.contains("the build ended with") && unbuilt.contains("no compiler"), "{unbuilt}");
}

#[tokio::test]
async fn a_stopped_attempt_leaves_no_server() {
    let house = House::new();
    let stop = CancellationToken::new();
    let source = house.source(&[("index.html", "x")]);
    let spec = app("echo $$ > pid; exec sleep 600");
    let (environment, log) = (environment(), house.dir.path().join("log"));
    let (task, revision) = (id(1), digest('a'));
    let deploy = Deploy {
        task: &task,
        revision: &revision,
        source: &source,
        spec: &spec,
        port: None,
        ttl: TTL,
        now: NOW,
        log: &log,
        environment: &environment,
    };
    let pid = house.dir.path().join("staging").join(id(1).as_str()).join("files/pid");
    let started = async {
        while !has_line(&pid) {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (made, ()) = tokio::join!(house.staging.deploy(deploy, &stop), started);
    assert!(matches!(made, Err(StagingError::Stopped)), "{made:?}");
    let number: u32 = std::fs::read_to_string(&pid).expect("written").trim().parse().expect("a number");
    assert!(!chimera_agent::process::Identity::of(number).is_alive());
}

fn has_line(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))
}
