//! A queue moves, and comes back from a backup: with tasks in flight, nothing lost, nothing twice.

use crate::api::api;
use crate::real::{Daemon, Site, repository};
use crate::scratch::Scratch;
use crate::script::{House, Script, pass, settings};
use chimera_agent::runner::Report;
use chimera_core::{EntryKind, Outcome, Phase, Status, TaskId};
use chimera_daemon::engine::Settings;
use chimera_daemon::seams::Clock;
use chimera_store::transfer::{self, Header};
use chimera_store::{moved, read};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// The engine works on SQLite, and goes on working while its queue is moved away; another one finishes on
/// PostgreSQL.
#[tokio::test]
async fn tasks_in_flight_move_from_sqlite_to_postgres_and_are_finished_there() {
    moves(House::sqlite(), House::postgres()).await;
}

#[tokio::test]
async fn tasks_in_flight_move_from_postgres_to_sqlite_and_are_finished_there() {
    moves(House::postgres(), House::sqlite()).await;
}

async fn moves(old: House, new: House) {
    const TASKS: u64 = 12;
    let (passed, midway) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let tell = midway.clone();
    let script = Script::new(move |attempt, stop| {
        let (count, tell) = (passed.fetch_add(1, Ordering::SeqCst), tell.clone());
        async move {
            // Midway all workers hang in an attempt until they are stopped.
            if count >= 25 {
                tell.notify_one();
                stop.cancelled().await;
                return Report::from(Outcome::Interrupted);
            }
            pass(&attempt)
        }
    });
    let mut ids: Vec<TaskId> = Vec::new();
    for bits in 1..=TASKS {
        let after: Vec<TaskId> = ids.last().cloned().into_iter().filter(|_| bits.is_multiple_of(4)).collect();
        ids.push(old.submit_with(bits, |request| request.after = after).await);
    }
    let worker = old.start(script, Settings { max_workers: 3, ..settings() });
    midway.notified().await;

    let now = Clock::system().now();
    let mover = old.second();
    let were_running = mover.write(move |tx| moved::close(tx, now)).await.expect("closed");
    assert!(!were_running.is_empty(), "some were in flight");
    let header = Header::new("test", now, true);
    let file = mover.read(move |tx| {
        let mut file = Vec::new();
        transfer::write_out(tx, &header, &mut file, &mut |_| ()).map(|_| file)
    });
    let file = file.await.expect("written");
    let checked = transfer::check(&mut &file[..]).expect("whole");
    let read_in = move |tx: &mut chimera_store::Tx<'_>| {
        transfer::read_in(tx, &checked, &mut &file[..], now, &mut |_| ()).map(drop)
    };
    new.store.write(read_in).await.expect("filled");
    // The old engine is still there, and ends without having written anything more.
    let honest = || Script::new(|attempt, _| async move { pass(&attempt) });
    let finisher = new.start(honest(), settings());
    for id in &ids {
        assert_eq!(new.until(id, |task| task.status.is_end()).await.status, Status::Completed);
    }
    finisher.stopped().await;
    worker.stopped().await;
    for id in ids {
        let wanted = id.clone();
        let events =
            new.store.read(move |tx| read::events(tx, Some(&wanted), 0, 100)).await.expect("readable");
        let passes = events.iter().filter(|event| {
            matches!(&event.entry.kind, EntryKind::Settled { result: Outcome::Passed { .. }, .. })
        });
        let phases: Vec<Phase> = passes.map(|event| event.entry.phase).collect();
        assert_eq!(phases, Phase::WORKING, "each phase of {id} is recorded once, wherever");
        let left = old.task(&id).await;
        assert!(left.lease.is_none() && left.seq <= events.len() as i64, "the old queue stands still");
    }
}

fn wish(number: u32) -> Value {
    json!({"feature": format!("Visitors read wish {number}"), "target_url": "http://127.0.0.1:1/",
        "acceptance": ["open \"/\"", format!("see text \"wish {number}\"")]})
}

