//! Databases on the server of the tests, gone with the value. The tests of the daemon use this file as well.

use std::sync::atomic::{AtomicU32, Ordering};

/// A database of its own on the server that `CHIMERA_TEST_POSTGRES` names; `cargo xtask test` starts one.
pub(crate) struct Scratch {
    server: String,
    name: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("CHIMERA_TEST_POSTGRES")
            .expect("CHIMERA_TEST_POSTGRES names no server: run `cargo xtask with-postgres cargo test`");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        administer(&server, &format!("CREATE DATABASE {name}"));
        Self { server, name }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        administer(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Runs a statement about databases, on a thread of its own: the driver must not run within a runtime.
fn administer(server: &str, sql: &str) {
    std::thread::scope(|scope| {
        let run = || {
            let mut client = postgres::Client::connect(&format!("{server}/postgres"), postgres::NoTls)
                .expect("CHIMERA_TEST_POSTGRES can be reached");
            client.batch_execute(sql).expect(sql);
        };
        scope.spawn(run).join().expect("no panic");
    });
}
