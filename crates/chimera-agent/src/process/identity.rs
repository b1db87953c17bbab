//! Who a process is: an id that the system may hand out again, made unique by when and where it began.

use std::fmt;

/// A process, named so that no other one is ever taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pid: u32,
    /// Clock ticks after the boot, field 22 of `/proc/PID/stat`.
    start_time: u64,
    /// The first part of the kernel's boot id.
    boot: String,
    /// The inode of the process namespace, in which ids mean something.
    namespace: String,
}

impl Identity {
    /// This process.
    pub fn current() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has this id now; start time 0 if there is none.
    pub fn of(pid: u32) -> Self {
        Self { pid, start_time: start_time(pid).unwrap_or(0), boot: boot(), namespace: namespace() }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (pid, start_time) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (boot, namespace) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next().is_none().then_some(Self { pid, start_time, boot, namespace })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether this very process runs.
    pub fn is_alive(&self) -> bool {
        self.is_here() && self.start_time != 0 && start_time(self.pid) == Some(self.start_time)
    }

    /// Whether this process is known to have ended. Of processes of another boot or namespace nothing is known.
    pub fn is_gone(&self) -> bool {
        self.is_here() && !self.is_alive()
    }

    fn is_here(&self) -> bool {
        self.boot == boot() && self.namespace == namespace()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.pid, self.start_time, self.boot, self.namespace)
    }
}

/// `None` if there is no such process, or only its remains.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything, parentheses and spaces too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.chars().take(8).collect()
}

fn namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}
