//! `demo`: the whole product on an example shop, before the reader's eyes.

use super::args::{self, Global};
use super::client::Client;
use super::log_writer::LogWriter;
use super::server::Server;
use super::style::{bold, dim, good};
use super::{End, configure, environment, print, print_json, serve, show, watch};
use crate::bundle;
use crate::config::Flags;
use crate::local::{self, Stage};
use crate::wiring::{self, Parts, Shutdown};
use anyhow::{Context, Result, anyhow};
use chimera_agent::toolchain;
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Largest evidence file that is copied.
const EVIDENCE_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn demo(global: &Global, args: &args::Demo) -> Result<End> {
    let own = configure(global, Flags::default())?;
    toolchain::locate(&wiring::tools(&own)).map_err(|missing| {
        let missing: Vec<_> = missing.iter().map(|missing| missing.name).collect();
        anyhow!("{} missing: run `chimera-daemon setup` first", missing.join(", "))
    })?;
    let runtime = serve::runtime()?;
    let stage = runtime.block_on(local::stage(&args.dir, &own.tools_dir, environment()))?;
    let log = std::fs::File::create(stage.dir.join("daemon.log")).context("cannot write the daemon's log")?;
    serve::log(LogWriter::new(log), false)?;
    let daemon = Daemon::start(&runtime, &stage)?;
    if !global.json {
        print(opening(&stage, &daemon.client));
    }
    let task = deliver(&daemon.client, &stage, global.json)?;
    let files = keep_evidence(&daemon.client, &stage.dir, &task)?;
    let report = match task["status"].as_str() {
        Some("completed") => Some(keep_report(&daemon.client, &stage.dir, &task)?),
        _ => None,
    };
    if global.json {
        print_json(
            &json!({"task": task, "evidence": files, "repository": stage.repository, "report": report}),
        )?;
    } else {
        print(closing(&stage, &task, &files, report.as_deref()));
    }
    if args.keep {
        if !global.json {
            print(still_there(&stage, &daemon.client));
        }
        runtime.block_on(daemon.shutdown.asked.cancelled());
    }
    daemon.shutdown.asked.cancel();
    runtime.block_on(daemon.running).context("the daemon broke")??;
    Ok(watch::end_of(&task))
}

/// Submits the request over HTTP, as anybody would, and shows it until its end.
fn deliver(client: &Client, stage: &Stage, json: bool) -> Result<Value> {
    let accepted = client.post("/api/tasks", &stage.request, &[])?;
    let id = accepted["task_id"].as_str().context("the daemon did not name the task")?;
    if !json {
        print(format!("\n{}  {}\n", bold(id), stage.request["feature"].as_str().unwrap_or_default()));
    }
    watch::follow(client, id, json)
}

/// The daemon, in this process.
struct Daemon {
    client: Client,
    shutdown: Shutdown,
    running: JoinHandle<Result<()>>,
}

impl Daemon {
    fn start(runtime: &Runtime, stage: &Stage) -> Result<Self> {
        let config = stage.config.clone();
        let (listens, address) = oneshot::channel::<SocketAddr>();
        let shutdown = runtime.block_on(async { Shutdown::on_signals() })?;
        let parts = Parts { engine: true, api: true };
        let ready = |address: Option<SocketAddr>| {
            let _ = address.map(|address| listens.send(address));
        };
        let running = runtime.spawn(wiring::serve(config, parts, shutdown.clone(), ready));
        let Ok(address) = runtime.block_on(address) else {
            runtime.block_on(running).context("the daemon broke")??;
            return Err(anyhow!("the daemon ended before it listened"));
        };
        Ok(Self { client: Client::new(Server::parse(&address.to_string())?), shutdown, running })
    }
}

/// Copies the evidence of a task into the demo's directory, under names for people.
fn keep_evidence(client: &Client, dir: &Path, task: &Value) -> Result<Vec<PathBuf>> {
    let into = dir.join("evidence");
    std::fs::create_dir_all(&into).with_context(|| format!("cannot create {}", into.display()))?;
    let path = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = client.get(&path(&task["links"]["evidence"]))?;
    let mut files = Vec::new();
    for item in list["items"].as_array().into_iter().flatten() {
        let name =
            format!("{:02}-{}", item["attempt"].as_u64().unwrap_or(0), path(&item["name"]).replace('/', "_"));
        let mut bytes = Vec::new();
        client.text(&path(&item["href"]))?.take(EVIDENCE_BYTES).read_to_end(&mut bytes)?;
        let file = into.join(name);
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

/// Takes the report out of the bundle, to be looked at in a browser.
fn keep_report(client: &Client, dir: &Path, task: &Value) -> Result<PathBuf> {
    let id = task["task_id"].as_str().unwrap_or_default();
    let report = bundle::report_in(client.text(&format!("{}/bundle", watch::path(id)))?)?;
    let file = dir.join("report.html");
    std::fs::write(&file, report).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn opening(stage: &Stage, client: &Client) -> String {
    let criteria = stage.request["acceptance"].as_array().map_or(0, Vec::len);
    let rows = [
        ("production", format!("{} {}", stage.production, dim("the shop as it is"))),
        ("repository", stage.repository.display().to_string()),
        ("daemon", client.server().to_owned()),
        ("request", format!("POST /api/tasks, {criteria} acceptance criteria")),
    ];
    format!("{}\n{}", bold("A bookshop gets a feature, and the proof that it works"), show::aligned(&rows))
}

fn closing(stage: &Stage, task: &Value, files: &[PathBuf], report: Option<&Path>) -> String {
    let mut text =
        format!("\n  {}\n", good(format!("status: {}", task["status"].as_str().unwrap_or_default())));
    if task["status"] != "completed" {
        let error = task["error"].as_str().unwrap_or_default();
        return text + &format!("  {error}\n  log: {}\n", stage.dir.join("daemon.log").display());
    }
    text.push_str(&show::result(&task["result"]));
    let shown = |file: &&PathBuf| file.to_string_lossy().ends_with("-green-1.png");
    let screenshot = files.iter().rev().find(shown);
    let branch = task["result"]["branch"].as_str().unwrap_or_default();
    text.push_str(&format!("\n{}\n", bold("Look")));
    let mut rows: Vec<_> = report.map(|file| ("report", file.display().to_string())).into_iter().collect();
    rows.push(("change", format!("git -C {} diff main {branch}", stage.repository.display())));
    rows.extend(screenshot.map(|file| ("screenshot", file.display().to_string())));
    if let Some(dir) = files.first().and_then(|file| file.parent()) {
        rows.push(("evidence", format!("{} {}", dir.display(), dim(format!("{} files", files.len())))));
    }
    text + &show::aligned(&rows)
}

fn still_there(stage: &Stage, client: &Client) -> String {
    let rows = [
        ("docs", format!("{}/docs", client.server())),
        ("before", stage.production.clone()),
        ("stop", "Ctrl-C".to_owned()),
    ];
    format!("\n{}\n{}", bold("Still running"), show::aligned(&rows))
}
