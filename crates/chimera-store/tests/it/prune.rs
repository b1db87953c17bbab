//! Removing what ended long ago.

use crate::after::{complete, waiting};
use crate::fixture::{House, NOW, conformance, epoch, failure, id, key, later, new_task, settled};
use chimera_core::{Digest, Evidence, EvidenceKind, Gates, Phase, Policy, UnixMillis};
use chimera_store::chores::{Chore, take_on};
use chimera_store::dead::{Treatment, Which, treat};
use chimera_store::prune::{self, Cutoffs, Place, Round, Trash};
use chimera_store::steer::cancel;
use chimera_store::{StoreError, read};

conformance! {
    what_ended_long_ago_goes_with_all_that_belongs_to_it,
    each_end_has_a_time_of_its_own,
    a_task_that_others_wait_for_stays,
    the_newest_entry_of_the_journal_stays_so_that_no_number_is_given_twice,
    evidence_that_another_task_refers_to_is_told,
    one_daemon_of_many_takes_a_round,
    homes_and_places_that_nobody_uses_are_forgotten,
    a_round_takes_many_tasks_at_once_and_looks_at_none_twice,
}

fn everything() -> Cutoffs {
    let before = Some(later(1_000_000));
    Cutoffs { completed: before, cancelled: before, failed: before, discarded: before }
}

async fn pruned(house: &House, cutoffs: Cutoffs) -> usize {
    let counted = house.store.read(move |tx| prune::count(tx, &cutoffs)).await.expect("counted");
    let (mut all, mut round) = (0, Round::new(cutoffs));
    while !round.is_over() {
        let (batch, next) =
            house.store.write(move |tx| prune::batch(tx, round, NOW, 3)).await.expect("pruned");
        assert!(batch.len() <= 3);
        all += batch.len();
        round = next;
    }
    assert_eq!(counted, all as u64, "a dry run counts the same");
    all
}

async fn trash(house: &House) -> Vec<Trash> {
    let (mut all, mut last) = (Vec::new(), Place::at(UnixMillis(0)));
    loop {
        let after = last.clone();
        let page = house.store.read(move |tx| prune::trash(tx, &after, 2)).await.expect("readable");
        let Some((newest, _)) = page.last() else { return all };
        last = newest.clone();
        all.extend(page.into_iter().map(|(_, item)| item));
    }
}

async fn rows(house: &House, table: &'static str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let count = house.store.read(move |tx| tx.first(&sql, &[])?.expect("a row").int(0));
    count.await.expect("readable")
}

fn hash(digit: char) -> Digest {
    Digest::parse(&digit.to_string().repeat(64)).expect("64 digits")
}

/// Fails a task, which leaves evidence of these hashes.
async fn fail_with(house: &House, number: u64, hashes: &[char]) {
    let mut new = new_task(number);
    new.idempotency = key(&format!("key {number}"), 'a');
    house.submit(new).await;
    let task = house.claim("one", NOW, 1).await.pop().expect("taken");
    let file = |digit: &char| Evidence {
        sha256: hash(*digit),
        kind: EvidenceKind::Log,
        name: "red.log".to_owned(),
        size: 1,
        phase: Phase::E2eTestGeneration,
        attempt: 1,
    };
    let (end, files) = (settled(&task, failure(), later(1)), hashes.iter().map(file).collect::<Vec<_>>());
    house.record(&task, epoch(&task), end, &files, &Gates::default()).await.expect("the lease holds");
}

