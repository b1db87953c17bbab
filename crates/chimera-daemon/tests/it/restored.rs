//! A database that goes back in time under a running daemon.

use crate::script::{House, Script, conformance, pass, settings};
use chimera_core::gates::Daemon;
use chimera_core::{Outcome, Phase, Status};
use chimera_daemon::engine::Settings;
use chimera_daemon::seams::Clock;
use chimera_store::{Store, StoreError, lease, read, roster};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Short: it is the heartbeat that notices.
const LEASE: Duration = Duration::from_secs(2);

conformance! {
    a_daemon_whose_database_forgot_its_heartbeat_stops_and_records_nothing,
}

/// What the database has of the only daemon.
async fn daemon_of(store: &Store) -> Daemon {
    let read = |tx: &chimera_store::ReadTx<'_>| roster::daemons(tx, Clock::system().now());
    let mut daemons = store.read(read).await.expect("readable");
    daemons.pop().expect("it lives")
}

/// The backup has the daemon's row as it was, and is put back without a word after a later heartbeat.
async fn a_daemon_whose_database_forgot_its_heartbeat_stops_and_records_nothing(house: House) {
    let (inside, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, told) = (inside.clone(), stopped.clone());
    let script = Script::new(move |attempt, stop| {
        let (tell, told) = (tell.clone(), told.clone());
        async move {
            if attempt.task.phase() == Phase::CodeImplementation {
                tell.notify_one();
                stop.cancelled().await;
                told.notify_one();
                return Outcome::Interrupted.into();
            }
            pass(&attempt)
        }
    });
    let (people, failed) = (house.second(), house.store.failure());
    let daemon = house.start(script, Settings { lease: LEASE, ..settings() });
    let id = house.submit(1).await;
    inside.notified().await;
    let backup = daemon_of(&people).await;
    while daemon_of(&people).await.seen_at == backup.seen_at {
        // tidy: polls: a heartbeat wakes nobody
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let Daemon { owner, seen_at, state } = backup;
    let put_back = move |tx: &mut chimera_store::Tx<'_>| lease::extend(tx, &owner, &state, seen_at, LEASE);
    people.write(put_back).await.expect("put back");
    let failed = tokio::time::timeout(Duration::from_secs(10), failed).await.expect("it notices");
    let StoreError::Fatal(why) = failed else { panic!("{failed}") };
    assert!(why.contains("went back in time") && why.contains("chimera-daemon restored"), "{why}");
    // As the daemon does once its database has failed.
    daemon.now.cancel();
    tokio::join!(daemon.stopped(), stopped.notified());
    let task = people.read(move |tx| read::task(tx, &id)).await.expect("readable").expect("it is there");
    assert_eq!(task.status, Status::Running, "nothing of the attempt is recorded");
}
