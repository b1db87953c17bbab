//! The directories and the process of one run.

use super::{JudgeError, Trial, report};
use crate::process::Spec;
use crate::toolchain::Toolchain;
use chimera_core::{EvidenceKind, TestReport};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};
use tempfile::TempDir;
use url::{Host, Url};

/// Our part inside of pytest.
const PLUGIN: &str = include_str!("chimera_judge.py");
/// How long an action such as a click waits for its element: a user gives up sooner.
const ACTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a navigation may take; a page that needs longer counts as unreachable.
const NAVIGATION_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of a run's log.
const LOG_BYTES: u64 = 4 * 1024 * 1024;
/// Between TERM and KILL; there is nothing that the runner would have to save.
const GRACE: Duration = Duration::from_millis(500);
/// Most evidence files of one kind from one run: one per test of the largest file.
const FILES_PER_KIND: usize = chimera_core::limits::TESTS_PER_FILE;

/// What the browser is started with: no graphics card, no small /dev/shm of a container, no talking home.
const BROWSER_ARGS: [&str; 8] = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
];

/// A directory that holds the frozen test and everything that a run may write.
pub(super) struct Room {
    dir: TempDir,
    origin: String,
    test_name: String,
    /// What the report must show to count.
    pub(super) token: String,
}

impl Room {
    /// Lays it out, with nothing of the project in it but the test.
    pub(super) fn lay_out(trial: &Trial<'_>, tools: &Toolchain) -> Result<Self, JudgeError> {
        let origin = origin(trial.origin)?;
        check_test_name(trial.test_name)?;
        for (name, path) in [("Python", &tools.python), ("Chromium", &tools.chromium)] {
            if !path.exists() {
                return Err(JudgeError::Tool(format!("{name} is gone from {}", path.display())));
            }
        }
        fs::create_dir_all(trial.out_dir).map_err(JudgeError::io(trial.out_dir))?;
        let system = std::env::temp_dir();
        let dir = tempfile::Builder::new().prefix("chimera-").tempdir().map_err(JudgeError::io(&system))?;
        let log = trial.out_dir.join(format!("{}.log", trial.label));
        match fs::remove_file(&log) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(JudgeError::io(&log)(err)),
            _ => {}
        }
        let room = Self { dir, origin, test_name: trial.test_name.to_owned(), token: token()? };
        for name in ["test", "home", "tmp", "plugin", "report"] {
            let path = room.at(name);
            fs::create_dir(&path).map_err(JudgeError::io(&path))?;
        }
        for (path, content) in [
            (room.at("test").join(trial.test_name), trial.test),
            (room.at("plugin").join("chimera_judge.py"), PLUGIN.as_bytes()),
        ] {
            fs::write(&path, content).map_err(JudgeError::io(&path))?;
        }
        Ok(room)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The report of our plugin.
    pub(super) fn report(&self) -> PathBuf {
        self.at("report").join("report.json")
    }

    /// Whether our plugin was ever loaded; if not, the installation is broken.
    pub(super) fn started(&self) -> bool {
        self.at("report").join("report.json.started").exists()
    }

    /// The process of the run. The plugin's instructions go through standard input, where no test sees them.
    pub(super) fn spec(&self, trial: &Trial<'_>, tools: &Toolchain) -> Spec {
        Spec {
            argv: self.argv(trial, tools),
            cwd: self.at("test"),
            env: self.env(tools),
            stdin: self.instructions(tools).into_bytes(),
            log: trial.out_dir.join(format!("{}.log", trial.label)),
            timeout: trial.timeout,
            stall: None,
            grace: GRACE,
            output_cap: LOG_BYTES,
        }
    }

    fn argv(&self, trial: &Trial<'_>, tools: &Toolchain) -> Vec<String> {
        let mut argv = vec![tools.python.display().to_string()];
        let fixed = "-m pytest -q --tb=short --disable-warnings --color=no -c /dev/null --rootdir . \
                     -p no:cacheprovider -p pytest_playwright.pytest_playwright -p chimera_judge \
                     -o enable_assertion_pass_hook=true --browser chromium --screenshot on";
        argv.extend(fixed.split_whitespace().map(str::to_owned));
        if trial.with_trace {
            argv.extend(["--tracing", "on"].map(str::to_owned));
        }
        argv.extend(["--base-url".to_owned(), self.origin.clone()]);
        argv.extend(["--output".to_owned(), self.at("artifacts").display().to_string()]);
        argv.push(self.test_name.clone());
        argv
    }

