//! A round of pruning, on a real database.

use super::{HOLD, MOST, cutoffs, fitting, rows};
use crate::config::Retention;
use crate::seams::Clock;
use chimera_core::UnixMillis;
use chimera_store::{Database, Options, Store, counts, past};
use std::time::Duration;

/// A million ended tasks a day are 41,667 an hour: a round must not stop before that.
#[tokio::test]
async fn a_round_goes_on_until_nothing_is_left_that_may_go() {
    const TASKS: u32 = 12_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let database = Database::Sqlite(dir.path().join("tasks.db"));
    let store = Store::open(&database, &Options::default()).expect("a new database");
    store.write(move |tx| past::add(tx, 0, TASKS, UnixMillis(0), true)).await.expect("possible");
    let (day, clock) = (Some(Duration::from_secs(24 * 3600)), Clock::system());
    let retention = Retention { completed: day, cancelled: day, failed: day, discarded: day };
    let removed = rows(&store, &cutoffs(&retention, clock.now()), &clock).await.expect("pruned");
    // All but the one with the newest entry of the journal.
    assert_eq!(removed, u64::from(TASKS) - 1);
    let left = store.read(counts::counts).await.expect("readable");
    assert_eq!(left.completed + left.failed, 1);
}

#[test]
fn a_transaction_that_took_too_long_is_followed_by_a_smaller_one() {
    assert_eq!(fitting(20, Duration::from_millis(1)), 40);
    assert_eq!(fitting(MOST, Duration::from_millis(1)), MOST);
    assert_eq!(fitting(200, HOLD), 200);
    assert_eq!(fitting(200, HOLD * 2), 100);
    assert_eq!(fitting(1, HOLD * 100), 1, "it goes on, whatever others do");
}
