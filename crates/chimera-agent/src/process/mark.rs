//! The mark that every process of a run carries in its environment, by which it is found wherever it went.
//!
//! A process group catches ordinary children. One that made a session of its own is still found by the
//! mark, after the run and, should the daemon die, at the next start: the mark names the daemon.

use super::Identity;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The variable that holds the mark.
pub(super) const VARIABLE: &str = "CHIMERA_RUN_ID";
/// Rounds of looking for marked processes: each catches what was forked during the one before.
const ROUNDS: u32 = 5;

/// A new mark: this daemon, and a random part.
pub(super) fn new() -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    format!("{}/{}", Identity::current(), random.trim())
}

/// Ends every process that carries this mark.
pub(super) fn end_marked(mark: &str) {
    end_where(|other| other == mark);
}

/// Ends every process that a daemon which is gone has left behind, and counts them.
pub fn reap_orphans() -> usize {
    end_where(|mark| {
        let daemon = mark.split_once('/').and_then(|(daemon, _)| Identity::parse(daemon));
        daemon.is_some_and(|daemon| daemon.is_gone())
    })
}

fn end_where(which: impl Fn(&str) -> bool) -> usize {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let found: Vec<Pid> =
            processes().filter(|pid| mark_of(*pid).is_some_and(|mark| which(&mark))).collect();
        if found.is_empty() {
            break;
        }
        ended += found.len();
        for pid in found {
            // Its group first: a child in it may have cleaned its environment.
            if rustix::process::getpgid(Some(pid)) == Ok(pid) {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    ended
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(move |pid| *pid != me)
        .filter_map(Pid::from_raw)
}

fn mark_of(pid: Pid) -> Option<String> {
    let environ = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let prefix = format!("{VARIABLE}=");
    let value = environ.split(|byte| *byte == 0).find_map(|var| var.strip_prefix(prefix.as_bytes()))?;
    String::from_utf8(value.to_vec()).ok()
}
