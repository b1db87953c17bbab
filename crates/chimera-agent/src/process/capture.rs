//! Processes whose output is an answer to the daemon, such as git: kept in memory, up to a bound.

use super::{Exit, mark};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

/// Time between TERM and KILL: git removes its lock files meanwhile.
const GRACE: Duration = Duration::from_secs(1);
/// How long output is still read once the process has ended: whoever holds the pipe then is none of its own.
const DRAIN: Duration = Duration::from_secs(2);
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Bytes kept of what it writes to standard error; the rest is read and dropped.
const COMPLAINT_BYTES: usize = 64 * 1024;

/// A process to ask.
#[derive(Debug, Clone)]
pub struct Question {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Working directory.
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads on standard input before the end of file.
    pub stdin: Vec<u8>,
    /// Wall clock limit.
    pub timeout: Duration,
    /// Most bytes taken from its standard output; more ends it at once.
    pub output_cap: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub out: Vec<u8>,
    /// The beginning of its standard error.
    pub err: Vec<u8>,
}

/// Runs a process to its end, or ends it with everything that it started.
///
/// # Errors
/// What the system says if it cannot be started.
pub async fn capture(question: &Question, stop: &CancellationToken) -> std::io::Result<Captured> {
    let mark = mark::new();
    let mut words = question.argv.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words).current_dir(&question.cwd);
    command.env_clear().envs(question.env.iter().cloned()).env(mark::VARIABLE, &mark).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    feed(child.stdin.take(), question.stdin.clone());
    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let mut asked = Asked { child, group, mark };
    let mut heard = Heard { out: Vec::new(), err: Vec::new(), cap: question.output_cap };
    let exit = tokio::select! {
        biased;
        () = stop.cancelled() => Exit::Stopped,
        () = tokio::time::sleep(question.timeout) => Exit::TimedOut,
        exit = heard.listen(&mut asked.child) => exit,
    };
    asked.end(&exit).await;
    Ok(Captured { exit, out: heard.out, err: heard.err })
}

/// Writes its standard input beside everything else: a process that never reads it must not hold us up.
fn feed(stdin: Option<ChildStdin>, bytes: Vec<u8>) {
    if let Some(mut stdin) = stdin.filter(|_| !bytes.is_empty()) {
        tokio::spawn(async move {
            let _ = stdin.write_all(&bytes).await;
        });
    }
}

/// The process and what it started. Dropping it ends them.
struct Asked {
    child: Child,
    group: Option<Pid>,
    mark: String,
}

impl Asked {
    /// Ends whatever is left. A process that ended by itself has left nothing that only the mark would find.
    async fn end(&mut self, exit: &Exit) {
        let by_itself = matches!(exit, Exit::Code(_));
        if !by_itself {
            self.signal(Signal::TERM);
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        }
        self.signal(Signal::KILL);
        self.group = None;
        if !by_itself {
            mark::end_marked(&self.mark);
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.group.is_some() {
            self.signal(Signal::KILL);
            mark::end_marked(&self.mark);
        }
    }
}

/// What was heard from a process so far.
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    cap: u64,
}

impl Heard {
    /// Reads both of its outputs until they are closed and it has ended.
    async fn listen(&mut self, child: &mut Child) -> Exit {
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let mut status: Option<ExitStatus> = None;
        let (mut chunk, mut complaint) = (vec![0; CHUNK], vec![0; CHUNK]);
        while status.is_none() || out.is_some() || err.is_some() {
            let drained = status.is_some();
            tokio::select! {
                length = read(&mut out, &mut chunk), if out.is_some() => {
                    if (self.out.len() + length) as u64 > self.cap {
                        return Exit::Flooded;
                    }
                    self.out.extend_from_slice(&chunk[..length]);
                }
                length = read(&mut err, &mut complaint), if err.is_some() => {
                    let room = COMPLAINT_BYTES.saturating_sub(self.err.len());
                    self.err.extend_from_slice(&complaint[..length.min(room)]);
                }
                ended = child.wait(), if status.is_none() => match ended {
                    Ok(ended) => status = Some(ended),
                    Err(_) => return Exit::Signal(0),
                },
                () = tokio::time::sleep(DRAIN), if drained => break,
            }
        }
        super::supervise::ended(status)
    }
}

/// Reads some of a pipe; forgets the pipe once it is closed.
async fn read<P: AsyncRead + Unpin>(pipe: &mut Option<P>, chunk: &mut [u8]) -> usize {
    let Some(open) = pipe else { return 0 };
    let length = open.read(chunk).await.unwrap_or(0);
    if length == 0 {
        *pipe = None;
    }
    length
}
