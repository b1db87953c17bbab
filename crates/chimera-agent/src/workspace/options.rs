//! What the configuration says of how a project's repository is reached.

use std::path::PathBuf;
use std::time::Duration;

/// How a project's repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Longest run of one git command.
    pub timeout: Duration,
    /// Where user names and passwords for it come from; absent: only from its URL.
    pub credentials: Option<Credentials>,
    /// What the daemon does not fetch, and the project can do without.
    pub without: Vec<Part>,
    /// A filter of git, such as `blob:none`: of older commits, only what is needed is fetched.
    pub filter: Option<String>,
}

/// A kind of contents that the daemon does not fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Other repositories in directories of this one.
    Submodules,
    /// Files that are kept elsewhere, with Git LFS.
    Lfs,
}

impl Part {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Submodules, Self::Lfs];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submodules => "submodules",
            Self::Lfs => "lfs",
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        // A first clone over a slow line.
        Self { timeout: Duration::from_secs(600), credentials: None, without: Vec::new(), filter: None }
    }
}

/// Where git gets user names and passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A file with a URL with user name and password a line, as `git credential-store` keeps it. It is only read.
    File(PathBuf),
    /// A program, in the words of git's `credential.helper`.
    Helper(String),
}

impl Credentials {
    /// The value of git's `credential.helper`.
    pub(super) fn helper(&self) -> String {
        match self {
            Self::Helper(helper) => helper.clone(),
            // Git has a helper forget what was refused once: somebody else's file stays as it is.
            Self::File(path) => {
                let path = path.to_string_lossy().replace('\'', "'\\''");
                format!("!f() {{ test \"$1\" != get || git credential-store --file='{path}' get; }}; f")
            }
        }
    }
}