fn run(site: &Site, database: Option<&str>, args: &[&str]) -> Output {
    let mut command = site.command();
    command.args(args).envs(database.map(|url| ("CHIMERA_DATABASE_URL", url)));
    command.output().expect("it runs")
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(words.iter().all(|word| told.contains(word)), "{words:?} in {told}");
}

#[test]
fn the_commands_move_a_queue_and_say_what_to_do() {
    let site = Site::new("");
    let daemon = api(&site);
    let first = daemon.submit(&wish(1));
    let second =
        daemon.submit(&json!({"feature": "x", "target_url": "https://example.com", "after": [first]}));
    refused(&run(&site, None, &["export", "queue.jsonl"]), 2, &["--move", "--copy"]);
    done(&run(&site, None, &["export", "--copy", "copy.jsonl"]));
    assert_eq!(daemon.post("/api/tasks", &wish(3)).0, 200, "a copy closes nothing");
    let told = done(&run(&site, None, &["export", "--move", "queue.jsonl"]));
    assert!(told.contains("3 tasks") && told.contains("is closed"), "{told}");
    refused(&run(&site, None, &["export", "--move", "queue.jsonl"]), 1, &["exists already"]);
    let (status, problem) = daemon.post("/api/tasks", &wish(4));
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().expect("a text").contains("moved to another database"), "{problem}");

    let scratch = Scratch::new();
    let url = scratch.url();
    let file = std::fs::read(site.path().join("queue.jsonl")).expect("readable");
    std::fs::write(site.path().join("cut.jsonl"), &file[..file.len() - 90]).expect("written");
    refused(&run(&site, Some(&url), &["import", "cut.jsonl"]), 1, &["cut off"]);
    let told = done(&run(&site, Some(&url), &["import", "queue.jsonl"]));
    assert!(told.contains("3 tasks"), "{told}");
    refused(
        &run(&site, Some(&url), &["import", "queue.jsonl"]),
        1,
        &["has tasks already", "nothing was written"],
    );
    let elsewhere = site.start_as(&["api", "--port", "0"], &[("CHIMERA_DATABASE_URL", &url)]);
    let task = elsewhere.get(&format!("/api/tasks/{second}"));
    assert_eq!((&task["waiting_for"]["kind"], &task["after"]), (&json!("after"), &json!([first])));
    assert_eq!(elsewhere.post("/api/tasks", &wish(5)).0, 200);
    done(&run(&site, Some(&url), &["migrate"]));

    assert!(done(&run(&site, None, &["export", "--reopen"])).contains("is open again"));
    assert!(done(&run(&site, None, &["export", "--reopen"])).contains("was not closed"));
    assert_eq!(daemon.post("/api/tasks", &wish(6)).0, 200);
    done(&run(&site, None, &["migrate"]));
}

#[test]
fn a_backup_of_a_server_database_is_imported_again() {
    let site = Site::new("");
    let (old, new) = (Scratch::new(), Scratch::new());
    let daemon = site.start_as(&["api", "--port", "0"], &[("CHIMERA_DATABASE_URL", &old.url())]);
    let task = daemon.submit(&wish(1));
    let told = done(&run(&site, Some(&old.url()), &["backup", "saved"]));
    assert!(told.starts_with("saved: 2 files"), "{told}");
    refused(&run(&site, Some(&old.url()), &["backup", "saved"]), 1, &["is not empty"]);
    drop(daemon);
    done(&run(&site, Some(&new.url()), &["import", "saved/queue.jsonl"]));
    let daemon = site.start_as(&["api", "--port", "0"], &[("CHIMERA_DATABASE_URL", &new.url())]);
    assert_eq!(daemon.get(&format!("/api/tasks/{task}"))["status"], "queued");
}

