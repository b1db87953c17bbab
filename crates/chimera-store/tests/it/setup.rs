//! Servers as others have set them up, and poolers in front of them.

use crate::fixture::{House, id, new_task};
use chimera_store::submit::submit;
use chimera_store::{Database, Options, Store, StoreError, read};
use std::path::Path;
use std::process::{Child, Command};

/// Changes what new sessions of the house's database begin with.
async fn set(house: &House, setting: &str) {
    let url = house.url();
    let name = url.rsplit('/').next().expect("a name");
    let sql = format!("ALTER DATABASE {name} {setting}");
    house.store.write(move |tx| tx.query(&sql, &[]).map(drop)).await.expect("set");
}

async fn ask(store: &Store, sql: &'static str) -> String {
    let rows = store.write(move |tx| tx.query(sql, &[])).await.expect("readable");
    rows[0].text(0).expect("a text").to_owned()
}

/// What the promises rest on is set by each session, whatever database and role say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_sets_what_the_promises_rest_on() {
    let house = House::postgres();
    set(&house, "SET synchronous_commit = off").await;
    set(&house, "SET default_transaction_isolation = serializable").await;
    set(&house, "SET statement_timeout = 1").await;
    set(&house, "SET idle_session_timeout = 100").await;
    let second = house.second();
    assert_eq!(ask(&second, "SHOW synchronous_commit").await, "on");
    assert_eq!(ask(&second, "SHOW transaction_isolation").await, "read committed");
    assert_eq!(ask(&second, "SHOW statement_timeout").await, "9s");
    assert_eq!(ask(&second, "SHOW idle_session_timeout").await, "0");
    set(&house, "SET synchronous_commit = remote_apply").await;
    assert_eq!(ask(&house.second(), "SHOW synchronous_commit").await, "remote_apply");
    let patient = house.store.patient();
    assert_eq!(ask(&patient, "SHOW statement_timeout").await, "1h");
    assert_eq!(ask(&house.store, "SHOW statement_timeout").await, "9s");
}

/// It is told as such, and its connections are left: once it takes changes again, the next call finds that out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_read_only_is_left_at_once() {
    let house = House::postgres();
    set(&house, "SET default_transaction_read_only = on").await;
    let accept = |store: Store, number| async move {
        store.write(move |tx| submit(tx, &new_task(number)).map(drop)).await
    };
    // The house's own connections are older than that.
    house.store.disconnect_others().await.expect("ended");
    for number in 1..3 {
        let err = accept(house.store.clone(), number).await.expect_err("it takes no changes");
        assert!(matches!(&err, StoreError::Unreachable(_)) && err.is_passing(), "{err:?}");
    }
    assert!(house.store.takes_changes().await.is_err());
    let name = house.url().rsplit('/').next().expect("a name").to_owned();
    let sql = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    let reset = move |tx: &mut chimera_store::Tx<'_>| {
        tx.query("SET TRANSACTION READ WRITE", &[])?;
        tx.query(&sql, &[]).map(drop)
    };
    house.store.write_alone(reset).await.expect("reset");
    // That session began before; the call that is refused leaves it.
    accept(house.store.clone(), 3).await.expect_err("an old session");
    accept(house.store.clone(), 4).await.expect("accepted by a new one");
}

/// What the role may not do is told with what to grant, and a schema of its own will do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_its_own_will_do() {
    let house = House::postgres();
    let open = |query: &str| {
        let url = format!("{}?options=-csearch_path%3D{query}", house.url());
        Store::open(&Database::parse(&url, Path::new(""), None).expect("a URL"), &Options::default())
    };
    let missing = open("queue").err().expect("there is no such schema").to_string();
    assert!(missing.contains("CREATE SCHEMA"), "{missing}");
    house.store.write(|tx| tx.query("CREATE SCHEMA queue", &[]).map(drop)).await.expect("made");
    let other = open("queue").expect("a schema of its own");
    other.write(|tx| submit(tx, &new_task(1)).map(drop)).await.expect("accepted");
    assert!(
        house.store.read(|tx| read::task(tx, &id(1))).await.expect("readable").is_none(),
        "another queue"
    );
    open("queue").expect("nothing is migrated twice");
}

/// A database in an encoding that cannot keep every text is refused, with the way to make another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_another_encoding_is_refused() {
    let house = House::postgres();
    let (server, name) =
        house.url().rsplit_once('/').map(|(s, n)| (s.to_owned(), format!("{n}_latin"))).expect("a URL");
    let administer = |sql: String| {
        let server = server.clone();
        let run = move || {
            let mut client = postgres::Client::connect(&format!("{server}/postgres"), postgres::NoTls);
            client.as_mut().expect("reachable").batch_execute(&sql).expect("done");
        };
        std::thread::spawn(run).join().expect("no panic");
    };
    let options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    administer(format!("CREATE DATABASE {name} {options}"));
    let database = Database::parse(&format!("{server}/{name}"), Path::new(""), None).expect("a URL");
    let refused = Store::open(&database, &Options::default()).err().map(|err| err.to_string());
    administer(format!("DROP DATABASE {name} WITH (FORCE)"));
    let refused = refused.expect("refused");
    assert!(refused.contains("LATIN1") && refused.contains("--encoding=UTF8"), "{refused}");
}

/// PgBouncer, gone with the value.
struct Pooler(Child, String);

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Pooler {
    fn start(dir: &Path, house: &House, mode: &str) -> Self {
        let (address, name) =
            house.url().rsplit_once('/').map(|(a, n)| (a.to_owned(), n.to_owned())).expect("a URL");
        let (user, host) = address.trim_start_matches("postgres://").split_once('@').expect("a user");
        let (host, port) = host.split_once(':').expect("a port");
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|one| one.local_addr())
            .expect("a port")
            .port();
        let ini = dir.join(format!("{mode}.ini"));
        let text = format!(
            "[databases]\n{name} = host={host} port={port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {free}\nauth_type = any\npool_mode = {mode}\nunix_socket_dir =\n"
        );
        std::fs::write(&ini, text).expect("written");
        // It refuses to run as root.
        let root =
            std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("readable")) == 0;
        let mut command = Command::new(if root { "setpriv" } else { "pgbouncer" });
        if root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "pgbouncer"]);
        }
        let child =
            command.arg("-q").arg(&ini).spawn().expect("pgbouncer is there: `apt-get install pgbouncer`");
        Self(child, format!("postgres://{user}@127.0.0.1:{free}/{name}"))
    }

    /// Opens a store through it, once it listens.
    fn open(&self) -> Result<Store, StoreError> {
        let database = Database::parse(&self.1, Path::new(""), None).expect("a URL");
        for _ in 0..100 {
            match Store::open(&database, &Options { readers: 1, ..Options::default() }) {
                Err(StoreError::Open { detail, .. }) if detail.contains("refused") => {
                    // tidy: polls: a process that starts tells nobody when it listens
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
                opened => return opened,
            }
        }
        panic!("pgbouncer does not listen");
    }
}

/// It gives sessions to others; one that keeps them works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_refused() {
    let house = House::postgres();
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("readable for it");
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::start(dir.path(), &house, mode);
        let refused = pooler.open().err().expect(mode);
        assert!(
            refused.to_string().contains("pool_mode = session") || mode == "statement",
            "{mode}: {refused}"
        );
    }
    let pooler = Pooler::start(dir.path(), &house, "session");
    let store = pooler.open().expect("sessions of its own");
    store.write(|tx| submit(tx, &new_task(1)).map(drop)).await.expect("accepted");
    store.close().await;
}
