//! `logs`: what the processes of a task printed.

use super::args::Logs;
use super::client::{Client, segment};
use super::style::bold;
use super::watch::{self, News};
use super::{End, print, print_json};
use anyhow::{Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How often a growing log is read on.
const AGAIN: Duration = Duration::from_millis(500);
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

pub(super) fn logs(client: &Client, args: &Logs, json: bool) -> Result<End> {
    if json {
        print_json(&client.get(&format!("{}/logs", watch::path(&args.task)))?)?;
        return Ok(End::Done);
    }
    let mut reader = Reader { client, args, read: BTreeMap::new(), shown: None };
    if args.follow {
        return reader.follow();
    }
    let found = reader.pass()?;
    match (&args.name, found) {
        (Some(name), 0) => bail!("task {} has no log {name}: leave the name out to see all", args.task),
        (None, 0) => print("nothing was printed yet\n"),
        _ => {}
    }
    Ok(End::Done)
}

struct Reader<'a> {
    client: &'a Client,
    args: &'a Logs,
    /// Bytes of each log that were printed.
    read: BTreeMap<String, u64>,
    /// The log that was printed from last.
    shown: Option<String>,
}

impl Reader<'_> {
    /// Prints what grows until the task ends.
    fn follow(&mut self) -> Result<End> {
        let events = watch::events(self.client, &self.args.task);
        loop {
            self.pass()?;
            match events.recv_timeout(AGAIN) {
                Ok(News::Event(_) | News::Waits(_) | News::Broken) | Err(RecvTimeoutError::Timeout) => {}
                Ok(News::Lost(error)) => return Err(error),
                Ok(News::Over) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.pass()?;
        Ok(End::Done)
    }

    /// Prints what is new in the logs that were asked for, and gives their number.
    fn pass(&mut self) -> Result<usize> {
        let list = self.client.get(&format!("{}/logs", watch::path(&self.args.task)))?;
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
        let wanted = |name: &String| self.args.name.as_ref().is_none_or(|wanted| wanted == name);
        let asked: Vec<_> = items
            .iter()
            .map(|item| (name(item), item["size"].as_u64().unwrap_or(0)))
            .filter(|(name, _)| wanted(name))
            .collect();
        for (name, size) in &asked {
            if self.read.get(name).copied().unwrap_or(0) < *size {
                self.print(name)?;
            }
        }
        Ok(asked.len())
    }

    fn print(&mut self, name: &str) -> Result<()> {
        if self.args.name.is_none() && self.shown.as_deref() != Some(name) {
            print(format!("{}\n", bold(format!("==> {name} <=="))));
        }
        self.shown = Some(name.to_owned());
        let from = self.read.get(name).copied().unwrap_or(0);
        let part = self.args.tail.map_or_else(|| format!("from={from}"), |lines| format!("tail={lines}"));
        let path = format!(
            "{}/logs/{}?{part}",
            watch::path(&self.args.task),
            segment(name).replace("%2E", ".").replace("%5F", "_")
        );
        let mut text = self.client.text(&path)?;
        let mut chunk = vec![0; CHUNK];
        let mut read = from;
        loop {
            let count = text.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            read += count as u64;
            print(tamed(&chunk[..count]));
        }
        self.read.insert(name.to_owned(), read);
        Ok(())
    }
}

/// Without control characters other than line ends and tabs: what an agent printed must not steer the terminal.
fn tamed(bytes: &[u8]) -> String {
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    String::from_utf8_lossy(bytes).chars().filter(keep).collect()
}
