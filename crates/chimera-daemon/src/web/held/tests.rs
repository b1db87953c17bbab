//! Every gate has its word.

use super::{WaitingFor, WaitingKind, held_by};
use crate::web::waiting::{Around, waiting_for};
use chimera_core::gates::{
    Board, Breaker, Daemon, DaemonState, Deployer, Facts, Gates, Open, Pause, Running, Staged,
};
use chimera_core::{Lane, Phase, Rank, Request, Role, Scope, Status, Task, TaskId, UnixMillis, Workflow};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn task(phase: Phase) -> Task {
    Task {
        id: TaskId::from_bits(1),
        request: Request::new("Visitors read this", "https://example.com"),
        project: "shop".to_owned(),
        status: Status::Queued,
        workflow: Workflow { phase, ..Workflow::new() },
        rank: Rank(0),
        ready_at: NOW,
        created_at: NOW,
        started_at: None,
        completed_at: None,
        ends_at: None,
        discarded_at: None,
        cancel_requested: false,
        lease: None,
        seq: 1,
    }
}

/// A coder of one's own, and a project that it is deployed by an agent to one place.
fn gates() -> Gates {
    Gates {
        cast: [(Role::Coder, vec!["my-coder".to_owned()])].into(),
        deployers: [("shop".to_owned(), Deployer { agent: "my-deployer".to_owned(), shared: true })].into(),
        ..Gates::default()
    }
}

/// One daemon that lives and has room.
fn facts() -> Facts {
    let daemon = Daemon { owner: "one".to_owned(), seen_at: NOW, state: DaemonState::default() };
    Facts { now: NOW, daemons: vec![daemon], ..Facts::default() }
}

fn running(phase: Phase) -> Running {
    Running { owner: "one".to_owned(), lane: Lane::new("shop", phase), tasks: 1 }
}

fn told(phase: Phase, gates: &Gates, facts: Facts) -> Option<WaitingFor> {
    held_by(&task(phase), gates, &Board::over_all(gates, facts))
}

/// Asserts that a task before the coder waits for this, and that people are told these words.
fn waits(gates: &Gates, facts: Facts, kind: WaitingKind, words: &str) {
    let waiting = told(Phase::CodeImplementation, gates, facts).expect("something holds it back");
    assert_eq!(waiting.kind, kind, "{}", waiting.detail);
    assert!(waiting.detail.contains(words), "{words} in {}", waiting.detail);
}

#[test]
fn nothing_holds_a_task_back_that_only_waits_for_its_turn() {
    assert_eq!(told(Phase::CodeImplementation, &gates(), facts()), None);
}

#[test]
fn a_pause_of_anything_that_the_task_needs_is_named() {
    for (scope, words) in [
        (Scope::Queue, "the queue has been paused since 2023-11-14T22:13:20.000Z: holidays"),
        (Scope::Project("shop".to_owned()), "the project shop"),
        (Scope::Role(Role::Coder), "the role coder-agent"),
        (Scope::Agent("my-coder".to_owned()), "the agent my-coder"),
    ] {
        let pause = Pause { scope, since: NOW, until: None, reason: Some("holidays".to_owned()) };
        waits(&gates(), Facts { pauses: vec![pause], ..facts() }, WaitingKind::Paused, words);
    }
    let pause = Pause { scope: Scope::Agent("other".to_owned()), since: NOW, until: None, reason: None };
    let others = Facts { pauses: vec![pause], ..facts() };
    assert_eq!(told(Phase::CodeImplementation, &gates(), others), None, "that one is not needed");
}

#[test]
fn every_limit_is_named() {
    let full = || Facts { running: vec![running(Phase::CodeImplementation)], ..facts() };
    let project = Gates { projects: [("shop".to_owned(), 1)].into(), ..gates() };
    waits(&project, full(), WaitingKind::Limit, "the project shop is at its limit of 1 running task");
    let agent = Gates { agents: [("my-coder".to_owned(), 1)].into(), ..gates() };
    waits(&agent, full(), WaitingKind::Limit, "the agent my-coder");
    let role = Gates { roles: [(Role::Coder, 1)].into(), ..gates() };
    let mut limited = full();
    limited.daemons[0].state.roles = role.roles.clone();
    waits(&role, limited, WaitingKind::Limit, "the role coder-agent");
}

