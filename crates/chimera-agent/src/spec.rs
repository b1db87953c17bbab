//! What the configuration says of agents and projects.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use url::Url;

/// A configured agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its name in `[roles]`.
    pub name: String,
    /// How the daemon talks to it.
    pub protocol: Protocol,
    /// Names of the daemon's environment variables that it may see.
    pub env: Vec<String>,
    /// Wall clock limit; absent: that of the phase.
    pub timeout: Option<Duration>,
    /// Longest silence on its output before it counts as hanging; absent: no limit of its own.
    pub stall: Option<Duration>,
    /// Most attempts at a time that need it; absent: no limit of its own.
    pub max_concurrent: Option<u32>,
}

/// How the daemon talks to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// Built into the daemon.
    Builtin,
    /// A program; `{prompt}` and `{prompt_file}` in its arguments are filled in, else the prompt is on stdin.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

/// Which runs of the frozen test leave a trace and, where there is what records it, a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recordings {
    /// None.
    None,
    /// The red run and the first green one: before and after.
    Proof,
    /// Every run.
    All,
}

impl Recordings {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::None, Self::Proof, Self::All];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Proof => "proof",
            Self::All => "all",
        }
    }

    /// Whether the run of this label, such as `red` or `green-1`, is recorded.
    pub(crate) fn cover(self, label: &str) -> bool {
        match self {
            Self::None => false,
            Self::Proof => matches!(label, "red" | "green-1"),
            Self::All => true,
        }
    }
}

/// What runs a project's end-to-end tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum E2e {
    /// pytest with pytest-playwright: `test_<slug>.py`.
    Pytest,
    /// Playwright Test: `<slug>.spec.ts`.
    PlaywrightTest,
}

impl E2e {
    /// Every runner.
    pub const ALL: [Self; 2] = [Self::Pytest, Self::PlaywrightTest];

    /// What runs a test file of this name.
    pub fn of(test_name: &str) -> Self {
        Self::ALL.into_iter().find(|e2e| e2e.is_test_name(test_name)).unwrap_or(Self::Pytest)
    }

    /// The name in the configuration and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pytest => "pytest-playwright",
            Self::PlaywrightTest => "playwright-test",
        }
    }

    /// The name of a test file, around `stem`.
    pub fn test_name(self, stem: &str) -> String {
        let (prefix, suffix) = self.around_stem();
        format!("{prefix}{stem}{suffix}")
    }

    /// Whether the runner takes a file of this name for a test that shadows nothing; no path.
    pub fn is_test_name(self, name: &str) -> bool {
        let (prefix, suffix) = self.around_stem();
        let stem = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)).unwrap_or_default();
        let plain =
            |b: u8| b.is_ascii_alphanumeric() || b == b'_' || (self == Self::PlaywrightTest && b == b'-');
        !stem.is_empty() && stem.bytes().all(plain)
    }

    fn around_stem(self) -> (&'static str, &'static str) {
        match self {
            Self::Pytest => ("test_", ".py"),
            Self::PlaywrightTest => ("", ".spec.ts"),
        }
    }
}

/// Where frozen tests live unless the project says otherwise.
pub const E2E_DIR: &str = "tests/e2e";

/// An application that the daemon can work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Path or URL of the repository.
    pub repo: String,
    /// The branch that changes start from.
    pub base_branch: String,
    /// URL prefixes; the longest one that a `target_url` starts with decides for this project.
    pub urls: Vec<String>,
    /// Whether generated tests may run against the application at `target_url`, below one of `urls`.
    pub test_target: bool,
    /// What runs its end-to-end tests.
    pub e2e: E2e,
    /// The directory of its frozen tests in the repository, such as `tests/e2e`; without `/` at its end.
    pub e2e_dir: String,
    /// The host (and port, if not 80) under which the application expects to be asked, if it must be that one.
    pub host: Option<String>,
    /// Further hosts that its pages may load from while they are judged.
    pub allow_hosts: Vec<String>,
    /// Commands that the built-in guardian runs in a copy of the change, by `sh -c`.
    pub checks: Vec<String>,
    /// The suite that it has: what newly fails in it with a change sends the change back.
    pub suite: Option<Suite>,
    /// Paths (a file, or a directory with everything in it) that no change may touch.
    pub protected: Vec<String>,
    /// Paths that a change may touch although they are protected everywhere.
    pub allow_paths: Vec<String>,
    /// Most changed lines that the built-in guardian lets through.
    pub max_diff_lines: u32,
    /// How to serve a commit.
    pub staging: Staging,
    /// Whether the proven branch is pushed to `repo`.
    pub push: bool,
    /// How `repo` is reached.
    pub git: crate::workspace::Options,
    /// Most of its tasks that run at a time; absent: no limit of its own.
    pub max_concurrent: Option<u32>,
}

