//! What only a server has: connections that break, commits that overtake each other, encryption.

use crate::fixture::{House, NOW, id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, hold, lanes, queue, read, ready};
use std::path::PathBuf;

/// Two daemons write; a reader that always goes on after the last number it has seen misses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_of_the_journal_misses_nothing_that_commits_late() {
    const EACH: u64 = 150;
    let house = House::postgres();
    let write = |store: Store, from: u64| async move {
        for number in from..from + EACH {
            store.write(move |tx| submit(tx, &new_task(number)).map(drop)).await.expect("accepted");
        }
    };
    let reader = house.second();
    let reading = async move {
        let (mut last, mut seen) = (0, 0);
        while seen < 2 * EACH {
            let events = reader.read(move |tx| read::events(tx, None, last, 50)).await.expect("readable");
            seen += events.len() as u64;
            last = events.last().map_or(last, |event| event.id);
            if events.is_empty() {
                // In this order: whatever is committed in between makes the newest one newer.
                let all = reader.read(read::counts).await.expect("readable").queued == 2 * EACH;
                let newest = reader.read(read::last_event_id).await.expect("readable");
                let missed = all && newest == last;
                assert!(!missed || seen == 2 * EACH, "{seen} events were seen, and no more will come");
            }
        }
    };
    let (one, two) = (write(house.store.clone(), 0), write(house.second(), EACH));
    tokio::join!(tokio::spawn(one), tokio::spawn(two), reading).0.expect("no panic");
}

/// The server ends every connection, as at a restart. What was accepted is there; what comes next is accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_made_again() {
    let house = House::postgres();
    house.submit(new_task(1)).await;
    for round in 2..5 {
        let others = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let ended = house.second().read(move |tx| tx.query(others, &[])).await.expect("ended");
        assert!(ended[0].int(0).expect("a count") >= 3, "writer, readers and signals had connections");
        // Nothing of either was on its way: nobody but the connection has to try again.
        house.store.write(move |tx| submit(tx, &new_task(round)).map(drop)).await.expect("accepted");
        let counted = house.store.read(read::counts).await.expect("readable").queued;
        assert_eq!(counted, round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_claim_walks_its_index_however_many_wait() {
    let house = House::postgres();
    house
        .store
        .write(|tx| (0..3000).try_for_each(|number| submit(tx, &new_task(number)).map(drop)))
        .await
        .expect("accepted");
    house.store.write(|tx| tx.execute("ANALYZE tasks", &[]).map(drop)).await.expect("analysed");
    let ready = ready::ANY.guarded.replace("$1", "5");
    let plan =
        house.store.read(move |tx| tx.query(&format!("EXPLAIN {ready} FOR UPDATE SKIP LOCKED"), &[])).await;
    let plan: Vec<String> =
        plan.expect("a plan").iter().map(|row| row.text(0).expect("a line").to_owned()).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using tasks_ready") && !plan.contains("Sort"), "{plan}");
}

/// To compile a statement takes the server a hundred times as long as to run it, and a claim is made of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_compiles_no_statement_of_a_claim() {
    let house = House::postgres();
    house.submit(new_task(1)).await;
    let statements = [
        (ready::ANY.guarded, 1),
        (ready::ANY.all_the_same, 1),
        (queue::NEXT_READY, 0),
        (hold::NEXT_TRY, 1),
        (hold::RUNNING, 0),
        (lanes::EARLIEST, 2),
        (lanes::PROJECTS, 1),
    ];
    for (sql, parameters) in statements {
        let sql = (1..=parameters).fold(sql.to_owned(), |sql, n| sql.replace(&format!("${n}"), "'1'"));
        let plan = house.store.read(move |tx| tx.query(&format!("EXPLAIN {sql}"), &[])).await;
        let lines = plan.expect("a plan");
        let compiled = lines.iter().any(|row| row.text(0).expect("a line").starts_with("JIT"));
        assert!(!compiled, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_connections_prove_the_server_if_asked_to() {
    let house = House::postgres();
    let ca = PathBuf::from(
        std::env::var_os("CHIMERA_TEST_POSTGRES_CA").expect("set by `cargo xtask with-postgres`"),
    );
    let open = |query: &str, ca: Option<PathBuf>| {
        let database =
            Database::parse(&format!("{}{query}", house.url()), &PathBuf::new(), ca).expect("a URL");
        Store::open(&database, &Options::default())
    };
    let encrypted = |store: Store| async move {
        let sql = "SELECT COUNT(*) FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()";
        store.read(move |tx| tx.query(sql, &[])).await.expect("readable")[0].int(0).expect("a count")
    };
    assert_eq!(encrypted(open("?sslmode=require", Some(ca)).expect("trusted")).await, 1);
    assert_eq!(encrypted(open("?sslmode=prefer", None).expect("not asked for proof")).await, 1);
    assert_eq!(encrypted(open("?sslmode=disable", None).expect("plain")).await, 0);
    let untrusted = open("?sslmode=require", None).err().expect("refused");
    assert!(
        matches!(&untrusted, StoreError::Open { detail, .. } if detail.contains("certificate")),
        "{untrusted}"
    );
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let url = "postgres://me:very-secret@127.0.0.1:1/queue";
    let database = Database::parse(url, &PathBuf::new(), None).expect("a URL");
    let refused = Store::open(&database, &Options::default()).err().expect("nobody is there");
    assert!(
        refused.to_string().starts_with("cannot open the database postgres://127.0.0.1:1/queue:"),
        "{refused}"
    );
    for shown in [refused.to_string(), format!("{database:?}"), database.to_string()] {
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    let broken = Database::parse("postgres://me:very-secret@host:port/x", &PathBuf::new(), None).err();
    assert!(broken.is_some_and(|text| !text.contains("very-secret")));
}

/// Daemons on several machines agree on the time: it is the server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_tells_its_time() {
    let house = House::postgres();
    let time = house.store.server_time().await.expect("readable").expect("a server has a clock");
    assert!(time > NOW, "milliseconds since 1970");
    let file = House::sqlite(&Options::default());
    assert_eq!(file.store.server_time().await.expect("readable"), None);
    assert!(file.store.read(|tx| read::task(tx, &id(1))).await.expect("readable").is_none());
}
