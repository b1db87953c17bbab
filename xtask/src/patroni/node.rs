//! One machine: its etcd, its Patroni, and the PostgreSQL that Patroni starts.

use super::{ACCOUNT, Cluster, NAMES};
use crate::postgres::{must, programs};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const ETCD: &str = include_str!("../../../deploy/patroni/etcd.yml");
const PATRONI: &str = include_str!("../../../deploy/patroni/patroni.yml");
/// How long Patroni's interface may take to answer; a machine that is cut off never does.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer of Patroni that is read, in bytes.
const LONGEST: u64 = 64 << 10;
/// The programs that run there, and the file that each reads.
const PROGRAMS: [(&str, &str); 2] = [("etcd", "etcd.yml"), ("patroni", "patroni.yml")];

/// A machine by its name.
pub(crate) struct Node<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'static str,
}

impl Node<'_> {
    fn dir(&self) -> PathBuf {
        self.cluster.dir.join(self.name)
    }

    /// Where PostgreSQL's data are.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Writes its files.
    pub(crate) fn make(&self, password: &str) -> Result<()> {
        std::fs::create_dir(self.dir())?;
        let (network, dir) = (self.cluster.network, self.dir());
        let bin = programs().context("PostgreSQL is not there")?;
        for (template, (program, file)) in [ETCD, PATRONI].into_iter().zip(PROGRAMS) {
            let data = dir.join(if program == "etcd" { "etcd" } else { "data" });
            let words = [
                ("@NAME@", self.name.to_owned()),
                ("@ADDRESS@", network.address(self.name)),
                ("@ONE@", network.address(NAMES[0])),
                ("@TWO@", network.address(NAMES[1])),
                ("@THREE@", network.address(NAMES[2])),
                ("@NETWORK@", network.range()),
                ("@PASSWORD@", password.to_owned()),
                ("@DATA@", data.display().to_string()),
                ("@RUN@", dir.display().to_string()),
                ("@WATCHDOG@", "off".to_owned()),
                ("/usr/lib/postgresql/15/bin", bin.display().to_string()),
            ];
            let text =
                words.iter().fold(template.to_owned(), |text, (word, value)| text.replace(word, value));
            std::fs::write(dir.join(file), text)?;
        }
        must(Command::new("chown").args(["-R", ACCOUNT]).arg(dir))
    }

    /// Starts what does not run.
    pub(crate) fn start(&self) -> Result<()> {
        for (program, file) in PROGRAMS {
            if !self.runs(program) {
                self.start_one(program, file)?;
            }
        }
        Ok(())
    }

    fn start_one(&self, program: &str, file: &str) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log(program))?;
        let mut command = Command::new("setsid");
        command.args(["ip", "netns", "exec", &self.cluster.network.namespace(self.name)]);
        let (user, group) = (format!("--reuid={ACCOUNT}"), format!("--regid={ACCOUNT}"));
        command.args(["setpriv", &user, &group, "--clear-groups", "--", program]);
        if program == "etcd" {
            command.arg("--config-file");
        }
        command.arg(self.dir().join(file)).current_dir(self.dir()).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Each of them replaces itself by the next: the number stays.
        let pid = command.spawn().with_context(|| format!("{program} cannot be started"))?.id();
        Ok(std::fs::write(self.pid_file(program), pid.to_string())?)
    }

    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.dir().join(format!("{program}.log"))
    }

    fn pid_file(&self, program: &str) -> PathBuf {
        self.dir().join(format!("{program}.pid"))
    }

    /// The number of a program that was started here.
    pub(crate) fn pid(&self, program: &str) -> Option<u32> {
        std::fs::read_to_string(self.pid_file(program)).ok()?.trim().parse().ok()
    }

    fn runs(&self, program: &str) -> bool {
        let stat =
            self.pid(program).and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // What has ended and is not yet reaped is a Z.
        stat.is_some_and(|stat| {
            !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
        })
    }

    /// A statement for its PostgreSQL, as its superuser.
    pub(crate) fn sql(&self, statement: &str) -> Result<Command> {
        let mut psql = Command::new(programs().context("PostgreSQL is not there")?.join("psql"));
        let password = std::fs::read_to_string(self.cluster.dir.join("password"))?;
        psql.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "2");
        psql.args(["-h", &self.cluster.network.address(self.name), "-U", "postgres", "-d", "postgres"]);
        psql.args(["-X", "-At", "-c", statement]);
        Ok(psql)
    }

    /// Whether Patroni says yes to a question of its interface, such as `primary`.
    pub(crate) fn is(&self, what: &str) -> bool {
        self.ask(what).is_some_and(|answer| answer.contains(" 200 "))
    }

    fn ask(&self, what: &str) -> Option<String> {
        let address: SocketAddr = format!("{}:8008", self.cluster.network.address(self.name)).parse().ok()?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET /{what} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.take(LONGEST).read_to_string(&mut answer).ok()?;
        Some(answer.lines().next()?.to_owned())
    }
}
