//! The daemon and its command line.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// What the workers allocate is mostly freed by the thread that writes it; the system's allocator takes locks for that, which
/// cost a sixth of the writer's time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    chimera_daemon::cli::main()
}