/// The coder hangs until a file is there; it says that it has begun through a pipe.
const CODER: &str = "#!/bin/sh\nhere=$(dirname \"$0\")\n\
    if [ ! -e \"$here/go\" ]; then echo in > \"$here/entered\"; exec sleep 600; fi\n\
    echo '<p>wish 2</p>' >> index.html\necho '{\"outcome\":\"passed\"}' > \"$CHIMERA_OUTCOME\"\n";

fn shop() -> Site {
    let site = Site::new("");
    let here = site.path().to_str().expect("a plain path").to_owned();
    let config = format!(
        "[agent.slow]\nprotocol = \"command\"\ncommand = [\"{here}/coder.sh\"]\n[roles]\ncoder-agent = \"slow\"\n\
        [[project]]\nname = \"shop\"\nrepo = \"repo\"\nurls = [\"http://127.0.0.1:1\"]\n"
    );
    std::fs::write(site.path().join("chimera.toml"), config).expect("written");
    let coder = site.path().join("coder.sh");
    std::fs::write(&coder, CODER).expect("written");
    std::fs::set_permissions(&coder, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let made = std::process::Command::new("mkfifo").arg(site.path().join("entered")).status();
    assert!(made.expect("mkfifo runs").success());
    let page = "<!doctype html><title>Shop</title><main><h1>Shop</h1></main>";
    repository(&site.path().join("repo"), &[("index.html", page)]);
    site
}

fn ended(site: &Site, daemon: &Daemon, task: &str) -> Value {
    let ended = daemon.ended(task);
    assert_eq!(ended["status"], "completed", "{ended:#}\n{}", site.log());
    ended
}

/// The backup is made while an agent works. The machine is lost; what was saved is put at another place, and the
/// daemon that starts there finishes the task.
#[test]
fn a_restored_backup_goes_on_where_it_was_made() {
    let site = shop();
    let daemon = site.start();
    let task = daemon.submit(&wish(2));
    std::fs::read_to_string(site.path().join("entered")).expect("the coder speaks");
    let told = done(&run(&site, None, &["backup", "saved"]));
    assert!(told.starts_with("saved: ") && told.contains("KB"), "{told}");
    daemon.kill();
    std::fs::remove_dir_all(site.path().join("chimera-data")).expect("lost");
    std::fs::rename(site.path().join("saved"), site.path().join("restored")).expect("put there");
    std::fs::write(site.path().join("go"), "").expect("written");

    let restored = [("CHIMERA_DATA_DIR", "restored")];
    let daemon = site.start_as(&["start-all", "--port", "0"], &restored);
    let ended = ended(&site, &daemon, &task);
    assert_eq!(ended["result"]["review_decision"], "approved");
    let evidence = daemon.get(&format!("/api/tasks/{task}/evidence"));
    for item in evidence["items"].as_array().expect("a list") {
        let href = item["href"].as_str().expect("a place");
        assert_eq!(daemon.call("GET", href, &[], b"").status, 200, "{item}: evidence of before is there");
    }
    let events = daemon.events(&task);
    let generated =
        events.iter().filter(|event| event["phase"] == "E2E_TEST_GENERATION" && event["event"] == "settled");
    assert_eq!(generated.count(), 1, "what was done before is not done again");
    // Fencing tokens go on beyond all that were given out after the backup.
    let epochs: Vec<i64> = events.iter().filter_map(|event| event["epoch"].as_i64()).collect();
    assert!(epochs.len() >= 2 && epochs[0] < 10 && epochs[1] > 1_000_000_000_000, "{epochs:?}");
    assert!(site.path().join("restored/restored.json").exists(), "it is a data directory now, no backup");
    assert_eq!(daemon.terminate(), Some(0));
    let again = site.start_as(&["start-all", "--port", "0"], &restored);
    assert_eq!(again.get(&format!("/api/tasks/{task}"))["status"], "completed");
    let told = site.log().matches("restored from a backup").count();
    assert_eq!(told, 1, "that is noticed once:\n{}", site.log());
}
