//! The daemons, and what is done to them.

use super::harmed::Harmed;
use super::server::Server;
use super::{LEASE, Torture};
use crate::seams::Clock;
use anyhow::{Context, Result};
use chimera_core::{TaskId, UnixMillis};
use chimera_store::Store;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Daemons that run side by side.
const CREW: usize = 3;
/// Longest pause between two strikes, in milliseconds.
const PAUSE: u64 = 400;
/// Cancelled are tasks among so many that were accepted last: those that wait, and those that were begun.
const RECENT: usize = super::BACKLOG as usize * 3 / 2;
/// One round in so many cancels a task.
const WHIMS: u32 = 3;
/// How far clocks are set wrong, in milliseconds, where a server's clock puts them right.
const AHEAD: i64 = 3_600_000;
/// The share of the torture after which it is late.
const LATE: f64 = 0.75;
/// How long a daemon may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(10);

pub(super) struct Crew {
    pub(super) daemons: Vec<Child>,
    /// Frozen or saying farewell: until when, and since when.
    pub(super) sleeping: Vec<(Child, Instant, UnixMillis)>,
    pub(super) harmed: Harmed,
    pub(super) rng: fastrand::Rng,
    next: Instant,
    /// When the last quarter begins, in which the clock of the machine jumps: afterwards nobody is without an excuse.
    late_from: Instant,
    url: String,
    plant: Option<&'static str>,
    pub(super) store: Store,
    /// The database server, if it is ours.
    pub(super) server: Option<Server>,
    /// How far the clock of the machine is ahead, in milliseconds.
    pub(super) ahead: i64,
    pub(super) full_until: Option<Instant>,
}

impl Crew {
    pub(super) fn muster(url: &str, how: &Torture, store: Store, server: Option<Server>) -> Result<Self> {
        let mut crew = Self {
            daemons: Vec::new(),
            sleeping: Vec::new(),
            harmed: Harmed::default(),
            rng: fastrand::Rng::with_seed(how.seed),
            next: Instant::now(),
            late_from: Instant::now() + Duration::from_secs(u64::from(how.seconds)).mul_f64(LATE),
            url: url.to_owned(),
            plant: how.plant.map(chimera_store::Plant::as_str),
            store,
            server,
            ahead: 0,
            full_until: None,
        };
        for _ in 0..CREW {
            crew.recruit()?;
        }
        Ok(crew)
    }

    fn recruit(&mut self) -> Result<()> {
        let program = std::env::current_exe().context("this program does not know where it lies")?;
        let ahead = if self.shared() { self.rng.i64(-AHEAD..=AHEAD) } else { self.ahead };
        let mut command = Command::new(program);
        command.args(["torture-daemon", "--database", &self.url, &format!("--ahead={ahead}")]);
        command.args(["--seed", &self.rng.u64(..).to_string()]);
        if let Some(plant) = self.plant {
            command.args(["--plant", plant]);
        }
        let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(quiet.spawn().context("a daemon cannot be started")?);
        Ok(())
    }

    /// Whether the database is a server.
    fn shared(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// A task to cancel, now and then: one that waits, or runs, or has just ended.
    pub(super) fn whim(&mut self, accepted: &[TaskId]) -> Option<TaskId> {
        let recent = &accepted[accepted.len().saturating_sub(RECENT)..];
        if self.rng.u32(..WHIMS) > 0 || recent.is_empty() {
            return None;
        }
        *self.harmed.done.entry("cancellations").or_default() += 1;
        // Rather an older one: it is more likely to run.
        let chosen = self.rng.usize(..recent.len()).min(self.rng.usize(..recent.len()));
        recent.get(chosen).cloned()
    }

    /// Does something to somebody, if it is time to.
    pub(super) async fn strike(&mut self) -> Result<()> {
        self.wake(false)?;
        self.make_room(false).await;
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + Duration::from_millis(self.rng.u64(..=PAUSE));
        let chosen = self.rng.usize(..self.daemons.len());
        if let Some(what) = self.disaster().await? {
            *self.harmed.done.entry(what).or_default() += 1;
            return Ok(());
        }
        self.harmed.mark(self.daemons[chosen].id());
        let what = match self.rng.u32(..9) {
            0..6 => {
                end(self.daemons.swap_remove(chosen))?;
                "killed"
            }
            6..8 => {
                send(&self.daemons[chosen], Signal::STOP)?;
                let sleep = LEASE.mul_f64(self.rng.f64() * 3.0);
                self.lay_down(chosen, sleep);
                "stopped and woken up"
            }
            _ => {
                send(&self.daemons[chosen], Signal::TERM)?;
                self.lay_down(chosen, LEASE);
                "asked to end"
            }
        };
        *self.harmed.done.entry(what).or_default() += 1;
        self.recruit()
    }

    /// Does something to everybody, now and then, and what is rare at least once in the last quarter.
    async fn disaster(&mut self) -> Result<Option<&'static str>> {
        if self.plant.is_some() {
            // After a disaster nobody is without an excuse, and a bug would hide behind it.
            return Ok(None);
        }
        let late = self.late_from <= Instant::now();
        let kind = match self.owed() {
            Some("disk filled") if late => 0,
            Some("server restarted") if late => 1,
            Some("clock set") if late => 2,
            _ => self.rng.u32(..20),
        };
        Ok(match (kind, self.shared()) {
            (0, true) => {
                let from = Clock::system().now();
                let _ = self.store.disconnect_others().await;
                self.harmed.disconnected(from);
                Some("connections ended")
            }
            (1, true) if self.restart_server()? => Some("server restarted"),
            (0, false) => {
                self.fill_disk().await;
                Some("disk filled")
            }
            (1..=4, false) if late => {
                self.jump();
                Some("clock set")
            }
            _ => None,
        })
    }

