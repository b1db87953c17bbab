//! What builds and servers print: as much as they like.

use super::*;

/// Prints its whole life: 40 MiB of numbered lines, then serves.
const CHATTY: &str = "exec python3 -c '
import http.server, os, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == \"/busy\":
            for number in range(40 * 16):
                sys.stderr.write((\"%07d \" % number) + \"x\" * 65500 + \"\\n\")
            sys.stderr.write(\"the last line\\n\")
        super().do_GET()
    def log_message(self, *_): pass
print(\"the first line\", flush=True)
http.server.ThreadingHTTPServer((\"127.0.0.1\", int(os.environ[\"PORT\"])), Handler).serve_forever()'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_talks_a_lot_lives_on_and_its_log_keeps_both_ends() {
    let house = House::new();
    let made = house.deploy(&app(CHATTY), &digest('a'), &[]).await.expect("up");
    let mark = house.staging.log_mark(&id(1));
    fetch(&made.url, "/busy").await;
    // tidy: polls: the log is written by the daemon as it reads a pipe, and nothing tells when it has caught up
    let caught_up = async {
        while !house.staging.log_since(&id(1), &mark, 100).ends_with("the last line\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TTL, caught_up).await.expect("the server lives on and its log grows");
    assert!(fetch(&made.url, "/").await.contains("200"), "it is still there");
    let log = std::fs::read(house.log()).expect("a log");
    assert!(log.len() < 20 << 20, "{}", log.len());
    let text = String::from_utf8(log).expect("text");
    assert!(text.starts_with("the first line\n0000000 "), "{}", &text[..100]);
    let marks: Vec<&str> = text.lines().filter(|line| line.contains("left out here")).collect();
    assert_eq!(marks.len(), 1, "{marks:?}");
    assert!(text.ends_with("x\nthe last line\n"));
    assert!(!house.dir.path().join("log.cut").exists());
}

#[tokio::test]
async fn a_build_that_talks_a_lot_goes_on() {
    let house = House::new();
    let build = "head -c 40000000 /dev/zero | tr '\\0' x | fold -w 1000; echo built > index.html";
    let how = How::Static { static_dir: ".".to_owned(), build: Some(build.to_owned()) };
    house.deploy(&how, &digest('a'), &[]).await.expect("it is built");
    assert!(std::fs::metadata(house.log()).expect("a log").len() < 20 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_printed_since_a_moment_can_be_read_also_after_its_end() {
    let house = House::new();
    let how = app("exec python3 -c '
import http.server, os
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == \"/crash\":
            print(\"Traceback: NameError\", flush=True)
            os._exit(1)
        super().do_GET()
print(\"begun\", flush=True)
http.server.ThreadingHTTPServer((\"127.0.0.1\", int(os.environ[\"PORT\"])), Handler).serve_forever()'");
    let made = house.deploy(&how, &digest('a'), &[]).await.expect("up");
    assert!(house.staging.log_since(&id(1), &Default::default(), 1000).starts_with("begun\n"));
    // The readiness question is logged when its answer was sent: the mark must come after that line.
    let until = |text: &'static str, mark: chimera_agent::staging::LogMark| {
        let staging = house.staging.clone();
        async move {
            // tidy: polls: the log is written by the daemon as it reads a pipe, and nothing tells when it has caught up
            while !staging.log_since(&id(1), &mark, 1000).contains(text) {
                tokio::task::yield_now().await;
            }
        }
    };
    until("GET / ", Default::default()).await;
    let mark = house.staging.log_mark(&id(1));
    assert_eq!(fetch(&made.url, "/crash").await, "");
    until("NameError", mark.clone()).await;
    assert_eq!(house.staging.log_since(&id(1), &mark, 1000), "Traceback: NameError\n");
    assert_eq!(house.staging.log_since(&id(2), &mark, 1000), "", "of another task");
}
