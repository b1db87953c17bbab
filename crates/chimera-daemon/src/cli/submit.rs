//! `submit`: puts a feature request into the queue.

use super::args::Submit;
use super::client::Client;
use super::style::{bold, dim};
use super::{End, answer, watch};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// Largest request that is read from a file; the daemon takes less.
const FILE_BYTES: u64 = 1024 * 1024;

pub(super) fn submit(client: &Client, args: Submit, json: bool) -> Result<End> {
    let (watches, key) = (args.watch, args.idempotency_key.clone());
    let request = match &args.file {
        Some(file) => read(file)?,
        None => request(args),
    };
    let headers: Vec<_> = key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
    let accepted = client.post("/api/tasks", &request, &headers)?;
    let task = accepted["task_id"].as_str().context("the daemon did not name the task")?.to_owned();
    if watches {
        return watch::watch(client, &task, json);
    }
    answer(json, &accepted, || {
        let status = accepted["status"].as_str().unwrap_or_default();
        format!(
            "{}  {status}\n  {}\n",
            bold(&task),
            dim(format!("follow it with: chimera-daemon watch {task}"))
        )
    })?;
    Ok(End::Done)
}

fn read(file: &Path) -> Result<Value> {
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?)
    };
    let mut text = String::new();
    reader
        .take(FILE_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// The request as typed; what was not typed is left to the daemon.
fn request(args: Submit) -> Value {
    let mut request = Map::new();
    let mut put =
        |name: &str, value: Option<Value>| request.extend(value.map(|value| (name.to_owned(), value)));
    put("feature", args.feature.map(Value::from));
    put("target_url", args.target_url.map(Value::from));
    put("staging_url", args.staging_url.map(Value::from));
    put("priority", args.priority.map(Value::from));
    put("acceptance", (!args.acceptance.is_empty()).then(|| json!(args.acceptance)));
    put("project", args.project.map(Value::from));
    put("not_before", args.not_before.map(Value::from));
    let labels: Map<String, Value> =
        args.labels.into_iter().map(|(key, value)| (key, value.into())).collect();
    put("labels", (!labels.is_empty()).then_some(Value::Object(labels)));
    Value::Object(request)
}
