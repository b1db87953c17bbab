//! The cheats: dishonest and broken agents, tests and applications, and honest ones beside them, through the real
//! daemon with real browsers. None of the dishonest may reach `completed`, every honest one must.
//!
//! Map: [`case`] is what a case is made of, `hall` has all of them delivered by one daemon, `table` prints what came
//! of it; `tests_that_lie`, `coders`, `reviewers`, `deployers` and `honest` are the cases. `CHIMERA_CASES` (names
//! such as `plain`, `plain-py` or `py`, separated by commas) runs some of them; a run of all of them writes the table into
//! `docs/cheats.md`. It takes some hundred deliveries with browsers, so `cargo test` does not run it by itself:
//! `cargo xtask cheats` does.

mod case;
mod coders;
mod deployers;
mod hall;
mod honest;
#[path = "../it/real.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod real;
mod reviewers;
mod table;
mod tests_that_lie;

use case::{Case, Expect, Runner};

/// What the issue of a proof asks for at least.
const DISHONEST: usize = 40;
const HONEST: usize = 20;

#[test]
fn no_cheat_is_completed_and_every_honest_case_is() {
    let wanted = std::env::var("CHIMERA_CASES").ok();
    let cases = all();
    for runner in Runner::ALL {
        let of = |honest| cases.iter().filter(|case| case.honest() == honest && case.runs_on(runner)).count();
        assert!(of(false) >= DISHONEST && of(true) >= HONEST, "too few cases for {runner:?}");
    }
    let results = hall::deliver(&cases, wanted.as_deref());
    table::print(&results);
    if wanted.is_none() {
        table::write_into_docs(&results);
    }
    let wrong: Vec<String> = results.iter().filter_map(hall::Verdict::complaint).collect();
    assert_eq!(wrong, [] as [String; 0]);
}

fn all() -> Vec<Case> {
    let mut cases = tests_that_lie::cases();
    cases.extend(coders::cases());
    cases.extend(reviewers::cases());
    cases.extend(deployers::cases());
    cases.extend(honest::cases());
    let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each case has a name of its own");
    assert!(cases.iter().all(|case| case.expect != Expect::Refused(&[])), "a refusal has its reasons");
    cases
}
