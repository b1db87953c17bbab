//! A PostgreSQL server for the tests: made in a temporary directory, gone with the run.

#[path = "../../crates/chimera-daemon/src/local/torture/server.rs"]
mod server;

use crate::run::found;
use anyhow::{Context, Result};
use server::Server;
pub(crate) use server::{as_root, must, programs};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running server; dropping it ends it and removes its files.
pub(crate) struct Postgres(Server);

impl Postgres {
    /// Tells a command's tests where the server is.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("CHIMERA_TEST_POSTGRES", self.0.url()).env("CHIMERA_TEST_POSTGRES_CA", self.ca());
    }

    /// Makes and starts a server that listens on loopback only.
    pub(crate) fn start() -> Result<Self> {
        let server = Self(Server::make(programs().filter(|_| found("pgbouncer")).map_or_else(install, Ok)?)?);
        server.certify()?;
        server.0.start("-c ssl=on")?;
        Ok(server)
    }

    /// The certificate that proves it.
    fn ca(&self) -> PathBuf {
        self.0.data().join("server.crt")
    }

    /// Makes the certificate.
    fn certify(&self) -> Result<()> {
        let mut openssl = self.0.run_as(Path::new("openssl"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        let basic = "basicConstraints=critical,CA:FALSE";
        openssl.args(["-days", "2", "-subj", "/CN=localhost", "-addext", basic]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout"]);
        must(openssl.arg(self.0.data().join("server.key")).arg("-out").arg(self.ca()))
    }
}

/// Fetches the server and the pooler, where that may be done.
fn install() -> Result<PathBuf> {
    if as_root() && found("apt-get") {
        must(Command::new("apt-get").args(["update", "-qq"]))?;
        let packages = ["install", "-y", "-qq", "--no-install-recommends", "postgresql", "pgbouncer"];
        must(Command::new("apt-get").args(packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let missing =
        "PostgreSQL's server is missing, which the tests of the store need: `apt-get install postgresql`";
    programs().context(missing)
}
