//! What lies among the files of a task and is no part of a change: build outputs and caches, and what the repository
//! itself ignores.
//!
//! Agents run tools, tools leave files, and many repositories have no `.gitignore` for them. What the table below names is left out
//! unless the repository tracks files in such a place, un-ignores it in its `.gitignore`, or the project allows the path.

use super::git::Git;
use super::{WorkspaceError, Worktree};
use std::collections::BTreeSet;
use std::path::Path;

/// A kind of litter, by the name of a file or of a directory at any depth.
enum Litter {
    /// A directory of this name.
    Dir(&'static str),
    /// A file of this name.
    Name(&'static str),
    /// Whatever ends so.
    Suffix(&'static str),
    /// Whatever begins so.
    Prefix(&'static str),
}

/// Names that nothing but a tool gives to what it can make again.
const LITTER: [Litter; 31] = [
    Litter::Dir("__pycache__"),
    Litter::Suffix(".pyc"),
    Litter::Suffix(".pyo"),
    Litter::Suffix(".egg-info"),
    Litter::Dir(".eggs"),
    Litter::Dir(".pytest_cache"),
    Litter::Dir(".mypy_cache"),
    Litter::Dir(".ruff_cache"),
    Litter::Dir(".hypothesis"),
    Litter::Dir(".tox"),
    Litter::Dir(".nox"),
    Litter::Dir(".venv"),
    Litter::Dir("htmlcov"),
    Litter::Name(".coverage"),
    Litter::Prefix(".coverage."),
    Litter::Dir("node_modules"),
    Litter::Dir(".npm"),
    Litter::Dir(".nyc_output"),
    Litter::Dir(".next"),
    Litter::Dir(".nuxt"),
    Litter::Dir(".svelte-kit"),
    Litter::Dir(".parcel-cache"),
    Litter::Dir(".turbo"),
    Litter::Dir(".gradle"),
    Litter::Prefix(".aider.chat."),
    Litter::Prefix(".aider.input."),
    Litter::Prefix(".aider.llm."),
    Litter::Prefix(".aider.tags."),
    Litter::Dir("test-results"),
    Litter::Dir("playwright-report"),
    Litter::Name(".DS_Store"),
];
/// Names that may be anything, with files that show that a tool made the directory: in it, or beside it.
const MAYBE: [(&str, &[&str]); 3] = [
    ("target", &["CACHEDIR.TAG", ".rustc_info.json", "maven-status", "../pom.xml"]),
    ("dist", &["../package.json", "../pyproject.toml", "../setup.py", "../setup.cfg"]),
    ("coverage", &["lcov.info", "lcov-report", "coverage-final.json", "clover.xml", "coverage-summary.json"]),
];

/// What an attempt left that did not become part of its commit; directories as a whole, with `/` at their end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Build outputs and caches.
    pub outputs: Vec<String>,
    /// What else a `.gitignore` of the repository covers.
    pub ignored: Vec<String>,
}

impl Litter {
    fn pattern(&self) -> String {
        match self {
            Self::Dir(name) => format!("{name}/"),
            Self::Name(name) => (*name).to_owned(),
            Self::Suffix(end) => format!("*{end}"),
            Self::Prefix(start) => format!("{start}*"),
        }
    }

    /// Whether it is the kind of a file or directory of this name.
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Dir(whole) | Self::Name(whole) => name == *whole,
            Self::Suffix(end) => name.ends_with(end),
            Self::Prefix(start) => name.starts_with(start),
        }
    }
}

/// Whether a path, or a directory that it lies in, has a name of the table.
pub(crate) fn is_litter(path: &str) -> bool {
    litter_dir(path).is_some()
}

/// The outermost part of a path that has a name of the table, such as `web/node_modules` of `web/node_modules/x/y.js`.
pub(crate) fn litter_dir(path: &str) -> Option<&str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.map(|end| &path[..end]).find(|part| {
        let name = part.rsplit('/').next().unwrap_or_default();
        LITTER.iter().any(|litter| litter.is(name))
    })
}

impl Worktree {
    /// Puts what differs from the commit that was checked out into the index.
    pub(super) async fn add(&self, git: &Git, scratch: &Path) -> Result<(), WorkspaceError> {
        let excludes = self.excludes(git, scratch).await?;
        git.run("add", &["-c", &format!("core.excludesFile={excludes}"), "add", "--all"]).await?;
        if let Some(path) = self.forced.as_deref().filter(|path| self.has_plain(path)) {
            git.run("add", &["add", "--force", "--", &format!(":(literal){path}")]).await?;
        }
        Ok(())
    }

