//! The arguments of what is done to tasks.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct TaskArg {
    /// The task, such as chimera-1a1ee5b1a007c3f0e19b
    pub(in crate::cli) task: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only these: queued, running, completed, failed, cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(in crate::cli) status: Vec<String>,
    /// Only of this project
    #[arg(long)]
    pub(in crate::cli) project: Option<String>,
    /// Only with this mark; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(in crate::cli) labels: Vec<String>,
    /// Only with these words in the feature
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) search: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(in crate::cli) limit: u32,
    /// Go on where an earlier list ended
    #[arg(long)]
    pub(in crate::cli) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Logs {
    /// The task
    pub(in crate::cli) task: String,
    /// Only one log, by its name; without it all of them
    pub(in crate::cli) name: Option<String>,
    /// Only the last lines of each
    #[arg(long, value_name = "LINES")]
    pub(in crate::cli) tail: Option<u32>,
    /// Print what is added until the task ends
    #[arg(long, short)]
    pub(in crate::cli) follow: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Retry {
    /// The task
    pub(in crate::cli) task: String,
    /// The phase to go on from [default: the one in which it ended]
    #[arg(long, value_name = "PHASE")]
    pub(in crate::cli) from: Option<String>,
    /// Follow it until it ends
    #[arg(long)]
    pub(in crate::cli) watch: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Priority {
    /// The task
    pub(in crate::cli) task: String,
    /// 1 (whenever) to 10 (at once)
    pub(in crate::cli) priority: i64,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Evidence {
    /// The task
    pub(in crate::cli) task: String,
    /// Where to; - is standard output [default: the name of the task with .tar]
    #[arg(long, short, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}
