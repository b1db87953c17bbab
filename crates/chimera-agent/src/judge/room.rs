//! The directories and the process of one run.

use super::{JudgeError, Trial, fence, playwright, pytest, report};
use crate::process::Spec;
use crate::scratch::ScratchDir;
use crate::spec::E2e;
use crate::toolchain::{self, Toolchain};
use chimera_core::{EvidenceKind, TestReport, limits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};
use url::{Host, Url};

/// How long an action such as a click waits for its element: a user gives up sooner.
const ACTION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a navigation may take; a page that needs longer counts as unreachable.
const NAVIGATION_TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of a run's log.
const LOG_BYTES: u64 = 4 * 1024 * 1024;
/// Between TERM and KILL; there is nothing that the runner would have to save.
const GRACE: Duration = Duration::from_millis(500);
/// Longest word of the fence: a version, or an error of the system.
const NOTE_BYTES: usize = 200;
/// Most evidence files of one kind from one run: one per test of the largest file.
const FILES_PER_KIND: usize = limits::TESTS_PER_FILE;

/// Tells whether a page can still change.
const STILL: &str = include_str!("still.js");

/// What the browser is started with: no graphics card, no small /dev/shm of a container, no talking home, and
/// nothing that goes around the proxy.
const BROWSER_ARGS: [&str; 12] = [
    // The whole browser without a window. Playwright says only `--headless`, which was another browser once.
    "--headless=new",
    // An application must not show a test what it does not show to people.
    "--disable-blink-features=AutomationControlled",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--no-default-browser-check",
];

/// The report as it is kept: what the test did, and what the run was like.
#[derive(serde::Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    report: &'a TestReport,
    /// What ran the test.
    runner: &'a str,
    /// Where the test saw the application.
    origin: &'a str,
    /// What the kernel held the run to: `landlock` and its version, or `none` and why.
    fence: String,
    /// Addresses that the run asked for in vain.
    refused: &'a [String],
}

/// A directory that holds the frozen test and everything that a run may write.
pub(super) struct Room {
    dir: ScratchDir,
    origin: String,
    /// What the report must show to count.
    pub(super) token: String,
}

