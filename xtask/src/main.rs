//! The project's own tasks: `cargo xtask demo | test | cheats | ci | tidy | with-postgres | with-patroni`.
//!
//! Map: [`commands`] is what a person calls, [`run`] starts the programs that do the work,
//! [`postgres`] the server that the tests of the store need, [`patroni`] a cluster of them, [`tidy`] holds the
//! rules that no compiler checks.

mod commands;
mod patroni;
mod postgres;
mod run;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo [--keep] [..]   set up, build, and watch one feature being delivered and proven
  test [filter..]      set up, then run every test; filters select tests by name
  cheats [name..]      set up, then deliver every dishonest and every honest case, and print what came of each
  ci                   formatting, lints, tidy, then every test: what must hold before a merge
  tidy                 the project's own rules; needs neither network nor set-up
  with-postgres <command ..>
                       run a command with a PostgreSQL server for the tests, such as `cargo test -p chimera-store`
  with-patroni <command ..>
                       run a command with a cluster of three: its URL is CHIMERA_DATABASE_URL, and the program
                       CLUSTER_CONTROL kills and cuts off machines; as root";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match task.as_str() {
        "demo" => commands::demo(&rest),
        "test" => commands::test(&rest),
        "cheats" => commands::cheats(&rest),
        "ci" => commands::ci(),
        "with-postgres" => commands::with_postgres(&rest),
        "with-patroni" => commands::with_patroni(&rest),
        "patroni-control" => patroni::control(&rest),
        "patroni-guard" => patroni::stand_guard(&rest),
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
