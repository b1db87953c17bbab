//! How a request is typed.

use clap::Args;
use std::path::PathBuf;

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
    /// Past it the task fails, whether it waits or runs
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) deadline: Option<String>,
    /// A task that has not begun by then is cancelled
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) expires_at: Option<String>,
    /// A task that has to be completed first; may be repeated
    #[arg(long = "after", value_name = "TASK")]
    pub(in crate::cli) after: Vec<String>,
    /// A free mark; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(in crate::cli) labels: Vec<(String, String)>,
    /// A key that makes it safe to send the request again
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) idempotency_key: Option<String>,
    /// Read the request from a JSON file instead, or many (a list, or one a line), which are accepted all or
    /// none; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["feature", "target_url", "staging_url", "priority",
        "acceptance", "project", "not_before", "deadline", "expires_at", "after", "labels"])]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Follow it until it ends; of many, one after the other
    #[arg(long)]
    pub(in crate::cli) watch: bool,
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}
