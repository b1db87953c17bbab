//! The daemon and its command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    chimera_daemon::cli::main()
}
