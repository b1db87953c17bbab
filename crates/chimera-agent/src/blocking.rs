//! Long work of the file system, kept from holding up what shares its thread.
//!
//! A dependency folder of a few hundred megabytes takes seconds to remove. On a thread of the runtime, these seconds would
//! be taken from the API, from heartbeats and from every other attempt.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs work that blocks, and gives the other tasks of its thread to another one meanwhile. Without a runtime, or on one of
/// a single thread, it just runs.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let shared = Handle::try_current().is_ok_and(|rt| rt.runtime_flavor() == RuntimeFlavor::MultiThread);
    if shared { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use super::blocking;
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn work_that_blocks_holds_up_nobody_else() {
        let (here, there) = mpsc::channel();
        let waits = tokio::spawn(async move { blocking(|| there.recv_timeout(Duration::from_secs(30))) });
        let other = tokio::spawn(async move { here.send("done") });
        other.await.expect("the other task runs").expect("somebody listens");
        assert_eq!(waits.await.expect("the work ends"), Ok("done"));
    }

    #[tokio::test]
    async fn on_a_single_thread_it_just_runs() {
        assert_eq!(blocking(|| 1), 1);
    }
}
