//! `status` and `list`: tasks at a glance.

use super::args::List;
use super::client::Client;
use super::style::{bad, bold, columns, dim, good, short, status as painted, table_within, tame};
use super::timeline::{between, seconds_text};
use super::{End, answer, print, print_json, watch};
use anyhow::Result;
use serde_json::Value;

/// Where a daemon answers unless its configuration says otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8000";
/// Longest feature in a list, in characters.
const FEATURE: usize = 60;
/// What a completed task delivered, in the order of the phases.
const RESULT: [&str; 9] = [
    "test_path",
    "code_pr_id",
    "review_decision",
    "deployment_url",
    "validation_status",
    "branch",
    "base_commit",
    "head_commit",
    "revision",
];

pub(super) fn status(client: &Client, task: &str, json: bool) -> Result<End> {
    let task = client.get(&watch::path(task))?;
    answer(json, &task, || heading(&task) + &details(&task, client))?;
    Ok(End::Done)
}

pub(super) fn list(client: &Client, args: &List, json: bool) -> Result<End> {
    let page = client.get(&query(args))?;
    if json {
        print_json(&page)?;
        return Ok(End::Done);
    }
    let tasks = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tasks.is_empty() {
        print("no tasks\n");
        return Ok(End::Done);
    }
    let mut rows =
        vec![["TASK", "STATUS", "PHASE", "PRIO", "SUBMITTED (UTC)", "FEATURE"].map(str::to_owned).to_vec()];
    rows.extend(tasks.iter().map(row));
    print(table_within(columns(), &rows, |row, column, cell| match (row, column) {
        (0, _) => dim(cell).to_string(),
        (_, 1) => painted(cell),
        _ => cell.to_owned(),
    }));
    if let Some(cursor) = page["next"].as_str() {
        print(format!("{}\n", dim(format!("there are more: --cursor {cursor}"))));
    }
    Ok(End::Done)
}

fn query(args: &List) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/api/tasks?"));
    query.append_pair("limit", &args.limit.to_string());
    let pairs = args.status.iter().map(|status| ("status", status));
    let pairs = pairs.chain(args.labels.iter().map(|label| ("label", label)));
    let pairs = pairs.chain(args.project.iter().map(|project| ("project", project)));
    let pairs = pairs.chain(args.search.iter().map(|text| ("q", text)));
    query.extend_pairs(pairs.chain(args.cursor.iter().map(|cursor| ("cursor", cursor))));
    query.finish().replacen("?&", "?", 1)
}

fn row(task: &Value) -> Vec<String> {
    let submitted: String = text(&task["created_at"]).chars().take(16).collect();
    vec![
        tame(text(&task["task_id"])),
        standing(task),
        text(&task["phase"]).to_owned(),
        task["priority"].to_string(),
        submitted.replace('T', " "),
        short(text(&task["feature"]), FEATURE),
    ]
}

/// The status, and of a queued task what it waits for, in a word.
fn standing(task: &Value) -> String {
    match task["waiting_for"]["kind"].as_str() {
        Some(kind) => format!("{}: {}", text(&task["status"]), kind),
        None => text(&task["status"]).to_owned(),
    }
}

/// A task in one line.
pub(super) fn heading(task: &Value) -> String {
    format!("{}  {}\n", bold(tame(text(&task["task_id"]))), short(text(&task["feature"]), 100))
}

/// A task in a few lines.
fn details(task: &Value, client: &Client) -> String {
    let mut rows: Vec<(&str, String)> = vec![
        ("status", painted(text(&task["status"]))),
        ("phase", format!("{} {}", text(&task["phase"]), dim(text(&task["progress"])))),
        ("priority", task["priority"].to_string()),
        ("project", tame(text(&task["project"]))),
        ("target_url", tame(text(&task["target_url"]))),
    ];
    for name in ["created_at", "started_at", "completed_at"] {
        if let Some(at) = task[name].as_str() {
            rows.push((name, at.to_owned()));
        }
    }
    if let Some(detail) = task["waiting_for"]["detail"].as_str() {
        rows.push(("waiting_for", tame(detail)));
    }
    if let (Some(branch), true) = (task["branch"].as_str(), task["result"].is_null()) {
        rows.push(("branch", branch.to_owned()));
    }
    aligned(&rows) + &ending_or_error(task, client)
}

fn ending_or_error(task: &Value, client: &Client) -> String {
    match text(&task["status"]) {
        "completed" | "failed" | "cancelled" => ending(task, client),
        _ => task["error"]
            .as_str()
            .map(|error| format!("  {} {}\n", dim("last trouble:"), tame(error)))
            .unwrap_or_default(),
    }
}

/// How a task ended, and where to look.
pub(super) fn ending(task: &Value, client: &Client) -> String {
    let took = between(&task["created_at"], &task["completed_at"]).map(seconds_text).unwrap_or_default();
    let status = text(&task["status"]);
    let told = match status {
        "completed" => {
            format!("\n{} {}\n", good("completed"), dim(format!("in {took}"))) + &result(&task["result"])
        }
        "failed" => format!(
            "\n{} {}\n  {}\n",
            bad(format!("failed: {}", text(&task["reason"]))),
            dim(format!("in {}, after {took}", text(&task["failed_in"]))),
            tame(text(&task["error"]))
        ),
        _ => format!("\n{}\n", dim(status)),
    };
    told + &aligned(&next(&tame(text(&task["task_id"])), status, client.server()))
}

/// What to do next, as commands that reach the same daemon.
fn next(task: &str, status: &str, server: &str) -> Vec<(&'static str, String)> {
    let command = |what: &str| {
        // Only what its own configuration would not find has to be named.
        let elsewhere = std::env::var_os("CHIMERA_SERVER").is_none() && server != DEFAULT_SERVER;
        let server = if elsewhere { format!(" --server {server}") } else { String::new() };
        format!("chimera-daemon {what} {task}{server}")
    };
    let mut next = Vec::new();
    if status != "completed" {
        next.push(("logs", command("logs")));
    }
    next.push(("evidence", command("evidence")));
    if status == "failed" {
        next.push(("again", command("retry")));
    }
    next
}

/// What was delivered.
pub(super) fn result(result: &Value) -> String {
    let rows: Vec<(&str, String)> =
        RESULT.iter().filter_map(|name| Some((*name, tame(result[*name].as_str()?)))).collect();
    aligned(&rows)
}

/// Names and values in two columns.
pub(super) fn aligned(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("  {} {value}\n", dim(format!("{name:width$}")))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
