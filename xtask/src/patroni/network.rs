//! The wires: a network namespace for each machine, and a bridge between them and to this one.

use super::NAMES;
use crate::postgres::must;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// Networks to choose from: 10.213.1.0/24 to 10.213.254.0/24.
const NUMBERS: std::ops::RangeInclusive<u8> = 1..=254;

/// A network by its number, which no other trial uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network(u8);

impl Network {
    pub(crate) fn numbered(number: u8) -> Self {
        Self(number)
    }

    /// One that is not in use.
    pub(crate) fn free() -> Result<Self> {
        let routes = Command::new("ip").arg("route").output().context("ip cannot be started")?.stdout;
        let routes = String::from_utf8_lossy(&routes).into_owned();
        let free = |network: &Self| {
            let taken = routes.contains(&format!("10.213.{}.", network.0));
            !taken && !std::path::Path::new(&format!("/sys/class/net/{}", network.bridge())).exists()
        };
        NUMBERS.map(Self).find(free).context("every network from 10.213.1.0 to 10.213.254.0 is in use")
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// The address of a machine.
    pub(crate) fn address(self, name: &str) -> String {
        let place = NAMES.iter().position(|known| *known == name).unwrap_or_default() + 1;
        format!("10.213.{}.{place}", self.0)
    }

    /// All addresses.
    pub(crate) fn range(self) -> String {
        format!("10.213.{}.0/24", self.0)
    }

    pub(crate) fn namespace(self, name: &str) -> String {
        format!("chimera-{}-{name}", self.0)
    }

    fn bridge(self) -> String {
        format!("chm{}", self.0)
    }

    /// The end of a machine's wire that is here.
    fn wire(self, name: &str) -> String {
        format!("chm{}{name}", self.0)
    }

    /// The networks that there are, each with what its maker noted.
    pub(crate) fn existing() -> Vec<(Self, String)> {
        let noted = |network: Self| {
            let note =
                std::fs::read_to_string(format!("/sys/class/net/{}/ifalias", network.bridge())).ok()?;
            Some((network, note.trim().to_owned()))
        };
        NUMBERS.map(Self).filter_map(noted).collect()
    }

    /// Makes it, with a note of whose it is.
    pub(crate) fn make(self, note: &str) -> Result<()> {
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["link", "set", &bridge, "alias", note])?;
        ip(&["addr", "add", &format!("10.213.{}.254/24", self.0), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for name in NAMES {
            let (space, wire) = (self.namespace(name), self.wire(name));
            ip(&["netns", "add", &space])?;
            ip(&["link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
            ip(&["link", "set", &wire, "master", &bridge, "up"])?;
            let address = format!("{}/24", self.address(name));
            ip(&["-n", &space, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
            ip(&["-n", &space, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// Takes the wire of a machine away, or puts it back.
    pub(crate) fn connect(self, name: &str, connected: bool) -> Result<()> {
        ip(&["link", "set", &self.wire(name), if connected { "up" } else { "down" }])
    }

    /// The processes of a machine.
    pub(crate) fn processes(self, name: &str) -> Result<Vec<u32>> {
        let listed = Command::new("ip").args(["netns", "pids", &self.namespace(name)]).output()?;
        if !listed.status.success() {
            bail!("{}", String::from_utf8_lossy(&listed.stderr));
        }
        Ok(String::from_utf8_lossy(&listed.stdout).lines().filter_map(|pid| pid.parse().ok()).collect())
    }

    /// Ends everything in it, then removes it. What is not there any more is what is wanted.
    pub(crate) fn remove(self) {
        let quietly = |args: &[&str]| {
            let _ = Command::new("ip").args(args).stderr(Stdio::null()).status();
        };
        for name in NAMES {
            // More than once: a process may start another one meanwhile.
            for _ in 0..5 {
                let left = self.processes(name).unwrap_or_default();
                left.iter().for_each(|pid| kill(*pid));
            }
            quietly(&["netns", "del", &self.namespace(name)]);
            quietly(&["link", "del", &self.wire(name)]);
        }
        quietly(&["link", "del", &self.bridge()]);
    }
}

/// Ends a process at once, as a loss of power would.
pub(crate) fn kill(pid: u32) {
    let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
}

fn ip(args: &[&str]) -> Result<()> {
    must(Command::new("ip").args(args))
}
