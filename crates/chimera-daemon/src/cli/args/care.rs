//! The arguments of dead letters, and of the care of the database.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DeadLetters {
    /// List failed tasks that no person has given up, newest first
    List {
        #[command(flatten)]
        filter: DeadFilter,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Go on where an earlier list ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Send them back into the queue
    Retry {
        #[command(flatten)]
        choice: DeadChoice,
        /// The phase to go on from [default: the one in which each failed]
        #[arg(long, value_name = "PHASE")]
        from: Option<String>,
    },
    /// Give them up: they are no dead letters any more, and pruned before others
    Discard {
        #[command(flatten)]
        choice: DeadChoice,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeadFilter {
    /// Only those that failed for this reason, such as agent_error
    #[arg(long)]
    pub(in crate::cli) reason: Option<String>,
    /// Only those that failed in this phase
    #[arg(long)]
    pub(in crate::cli) phase: Option<String>,
    /// Only of this project
    #[arg(long)]
    pub(in crate::cli) project: Option<String>,
    /// Only with this mark; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = super::submit::pair)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// Only those that failed longer ago than this, such as 7d
    #[arg(long, value_name = "AGE")]
    pub(in crate::cli) older_than: Option<String>,
    /// Only those that failed since, such as 1h
    #[arg(long, value_name = "AGE")]
    pub(in crate::cli) newer_than: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeadChoice {
    /// These tasks; otherwise a filter or --all says which
    pub(in crate::cli) tasks: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: DeadFilter,
    /// All of them
    #[arg(long, conflicts_with = "tasks")]
    pub(in crate::cli) all: bool,
    /// At most so many; asked of the daemon in batches of 200
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(in crate::cli) limit: u32,
    /// Only say what would be done
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Prune {
    /// Remove what ended longer ago than this, such as 30d, whatever the configuration keeps
    #[arg(long, value_name = "AGE")]
    pub(in crate::cli) older_than: Option<String>,
    /// Only say how much would be removed
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["move_away", "copy", "reopen"])))]
pub(in crate::cli) struct Export {
    /// The file to write; it must not exist
    #[arg(required_unless_present = "reopen")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Close this queue: it goes on in the database that imports the file
    #[arg(long = "move")]
    pub(in crate::cli) move_away: bool,
    /// Leave this queue as it is; nothing may work on the copy meanwhile, or everything is done twice
    #[arg(long)]
    pub(in crate::cli) copy: bool,
    /// Write nothing, but open a queue again that was closed
    #[arg(long, conflicts_with = "file")]
    pub(in crate::cli) reopen: bool,
}
