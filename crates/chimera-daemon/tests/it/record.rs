//! Results that the database refuses for what they are: they block no worker, and are no end of a task.

use crate::script::{House, Script, conformance, pass, settings};
use chimera_agent::runner::Report;
use chimera_core::{EntryKind, Outcome, PhaseOutput, Reason, Setback, Status};
use chimera_daemon::engine::Settings;
use chimera_store::read;
use std::time::Duration;

conformance! {
    a_result_that_the_database_refuses_is_recorded_as_unknown_and_tried_again,
    a_task_of_which_nothing_can_be_recorded_goes_back_into_the_queue,
}

/// Makes the database refuse every workflow that has one of these texts in it.
async fn refuse(house: &House, texts: &'static [&'static str]) {
    let odd = texts.iter().map(|text| format!("NEW.workflow_state LIKE '%{text}%'")).collect::<Vec<_>>();
    let (odd, sqlite) = (odd.join(" OR "), house.is_sqlite());
    let plant = move |tx: &mut chimera_store::Tx<'_>| {
        if sqlite {
            let body = "BEGIN SELECT RAISE(ABORT, 'odd'); END";
            let sql = format!("CREATE TRIGGER odd BEFORE UPDATE ON tasks WHEN {odd} {body}");
            return tx.execute(&sql, &[]).map(drop);
        }
        let function = "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN RAISE EXCEPTION 'odd' USING ERRCODE = '22021'; END $$";
        tx.execute(function, &[])?;
        let sql = format!(
            "CREATE TRIGGER odd BEFORE UPDATE ON tasks FOR EACH ROW WHEN ({odd}) EXECUTE FUNCTION odd()"
        );
        tx.execute(&sql, &[]).map(drop)
    };
    house.store.write(plant).await.expect("planted");
}

/// An agent whose first answer is odd.
fn odd_at_first() -> std::sync::Arc<Script> {
    Script::new(|attempt, _| async move {
        let first = attempt.task.workflow.attempt == 1;
        let mut report = pass(&attempt);
        if let Outcome::Passed { output: PhaseOutput::E2eTestGeneration { target_run, .. } } =
            &mut report.outcome
            && first
        {
            "poison".clone_into(target_run);
        }
        report
    })
}

async fn a_result_that_the_database_refuses_is_recorded_as_unknown_and_tried_again(house: House) {
    refuse(&house, &["poison"]).await;
    let running = house.start(odd_at_first(), settings());
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!((task.status, task.workflow.crashes), (Status::Completed, 0));
    running.stopped().await;
    let events = house.store.read(move |tx| read::events(tx, Some(&id), 0, 100)).await.expect("readable");
    let first = events.iter().find_map(|event| match &event.entry.kind {
        EntryKind::Settled { result, .. } => Some(result.clone()),
        _ => None,
    });
    let Some(Outcome::Unknown(setback)) = first else { panic!("{first:?}") };
    assert!(setback.summary.contains("the database refused"), "{}", setback.summary);
}

async fn a_task_of_which_nothing_can_be_recorded_goes_back_into_the_queue(house: House) {
    refuse(&house, &["poison", "\"failures\":1"]).await;
    let running = house.start(odd_at_first(), Settings { lease: Duration::from_secs(1), ..settings() });
    let id = house.submit(1).await;
    let task = house.until(&id, |task| task.status.is_end()).await;
    assert_eq!(task.status, Status::Completed);
    running.stopped().await;
    let events = house.store.read(move |tx| read::events(tx, Some(&id), 0, 100)).await.expect("readable");
    let story: Vec<&str> = events.iter().map(|event| event.entry.kind.as_str()).collect();
    assert_eq!(story[..4], ["accepted", "claimed", "rescued", "claimed"]);
}

#[tokio::test]
async fn a_refused_result_of_a_cancelled_task_ends_it_as_cancelled() {
    let house = House::sqlite();
    refuse(&house, &["poison", "\"failures\":1"]).await;
    let trouble = || Report::from(Outcome::Unknown(Setback::new(Reason::AgentError, "poison")));
    let script = Script::new(move |_, stop| async move {
        stop.cancelled().await;
        trouble()
    });
    let running = house.start(script, settings());
    let id = house.submit(1).await;
    house.until(&id, |task| task.status == Status::Running).await;
    let (wanted, policy, now) = (id.clone(), settings().policy, chimera_daemon::seams::Clock::system().now());
    let wish = move |tx: &mut chimera_store::Tx<'_>| chimera_store::steer::cancel(tx, &wanted, now, &policy);
    house.store.write(wish).await.expect("the wish is recorded");
    assert_eq!(house.until(&id, |task| task.status.is_end()).await.status, Status::Cancelled);
    running.stopped().await;
}
