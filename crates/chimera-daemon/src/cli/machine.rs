//! Commands about this machine; no daemon needed.

use super::args::{Global, Prune};
use super::style::{self, bad, bold, dim, good, table, tame};
use super::{End, answer, configure, print, print_json, serve};
use crate::care::Removed;
use crate::config::{self, Flags};
use crate::local::{self, Check, Curves, Figure, Hand, Plan, Status};
use anyhow::Result;
use serde_json::json;
use std::io::{IsTerminal, Write};
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
        .map(|check| vec![word(check.status).to_owned(), tame(&check.name), tame(&check.detail)])
        .collect();
    print(table(&rows, |row, column, cell| match (column, checks.get(row).map(|check| check.status)) {
        (0, Some(Status::Ok)) => good(cell).to_string(),
        (0, Some(Status::Missing)) => bad(cell).to_string(),
        (0, _) => bold(cell).to_string(),
        _ => cell.to_owned(),
    }));
    for check in checks.iter().filter(|check| !check.remedy.is_empty()) {
        print(format!("\n{} ({}): {}\n", bold(&check.name), tame(&check.detail), check.remedy));
    }
    print(verdict(&checks));
    Ok(end)
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Missing => "MISSING",
    }
}

/// The last line: whether deliveries can work.
fn verdict(checks: &[Check]) -> String {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    match (count(Status::Missing), count(Status::Warning)) {
        (0, 0) => "\neverything that a delivery needs is there\n".to_owned(),
        (0, warnings) => {
            format!("\neverything that a delivery needs is there; {} above\n", several(warnings, "warning"))
        }
        (missing, _) => {
            format!("\n{} missing: deliveries fail or wait until then\n", several(missing, "thing"))
        }
    }
}

fn several(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) fn setup(global: &Global, yes: bool, playwright_test: bool) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let json = global.json;
    let tell = move |step: String| {
        if json {
            print(json!({"step": step}).to_string() + "\n");
        } else {
            print(format!("{step}\n"));
        }
    };
    serve::runtime()?.block_on(local::setup(&config, yes, playwright_test, tell))?;
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

pub(super) fn prune(global: &Global, args: &Prune) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let older_than = args.older_than.as_deref().map(config::span).transpose();
    let older_than = older_than.map_err(|why| anyhow::anyhow!("--older-than: {why}"))?;
    let removed = serve::runtime()?.block_on(local::prune(&config, older_than, args.dry_run))?;
    let value = json!({"dry_run": args.dry_run, "removed": removed});
    answer(global.json, &value, || {
        let Removed { tasks, files, bytes } = removed;
        if args.dry_run {
            return format!("{tasks} tasks would be removed, with their journal, evidence and logs\n");
        }
        let size = style::bytes(bytes);
        format!("removed {tasks} tasks, and {files} files and directories with {size}\n")
    })?;
    Ok(End::Done)
}

pub(super) fn hand(hand: &Hand) -> Result<End> {
    serve::runtime()?.block_on(local::run_hand(hand))?;
    Ok(End::Done)
}

pub(super) fn bench(plan: &Plan, check: bool, json: bool) -> Result<End> {
    measured(&serve::runtime()?.block_on(local::bench(plan, measuring(json)))?, check, json)
}

pub(super) fn curves(plan: &Curves, check: bool, json: bool) -> Result<End> {
    measured(&serve::runtime()?.block_on(local::curves(plan, measuring(json)))?, check, json)
}

/// Tells what is being measured, to somebody who watches.
fn measuring(json: bool) -> impl Fn(&str) {
    let watched = std::io::stderr().is_terminal() && !json;
    move |what| {
        if watched {
            let _ = writeln!(anstream::stderr(), "{}", dim(&format!("measuring: {what}")));
        }
    }
}

fn measured(figures: &[Figure], check: bool, json: bool) -> Result<End> {
    let missed = figures.iter().any(|figure| figure.met == Some(false));
    if json {
        print_json(&json!({ "figures": figures }))?;
    } else {
        let rows: Vec<Vec<String>> = figures.iter().map(row).collect();
        print(table(&rows, |_, column, cell| match (column, cell) {
            (2, cell) if cell.starts_with("MISSED") => bad(cell).to_string(),
            (2, cell) => good(cell).to_string(),
            (3, cell) => dim(cell).to_string(),
            (_, cell) => cell.to_owned(),
        }));
    }
    Ok(if check && missed { End::Wanting } else { End::Done })
}

fn row(figure: &Figure) -> Vec<String> {
    let number = |value: f64| match figure.unit {
        "ms" | "%" | "" | "transactions/s" => format!("{value:.2} {}", figure.unit),
        unit => format!("{value:.0} {unit}"),
    };
    let raw = figure.raw.map_or_else(String::new, |raw| {
        format!("{:.0} % of the raw {}", 100.0 * figure.value / raw, number(raw))
    });
    let how = if raw.is_empty() { figure.how.clone() } else { format!("{raw}; {}", figure.how) };
    let target = figure.target.as_ref().map_or_else(String::new, |target| {
        format!("{}: {target}", if figure.met == Some(true) { "ok" } else { "MISSED" })
    });
    vec![figure.name.clone(), number(figure.value), target, how]
}
