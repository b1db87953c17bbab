//! A PostgreSQL server for the tests: made in a temporary directory, gone with the run.

use crate::run::found;
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian keeps the server's programs, beside the search path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that the server runs as when this runs as root, which the server refuses.
const ACCOUNT: &str = "postgres";

/// A running server; dropping it ends it and removes its files.
pub(crate) struct Postgres {
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
}

impl Postgres {
    /// Tells a command's tests where the server is.
    pub(crate) fn tell(&self, command: &mut Command) {
        let url = format!("postgres://postgres@127.0.0.1:{}", self.port);
        command.env("CHIMERA_TEST_POSTGRES", url).env("CHIMERA_TEST_POSTGRES_CA", self.ca());
    }

    /// Makes and starts a server that listens on loopback only.
    pub(crate) fn start() -> Result<Self> {
        let bin = programs().map_or_else(install, Ok)?;
        let dir = tempfile::Builder::new().prefix("chimera-postgres-").tempdir()?;
        if as_root() {
            must(Command::new("chown").arg(ACCOUNT).arg(dir.path()))?;
        }
        // Asked of the system and given back: the server binds it itself a moment later.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Self { bin, dir, port };
        let data = server.data();
        must(server.command("initdb").arg("-D").arg(&data).args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
        ]))?;
        server.certify()?;
        // The tests end connections, not the machine: durability is tried elsewhere.
        let settings = format!(
            "-h 127.0.0.1 -p {port} -c unix_socket_directories='' -c max_connections=400 -c fsync=off -c ssl=on"
        );
        let log = server.dir.path().join("log");
        must(
            server
                .command("pg_ctl")
                .arg("-D")
                .arg(&data)
                .arg("-l")
                .arg(log)
                .args(["-w", "-o", &settings, "start"]),
        )?;
        Ok(server)
    }

    /// The certificate that proves it.
    fn ca(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    /// Makes the certificate.
    fn certify(&self) -> Result<()> {
        let mut openssl = self.run_as(Path::new("openssl"));
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout"]);
        must(openssl.arg(self.data().join("server.key")).arg("-out").arg(self.ca()))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        self.run_as(&self.bin.join(program))
    }

    fn run_as(&self, program: &Path) -> Command {
        let mut command = if as_root() {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={ACCOUNT}"),
                &format!("--regid={ACCOUNT}"),
                "--clear-groups",
                "--",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.dir.path()).env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped =
            must(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]));
        if let Err(err) = stopped {
            eprintln!("xtask: the PostgreSQL server of the tests does not end: {err:#}");
        }
    }
}

/// The directory of the server's programs: the newest of Debian's, else what the search path has.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.retain(|bin| bin.join("initdb").is_file());
    versions.sort();
    versions.pop().or_else(|| found("initdb").then(PathBuf::new))
}

/// Fetches the server, where that may be done.
fn install() -> Result<PathBuf> {
    if as_root() && found("apt-get") {
        must(Command::new("apt-get").args(["update", "-qq"]))?;
        let packages = ["install", "-y", "-qq", "--no-install-recommends", "postgresql"];
        must(Command::new("apt-get").args(packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let missing =
        "PostgreSQL's server is missing, which the tests of the store need: `apt-get install postgresql`";
    programs().context(missing)
}

fn as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn must(command: &mut Command) -> Result<()> {
    let shown = Path::new(command.get_program()).display().to_string();
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("{shown} cannot be started"))?;
    if !status.success() {
        bail!(
            "{shown} failed ({status}):\n{}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
    }
    Ok(())
}
