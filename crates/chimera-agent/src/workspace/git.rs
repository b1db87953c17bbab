//! The git program: how it is started and ended, and what its answers mean.

use super::WorkspaceError;
use super::terms::Terms;
use crate::process::{Captured, Exit, Question, capture};
use chimera_core::Digest;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Most bytes taken from one git command: the largest diff that is kept.
const OUTPUT_BYTES: u64 = 64 << 20;
/// Bytes of git's complaint that are passed on.
const COMPLAINT_BYTES: usize = 1000;
/// The file in a clone that tells the next attempt to look after it.
const DAMAGED: &str = "chimera-damaged";
/// What git says of objects and references that are not what they were when they were written.
const DAMAGE: [&str; 15] = [
    " is corrupt",
    " is empty",
    "bad object",
    "bad tree object",
    "broken",
    "corrupt ",
    "could not parse",
    "does not match index",
    "inflate:",
    "missing blob",
    "missing object",
    "missing tree",
    "not a git repository",
    "unable to read tree",
    "unable to unpack",
];

/// Git, pointed at a repository.
#[derive(Debug, Clone)]
pub(super) struct Git {
    dir: PathBuf,
    bare: bool,
    work_tree: Option<PathBuf>,
    index: Option<PathBuf>,
    terms: Terms,
}

impl Git {
    /// In a directory that has, or gets, a repository of its own.
    pub(super) fn in_dir(dir: &Path, terms: &Terms) -> Self {
        Self { dir: dir.to_owned(), bare: false, work_tree: None, index: None, terms: terms.clone() }
    }

    /// On a bare repository.
    pub(super) fn bare(dir: &Path, terms: &Terms) -> Self {
        Self { bare: true, ..Self::in_dir(dir, terms) }
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

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Runs a command and gives its output.
    pub(super) async fn run<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
    ) -> Result<Vec<u8>, WorkspaceError> {
        self.fed(action, args, Vec::new()).await
    }

    /// Runs a command that reads this on its standard input, and gives its output.
    pub(super) async fn fed<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, WorkspaceError> {
        let captured = self.ask(action, args, stdin).await?;
        match captured.exit {
            Exit::Code(0) => Ok(captured.out),
            _ => Err(self.complaint(action, &captured.err)),
        }
    }

