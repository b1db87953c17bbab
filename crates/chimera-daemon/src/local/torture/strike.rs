//! Blows: what is done to one daemon, or to everybody, and when.

use super::LEASE;
use super::ailment::{Ailment, Patient};
use super::crew::{CREW, Crew, end, send};
use crate::seams::Clock;
use anyhow::Result;
use chimera_store::Plant;
use rustix::process::Signal;
use std::process::Child;
use std::time::Duration;
use tokio::time::Instant;

/// Longest pause between two strikes, in milliseconds.
const PAUSE: u64 = 400;
/// A torture of so many seconds has everything in it that can ail its database; a shorter one something of it.
const WHOLE: u32 = 40;

impl Crew {
    /// Does something to somebody, if it is time to.
    pub(super) async fn strike(&mut self) -> Result<()> {
        self.wake(false)?;
        self.make_room(false).await;
        let watched = self.plant == Some(Plant::Restless) && self.full_until.is_some();
        if watched || Instant::now() < self.next {
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
        if self.plant == Some(Plant::Restless) && self.full_until.is_none() {
            // It shows while the database refuses something.
            self.fill_disk().await;
            return Ok(Some(Ailment::Full.as_str()));
        }
        if self.plant.is_some() || self.ailing.is_under_way() {
            // After a disaster nobody is without an excuse, and a bug would hide behind it.
            return Ok(None);
        }
        let late = self.late_from <= Instant::now();
        let owed = self.owed();
        let kind = match owed {
            Some("disk filled") if late => 0,
            Some("server restarted") if late => 1,
            Some("clock set") if late => 2,
            Some(_) if late => 19,
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
                Some(Ailment::Full.as_str())
            }
            (1..=4, false) if late => {
                self.jump();
                Some("clock set")
            }
            (17..20, _) => {
                let of = |name| self.may_ail().into_iter().find(|ailment| ailment.as_str() == name);
                let ailment = owed.and_then(of);
                self.ail(ailment)?
            }
            _ => None,
        })
    }

    /// What may ail the database.
    fn may_ail(&self) -> Vec<Ailment> {
        match &self.patient {
            Some(Patient::Server(..)) => Ailment::OF_A_SERVER.to_vec(),
            Some(Patient::File(_)) => Ailment::OF_A_FILE.to_vec(),
            None => Vec::new(),
        }
    }

    /// Lets something ail the database for longer than a lease.
    fn ail(&mut self, ailment: Option<Ailment>) -> Result<Option<&'static str>> {
        let may = self.may_ail();
        if may.is_empty() || self.full_until.is_some() {
            return Ok(None);
        }
        let chosen = may[self.rng.usize(..may.len())];
        let ailment = ailment.unwrap_or(chosen);
        let Some(patient) = &self.patient else { return Ok(None) };
        let Some(lasts) = self.ailing.begin(patient, ailment, self.rng.f64())? else {
            self.impossible.push(ailment.as_str());
            return Ok(None);
        };
        if let (Ailment::Frozen, Patient::File(_)) = (ailment, patient) {
            self.tell_one(&format!("hold {}", lasts.as_millis()));
        }
        Ok(Some(ailment.as_str()))
    }

    /// A disaster that belongs to this torture and has not been yet.
    pub(super) fn owed(&self) -> Option<&'static str> {
        let mut belonging: Vec<&'static str> = match (self.plant, self.shared(), self.server().is_some()) {
            (Some(Plant::Restless), ..) => vec!["disk filled"],
            (Some(_), ..) => Vec::new(),
            (None, false, _) => vec!["disk filled", "clock set"],
            (None, true, true) => vec!["server restarted"],
            (None, true, false) => Vec::new(),
        };
        if self.plant.is_none() {
            let may = self.may_ail().into_iter().map(Ailment::as_str);
            let most = if self.seconds >= WHOLE { usize::MAX } else { 1 };
            let any = self.ailing.spells().len() + usize::from(self.ailing.is_under_way()) >= most;
            // First, as a jump of the clock excuses everything afterwards.
            belonging.splice(0..0, may.filter(|what| !any && !self.impossible.contains(what)));
        }
        belonging.into_iter().find(|what| !self.harmed.done.contains_key(what))
    }

    fn lay_down(&mut self, chosen: usize, sleep: Duration) {
        let daemon = self.daemons.swap_remove(chosen);
        self.sleeping.push((daemon, Instant::now() + sleep, Clock::system().now()));
    }

    /// Lets those go on that have slept long enough; a while later they are ended.
    pub(super) fn wake(&mut self, all: bool) -> Result<()> {
        let now = Instant::now();
        let (due, sleeping): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sleeping).into_iter().partition(|(_, at, _)| all || *at <= now);
        self.sleeping = sleeping;
        for (mut daemon, _, since) in due {
            if Child::try_wait(&mut daemon)?.is_none() {
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
}
