//! A queue moves between databases, with tasks in flight.

use crate::after::{complete, waiting};
use crate::fixture::{House, conformance, epoch, failure, id, key, later, new_task, settled};
use chimera_core::{Digest, Evidence, EvidenceKind, Gates, Outcome, Phase, Policy, Status};
use chimera_store::batch::{self, NewBatch};
use chimera_store::queue::{self, Claim};
use chimera_store::transfer::{self, Checked, Counts, Header};
use chimera_store::{Options, StoreError, dead, moved, read, steer, submit};
use std::collections::BTreeSet;

conformance! {
    a_queue_arrives_as_it_was_and_goes_on_there,
    a_closed_queue_takes_and_gives_nothing_until_it_is_opened_again,
    running_tasks_of_a_copy_arrive_queued_under_a_new_epoch,
    only_an_empty_database_is_filled,
    a_file_of_another_schema_leaves_nothing,
}

/// One of each kind of row.
async fn fill(house: &House) {
    let first = house.running(1, "one").await;
    complete(&house.store, first, later(1)).await;
    house.submit(new_task(2)).await;
    let second = house.claim("one", later(2), 1).await.pop().expect("taken");
    let file = Evidence {
        sha256: Digest::parse(&"b".repeat(64)).expect("a digest"),
        kind: EvidenceKind::Log,
        name: "ü\u{1f600}\n\"'.log".to_owned(),
        size: 7,
        phase: Phase::E2eTestGeneration,
        attempt: 1,
    };
    let end = settled(&second, failure(), later(3));
    house.record(&second, epoch(&second), end, &[file], &Gates::default()).await.expect("the lease holds");
    let discard = |tx: &mut chimera_store::Tx<'_>| {
        let which = dead::Which::Named(vec![id(2)]);
        dead::treat(tx, which, dead::Treatment::Discard, later(4), &Policy::default(), &Gates::default())
    };
    house.store.write(discard).await.expect("possible");
    let mut timed = new_task(3);
    timed.request.deadline = Some(later(1000));
    let tasks = vec![timed, waiting(4, &[3])];
    let batch = NewBatch { tasks, idempotency: key("nightly", 'a') };
    house.store.write(move |tx| batch::submit(tx, &batch)).await.expect("accepted");
    // One that runs, and one that somebody asked to stop.
    for number in [5, 6] {
        house.submit(new_task(number)).await;
    }
    let running = house.claim("one", later(5), 3).await;
    assert_eq!(running.len(), 3, "3, 5 and 6");
    house.store.write(|tx| steer::cancel(tx, &id(6), later(6), &Policy::default())).await.expect("possible");
}

async fn written(house: &House, header: Header) -> Vec<u8> {
    let write = move |tx: &chimera_store::ReadTx<'_>| {
        let mut file = Vec::new();
        transfer::write_out(tx, &header, &mut file, &mut |_| ()).map(|_| file)
    };
    house.store.read(write).await.expect("written")
}

fn header(moved: bool) -> Header {
    Header::new("1.2.3", later(7), moved)
}

fn checked(file: &[u8]) -> Result<Checked, StoreError> {
    transfer::check(&mut &file[..])
}

async fn read_in(house: &House, file: &[u8]) -> Result<Counts, StoreError> {
    let (checked, file) = (checked(file).expect("whole"), file.to_owned());
    let read = move |tx: &mut chimera_store::Tx<'_>| {
        transfer::read_in(tx, &checked, &mut &file[..], later(8), &mut |_| ())
    };
    house.store.write(read).await
}

/// The rows, in whatever order the database sorts its texts.
fn rows(file: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8(file.to_owned()).expect("text");
    text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect()
}

async fn a_queue_arrives_as_it_was_and_goes_on_there(house: House) {
    fill(&house).await;
    let were_running = house.store.write(|tx| moved::close(tx, later(7))).await.expect("closed");
    assert_eq!(were_running.len(), 3);
    let file = written(&house, header(true)).await;
    assert!(checked(&file).expect("whole").header.moved);
    for target in [House::sqlite(&Options::default()), House::postgres()] {
        let counts = read_in(&target, &file).await.expect("filled");
        assert_eq!((counts["tasks"], counts["waits"], counts["evidence"]), (6, 1, 1));
        let again = written(&target, header(true)).await;
        assert_eq!(rows(&again), rows(&file), "no row is lost, added or changed");
        assert_eq!(target.story(5).await.last(), Some(&"settled"), "handed back");
        assert_eq!(target.task(6).await.status, Status::Cancelled);

        let last = target.store.read(read::last_event_id).await.expect("readable");
        let claimed = target.claim("new", later(9), 9).await;
        assert_eq!(claimed.len(), 2);
        assert!(
            claimed.iter().all(|task| epoch(task) == 3),
            "above what the old daemon held, and what closing gave"
        );
        let events = target.store.read(move |tx| read::events(tx, None, last, 9)).await.expect("readable");
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [last + 1, last + 2]);
        for task in claimed {
            complete(&target.store, task, later(10)).await;
        }
        assert_eq!(target.task(4).await.ready_at, later(10), "what waited is released");
        let batch = NewBatch { tasks: vec![new_task(90)], idempotency: key("nightly", 'a') };
        let known = target.store.write(move |tx| batch::submit(tx, &batch)).await.expect("known");
        assert!(matches!(known, batch::Batch::Existing(known) if known.len() == 2));
    }
}

