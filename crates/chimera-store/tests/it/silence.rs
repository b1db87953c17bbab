//! A server that is there and says nothing: every call has a limit.

use crate::fixture::{House, id, new_task};
use crate::proxy::Proxy;
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, read};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The limit of a call and of what follows it, with room for a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn open(url: &str) -> Store {
    let database = Database::parse(url, Path::new(""), None).expect("a URL");
    Store::open(&database, &Options { readers: 1, ..Options::default() }).expect("opens")
}

async fn accept(store: &Store, number: u64) -> Result<(), StoreError> {
    store.write(move |tx| submit(tx, &new_task(number)).map(drop)).await
}

/// What was asked is answered within the limit, the connection is left, and the next call makes a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_left_within_the_limit() {
    let house = House::postgres();
    let proxy = Proxy::to(&house.url()).await;
    let store = open(&proxy.url(&house.url()));
    accept(&store, 1).await.expect("accepted");
    proxy.say_nothing(true);
    let from = Instant::now();
    let (written, read) = tokio::join!(accept(&store, 2), store.read(read::counts));
    for answer in [written, read.map(drop)] {
        let err = answer.expect_err("nobody answers");
        assert!(matches!(&err, StoreError::Unreachable(_)) && err.is_passing(), "{err:?}");
    }
    // New connections are taken and get no answer either.
    let refused = accept(&store, 3).await.expect_err("nobody answers");
    assert!(refused.is_passing(), "{refused:?}");
    assert!(from.elapsed() < LIMIT, "{:?}", from.elapsed());

    proxy.say_nothing(false);
    accept(&store, 4).await.expect("accepted by the server that is back");
    let found = store.read(|tx| read::task(tx, &id(4))).await.expect("readable");
    assert!(found.is_some());

    // Other daemons are heard of again.
    let mut changes = store.changes();
    let heard = async {
        for number in 10.. {
            accept(&house.store, number).await.expect("accepted");
            let again = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
            if again.is_ok() && changes.borrow_and_update().any != 0 {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, heard).await.expect("hears of the commits of others again");
}

/// Nobody waits for the goodbyes of connections whose server is silent, nor for those that were never made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_lets_go_of_a_silent_server_at_once() {
    let house = House::postgres();
    let proxy = Proxy::to(&house.url()).await;
    let store = open(&proxy.url(&house.url()));
    accept(&store, 1).await.expect("accepted");
    proxy.say_nothing(true);
    let from = Instant::now();
    store.close().await;
    assert!(from.elapsed() < Duration::from_secs(3), "{:?}", from.elapsed());
}

/// Of several hosts, the one that answers and takes changes is taken, however the others fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_hosts_are_asked_until_one_will_do() {
    let house = House::postgres();
    let (silent, good) = (Proxy::to(&house.url()).await, Proxy::to(&house.url()).await);
    silent.say_nothing(true);
    let hosts = format!("127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", silent.port(), good.port());
    let url = good.url(&house.url()).replace(&format!("127.0.0.1:{}", good.port()), &hosts);
    let from = Instant::now();
    let store = open(&format!("{url}?target_session_attrs=read-write"));
    accept(&store, 1).await.expect("accepted");
    assert!(from.elapsed() < Duration::from_secs(8), "{:?}", from.elapsed());

    // The one that was good goes silent, the other one is back: every connection moves there.
    good.say_nothing(true);
    silent.say_nothing(false);
    let lost = accept(&store, 2).await.expect_err("nobody answers");
    assert!(lost.is_passing(), "{lost:?}");
    accept(&store, 3).await.expect("accepted by the other host");
    assert!(store.read(read::counts).await.expect("readable at once").queued >= 2);
    let shown = Database::parse(&url, Path::new(""), None).expect("a URL").to_string();
    assert!(shown.starts_with(&format!("postgres://{hosts}/")), "{shown}");
}
