//! A newer version begins to work on the database of running daemons: they hand back what they run, and end.

use crate::crash::{hold, site, wait_until_inside};
use chimera_core::{Status, TaskId};
use chimera_store::{Database, Options, Store, heartbeat, read};
use serde_json::json;

fn set_vocabulary(runtime: &tokio::runtime::Runtime, store: &Store, number: i64) {
    runtime.block_on(store.write(move |tx| heartbeat::set_vocabulary(tx, number))).expect("written");
}

#[test]
fn a_daemon_that_finds_the_words_of_a_newer_one_hands_its_tasks_back_and_ends() {
    const SAYS: &str = "use a newer chimera-daemon";
    let site = site();
    hold(site.path(), "CODE_IMPLEMENTATION");
    let daemon = site.start();
    let api = site.start_with(&["api", "--port", "0"]);
    let task =
        daemon.submit(&json!({"feature": "Visitors are greeted", "target_url": "http://127.0.0.1:1/"}));
    wait_until_inside(site.path(), &daemon, &task, "CODE_IMPLEMENTATION");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let database = Database::Sqlite(site.path().join("chimera-data/tasks.db"));
    let store = Store::open(&database, &Options::default()).expect("opened before");
    set_vocabulary(&runtime, &store, 99);
    assert_eq!(daemon.exit_code(), Some(1), "{}", site.log());
    assert_eq!(api.exit_code(), Some(1), "{}", site.log());
    assert!(site.log().matches(SAYS).count() >= 2, "{}", site.log());
    let id = TaskId::parse(&task).expect("an id");
    let found = runtime.block_on(store.read(move |tx| read::task(tx, &id))).expect("readable");
    let found = found.expect("the task is there");
    assert_eq!((found.status, found.workflow.crashes), (Status::Queued, 0), "handed back: nobody crashed");

    set_vocabulary(&runtime, &store, chimera_core::VOCABULARY);
    hold(site.path(), "nothing");
    let next = site.start();
    assert_eq!(next.ended(&task)["status"], "completed", "{}", site.log());
    assert_eq!(next.terminate(), Some(0));
}
