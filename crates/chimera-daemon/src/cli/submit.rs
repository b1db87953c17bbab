//! `submit`: puts a feature request into the queue.

use super::args::Submit;
use super::client::Client;
use super::style::{bold, dim};
use super::{End, answer, watch};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// Largest file that is read; the daemon takes less.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What was asked for.
enum Asked {
    One(Value),
    /// A batch, which the daemon accepts all or none of.
    Many(Vec<Value>),
}

pub(super) fn submit(client: &Client, args: Submit, json: bool) -> Result<End> {
    let (watches, key) = (args.watch, args.idempotency_key.clone());
    let asked = match &args.file {
        Some(file) => parse(&read(file)?).with_context(|| format!("{} is not valid JSON", file.display()))?,
        None => Asked::One(request(args)),
    };
    let headers: Vec<_> = key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
    let request = match asked {
        Asked::One(request) => request,
        Asked::Many(requests) => return many(client, &requests, &headers, (watches, json)),
    };
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

/// Submits a batch, and follows its tasks one after the other if asked to.
fn many(
    client: &Client,
    requests: &[Value],
    headers: &[(&str, &str)],
    (watches, json): (bool, bool),
) -> Result<End> {
    let accepted = client.post("/api/tasks/batch", &json!({"tasks": requests}), headers)?;
    let tasks = accepted["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let task = |task: &Value| task["task_id"].as_str().unwrap_or_default().to_owned();
    if !watches {
        answer(json, &accepted, || {
            let line = |one: &Value| {
                format!("{}  {}\n", bold(task(one)), one["status"].as_str().unwrap_or_default())
            };
            tasks.iter().map(line).collect()
        })?;
        return Ok(End::Done);
    }
    let mut end = End::Done;
    for one in tasks {
        if watch::watch(client, &task(one), json)? != End::Done {
            end = End::Unproven;
        }
    }
    Ok(end)
}

fn read(file: &Path) -> Result<String> {
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
    Ok(text)
}

/// One request, a list of them, an object with such a list as `tasks`, or one a line.
fn parse(text: &str) -> Result<Asked, serde_json::Error> {
    let values: Vec<Value> =
        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>()?;
    match <[Value; 1]>::try_from(values) {
        Ok([Value::Array(requests)]) => Ok(Asked::Many(requests)),
        Ok([Value::Object(mut object)]) => match object.remove("tasks") {
            Some(Value::Array(requests)) if object.is_empty() => Ok(Asked::Many(requests)),
            Some(other) => {
                object.insert("tasks".to_owned(), other);
                Ok(Asked::One(Value::Object(object)))
            }
            None => Ok(Asked::One(Value::Object(object))),
        },
        Ok([other]) => Ok(Asked::One(other)),
        // Nothing at all is an error with a place in the text.
        Err(values) if values.is_empty() => serde_json::from_str(text).map(Asked::One),
        Err(requests) => Ok(Asked::Many(requests)),
    }
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
    put("deadline", args.deadline.map(Value::from));
    put("expires_at", args.expires_at.map(Value::from));
    put("after", (!args.after.is_empty()).then(|| json!(args.after)));
    let labels: Map<String, Value> =
        args.labels.into_iter().map(|(key, value)| (key, value.into())).collect();
    put("labels", (!labels.is_empty()).then_some(Value::Object(labels)));
    Value::Object(request)
}
