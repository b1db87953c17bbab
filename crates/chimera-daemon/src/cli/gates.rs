//! `pause`, `resume`, `close-breaker`, `gates`: what holds tasks back.

use super::args::{BreakerArg, Pause, ScopeArg};
use super::client::{Client, segment};
use super::style::{self, bold, dim, table_within, tame};
use super::{End, answer, print, print_json};
use anyhow::Result;
use serde_json::{Value, json};

pub(super) fn pause(client: &Client, args: &Pause, json: bool) -> Result<End> {
    let Pause { scope, reason } = args;
    let body = json!({"project": scope.project, "role": scope.role, "agent": scope.agent, "reason": reason});
    let pause = client.post("/api/pauses", &body, &[])?;
    answer(json, &pause, || format!("{} is paused; running phases go on to their end\n", scope.id()))?;
    Ok(End::Done)
}

pub(super) fn resume(client: &Client, scope: &ScopeArg, json: bool) -> Result<End> {
    let id = scope.id();
    client.delete(&format!("/api/pauses/{}", segment(&id)))?;
    answer(json, &json!({"resumed": id}), || format!("{id} goes on\n"))?;
    Ok(End::Done)
}

pub(super) fn close_breaker(client: &Client, breaker: &BreakerArg, json: bool) -> Result<End> {
    let id = breaker.id();
    client.delete(&format!("/api/breakers/{}", segment(&id)))?;
    answer(json, &json!({"closed": id}), || format!("the breaker of {id} is closed\n"))?;
    Ok(End::Done)
}

/// Everything that holds tasks back, and the daemons that take them.
pub(super) fn gates(client: &Client, json: bool) -> Result<End> {
    let [pauses, breakers, daemons] =
        ["pauses", "breakers", "daemons"].map(|what| client.get(&format!("/api/{what}")));
    let (pauses, breakers, daemons) = (pauses?, breakers?, daemons?);
    if json {
        let all =
            json!({"pauses": pauses["items"], "breakers": breakers["items"], "daemons": daemons["items"]});
        print_json(&all)?;
        return Ok(End::Done);
    }
    section("paused", &pauses, &["id", "since", "until", "reason"]);
    section("failing", &breakers, &["id", "state", "failures", "until", "error"]);
    section("daemons", &daemons, &["owner", "workers", "seen_at", "throttled", "missing_tools", "alone_for"]);
    Ok(End::Done)
}

fn section(title: &str, page: &Value, columns: &[&str]) {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return print(format!("{} {}\n", bold(title), dim("none")));
    }
    let cell = |value: &Value| match value {
        Value::String(text) => tame(text),
        Value::Null => String::new(),
        Value::Array(texts) => {
            texts.iter().map(|text| tame(text.as_str().unwrap_or_default())).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    };
    let row = |item: &Value| columns.iter().map(|column| cell(&item[*column])).collect::<Vec<_>>();
    let mut rows = vec![columns.iter().map(|column| column.to_ascii_uppercase()).collect()];
    rows.extend(items.iter().map(row));
    print(format!("{}\n", bold(title)));
    print(table_within(style::columns(), &rows, |row, _, cell| {
        if row == 0 { dim(cell).to_string() } else { cell.to_owned() }
    }));
}
