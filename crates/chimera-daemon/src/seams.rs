//! The seams through which time, ids of tasks, jitter and the state of the machine come into engine and interface, which
//! read them nowhere else. Names that only have to differ (of owners, homes, idempotency keys) are made where they are used.

use chimera_core::{TaskId, Tick, UnixMillis};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Reads the time: that of this machine, until it is set by another clock. From then on it is that one's time, which goes
/// on evenly whatever the clock of this machine is set to.
#[derive(Clone)]
pub struct Clock {
    read: Read,
    /// Counts evenly from some moment on, also while the machine sleeps.
    steady: Read,
    /// How far the clock that everybody goes by is ahead of the steady one, in milliseconds, or [`UNSET`].
    ahead: Arc<AtomicI64>,
}

type Read = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// A clock that was wrong by more, in milliseconds, was set anew.
const WRONG: u64 = 1_000;
/// There is no other clock.
const UNSET: i64 = i64::MIN;

impl Clock {
    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn system() -> Self {
        let read = || {
            let since =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        };
        let steady = || {
            let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            UnixMillis(since.tv_sec * 1_000 + since.tv_nsec / 1_000_000)
        };
        Self::of(read, steady)
    }

    /// A clock of one's own.
    pub fn new(read: impl Fn() -> UnixMillis + Send + Sync + 'static) -> Self {
        let read: Read = Arc::new(read);
        Self { steady: read.clone(), read, ahead: Arc::new(AtomicI64::new(UNSET)) }
    }

    fn of(
        read: impl Fn() -> UnixMillis + Send + Sync + 'static,
        steady: impl Fn() -> UnixMillis + Send + Sync + 'static,
    ) -> Self {
        Self { steady: Arc::new(steady), ..Self::new(read) }
    }

    /// The time now.
    pub fn now(&self) -> UnixMillis {
        match self.ahead.load(Ordering::Relaxed) {
            UNSET => (self.read)(),
            ahead => UnixMillis((self.steady)().0.saturating_add(ahead)),
        }
    }

    /// Sets this clock and its clones by another one, which showed `time` a moment ago.
    pub fn set(&self, time: UnixMillis) {
        self.ahead.store(time.0.saturating_sub((self.steady)().0), Ordering::Relaxed);
    }

    /// The time now before any correction, for [`Clock::correct`].
    pub fn uncorrected(&self) -> UnixMillis {
        (self.steady)()
    }

    /// Sets this clock and its clones by another one, which showed `time` at some moment since `asked`: only if it is
    /// proven wrong, so that an answer that took long makes it no worse. It is never put ahead of the other one. True if
    /// this clock was wrong by more than a second: what was decided by it just now may be wrong, too.
    pub fn correct(&self, time: UnixMillis, asked: UnixMillis) -> bool {
        let before = self.now();
        let least = time.0.saturating_sub((self.steady)().0);
        let most = time.0.saturating_sub(asked.0);
        if !(least..=most).contains(&self.ahead.load(Ordering::Relaxed)) {
            self.ahead.store(least, Ordering::Relaxed);
        }
        self.now().0.abs_diff(before.0) > WRONG
    }
}

/// Makes ids and jitter.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<Rolls>>);

struct Rolls {
    rng: fastrand::Rng,
    /// The time and the tail of the last id.
    last: (UnixMillis, u64),
}

impl Dice {
    /// Dice seeded by the operating system.
    pub fn system() -> Self {
        Self::of(fastrand::Rng::new())
    }

    /// Dice that always roll the same.
    pub fn seeded(seed: u64) -> Self {
        Self::of(fastrand::Rng::with_seed(seed))
    }

    fn of(rng: fastrand::Rng) -> Self {
        Self(Arc::new(Mutex::new(Rolls { rng, last: (UnixMillis(i64::MIN), 0) })))
    }

    fn roll<T>(&self, f: impl FnOnce(&mut Rolls) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// An id for a task accepted now. Those of the same dice ascend, also if the time does not.
    pub fn task_id(&self, now: UnixMillis) -> TaskId {
        let (at, tail) = self.roll(|rolls| {
            rolls.last = match rolls.last {
                (at, tail) if now <= at => (at, tail + 1),
                // The upper half is for those that follow in the same millisecond.
                _ => (now, rolls.rng.u64(..1 << (TaskId::TAIL_BITS - 1))),
            };
            rolls.last
        });
        TaskId::new(at, tail)
    }

    /// The time of a clock with a roll for the backoff.
    pub fn tick(&self, now: UnixMillis) -> Tick {
        Tick { now, jitter: self.roll(|rolls| rolls.rng.f64()) }
    }
}

/// How busy the machine is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Strain {
    /// Memory that programs could still get, in bytes, if known.
    pub free_memory: Option<u64>,
    /// Processes that run or want to, per processor, over the last minute, if known.
    pub load: Option<f64>,
}

/// Tells how busy the machine is.
#[derive(Clone)]
pub struct Machine(Arc<dyn Fn() -> Strain + Send + Sync>);

impl Machine {
    /// This machine, or what a control group leaves of it.
    pub fn system() -> Self {
        Self::new(crate::machine::strain)
    }

    /// A machine of one's own.
    pub fn new(read: impl Fn() -> Strain + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// How busy it is.
    pub fn strain(&self) -> Strain {
        (self.0)()
    }
}

/// A machine that says nothing about itself.
impl Default for Machine {
    fn default() -> Self {
        Self::new(Strain::default)
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

/// A seed for a key: bytes that nobody can guess, which those of [`Dice`] are not.
///
/// # Errors
/// If the operating system has none to give.
pub fn key_seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed);
    filled.map_err(|_| std::io::Error::other("the system gives no randomness"))?;
    Ok(seed)
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dice")
    }
}

#[cfg(test)]
mod tests;
