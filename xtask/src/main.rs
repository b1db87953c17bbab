//! The project's own tasks: `cargo xtask demo | test | ci | tidy`.
//!
//! Map: [`commands`] is what a person calls, [`run`] starts the programs that do the work, [`tidy`] holds the
//! rules that no compiler checks.

mod commands;
mod run;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo [--keep] [..]   set up, build, and watch one feature being delivered and proven
  test [filter..]      set up, then run every test; filters select tests by name
  ci                   formatting, lints, tidy, then every test: what must hold before a merge
  tidy                 the project's own rules; needs neither network nor set-up";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match task.as_str() {
        "demo" => commands::demo(&rest),
        "test" => commands::test(&rest),
        "ci" => commands::ci(),
        "tidy" => commands::tidy(),
        "" | "help" | "-h" | "--help" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("there is no task `{other}`\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
