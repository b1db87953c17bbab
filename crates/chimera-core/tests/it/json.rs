//! The JSON forms, which are those of the API and the database.

use crate::fixture::{TICK, accepted, at, claim, digest, go, onward, pass, setback, settle, transient};
use chimera_core::{
    Entry, EntryKind, Event, Evidence, EvidenceKind, Finding, Lease, Outcome, Phase, Priority, Rank, Reason,
    Request, Setback, Severity, State, Status, Task, TaskId, Usage, Workflow,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Value {
    let text = serde_json::to_string(value).expect("it can be written");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("it can be read"), value);
    serde_json::from_str(&text).expect("it is JSON")
}

fn entry(kind: EntryKind) -> Value {
    let phase = Phase::CodeImplementation;
    round_trip(&Entry { at: TICK.now, phase, to: phase, attempt: 2, kind })
}

/// What each entry has in front of its own fields.
fn with(event: &str, fields: Value) -> Value {
    let mut all = json!({
        "at": 1_700_000_000_000_i64, "phase": "CODE_IMPLEMENTATION", "to": "CODE_IMPLEMENTATION", "attempt": 2,
        "event": event,
    });
    let Value::Object(fields) = fields else { panic!("an object") };
    all.as_object_mut().expect("an object").extend(fields);
    all
}

#[test]
fn entries_of_the_journal_look_like_this() {
    assert_eq!(entry(EntryKind::Accepted), with("accepted", json!({})));
    let claimed = EntryKind::Claimed { worker: "host-1".into(), epoch: 7 };
    assert_eq!(entry(claimed), with("claimed", json!({"worker": "host-1", "epoch": 7})));
    assert_eq!(entry(EntryKind::Rescued { reason: None }), with("rescued", json!({})));
    let poisoned = EntryKind::Rescued { reason: Some(Reason::Poisoned) };
    assert_eq!(entry(poisoned), with("rescued", json!({"reason": "poisoned"})));
    assert_eq!(entry(EntryKind::CancelRequested), with("cancel_requested", json!({})));
    assert_eq!(entry(EntryKind::Cancelled), with("cancelled", json!({})));
    assert_eq!(entry(EntryKind::Requeued), with("requeued", json!({})));
    let urgent = EntryKind::PriorityChanged { priority: Priority::new(9).expect("1 to 10") };
    assert_eq!(entry(urgent), with("priority_changed", json!({"priority": 9})));
}

#[test]
fn settled_entries_of_the_journal_look_like_this() {
    let settled = |result, reason, retry_at| {
        let usage = Usage::default();
        entry(EntryKind::Settled { result, reason, retry_at, usage, handed_back: false })
    };
    assert_eq!(
        settled(Outcome::Interrupted, None, None),
        with("settled", json!({"result": {"outcome": "interrupted"}}))
    );
    let unavailable = Outcome::Unavailable {
        agent: "my-coder".into(),
        setback: setback(),
        retry_after: Some(Duration::from_millis(1500)),
    };
    let told = json!({
        "outcome": "unavailable", "agent": "my-coder", "reason": "not_green", "summary": "it did not work",
        "retry_after_ms": 1500
    });
    assert_eq!(settled(unavailable, None, None), with("settled", json!({ "result": told })));
    let slow = Outcome::Transient { setback: setback(), retry_after: Some(Duration::from_millis(1500)) };
    assert_eq!(
        settled(slow, None, Some(TICK.now)),
        with(
            "settled",
            json!({
                "result": {
                    "outcome": "transient", "reason": "not_green", "summary": "it did not work", "retry_after_ms": 1500
                },
                "retry_at": 1_700_000_000_000_i64,
            })
        )
    );
    let finding =
        Finding { file: Some("a.js".into()), line: Some(3), severity: Severity::Error, message: "no".into() };
    let no = Setback { findings: vec![finding], fingerprint: Some(digest(1)), ..setback() };
    assert_eq!(
        settled(Outcome::Rejected(no), Some(Reason::NotGreen), None),
        with(
            "settled",
            json!({
                "result": {
                    "outcome": "rejected", "reason": "not_green", "summary": "it did not work",
                    "findings": [{"file": "a.js", "line": 3, "severity": "error", "message": "no"}],
                    "fingerprint": "0000000000000000000000000000000000000000000000000000000000000001",
                },
                "reason": "not_green",
            })
        )
    );
    let passed = pass(&at(Phase::StagingDeployment).workflow);
    let commit = at(Phase::StagingDeployment).workflow.artifacts.head_commit;
    assert_eq!(
        settled(passed, None, None),
        with(
            "settled",
            json!({
                "result": {
                    "outcome": "passed",
                    "output": {"phase": "STAGING_DEPLOYMENT", "url": "http://127.0.0.1:4000", "revision": commit},
                },
            })
        )
    );
}