async fn what_ended_long_ago_goes_with_all_that_belongs_to_it(house: House) {
    for number in 1..=7 {
        fail_with(&house, number, &['b', 'c']).await;
    }
    house.submit(new_task(9)).await;
    assert_eq!(
        pruned(&house, Cutoffs { failed: Some(later(1)), ..everything() }).await,
        0,
        "ended just then"
    );
    assert_eq!(pruned(&house, Cutoffs { failed: Some(later(2)), ..everything() }).await, 7);
    for (table, left) in [("tasks", 1), ("journal", 1), ("evidence", 0), ("idempotency", 0), ("waits", 0)] {
        assert_eq!(rows(&house, table).await, left, "{table}");
    }
    let gone = trash(&house).await;
    assert_eq!(gone.len(), 9, "seven tasks, and two files that they shared");
    assert!(gone.contains(&Trash::Task { id: id(1), project: "shop".to_owned() }));
    for digit in ['b', 'c'] {
        assert!(gone.contains(&Trash::Evidence(hash(digit))));
    }
    let since = |at| house.store.read(move |tx| prune::trash(tx, &Place::at(at), 99));
    assert_eq!(since(NOW).await.expect("readable").len(), 9);
    assert_eq!(since(later(1)).await.expect("readable"), [], "a machine goes on where it was");
    house.store.write(|tx| prune::forget(tx, NOW)).await.expect("possible");
    assert_eq!(trash(&house).await.len(), 9, "not yet");
    house.store.write(|tx| prune::forget(tx, later(1))).await.expect("possible");
    assert_eq!(trash(&house).await, []);
}

async fn each_end_has_a_time_of_its_own(house: House) {
    let running = house.running(1, "one").await;
    complete(&house.store, running, later(10)).await;
    fail_with(&house, 2, &[]).await;
    fail_with(&house, 3, &[]).await;
    house.submit(new_task(4)).await;
    house.submit(new_task(5)).await;
    let policy = Policy::default();
    house.store.write(move |tx| cancel(tx, &id(4), later(10), &policy)).await.expect("possible");
    let give_up = move |tx: &mut chimera_store::Tx<'_>| {
        treat(tx, Which::Named(vec![id(3)]), Treatment::Discard, later(20), &policy, &Gates::default())
    };
    house.store.write(give_up).await.expect("possible");
    // The newest entry of the journal is that of a task that stays.
    house.submit(new_task(6)).await;
    let only = |at: UnixMillis| Some(at);
    assert_eq!(pruned(&house, Cutoffs::default()).await, 0, "kept for ever");
    assert_eq!(pruned(&house, Cutoffs { discarded: only(later(20)), ..Cutoffs::default() }).await, 0);
    assert_eq!(pruned(&house, Cutoffs { discarded: only(later(21)), ..Cutoffs::default() }).await, 1);
    assert_eq!(pruned(&house, Cutoffs { completed: only(later(11)), ..Cutoffs::default() }).await, 1);
    assert_eq!(pruned(&house, Cutoffs { cancelled: only(later(11)), ..Cutoffs::default() }).await, 1);
    assert_eq!(pruned(&house, Cutoffs { failed: only(later(11)), ..Cutoffs::default() }).await, 1);
    assert_eq!(rows(&house, "tasks").await, 2, "what has not ended stays");
}

async fn a_task_that_others_wait_for_stays(house: House) {
    fail_with(&house, 1, &[]).await;
    house.submit(waiting(2, &[1])).await;
    assert_eq!(pruned(&house, everything()).await, 0);
    let policy = Policy::default();
    house.store.write(move |tx| cancel(tx, &id(2), later(10), &policy)).await.expect("possible");
    house.submit(new_task(3)).await;
    for expected in [id(2), id(1)] {
        let round = Round::new(everything());
        let (batch, _) = house.store.write(|tx| prune::batch(tx, round, NOW, 1)).await.expect("pruned");
        assert_eq!(batch, [expected], "first what waits for it");
    }
}

async fn the_newest_entry_of_the_journal_stays_so_that_no_number_is_given_twice(house: House) {
    fail_with(&house, 1, &[]).await;
    fail_with(&house, 2, &[]).await;
    let last = house.store.read(read::last_event_id).await.expect("readable");
    assert_eq!(pruned(&house, everything()).await, 1);
    house.submit(new_task(3)).await;
    let events = house.store.read(move |tx| read::events(tx, None, last, 9)).await.expect("readable");
    assert_eq!(events.len(), 1, "whoever reads on misses nothing");
}

