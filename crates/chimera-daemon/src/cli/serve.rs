//! `start`, `api`, `start-all`: the daemon itself.

use super::args::{Global, Listen, Work};
use super::log_writer::LogWriter;
use super::style::{bold, dim};
use super::{End, configure, print};
use crate::config::{Config, ConfigError, Flags, nearest};
use crate::first_process;
use crate::local;
use crate::wiring::{self, Parts, Shutdown};
use anyhow::{Context, Result};
use std::io::IsTerminal;
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// What is logged unless `CHIMERA_LOG` says otherwise.
const LOG_LEVEL: &str = "info";

pub(super) fn start(global: &Global, work: &Work) -> Result<End> {
    run(global, working(work), Parts { engine: true, api: false })
}

pub(super) fn api(global: &Global, listen: &Listen) -> Result<End> {
    run(global, listening(listen, Flags::default()), Parts { engine: false, api: true })
}

pub(super) fn start_all(global: &Global, listen: &Listen, work: &Work) -> Result<End> {
    run(global, listening(listen, working(work)), Parts { engine: true, api: true })
}

fn working(work: &Work) -> Flags {
    Flags { workers: work.workers, start_paused: work.start_paused, ..Flags::default() }
}

fn listening(listen: &Listen, flags: Flags) -> Flags {
    Flags { host: listen.host.clone(), port: listen.port, ..flags }
}

fn run(global: &Global, flags: Flags, parts: Parts) -> Result<End> {
    if let Some(code) = first_process::serve()? {
        return Ok(End::Code(code));
    }
    let config = configure(global, flags)?;
    let written = LogWriter::new(std::io::stderr());
    log(written.clone(), std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())?;
    let banner = banner(&config, parts);
    starting(&config, parts);
    let served = runtime()?.block_on(async {
        let ready = |address: Option<SocketAddr>| {
            if let Some(address) = address {
                tracing::info!(%address, "listening");
            }
            print(banner(address));
        };
        wiring::serve(config, parts, Shutdown::on_signals()?, ready).await
    });
    match &served {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(error = super::told(error), "stopped"),
    }
    written.flush();
    served?;
    Ok(End::Done)
}

/// Says what begins here, and with what.
fn starting(config: &Config, parts: Parts) {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    let (data_dir, database) = (config.data_dir.display(), &config.database);
    let workers = parts.engine.then_some(config.executor.max_workers);
    tracing::info!(version, pid, %data_dir, %database, workers, api = parts.api, "starting");
    warn(if parts.engine { local::quick(config) } else { local::variables(config) });
}

/// Says what `doctor` would say, as far as that costs nothing. None of it keeps the daemon from starting: a program,
/// a tool or a variable that is missing now may be there when a task needs it.
fn warn(checks: Vec<local::Check>) {
    for check in checks {
        let (name, detail, remedy) = (check.name, check.detail, check.remedy);
        tracing::warn!("{name}: {detail}; {remedy}");
    }
}

pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gives no threads")
}

/// Logs as `CHIMERA_LOG` (or `RUST_LOG`) and `CHIMERA_LOG_FORMAT` say, in colours if asked to.
pub(super) fn log(to: LogWriter, coloured: bool) -> Result<()> {
    let set = |name: &'static str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let wanted = ["CHIMERA_LOG", "RUST_LOG"].into_iter().find_map(|name| Some((name, set(name)?)));
    let (name, wanted) = wanted.unwrap_or(("CHIMERA_LOG", LOG_LEVEL.to_owned()));
    let filter = filter(&wanted).map_err(|hint| {
        let detail = format!("`{wanted}` is not a log filter: {hint}");
        ConfigError::value(name, detail)
    })?;
    // A line that cannot be formatted or written is nobody's end.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(to)
        .with_ansi(coloured);
    match set("CHIMERA_LOG_FORMAT").as_deref() {
        Some("json") => log.json().init(),
        Some("text") | None => log.init(),
        Some(other) => {
            let detail = format!("`{other}` is not a log format: write `text` or `json`");
            return Err(ConfigError::value("CHIMERA_LOG_FORMAT", detail).into());
        }
    }
    Ok(())
}

/// Reads a filter. A word alone is a level or the name of a part of the program; a level with a typing error would be
/// taken for a name, and silence everything.
fn filter(wanted: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for word in wanted.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        if let (false, Some(level)) = (is_level, nearest(word, LEVELS.into_iter())) {
            return Err(format!("did you mean `{level}`?"));
        }
    }
    let expected = |_| "write `info`, `debug` or `chimera_daemon=debug`".to_owned();
    EnvFilter::try_new(wanted).map_err(expected)
}

/// What the terminal shows once the daemon is ready.
fn banner(config: &Config, parts: Parts) -> impl FnOnce(Option<SocketAddr>) -> String + use<> {
    let (fewest, most) = (config.executor.min_workers, config.executor.max_workers);
    let workers = if fewest < most { format!("{fewest} to {most}") } else { most.to_string() };
    let data = config.data_dir.display().to_string();
    let mut rows = vec![("data", data)];
    if parts.engine {
        rows.push(("workers", workers));
        if config.executor.start_paused {
            rows.push(("queue", "paused: nothing is taken until it is resumed".to_owned()));
        }
    }
    move |address| {
        let mut text = format!("{} {}\n", bold("chimera-daemon"), env!("CARGO_PKG_VERSION"));
        if let Some(address) = address {
            rows.insert(0, ("api", format!("http://{address}")));
            rows.insert(1, ("docs", format!("http://{address}/docs")));
        }
        for (name, value) in rows {
            text.push_str(&format!("  {} {value}\n", dim(format!("{name:8}"))));
        }
        text
    }
}