#[test]
fn the_name_of_an_entry_is_the_event_of_its_json() {
    let kinds = [
        EntryKind::Accepted,
        EntryKind::Claimed { worker: String::new(), epoch: 0 },
        EntryKind::Settled {
            result: Outcome::Interrupted,
            reason: None,
            retry_at: None,
            usage: Usage::default(),
            handed_back: false,
        },
        EntryKind::Rescued { reason: None },
        EntryKind::CancelRequested,
        EntryKind::Cancelled,
        EntryKind::Overdue,
        EntryKind::Expired,
        EntryKind::Released,
        EntryKind::Discarded,
        EntryKind::Requeued,
        EntryKind::PriorityChanged { priority: Priority::default() },
    ];
    for kind in kinds {
        let name = kind.as_str();
        assert_eq!(entry(kind)["event"], name);
    }
}

#[test]
fn every_state_and_entry_of_a_delivery_can_be_read_back() {
    let mut state = accepted();
    let tell = |state: &State, event| {
        let after = go(state, event);
        round_trip(&after.entry);
        round_trip(&after.state.workflow);
        after.state
    };
    state = tell(&state, claim());
    for outcome in [transient(), Outcome::Unknown(setback()), Outcome::Interrupted] {
        state = tell(&state, settle(outcome));
        state = tell(&state, claim());
    }
    state = onward(state, Phase::GuardianReview);
    state = tell(&state, settle(Outcome::Rejected(setback())));
    while state.workflow.phase != Phase::Complete {
        let outcome = pass(&state.workflow);
        state = tell(&state, settle(outcome));
    }
    let failed = tell(&at(Phase::E2eTestGeneration), settle(Outcome::Failed(setback())));
    tell(&failed, Event::Requeued { from: Phase::E2eTestGeneration });
}

#[test]
fn a_workflow_of_an_older_version_without_the_optional_fields_can_be_read() {
    let old = json!({
        "phase": "GUARDIAN_REVIEW", "attempt": 3, "iteration": 0, "failures": 0, "crashes": 0,
        "review_rounds": 0, "validation_rounds": 0, "artifacts": {},
    });
    let workflow: Workflow = serde_json::from_value(old).expect("defaults for the rest");
    assert_eq!((workflow.phase, workflow.usage), (Phase::GuardianReview, Usage::default()));
}

#[test]
fn what_agents_claim_to_have_used_can_always_be_written_down_and_read_back() {
    let claim = Usage { input_tokens: u64::MAX, output_tokens: 1, cost_usd: f64::MAX };
    let mut workflow = Workflow::new();
    workflow.usage = claim.plus(claim);
    round_trip(&workflow);
}

#[test]
fn a_request_leaves_out_what_was_not_asked_for() {
    let plain = json!({"feature": "User can view homepage", "target_url": "https://example.com"});
    let request: Request = serde_json::from_value(plain).expect("two fields are enough");
    let expected =
        json!({"feature": "User can view homepage", "target_url": "https://example.com", "priority": 5});
    assert_eq!(round_trip(&request), expected);
}

#[test]
fn a_task_and_its_evidence_can_be_read_back() {
    let request = serde_json::from_value(json!({
        "feature": "f", "target_url": "http://127.0.0.1:1", "staging_url": "http://127.0.0.1:2", "priority": 9,
        "acceptance": ["see heading \"x\""], "project": "p", "not_before": 5, "expires_at": 6,
        "deadline": 7, "after": ["chimera-0123456789ab"], "labels": {"team": "a"},
    }));
    let task = Task {
        id: TaskId::from_bits(1),
        request: request.expect("a request"),
        project: "p".into(),
        status: Status::Running,
        workflow: at(Phase::E2eValidation).workflow,
        rank: Rank::new(TICK.now, Priority::default()),
        ready_at: TICK.now,
        created_at: TICK.now,
        started_at: Some(TICK.now),
        completed_at: None,
        cancel_requested: true,
        ends_at: Some(TICK.now),
        discarded_at: None,
        lease: Some(Lease { owner: "host-1".into(), epoch: 3 }),
        seq: 9,
    };
    assert_eq!(round_trip(&task)["workflow"]["phase"], "E2E_VALIDATION");
    let evidence = Evidence {
        sha256: digest(1),
        kind: EvidenceKind::Screenshot,
        name: "red.png".into(),
        size: 1,
        phase: Phase::E2eTestGeneration,
        attempt: 1,
    };
    assert_eq!(round_trip(&evidence)["kind"], evidence.kind.as_str());
}