async fn evidence_that_another_task_refers_to_is_told(house: House) {
    fail_with(&house, 1, &['b', 'c']).await;
    fail_with(&house, 2, &['c']).await;
    assert_eq!(pruned(&house, everything()).await, 1);
    for (digit, referred) in [('b', false), ('c', true)] {
        let asked = house.store.read(move |tx| prune::is_referred_to(tx, &hash(digit))).await;
        assert_eq!(asked.expect("readable"), referred, "{digit}");
    }
}

async fn one_daemon_of_many_takes_a_round(house: House) {
    let second = house.second();
    let take = |now, next| move |tx: &mut chimera_store::Tx<'_>| take_on(tx, Chore::Prune, now, next);
    let (one, two) =
        tokio::join!(house.store.write(take(NOW, later(60))), second.write(take(NOW, later(60))));
    // On PostgreSQL both may insert the first row at once: one of them is turned away and comes again.
    let taken = [one, two].into_iter().filter(|taken| matches!(taken, Ok(true))).count();
    assert_eq!(taken, 1);
    let early = second.write(take(later(59), later(120))).await;
    assert!(matches!(early, Ok(false) | Err(StoreError::Busy)), "{early:?}");
    assert!(second.write(take(later(60), later(120))).await.expect("possible"), "the next round");
}

/// More than one statement takes, among some that have to stay.
async fn a_round_takes_many_tasks_at_once_and_looks_at_none_twice(house: House) {
    const TASKS: u64 = 250;
    for number in 1..=TASKS {
        house.submit(new_task(number)).await;
    }
    house.submit(waiting(900, &[1, 120])).await;
    for task in house.claim("one", NOW, 1000).await {
        house.settle(&task, epoch(&task), failure(), later(1)).await.expect("the lease holds");
    }
    house.submit(new_task(901)).await;
    let cutoffs = Cutoffs { failed: Some(later(10)), ..Cutoffs::default() };
    let round = Round::new(cutoffs);
    let (first, round) =
        house.store.write(move |tx| prune::batch(tx, round, NOW, 230)).await.expect("pruned");
    assert_eq!((first.len(), round.is_over()), (230, false));
    let (rest, round) = house.store.write(move |tx| prune::batch(tx, round, NOW, 230)).await.expect("pruned");
    assert_eq!((rest.len(), round.is_over()), (TASKS as usize - 230 - 2, true));
    assert_eq!((rows(&house, "tasks").await, rows(&house, "trash").await), (4, TASKS as i64 - 2));
}

async fn homes_and_places_that_nobody_uses_are_forgotten(house: House) {
    house.running(1, "one").await;
    let set = |tx: &mut chimera_store::Tx<'_>| {
        let of = id(1);
        tx.execute(
            "UPDATE tasks SET home = 'used', phase = 'E2E_VALIDATION' WHERE task_id = $1",
            &[of.as_str().into()],
        )?;
        for home in ["used", "old"] {
            tx.execute("INSERT INTO homes (home, seen_at, expires_at) VALUES ($1, 1, 2)", &[home.into()])?;
        }
        for (place, task) in [("taken", id(1)), ("free", id(2))] {
            let sql = "INSERT INTO stagings (place, task_id, since) VALUES ($1, $2, 1)";
            tx.execute(sql, &[place.into(), task.as_str().into()])?;
        }
        Ok(())
    };
    house.store.write(set).await.expect("noted");
    let left = async || {
        let sql = "SELECT home FROM homes UNION SELECT place FROM stagings ORDER BY 1";
        let rows = house.store.read(move |tx| tx.query(sql, &[])).await.expect("readable");
        rows.iter().map(|row| row.text(0).expect("a name").to_owned()).collect::<Vec<_>>()
    };
    house.store.write(|tx| prune::forget(tx, UnixMillis(1))).await.expect("possible");
    assert_eq!(left().await.len(), 4, "not yet");
    house.store.write(|tx| prune::forget(tx, UnixMillis(2))).await.expect("possible");
    assert_eq!(left().await, ["taken", "used"]);
}
