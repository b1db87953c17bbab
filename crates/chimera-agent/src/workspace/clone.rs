//! The daemon's clone of a project: opened by one at a time, looked after, made anew if it is damaged.

use super::WorkspaceError;
use super::git::Git;
use super::saved;
use super::source::Source;
use super::terms::Terms;
use crate::spec::Project;
use chimera_core::{Digest, TaskId};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that somebody else holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(20);
/// Git's settings for what is kept and for what is handed out: bytes stay as they are, whatever a repository says.
/// So what is committed is what was changed, and what is served is what was committed.
const ATTRIBUTES: &str = "* -text !eol -ident -filter !working-tree-encoding !diff !merge\n";

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Sha1,
    Sha256,
}

impl Format {
    /// The format in which an object has this name.
    pub(super) fn of(object: &Digest) -> Self {
        if object.as_str().len() == 64 { Self::Sha256 } else { Self::Sha1 }
    }

    /// The flag of `git init`.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Sha1 => "--object-format=sha1",
            Self::Sha256 => "--object-format=sha256",
        }
    }
}

/// The place of a project's clone.
#[derive(Debug, Clone)]
pub(super) struct Clone {
    pub(super) terms: Terms,
    dir: PathBuf,
    lock: PathBuf,
    saved: PathBuf,
}

impl Clone {
    pub(super) fn new(repositories: &Path, project: &Project, terms: &Terms) -> Self {
        Self::named(repositories, &project.name, &terms.of(&project.repo, &project.git))
    }

    pub(super) fn named(repositories: &Path, project: &str, terms: &Terms) -> Self {
        let place = |suffix| repositories.join(format!("{project}.{suffix}"));
        Self { terms: terms.clone(), dir: place("git"), lock: place("lock"), saved: place("saved") }
    }

    /// One at a time, in this process and others: git's own locks fail instead of waiting.
    ///
    /// # Errors
    /// If it is not to be had for as long as a command may take, and its predecessor's.
    pub(super) async fn lock(&self) -> Result<File, WorkspaceError> {
        let file = File::options().create(true).append(true).open(&self.lock)?;
        let limit = self.terms.timeout * 2;
        let wait = async {
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                    Err(TryLockError::Error(err)) => return Err(WorkspaceError::Io(err)),
                }
            }
        };
        tokio::select! {
            () = self.terms.stop.cancelled() => Err(WorkspaceError::Stopped),
            locked = tokio::time::timeout(limit, wait) => match locked {
                Ok(locked) => locked.map(|()| file),
                Err(_) => Err(WorkspaceError::Git {
                    action: "lock".to_owned(),
                    detail: format!("another daemon has worked on {} for {limit:?}", self.dir.display()),
                }),
            },
        }
    }

    /// The clone, made if there is none, for the holder of the lock.
    pub(super) async fn open(&self, format: Format) -> Result<Git, WorkspaceError> {
        if !self.dir.join("HEAD").exists() {
            self.init(&self.dir, format).await?;
        }
        // Whoever held one of git's own locks is gone: it would hold ours.
        remove_locks(&self.dir)?;
        let attributes = self.dir.join("info/attributes");
        // Others may read it at this moment: it is not emptied to be written again.
        if std::fs::read(&attributes).ok().as_deref() != Some(ATTRIBUTES.as_bytes()) {
            std::fs::create_dir_all(self.dir.join("info"))?;
            std::fs::write(attributes, ATTRIBUTES)?;
        }
        Ok(Git::bare(&self.dir, &self.terms))
    }

    async fn init(&self, dir: &Path, format: Format) -> Result<(), WorkspaceError> {
        std::fs::create_dir_all(dir)?;
        let args = ["init", "--quiet", "--bare", format.flag(), "."];
        Git::in_dir(dir, &self.terms).run("init", &args).await.map(drop)
    }

    /// Whether the clone has a commit, whole, as far as is known; a damaged clone is made anew first.
    pub(super) async fn has(
        &self,
        git: &Git,
        project: &Project,
        commit: &Digest,
    ) -> Result<bool, WorkspaceError> {
        let there = if git.is_damaged() { None } else { Some(git.has(commit).await) };
        match there {
            None | Some(Err(WorkspaceError::Damaged { .. })) => {
                let repositories = self.dir.parent().unwrap_or(&self.dir);
                self.make_anew(&Source::look(repositories, &self.terms, project).await?).await?;
                git.has(commit).await
            }
            Some(known) => known,
        }
    }

    /// Makes the clone anew from the project's repository, from what is whole in the old one, and from the commits
    /// that were saved beside it. The old one is kept until then, and further if a branch could not be saved.
    pub(super) async fn make_anew(&self, source: &Source<'_>) -> Result<(), WorkspaceError> {
        tracing::warn!(clone = %self.dir.display(), "the clone is damaged: it is made anew");
        let repositories = self.dir.parent().unwrap_or(&self.dir);
        let draft = tempfile::tempdir_in(repositories)?;
        let (new, old) = (draft.path().join("new.git"), self.dir.clone());
        self.init(&new, source.format).await?;
        let git = Git::bare(&new, &self.terms);
        let from = old.to_string_lossy().into_owned();
        // Whatever it still has need not come over the network.
        let _ = fetch(&git, &from, "+refs/chimera/*:refs/chimera/*").await;
        source.fetch(&git).await?;
        let _ = fetch(&git, &from, "+refs/heads/*:refs/heads/*").await;
        let there: BTreeMap<String, String> = references(&new, "refs/heads")?.into_iter().collect();
        let mut lost = Vec::new();
        for (name, commit) in references(&old, "refs/heads")? {
            let whole = there.get(&name) == Some(&commit)
                || fetch(&git, &from, &format!("+{name}:{name}")).await.is_ok()
                || saved::restore(&git, &self.saved, &name, &commit).await?;
            lost.extend((!whole).then_some(name));
        }
        git.forget_damage()?;
        let aside = self.dir.with_extension("damaged");
        crate::remove::tree(&aside)?;
        std::fs::rename(&old, &aside)?;
        std::fs::rename(&new, &old)?;
        self.sync()?;
        if lost.is_empty() {
            crate::remove::tree(&aside)?;
        } else {
            tracing::error!(branches = lost.join(", "), old = %aside.display(), "branches are lost by damage");
        }
        self.open(source.format).await.map(drop)
    }

    /// Keeps a commit a second time, for the day on which the clone is damaged.
    pub(super) async fn save(
        &self,
        git: &Git,
        task: &TaskId,
        (parent, commit): (&Digest, &Digest),
    ) -> Result<(), WorkspaceError> {
        saved::save(git, &self.saved, &task.branch(), (parent, commit)).await
    }

    /// Removes the branch of a task, if there is one.
    pub(super) async fn forget(&self, task: &TaskId) -> Result<(), WorkspaceError> {
        crate::remove::tree(&saved::place(&self.saved, &format!("refs/heads/{}", task.branch())))?;
        let branch = format!("refs/heads/{}", task.branch());
        // A file, or a line since somebody collected garbage.
        let packed = std::fs::read_to_string(self.dir.join("packed-refs")).unwrap_or_default();
        if !self.dir.join(&branch).exists() && !packed.contains(&branch) {
            return Ok(());
        }
        let _lock = self.lock().await?;
        let git = Git::bare(&self.dir, &self.terms);
        git.run("update-ref", &["update-ref", "-d", &branch]).await.map(drop)
    }

    /// Has the names of new files reach the disk; git sees to their content.
    pub(super) fn sync(&self) -> Result<(), WorkspaceError> {
        let objects = self.dir.join("objects");
        sync_dir(&self.dir)?;
        sync_dir(&objects)?;
        for entry in std::fs::read_dir(&objects)? {
            sync_dir(&entry?.path())?;
        }
        each_dir(&self.dir.join("refs"), &mut sync_dir)?;
        Ok(())
    }
}

