//! The daemons that are tortured.

use super::ailment::{Ailing, Patient};
use super::harmed::Harmed;
use super::rates::Ledger;
use super::server::Server;
use super::{LEASE, Torture};
use crate::seams::Clock;
use anyhow::{Context, Result};
use chimera_core::UnixMillis;
use chimera_store::{Plant, Store};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Daemons that run side by side.
pub(super) const CREW: usize = 3;
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
    pub(super) next: Instant,
    /// When the last quarter begins, in which the clock of the machine jumps: afterwards nobody is without an excuse.
    pub(super) late_from: Instant,
    pub(super) seconds: u32,
    place: Place,
    pub(super) plant: Option<Plant>,
    limited: bool,
    pub(super) store: Store,
    /// What can ail, if the database is ours.
    pub(super) patient: Option<Patient>,
    pub(super) ailing: Ailing,
    /// What cannot be done here.
    pub(super) impossible: Vec<&'static str>,
    pub(super) ledger: Ledger,
    /// How far the clock of the machine is ahead, in milliseconds.
    pub(super) ahead: i64,
    pub(super) full_until: Option<Instant>,
    pub(super) full_since: Option<Instant>,
    recruited: u32,
    other_binary: Option<PathBuf>,
    /// The daemons that ran it.
    pub(super) others: BTreeSet<u32>,
}

/// Where the daemons find what they need.
pub(super) struct Place {
    /// The database, over the network.
    pub(super) url: String,
    /// Where their logs go.
    pub(super) logs: PathBuf,
}

impl Crew {
    pub(super) fn muster(
        how: &Torture,
        place: Place,
        store: Store,
        (patient, limited): (Option<Patient>, bool),
    ) -> Result<Self> {
        let mut crew = Self {
            daemons: Vec::new(),
            sleeping: Vec::new(),
            harmed: Harmed::default(),
            rng: fastrand::Rng::with_seed(how.seed),
            next: Instant::now(),
            late_from: Instant::now() + Duration::from_secs(u64::from(how.seconds)).mul_f64(LATE),
            seconds: how.seconds,
            place,
            plant: how.plant,
            limited,
            store,
            patient,
            ailing: Ailing::default(),
            impossible: Vec::new(),
            ledger: Ledger::default(),
            ahead: 0,
            full_until: None,
            full_since: None,
            recruited: 0,
            other_binary: how.other_binary.clone(),
            others: BTreeSet::new(),
        };
        for _ in 0..CREW {
            crew.recruit()?;
        }
        Ok(crew)
    }

    pub(super) fn recruit(&mut self) -> Result<()> {
        let own = std::env::current_exe().context("this program does not know where it lies")?;
        let other = self.other_binary.as_ref().filter(|_| self.recruited % 2 == 1);
        let program = other.unwrap_or(&own);
        let ahead = if self.shared() { self.rng.i64(-AHEAD..=AHEAD) } else { self.ahead };
        let mut command = Command::new(program);
        command.args(["torture-daemon", "--database", &self.place.url, &format!("--ahead={ahead}")]);
        command.args(["--seed", &self.rng.u64(..).to_string()]);
        if self.limited {
            command.arg("--limited");
        }
        if let Some(plant) = self.plant {
            command.args(["--plant", plant.as_str()]);
        }
        self.recruited += 1;
        let log = File::create(self.place.logs.join(format!("{}.log", self.recruited)))?;
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut daemon = piped.spawn().context("a daemon cannot be started")?;
        self.others.extend(other.map(|_| daemon.id()));
        if let Some(reports) = daemon.stdout.take() {
            self.ledger.listen(daemon.id(), reports);
        }
        self.daemons.push(daemon);
        Ok(())
    }

    /// Whether the database is a server.
    pub(super) fn shared(&self) -> bool {
        self.place.url.starts_with("postgres")
    }

    /// The database server, if it is ours.
    pub(super) fn server(&self) -> Option<&Server> {
        match &self.patient {
            Some(Patient::Server(server, _)) => Some(server),
            _ => None,
        }
    }

    /// How often something was done.
    pub(super) fn strikes(&self) -> u32 {
        self.harmed.done.values().sum()
    }

    /// Takes note of a time in which the torturer itself could not go on: the others may not have either.
    pub(super) fn note_stall(&mut self, lasted: Duration) {
        // While something ails the database, nobody is expected to be held up by anything else.
        if lasted > LEASE / 4 && !self.ailing.is_under_way() {
            let now = Clock::system().now();
            let since =
                UnixMillis(now.0.saturating_sub(i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX)));
            self.harmed.held_up.push((since, now.plus(LEASE)));
        }
    }

    /// Ends the torture: everybody is awake and may work.
    pub(super) async fn calm(&mut self) -> Result<()> {
        self.wake(true)?;
        self.make_room(true).await;
        self.ailing.over().await;
        self.recruit()
    }

    /// What is said of daemons that have ended though nobody asked them to.
    pub(super) fn ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        for daemon in &mut self.daemons {
            // One that was asked to end, slept, and was woken up, ends well.
            if let Ok(Some(status)) = daemon.try_wait()
                && !status.success()
            {
                ended.push(format!("daemon {} ended by itself: {status}", daemon.id()));
            }
        }
        if ended.is_empty() {
            return ended;
        }
        let errors = |number: u32| {
            let log = std::fs::read_to_string(self.place.logs.join(format!("{number}.log"))).ok()?;
            log.lines()
                .rev()
                .find(|line| line.contains("rror:") || line.contains("panicked"))
                .map(str::to_owned)
        };
        ended.extend((1..=self.recruited).filter_map(errors).take(3));
        ended
    }

    /// Ends all daemons, and tells what was done.
    pub(super) async fn dismiss(mut self) -> Result<Harmed> {
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
        Ok(std::mem::take(&mut self.harmed))
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
pub(super) fn end(mut daemon: Child) -> Result<()> {
    let killed = daemon.kill();
    daemon.wait()?;
    Ok(killed?)
}

pub(super) fn send(daemon: &Child, signal: Signal) -> Result<()> {
    let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
    match kill_process(pid, signal) {
        // It has ended by itself, and waits to be buried.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
