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
/// Runs that a planted bug has to show itself in: its moment may not come in one.
const TRIES: usize = 6;
const BUGS: [&str; 9] = [
    "no-fence",
    "double-claim",
    "rescue-alive",
    "deaf-heartbeat",
    "lost-journal",
    "lost-commit",
    "repeated-result",
    "forgotten-cancel",
    "miscount",
];

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

fn torture(more: &[&str]) -> Value {
    let output =
        binary().args(["torture", "--json", "--seconds", SECONDS]).args(more).output().expect("it runs");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|err| panic!("{more:?}: {err}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn violations(findings: &Value) -> &[Value] {
    findings["violations"].as_array().expect("a list")
}

#[test]
fn every_planted_bug_is_found_and_nothing_else() {
    let _turn = TURN.blocking_lock();
    for bug in BUGS {
        let found = (0..TRIES).any(|_| !violations(&torture(&["--plant", bug])).is_empty());
        assert!(found, "{bug} was not found in {TRIES} runs");
    }
    let disasters =
        [(&[][..], &["disk filled", "clock set"][..]), (&["--database", "postgres"], &["server restarted"])];
    for (database, disasters) in disasters {
        let findings = torture(database);
        assert_eq!(violations(&findings), [] as [Value; 0], "{findings}");
        let (completed, rescues) = (findings["completed"].as_u64(), findings["rescues"].as_u64());
        assert!(completed > Some(50) && rescues > Some(0), "too little happened: {findings}");
        let missing = disasters.iter().find(|what| findings["done"][**what].as_u64().is_none());
        assert_eq!(missing, None, "{findings}");
    }
}
