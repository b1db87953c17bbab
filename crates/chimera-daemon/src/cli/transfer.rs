//! `export`, `import`, `backup`: the database as a whole.

use super::args::{Export, Global};
use super::style::{bytes, dim};
use super::timeline::seconds_text;
use super::{End, answer, configure, remark, serve};
use crate::config::Flags;
use crate::local::{self, Copied, Source};
use crate::seams::Clock;
use anyhow::{Result, bail};
use chimera_store::transfer::Counts;
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

pub(super) fn export(global: &Global, args: &Export) -> Result<End> {
    let config = configure(global, Flags::default())?;
    if args.reopen {
        let was_closed = serve::runtime()?.block_on(local::reopen(&config))?;
        answer(global.json, &json!({"reopened": was_closed}), || {
            let told =
                if was_closed { "is open again: daemons may be started on it" } else { "was not closed" };
            format!("{} {told}\n", config.database)
        })?;
        return Ok(End::Done);
    }
    let Some(file) = &args.file else { bail!("name the file to write") };
    let source = if args.move_away { Source::Close } else { Source::Keep };
    let (began, json) = (Clock::system().now(), global.json);
    let told = |pause: Duration| {
        if !json {
            let pause = seconds_text(pause.as_secs_f64());
            remark(format!("closed; waiting {pause} until the daemons have let go\n"));
        }
    };
    let progress = progress("exporting", json);
    let counts = serve::runtime()?.block_on(local::export(&config, file, source, told, progress))?;
    let size = std::fs::metadata(file)?.len();
    answer(json, &json!({"file": file, "rows": counts, "bytes": size, "moved": args.move_away}), || {
        let next = match source {
            Source::Close => format!(
                "{} is closed: its daemons accept and start nothing any more\n{}\n",
                config.database,
                dim("next: chimera-daemon import, with the new database in the configuration")
            ),
            Source::Keep => {
                "the queue goes on where it is: nothing may work on the copy meanwhile\n".to_owned()
            }
        };
        format!("{}: {}, {} in {}\n{next}", file.display(), rows(&counts), bytes(size), since(began))
    })?;
    Ok(End::Done)
}

pub(super) fn import(global: &Global, file: &Path) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let began = Clock::system().now();
    let progress = progress("importing", global.json);
    let checked = serve::runtime()?.block_on(local::import(&config, file, progress))?;
    let value = json!({"database": config.database.to_string(), "rows": checked.counts, "moved": checked.header.moved});
    answer(global.json, &value, || {
        let told = format!("{}: {} in {}\n", config.database, rows(&checked.counts), since(began));
        if checked.header.moved {
            return told;
        }
        told + "this is a copy: make sure that no daemon works on the original any more\n"
    })?;
    Ok(End::Done)
}

pub(super) fn restored(global: &Global) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let were_running = serve::runtime()?.block_on(local::restored(&config))?;
    let value = json!({"database": config.database.to_string(), "were_running": were_running});
    answer(global.json, &value, || {
        format!(
            "{}: leases of before hold no more; {were_running} tasks that were running wait again\n",
            config.database
        )
    })?;
    Ok(End::Done)
}

pub(super) fn backup(global: &Global, dir: &Path) -> Result<End> {
    let config = configure(global, Flags::default())?;
    let began = Clock::system().now();
    let copied = serve::runtime()?.block_on(local::backup(&config, dir))?;
    answer(global.json, &json!({"directory": dir, "copied": copied}), || {
        let Copied { files, bytes: size } = copied;
        format!("{}: {files} files, {} in {}\n", dir.display(), bytes(size), since(began))
    })?;
    Ok(End::Done)
}

fn progress(what: &'static str, json: bool) -> local::RowsSoFar {
    if !json && std::io::stderr().is_terminal() { local::drawn(what) } else { local::quiet() }
}

fn rows(counts: &Counts) -> String {
    let (tasks, all) = (counts.get("tasks").copied().unwrap_or(0), counts.values().sum::<u64>());
    format!("{tasks} tasks, {all} rows in all")
}

fn since(began: chimera_core::UnixMillis) -> String {
    seconds_text(Clock::system().now().since(began).as_secs_f64())
}
