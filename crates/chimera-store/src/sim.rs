//! A database for simulations: in memory, without threads and disks, so that the same choices give the same history.
//!
//! Everything above the connection is the real thing: the closures, their savepoints, the shared commits, the journal
//! written at their end. What the outside may do to a daemon at the database, a [`Fates`] decides commit by commit.

use crate::commits::{Commits, News, tell};
use crate::plant::Planted;
use crate::session::{Dialect, Session};
use crate::writer::Writer;
use crate::{Plant, Row, Store, StoreError, Value, migrate, sqlite};
use rusqlite::Connection;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// A database that several simulated daemons share.
#[derive(Clone)]
pub struct World {
    connection: Arc<Mutex<Connection>>,
    /// Told of every commit that changed something. Each daemon has a signal of its own, because those that wait for one
    /// are woken up in a random order.
    listeners: Arc<Mutex<Vec<watch::Sender<Commits>>>>,
    signals: bool,
}

/// What becomes of what a daemon asks the database for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is not done: the connection broke before.
    Refused,
    /// What changes nothing is done; what does is refused.
    ReadOnly,
    /// It is done, but the daemon is told that the connection broke.
    Unanswered,
    /// It is done, and the daemon asks for nothing more: it died before it had the answer.
    Last,
    /// It is not done, and the daemon asks for nothing more.
    Never,
}

/// Decides about one daemon. The decision may take its time: a daemon that was stopped, a slow network.
pub trait Fates: Send {
    /// What becomes of the next thing that the daemon asks for.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Fate> + Send + '_>>;
}

/// Nothing ever goes wrong.
#[derive(Debug)]
pub struct Fair;

impl Fates for Fair {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Fate> + Send + '_>> {
        Box::pin(std::future::ready(Fate::Done))
    }
}

impl World {
    /// An empty database. Without `signals`, a daemon hears of its own commits only and has to poll for those of others.
    ///
    /// # Errors
    /// The database's.
    pub fn new(signals: bool) -> Result<Self, StoreError> {
        let connection = sqlite::in_memory()?;
        migrate::run(&connection, "the simulation", true)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), listeners: Arc::default(), signals })
    }

    fn tell(&self, own: &watch::Sender<Commits>, news: News) {
        if self.signals {
            locked(&self.listeners).iter().for_each(|heard| tell(heard, news));
        } else {
            tell(own, news);
        }
    }

    /// A daemon's store on it, with what serves the store: that future must run for anything to be answered.
    pub fn daemon<F: Fates>(
        &self,
        mut fates: F,
        plant: Option<Plant>,
    ) -> (Store, impl Future<Output = ()> + Send + use<F>) {
        let (world, fate) = (self.clone(), Arc::new(Mutex::new(Fate::Done)));
        let (coming, connection) = (fate.clone(), self.connection.clone());
        let connect = move || {
            let plain = Simulated { connection: connection.clone(), fate: fate.clone() };
            match plant {
                None => Box::new(plain) as Box<dyn Session>,
                Some(plant) => Box::new(Planted::new(Box::new(plain), plant)),
            }
        };
        let heard = watch::Sender::<Commits>::default();
        locked(&self.listeners).push(heard.clone());
        let (store, mut writes, mut reads) = Store::unserved(heard.clone());
        let serving = async move {
            let session = connect();
            let (committed, mut commits) = watch::channel(Commits::default());
            let mut told = Commits::default();
            let mut writer = Writer {
                session: connect(),
                files: None,
                connect: Arc::new(move || Ok(connect())),
                committed,
                changes: watch::Sender::default(),
                version: None,
                unfolded: 0,
            };
            loop {
                let (write, read) = tokio::select! {
                    biased;
                    Some(write) = writes.recv() => (Some(write), None),
                    Some(read) = reads.recv() => (None, Some(read)),
                    else => return,
                };
                let decided = fates.next().await;
                *locked(&coming) = decided;
                match (write, read) {
                    _ if decided == Fate::Never => return,
                    (Some(job), _) => writer.turn(job, &mut writes),
                    (_, Some(job)) if matches!(decided, Fate::Done | Fate::ReadOnly) => job(Ok(&*session)),
                    (_, Some(job)) => job(Err(broken())),
                    (None, None) => {}
                }
                if commits.has_changed().unwrap_or(false) {
                    let now = *commits.borrow_and_update();
                    world.tell(&heard, now.since(told));
                    told = now;
                }
                if decided == Fate::Last {
                    return;
                }
            }
        };
        (store, serving)
    }
}

/// The queues of a store that nobody serves yet.
pub(crate) type Queues = (Store, mpsc::Receiver<crate::job::Job>, mpsc::Receiver<crate::reader::Job>);

/// A connection to the world, to whose next commit something may happen.
struct Simulated {
    connection: Arc<Mutex<Connection>>,
    fate: Arc<Mutex<Fate>>,
}

impl Simulated {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn broken() -> StoreError {
    StoreError::Unreachable("the simulation broke the connection".to_owned())
}

impl Session for Simulated {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.connection().query(sql, params)
    }

    fn execute(&self, sql: &str, params: &[Value]) -> Result<usize, StoreError> {
        Session::execute(&*self.connection(), sql, params)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        let fate = *locked(&self.fate);
        match (sql, fate) {
            ("COMMIT", Fate::Refused | Fate::ReadOnly) => {
                self.connection().batch("ROLLBACK")?;
                Err(broken())
            }
            ("COMMIT", Fate::Unanswered) => {
                self.connection().batch(sql)?;
                Err(broken())
            }
            _ => self.connection().batch(sql),
        }
    }

    fn in_transaction(&self) -> bool {
        self.connection().in_transaction()
    }

    fn written(&self) -> u64 {
        self.connection().written()
    }

    fn usable(&self) -> bool {
        true
    }

    fn dialect(&self) -> &'static Dialect {
        self.connection().dialect()
    }
}
