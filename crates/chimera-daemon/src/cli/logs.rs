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
/// How far back the last lines are looked for before a log is followed.
const TAIL_BYTES: u64 = 256 * 1024;
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
            // The middle of a server's log may have been cut out: what is new begins at its end.
            self.read.entry(name.clone()).and_modify(|read| *read = (*read).min(*size));
            if self.read.get(name).copied().unwrap_or(0) < *size {
                self.print(name, *size)?;
            }
        }
        Ok(asked.len())
    }

    fn print(&mut self, name: &str, size: u64) -> Result<()> {
        if self.args.name.is_none() && self.shown.as_deref() != Some(name) {
            print(format!("{}\n", bold(format!("==> {name} <=="))));
        }
        self.shown = Some(name.to_owned());
        let from = self.read.get(name).copied().unwrap_or(0);
        let mut text = match self.args.tail {
            Some(lines) if self.args.follow && !self.read.contains_key(name) => {
                let read = self.last(name, size, lines)?;
                self.read.insert(name.to_owned(), read);
                return Ok(());
            }
            Some(lines) if !self.args.follow => self.text(name, &format!("tail={lines}"))?,
            _ => self.text(name, &format!("from={from}"))?,
        };
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

impl Reader<'_> {
    fn text(&self, name: &str, part: &str) -> Result<Box<dyn Read>> {
        let name = segment(name).replace("%2E", ".").replace("%5F", "_");
        let path = format!("{}/logs/{name}?{part}", watch::path(&self.args.task));
        Ok(Box::new(self.client.text(&path)?))
    }

    /// Prints the last lines, and gives the place in the log after them: what is added later follows from there.
    fn last(&self, name: &str, size: u64, lines: u32) -> Result<u64> {
        let from = size.saturating_sub(TAIL_BYTES);
        let mut bytes = Vec::new();
        self.text(name, &format!("from={from}"))?.read_to_end(&mut bytes)?;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let newlines = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
        let begin = match usize::try_from(lines).unwrap_or(usize::MAX).checked_sub(1) {
            Some(before) => newlines.map(|(at, _)| at + 1).nth(before).unwrap_or(0),
            None => bytes.len(),
        };
        print(tamed(bytes.get(begin..).unwrap_or_default()));
        Ok(from + bytes.len() as u64)
    }
}

/// Without control characters other than line ends and tabs: what an agent printed must not steer the terminal.
fn tamed(bytes: &[u8]) -> String {
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    String::from_utf8_lossy(bytes).chars().filter(keep).collect()
}
