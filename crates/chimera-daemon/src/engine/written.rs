//! What this daemon's heartbeats have written: a database that has something else went back in time.
//!
//! Nobody else writes when a daemon was last heard of. So each heartbeat first looks whether the one before is there. If
//! it is not, the database was restored from a backup under the running daemon, or lost commits in a fail-over: epochs
//! are given out a second time, and nothing that this daemon does is fenced any more.

use chimera_core::UnixMillis;
use chimera_store::StoreError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long daemons that are gone are remembered: one that was silent for longer may have been forgotten.
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Heartbeats without an answer that are remembered: each may have been written all the same.
const UNANSWERED: usize = 256;

/// The heartbeats that the database may have: the last one that is known to be recorded, and those after it.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Vec<Option<UnixMillis>>>);

impl Written {
    fn may_be(&self) -> MutexGuard<'_, Vec<Option<UnixMillis>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database has that heartbeat, and is to have another one.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] if it has forgotten what it had.
    pub(super) fn goes_on(&self, has: Option<UnixMillis>, next: UnixMillis) -> Result<(), StoreError> {
        let mut may_be = self.may_be();
        let last = may_be.iter().rev().find_map(|written| *written);
        let was_forgotten = has.is_none() && last.is_some_and(|last| next.since(last) >= REMEMBERED);
        if !may_be.is_empty() && !may_be.contains(&has) && !was_forgotten {
            return Err(StoreError::Fatal(
                "the database went back in time: it no longer has the last heartbeat of this daemon, so it was restored \
                 from a backup, or lost commits in a fail-over; running attempts are stopped and nothing of them is \
                 recorded: run `chimera-daemon restored` if it was not yet, then start the daemon again"
                    .to_owned(),
            ));
        }
        if may_be.is_empty() {
            may_be.push(has);
        }
        may_be.push(Some(next));
        let surplus = may_be.len().saturating_sub(UNANSWERED);
        may_be.drain(..surplus);
        Ok(())
    }

    /// The last one is recorded.
    pub(super) fn recorded(&self) {
        let mut may_be = self.may_be();
        let before = may_be.len().saturating_sub(1);
        may_be.drain(..before);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, Written};
    use chimera_core::UnixMillis;

    const AT: [Option<UnixMillis>; 4] =
        [Some(UnixMillis(10)), Some(UnixMillis(20)), Some(UnixMillis(30)), Some(UnixMillis(40))];

    fn goes_on(written: &Written, has: Option<UnixMillis>, next: usize) -> bool {
        written.goes_on(has, AT[next].expect("a time")).is_ok()
    }

    #[test]
    fn a_heartbeat_that_is_known_to_be_recorded_must_be_there() {
        let written = Written::default();
        assert!(goes_on(&written, None, 0), "the first one finds nothing");
        written.recorded();
        assert!(goes_on(&written, AT[0], 1));
        written.recorded();
        assert!(!goes_on(&written, AT[0], 2), "an older one");
        assert!(!goes_on(&written, None, 2), "none");
        assert!(goes_on(&written, AT[1], 2), "the last one");
    }

    #[test]
    fn one_whose_answer_was_lost_may_be_there_or_not() {
        for has in [AT[0], AT[1], AT[2]] {
            let written = Written::default();
            assert!(goes_on(&written, None, 0));
            written.recorded();
            assert!(goes_on(&written, AT[0], 1) && goes_on(&written, AT[0], 2));
            assert!(goes_on(&written, has, 3), "{has:?}");
        }
        let written = Written::default();
        assert!(goes_on(&written, None, 0) && goes_on(&written, None, 1), "the very first ones");
    }

    #[test]
    fn a_daemon_that_was_silent_for_a_day_may_have_been_forgotten() {
        let written = Written::default();
        assert!(goes_on(&written, None, 0));
        written.recorded();
        assert!(written.goes_on(None, UnixMillis(10).plus(REMEMBERED)).is_ok());
    }
}
