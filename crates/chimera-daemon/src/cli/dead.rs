//! `dead-letters`: failed tasks that wait for a person.

use super::args::{DeadChoice, DeadFilter, DeadLetters};
use super::client::Client;
use super::style::{bold, columns, dim, short, table_within, tame};
use super::{End, answer, print, print_json};
use anyhow::Result;
use serde_json::{Map, Value, json};

/// Most tasks that the daemon treats at once.
const BATCH: usize = 200;
/// Longest feature in a list, in characters.
const FEATURE: usize = 50;

pub(super) fn dead_letters(client: &Client, command: DeadLetters, json: bool) -> Result<End> {
    match command {
        DeadLetters::List { filter, limit, cursor } => list(client, &filter, limit, cursor.as_deref(), json),
        DeadLetters::Retry { choice, from } => {
            let from = from.map(|from| from.to_ascii_uppercase());
            treat(client, "retry", &choice, from.as_deref(), json)
        }
        DeadLetters::Discard { choice } => treat(client, "discard", &choice, None, json),
    }
}

fn list(client: &Client, filter: &DeadFilter, limit: u32, cursor: Option<&str>, json: bool) -> Result<End> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    for (name, value) in texts(filter) {
        query.append_pair(name, &value);
    }
    for (key, value) in &filter.labels {
        query.append_pair("label", &format!("{key}={value}"));
    }
    query.extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
    let page = client.get(&format!("/api/dead-letters?{}", query.finish()))?;
    if json {
        print_json(&page)?;
        return Ok(End::Done);
    }
    let tasks = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tasks.is_empty() {
        print("no dead letters\n");
        return Ok(End::Done);
    }
    let mut rows = vec![["TASK", "REASON", "PHASE", "FAILED (UTC)", "FEATURE"].map(str::to_owned).to_vec()];
    rows.extend(tasks.iter().map(row));
    print(table_within(
        columns(),
        &rows,
        |row, _, cell| if row == 0 { dim(cell).to_string() } else { cell.to_owned() },
    ));
    if let Some(cursor) = page["next"].as_str() {
        print(format!("{}\n", dim(format!("there are more: --cursor {cursor}"))));
    }
    Ok(End::Done)
}

fn row(task: &Value) -> Vec<String> {
    let text = |name: &str| task[name].as_str().unwrap_or_default();
    let failed: String = text("completed_at").chars().take(16).collect();
    vec![
        tame(text("task_id")),
        text("reason").to_owned(),
        text("failed_in").to_owned(),
        failed.replace('T', " "),
        short(text("feature"), FEATURE),
    ]
}

fn texts(filter: &DeadFilter) -> impl Iterator<Item = (&'static str, String)> {
    let phase = filter.phase.as_ref().map(|phase| phase.to_ascii_uppercase());
    let pairs = [
        ("reason", filter.reason.clone()),
        ("phase", phase),
        ("project", filter.project.clone()),
        ("older_than", filter.older_than.clone()),
        ("newer_than", filter.newer_than.clone()),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

/// Asks again and again until there are no more, or as many as were wanted.
fn treat(client: &Client, what: &str, choice: &DeadChoice, from: Option<&str>, json: bool) -> Result<End> {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    let most = choice.limit as usize;
    let mut named = choice.tasks.chunks(BATCH);
    let mut cursor = Value::Null;
    while done.len() + refused.len() < most {
        let mut body = body(choice, from);
        if choice.tasks.is_empty() {
            body.insert("limit".to_owned(), json!((most - done.len() - refused.len()).min(BATCH)));
            body.insert("cursor".to_owned(), cursor.clone());
        } else {
            let Some(tasks) = named.next() else { break };
            body.insert("tasks".to_owned(), json!(tasks));
        }
        let mut answer = client.post(&format!("/api/dead-letters/{what}"), &Value::Object(body), &[])?;
        let mut take = |name: &str| match answer[name].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        done.extend(take("done"));
        refused.extend(take("refused"));
        cursor = answer["next"].take();
        if choice.tasks.is_empty() && cursor.is_null() {
            break;
        }
    }
    let told = json!({"dry_run": choice.dry_run, "done": done, "refused": refused, "next": cursor});
    answer(json, &told, || shown(what, &told))?;
    Ok(if refused.is_empty() { End::Done } else { End::Wanting })
}

fn body(choice: &DeadChoice, from: Option<&str>) -> Map<String, Value> {
    let mut body = Map::new();
    body.extend(texts(&choice.filter).map(|(name, value)| (name.to_owned(), Value::from(value))));
    let labels: Map<String, Value> =
        choice.filter.labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    if !labels.is_empty() {
        body.insert("labels".to_owned(), Value::Object(labels));
    }
    if choice.all {
        body.insert("all".to_owned(), true.into());
    }
    body.extend(from.map(|from| ("from".to_owned(), from.into())));
    body.insert("dry_run".to_owned(), choice.dry_run.into());
    body
}

fn shown(what: &str, told: &Value) -> String {
    let list = |name: &str| told[name].as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let (done, refused) = (list("done"), list("refused"));
    let verb = match (what, told["dry_run"] == true) {
        ("retry", true) => "would be queued again",
        ("retry", false) => "queued again",
        (_, true) => "would be given up",
        (_, false) => "given up",
    };
    let mut text: String =
        done.iter().map(|id| format!("{}  {verb}\n", bold(tame(id.as_str().unwrap_or_default())))).collect();
    for one in &refused {
        text += &format!("{}\n", tame(one["detail"].as_str().unwrap_or_default()));
    }
    text += &format!("{} {verb}", done.len());
    if !refused.is_empty() {
        text += &format!(", {} not", refused.len());
    }
    text += "\n";
    if !told["next"].is_null() {
        text += &format!("{}\n", dim("there are more: repeat it, or raise --limit"));
    }
    text
}