impl Room {
    /// Lays it out, with nothing of the project in it but the test.
    pub(super) fn lay_out(trial: &Trial<'_>, tools: &Toolchain, dir: ScratchDir) -> Result<Self, JudgeError> {
        let origin = origin(trial.origin)?;
        check_test_name(trial)?;
        for (name, path) in [("Python", &tools.python), ("Chromium", &tools.chromium)] {
            if !path.exists() {
                return Err(JudgeError::Tool(format!("{name} is gone from {}", path.display())));
            }
        }
        fs::create_dir_all(trial.out_dir).map_err(JudgeError::io(trial.out_dir))?;
        let log = trial.out_dir.join(format!("{}.log", trial.label));
        match fs::remove_file(&log) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(JudgeError::io(&log)(err)),
            _ => {}
        }
        let room = Self { dir, origin, token: token()? };
        for name in ["test", "home", "tmp", "plugin", "report"] {
            let path = room.at(name);
            fs::create_dir(&path).map_err(JudgeError::io(&path))?;
        }
        for (path, content) in
            [(room.at("test").join(trial.test_name), trial.test), (room.fence(), fence::SCRIPT.as_bytes())]
        {
            fs::write(&path, content).map_err(JudgeError::io(&path))?;
        }
        match trial.e2e {
            E2e::Pytest => pytest::lay_out(&room)?,
            E2e::PlaywrightTest => playwright::lay_out(&room, tools)?,
        }
        Ok(room)
    }

    /// A place in its directory.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the test sees the application.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    fn fence(&self) -> PathBuf {
        self.at("plugin").join("chimera_fence.py")
    }

    /// The report of our plugin.
    pub(super) fn report(&self) -> PathBuf {
        self.at("report").join("report.json")
    }

    /// Whether our plugin was ever loaded; if not, the installation is broken.
    pub(super) fn started(&self) -> bool {
        self.at("report").join("report.json.started").exists()
    }

    /// The process of the run, with one way out at `port`. The plugin's instructions go through standard
    /// input, where no test sees them.
    pub(super) fn spec(&self, trial: &Trial<'_>, tools: &Toolchain, port: u16) -> Result<Spec, JudgeError> {
        let (argv, env, stdin) = match trial.e2e {
            E2e::Pytest => (
                pytest::argv(self, trial, tools),
                pytest::env(self, tools),
                pytest::instructions(self, trial, tools, port),
            ),
            E2e::PlaywrightTest => {
                playwright::settings(self, trial, tools, port)?;
                let stdin = playwright::instructions(self, trial);
                (playwright::argv(self, tools)?, playwright::env(tools)?, stdin)
            }
        };
        let video = trial.recorder(tools).map(|dir| ("PLAYWRIGHT_BROWSERS_PATH", dir.display().to_string()));
        Ok(Spec {
            argv: fence::behind(tools, &self.fence(), self.dir.path(), &self.note(), port, argv),
            cwd: self.at("test"),
            env: self.env(env.into_iter().chain(video).collect()),
            stdin: stdin.into_bytes(),
            log: trial.out_dir.join(format!("{}.log", trial.label)),
            timeout: trial.timeout,
            stall: None,
            grace: GRACE,
            output_cap: LOG_BYTES,
        })
    }

    /// Where the fence says what it holds.
    fn note(&self) -> PathBuf {
        self.at("report").join("fence")
    }

    fn env(&self, of_runner: Vec<(&'static str, String)>) -> BTreeMap<String, String> {
        let home = self.at("home");
        let dirs = [
            ("HOME", home.clone()),
            ("TMPDIR", self.at("tmp")),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_CACHE_HOME", home.join("cache")),
            ("XDG_DATA_HOME", home.join("data")),
            ("XDG_RUNTIME_DIR", home.join("run")),
        ];
        let fixed = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PLAYWRIGHT_SKIP_VALIDATE_HOST_REQUIREMENTS", "1"),
        ];
        let dirs = dirs.map(|(name, dir)| (name, dir.display().to_string()));
        let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
        let all = dirs.into_iter().chain(fixed).chain(of_runner);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// What both runners are told: where the application is, and how the browser goes there and waits.
    pub(super) fn instructions(&self, trial: &Trial<'_>, tools: &Toolchain, port: u16) -> serde_json::Value {
        let mut told = report::bounds();
        let of_run = serde_json::json!({
            "origin": self.origin(),
            "proxy": format!("http://127.0.0.1:{port}"),
            "test_file": trial.test_name,
            "chromium": tools.chromium,
            "oldest_browser": toolchain::MINIMUM_MAJOR,
            "args": self.browser_args(),
            "still": STILL,
            "still_wait_ms": trial.still_wait.as_millis() as u64,
            "action_timeout_ms": ACTION_TIMEOUT.as_millis() as u64,
            "navigation_timeout_ms": NAVIGATION_TIMEOUT.as_millis() as u64,
        });
        for (name, value) in of_run.as_object().into_iter().flatten() {
            told[name] = value.clone();
        }
        told
    }

    /// How the browser is started.
    fn browser_args(&self) -> Vec<String> {
        let mut args: Vec<String> = BROWSER_ARGS.map(str::to_owned).to_vec();
        if self.origin.starts_with("http:") {
            // A page on loopback may do what HTTPS allows; one under the application's real name, too.
            args.push(format!("--unsafely-treat-insecure-origin-as-secure={}", self.origin));
        }
        if rustix::process::geteuid().is_root() {
            // Chromium's own sandbox refuses to run as root; without it the zygote is a needless process.
            args.extend(["--no-sandbox", "--no-zygote"].map(str::to_owned));
        }
        args
    }

    /// Moves what the run left into the trial's directory.
    pub(super) fn keep(
        &self,
        trial: &Trial<'_>,
        report: &TestReport,
        refused: &[String],
        log: &Path,
    ) -> Result<Vec<(EvidenceKind, String, PathBuf)>, JudgeError> {
        let label = trial.label;
        let name = format!("{label}-report.json");
        let path = trial.out_dir.join(&name);
        let mut fence = fs::read_to_string(self.note()).unwrap_or_else(|_| "none".to_owned());
        limits::truncate(&mut fence, NOTE_BYTES);
        let kept = Kept { report, runner: trial.e2e.as_str(), origin: &self.origin, fence, refused };
        let json = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        fs::write(&path, json).map_err(JudgeError::io(&path))?;
        let mut files = vec![(EvidenceKind::Report, name, path)];
        for (kind, extension, suffix) in [
            (EvidenceKind::Screenshot, "png", ""),
            (EvidenceKind::Trace, "zip", "-trace"),
            (EvidenceKind::Video, "webm", ""),
        ] {
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

fn check_test_name(trial: &Trial<'_>) -> Result<(), JudgeError> {
    if trial.e2e.is_test_name(trial.test_name) {
        return Ok(());
    }
    let example = trial.e2e.test_name("view_homepage");
    Err(JudgeError::Trial(format!("`{}` is no name of a test file such as {example}", trial.test_name)))
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
