//! The daemon as the first process of a container that has no init.
//!
//! Whatever loses its parent becomes a child of process 1, which has to reap it, or the remains pile up. Here process 1 does that and
//! nothing else: the daemon is a child of it, gets its signals, and gives it its exit code.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};

/// What is handed on: all by which people and supervisors end or question a daemon.
const HANDED_ON: [Signal; 6] =
    [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// If this is process 1: runs the daemon as a child to its end, and gives its exit code.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn serve() -> Result<Option<u8>> {
    if std::process::id() != 1 {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the child is there, so that none of its signals is missed.
        let (mut signals, mut ended) = (handed_on()?, signal(SignalKind::child())?);
        // Itself, even if it was replaced meanwhile; in a group of its own, or a terminal's Ctrl-C would reach it twice.
        let mut command = Command::new("/proc/self/exe");
        command.args(std::env::args_os().skip(1)).process_group(0);
        let child = command.spawn().context("process 1 cannot start the daemon below it")?;
        let child = Pid::from_child(&child);
        loop {
            if let Some(code) = reap(child) {
                return Ok(Some(code));
            }
            tokio::select! {
                _ = ended.recv() => (),
                Some(signal) = signals.recv() => drop(rustix::process::kill_process(child, signal)),
            }
        }
    })
}

fn handed_on() -> Result<Receiver<Signal>> {
    let (tell, told) = mpsc::channel(HANDED_ON.len());
    for handed in HANDED_ON {
        let mut signals = signal(SignalKind::from_raw(handed.as_raw()))?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _ = tell.send(handed).await;
            }
        });
    }
    Ok(told)
}

/// Reaps everything that has ended; the exit code of the daemon if it is among that.
fn reap(daemon: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == daemon {
            code = Some(code_of(status));
        }
    }
    code
}

/// As shells tell it: 128 and the number of a signal.
fn code_of(status: WaitStatus) -> u8 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    u8::try_from(status.exit_status().or(signal).unwrap_or(1)).unwrap_or(1)
}
