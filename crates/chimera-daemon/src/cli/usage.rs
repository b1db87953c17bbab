//! Reading the command line. What was typed takes effect or is refused: a command does not know the global options that
//! it does not use. Errors are told in the form that was asked for.

use super::args::{Cli, Command};
use super::tell;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::process::ExitCode;

/// What the commands use that work on this machine with the judge's tools.
const HERE: &[&str] = &["config", "data_dir", "tools_dir", "json"];
/// What the commands use that work on the database.
const DATABASE: &[&str] = &["config", "data_dir", "json"];
/// What the commands use that talk to a daemon: without `--server`, its address and data directory are those of the
/// configuration.
const DAEMON: &[&str] = &["config", "data_dir", "server", "json"];

/// The ids of the global options that a command uses.
fn used(command: &str) -> &'static [&'static str] {
    match command {
        "start" | "api" | "start-all" => &["config", "data_dir", "tools_dir"],
        "demo" | "doctor" | "setup" | "verify" => HERE,
        "migrate" | "backup" | "export" | "import" | "prune" => DATABASE,
        "init" | "bench" | "torture" => &["json"],
        "completions" | "bench-daemon" | "torture-daemon" => &[],
        _ => DAEMON,
    }
}

/// What can be typed; the help of a command shows only what it uses.
pub(super) fn command() -> clap::Command {
    let root = Cli::command();
    let globals: Vec<Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    root.mut_subcommands(|sub| {
        let used = used(sub.get_name());
        let unused = globals.iter().filter(|arg| !used.contains(&arg.get_id().as_str()));
        let hidden: Vec<Arg> = unused.map(|arg| arg.clone().hide(true)).collect();
        sub.args(hidden)
    })
}

/// Reads the command line of this process; an error or the help is told here.
pub(super) fn parse() -> Result<Cli, ExitCode> {
    let line: Vec<OsString> = std::env::args_os().collect();
    read(&line).map_err(|error| {
        let options = line.iter().take_while(|word| *word != "--");
        if error.use_stderr() && options.into_iter().any(|word| word == "--json") {
            tell(&in_a_line(&error), None, true);
        } else {
            let _ = error.print();
        }
        // 2 for what was typed wrong, 0 for a help that was asked for.
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

fn read(line: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(line)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let Some((name, sub)) = matches.subcommand() else { return Ok(cli) };
    match unused(&command, name, sub).or_else(|| void(&cli)) {
        Some(why) => {
            let command = command
                .find_subcommand_mut(name)
                .ok_or_else(|| clap::Error::new(ErrorKind::InvalidSubcommand))?;
            Err(command.error(ErrorKind::ArgumentConflict, why))
        }
        None => Ok(cli),
    }
}

/// Why a global option that was typed has no effect.
fn unused(root: &clap::Command, name: &str, sub: &ArgMatches) -> Option<String> {
    let typed = |arg: &&Arg| sub.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let globals = root.get_arguments().filter(|arg| arg.is_global_set());
    let arg = globals.filter(typed).find(|arg| !used(name).contains(&arg.get_id().as_str()))?;
    let hint = match (name, arg.get_id().as_str()) {
        ("start" | "api" | "start-all", "json") => "for a log in JSON set CHIMERA_LOG_FORMAT=json",
        ("start" | "api" | "start-all", "server") => {
            "where it listens is said by --host and --port of `api` and `start-all`"
        }
        _ => "leave it out",
    };
    Some(format!("--{} has no effect on `{name}`: {hint}", arg.get_long().unwrap_or_default()))
}

/// Why other options have no effect together.
fn void(cli: &Cli) -> Option<String> {
    match &cli.command {
        Command::Logs(logs)
            if cli.global.json && (logs.name.is_some() || logs.tail.is_some() || logs.follow) =>
        {
            Some("`logs --json` lists the logs of a task: leave out the name, --tail and --follow".to_owned())
        }
        _ => None,
    }
}

/// The error without the usage below it.
fn in_a_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing: `chimera-daemon help` lists them".to_owned();
    }
    let told = error.render().to_string();
    let lines = told.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    lines.fold(String::new(), |mut text, line| {
        text += match text.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        };
        text + line.strip_prefix("error: ").unwrap_or(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(line: &str) -> Option<String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        read(&words).err().map(|error| in_a_line(&error))
    }

    #[test]
    fn the_command_line_is_sound_and_each_command_of_the_table_is_there() {
        let command = command();
        command.clone().debug_assert();
        for name in
            ["start", "api", "start-all", "demo", "doctor", "setup", "verify", "migrate", "backup", "export"]
                .iter()
                .chain(&[
                    "import",
                    "prune",
                    "init",
                    "bench",
                    "torture",
                    "completions",
                    "bench-daemon",
                    "torture-daemon",
                ])
        {
            assert!(command.find_subcommand(name).is_some(), "{name}");
        }
    }

    #[test]
    fn an_option_without_effect_is_refused_wherever_it_stands() {
        for line in [
            "x start --json",
            "x --json start",
            "x api --json",
            "x start-all --json",
            "x completions bash --json",
            "x start --host 127.0.0.1",
            "x start --port 1",
            "x api --workers 2",
            "x list --tools-dir t",
            "x --tools-dir t list",
            "x backup to --server http://localhost:1",
            "x init --data-dir d",
            "x dead-letters list --tools-dir t",
            "x logs chimera-1 --follow --json",
            "x --json logs chimera-1 red.log",
            "x logs chimera-1 --json --tail 3",
        ] {
            assert!(complaint(line).is_some(), "{line}");
        }
        let told = complaint("x start-all --json").expect("refused");
        assert_eq!(
            told,
            "--json has no effect on `start-all`: for a log in JSON set CHIMERA_LOG_FORMAT=json"
        );
    }

    #[test]
    fn an_option_with_effect_is_taken_wherever_it_stands() {
        for line in [
            "x start --workers 2 --tools-dir t",
            "x api --host 127.0.0.1 --port 0 --data-dir d",
            "x start-all --port 0 --workers 2 --start-paused",
            "x --json list --server http://localhost:1",
            "x --server http://localhost:1 dead-letters list --json",
            "x logs chimera-1 --json",
            "x doctor --json --config c.toml",
            "x setup --tools-dir t --json",
        ] {
            assert_eq!(complaint(line), None, "{line}");
        }
    }

    #[test]
    fn an_error_in_a_line_keeps_the_suggestion() {
        let told = complaint("x list --limt 3").expect("refused");
        assert!(told.contains("--limt") && told.contains("--limit") && !told.contains('\n'), "{told}");
        assert!(complaint("x submit").expect("refused").contains("not provided"));
    }
}
