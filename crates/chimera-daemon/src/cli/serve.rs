//! `start`, `api`, `start-all`: the daemon itself.

use super::args::{Global, Listen, Start};
use super::log_writer::LogWriter;
use super::style::{bold, dim};
use super::{End, configure, print};
use crate::config::{Config, Flags};
use crate::first_process;
use crate::local;
use crate::wiring::{self, Parts, Shutdown};
use anyhow::{Context, Result, bail};
use std::io::IsTerminal;
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// What is logged unless `CHIMERA_LOG` says otherwise.
const LOG_LEVEL: &str = "info";

pub(super) fn start(global: &Global, start: &Start) -> Result<End> {
    run(global, &start.listen, start.start_paused, Parts { engine: true, api: false })
}

pub(super) fn api(global: &Global, listen: &Listen) -> Result<End> {
    run(global, listen, false, Parts { engine: false, api: true })
}

pub(super) fn start_all(global: &Global, start: &Start) -> Result<End> {
    run(global, &start.listen, start.start_paused, Parts { engine: true, api: true })
}

fn run(global: &Global, listen: &Listen, start_paused: bool, parts: Parts) -> Result<End> {
    if let Some(code) = first_process::serve()? {
        return Ok(End::Code(code));
    }
    let Listen { host, port, workers } = listen;
    let flags =
        Flags { host: host.clone(), port: *port, workers: *workers, start_paused, ..Flags::default() };
    let config = configure(global, flags)?;
    let written = LogWriter::new(std::io::stderr());
    log(written.clone())?;
    let banner = banner(&config, parts);
    if parts.engine {
        warn(&config);
    }
    let served = runtime()?.block_on(async {
        let ready = |address| print(banner(address));
        wiring::serve(config, parts, Shutdown::on_signals()?, ready).await
    });
    written.flush();
    served?;
    Ok(End::Done)
}

/// Says what `doctor` would say, as far as that costs nothing. None of it keeps the daemon from starting: a program,
/// a tool or a variable that is missing now may be there when a task needs it.
fn warn(config: &Config) {
    for check in local::quick(config) {
        let (name, detail, remedy) = (check.name, check.detail, check.remedy);
        tracing::warn!("{name}: {detail}; {remedy}");
    }
}

pub(super) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gives no threads")
}

/// Logs as `CHIMERA_LOG` and `CHIMERA_LOG_FORMAT` say.
pub(super) fn log(to: LogWriter) -> Result<()> {
    let wanted = std::env::var("CHIMERA_LOG").unwrap_or_else(|_| LOG_LEVEL.to_owned());
    let filter = EnvFilter::try_new(&wanted).with_context(|| {
        format!("CHIMERA_LOG: `{wanted}` is no filter: write `info`, `debug` or `chimera_daemon=debug`")
    })?;
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A line that cannot be formatted or written is nobody's end.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(to)
        .with_ansi(coloured);
    match std::env::var("CHIMERA_LOG_FORMAT").as_deref() {
        Ok("json") => log.json().init(),
        Ok("text") | Err(_) => log.init(),
        Ok(other) => bail!("CHIMERA_LOG_FORMAT: `{other}` is no format: write `text` or `json`"),
    }
    Ok(())
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
