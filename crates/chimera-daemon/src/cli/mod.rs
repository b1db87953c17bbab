//! The command line.
//!
//! Map: `args` is what can be typed, `usage` reads it, `serve` runs the daemon, `machine` and `demo` work on this machine;
//! `verify` needs nothing but a file; everything else talks to a running daemon through `client`: `submit` and
//! `steer`, `dead` change things, `show`, `logs`, `watch` and `evidence` look at them, `validate` does both. `style` and `timeline` say how it looks.

mod args;
mod client;
mod connect;
mod dead;
mod demo;
mod evidence;
mod gates;
mod log_writer;
mod logs;
mod machine;
mod serve;
mod server;
mod show;
mod steer;
mod style;
mod submit;
mod timeline;
mod torture;
mod transfer;
mod usage;
mod validate;
mod verify;
mod watch;

use crate::config::{self, Config, ConfigError, Flags};
use crate::local::{Curves, Hand, Plan};
use anyhow::{Context, Result};
use args::{Cli, Command, Global, StartAll};
use client::Unreachable;
use connect::{Stranger, connect};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How a command that worked ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Done.
    Done,
    /// It found something wrong and said so.
    Wanting,
    /// The task that it followed ended without a proven change.
    Unproven,
    /// Runs that were repeated showed something else.
    Otherwise,
    /// As a daemon below this process ended.
    Code(u8),
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::SUCCESS,
            End::Wanting => Self::FAILURE,
            End::Unproven => Self::from(3),
            End::Otherwise => Self::from(5),
            End::Code(code) => Self::from(code),
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(end) => end.into(),
        Err(error) => {
            complain(&error, json);
            exit_code(&error)
        }
    }
}

fn run(Cli { global, command }: Cli) -> Result<End> {
    match command {
        Command::Start(work) => serve::start(&global, &work),
        Command::Api(listen) => serve::api(&global, &listen),
        Command::StartAll(StartAll { listen, work }) => serve::start_all(&global, &listen, &work),
        Command::Submit(args) => submit::submit(&connect(&global)?, args, global.json),
        Command::Status(args) => show::status(&connect(&global)?, &args.task, global.json),
        Command::List(args) => show::list(&connect(&global)?, &args, global.json),
        Command::Watch(args) => watch::watch(&connect(&global)?, &args.task, global.json),
        Command::Logs(args) => logs::logs(&connect(&global)?, &args, global.json),
        Command::Evidence(args) => evidence::evidence(&connect(&global)?, &args, global.json),
        Command::Key => evidence::key(&connect(&global)?, global.json),
        Command::Verify(args) => verify::verify(&global, &args),
        Command::Cancel(args) => steer::cancel(&connect(&global)?, &args.task, global.json),
        Command::Retry(args) => steer::retry(&connect(&global)?, &args, global.json),
        Command::Priority(args) => steer::priority(&connect(&global)?, &args, global.json),
        Command::Pause(args) => gates::pause(&connect(&global)?, &args, global.json),
        Command::Resume(scope) => gates::resume(&connect(&global)?, &scope, global.json),
        Command::Gates => gates::gates(&connect(&global)?, global.json),
        Command::CloseBreaker(breaker) => gates::close_breaker(&connect(&global)?, &breaker, global.json),
        Command::Validate(args) => validate::validate(&connect(&global)?, &args, global.json),
        Command::Demo(args) => demo::demo(&global, &args),
        Command::Doctor => machine::doctor(&global),
        Command::Setup { yes, playwright_test } => machine::setup(&global, yes, playwright_test),
        Command::Init { dir } => machine::init(&dir, global.json),
        Command::Migrate => machine::migrate(&global),
        Command::DeadLetters { command } => dead::dead_letters(&connect(&global)?, command, global.json),
        Command::Export(args) => transfer::export(&global, &args),
        Command::Import { file } => transfer::import(&global, &file),
        Command::Restored => transfer::restored(&global),
        Command::Backup { dir } => transfer::backup(&global, &dir),
        Command::Prune(args) => machine::prune(&global, &args),
        Command::Bench { curves: true, history, check, database, .. } => {
            machine::curves(&Curves { history, database }, check, global.json)
        }
        Command::Bench { tasks, workers, daemons, check, depth, database, .. } => {
            machine::bench(&Plan { tasks, workers, daemons, depth, database }, check, global.json)
        }
        Command::BenchDaemon { database, workers, lasting } => {
            machine::hand(&Hand { database, workers, lasting: Duration::from_millis(lasting) })
        }
        Command::Torture(how) => torture::torture(how, global.json),
        Command::TortureDaemon(life) => torture::daemon(life),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut usage::command(), "chimera-daemon", &mut script);
            print(String::from_utf8_lossy(&script));
            Ok(End::Done)
        }
    }
}

/// The configuration under the global flags and these.
fn configure(global: &Global, more: Flags) -> Result<Config> {
    let flags = Flags {
        config: global.config.clone().filter(|path| !path.as_os_str().is_empty()),
        data_dir: global.data_dir.clone(),
        tools_dir: global.tools_dir.clone(),
        ..more
    };
    let cwd = std::env::current_dir().context("the working directory is gone")?;
    if let Some(name) = unreadable_variable() {
        return Err(ConfigError::value(name, "the value is not UTF-8: give one that is").into());
    }
    Ok(config::load(&flags, environment(), &cwd)?)
}

/// A variable of ours whose value is no text: it would be left out in silence.
fn unreadable_variable() -> Option<String> {
    let ours = std::env::vars_os().filter(|(_, value)| value.to_str().is_none());
    ours.filter_map(|(name, _)| name.into_string().ok()).find(|name| name.starts_with("CHIMERA_"))
}

/// This process' environment; names and values that are no text are left out.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        // A variable that compose files and scripts leave empty is not set.
        .filter(|(name, value)| !(name.starts_with("CHIMERA_") && value.is_empty()))
        .collect()
}

/// Prints a text; whoever reads it may stop reading.
fn print(text: impl AsRef<str>) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
}

/// Says something beside the answer; whoever would read it may be gone.
fn remark(text: impl AsRef<str>) {
    let mut err = anstream::stderr();
    let _ = err.write_all(text.as_ref().as_bytes()).and_then(|()| err.flush());
}

/// Prints a value as JSON, for scripts on one line.
fn print_json(value: &impl Serialize) -> Result<()> {
    print(serde_json::to_string(value)? + "\n");
    Ok(())
}

/// Prints the value for scripts, or the text for people.
fn answer(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
    if json {
        return print_json(value);
    }
    print(text());
    Ok(())
}

fn complain(error: &anyhow::Error, json: bool) {
    tell(&told(error), refusal(error), json);
}

/// Tells an error; `status` is that of the daemon's answer, if there was one.
fn tell(text: &str, status: Option<u16>, json: bool) {
    let mut out = anstream::stderr();
    let _ = if json {
        writeln!(out, "{}", json!({"error": text, "status": status}))
    } else {
        writeln!(out, "{} {text}", style::bad("error:"))
    };
}

/// The error and its causes; a cause whose words stand there already is not repeated.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
    }
    text
}

fn refusal(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<client::Refused>().map(|refused| refused.status)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<ConfigError>() {
        ExitCode::from(2)
    } else if error.is::<Unreachable>() || error.is::<Stranger>() {
        ExitCode::from(4)
    } else {
        ExitCode::FAILURE
    }
}
