//! What the judge adds to the time of a test run: the same test bare and judged in turn, medians at the end.
//!
//! `cargo run -p chimera-agent --example overhead -- TOOLS_DIR [ROUNDS]`
//!
//! Bare is what a person types: the runner with its defaults, told where the browser is. Judged is a run as every
//! delivery makes them, and as the recorded ones are made, with trace and video.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use chimera_agent::author;
use chimera_agent::criteria::parse_all;
use chimera_agent::judge::{Judge, STILL_WAIT, Scene, Trial};
use chimera_agent::spec::{E2E_DIR, E2e};
use chimera_agent::toolchain::{Search, Toolchain, locate};
use chimera_core::TestStatus;
use std::error::Error;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 15;
const HOME: &str = "<!doctype html><title>Shop</title><h1>Shop</h1><a href=/hours>Opening hours</a>";
const HOURS: &str = "<!doctype html><title>Opening hours</title><h1>Opening hours</h1><p>Monday: closed</p>";
const CRITERIA: [&str; 6] = [
    "open \"/\"",
    "click link \"Opening hours\"",
    "url is \"/hours\"",
    "title is \"Opening hours\"",
    "see heading \"Opening hours\"",
    "see text \"Monday: closed\"",
];

/// What is compared for one runner, in one directory.
struct Bout<'a> {
    tools: &'a Toolchain,
    e2e: E2e,
    test: String,
    origin: String,
    dir: TempDir,
}

#[expect(clippy::disallowed_methods, reason = "it measures time, and nothing else")]
fn begin() -> Instant {
    Instant::now()
}

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let tools_dir = PathBuf::from(args.next().ok_or("give the tools directory")?).canonicalize()?;
    let rounds = args.next().map_or(Ok(ROUNDS), |text| text.parse())?;
    let search = Search { tools_dir, env: std::env::vars().collect(), ..Search::default() };
    let tools = locate(&search).map_err(|missing| format!("{missing:?}"))?;
    let origin = site().await?;
    println!("medians of {rounds} runs, in turn      bare    judged           recorded");
    for e2e in E2e::ALL {
        let bout = Bout::new(&tools, e2e, &origin)?;
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            times[0].push(bout.bare()?);
            times[1].push(bout.judged(false).await?);
            times[2].push(bout.judged(true).await?);
        }
        let [bare, judged, recorded] = times.map(median);
        let more = |time: Duration| 100.0 * (time.as_secs_f64() / bare.as_secs_f64() - 1.0);
        print!("{:30} {:8.2} s", e2e.as_str(), bare.as_secs_f64());
        print!("  {:.2} s ({:+.0} %)", judged.as_secs_f64(), more(judged));
        println!("  {:.2} s ({:+.0} %)", recorded.as_secs_f64(), more(recorded));
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn site() -> Outcome<String> {
    let pages =
        Router::new().route("/", get(|| async { Html(HOME) })).route("/hours", get(|| async { Html(HOURS) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, pages).await });
    Ok(origin)
}

impl<'a> Bout<'a> {
    fn new(tools: &'a Toolchain, e2e: E2e, origin: &str) -> Outcome<Self> {
        let criteria = parse_all(&CRITERIA.map(str::to_owned)).map_err(|err| format!("{err:?}"))?;
        let test = author::compile(e2e, E2E_DIR, "Visitors find the opening hours", &criteria, "/").source;
        let bout = Self { tools, e2e, test, origin: origin.to_owned(), dir: tempfile::tempdir()? };
        std::fs::write(bout.at(&bout.test_name()), &bout.test)?;
        let (chromium, args) = (&tools.chromium, r#"["--no-sandbox"]"#);
        let conftest = format!(
            "import pytest\n\n@pytest.fixture(scope=\"session\")\ndef browser_type_launch_args(browser_type_launch_args):\n\
             \x20   return {{**browser_type_launch_args, \"executable_path\": {chromium:?}, \"args\": {args}}}\n"
        );
        std::fs::write(bout.at("conftest.py"), conftest)?;
        let config = format!(
            "module.exports = {{ use: {{ baseURL: {origin:?}, launchOptions: {{ executablePath: {chromium:?}, args: {args} }} }} }};\n"
        );
        std::fs::write(bout.at("playwright.config.js"), config)?;
        if let Some(installed) = &tools.playwright_test {
            symlink(installed.dir.join("node_modules"), bout.at("node_modules"))?;
        }
        Ok(bout)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn test_name(&self) -> String {
        self.e2e.test_name("overhead")
    }

    fn bare(&self) -> Outcome<Duration> {
        let mut command = match self.e2e {
            E2e::Pytest => Command::new(&self.tools.python),
            E2e::PlaywrightTest => {
                Command::new(&self.tools.playwright_test.as_ref().ok_or("no Playwright Test")?.node)
            }
        };
        match self.e2e {
            E2e::Pytest => command.args(["-m", "pytest", "-q", "--base-url", &self.origin]),
            E2e::PlaywrightTest => command.args(["node_modules/@playwright/test/cli.js", "test"]),
        };
        command.arg(self.test_name()).current_dir(self.dir.path());
        let begun = begin();
        let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        let time = begun.elapsed();
        if ended.success() { Ok(time) } else { Err(format!("{command:?} ended with {ended}").into()) }
    }

    async fn judged(&self, recorded: bool) -> Outcome<Duration> {
        let trial = Trial {
            e2e: self.e2e,
            test_name: &self.test_name(),
            test: self.test.as_bytes(),
            origin: &self.origin,
            scene: Scene::Served { at: &self.origin, keep_host: true },
            allow_hosts: &[],
            out_dir: &self.at("out"),
            label: "run",
            timeout: Duration::from_secs(180),
            still_wait: STILL_WAIT,
            recorded,
        };
        let judge = Judge::new(self.tools.clone());
        let begun = begin();
        let run = judge.run(&trial, &CancellationToken::new()).await?;
        let time = begun.elapsed();
        let passed = run.report.tests.iter().all(|test| test.status == TestStatus::Passed);
        if passed { Ok(time) } else { Err(format!("it is not green: {:?}", run.report).into()) }
    }
}
