//! What the kernel holds a run to: `chimera_fence.py` starts it behind Landlock, where there is one.

use crate::toolchain::Toolchain;
use std::path::{Path, PathBuf};

/// The script that builds the fence and then becomes the test runner.
pub(super) const SCRIPT: &str = include_str!("chimera_fence.py");

/// What every program of the system reads. Of `/etc`, only what tells fonts, names and certificates.
const SYSTEM: [&str; 21] = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/opt",
    "/sys",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/chromium",
    "/etc/chromium.d",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    "/var/cache/fontconfig",
];
/// What Chromium writes to outside of its directories: shared memory, its processes' own settings. Other
/// processes' secrets in `/proc` stay closed: Landlock keeps its domain from looking into others.
const SHARED: [&str; 2] = ["/dev", "/proc"];

/// The arguments that put `command` behind the fence: it may write below `room` and reach `port` on this machine.
pub(super) fn behind(
    tools: &Toolchain,
    script: &Path,
    room: &Path,
    note: &Path,
    port: u16,
    command: Vec<String>,
) -> Vec<String> {
    let mut read: Vec<PathBuf> = SYSTEM.map(PathBuf::from).to_vec();
    read.extend([&tools.python, &tools.chromium].into_iter().flat_map(|program| homes(program)));
    read.extend(tools.playwright_test.iter().map(|installed| installed.dir.clone()));
    read.extend(tools.video.iter().flat_map(|dir| programs_in(dir)));
    let write: Vec<PathBuf> = SHARED.iter().map(PathBuf::from).chain([room.to_owned()]).collect();
    let plan = serde_json::json!({ "port": port, "read": read, "write": write, "note": note });
    let mut argv: Vec<String> = [&*tools.python.to_string_lossy(), "-I", "-S"].map(str::to_owned).to_vec();
    argv.extend([script.display().to_string(), plan.to_string()]);
    argv.extend(command);
    argv
}

/// A directory of links to programs, and where they lead.
fn programs_in(dir: &Path) -> Vec<PathBuf> {
    let versions = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let entries =
        versions.flat_map(|version| std::fs::read_dir(version.path()).into_iter().flatten().flatten());
    let real = entries.filter_map(|entry| std::fs::canonicalize(entry.path()).ok());
    real.chain([dir.to_owned()]).collect()
}

/// The directories that a program and what belongs to it lie in, as it is named and as links lead to it.
fn homes(program: &Path) -> Vec<PathBuf> {
    let above = |path: &Path| path.ancestors().nth(2).map(Path::to_owned);
    let real = std::fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    [above(program), above(&real)].into_iter().flatten().filter(|dir| dir != Path::new("/")).collect()
}
