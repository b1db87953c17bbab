//! What removes a cluster once the process that made it has ended, however that was: a process of its own, to which the
//! other one's end is the end of its input. Should that one be ended as well, the next trial removes what it finds.

use super::Cluster;
use super::network::Network;
use anyhow::{Context, Result, bail};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The process; dropping it has it do its work.
pub(super) struct Guard {
    child: Child,
    dir: PathBuf,
}

impl Guard {
    /// Sets one for the cluster in a directory.
    pub(super) fn set(dir: &Path) -> Result<Self> {
        // In a session of its own: what interrupts the others from the terminal is not meant for it.
        let mut command = Command::new("setsid");
        command.arg(std::env::current_exe()?).arg("patroni-guard").arg(dir);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self { child: child.context("setsid cannot be started")?, dir: dir.to_owned() })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let done = self.child.wait().is_ok_and(|status| status.success());
        if !done && let Ok(cluster) = Cluster::at(&self.dir) {
            cluster.remove();
        }
    }
}

/// Waits for the end of its input, then removes the cluster.
pub(crate) fn stand_guard(args: &[String]) -> Result<()> {
    let [dir] = args else { bail!("give the directory of the cluster") };
    let cluster = Cluster::at(Path::new(dir))?;
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    cluster.remove();
    Ok(())
}

/// Whose a cluster is, and where its files are: the number of this process, when it was started, and the directory.
pub(super) fn note(dir: &Path) -> Result<String> {
    let own = std::process::id();
    let started = started(own).context("/proc does not tell when this process was started")?;
    Ok(format!("{own} {started} {}", dir.display()))
}

/// Removes the clusters whose makers are gone.
pub(super) fn remove_stale() {
    for (network, note) in Network::existing() {
        let mut words = note.splitn(3, ' ');
        let (Some(maker), Some(began), Some(dir)) = (words.next(), words.next(), words.next()) else {
            continue; // Not ours, or not yet noted.
        };
        let lives = maker.parse().ok().and_then(started).is_some_and(|started| started == began);
        if !lives {
            eprintln!("xtask: removing a cluster that an earlier run left: {note}");
            match Cluster::at(Path::new(dir)) {
                Ok(cluster) if cluster.network.number() == network.number() => cluster.remove(),
                _ => network.remove(), // Its files are gone already.
            }
        }
    }
}

/// When a process was started, in ticks since the machine was.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may have spaces and brackets in it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}
