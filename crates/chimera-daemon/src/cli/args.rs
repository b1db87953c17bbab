//! What can be typed. `care` has the arguments of dead letters and of the database, `submit` those of a request, `task` those of what is done to tasks.

mod care;
mod gates;
mod submit;
mod task;
mod torture;

pub(super) use care::{DeadChoice, DeadFilter, DeadLetters, Export, Prune};
pub(super) use gates::{BreakerArg, Pause, ScopeArg};
pub(super) use submit::Submit;
pub(super) use task::{Evidence, List, Logs, Priority, Retry, TaskArg};
pub(super) use torture::{Torture, TortureDaemon};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The exit codes, as the help tells them.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it did not work, or an archive is not to be trusted; the reason is told
  2  the command line or the configuration is wrong
  3  the task ended without a proven change, or an intact archive proves none
  4  no daemon answers
  5  runs that were repeated showed something else than the archive says";

/// Unattended delivery of software changes.
///
/// Submit a feature once; come back to a branch with the change and the proof that it works.
#[derive(Debug, Parser)]
#[command(name = "chimera-daemon", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of most commands; `usage` says which command uses which.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// The configuration file [env: CHIMERA_CONFIG, default: chimera.toml if there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(super) config: Option<PathBuf>,
    /// Where everything is kept [default: chimera-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(super) data_dir: Option<PathBuf>,
    /// Where the Python environment is kept [default: tools in the data directory]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub(super) tools_dir: Option<PathBuf>,
    /// The daemon to talk to [env: CHIMERA_SERVER, default: host and port of the configuration]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "CHIMERA_SERVER",
        hide_env = true,
        help_heading = "Global options"
    )]
    pub(super) server: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the engine: deliver what is queued
    Start(Work),
    /// Run the HTTP interface: accept and show
    Api(Listen),
    /// Run engine and HTTP interface in one process
    StartAll(StartAll),
    /// Submit a feature request
    Submit(Submit),
    /// Show a task
    Status(TaskArg),
    /// List tasks, newest first
    List(List),
    /// Follow a task live until it ends
    Watch(TaskArg),
    /// Show what the processes of a task printed
    Logs(Logs),
    /// Write everything that proves a task into one signed archive
    Evidence(Evidence),
    /// Check such an archive, without a daemon and without a network
    Verify(Verify),
    /// Show the key that archives are signed with
    Key,
    /// Stop a task
    Cancel(TaskArg),
    /// Send a failed or cancelled task back into the queue
    Retry(Retry),
    /// Change the priority of a task
    Priority(Priority),
    /// Let nothing new begin: of the queue, a project, a role or an agent
    Pause(Pause),
    /// Let it go on
    Resume(ScopeArg),
    /// Show what holds tasks back, and the daemons that take them
    Gates,
    /// Let a project or an agent that kept failing be tried again at once
    CloseBreaker(BreakerArg),
    /// Check a running daemon: submit a small feature and follow it to its end
    Validate(Validate),
    /// Deliver a feature to an example shop, here and now
    Demo(Demo),
    /// Show what is missing for deliveries, and how to get it
    Doctor,
    /// Install what deliveries need: Chromium, git, the pinned Python environment
    Setup {
        /// Install packages of the system without asking
        #[arg(long)]
        yes: bool,
        /// Install Playwright Test, too, although no project in the configuration needs it
        #[arg(long)]
        playwright_test: bool,
    },
    /// Write a commented chimera.toml
    Init {
        /// Where to
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Failed tasks that wait for a person: list them, retry them, give them up
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// Create the database or bring it up to date
    Migrate,
    /// Copy database, evidence and repositories, also while the daemon works
    Backup {
        /// A directory that is new or empty
        dir: PathBuf,
    },
    /// Write the queue into a file, to move it to another database
    Export(Export),
    /// Fill the empty database of the configuration from an export, all or nothing
    Import {
        /// What `export` has written
        file: PathBuf,
    },
    /// Say that the database was restored from a backup, before a daemon works on it: leases of before hold no more
    Restored,
    /// Remove what ended long ago, as the daemon does every hour
    Prune(Prune),
    /// Measure queue and engine on this machine, with agents that do nothing
    Bench {
        /// Tasks for each figure
        #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        tasks: u32,
        /// Workers, one run for each number
        #[arg(long, value_delimiter = ',', default_values_t = [10, 256], value_parser = clap::value_parser!(u32).range(1..=1024))]
        workers: Vec<u32>,
        /// Daemons of the first number of workers that share the database, in processes of their own, for one more run
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
        daemons: u32,
        /// Exit with 1 if a figure misses its target
        #[arg(long)]
        check: bool,
        /// Longest queue whose claim is measured
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
        depth: u32,
        /// Measure instead what must not grow: the heartbeat by running tasks, the claim by daemons, counts and lists by
        /// ended tasks, and retention
        #[arg(long, conflicts_with_all = ["tasks", "workers", "daemons", "depth"])]
        curves: bool,
        /// Ended tasks of the longest history
        #[arg(long, default_value_t = 1_000_000, requires = "curves", value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
        history: u32,
        /// An empty database to fill, such as postgres://USER@HOST/NAME; otherwise a scratch file
        #[arg(long, value_name = "URL")]
        database: Option<String>,
    },
    /// Kill and stop real daemons at random moments on a scratch database, then look for what must never happen
    Torture(Torture),
    /// A daemon of `bench`
    #[command(hide = true)]
    BenchDaemon {
        #[arg(long)]
        database: String,
        #[arg(long)]
        workers: u32,
        /// Milliseconds of each phase
        #[arg(long)]
        lasting: u64,
    },
    /// A daemon of `torture`
    #[command(hide = true)]
    TortureDaemon(TortureDaemon),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Address of the HTTP interface [default: 127.0.0.1]
    #[arg(long)]
    pub(super) host: Option<String>,
    /// Port of the HTTP interface; 0 takes a free one [default: 8000]
    #[arg(long)]
    pub(super) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(super) struct Work {
    /// Most tasks that run side by side [default: 5]
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<u32>,
    /// Pause the whole queue before the first task is taken: accept and show, but begin nothing
    #[arg(long)]
    pub(super) start_paused: bool,
}

#[derive(Debug, Args)]
pub(super) struct StartAll {
    #[command(flatten)]
    pub(super) listen: Listen,
    #[command(flatten)]
    pub(super) work: Work,
}

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// What to ask for
    #[arg(long, default_value = "User can view homepage")]
    pub(super) feature: String,
    /// The page that it is about
    #[arg(long, value_name = "URL", default_value = "https://example.com")]
    pub(super) target_url: String,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where the demo keeps its repository and data
    #[arg(long, value_name = "DIR", default_value = "chimera-demo")]
    pub(super) dir: PathBuf,
    /// Leave everything running until interrupted
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The archive
    pub(super) file: PathBuf,
    /// The key that must have signed it: a file, its text, or its id, from `chimera-daemon key`
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Repeat red and green on this machine, with its browser
    #[arg(long, requires = "repo")]
    pub(super) rerun: bool,
    /// The repository that has the branch: a path or a URL
    #[arg(long, value_name = "REPO", requires = "rerun")]
    pub(super) repo: Option<String>,
    /// Run the test and the commands of the archive without showing them first
    #[arg(long, requires = "rerun")]
    pub(super) yes: bool,
}
