//! A cluster of PostgreSQL under Patroni: three machines that are network namespaces, gone with the run.
//!
//! The configuration is that of `deploy/patroni`, with its words replaced. Map: [`network`] is the wires, [`node`] one
//! machine with its etcd, Patroni and PostgreSQL, [`control`] what a trial does to them, [`guard`] what removes them.

mod control;
mod guard;
mod network;
mod node;

pub(crate) use control::control;
pub(crate) use guard::stand_guard;

use crate::postgres::{as_root, must, programs};
use crate::run::{Stopwatch, found, seconds};
use anyhow::{Context, Result, bail};
use guard::Guard;
use network::Network;
use node::Node;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the cluster may take to have a primary and two standbys that follow it.
const START: Duration = Duration::from_secs(120);
/// The machines.
pub(crate) const NAMES: [&str; 3] = ["one", "two", "three"];
/// The account that everything runs as.
const ACCOUNT: &str = "postgres";

/// The files of a cluster, which tell the rest.
pub(crate) struct Cluster {
    pub(crate) dir: PathBuf,
    pub(crate) network: Network,
}

/// A cluster that runs; it and its files are gone with the value, and with the process.
pub(crate) struct Running {
    cluster: Cluster,
    password: String,
    // Removes it, whatever becomes of this process.
    _guard: Guard,
}

impl Cluster {
    /// One that was made before.
    pub(crate) fn at(dir: &Path) -> Result<Self> {
        let number = std::fs::read_to_string(dir.join("network")).context("there is no cluster there")?;
        Ok(Self { dir: dir.to_owned(), network: Network::numbered(number.trim().parse()?) })
    }

    /// Ends everything in it, and removes its files.
    fn remove(&self) {
        self.network.remove();
        let _ = std::fs::remove_dir_all(&self.dir);
    }

    pub(crate) fn nodes(&self) -> [Node<'_>; 3] {
        NAMES.map(|name| Node { cluster: self, name })
    }
}

impl Running {
    /// Makes a cluster and waits until it is whole.
    pub(crate) fn start() -> Result<Self> {
        let watch = Stopwatch::start();
        eprintln!("xtask: a cluster of three ...");
        require()?;
        guard::remove_stale();
        let dir = tempfile::Builder::new().prefix("chimera-patroni-").tempdir()?.keep();
        let cluster = Cluster { dir, network: Network::free()? };
        std::fs::write(cluster.dir.join("network"), cluster.network.number().to_string())?;
        let guard = Guard::set(&cluster.dir)?;
        std::fs::set_permissions(&cluster.dir, std::fs::Permissions::from_mode(0o755))?;
        let password = password()?;
        std::fs::write(cluster.dir.join("password"), &password)?;
        cluster.network.make(&guard::note(&cluster.dir)?)?;
        let running = Self { cluster, password, _guard: guard };
        running.write_control()?;
        for node in running.cluster.nodes() {
            node.make(&running.password)?;
            node.start()?;
        }
        control::wait(&running.cluster, START)?;
        running.make_database()?;
        eprintln!("xtask: a cluster of three: there after {}", seconds(watch.elapsed()));
        Ok(running)
    }

    /// Tells a command where it is, and how to do something to it.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("CHIMERA_DATABASE_URL", self.url()).env("CLUSTER_CONTROL", self.control_path());
    }

    /// As daemons are given it: whichever machine takes changes.
    fn url(&self) -> String {
        let hosts = NAMES.map(|name| format!("{}:5432", self.cluster.network.address(name))).join(",");
        format!(
            "postgres://chimera:{}@{hosts}/chimera?target_session_attrs=read-write&connect_timeout=2",
            self.password
        )
    }

    fn control_path(&self) -> PathBuf {
        self.cluster.dir.join("control")
    }

    /// A program for the command that this runs, which may not know of xtask.
    fn write_control(&self) -> Result<()> {
        let own = std::env::current_exe()?;
        let (own, dir, path) = (own.display(), self.cluster.dir.display(), self.control_path());
        std::fs::write(&path, format!("#!/bin/sh\nexec '{own}' patroni-control '{dir}' \"$@\"\n"))?;
        Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
    }

    fn make_database(&self) -> Result<()> {
        let primary = control::primary(&self.cluster).context("there is no primary")?;
        must(&mut primary.sql(&format!("CREATE ROLE chimera LOGIN PASSWORD '{}'", self.password))?)?;
        must(&mut primary.sql("CREATE DATABASE chimera OWNER chimera")?)
    }
}

/// Fetches what is missing, where that may be done.
fn require() -> Result<()> {
    if !as_root() {
        bail!("network namespaces need root");
    }
    let all = || programs().is_some() && ["patroni", "etcd", "ip", "setpriv"].into_iter().all(found);
    if !all() && found("apt-get") {
        must(Command::new("apt-get").args(["update", "-qq"]))?;
        let packages = ["postgresql-15", "patroni", "etcd-server", "iproute2"];
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
        // In this runlevel the packages' own services are not started.
        must(install.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))?;
    }
    if !all() {
        bail!("something is missing: `apt-get install postgresql-15 patroni etcd-server iproute2`");
    }
    Ok(())
}

fn password() -> Result<String> {
    let mut bytes = [0; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