    /// A disaster that belongs to every torture and has not been yet.
    pub(super) fn owed(&self) -> Option<&'static str> {
        let belonging: &[&str] = match (self.plant.is_some(), self.shared(), self.server.is_some()) {
            (false, false, _) => &["disk filled", "clock set"],
            (false, true, true) => &["server restarted"],
            _ => &[],
        };
        belonging.iter().copied().find(|what| !self.harmed.done.contains_key(what))
    }

    fn lay_down(&mut self, chosen: usize, sleep: Duration) {
        let daemon = self.daemons.swap_remove(chosen);
        self.sleeping.push((daemon, Instant::now() + sleep, Clock::system().now()));
    }

    /// How often something was done.
    pub(super) fn strikes(&self) -> u32 {
        self.harmed.done.values().sum()
    }

    /// Takes note of a time in which the torturer itself could not go on: the others may not have either.
    pub(super) fn note_stall(&mut self, lasted: Duration) {
        if lasted > LEASE / 4 {
            let now = Clock::system().now();
            let since =
                UnixMillis(now.0.saturating_sub(i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX)));
            self.harmed.held_up.push((since, now.plus(LEASE)));
        }
    }

    /// Lets those go on that have slept long enough; a while later they are ended.
    fn wake(&mut self, all: bool) -> Result<()> {
        let now = Instant::now();
        let (due, sleeping): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sleeping).into_iter().partition(|(_, at, _)| all || *at <= now);
        self.sleeping = sleeping;
        for (mut daemon, _, since) in due {
            if daemon.try_wait()?.is_none() {
                send(&daemon, Signal::CONT)?;
                self.harmed.held_up.push((since, Clock::system().now().plus(LEASE)));
                self.daemons.push(daemon);
                // One more than before: the one that replaced it gets the next blow soon enough.
                while self.daemons.len() > CREW + 2 {
                    self.harmed.mark(self.daemons[0].id());
                    end(self.daemons.remove(0))?;
                }
            }
        }
        Ok(())
    }

    /// Ends the torture: everybody is awake and may work.
    pub(super) async fn calm(&mut self) -> Result<()> {
        self.wake(true)?;
        self.make_room(true).await;
        self.recruit()
    }

    /// How many daemons have ended, though nobody asked them to.
    pub(super) fn ended(&mut self) -> usize {
        self.daemons.iter_mut().map(Child::try_wait).filter(|ended| !matches!(ended, Ok(None))).count()
    }

    /// Ends all daemons, and tells what was done.
    pub(super) async fn dismiss(mut self) -> Result<(Harmed, Option<Server>)> {
        for daemon in &self.daemons {
            send(daemon, Signal::TERM)?;
        }
        let until = Instant::now() + FAREWELL;
        for daemon in &mut self.daemons {
            while daemon.try_wait()?.is_none() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            daemon.kill()?;
            daemon.wait()?;
        }
        Ok((std::mem::take(&mut self.harmed), self.server.take()))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().chain(self.sleeping.iter_mut().map(|(daemon, ..)| daemon)) {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Ends a daemon at once.
fn end(mut daemon: Child) -> Result<()> {
    let killed = daemon.kill();
    daemon.wait()?;
    Ok(killed?)
}

fn send(daemon: &Child, signal: Signal) -> Result<()> {
    let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
    match kill_process(pid, signal) {
        // It has ended by itself, and waits to be buried.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
