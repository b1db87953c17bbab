//! The store's threads, each under a name that the system's tools show.

use crate::StoreError;

/// Starts a thread; a name has at most 15 bytes, more are not shown.
pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map(drop).map_err(|err| StoreError::Database(format!("no thread for {name}: {err}")))
}
