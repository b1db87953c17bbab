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
const SECONDS: &str = "6";
/// The same where a bug is planted.
const SECONDS_FOR_A_BUG: &str = "4";
/// The bugs that show themselves whatever moments come.
const SURE: [&str; 9] = [
    "double-claim",
    "lost-journal",
    "lost-commit",
    "repeated-result",
    "forgotten-cancel",
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
    let output =
        binary().args(["torture", "--json", "--seconds", seconds]).args(more).output().expect("it runs");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|err| panic!("{more:?}: {err}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn violations(findings: &Value) -> &[Value] {
    findings["violations"].as_array().expect("a list")
}

#[test]
fn every_planted_bug_is_found_and_nothing_else() {
    let _turn = TURN.blocking_lock();
    for (bug, tries) in SURE.map(|bug| (bug, SURE_TRIES)).into_iter().chain(RARE.map(|bug| (bug, TRIES))) {
        let planted = || torture(SECONDS_FOR_A_BUG, &["--plant", bug]);
        let found = (0..tries).any(|_| !violations(&planted()).is_empty());
        assert!(found, "{bug} was not found in {tries} runs");
    }
    let disasters =
        [(&[][..], &["disk filled", "clock set"][..]), (&["--database", "postgres"], &["server restarted"])];
    for (database, disasters) in disasters {
        let findings = torture(SECONDS, database);
        assert_eq!(violations(&findings), [] as [Value; 0], "{findings}");
        let number = |what: &str| findings[what].as_u64().unwrap_or(0);
        let ended = number("completed") + number("pruned");
        assert!(ended > 50 && number("rescues") > 0, "too little happened: {findings}");
        let done = |what: &&str| findings["done"][*what].as_u64().is_some();
        assert!(disasters.iter().all(done), "{findings}");
        assert!(AILMENTS.iter().any(done), "{findings}");
    }
}
