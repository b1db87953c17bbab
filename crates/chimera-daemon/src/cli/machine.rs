//! Commands about this machine; no daemon needed.

use super::args::Global;
use super::style::{bad, bold, dim, good, table};
use super::{End, answer, configure, print, print_json, serve};
use crate::config::Flags;
use crate::local;
use anyhow::Result;
use serde_json::json;
use std::path::Path;

pub(super) fn doctor(global: &Global) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let checks = serve::runtime()?.block_on(local::doctor(&config));
    let end = if checks.iter().all(|check| check.ok) { End::Done } else { End::Wanting };
    if global.json {
        print_json(&checks)?;
        return Ok(end);
    }
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            vec![if check.ok { "ok" } else { "MISSING" }.to_owned(), check.name.clone(), check.detail.clone()]
        })
        .collect();
    print(table(&rows, |row, column, cell| match (column, checks.get(row).is_some_and(|check| check.ok)) {
        (0, true) => good(cell).to_string(),
        (0, false) => bad(cell).to_string(),
        _ => cell.to_owned(),
    }));
    let wanting: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
    for check in &wanting {
        print(format!("\n{}: {}\n", bold(&check.name), check.remedy));
    }
    if wanting.is_empty() {
        print("everything that a delivery needs is there\n");
    }
    Ok(end)
}

pub(super) fn setup(global: &Global, yes: bool) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let json = global.json;
    let tell = move |step: String| {
        if json {
            print(json!({"step": step}).to_string() + "\n");
        } else {
            print(format!("{step}\n"));
        }
    };
    serve::runtime()?.block_on(local::setup(&config, yes, tell))?;
    Ok(End::Done)
}

pub(super) fn init(dir: &Path, json: bool) -> Result<End> {
    let path = local::init(dir)?;
    answer(json, &json!({"path": path}), || {
        format!("wrote {}: every key is in it, at its default\n", path.display())
    })?;
    Ok(End::Done)
}

pub(super) fn migrate(global: &Global) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let said = serve::runtime()?.block_on(local::migrate(&config))?;
    answer(global.json, &json!({"database": config.database.to_string()}), || said + "\n")?;
    Ok(End::Done)
}

pub(super) fn bench(tasks: u32, workers: u32, json: bool) -> Result<End> {
    let figures = serve::runtime()?.block_on(local::bench(tasks, workers))?;
    if json {
        print_json(&figures)?;
        return Ok(End::Done);
    }
    let row = |name: &str, value: String, what: String| vec![name.to_owned(), value, what];
    let rows = [
        row(
            "submit to start, p50",
            format!("{:.2} ms", figures.start_latency_p50_ms),
            format!("{tasks} tasks, one at a time"),
        ),
        row("submit to start, p99", format!("{:.2} ms", figures.start_latency_p99_ms), String::new()),
        row("submit to start, max", format!("{:.2} ms", figures.start_latency_max_ms), String::new()),
        row(
            "workflows",
            format!("{:.0} /s", figures.workflows_per_second),
            format!("{tasks} tasks at once, {workers} workers, five phases each"),
        ),
        row("idle", format!("{:.2} %", figures.idle_cpu_share * 100.0), "of one processor".to_owned()),
    ];
    print(table(&rows, |_, column, cell| if column == 2 { dim(cell).to_string() } else { cell.to_owned() }));
    Ok(End::Done)
}