    /// Runs a command to whose end, good or bad, the exit code belongs.
    pub(super) async fn ask<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
        stdin: Vec<u8>,
    ) -> Result<Captured, WorkspaceError> {
        let failed = |detail: String| WorkspaceError::Git { action: action.to_owned(), detail };
        let question = Question {
            argv: self.argv(args),
            cwd: self.work_tree.as_ref().unwrap_or(&self.dir).clone(),
            env: self.terms.environment(self.index.as_deref()),
            stdin,
            timeout: self.terms.timeout,
            output_cap: OUTPUT_BYTES,
        };
        let captured = capture(&question, &self.terms.stop).await;
        let captured = captured.map_err(|err| self.not_started(&question.cwd, err))?;
        match captured.exit {
            Exit::Code(_) => Ok(captured),
            Exit::Stopped => Err(WorkspaceError::Stopped),
            Exit::Flooded => Err(WorkspaceError::TooLarge { action: action.to_owned(), bytes: OUTPUT_BYTES }),
            Exit::TimedOut | Exit::Stalled => {
                let limit = self.terms.timeout;
                Err(failed(format!("not done within {limit:?} (`git_timeout` of the project)")))
            }
            Exit::Signal(signal) => Err(failed(format!("it was ended by signal {signal}"))),
        }
    }

    /// Runs a command whose output is one line.
    pub(super) async fn line<S: AsRef<OsStr>>(
        &self,
        action: &str,
        args: &[S],
    ) -> Result<String, WorkspaceError> {
        Ok(String::from_utf8_lossy(&self.run(action, args).await?).trim().to_owned())
    }

    /// Whether a commit is there. That git could not find out is an error and no answer.
    pub(super) async fn has(&self, commit: &Digest) -> Result<bool, WorkspaceError> {
        let args = ["cat-file", "--batch-check"];
        let asked = self.ask("cat-file", &args, format!("{commit}\n").into_bytes()).await?;
        let said = String::from_utf8_lossy(&asked.out);
        let missing = said.trim_end().ends_with(" missing");
        if asked.exit != Exit::Code(0) || !asked.err.is_empty() || !(missing || said.contains(" commit ")) {
            return Err(self.complaint("cat-file", &asked.err));
        }
        let (folder, name) = commit.as_str().split_at(2);
        if missing && self.dir.join("objects").join(folder).join(name).try_exists()? {
            // It could not be opened: git says nothing else of a file that it has no descriptor left for.
            return Err(self.complaint("cat-file", format!("cannot open {commit}").as_bytes()));
        }
        Ok(!missing)
    }

    /// The commit that a branch is at, if there is such a branch. That git could not find out is an error.
    pub(super) async fn head_of(&self, branch: &str) -> Result<Option<Digest>, WorkspaceError> {
        let args = ["for-each-ref", "--format=%(objectname)", &format!("refs/heads/{branch}")];
        let asked = self.ask("for-each-ref", &args, Vec::new()).await?;
        if asked.exit != Exit::Code(0) || !asked.err.is_empty() {
            return Err(self.complaint("for-each-ref", &asked.err));
        }
        let line = String::from_utf8_lossy(&asked.out);
        line.lines().next().map(|line| digest("for-each-ref", line)).transpose()
    }

    /// The commit that a revision names.
    pub(super) async fn commit_at(&self, revision: &str) -> Result<Digest, WorkspaceError> {
        let revision = format!("{revision}^{{commit}}");
        let line = self.line("rev-parse", &["rev-parse", "--verify", "--end-of-options", &revision]).await?;
        digest("rev-parse", &line)
    }

    /// Whether something in the clone was found to be damaged since it was last looked after.
    pub(super) fn is_damaged(&self) -> bool {
        self.dir.join(DAMAGED).exists()
    }

    /// Forgets what was complained about until now.
    pub(super) fn forget_damage(&self) -> std::io::Result<()> {
        match std::fs::remove_file(self.dir.join(DAMAGED)) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(err),
            _ => Ok(()),
        }
    }

    /// What git complains about, in a bounded text without passwords. Damage of a clone is remembered there.
    pub(super) fn complaint(&self, action: &str, err: &[u8]) -> WorkspaceError {
        let mut detail = super::terms::redact(String::from_utf8_lossy(err).trim());
        chimera_core::limits::truncate(&mut detail, COMPLAINT_BYTES);
        let action = action.to_owned();
        if self.bare && DAMAGE.iter().any(|sign| detail.contains(sign)) {
            // If this cannot be written either, the next complaint will be remembered.
            let _ = std::fs::write(self.dir.join(DAMAGED), &detail);
            return WorkspaceError::Damaged { action, detail };
        }
        WorkspaceError::Git { action, detail }
    }

    /// Only a program that is not there stays away; everything else (descriptors, processes, memory) passes.
    fn not_started(&self, cwd: &Path, err: std::io::Error) -> WorkspaceError {
        if err.kind() == std::io::ErrorKind::NotFound && cwd.is_dir() {
            let path = self.terms.path();
            return WorkspaceError::Config(format!("there is no program `git` in {path}: install git"));
        }
        WorkspaceError::Start(err)
    }

    fn argv<S: AsRef<OsStr>>(&self, args: &[S]) -> Vec<OsString> {
        let mut argv = vec![OsString::from("git")];
        for setting in self.terms.settings() {
            argv.extend(["-c".into(), setting]);
        }
        if self.bare {
            argv.extend(["--git-dir".into(), self.dir.clone().into_os_string()]);
        }
        if let Some(work_tree) = &self.work_tree {
            argv.extend(["--work-tree".into(), work_tree.clone().into_os_string()]);
        }
        argv.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        argv
    }
}

/// An object's name that git printed.
pub(super) fn digest(action: &str, text: &str) -> Result<Digest, WorkspaceError> {
    Digest::parse(text)
        .map_err(|err| WorkspaceError::Git { action: action.to_owned(), detail: err.to_string() })
}
