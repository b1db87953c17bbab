//! All of Chimera's SQL: the durable queue, its leases and its journal.
//!
//! A [`Store`] runs closures: [`Store::write`] on the one writer thread, which commits many of them at once,
//! [`Store::read`] on connections of their own. Closures see [`Tx`] and [`ReadTx`], never the driver. Map:
//! [`submit`] accepts tasks, [`batch`] many at once, [`queue`] claims them, [`ready`] is what a
//! claim looks at, [`lanes`] claims while something is held back, [`settle`] records what came of them, [`hold`] is what
//! holds them back, [`roster`] which daemons live, [`lease`] extends leases, asks whether they hold and rescues tasks from those that ran out, [`home`] keeps tasks where
//! their branch is, [`steer`] is what people do to them, [`times`] ends those whose time is up, [`after`] makes them wait
//! for each other, [`dead`] is about those that failed, [`prune`] removes what ended long ago, [`chores`] says whose turn that is, [`moved`] and [`transfer`]
//! take a queue to another database, [`read`] answers questions, [`counts`] the one how many there are; `group` is one transaction of the writer, `job` what its callers want, `apart` the connection of heartbeats, [`heartbeat`] what they do, `change` what
//! many callers change by one statement, [`sim`] a database for simulations, [`past`] makes up ended tasks, `session` is
//! what a backend has to be able to do, `sqlite` and `postgres` are the two, `migrate` the schema's history, `row` the values that cross the seam, `thread` what its threads are called. `commits` says what a commit is about. `unreadable` sets rows aside that cannot be read. [`look`] changes nothing.

pub mod after;
mod alone;
mod apart;
pub mod batch;
mod change;
pub mod chores;
mod commits;
pub mod counts;
mod database;
pub mod dead;
mod error;
mod group;
pub mod heartbeat;
pub mod hold;
pub mod home;
mod job;
mod journal;
pub mod lanes;
pub mod lease;
mod look;
mod migrate;
pub mod moved;
mod options;
pub mod past;
mod patience;
mod plant;
mod postgres;
pub mod prune;
pub mod queue;
pub mod raw;
pub mod read;
mod reader;
pub mod ready;
pub mod restored;
pub mod roster;
mod row;
mod session;
pub mod settle;
pub mod sim;
mod sqlite;
pub mod steer;
mod store;
pub mod submit;
pub mod suspects;
mod task_row;
mod thread;
pub mod times;
pub mod transfer;
mod tx;
mod unreadable;
mod writer;

pub use commits::Commits;
pub use database::Database;
pub use error::StoreError;
pub use look::{Looked, look};
pub use options::Options;
pub use plant::Plant;
pub use postgres::PostgresServer;
pub use row::{Row, Value};
pub use sqlite::copy_file;
pub use store::Store;
pub use tx::{ReadTx, Tx};
