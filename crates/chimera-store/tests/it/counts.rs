//! Counts without counting, and other costs that must not grow with what there is.

use crate::after::{complete, waiting};
use crate::fixture::{House, NOW, conformance, failure, id, later, new_task};
use chimera_core::{Gates, Phase, Policy};
use chimera_store::counts::{self, Counts, FOLD_AFTER, Recount};
use chimera_store::prune::{self, Cutoffs, Round};
use chimera_store::{Options, StoreError, Tx, queue, ready, steer, submit};

conformance! {
    counts_are_the_truth_after_every_kind_of_change,
    a_change_by_hand_or_by_an_older_daemon_is_counted,
    what_is_undone_is_not_counted,
    wrong_counts_are_corrected_by_what_a_recount_found,
    counts_read_few_rows_however_much_was_done,
    one_claim_makes_a_bounded_number_of_parked_tasks_ready,
}

async fn recount(house: &House) -> Recount {
    house.store.read(counts::recount).await.expect("counted")
}

/// The counts, which must be the truth.
async fn counted(house: &House) -> Counts {
    let Recount { kept, counted } = recount(house).await;
    assert_eq!(kept, counted);
    kept
}

async fn rows(house: &House) -> i64 {
    let rows = house.store.read(|tx| tx.query("SELECT COUNT(*) FROM task_counts", &[])).await;
    rows.expect("readable")[0].int(0).expect("a count")
}

async fn counts_are_the_truth_after_every_kind_of_change(house: House) {
    let policy = Policy::default();
    assert_eq!(counted(&house).await, Counts::default());
    for number in 1..=6 {
        house.submit(new_task(number)).await;
    }
    assert_eq!(counted(&house).await, Counts { queued: 6, ..Counts::default() });
    let taken = house.claim("one", NOW, 3).await;
    assert_eq!(counted(&house).await, Counts { queued: 3, running: 3, ..Counts::default() });
    complete(&house.store, taken[0].clone(), later(1)).await;
    house.settle(&taken[1], 1, failure(), later(1)).await.expect("the lease holds");
    house.store.write(move |tx| steer::cancel(tx, &id(5), later(1), &policy)).await.expect("possible");
    let ended = Counts { queued: 2, running: 1, completed: 1, failed: 1, cancelled: 1 };
    assert_eq!(counted(&house).await, ended);
    house.rescue(later(1), &["one"]).await;
    let again = taken[1].id.clone();
    let requeue =
        move |tx: &mut Tx<'_>| steer::requeue(tx, &again, Phase::E2eTestGeneration, later(2), &policy);
    house.store.write(requeue).await.expect("possible");
    house.submit(waiting(7, &[4])).await;
    assert_eq!(counted(&house).await, Counts { queued: 5, completed: 1, cancelled: 1, ..Counts::default() });
    let before = Some(later(100));
    let cutoffs = Cutoffs { completed: before, cancelled: before, ..Cutoffs::default() };
    let round = Round::new(cutoffs);
    let removed = house.store.write(move |tx| prune::batch(tx, round, later(100), 9)).await;
    assert_eq!(removed.expect("pruned").0.len(), 2);
    assert_eq!(counted(&house).await, Counts { queued: 5, ..Counts::default() });
}

/// What the statements of no version of ours had to know of.
async fn a_change_by_hand_or_by_an_older_daemon_is_counted(house: House) {
    for number in 1..=3 {
        house.submit(new_task(number)).await;
    }
    let by_hand = |tx: &mut Tx<'_>| {
        let end =
            "UPDATE tasks SET status = 'cancelled', parked = NULL, completed_at = 7 WHERE task_id <> $1";
        tx.execute(end, &[id(1).as_str().into()])
    };
    house.store.write(by_hand).await.expect("possible");
    assert_eq!(counted(&house).await, Counts { queued: 1, cancelled: 2, ..Counts::default() });
    house.store.write(|tx| tx.execute("DELETE FROM journal", &[])).await.expect("possible");
    house.store.write(|tx| tx.execute("DELETE FROM tasks", &[])).await.expect("possible");
    assert_eq!(counted(&house).await, Counts::default());
}

async fn what_is_undone_is_not_counted(house: House) {
    house.submit(new_task(1)).await;
    let undone = house.store.write(|tx| {
        submit::submit(tx, &new_task(2))?;
        Err::<(), _>(StoreError::NotFound { id: id(2) })
    });
    undone.await.expect_err("it failed");
    assert_eq!(counted(&house).await, Counts { queued: 1, ..Counts::default() });
}

async fn wrong_counts_are_corrected_by_what_a_recount_found(house: House) {
    house.submit(new_task(1)).await;
    let bug = "UPDATE task_counts SET queued = queued + 3, failed = failed + 1";
    house.store.write(move |tx| tx.execute(bug, &[])).await.expect("possible");
    let found = recount(&house).await;
    assert_ne!(found.kept, found.counted);
    // Made since the recount, and still counted.
    house.submit(new_task(2)).await;
    house.store.write(move |tx| counts::correct(tx, &found)).await.expect("possible");
    assert_eq!(counted(&house).await, Counts { queued: 2, ..Counts::default() });
}

