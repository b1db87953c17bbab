//! Deterministic simulation: the real dispatcher, workers and store functions through thousands of histories in which
//! daemons die at every question to the database (which the others know, if they are on one machine), freeze and wake up, lose answers and connections, and the
//! database is frozen, slow, read-only or out of reach for longer than a lease, while people submit tasks of every kind, cancel, retry, pause and change priorities. The journal is then searched as after a torture.
//!
//! `CHIMERA_SIM_SEED=7 cargo test -p chimera-daemon --test it sim::` plays one history again and prints it;
//! `CHIMERA_SIM_SEEDS=100000` plays so many.

use crate::stage::{Ended, Scenario};
use chimera_store::Plant;
use chimera_store::sim::Fate;
use std::sync::atomic::{AtomicU64, Ordering};

/// Histories in a usual run.
const SEEDS: u64 = 1_200;
/// Histories in which a planted bug must show itself.
const SEEDS_FOR_A_BUG: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Complains about a history in which something happened that must never happen.
fn judge(seed: u64, ended: &Ended) {
    assert!(
        ended.violations.is_empty(),
        "seed {seed}: {:#?}\nplay it again: CHIMERA_SIM_SEED={seed} cargo test -p chimera-daemon --test it sim::",
        ended.violations
    );
}

#[test]
fn in_thousands_of_histories_nothing_happens_that_must_never_happen() {
    if let Some(seed) = number("CHIMERA_SIM_SEED") {
        let ended = Scenario::of(seed).play();
        println!("{:#?}\n{}", Scenario::of(seed), ended.history.join("\n"));
        return judge(seed, &ended);
    }
    let seeds = number("CHIMERA_SIM_SEEDS").unwrap_or(SEEDS);
    let (next, completed, rescues) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let ended = Scenario::of(seed).play();
            judge(seed, &ended);
            completed.fetch_add(ended.completed as u64, Ordering::Relaxed);
            rescues.fetch_add(ended.rescues as u64, Ordering::Relaxed);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(play)));
    });
    let (completed, rescues) = (completed.into_inner(), rescues.into_inner());
    println!("{seeds} histories: {completed} tasks completed, {rescues} rescues");
    assert!(completed > seeds && rescues > seeds / 10, "too little happens: {completed}, {rescues}");
}

#[test]
fn a_daemon_may_die_at_every_question_it_asks_before_and_after_the_answer() {
    let play = |at: usize, fate: Fate, together: bool| {
        let calm = Scenario { ailment: None, limited: false, ..Scenario::of(0) };
        let scenario = Scenario { misfortunes: 0, daemons: 1, tasks: 1, together, ..calm };
        Scenario { doom: Some((at, fate)), ..scenario }.play()
    };
    let questions = play(usize::MAX, Fate::Done, false).asked;
    assert!(questions > 15, "a delivery asks more often: {questions}");
    for at in 1..=questions {
        for (fate, together) in
            [(Fate::Never, false), (Fate::Last, false), (Fate::Never, true), (Fate::Last, true)]
        {
            let ended = play(at, fate, together);
            let how = format!("died at question {at}, {fate:?}, known to be dead: {together}");
            assert_eq!(ended.violations, [] as [&str; 0], "{how}");
            assert_eq!(ended.completed, 1, "{how}: {:#?}", ended.history);
        }
    }
}

#[test]
fn a_seed_is_a_history() {
    for seed in 0..20 {
        assert_eq!(Scenario::of(seed).play(), Scenario::of(seed).play(), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_shows_itself() {
    // These need a log and a disk: a torture finds them.
    let elsewhere = [Plant::Restless, Plant::Unsynced];
    for plant in Plant::ALL.into_iter().filter(|plant| !elsewhere.contains(plant)) {
        let found = (0..SEEDS_FOR_A_BUG).any(|seed| {
            let planted = Scenario { plant: Some(plant), ..Scenario::of(seed) };
            !planted.play().violations.is_empty()
        });
        assert!(found, "{} shows itself in none of {SEEDS_FOR_A_BUG} histories", plant.as_str());
    }
}

#[test]
fn agents_that_do_not_ask_for_the_lease_are_seen_acting_too_late() {
    let late = (0..SEEDS_FOR_A_BUG).any(|seed| {
        let violations = Scenario { fenced: false, ..Scenario::of(seed) }.play().violations;
        violations.iter().any(|one| one.contains("acts on the outside"))
    });
    assert!(late, "no agent acted too late in {SEEDS_FOR_A_BUG} histories");
}
