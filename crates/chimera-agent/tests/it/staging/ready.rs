//! Readiness: which answers count, and what is said of those that do not.

use super::*;

/// A server that answers every path with a status, and 500 unless it is asked under this name.
fn answering(status: u16, headers: &str, host: &str) -> String {
    format!(
        "exec python3 -c '
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers[\"host\"]
        self.send_response({status} if \"{host}\" in asked else 500)
        for line in \"{headers}\".split(\"|\"):
            if line: self.send_header(*line.split(\": \"))
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((\"127.0.0.1\", int(os.environ[\"PORT\"])), Handler).serve_forever()'"
    )
}

fn within(timeout: Duration, ready: Option<&str>, start: &str) -> How {
    How::Start(Server { ready: ready.map(str::to_owned), ready_timeout: timeout, ..Server::new(start) })
}

const SOON: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_answer_of_the_start_page_below_500_is_ready() {
    for (status, headers) in [(204, ""), (301, "location: /login"), (401, ""), (403, ""), (404, "")] {
        let house = House::new();
        let made = house.deploy(&app(&answering(status, headers, "")), &digest('a'), &[]).await;
        assert!(made.is_ok(), "{status}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ready_in_time_says_what_it_answered() {
    for (how, expected) in [
        (within(SOON, None, &answering(503, "", "")), "not ready at / within 1.5s: it answered 503 at /"),
        (
            within(SOON, Some("/health"), &answering(301, "location: /login", "")),
            "not ready at /health within 1.5s: it answered 301 to /login at /health",
        ),
        (within(SOON, None, "exec sleep 600"), "connection refused: nothing listens on 127.0.0.1:"),
    ] {
        let house = House::new();
        let err = house.deploy(&how, &digest('a'), &[]).await.expect_err("it is not ready");
        assert!(matches!(err, StagingError::NotReady(_)), "{err:?}");
        assert!(err.to_string().contains(expected), "{err}");
        assert!(!house.file("").exists(), "nothing of it is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_asked_under_the_name_that_it_expects() {
    let house = House::new();
    let (source, log, revision) = (house.source(&[]), house.log(), digest('a'));
    let how = within(Duration::from_secs(60), Some("/health"), &answering(200, "", "shop.example"));
    let task = id(1);
    let named = Deploy { host: Some("shop.example"), ..deploy(&task, &revision, &source, &how, &log) };
    let made = house.staging.deploy(named, &CancellationToken::new()).await;
    assert!(made.is_ok(), "{made:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_says_how_with_the_end_of_its_log() {
    let house = House::new();
    let died = house.deploy(&app("echo cannot find module x; exit 3"), &digest('a'), &[]).await;
    let Err(StagingError::Failed(failure)) = died else { panic!("{died:?}") };
    assert_eq!(failure.summary, "the server ended before it was ready (exit code 3)");
    assert_eq!(failure.log_end, "cannot find module x\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_another_process_took_is_not_the_commits_fault() {
    let house = House::new();
    let how = How::Start(Server {
        build: Some("mkfifo wait".to_owned()),
        ..Server::new("echo $PORT > port; read line < wait; exit 1")
    });
    let taken = async {
        let port = house.file("files/port");
        let number = pid_in(&port).await;
        let listener = std::net::TcpListener::bind(("127.0.0.1", u16::try_from(number).expect("a port")));
        let_go(&house.file("files/wait")).await;
        listener.expect("it is free")
    };
    let revision = digest('a');
    let (made, _held) = tokio::join!(house.deploy(&how, &revision, &[]), taken);
    assert!(matches!(made, Err(StagingError::Passing(_))), "{made:?}");
}
