//! All of Chimera's SQL: the durable queue, its leases and its journal.
//!
//! A [`Store`] runs closures: [`Store::write`] on the one writer thread, which commits many of them at once,
//! [`Store::read`] on connections of their own. Closures see [`Tx`] and [`ReadTx`], never the driver. Map:
//! [`submit`] accepts tasks, [`queue`] claims, extends, settles and rescues them, [`steer`] is what people do
//! to them, [`read`] answers questions; `sqlite` is the backend, `migrate` the schema's history, `row` the values that cross the seam.

mod error;
mod journal;
mod migrate;
pub mod queue;
pub mod read;
mod row;
mod sqlite;
pub mod steer;
pub mod submit;
mod task_row;

pub use error::StoreError;
pub use row::{Row, Value};
pub use sqlite::{Options, ReadTx, Store, Tx};