    fn env(&self, tools: &Toolchain) -> BTreeMap<String, String> {
        let home = self.at("home");
        let dirs = [
            ("HOME", home.clone()),
            ("TMPDIR", self.at("tmp")),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_CACHE_HOME", home.join("cache")),
            ("XDG_DATA_HOME", home.join("data")),
            ("XDG_RUNTIME_DIR", home.join("run")),
            ("PYTHONPATH", self.at("plugin")),
            ("NODE_COMPILE_CACHE", tools.node_cache()),
        ];
        let fixed = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("PYTHONNOUSERSITE", "1"),
            ("PYTHONSAFEPATH", "1"),
            ("PYTHONHASHSEED", "0"),
            ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1"),
            ("PLAYWRIGHT_SKIP_VALIDATE_HOST_REQUIREMENTS", "1"),
        ];
        let dirs = dirs.map(|(name, dir)| (name.to_owned(), dir.display().to_string()));
        dirs.into_iter().chain(fixed.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    }

    fn instructions(&self, tools: &Toolchain) -> String {
        let host = Url::parse(&self.origin).ok().and_then(|url| url.host_str().map(str::to_owned));
        let excluded: String = host
            .into_iter()
            .chain(["127.0.0.1".to_owned(), "localhost".to_owned()])
            .map(|host| format!(", EXCLUDE {host}"))
            .collect();
        let mut args: Vec<String> = BROWSER_ARGS.map(str::to_owned).to_vec();
        args.push(format!("--host-resolver-rules=MAP * ~NOTFOUND{excluded}"));
        if rustix::process::geteuid().is_root() {
            // Chromium's own sandbox refuses to run as root; without it the zygote is a needless process.
            args.extend(["--no-sandbox", "--no-zygote"].map(str::to_owned));
        }
        serde_json::json!({
            "token": self.token,
            "report": self.report(),
            "origin": self.origin,
            "test_file": self.test_name,
            "chromium": tools.chromium,
            "args": args,
            "action_timeout_ms": ACTION_TIMEOUT.as_millis() as u64,
            "navigation_timeout_ms": NAVIGATION_TIMEOUT.as_millis() as u64,
            "message_chars": report::MESSAGE_BYTES,
        })
        .to_string()
    }

    /// Moves what the run left into the trial's directory.
    pub(super) fn keep(
        &self,
        trial: &Trial<'_>,
        report: &TestReport,
        log: &Path,
    ) -> Result<Vec<(EvidenceKind, String, PathBuf)>, JudgeError> {
        let label = trial.label;
        let name = format!("{label}-report.json");
        let path = trial.out_dir.join(&name);
        let json = serde_json::to_vec_pretty(report).unwrap_or_default();
        fs::write(&path, json).map_err(JudgeError::io(&path))?;
        let mut files = vec![(EvidenceKind::Report, name, path)];
        for (kind, extension, suffix) in
            [(EvidenceKind::Screenshot, "png", ""), (EvidenceKind::Trace, "zip", "-trace")]
        {
            for (index, from) in left(&self.at("artifacts"), extension).into_iter().enumerate() {
                let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
                let name = format!("{label}{suffix}{number}.{extension}");
                let to = trial.out_dir.join(&name);
                // Not a rename: the trial's directory may be on another file system.
                fs::copy(&from, &to).map_err(JudgeError::io(&to))?;
                files.push((kind, name, to));
            }
        }
        files.push((EvidenceKind::Log, format!("{label}.log"), log.to_owned()));
        Ok(files)
    }
}

/// Regular files with an extension in pytest-playwright's folders, one per test, in their order.
fn left(artifacts: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries(artifacts)
        .flat_map(|dir| entries(&dir).collect::<Vec<_>>())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()))
        .collect();
    files.sort();
    files.truncate(FILES_PER_KIND);
    files
}

/// Scheme, host and port in the form in which a browser shows them.
fn origin(text: &str) -> Result<String, JudgeError> {
    let wrong = || JudgeError::Trial(format!("`{text}` is no origin such as http://127.0.0.1:8000"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)));
    if plain { Ok(url.origin().ascii_serialization()) } else { Err(wrong()) }
}

/// A name that pytest collects and that shadows no module.
fn check_test_name(name: &str) -> Result<(), JudgeError> {
    let stem = name.strip_prefix("test_").and_then(|rest| rest.strip_suffix(".py")).unwrap_or_default();
    if !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(JudgeError::Trial(format!("`{name}` is no name of a test file such as test_view_homepage.py")))
}

/// Random text that nobody guesses.
fn token() -> Result<String, JudgeError> {
    use std::io::Read as _;
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0_u8; 16];
    fs::File::open(SOURCE)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(JudgeError::io(Path::new(SOURCE)))?;
    Ok(u128::from_ne_bytes(bytes).to_string())
}
