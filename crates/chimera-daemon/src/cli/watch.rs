//! `watch`: a task, live until its end. [`waits`] says why it does not run.

mod waits;

use super::client::{Client, Refused, segment};
use super::style::{dim, live};
use super::timeline::{self, Timeline};
use super::{End, answer, print, print_json, show};
use crate::seams::Clock;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Events read ahead of their printing.
const AHEAD: usize = 64;
/// How often a live line is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// Marks of a live line, one after the other.
const MARKS: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How long a vanished daemon is waited for before a watch gives up.
const PATIENCE: u32 = 60;
/// Wait between two tries to reach it.
const AGAIN: Duration = Duration::from_secs(1);

/// What a stream of events brings.
pub(crate) enum News {
    /// An entry of the journal.
    Event(Value),
    /// What the task waits for now, if that is another thing than before.
    Waits(Value),
    /// The stream broke off; it is being opened again.
    Broken,
    /// That was all.
    Over,
    /// There is nothing to wait for any more.
    Lost(anyhow::Error),
}

pub(super) fn watch(client: &Client, task: &str, json: bool) -> Result<End> {
    let known = client.get(&path(task))?;
    if !json {
        print(show::heading(&known));
    }
    let ended = follow(client, task, json)?;
    answer(json, &ended, || show::ending(&ended, client))?;
    Ok(end_of(&ended))
}

/// How a command that waited for the task ends.
pub(super) fn end_of(task: &Value) -> End {
    if task["status"] == "completed" { End::Done } else { End::Unproven }
}

pub(super) fn path(task: &str) -> String {
    format!("/api/tasks/{}", segment(task))
}

/// Shows a task's events until it has ended, and gives the task.
pub(super) fn follow(client: &Client, task: &str, json: bool) -> Result<Value> {
    let news = events(client, task);
    let mut screen = Screen {
        timeline: Timeline::default(),
        clock: Clock::system(),
        live: live() && !json,
        began: None,
        frame: 0,
    };
    loop {
        let next = if screen.live {
            news.recv_timeout(FRAME)
        } else {
            news.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(News::Event(event)) if json => print_json(&event)?,
            Ok(News::Event(event)) => screen.show(&event),
            Ok(News::Waits(waits)) if json => {
                print_json(&json!({"event": "waiting", "task_id": task, "waiting_for": waits}))?;
            }
            Ok(News::Waits(waits)) => screen.remark(&timeline::waits(&waits)),
            Ok(News::Broken) if json => {}
            Ok(News::Broken) => screen.remark("the daemon is gone; waiting for it to come back"),
            Ok(News::Lost(error)) => {
                screen.clear();
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) => screen.tick(),
            Ok(News::Over) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    screen.clear();
    client.get(&path(task))
}

/// The lines that stay, and below them the one that changes.
struct Screen {
    timeline: Timeline,
    clock: Clock,
    live: bool,
    /// The running phase's begin on this machine's clock.
    began: Option<chimera_core::UnixMillis>,
    frame: usize,
}

impl Screen {
    fn show(&mut self, event: &Value) {
        self.clear();
        let lines = self.timeline.take(event);
        print(lines.into_iter().map(|line| line + "\n").collect::<String>());
        self.began = self.timeline.running().map(|_| self.clock.now());
        self.tick();
    }

    fn remark(&mut self, text: &str) {
        self.clear();
        print(format!("  {}\n", dim(text)));
    }

    fn tick(&mut self) {
        let (Some(phase), Some(began), true) = (self.timeline.running(), self.began, self.live) else {
            return;
        };
        self.frame += 1;
        let mark = MARKS[self.frame % MARKS.len()];
        let seconds = self.clock.now().since(began).as_secs_f64();
        print(format!("\r\u{1b}[2K{}", timeline::running(phase, mark, seconds)));
    }

    fn clear(&self) {
        if self.live {
            print("\r\u{1b}[2K");
        }
    }
}

/// The events of a task from its beginning to its end, and between them what it waits for; a daemon that restarts
/// meanwhile is waited for.
pub(crate) fn events(client: &Client, task: &str) -> Receiver<News> {
    let (news, heard) = sync_channel(AHEAD);
    let state = Arc::new(State::default());
    let (asks, at, seen, told) = (client.clone(), path(task), state.clone(), news.clone());
    std::thread::spawn(move || waits::look(&asks, &at, &seen, &told));
    let (client, path) = (client.clone(), format!("{}/events", path(task)));
    std::thread::spawn(move || {
        let fed = feed(&client, &path, &news, &state);
        state.over.store(true, Ordering::Relaxed);
        let _ = match fed {
            Ok(()) => news.send(News::Over),
            Err(error) => news.send(News::Lost(error)),
        };
    });
    heard
}

/// What the events say about the task so far.
#[derive(Default)]
struct State {
    /// A phase runs.
    running: AtomicBool,
    /// There are no more events.
    over: AtomicBool,
}

fn feed(client: &Client, path: &str, news: &SyncSender<News>, state: &State) -> Result<()> {
    let (mut after, mut missed) = (0, 0);
    let mut timeline = Timeline::default();
    let mut tell = |event: Value| {
        timeline.take(&event);
        state.running.store(timeline.running().is_some(), Ordering::Relaxed);
        news.send(News::Event(event)).is_ok()
    };
    loop {
        let broken = match stream(client, path, &mut after, &mut missed, &mut tell) {
            Ok(true) => return Ok(()),
            Ok(false) => anyhow::anyhow!("the event stream broke off"),
            Err(error) if error.is::<Refused>() => return Err(error),
            Err(error) => error,
        };
        // The first connection must work; later ones may wait for a restart.
        if after == 0 || missed >= PATIENCE {
            return Err(broken);
        }
        if missed == 0 && news.send(News::Broken).is_err() {
            return Ok(());
        }
        missed += 1;
        std::thread::sleep(AGAIN);
    }
}

/// Reads one stream; true if it came to the task's end.
fn stream(
    client: &Client,
    path: &str,
    after: &mut i64,
    missed: &mut u32,
    tell: &mut impl FnMut(Value) -> bool,
) -> Result<bool> {
    let mut name = String::new();
    for line in client.stream(path, *after)?.lines() {
        let Ok(line) = line else { return Ok(false) };
        *missed = 0;
        match line.split_once(':') {
            Some(("event", value)) => value.trim().clone_into(&mut name),
            Some(("data", _)) if name == "end" => return Ok(true),
            Some(("data", data)) => {
                let event: Value =
                    serde_json::from_str(data.trim()).context("the daemon sent a broken event")?;
                let Some(id) = event["id"].as_i64() else { bail!("the daemon sent an event without an id") };
                *after = id;
                if !tell(event) {
                    return Ok(true);
                }
            }
            _ if line.is_empty() => name.clear(),
            _ => {}
        }
    }
    Ok(false)
}
