//! The files that belong to the project.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text file of the project.
pub(crate) struct Source {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// Everything in the project that is not ignored.
pub(crate) struct Tree {
    root: PathBuf,
    names: BTreeSet<String>,
    sources: Vec<Source>,
}

impl Source {
    /// True for Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.extension() == Some("rs")
    }

    /// What follows the last dot of its name.
    pub(crate) fn extension(&self) -> Option<&str> {
        Path::new(&self.path).extension()?.to_str()
    }

    /// True for a file that holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    /// The crate that it belongs to, if any.
    pub(crate) fn krate(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match parts.next()? {
            "crates" => parts.next(),
            "xtask" => Some("xtask"),
            _ => None,
        }
    }
}

impl Tree {
    /// Asks git which files belong to the project, and reads those that are text.
    ///
    /// # Errors
    /// If git is missing or does not know the directory.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let listing = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .context("git cannot be started; it says which files belong to the project")?;
        if !listing.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&listing.stderr).trim());
        }
        let listing = String::from_utf8(listing.stdout).context("a file name is no UTF-8")?;
        let mut tree = Self { root: root.to_path_buf(), names: BTreeSet::new(), sources: Vec::new() };
        for path in listing.split_terminator('\0') {
            // A file may be deleted without git's index knowing yet, or be no text: neither is judged.
            if !root.join(path).exists() {
                continue;
            }
            tree.names.insert(path.to_owned());
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                tree.sources.push(Source { path: path.to_owned(), text });
            }
        }
        Ok(tree)
    }

    /// A tree of the given files.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            root: PathBuf::from("/checkouts/project"),
            names: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            sources: files
                .iter()
                .map(|(path, text)| Source { path: (*path).to_owned(), text: (*text).to_owned() })
                .collect(),
        }
    }

    /// Where it lies on this machine.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The text files.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.sources().filter(|source| source.is_rust())
    }

    /// The text file of that path.
    pub(crate) fn source(&self, path: &str) -> Option<&Source> {
        self.sources().find(|source| source.path == path)
    }

    /// True if there is a file or a directory of that path.
    pub(crate) fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        path.is_empty() || self.names.contains(path) || self.names.iter().any(|name| name.starts_with(&below))
    }
}