/// The tests that a project already has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The command, run by `sh -c` in a copy of a commit.
    pub command: String,
    /// Where in the copy it leaves a JUnit report; without one its exit code is all that is known.
    pub report: Option<String>,
}

impl Project {
    /// A project of static pages, with no rules of its own.
    pub fn plain(name: &str, repo: &str, max_diff_lines: u32) -> Self {
        Self {
            name: name.to_owned(),
            repo: repo.to_owned(),
            base_branch: "main".to_owned(),
            urls: Vec::new(),
            test_target: false,
            e2e: E2e::Pytest,
            e2e_dir: E2E_DIR.to_owned(),
            host: None,
            allow_hosts: Vec::new(),
            checks: Vec::new(),
            suite: None,
            protected: Vec::new(),
            allow_paths: Vec::new(),
            max_diff_lines,
            staging: Staging::Static { static_dir: ".".to_owned(), build: None },
            push: true,
            git: crate::workspace::Options::default(),
            max_concurrent: None,
        }
    }

    /// How long the path of the longest of its `urls` is that claims this address: of the same origin, and with a path that
    /// ends where a segment ends. `None` if none does.
    pub fn claims(&self, target: &Url) -> Option<usize> {
        self.urls.iter().filter_map(|prefix| claim(prefix, target)).max()
    }
}

fn claim(prefix: &str, target: &Url) -> Option<usize> {
    let prefix = Url::parse(prefix).ok()?;
    if prefix.origin() != target.origin() {
        return None;
    }
    let path = prefix.path().trim_end_matches('/');
    let rest = target.path().strip_prefix(path)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(path.len())
}

/// How a commit of a project is served for the judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Staging {
    /// Static files.
    Static {
        /// The directory in the repository that is the root of the site.
        static_dir: String,
        /// A command that makes it in the exported commit first, such as `npm ci && npm run build`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
    },
    /// A server of the project's own, which listens on `$PORT` on loopback.
    Start(Server),
    /// An agent deploys and answers with `deployment_url` and `revision`.
    Agent {
        /// Its name.
        agent: String,
        /// A path of the deployment that tells which commit it serves; without it, the agent's word counts.
        #[serde(default)]
        revision: Option<String>,
        /// Whether it always deploys to the same place, so that one task has it for itself until it is validated.
        #[serde(default = "one_place")]
        shared: bool,
    },
}

impl Staging {
    /// The command that prepares the exported commit, if there is one.
    pub fn build(&self) -> Option<&str> {
        match self {
            Self::Static { build, .. } | Self::Start(Server { build, .. }) => build.as_deref(),
            Self::Agent { .. } => None,
        }
    }
}

/// A server of a project's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The command, run by `sh -c` in the exported commit.
    pub start: String,
    /// A command that prepares the exported commit first, such as `npm ci`.
    pub build: Option<String>,
    /// The path that answers 2xx once it is ready; absent: any answer of the start page below 500 will do.
    pub ready: Option<String>,
    /// A path that answers with the commit in `$CHIMERA_REVISION`, if the application can.
    pub revision: Option<String>,
    /// How long it may take to be ready.
    #[serde(default = "ready_timeout")]
    pub ready_timeout: Duration,
    /// The time between TERM and KILL when it is ended.
    #[serde(default = "stop_timeout")]
    pub stop_timeout: Duration,
}

impl Server {
    /// A server that this command starts, with everything else as it is by default.
    pub fn new(start: &str) -> Self {
        Self {
            start: start.to_owned(),
            build: None,
            ready: None,
            revision: None,
            ready_timeout: ready_timeout(),
            stop_timeout: stop_timeout(),
        }
    }
}

fn one_place() -> bool {
    true
}

/// Long enough for a large application on a busy machine.
fn ready_timeout() -> Duration {
    Duration::from_secs(60)
}

/// As long as container engines wait: what servers are written for.
fn stop_timeout() -> Duration {
    Duration::from_secs(10)
}
