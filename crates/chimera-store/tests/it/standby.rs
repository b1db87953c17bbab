//! A commit that waits for a standby: it is not answered before one has it, whatever ends the wait.

#[path = "../../../chimera-daemon/src/local/torture/server.rs"]
mod server;

use crate::fixture::{id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, read};
use server::Server;
use std::path::Path;
use std::time::Duration;

/// As long as the server lets a statement take, and an answer is waited for afterwards, with room for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// A server of its own, whose commits wait for a standby that there is not.
struct Alone(Server);

impl Alone {
    fn start() -> Self {
        let programs = server::programs().expect("the server's programs are there, as for the other tests");
        let server = Server::make(programs).expect("a server");
        server.start("-c fsync=off").expect("it starts");
        Self(server)
    }

    fn open(&self) -> Store {
        open(&self.url())
    }

    fn url(&self) -> String {
        format!("{}/postgres", self.0.url())
    }

    /// Has commits wait, or not.
    fn set_standby(&self, name: &str) {
        self.run(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"));
        self.run("SELECT pg_reload_conf()");
        // The server tells its processes one after the other.
        while self.run("SHOW synchronous_standby_names") != name {
            std::thread::yield_now();
        }
    }

    /// Runs a statement that waits for nobody.
    fn run(&self, sql: &str) -> String {
        let ask = || {
            let url = format!("{}?options=-csynchronous_commit%3Dlocal", self.url());
            let mut client = postgres::Client::connect(&url, postgres::NoTls).expect("it answers");
            let told = client.simple_query(sql).expect(sql);
            told.iter()
                .find_map(|message| match message {
                    postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                })
                .unwrap_or_default()
        };
        std::thread::scope(|scope| scope.spawn(ask).join().expect("no panic"))
    }

    /// Ends the waits for a standby as a person does, once there is one.
    fn end_waits(&self) {
        const SQL: &str = "SELECT COUNT(*) FROM (SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
            WHERE wait_event = 'SyncRep') AS ended";
        while self.run(SQL) == "0" {
            std::thread::yield_now();
        }
    }
}

fn open(url: &str) -> Store {
    let database = Database::parse(url, Path::new(""), None).expect("a URL");
    Store::open(&database, &Options { readers: 1, ..Options::default() }).expect("opens")
}

async fn accept(store: &Store, number: u64) -> Result<(), StoreError> {
    let accepted = store.write(move |tx| submit(tx, &new_task(number)).map(drop));
    tokio::time::timeout(LIMIT, accepted).await.expect("an answer in time")
}

/// No time limit ends the wait on the server: what is on the primary alone is neither answered nor seen by others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_standby_has_is_not_answered() {
    let server = Alone::start();
    let store = server.open();
    accept(&store, 1).await.expect("accepted");
    server.set_standby("nobody");
    let lost = accept(&store, 2).await.expect_err("no standby has it");
    assert!(matches!(&lost, StoreError::Unreachable(_)) && lost.is_passing(), "{lost:?}");
    let seen = store.read(|tx| read::task(tx, &id(2))).await.expect("readable");
    assert!(seen.is_none(), "what may be lost is seen: {seen:?}");

    server.set_standby("");
    accept(&store, 3).await.expect("accepted again");
    store.close().await;
}

/// The server answers a commit whose wait somebody ended as if nothing were amiss, but for a warning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_wait_was_ended_is_no_success() {
    let server = Alone::start();
    let store = server.open();
    server.set_standby("nobody");
    let (accepted, ()) = tokio::join!(accept(&store, 1), async {
        tokio::task::block_in_place(|| server.end_waits());
    });
    let lost = accepted.expect_err("no standby has it");
    assert!(lost.to_string().contains("standby") && lost.is_passing(), "{lost:?}");

    server.set_standby("");
    accept(&store, 2).await.expect("accepted on a new connection");
    store.close().await;
}

/// A primary that was replaced and not told takes connections and reads, and no commit: all connections go elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_replaced_is_left() {
    let (old, new) = (Alone::start(), Alone::start());
    new.open().close().await; // As if it had what the other one has.
    let host = |server: &Alone| server.0.url().replace("postgres://postgres@", "");
    let both = format!("postgres://postgres@{},{}/postgres", host(&old), host(&new));
    let store = open(&format!("{both}?target_session_attrs=read-write"));
    accept(&store, 1).await.expect("accepted");
    old.set_standby("nobody");
    accept(&store, 2).await.expect_err("no standby has it");

    accept(&store, 3).await.expect("accepted by the other one");
    let seen = store.read(|tx| Ok((read::task(tx, &id(1))?, read::task(tx, &id(3))?))).await;
    assert!(matches!(seen, Ok((None, Some(_)))), "read where it was written: {seen:?}");
    store.close().await;
}
