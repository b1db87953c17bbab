//! One process from its start to the end of everything that it started.

use super::output::{Log, Output, Piece, WhenFull};
use super::{Exit, SpawnError, Spec, environment, mark};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// How long output is still read after everything was ended: what holds the pipe then is out of reach.
const DRAIN: Duration = Duration::from_secs(1);

/// How a process is told to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    /// TERM, and KILL after the grace.
    pub(super) asked: CancellationToken,
    /// KILL, without waiting for the grace.
    pub(super) now: CancellationToken,
}

/// A process that was started. Dropping it ends it and everything that it started.
pub(super) struct Started {
    child: Child,
    group: Option<Pid>,
    mark: String,
    output: Output,
}

pub(super) fn start(spec: &Spec, when_full: WhenFull) -> Result<Started, SpawnError> {
    let logged = |source| SpawnError::Log { path: spec.log.clone(), source };
    let log = Log::open(&spec.log, spec.output_cap, when_full).map_err(logged)?;
    let (reader, writer) = std::io::pipe().map_err(logged)?;
    let errors = writer.try_clone().map_err(logged)?;
    let mark = mark::new();
    let program = spec.argv.first().cloned().unwrap_or_default();
    environment::make_temporary(&spec.env)
        .map_err(|source| SpawnError::Program { program: program.clone(), source })?;
    let mut command = Command::new(resolve(&program, spec));
    command.args(spec.argv.iter().skip(1)).current_dir(&spec.cwd);
    command.env_clear().envs(&spec.env).env(mark::VARIABLE, &mark).process_group(0);
    command.stdin(Stdio::piped()).stdout(writer).stderr(errors).kill_on_drop(true);
    let mut child = command.spawn().map_err(|source| SpawnError::Program { program, source })?;
    // The command holds our copies of the pipe's write end.
    drop(command);
    feed(&mut child, spec.stdin.clone());
    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let pipe = pipe::Receiver::from_owned_fd(reader.into()).map_err(logged)?;
    Ok(Started { child, group, mark, output: Output::new(pipe, log) })
}

/// A relative program with a `/` is relative to the working directory of the process.
fn resolve(program: &str, spec: &Spec) -> std::path::PathBuf {
    if program.contains('/') { spec.cwd.join(program) } else { program.into() }
}

/// Writes its standard input beside everything else: a process that never reads it must not hold us up.
fn feed(child: &mut Child, bytes: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        tokio::spawn(async move {
            let _ = stdin.write_all(&bytes).await;
        });
    }
}

impl Started {
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// How many bytes it has printed so far.
    pub(super) fn printed(&self) -> Arc<AtomicU64> {
        self.output.printed()
    }

    /// Waits for the end, or brings it about.
    pub(super) async fn finish(mut self, spec: &Spec, stop: &Stop) -> Exit {
        let exit = self.watch(spec, &stop.asked).await;
        if !matches!(exit, Exit::Code(_) | Exit::Signal(_)) {
            self.signal(Signal::TERM);
            self.let_go(spec.grace, &stop.now).await;
        }
        self.end_everything();
        let _ = tokio::time::timeout(DRAIN, self.child.wait()).await;
        let _ = tokio::time::timeout(DRAIN, self.drain()).await;
        exit
    }

    async fn watch(&mut self, spec: &Spec, stop: &CancellationToken) -> Exit {
        let deadline = tokio::time::sleep(spec.timeout);
        tokio::pin!(deadline);
        let mut open = true;
        loop {
            let silence = tokio::time::sleep(spec.stall.unwrap_or(Duration::ZERO));
            tokio::select! {
                biased;
                () = stop.cancelled() => return Exit::Stopped,
                () = &mut deadline => return Exit::TimedOut,
                piece = self.output.read(), if open => match piece {
                    Piece::Some => {}
                    Piece::TooMuch => return Exit::Flooded,
                    Piece::End => open = false,
                },
                status = self.child.wait() => return ended(status.ok()),
                () = silence, if spec.stall.is_some() => return Exit::Stalled,
            }
        }
    }

    /// Reads on while the process ends within its grace.
    async fn let_go(&mut self, grace: Duration, now: &CancellationToken) {
        let grace = tokio::time::sleep(grace);
        tokio::pin!(grace);
        let mut open = true;
        loop {
            tokio::select! {
                _ = self.child.wait() => return,
                () = &mut grace => return,
                () = now.cancelled() => return,
                piece = self.output.read(), if open => open = matches!(piece, Piece::Some),
            }
        }
    }

    async fn drain(&mut self) {
        while matches!(self.output.read().await, Piece::Some) {}
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }

    /// KILL to the group, and to what left the group.
    fn end_everything(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
        mark::end_marked(&self.mark);
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.group.is_some() {
            self.end_everything();
        }
    }
}

pub(super) fn ended(status: Option<ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => Exit::Code(code),
        Some((None, Some(signal))) => Exit::Signal(signal),
        _ => Exit::Signal(0),
    }
}
