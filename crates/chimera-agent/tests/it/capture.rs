//! Processes whose output is an answer, tried on real ones.

use chimera_agent::process::{Captured, Exit, Identity, Question, capture};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn shell(dir: &Path, script: &str) -> Question {
    Question {
        argv: ["sh", "-c", script].map(Into::into).to_vec(),
        cwd: dir.to_owned(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        stdin: Vec::new(),
        timeout: Duration::from_secs(60),
        output_cap: 1 << 20,
    }
}

async fn asked(question: &Question) -> Captured {
    capture(question, &CancellationToken::new()).await.expect("it starts")
}

/// The process that wrote its id there.
fn pid_in(path: &Path) -> Identity {
    let text = std::fs::read_to_string(path).expect("it was written");
    Identity::of(text.trim().parse().expect("an id"))
}

/// Waits until it is gone: what was killed is seen until the system has come to it.
async fn gone(process: &Identity) {
    let gone = async {
        // tidy: polls: nobody tells when a process of somebody else is gone
        while process.is_alive() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it is gone");
}

#[tokio::test]
async fn both_outputs_and_the_code_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let question = Question { stdin: b"in".to_vec(), ..shell(dir.path(), "cat; echo bad >&2; exit 3") };
    let Captured { exit, out, err } = asked(&question).await;
    assert_eq!((exit, out.as_slice(), err.as_slice()), (Exit::Code(3), &b"in"[..], &b"bad\n"[..]));
}

#[tokio::test]
async fn a_flood_ends_at_once_with_everything_that_poured() {
    let dir = tempfile::tempdir().unwrap();
    let answer = asked(&shell(dir.path(), "sleep 600 & echo $! > pid; yes")).await;
    assert_eq!(answer.exit, Exit::Flooded);
    assert!(answer.out.len() <= 1 << 20);
    gone(&pid_in(&dir.path().join("pid"))).await;
}

#[tokio::test]
async fn complaints_are_read_to_their_end_and_kept_up_to_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let answer = asked(&shell(dir.path(), "head -c 5000000 /dev/zero >&2; echo out")).await;
    assert_eq!((answer.exit, answer.out.as_slice()), (Exit::Code(0), &b"out\n"[..]));
    assert!(answer.err.len() < 1 << 20);
}

#[tokio::test]
async fn a_stop_and_the_clock_end_it_with_what_fled_from_its_group() {
    let script =
        "setsid sh -c 'echo $$ > pid; exec sleep 600' & while ! [ -s pid ]; do :; done; echo ready; wait";
    for stopped in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let limit = if stopped { 60 } else { 5 };
        let question = Question { timeout: Duration::from_secs(limit), ..shell(dir.path(), script) };
        let ready = dir.path().join("pid");
        let stopping = async {
            // tidy: polls: the process writes the file when it is ready
            while stopped && std::fs::read_to_string(&ready).map_or(true, |text| !text.ends_with('\n')) {
                tokio::task::yield_now().await;
            }
            if stopped {
                stop.cancel();
            }
        };
        let (answer, ()) = tokio::join!(capture(&question, &stop), stopping);
        let expected = if stopped { Exit::Stopped } else { Exit::TimedOut };
        assert_eq!(answer.expect("it starts").exit, expected);
        gone(&pid_in(&dir.path().join("pid"))).await;
    }
}

#[tokio::test]
async fn a_process_that_left_a_pipe_open_does_not_hold_us_up() {
    let dir = tempfile::tempdir().unwrap();
    let answer = asked(&shell(dir.path(), "setsid sleep 600 & echo $! > pid; echo out")).await;
    assert_eq!((answer.exit, answer.out.as_slice()), (Exit::Code(0), &b"out\n"[..]));
    let left = pid_in(&dir.path().join("pid"));
    if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(left.pid()).unwrap()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
