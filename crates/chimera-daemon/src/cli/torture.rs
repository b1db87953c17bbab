//! Showing what a torture found.

use super::style::{bad, bold, good};
use super::{End, print, print_json, remark, serve};
use crate::local::{self, Findings, Incarnation, Progress, Torture};
use anyhow::Result;
use std::io::IsTerminal;

/// Violations shown; one is enough to know.
const SHOWN: usize = 20;

pub(super) fn torture(how: &Torture, json: bool) -> Result<End> {
    let redraw = !json && std::io::stderr().is_terminal();
    let tell = |progress: Progress| {
        if redraw {
            let Progress { elapsed, accepted, strikes } = progress;
            let (elapsed, of) = (elapsed.as_secs(), how.seconds);
            remark(format!("\r\x1b[K{elapsed} of {of} s: {accepted} tasks accepted, struck {strikes} times"));
        }
    };
    let findings = serve::runtime()?.block_on(local::torture(how, tell));
    if redraw {
        remark("\r\x1b[K");
    }
    let findings = findings?;
    if json {
        print_json(&findings)?;
    } else {
        print(show(&findings, how.seconds));
    }
    Ok(if findings.violations.is_empty() { End::Done } else { End::Wanting })
}

pub(super) fn daemon(life: &Incarnation) -> Result<End> {
    serve::runtime()?.block_on(local::run_daemon(life))?;
    Ok(End::Done)
}

fn show(findings: &Findings, seconds: u32) -> String {
    let Findings { seed, accepted, completed, cancelled, overdue, pruned, limited, .. } = findings;
    let Findings { rescues, done, recoveries, violations, .. } = findings;
    let limits = if *limited { ", projects with limits" } else { "" };
    let done: Vec<String> = done.iter().map(|(what, times)| format!("{what} {times} times")).collect();
    let mut text = format!(
        "{}\n  seed {seed}{limits}; {}\n  {accepted} tasks accepted: {completed} completed, {cancelled} cancelled, {overdue} overdue, {pruned} removed since; {rescues} rescues\n",
        bold(&format!("{seconds} s of torture")),
        done.join(", ")
    );
    if !recoveries.is_empty() {
        let took = local::standstills(recoveries);
        text += &format!("  work stood still (median, longest): {took}\n");
    }
    if violations.is_empty() {
        text += &format!("  {}\n", good("nothing that must never happen"));
    }
    for violation in violations.iter().take(SHOWN) {
        let task = violation.task.as_ref().map_or_else(String::new, |id| format!("{id}: "));
        text += &format!("  {} {task}{}\n", bad("VIOLATION"), violation.what);
    }
    if violations.len() > SHOWN {
        text += &format!("  and {} more\n", violations.len() - SHOWN);
    }
    text
}
