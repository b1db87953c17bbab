//! What holds tasks back.

use crate::fixture::{NOW, at, go, pass, settle, unavailable};
use chimera_core::gates::{
    Board, Breaker, BreakerPolicy, Candidate, Daemon, DaemonState, Deployer, Facts, Failure, Health,
    MissingTool, Obstacle, Pause, Running, Staged,
};
use chimera_core::{
    EntryKind, Event, Gates, Lane, Next, Outcome, Phase, Policy, Reason, Role, Scope, Setback, State, Status,
    TaskId, UnixMillis, Usage, step,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const POLICY: BreakerPolicy = BreakerPolicy { failures: 3, cool_down: Duration::from_secs(60) };

fn later(seconds: u64) -> UnixMillis {
    NOW.plus(Duration::from_secs(seconds))
}

fn id(number: u64) -> TaskId {
    TaskId::from_bits(number)
}

fn candidate(gates: &Gates, number: u64, project: &str, phase: Phase, url: Option<&str>) -> Candidate {
    Candidate { task: id(number), lane: Lane::new(project, phase), place: gates.place(project, url) }
}

fn running(owner: &str, project: &str, phase: Phase, tasks: u32) -> Running {
    Running { owner: owner.to_owned(), lane: Lane::new(project, phase), tasks }
}

/// A coder of one's own, two reviewers, and a project that an agent deploys.
fn gates() -> Gates {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    Gates {
        cast: BTreeMap::from([
            (Role::Coder, names(&["clever"])),
            (Role::Guardian, names(&["builtin", "strict"])),
        ]),
        deployers: BTreeMap::from([("shop".into(), Deployer { agent: "ship".into(), shared: true })]),
        breaker: Some(POLICY),
        ..Gates::default()
    }
}

fn facts() -> Facts {
    Facts { now: NOW, ..Facts::default() }
}

#[test]
fn a_phase_decides_which_agents_are_needed() {
    let gates = gates();
    let agents = |project: &str, phase| gates.agents(&Lane::new(project, phase));
    assert_eq!(agents("shop", Phase::E2eTestGeneration), ["builtin"]);
    assert_eq!(agents("shop", Phase::CodeImplementation), ["clever"]);
    assert_eq!(agents("shop", Phase::GuardianReview), ["builtin", "strict"]);
    assert_eq!(agents("shop", Phase::StagingDeployment), ["ship"]);
    assert_eq!(agents("other", Phase::StagingDeployment), ["builtin"]);
    assert!(agents("shop", Phase::E2eValidation).is_empty(), "the judge is nobody's agent");
}

#[test]
fn a_pause_holds_back_exactly_what_it_is_about() {
    let gates = gates();
    let held = |scope: &str| {
        let scope = Scope::parse(scope).expect("a scope");
        let pause = Pause { scope, since: NOW, until: None, reason: None };
        let board = Board::over_all(&gates, Facts { pauses: vec![pause], ..facts() });
        let lanes = ["shop", "other"].into_iter().flat_map(|project| {
            Phase::WORKING.into_iter().enumerate().map(move |(n, phase)| (n, Lane::new(project, phase)))
        });
        let held = lanes.filter(|(_, lane)| board.closed(lane).is_some());
        held.map(|(n, lane)| format!("{}{}", &lane.project[..1], n + 1)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(held("queue"), "s1 s2 s3 s4 s5 o1 o2 o3 o4 o5");
    assert_eq!(held("project:shop"), "s1 s2 s3 s4 s5");
    assert_eq!(held("role:e2e-tester-agent"), "s1 s5 o1 o5");
    assert_eq!(held("agent:strict"), "s3 o3");
    assert_eq!(held("agent:ship"), "s4");
}

#[test]
fn scopes_read_as_they_are_printed() {
    for text in ["queue", "project:shop", "project:a:b", "role:coder-agent", "agent:x"] {
        assert_eq!(Scope::parse(text).expect("a scope").to_string(), text);
    }
    for text in ["", "queue:x", "project:", "role:cook", "agent", "elsewhere:x"] {
        assert!(Scope::parse(text).is_err(), "{text}");
    }
}

#[test]
fn limits_of_projects_and_agents_count_every_daemon_and_those_of_roles_only_ones_own() {
    let limited = Gates {
        roles: [(Role::Coder, 2)].into(),
        projects: [("shop".into(), 3)].into(),
        agents: [("strict".into(), 1)].into(),
        ..gates()
    };
    let busy = vec![
        running("one", "shop", Phase::CodeImplementation, 1),
        running("two", "shop", Phase::CodeImplementation, 1),
        running("two", "other", Phase::CodeImplementation, 1),
    ];
    let board = |owner, running| Board::of(owner, &limited, Facts { running, ..facts() });
    let coding = Lane::new("shop", Phase::CodeImplementation);
    assert_eq!(board("one", busy.clone()).closed(&coding), None, "one of two");
    let full = Obstacle::Limit { scope: Scope::Role(Role::Coder), limit: 2 };
    assert_eq!(board("two", busy.clone()).closed(&coding), Some(full), "two of two");
    let mut third = busy.clone();
    third.push(running("three", "shop", Phase::GuardianReview, 1));
    let shop = Obstacle::Limit { scope: Scope::Project("shop".into()), limit: 3 };
    assert_eq!(board("one", third.clone()).closed(&coding), Some(shop));
    let strict = Obstacle::Limit { scope: Scope::Agent("strict".into()), limit: 1 };
    assert_eq!(board("one", third).closed(&Lane::new("other", Phase::GuardianReview)), Some(strict));
}

#[test]
fn from_outside_a_role_is_full_only_if_every_daemon_is() {
    let gates = gates();
    let daemon = |owner: &str, limit: Option<u32>| Daemon {
        owner: owner.to_owned(),
        seen_at: NOW,
        state: DaemonState {
            workers: 5,
            roles: limit.map(|limit| (Role::Coder, limit)).into_iter().collect(),
            ..DaemonState::default()
        },
    };
    let closed = |daemons: Vec<Daemon>| {
        let running = vec![running("one", "shop", Phase::CodeImplementation, 1)];
        let board = Board::over_all(&gates, Facts { running, daemons, ..facts() });
        board.closed(&Lane::new("shop", Phase::CodeImplementation)).is_some()
    };
    assert!(closed(vec![daemon("one", Some(1))]));
    assert!(!closed(vec![daemon("one", Some(1)), daemon("two", Some(1))]), "the other one could");
    assert!(!closed(vec![daemon("one", None)]));
    assert!(!closed(Vec::new()), "no daemon is another matter");
}

#[test]
fn a_missing_tool_holds_back_those_who_need_it_here_and_from_outside_if_nobody_has_it() {
    let missing = |phase, project: Option<&str>| MissingTool {
        detail: "Chromium is missing".to_owned(),
        phases: vec![phase],
        project: project.map(str::to_owned),
    };
    let lacking = vec![missing(Phase::E2eValidation, Some("shop"))];
    let gates = Gates { missing_tools: lacking.clone(), ..Gates::default() };
    let board = Board::of("one", &gates, facts());
    let (needs, other) = (Lane::new("shop", Phase::E2eValidation), Lane::new("forum", Phase::E2eValidation));
    let told = Some(Obstacle::Tools { detail: "Chromium is missing".to_owned() });
    assert_eq!((board.closed(&needs), board.closed(&other)), (told.clone(), None));
    assert!(gates.are_limits() && !board.is_wide_open(1));
    assert!(!board.is_closed_for_all(Phase::E2eValidation), "only one project needs it");
    assert!(gates.queue_between("shop", Phase::StagingDeployment, Phase::E2eValidation));
    assert!(!gates.queue_between("forum", Phase::StagingDeployment, Phase::E2eValidation));
    let plain = Gates::default();
    let seen = |states: &[&[MissingTool]]| {
        let daemon = |missing: &&[MissingTool]| Daemon {
            owner: "x".to_owned(),
            seen_at: NOW,
            state: DaemonState { missing_tools: missing.to_vec(), ..DaemonState::default() },
        };
        let daemons = states.iter().map(daemon).collect();
        Board::over_all(&plain, Facts { daemons, ..facts() }).closed(&needs)
    };
    assert_eq!(seen(&[&lacking, &lacking]), told);
    assert_eq!(seen(&[&lacking, &[]]), None, "the other one has it");
    assert_eq!(seen(&[]), None, "no daemon is another matter");
    let everywhere = Gates { missing_tools: vec![missing(Phase::E2eValidation, None)], ..Gates::default() };
    assert!(Board::of("one", &everywhere, facts()).is_closed_for_all(Phase::E2eValidation));
}

#[test]
fn a_shared_place_of_staging_belongs_to_one_task_until_it_is_validated() {
    let gates = gates();
    let staged = Staged { place: "project shop".into(), task: id(1) };
    let board = Board::of("one", &gates, Facts { stagings: vec![staged], ..facts() });
    let stands = |number, project: &str, phase, url| {
        board.obstacle(&candidate(&gates, number, project, phase, url)).is_some()
    };
    assert!(stands(2, "shop", Phase::StagingDeployment, None));
    assert!(stands(2, "shop", Phase::E2eValidation, None), "what is there is another task's change");
    assert!(!stands(1, "shop", Phase::E2eValidation, None), "its own");
    assert!(!stands(2, "shop", Phase::GuardianReview, None));
    assert!(!stands(2, "shop", Phase::StagingDeployment, Some("https://two.example")), "elsewhere");
    assert!(!stands(2, "other", Phase::StagingDeployment, None), "at a port of its own");
    let own = Gates {
        deployers: [("shop".into(), Deployer { agent: "ship".into(), shared: false })].into(),
        ..Gates::default()
    };
    assert_eq!(own.place("shop", None), None);
    assert_eq!(own.place("shop", Some("https://a.example/")), own.place("shop", Some("https://a.example")));
}

fn fail(before: Option<&Breaker>, at: UnixMillis, task: u64, wait: Option<u64>) -> Breaker {
    let retry_after = wait.map(Duration::from_secs);
    let failure = Failure { at, error: "no answer", retry_after, attempt: (&id(task), 1) };
    Breaker::after(before, Scope::Agent("clever".into()), &failure, POLICY)
}

#[test]
fn a_breaker_opens_after_so_many_failures_and_lets_one_try_after_a_while() {
    let gates = gates();
    let (first, coding) = (fail(None, NOW, 1, None), Lane::new("shop", Phase::CodeImplementation));
    let second = fail(Some(&first), later(1), 2, None);
    assert_eq!((second.failures, second.open), (2, None));
    let third = fail(Some(&second), later(2), 3, None);
    let board = |now, breaker: &Breaker| {
        Board::of("one", &gates, Facts { now, breakers: vec![breaker.clone()], ..Facts::default() })
    };
    assert!(board(later(3), &third).closed(&coding).is_some());
    assert_eq!(board(later(3), &third).closed(&Lane::new("shop", Phase::GuardianReview)), None);
    assert!(board(later(61), &third).closed(&coding).is_some());
    let mut half = board(later(62), &third);
    assert_eq!(half.closed(&coding), None);
    assert!(!half.lets_pass(&coding), "the claim decides who tries");
    let tried = half.admit(&candidate(&gates, 4, "shop", Phase::CodeImplementation, None), 7);
    assert_eq!(tried, [Scope::Agent("clever".into())]);
    assert!(half.closed(&coding).is_some(), "exactly one tries");
}

#[test]
fn a_failed_try_opens_the_breaker_again_and_what_began_before_says_nothing() {
    let open = (1..=3).fold(None, |before, n| Some(fail(before.as_ref(), later(n), n, None))).expect("open");
    let until = open.open.expect("open").until;
    let trying = Breaker { probe: Some((id(9), 1)), ..open.clone() };
    let late = fail(Some(&trying), later(70), 5, None);
    assert_eq!((late.open, late.probe.is_some()), (open.open, true));
    let again = fail(Some(&trying), later(80), 9, None);
    assert_eq!((again.open.expect("open").until, again.probe), (later(140), None));
    assert!(until < later(140));
}

#[test]
fn an_agent_that_names_a_time_is_left_alone_until_then_and_old_failures_are_forgotten() {
    let asked = (1..=3).fold(None, |before, n| Some(fail(before.as_ref(), later(n), n, Some(600))));
    assert_eq!(asked.expect("open").open.expect("open").until, later(603));
    let (first, day) = (fail(None, NOW, 1, None), 24 * 3600);
    assert_eq!(fail(Some(&first), later(day - 1), 2, None).failures, 2);
    assert_eq!(fail(Some(&first), later(day), 2, None).failures, 1);
}

#[test]
fn an_outcome_tells_whether_whoever_made_it_works() {
    let no = |reason| Setback::new(reason, "no");
    let cases = [
        (Outcome::Unknown(no(Reason::AgentError)), Health::Failing),
        (Outcome::Transient { setback: no(Reason::Config), retry_after: None }, Health::Failing),
        (Outcome::Transient { setback: no(Reason::Resources), retry_after: None }, Health::Unclear),
        (Outcome::Failed(no(Reason::AgentError)), Health::Sound),
        (Outcome::Failed(no(Reason::TestDisputed)), Health::Sound),
        (Outcome::Rejected(no(Reason::NotGreen)), Health::Sound),
        (pass(&at(Phase::GuardianReview).workflow), Health::Sound),
        (Outcome::Failed(no(Reason::Config)), Health::Unclear),
        (unavailable(), Health::Unclear),
        (Outcome::Interrupted, Health::Unclear),
    ];
    for (outcome, health) in cases {
        assert_eq!(outcome.health(), health, "{outcome:?}");
    }
}

#[test]
fn a_task_goes_through_the_queue_only_before_a_limit_that_is_new_to_it() {
    let limited =
        Gates { roles: [(Role::E2eTester, 1)].into(), agents: [("clever".into(), 1)].into(), ..gates() };
    let queues: Vec<bool> =
        Phase::WORKING.windows(2).map(|pair| limited.queue_between("shop", pair[0], pair[1])).collect();
    assert_eq!(queues, [true, false, true, true], "the coder; the shared staging; the browser");
    let queues =
        Phase::WORKING.windows(2).any(|pair| Gates::default().queue_between("shop", pair[0], pair[1]));
    assert!(!queues, "without gates never");
}

#[test]
fn a_task_that_is_handed_back_waits_before_the_next_phase_and_loses_nothing() {
    let running = at(Phase::CodeImplementation);
    let decided = go(&running, settle(pass(&running.workflow)));
    let back = decided.clone().handed_back();
    assert_eq!((back.state.status, back.next), (Status::Queued, Next::Wait(NOW)));
    assert_eq!(back.state.workflow.phase, Phase::GuardianReview);
    assert_eq!(back.state.workflow.attempt, running.workflow.attempt);
    assert!(matches!(back.entry.kind, EntryKind::Settled { handed_back: true, .. }));
    let claimed = go(&back.state, crate::fixture::claim());
    assert_eq!(claimed.state.workflow, decided.state.workflow, "as if it had never waited");
    let ends = go(&running, settle(Outcome::Failed(crate::fixture::setback())));
    assert_eq!(ends.clone().handed_back(), ends, "after an end there is nothing to wait for");
    let taken = go(&State { status: Status::Queued, ..running }, crate::fixture::claim());
    assert_eq!(taken.clone().handed_back(), taken);
}

fn lane() -> impl Strategy<Value = (usize, usize, u32)> {
    (0..3_usize, 0..5_usize, 0..3_u32)
}

proptest! {
    /// Whatever comes: no limit is ever exceeded, and whoever is refused would have exceeded one.
    #[test]
    fn letting_tasks_through_one_by_one_never_exceeds_a_limit(
        role in 1..4_u32, project in 1..4_u32, agent in 1..3_u32,
        comers in proptest::collection::vec(lane(), 1..60),
    ) {
        let projects = ["shop", "other", "third"];
        let gates = Gates {
            roles: Role::ALL.map(|any| (any, role)).into(),
            projects: projects.map(|name| (name.to_owned(), project)).into(),
            agents: [("clever".to_owned(), agent), ("strict".to_owned(), agent)].into(),
            ..gates()
        };
        let mut board = Board::of("one", &gates, facts());
        for (number, (project_at, phase, url)) in (0..).zip(comers) {
            let url = (url > 0).then(|| format!("https://{url}.example"));
            let comer = candidate(&gates, number, projects[project_at], Phase::WORKING[phase], url.as_deref());
            let obstacle = board.obstacle(&comer);
            let mut after = board.clone();
            after.admit(&comer, 1);
            prop_assert_eq!(obstacle.is_none(), within(&gates, after.facts()), "{:?}", obstacle);
            if board.is_wide_open(1) {
                prop_assert_eq!(&obstacle, &None);
            }
            if board.is_closed_for_all(comer.lane.phase) {
                prop_assert!(board.closed(&comer.lane).is_some());
            }
            if obstacle.is_none() {
                board = after;
            }
        }
    }
}

/// The limits, said in another way than the board does.
fn within(gates: &Gates, facts: &Facts) -> bool {
    let sum = |which: &dyn Fn(&Lane) -> bool| {
        facts.running.iter().filter(|one| which(&one.lane)).map(|one| one.tasks).sum::<u32>()
    };
    let mut places: Vec<&str> = facts.stagings.iter().map(|staged| staged.place.as_str()).collect();
    let taken = places.len();
    places.sort_unstable();
    places.dedup();
    gates.roles.iter().all(|(role, most)| sum(&|lane| lane.phase.role() == Some(*role)) <= *most)
        && gates.projects.iter().all(|(name, most)| sum(&|lane| lane.project == *name) <= *most)
        && gates
            .agents
            .iter()
            .all(|(name, most)| sum(&|lane| gates.agents(lane).contains(&name.as_str())) <= *most)
        && places.len() == taken
}

#[test]
fn a_usage_is_kept_when_a_task_is_handed_back() {
    let running = at(Phase::CodeImplementation);
    let usage = Usage { input_tokens: 7, ..Usage::default() };
    let event = Event::Settled { outcome: pass(&running.workflow), usage };
    let after = step(&running, event, crate::fixture::TICK, &Policy::default()).expect("legal").handed_back();
    assert_eq!(after.state.workflow.usage.input_tokens, 7);
}
