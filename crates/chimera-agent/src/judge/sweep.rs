//! Ends browsers that are left over.
//!
//! Playwright starts the browser in a process group of its own, so that ending the runner's group is not
//! always enough. Every process of a run has the run's own temporary directory in its environment, by which
//! it is found.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Kills every process whose `TMPDIR` is `tmp`. Where there is no `/proc`, browsers end by themselves when
/// the pipe to the runner closes.
pub(super) fn leftovers(tmp: PathBuf) {
    let mut marker = b"TMPDIR=".to_vec();
    marker.extend_from_slice(tmp.into_os_string().as_bytes());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|variable| variable == marker)
            && let Some(pid) = Pid::from_raw(pid)
        {
            // It may have ended in the meantime.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