#[test]
fn an_open_breaker_is_named_with_its_time_or_with_the_task_that_tries() {
    let gates = Gates {
        breaker: Some(chimera_core::gates::BreakerPolicy {
            failures: 1,
            cool_down: std::time::Duration::from_secs(60),
        }),
        ..gates()
    };
    let later = UnixMillis(NOW.0 + 60_000);
    let breaker = Breaker {
        scope: Scope::Agent("my-coder".to_owned()),
        failures: 5,
        failed_at: NOW,
        error: "no such model".to_owned(),
        open: Some(Open { since: NOW, until: later }),
        probe: None,
    };
    let open = Facts { breakers: vec![breaker.clone()], ..facts() };
    waits(
        &gates,
        open.clone(),
        WaitingKind::Breaker,
        "one task may try again at 2023-11-14T22:14:20.000Z; last: no such model",
    );
    let until = told(Phase::CodeImplementation, &gates, open).and_then(|waiting| waiting.until);
    assert_eq!(until.as_deref(), Some("2023-11-14T22:14:20.000Z"));
    let probe = Some((TaskId::from_bits(7), 1));
    let trying = Facts { now: later, breakers: vec![Breaker { probe, ..breaker }], ..facts() };
    waits(&gates, trying, WaitingKind::Breaker, "tries whether it works again");
}

#[test]
fn whoever_is_at_a_shared_place_of_staging_is_named() {
    let other = TaskId::from_bits(9);
    let staged = Staged { place: "project shop".to_owned(), task: other.clone() };
    let taken = Facts { stagings: vec![staged], ..facts() };
    let waiting = told(Phase::StagingDeployment, &gates(), taken.clone()).expect("it is taken");
    assert_eq!(waiting.kind, WaitingKind::Staging);
    assert!(waiting.detail.contains(other.as_str()), "{}", waiting.detail);
    assert_eq!(told(Phase::CodeImplementation, &gates(), taken), None, "the coder needs no place");
}

#[test]
fn a_task_that_has_seen_two_crashes_waits_to_run_alone() {
    let mut task = task(Phase::CodeImplementation);
    (task.workflow.crashes, task.ready_at) = (2, chimera_store::suspects::PARKED);
    let told = |facts: Facts| {
        let gates = gates();
        let held = held_by(&task, &gates, &Board::over_all(&gates, facts));
        let around = Around { held, ahead: Some(3), ..Around::default() };
        waiting_for(&task, &around, NOW).expect("it is queued")
    };
    let waiting = told(facts());
    assert_eq!((waiting.kind, waiting.until), (WaitingKind::Alone, None));
    let words = "its daemon crashed 2 times in CODE_IMPLEMENTATION: it runs alone until it is known whether it was the cause";
    assert!(waiting.detail.starts_with(words), "{}", waiting.detail);
    for (made_for, words) in
        [(task.id.clone(), "still runs"), (TaskId::from_bits(9), "000009, which runs alone")]
    {
        let mut makes_room = facts();
        makes_room.daemons[0].state.alone_for = Some(made_for);
        let waiting = told(makes_room);
        assert!(waiting.detail.contains(words), "{words} in {}", waiting.detail);
    }
    let none = Facts { daemons: Vec::new(), ..facts() };
    assert_eq!(told(none).kind, WaitingKind::NoDaemon, "that comes first");
}

#[test]
fn no_daemon_and_daemons_that_are_short_of_something_are_told_apart() {
    waits(&gates(), Facts { daemons: Vec::new(), ..facts() }, WaitingKind::NoDaemon, "chimera-daemon start");
    let mut short = facts();
    short.daemons[0].state.throttled = Some("less than 1 GiB of memory is free".to_owned());
    waits(&gates(), short.clone(), WaitingKind::Throttled, "less than 1 GiB");
    short.daemons.push(Daemon { owner: "two".to_owned(), seen_at: NOW, state: DaemonState::default() });
    assert_eq!(told(Phase::CodeImplementation, &gates(), short), None, "the other one takes it");
}