async fn a_closed_queue_takes_and_gives_nothing_until_it_is_opened_again(house: House) {
    let held = house.running(1, "one").await;
    house.submit(new_task(2)).await;
    let other = house.second();
    other.write(|tx| moved::close(tx, later(7))).await.expect("closed");
    assert_eq!(other.write(|tx| moved::close(tx, later(8))).await.expect("closed already"), []);
    let claim = |tx: &mut chimera_store::Tx<'_>| {
        queue::claim(tx, &Claim { owner: "one", now: later(8), limit: 9, gates: &Gates::default() })
    };
    let submitted = house.store.write(|tx| submit::submit(tx, &new_task(3))).await;
    assert!(matches!(submitted, Err(StoreError::Moved)), "{submitted:?}");
    let claimed = house.store.write(claim).await;
    assert!(matches!(claimed, Err(StoreError::Moved)), "{claimed:?}");
    let late = house.settle(&held, epoch(&held), Outcome::Interrupted, later(9)).await;
    assert!(matches!(late, Err(StoreError::Moved | StoreError::LeaseLost { .. })), "{late:?}");
    let cancelled = house.store.write(|tx| steer::cancel(tx, &id(2), later(9), &Policy::default())).await;
    assert!(matches!(cancelled, Err(StoreError::Moved)), "{cancelled:?}");
    assert_eq!(house.task(1).await.status, Status::Queued, "it can be read");

    assert!(other.write(moved::reopen).await.expect("opened"));
    assert!(!other.write(moved::reopen).await.expect("open already"));
    let late = house.settle(&held, epoch(&held), Outcome::Interrupted, later(9)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "the old worker is fenced for good: {late:?}");
    assert_eq!(house.store.write(claim).await.expect("open").len(), 2);
}

async fn running_tasks_of_a_copy_arrive_queued_under_a_new_epoch(house: House) {
    fill(&house).await;
    let file = written(&house, header(false)).await;
    assert_eq!(house.task(5).await.status, Status::Running, "the original goes on");
    for target in [House::sqlite(&Options::default()), House::postgres()] {
        read_in(&target, &file).await.expect("filled");
        let task = target.task(5).await;
        assert_eq!((task.status, task.workflow.crashes, task.ready_at), (Status::Queued, 0, later(8)));
        assert_eq!(target.task(6).await.status, Status::Cancelled);
        let claimed = target.claim("new", later(9), 9).await;
        assert!(claimed.len() == 2 && claimed.iter().all(|task| epoch(task) == later(8).0 + 1));
        assert_eq!(target.story(5).await, ["accepted", "claimed", "settled", "claimed"]);
    }
}

async fn only_an_empty_database_is_filled(house: House) {
    house.submit(new_task(1)).await;
    let file = written(&house, header(true)).await;
    let refused = read_in(&house, &file).await;
    assert!(matches!(refused, Err(StoreError::NotEmpty)), "{refused:?}");
}

async fn a_file_of_another_schema_leaves_nothing(house: House) {
    let source = House::sqlite(&Options::default());
    fill(&source).await;
    let file = written(&source, Header { schema: 1, ..header(true) }).await;
    let refused = read_in(&house, &file).await;
    let Err(StoreError::Transfer(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("schema 1") && why.contains("one version for both"), "{why}");
    assert_eq!(house.store.read(read::counts).await.expect("readable"), read::Counts::default());
}

#[tokio::test]
async fn a_file_that_was_cut_off_or_changed_anywhere_is_refused() {
    let house = House::sqlite(&Options::default());
    fill(&house).await;
    let file = written(&house, header(true)).await;
    checked(&file).expect("whole");
    for length in 0..file.len() {
        assert!(checked(&file[..length]).is_err(), "cut off after {length} of {}", file.len());
    }
    for place in 0..file.len() {
        let mut changed = file.clone();
        changed[place] ^= 1;
        assert!(checked(&changed).is_err(), "changed at {place}");
    }
    let longer = [&file[..], b"[]\n"].concat();
    assert!(matches!(checked(&longer), Err(StoreError::Transfer(why)) if why.contains("after its end")));
}
