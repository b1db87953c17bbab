//! Who a process is: an id that the system may hand out again, made unique by when and where it began.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::OnceLock;

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
        Self {
            pid,
            start_time: start_time(pid).ok().flatten().unwrap_or(0),
            boot: boot(),
            namespace: namespace(),
        }
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

    /// Whether this very process runs, as far as can be seen.
    pub fn is_alive(&self) -> bool {
        self.is_here() && !self.has_ended()
    }

    /// Whether this process is known to have ended. Of processes of another boot or namespace nothing is known, nor while
    /// the system has no descriptor left to look.
    pub fn is_gone(&self) -> bool {
        self.is_here() && self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.start_time == 0 || start_time(self.pid).is_ok_and(|now| now != Some(self.start_time))
    }

    /// A system that does not tell its boot or its namespace could be any: nobody is known to be here.
    fn is_of(&self, boot: &str, namespace: &str) -> bool {
        let told = !boot.is_empty() && !namespace.is_empty();
        told && self.boot == boot && self.namespace == namespace
    }

    fn is_here(&self) -> bool {
        self.is_of(&boot(), &namespace())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.pid, self.start_time, self.boot, self.namespace)
    }
}

/// `None` if there is no such process, or only its remains; an error if that cannot be found out.
fn start_time(pid: u32) -> io::Result<Option<u64>> {
    seen(std::fs::read_to_string(format!("/proc/{pid}/stat")))
}

fn seen(stat: io::Result<String>) -> io::Result<Option<u64>> {
    match stat {
        Ok(stat) => Ok(started(&stat)),
        Err(err) if err.kind() == ErrorKind::NotFound || is_no_process(&err) => Ok(None),
        Err(err) => Err(err),
    }
}

/// A process that ends while its file is read.
fn is_no_process(err: &io::Error) -> bool {
    err.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn started(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything, parentheses and spaces too.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Read once: neither changes while this process lives, and later there may be no descriptor left to read it with.
fn boot() -> String {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.chars().take(8).collect()
    };
    BOOT.get_or_init(read).clone()
}

fn namespace() -> String {
    static NAMESPACE: OnceLock<String> = OnceLock::new();
    let read = || {
        let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
    };
    NAMESPACE.get_or_init(read).clone()
}

#[cfg(test)]
mod tests {
    use super::{Identity, seen};
    use rustix::io::Errno;

    #[test]
    fn that_a_process_cannot_be_looked_at_does_not_mean_that_it_has_ended() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS] {
            assert!(seen(Err(errno.into())).is_err(), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::SRCH] {
            assert_eq!(seen(Err(errno.into())).expect("an answer"), None, "{errno}");
        }
        let fields = "1 ".repeat(18);
        assert_eq!(seen(Ok(format!("7 (a) b) S {fields}42 0"))).expect("an answer"), Some(42));
        assert_eq!(seen(Ok(format!("7 (a) Z {fields}42 0"))).expect("an answer"), None, "only its remains");
    }

    #[test]
    fn where_the_system_does_not_tell_its_boot_nobody_is_known_to_be_here() {
        let of = |text: &str| Identity::parse(text).expect("an identity");
        assert!(of("7:1:abcd:4026").is_of("abcd", "4026"));
        for (boot, namespace) in [("", ""), ("abcd", ""), ("", "4026")] {
            assert!(!of(&format!("7:1:{boot}:{namespace}")).is_of(boot, namespace), "{boot}:{namespace}");
        }
    }
}
