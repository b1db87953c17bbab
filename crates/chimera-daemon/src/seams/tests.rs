//! The clock, and how it follows that of a server.

use super::*;

/// A clock on a time that the test sets.
fn clock() -> (Clock, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_000));
    let read = time.clone();
    (Clock::new(move || UnixMillis(read.load(Ordering::Relaxed))), time)
}

#[test]
fn an_answer_that_took_long_does_not_put_a_clock_back() {
    let (clock, local) = clock();
    clock.set(UnixMillis(5_000));
    let asked = clock.uncorrected();
    local.fetch_add(700, Ordering::Relaxed);
    // The server showed this when it was asked, and the answer was on its way for 700 ms; or the other way round.
    for shown in [5_000, 5_700] {
        clock.correct(UnixMillis(shown), asked);
        assert_eq!(clock.now(), UnixMillis(5_700), "shown {shown}");
    }
}

#[test]
fn a_clock_that_is_proven_wrong_is_corrected_and_never_put_ahead() {
    let (clock, local) = clock();
    for (set, shown) in [(5_000, 9_000), (5_000, 3_000)] {
        clock.set(UnixMillis(set));
        let asked = clock.uncorrected();
        local.fetch_add(100, Ordering::Relaxed);
        clock.correct(UnixMillis(shown), asked);
        assert_eq!(clock.now(), UnixMillis(shown), "set to {set}, shown {shown}");
    }
}

#[test]
fn a_step_of_the_local_clock_changes_nothing_once_another_one_was_followed() {
    let (wall, passed) = (Arc::new(AtomicI64::new(1_000)), Arc::new(AtomicI64::new(70)));
    let (read, steady) = (wall.clone(), passed.clone());
    let load = |time: Arc<AtomicI64>| move || UnixMillis(time.load(Ordering::Relaxed));
    let clock = Clock::of(load(read), load(steady));
    let clone = clock.clone();
    wall.store(2_000, Ordering::Relaxed);
    assert_eq!(clock.now(), UnixMillis(2_000), "nobody else's clock is followed yet");
    clock.set(UnixMillis(9_000));
    for step in [-1_000_000, 5, 1_000_000_000] {
        wall.fetch_add(step, Ordering::Relaxed);
        assert_eq!((clock.now(), clone.now()), (UnixMillis(9_000), UnixMillis(9_000)));
    }
    passed.fetch_add(30, Ordering::Relaxed);
    assert_eq!(clone.now(), UnixMillis(9_030));
    let asked = clock.uncorrected();
    passed.fetch_add(10, Ordering::Relaxed);
    clock.correct(UnixMillis(8_000), asked);
    assert_eq!(clone.now(), UnixMillis(8_000), "the server's clock was put back");
}

#[test]
fn ids_of_the_same_dice_ascend_also_within_a_millisecond_and_when_the_time_goes_back() {
    let dice = Dice::seeded(7);
    let times = [5, 5, 5, 6, 6, 3, 3, 7].map(UnixMillis);
    let ids: Vec<TaskId> = times.into_iter().map(|now| dice.task_id(now)).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let other = Dice::seeded(8).task_id(UnixMillis(5));
    assert_ne!(other, ids[0], "two daemons share a millisecond, but not an id");
}
