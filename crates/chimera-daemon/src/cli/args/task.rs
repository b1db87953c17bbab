//! The arguments of what is done to tasks.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct TaskArg {
    /// The task, such as chimera-1a2b3c4d5e6f
    pub(in crate::cli) task: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Submit {
    /// What users can do once it is there: "User can view homepage"
    #[arg(required_unless_present = "file")]
    pub(in crate::cli) feature: Option<String>,
    /// The page of the running application
    #[arg(long, value_name = "URL", required_unless_present = "file")]
    pub(in crate::cli) target_url: Option<String>,
    /// Where the change is staged, if not by the project
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) staging_url: Option<String>,
    /// 1 (whenever) to 10 (at once) [default: 5]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) priority: Option<i64>,
    /// An acceptance criterion, in order; may be repeated
    #[arg(long = "accept", value_name = "SENTENCE")]
    pub(in crate::cli) acceptance: Vec<String>,
    /// A configured project; without it the target URL decides
    #[arg(long)]
    pub(in crate::cli) project: Option<String>,
    /// The earliest start, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) not_before: Option<String>,
    /// A free mark; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// A key that makes it safe to send the request again
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) idempotency_key: Option<String>,
    /// Read the request from a JSON file instead; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["feature", "target_url", "staging_url", "priority",
        "acceptance", "project", "not_before", "labels"])]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Follow it until it ends
    #[arg(long)]
    pub(in crate::cli) watch: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
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
    #[arg(long, short, conflicts_with = "tail")]
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