    /// What the last attempt left that does not become part of a commit.
    ///
    /// # Errors
    /// [`WorkspaceError`] if git refuses.
    pub async fn left_out(&self) -> Result<LeftOut, WorkspaceError> {
        let scratch = self.scratch()?;
        let git = self.here().with_index(&scratch.path().join("index"));
        git.run("read-tree", &["read-tree", self.at.as_str()]).await?;
        let excludes = self.excludes(&git, scratch.path()).await?;
        let own = "--exclude-per-directory=.gitignore";
        let ignored = covered(&git, &[own]).await?;
        let mut outputs = covered(&git, &[own, &format!("--exclude-from={excludes}")]).await?;
        outputs.retain(|path| !ignored.contains(path));
        let told =
            |path: &String| !is_litter(path.trim_end_matches('/')) && self.forced.as_ref() != Some(path);
        Ok(LeftOut { outputs, ignored: ignored.into_iter().filter(told).collect() })
    }

    /// Writes the patterns of what is left out. Git applies them to files that are not tracked yet, and a `.gitignore` of
    /// the repository has the last word.
    async fn excludes(&self, git: &Git, scratch: &Path) -> Result<String, WorkspaceError> {
        let mut patterns: Vec<String> = LITTER.iter().map(Litter::pattern).collect();
        let new = ["ls-files", "-z", "--others", "--directory", "--exclude-per-directory=.gitignore"];
        let new = paths(&git.run("ls-files", &new).await?);
        patterns
            .extend(new.iter().filter(|path| self.is_made(path)).map(|path| format!("/{}", escaped(path))));
        let tracked = ["ls-tree", "-r", "-z", "--name-only", self.at.as_str()];
        let tracked = paths(&git.run("ls-tree", &tracked).await?);
        let kept: BTreeSet<&str> = tracked.iter().filter_map(|path| litter_dir(path)).collect();
        let allowed = self.allowed.iter().map(|path| path.trim_end_matches('/'));
        patterns.extend(kept.into_iter().chain(allowed).map(|path| format!("!/{}", escaped(path))));
        let file = scratch.join("excludes");
        std::fs::write(&file, patterns.join("\n") + "\n")?;
        Ok(file.to_string_lossy().into_owned())
    }

    /// Whether a directory (with `/` at its end) that is not tracked was made by a tool.
    fn is_made(&self, dir: &str) -> bool {
        let Some(dir) = dir.strip_suffix('/') else { return false };
        let name = dir.rsplit('/').next().unwrap_or_default();
        let place = self.path().join(dir);
        let signs = MAYBE.iter().filter(|(maybe, _)| *maybe == name).flat_map(|(_, signs)| *signs);
        signs.into_iter().any(|sign| match sign.strip_prefix("../") {
            Some(beside) => place.with_file_name(beside).exists(),
            None => place.join(sign).exists(),
        })
    }

    /// Whether there is a plain file at this path, reached without links.
    fn has_plain(&self, path: &str) -> bool {
        let plain = |file: &Path| std::fs::symlink_metadata(file).is_ok_and(|meta| !meta.is_symlink());
        let parts = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.path().join(path).is_file() && parts.chain([path]).all(|part| plain(&self.path().join(part)))
    }
}

/// What is not tracked and covered by these patterns.
async fn covered(git: &Git, patterns: &[&str]) -> Result<Vec<String>, WorkspaceError> {
    let what = ["ls-files", "-z", "--others", "--ignored", "--directory"];
    let found = paths(&git.run("ls-files", &[&what[..], patterns].concat()).await?);
    // Git names a directory in which everything is covered, and then what is in it.
    let whole =
        |path: &&String| !found.iter().any(|other| other != *path && other.starts_with(path.as_str()));
    Ok(found.iter().filter(whole).cloned().collect())
}

/// A path as a pattern that means it and nothing else.
fn escaped(path: &str) -> String {
    let special = |c: char| matches!(c, '\\' | '*' | '?' | '[' | ' ' | '#' | '!');
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The paths that git printed, each with a zero byte after it.
pub(super) fn paths(output: &[u8]) -> Vec<String> {
    let paths = output.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
}
