//! The git program, with settings that no repository and no user configuration can change.

use super::WorkspaceError;
use chimera_core::Digest;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Longest run of one git command: a first clone over a slow line.
const TIMEOUT: Duration = Duration::from_secs(600);
/// Most bytes taken from one git command: the largest diff that is kept.
const OUTPUT_BYTES: u64 = 64 << 20;
/// Bytes of git's complaint that are passed on.
const COMPLAINT_BYTES: usize = 1000;

/// Given before every command. Hooks and monitors would run a repository's programs in the daemon's name.
const SETTINGS: [&str; 10] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "safe.directory=*",
    "advice.addEmbeddedRepo=false",
    "protocol.ext.allow=never",
];

/// Git, pointed at a repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    dir: PathBuf,
    bare: bool,
    work_tree: Option<PathBuf>,
    index: Option<PathBuf>,
}

impl Git {
    /// In a directory that has, or gets, a repository of its own.
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), bare: false, work_tree: None, index: None }
    }

    /// On a bare repository.
    pub(super) fn bare(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), bare: true, work_tree: None, index: None }
    }

    /// The same repository, with files of this directory, whatever a `.git` in there says.
    pub(super) fn with_work_tree(&self, work_tree: &Path) -> Self {
        Self { work_tree: Some(work_tree.to_owned()), ..self.clone() }
    }

    /// The same, with an index of its own.
    pub(super) fn with_index(&self, index: &Path) -> Self {
        Self { index: Some(index.to_owned()), ..self.clone() }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs a command and gives its output.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
    ) -> Result<Vec<u8>, WorkspaceError> {
        let failed = |detail: String| WorkspaceError::Git { action: action.to_owned(), detail };
        let mut child =
            self.command().args(args).spawn().map_err(|err| failed(format!("cannot start git: {err}")))?;
        let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed("no output".to_owned()));
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut stdout = stdout.take(OUTPUT_BYTES + 1);
        let talk =
            async { tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err), child.wait()) };
        let (read, _, status) = tokio::time::timeout(TIMEOUT, talk)
            .await
            .map_err(|_| failed(format!("not done after {TIMEOUT:?}")))?;
        read?;
        if out.len() as u64 > OUTPUT_BYTES {
            return Err(failed(format!("more than {OUTPUT_BYTES} bytes of output")));
        }
        if !status?.success() {
            let mut complaint = String::from_utf8_lossy(&err).trim().to_owned();
            chimera_core::limits::truncate(&mut complaint, COMPLAINT_BYTES);
            return Err(failed(complaint));
        }
        Ok(out)
    }

    /// Runs a command whose output is one line.
    pub(super) async fn line<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
    ) -> Result<String, WorkspaceError> {
        Ok(String::from_utf8_lossy(&self.run(action, args).await?).trim().to_owned())
    }

    /// Whether a commit is there.
    pub(super) async fn has(&self, commit: &Digest) -> bool {
        self.commit_at(commit.as_str()).await.is_ok()
    }

    /// The commit that a branch is at, if there is such a branch.
    pub(super) async fn head_of(&self, branch: &str) -> Option<Digest> {
        self.commit_at(&format!("refs/heads/{branch}")).await.ok()
    }

    /// The commit that a revision names.
    pub(super) async fn commit_at(&self, revision: &str) -> Result<Digest, WorkspaceError> {
        let line = self
            .line(
                "rev-parse",
                &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")],
            )
            .await?;
        Digest::parse(&line)
            .map_err(|err| WorkspaceError::Git { action: "rev-parse".to_owned(), detail: err.to_string() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if self.bare {
            command.arg("--git-dir").arg(&self.dir);
        }
        if let Some(work_tree) = &self.work_tree {
            command.arg("--work-tree").arg(work_tree).current_dir(work_tree);
        } else {
            command.current_dir(&self.dir);
        }
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent");
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ]);
        command.envs([("GIT_AUTHOR_NAME", "Chimera"), ("GIT_AUTHOR_EMAIL", "chimera@localhost")]);
        command.envs([("GIT_COMMITTER_NAME", "Chimera"), ("GIT_COMMITTER_EMAIL", "chimera@localhost")]);
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}
