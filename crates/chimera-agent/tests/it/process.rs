//! Supervision, tried on real processes.

use chimera_agent::process::{Exit, Identity, Server, SpawnError, Spec, is_passing, run};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);

fn shell(dir: &Path, script: &str) -> Spec {
    Spec {
        argv: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
        cwd: dir.to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        stdin: Vec::new(),
        log: dir.join("log"),
        timeout: LONG,
        stall: None,
        grace: Duration::from_millis(200),
        output_cap: 1 << 20,
    }
}

async fn ends(spec: &Spec) -> (Exit, String) {
    let exit = run(spec, &CancellationToken::new()).await.expect("it starts");
    (exit, std::fs::read_to_string(&spec.log).expect("a log"))
}

/// The process that wrote its id into a file of the directory; waits until the file is whole.
async fn pid_in(path: &Path) -> Identity {
    let read = async {
        loop {
            if let Some(pid) =
                std::fs::read_to_string(path).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok())
            {
                return Identity::of(pid);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, read).await.expect("the id is written")
}

#[tokio::test]
async fn output_and_code_of_a_process_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (exit, log) = ends(&shell(dir.path(), "echo one; echo two >&2; exit 3")).await;
    assert_eq!((exit, log.as_str()), (Exit::Code(3), "one\ntwo\n"));
}

#[test]
fn a_full_machine_is_told_from_what_no_waiting_repairs() {
    use rustix::io::Errno;
    let passing = |errno: Errno| is_passing(&errno.into());
    for full in
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC, Errno::DQUOT, Errno::AGAIN, Errno::TXTBSY]
    {
        assert!(passing(full), "{full}");
    }
    for wrong in [Errno::NOENT, Errno::ACCESS, Errno::NOTDIR, Errno::TOOBIG, Errno::NOEXEC, Errno::LOOP] {
        assert!(!passing(wrong), "{wrong}");
    }
}

#[tokio::test]
async fn a_program_that_is_still_being_written_may_start_later() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::copy("/bin/true", &program).unwrap();
    let held = std::fs::File::options().append(true).open(&program).unwrap();
    let spec = Spec { argv: vec!["./program".to_owned()], ..shell(dir.path(), "") };
    let err = run(&spec, &CancellationToken::new()).await.expect_err("it cannot start yet");
    assert!(is_passing(err.io()), "{err}");
    drop(held);
    assert_eq!(run(&spec, &CancellationToken::new()).await.expect("it starts"), Exit::Code(0));
}

#[tokio::test]
async fn standard_input_is_fed_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { stdin: b"hello".to_vec(), ..shell(dir.path(), "cat") };
    assert_eq!(ends(&spec).await, (Exit::Code(0), "hello".to_owned()));
}

#[tokio::test]
async fn a_process_that_never_reads_its_input_does_not_hold_us_up() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { stdin: vec![b'x'; 4 << 20], ..shell(dir.path(), "echo done") };
    assert_eq!(ends(&spec).await, (Exit::Code(0), "done\n".to_owned()));
}

#[tokio::test]
async fn the_environment_is_made_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (_, log) = ends(&shell(dir.path(), "env")).await;
    let names: Vec<&str> = log.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"PATH") && names.contains(&"CHIMERA_RUN_ID"), "{names:?}");
    let own = ["PATH", "CHIMERA_RUN_ID", "PWD", "SHLVL", "_", "OLDPWD"];
    assert!(names.iter().all(|name| own.contains(name)), "nothing of ours leaks: {names:?}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { argv: vec!["./no-such-agent".to_owned()], ..shell(dir.path(), "") };
    match run(&spec, &CancellationToken::new()).await {
        Err(SpawnError::Program { program, .. }) => assert_eq!(program, "./no-such-agent"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hanging_process_is_ended_by_the_clock() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { timeout: Duration::from_millis(100), ..shell(dir.path(), "sleep 600") };
    assert_eq!(ends(&spec).await.0, Exit::TimedOut);
}

#[tokio::test]
async fn a_silent_process_is_ended_by_its_silence() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { stall: Some(Duration::from_millis(300)), ..shell(dir.path(), "echo begun; sleep 600") };
    assert_eq!(ends(&spec).await, (Exit::Stalled, "begun\n".to_owned()));
}

#[tokio::test]
async fn a_flood_is_ended_and_capped() {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec { output_cap: 10_000, ..shell(dir.path(), "yes") };
    let (exit, log) = ends(&spec).await;
    assert_eq!((exit, log.len()), (Exit::Flooded, 10_000));
}

#[tokio::test]
async fn a_process_deaf_to_term_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done";
    let spec = shell(dir.path(), script);
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (spec, stop) = (spec.clone(), stop.clone());
        async move { run(&spec, &stop).await }
    });
    let process = pid_in(&dir.path().join("pid")).await;
    stop.cancel();
    assert_eq!(running.await.unwrap().unwrap(), Exit::Stopped);
    assert!(!process.is_alive());
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_output_open_neither_holds_us_up_nor_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let (exit, _) = ends(&shell(dir.path(), "sleep 600 & echo $! > pid; exit 0")).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(!pid_in(&dir.path().join("pid")).await.is_alive());
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'echo $$ > pid; exec sleep 600' & while ! [ -s pid ]; do :; done; exit 0";
    let (exit, _) = ends(&shell(dir.path(), script)).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(!pid_in(&dir.path().join("pid")).await.is_alive());
}

#[tokio::test]
async fn dropping_a_run_ends_its_processes() {
    let dir = tempfile::tempdir().unwrap();
    let spec = shell(dir.path(), "echo $$ > pid; exec sleep 600");
    let running = tokio::spawn(async move { run(&spec, &CancellationToken::new()).await });
    let process = pid_in(&dir.path().join("pid")).await;
    running.abort();
    assert!(running.await.is_err());
    let gone = async {
        while process.is_alive() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it ends");
}

#[tokio::test]
async fn a_server_lives_until_it_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(shell(dir.path(), "exec sleep 600")).unwrap();
    let process = server.identity().clone();
    assert!(process.is_alive() && server.exit().is_none());
    server.stop().await;
    assert!(process.is_gone());
}

#[tokio::test]
async fn the_early_end_of_a_server_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(shell(dir.path(), "exit 7")).unwrap();
    assert_eq!(server.ended().await, Some(Exit::Code(7)));
}

#[test]
fn an_identity_survives_its_text_form() {
    let me = Identity::current();
    assert_eq!(Identity::parse(&me.to_string()), Some(me.clone()));
    assert!(me.is_alive() && !me.is_gone());
    let other_start = me.to_string().replacen(':', ":9", 1);
    assert!(Identity::parse(&other_start).is_some_and(|other| other.is_gone()), "the id alone is not enough");
    let other_boot = Identity::parse("1:1:00000000:1").unwrap();
    assert!(!other_boot.is_alive() && !other_boot.is_gone(), "nothing is known of another boot");
}
