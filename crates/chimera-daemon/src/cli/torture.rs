//! Showing what a torture found.

use super::style::{bad, bold, good};
use super::{End, args, print, print_json, remark, serve};
use crate::local::{self, AfterCuts, Findings, Incarnation, PowerCuts, Progress, Torture, Violation};
use anyhow::{Context, Result, ensure};
use std::io::IsTerminal;
use std::process::Command;

/// Violations shown; one is enough to know.
const SHOWN: usize = 20;

pub(super) fn torture(how: args::Torture, json: bool) -> Result<End> {
    let seed = how.seed.unwrap_or_else(|| fastrand::u64(..));
    let args::Torture { seconds, database, plant, cluster, other_binary, .. } = how;
    match how.power_cuts {
        None => hurt(&Torture { seconds, seed, database, plant, cluster, other_binary }, json),
        Some(cuts) if how.mounts_of_its_own => power_cuts(&PowerCuts { cuts, seed, plant }, json),
        Some(_) => with_mounts_of_its_own(),
    }
}

fn hurt(how: &Torture, json: bool) -> Result<End> {
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

fn power_cuts(how: &PowerCuts, json: bool) -> Result<End> {
    let after = serve::runtime()?.block_on(local::cut_power(how))?;
    if json {
        print_json(&after)?;
    } else {
        let AfterCuts { seed, cuts, accepted, ended, violations } = &after;
        let begin = format!("{}\n  seed {seed}: ", bold(&format!("{cuts} power cuts")));
        print(format!("{begin}{accepted} tasks accepted, {ended} told to have ended\n{}", found(violations)));
    }
    Ok(if after.violations.is_empty() { End::Done } else { End::Wanting })
}

/// Begins again where no other process sees what is mounted: one that was started meanwhile would keep a file system whose
/// power is cut.
fn with_mounts_of_its_own() -> Result<End> {
    let apart = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]);
        command
    };
    let possible = apart().arg("true").output().is_ok_and(|output| output.status.success());
    ensure!(possible, "power can be cut only as root, and with `unshare`");
    let own = std::env::current_exe().context("this program does not know where it lies")?;
    let ended = apart().arg(own).args(std::env::args_os().skip(1)).arg("--mounts-of-its-own").status()?;
    Ok(End::Code(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

pub(super) fn daemon(life: args::TortureDaemon) -> Result<End> {
    let args::TortureDaemon { database, ahead, seed, plant, limited, submits } = life;
    let life = Incarnation { database, ahead, seed, plant, limited, submits };
    serve::runtime()?.block_on(local::run_daemon(&life))?;
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
    text + &found(violations)
}

fn found(violations: &[Violation]) -> String {
    let mut text = String::new();
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
