//! `cancel`, `retry`, `priority`: changes to a task.

use super::args::{Priority, Retry};
use super::client::Client;
use super::{End, answer, watch};
use anyhow::Result;
use serde_json::{Value, json};

pub(super) fn cancel(client: &Client, task: &str, json: bool) -> Result<End> {
    let task = client.post(&format!("{}/cancel", watch::path(task)), &json!({}), &[])?;
    let told = if task["status"] == "cancelled" {
        "is cancelled"
    } else {
        "is running; its worker is about to stop it"
    };
    tell(&task, told, json)
}

pub(super) fn retry(client: &Client, args: &Retry, json: bool) -> Result<End> {
    let from = args.from.as_ref().map(|from| from.to_ascii_uppercase());
    let task = client.post(&format!("{}/retry", watch::path(&args.task)), &json!({"from": from}), &[])?;
    if args.watch {
        return watch::watch(client, &args.task, json);
    }
    let phase = task["phase"].as_str().unwrap_or_default();
    tell(&task, &format!("is queued again, from {phase}"), json)
}

pub(super) fn priority(client: &Client, args: &Priority, json: bool) -> Result<End> {
    let task = client.patch(&watch::path(&args.task), &json!({"priority": args.priority}))?;
    tell(&task, &format!("has priority {}", args.priority), json)
}

fn tell(task: &Value, told: &str, json: bool) -> Result<End> {
    answer(json, task, || format!("{} {told}\n", task["task_id"].as_str().unwrap_or_default()))?;
    Ok(End::Done)
}
