//! What ends a task by the clock.

use crate::fixture::{NOW, TICK, accepted, go, settle, standing};
use chimera_core::{
    EntryKind, Event, Next, Outcome, Phase, Policy, Priority, Rank, Reason, Request, Status, Task, TaskId,
    TimeUp, UnixMillis, step,
};

#[test]
fn a_deadline_fails_a_waiting_task_where_it_stands() {
    for phase in Phase::WORKING {
        let after = go(&standing(Status::Queued, phase), Event::Overdue);
        let workflow = &after.state.workflow;
        assert_eq!((after.state.status, after.next), (Status::Failed, Next::End));
        assert_eq!((workflow.reason, workflow.failed_in), (Some(Reason::Deadline), Some(phase)));
        assert_eq!(after.entry.kind, EntryKind::Overdue);
        let again = go(&after.state, Event::Requeued { from: phase }).state;
        assert_eq!((again.status, again.workflow.reason, again.workflow.error), (Status::Queued, None, None));
    }
}

#[test]
fn only_a_task_that_has_not_begun_expires() {
    let after = go(&accepted(), Event::Expired);
    assert_eq!((after.state.status, after.next), (Status::Cancelled, Next::End));
    assert_eq!(after.state.workflow.reason, Some(Reason::Deadline));
    assert!(after.state.workflow.error.expect("it says why").contains("not begun"));
    let begun = go(&standing(Status::Running, Phase::E2eTestGeneration), settle(Outcome::Interrupted)).state;
    assert!(step(&begun, Event::Expired, TICK, &Policy::default()).is_err());
}

#[test]
fn an_expiry_counts_until_the_task_begins_and_a_deadline_until_it_ends() {
    let [expiry, deadline] = [UnixMillis(10), UnixMillis(20)];
    let both = (Some(expiry), Some(deadline));
    let limit = |(expires_at, deadline), begun: bool, ends_at: Option<UnixMillis>| {
        let mut request = Request::new("f", "http://127.0.0.1:1");
        (request.expires_at, request.deadline) = (expires_at, deadline);
        let task = Task {
            id: TaskId::from_bits(1),
            request,
            project: "p".into(),
            status: Status::Queued,
            workflow: accepted().workflow,
            rank: Rank::new(NOW, Priority::default()),
            ready_at: NOW,
            created_at: NOW,
            started_at: begun.then_some(NOW),
            completed_at: None,
            cancel_requested: false,
            ends_at,
            discarded_at: None,
            lease: None,
            seq: 1,
        };
        task.time_up()
    };
    assert_eq!(limit((None, None), false, None), None);
    assert_eq!(limit(both, false, Some(expiry)), Some((expiry, TimeUp::Expiry)));
    assert_eq!(limit(both, true, Some(expiry)), Some((deadline, TimeUp::Deadline)));
    assert_eq!(limit(both, true, Some(deadline)), Some((deadline, TimeUp::Deadline)));
    assert_eq!(limit((Some(expiry), None), true, Some(expiry)), None, "it has begun in time");
    assert_eq!(limit(both, true, None), None, "a person has lifted it");
    let same = (Some(deadline), Some(deadline));
    assert_eq!(limit(same, false, Some(deadline)), Some((deadline, TimeUp::Deadline)));
}