async fn counts_read_few_rows_however_much_was_done(house: House) {
    const TASKS: u64 = 2 * FOLD_AFTER as u64;
    let mut accepted = tokio::task::JoinSet::new();
    for number in 0..TASKS {
        let store = house.store.clone();
        accepted.spawn(async move { submit::accept(&store, new_task(number)).await.map(drop) });
    }
    for accepted in accepted.join_all().await {
        accepted.expect("accepted");
    }
    assert_eq!(counted(&house).await.queued, TASKS);
    let rows = rows(&house).await;
    assert!(rows <= 2 * FOLD_AFTER as i64, "{rows} rows");
    for _ in 0..FOLD_AFTER + 1 {
        house.claim("one", NOW, 1).await;
    }
    let after = self::rows(&house).await;
    assert!(after <= FOLD_AFTER as i64, "{after} rows, {rows} before");
    assert_eq!(counted(&house).await.running, FOLD_AFTER as u64 + 1);
}

async fn one_claim_makes_a_bounded_number_of_parked_tasks_ready(house: House) {
    const TASKS: u64 = 700;
    let put_off = |tx: &mut Tx<'_>| {
        (0..TASKS).try_for_each(|number| {
            let mut new = new_task(number);
            new.request.not_before = Some(later(30));
            submit::submit(tx, &new).map(drop)
        })
    };
    house.store.write(put_off).await.expect("accepted");
    let depth = |now| house.store.read(move |tx| ready::depth(tx, 1000, now));
    assert_eq!(depth(later(29)).await.expect("readable"), 0);
    assert_eq!(depth(later(30)).await.expect("readable"), 700, "due, though no claim has made them ready");
    let mut taken = house.claim("one", later(30), 1).await.len();
    assert_eq!(taken, 1);
    let made = house.store.read(|tx| ready::depth(tx, 1000, NOW)).await.expect("readable");
    assert!((1..=256).contains(&made), "{made} were made ready by one claim");
    let next = house.store.read(queue::next_ready_at).await.expect("readable");
    assert_eq!(next, Some(later(30)), "a daemon claims again at once");
    for _ in 0..3 {
        taken += house.claim("one", later(30), 1000).await.len();
    }
    assert_eq!(taken as u64, TASKS);
}

/// Steps of a running task touch no index, so that PostgreSQL writes one row instead of one for each index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_of_a_running_task_are_hot_updates() {
    const TASKS: u64 = 100;
    let house = House::postgres();
    for number in 0..TASKS {
        house.submit(new_task(number)).await;
    }
    let updates = async || {
        let asked = house.store.write(|tx| {
            tx.query("SELECT CAST(1 AS BIGINT) FROM pg_stat_force_next_flush()", &[])?;
            Ok(())
        });
        asked.await.expect("a server of version 15 or newer");
        let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks'";
        let row = house.store.write(move |tx| tx.first(sql, &[])).await.expect("readable").expect("a row");
        (row.int(0).expect("a count"), row.int(1).expect("a count"))
    };
    let taken = house.claim("one", NOW, 100).await;
    let before = updates().await;
    for task in taken {
        house.settle(&task, 1, crate::home::committed(), NOW).await.expect("the lease holds");
    }
    let after = updates().await;
    assert_eq!(after.0 - before.0, TASKS as i64);
    // Some find their page full. With a changed index, not one of them would be.
    assert!(after.1 - before.1 >= TASKS as i64 / 2, "{} of {TASKS} were HOT", after.1 - before.1);
}

/// The lock of claims under a limit is one of all daemons: a claim that finds nothing must not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_of_an_empty_queue_waits_for_no_other_daemon() {
    let house = House::postgres();
    let other = house.second();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (held, holds) = std::sync::mpsc::channel::<()>();
    let holding = tokio::spawn(async move {
        let hold = move |tx: &mut Tx<'_>| {
            tx.query("SELECT CAST(1 AS BIGINT) FROM pg_advisory_xact_lock(7163375929573)", &[])?;
            let _ = held.send(());
            let _ = gate.recv();
            Ok(())
        };
        other.write(hold).await
    });
    tokio::task::spawn_blocking(move || holds.recv()).await.expect("no panic").expect("the lock is held");
    let gates = Gates { projects: [("shop".to_owned(), 1)].into(), ..Gates::default() };
    assert_eq!(house.claim_at(&gates, "one", NOW, 1).await, []);
    go.send(()).expect("still held: the claim did not wait for its end");
    holding.await.expect("no panic").expect("possible");
}

#[tokio::test]
async fn counts_on_a_file_are_one_row() {
    let house = House::sqlite(&Options::default());
    for number in 0..20 {
        house.submit(new_task(number)).await;
    }
    assert_eq!(rows(&house).await, 1);
}