async fn fetch(git: &Git, from: &str, refspec: &str) -> Result<(), WorkspaceError> {
    let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow"];
    git.run("fetch", &[&args[..], &["--", from, refspec]].concat()).await.map(drop)
}

/// Has a directory's entries reach the disk.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Calls this for a directory and all below it.
fn each_dir(dir: &Path, call: &mut impl FnMut(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    call(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            each_dir(&entry.path(), call)?;
        }
    }
    Ok(())
}

/// Removes the lock files that killed runs of git have left in a bare repository.
fn remove_locks(dir: &Path) -> std::io::Result<()> {
    let mut remove = |dir: &Path| {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "lock") && path.is_file() {
                tracing::info!(lock = %path.display(), "removed: whoever held it is gone");
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    };
    remove(dir)?;
    for part in ["objects/info", "objects/info/commit-graphs", "info"] {
        let part = dir.join(part);
        if part.is_dir() {
            remove(&part)?;
        }
    }
    let refs = dir.join("refs");
    if refs.is_dir() { each_dir(&refs, &mut remove) } else { Ok(()) }
}

/// The references below a prefix with what they name, read without git: it may refuse to work here.
fn references(dir: &Path, below: &str) -> std::io::Result<Vec<(String, String)>> {
    let mut found = BTreeMap::new();
    let packed = std::fs::read_to_string(dir.join("packed-refs")).unwrap_or_default();
    for (commit, name) in packed.lines().filter_map(|line| line.split_once(' ')) {
        if name.starts_with(below) {
            found.insert(name.to_owned(), commit.to_owned());
        }
    }
    let mut read = |folder: &Path| {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if let (true, Ok(name)) = (path.is_file(), path.strip_prefix(dir)) {
                let commit = std::fs::read_to_string(&path).unwrap_or_default();
                found.insert(name.to_string_lossy().into_owned(), commit.trim().to_owned());
            }
        }
        Ok(())
    };
    let folder = dir.join(below);
    if folder.is_dir() {
        each_dir(&folder, &mut read)?;
    }
    Ok(found.into_iter().collect())
}
