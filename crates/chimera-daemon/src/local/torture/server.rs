//! A scratch server of PostgreSQL: made in a temporary directory, restarted at will, gone with the value.
//!
//! The project's own tasks use this file as well, for the server of the tests.

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian keeps the server's programs, beside the search path.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that the server runs as when this runs as root, which the server refuses.
const ACCOUNT: &str = "postgres";

/// A server that listens on loopback only; dropping it ends it and removes its files.
pub(crate) struct Server {
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// Makes a server, not yet started, of the programs in a directory.
    pub(crate) fn make(bin: PathBuf) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chimera-postgres-").tempdir()?;
        if as_root() {
            must(Command::new("chown").arg(ACCOUNT).arg(dir.path()))?;
        }
        // Asked of the system and given back: the server binds it itself a moment later.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let server = Self { bin, dir, port };
        let how = ["-A", "trust", "-U", "postgres", "--no-sync"];
        must(server.command("initdb").arg("-D").arg(server.data()).args(how))?;
        Ok(server)
    }

    /// Where it is, without the name of a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts it with further settings, and waits until it answers.
    pub(crate) fn start(&self, more: &str) -> Result<()> {
        // Connections are ended here, not the machine: what reached the system's cache is as good as on disk.
        let settings = format!(
            "-h 127.0.0.1 -p {} -c unix_socket_directories='' -c max_connections=400 -c fsync=off {more}",
            self.port
        );
        self.control(&["-o", &settings, "start"])
    }

    /// Ends it: `fast` ends the connections and shuts down, `immediate` is a crash.
    pub(crate) fn stop(&self, mode: &str) -> Result<()> {
        self.control(&["-m", mode, "stop"])
    }

    fn control(&self, what: &[&str]) -> Result<()> {
        let log = self.dir.path().join("log");
        must(self.command("pg_ctl").arg("-D").arg(self.data()).arg("-l").arg(log).arg("-w").args(what))
    }

    fn command(&self, program: &str) -> Command {
        self.run_as(&self.bin.join(program))
    }

    /// A program that runs as the server does.
    pub(crate) fn run_as(&self, program: &Path) -> Command {
        let mut command = if as_root() {
            let mut command = Command::new("setpriv");
            let (user, group) = (format!("--reuid={ACCOUNT}"), format!("--regid={ACCOUNT}"));
            command.args([&user, &group, "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.dir.path()).env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that was never started, or has ended, is what is wanted.
        let _ = self.stop("immediate");
    }
}

/// The directory of the server's programs: the newest of Debian's, else what the search path has.
pub(crate) fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.retain(|bin| bin.join("initdb").is_file());
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file());
    versions.pop().or_else(on_path)
}

/// Whether this runs as root.
pub(crate) fn as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn must(command: &mut Command) -> Result<()> {
    let shown = Path::new(command.get_program()).display().to_string();
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("{shown} cannot be started"))?;
    if !status.success() {
        let said = [stdout, stderr].concat();
        bail!("{shown} failed ({status}):\n{}", String::from_utf8_lossy(&said));
    }
    Ok(())
}
