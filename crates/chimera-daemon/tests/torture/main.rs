//! Torture of real daemons, in a program of its own: leases of two seconds need a machine that is not busy otherwise.
//!
//! One test at a time, so that no two share the processors: each planted bug must be found, and then nothing;
//! [`takeover`] shows what becomes of the work of a daemon that is killed or frozen.

#[path = "../../../chimera-store/tests/it/scratch.rs"]
mod scratch;
mod takeover;

use serde_json::Value;
use std::process::Command;
use tokio::sync::Mutex;

/// Held by the one test that runs.
static TURN: Mutex<()> = Mutex::const_new(());

/// How long each torture lasts.
const SECONDS: &str = "12";
/// The same where a bug is planted.
const SECONDS_FOR_A_BUG: &str = "4";
/// The same where its moment has to come: a daemon is frozen about once a second, and one in ten of them has a result in hand.
const SECONDS_FOR_A_RARE_BUG: &str = "10";
/// The bugs that show themselves whatever moments come.
const SURE: [&str; 10] = [
    "double-claim",
    "lost-journal",
    "lost-commit",
    "repeated-result",
    "forgotten-cancel",
    "forgotten-pause",
    "miscount",
    "stale-state",
    "forgotten-key",
    "restless",
];
/// The bugs whose moment may not come in one run: a daemon has to freeze with a result in hand, or to live for two leases.
const RARE: [&str; 3] = ["no-fence", "rescue-alive", "deaf-heartbeat"];
/// What ails the database for longer than a lease: a short run has one of them.
const AILMENTS: [&str; 5] =
    ["database frozen", "database slow", "database unreachable", "database read-only", "answers lost"];
/// Runs that those have to show themselves in, and the others: the machine may be too busy for much to happen in one.
const TRIES: usize = 6;
const SURE_TRIES: usize = 2;

/// The binary, in an environment in which nothing of the developer's leads it elsewhere: no `CHIMERA_*`, no proxy.
fn binary() -> Command {
    /// What a coverage tool hands on begins so.
    const MEASURING: &str = "LLVM_";
    let kept =
        |name: &str| matches!(name, "PATH" | "HOME" | "TMPDIR" | "LANG") || name.starts_with(MEASURING);
    let mut command = Command::new(env!("CARGO_BIN_EXE_chimera-daemon"));
    command.env_clear().envs(std::env::vars().filter(|(name, _)| kept(name)));
    command
}

fn torture(seconds: &str, more: &[&str]) -> Value {
    run(&[&["torture", "--json", "--seconds", seconds], more].concat())
}

fn run(how: &[&str]) -> Value {
    let output = binary().args(how).output().expect("it runs");
    let told = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    serde_json::from_slice(told)
        .unwrap_or_else(|err| panic!("{how:?}: {err}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn violations(findings: &Value) -> &[Value] {
    findings["violations"].as_array().expect("a list")
}

#[test]
fn every_planted_bug_is_found_and_nothing_else() {
    let _turn = TURN.blocking_lock();
    let sure = SURE.map(|bug| (bug, SURE_TRIES, SECONDS_FOR_A_BUG));
    for (bug, tries, seconds) in sure.into_iter().chain(RARE.map(|bug| (bug, TRIES, SECONDS_FOR_A_RARE_BUG)))
    {
        let planted = || torture(seconds, &["--plant", bug]);
        let found = (0..tries).any(|_| !violations(&planted()).is_empty());
        assert!(found, "{bug} was not found in {tries} runs");
    }
    // Two versions on one database, as far as a test can have two.
    let (dir, program) = (tempfile::tempdir().expect("a directory"), env!("CARGO_BIN_EXE_chimera-daemon"));
    let other = dir.path().join("another-version");
    std::fs::copy(program, &other).expect("copied");
    let other = ["--database", "postgres", "--other-binary", other.to_str().expect("a plain path")];
    let disasters = [(&[][..], &["disk filled", "clock set"][..]), (&other, &["server restarted"])];
    for (how, disasters) in disasters {
        let findings = torture(SECONDS, how);
        assert_eq!(violations(&findings), [] as [Value; 0], "{findings}");
        let number = |what: &str| findings[what].as_u64().unwrap_or(0);
        let ended = number("completed") + number("pruned");
        assert!(ended > 50 && number("rescues") > 0, "too little happened: {findings}");
        let done = |what: &&str| findings["done"][*what].as_u64().is_some();
        assert!(disasters.iter().all(done), "{findings}");
        assert!(AILMENTS.iter().any(done), "{findings}");
        let two = findings["claims"].as_array().expect("of two versions");
        let claims = two.iter().filter(|claims| claims.as_u64() > Some(0)).count();
        assert_eq!(claims, if how.is_empty() { 1 } else { 2 }, "{findings}");
    }
}

#[test]
fn what_was_answered_survives_power_cuts_and_a_daemon_that_does_not_sync_is_found() {
    let _turn = TURN.blocking_lock();
    let honest = run(&["torture", "--json", "--power-cuts", "4"]);
    if let Some(why) = honest["error"].as_str().filter(|why| why.contains("only as root")) {
        return eprintln!("not tried here: {why}");
    }
    assert_eq!(violations(&honest), [] as [Value; 0], "{honest}");
    assert_eq!(honest["cuts"], 4, "{honest}");
    assert!(honest["accepted"].as_u64() > Some(0), "{honest}");
    let planted = run(&["torture", "--json", "--power-cuts", "4", "--plant", "unsynced"]);
    assert!(!violations(&planted).is_empty(), "{planted}");
}
