//! The environment of a subprocess: made from nothing, with what was let through.

use std::collections::BTreeMap;
use std::path::Path;

/// Where programs are looked for if the daemon itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The same for every agent and every command of a project: a neutral locale and time zone; a name for commits, without which git
/// refuses to make any; and no compiled Python files beside the sources, which would become part of a change.
const NEUTRAL: [(&str, &str); 8] = [
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("GIT_AUTHOR_NAME", "Chimera"),
    ("GIT_AUTHOR_EMAIL", "chimera@localhost"),
    ("GIT_COMMITTER_NAME", "Chimera"),
    ("GIT_COMMITTER_EMAIL", "chimera@localhost"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
];
/// Temporary files of a process, below its home: beside whatever tools keep there, and short, because names of sockets have
/// at most 107 bytes.
const TEMPORARY: &str = "tmp";

/// A fresh environment: `PATH` of the daemon, a neutral locale, time zone and git identity, `home` as `HOME`, a directory
/// in it for temporary files (made when a process starts), and the variables of the daemon that `let_through` names.
pub fn fresh(
    daemon: &BTreeMap<String, String>,
    let_through: &[String],
    home: &Path,
) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let path = daemon.get("PATH").cloned().unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let own = [("PATH", path), ("HOME", text(home)), ("TMPDIR", text(&home.join(TEMPORARY)))];
    let neutral = NEUTRAL.map(|(name, value)| (name, value.to_owned()));
    let mut environment: BTreeMap<String, String> =
        own.into_iter().chain(neutral).map(|(name, value)| (name.to_owned(), value)).collect();
    for name in let_through {
        if let Some(value) = daemon.get(name) {
            environment.insert(name.clone(), value.clone());
        }
    }
    environment
}

/// Makes the directory for temporary files that an environment names: most programs fail where there is none.
pub(super) fn make_temporary(environment: &BTreeMap<String, String>) -> std::io::Result<()> {
    environment.get("TMPDIR").map_or(Ok(()), std::fs::create_dir_all)
}
