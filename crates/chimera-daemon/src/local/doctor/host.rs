//! Directories, disks, the clock and the database.

use super::Check;
use crate::config::Config;
use crate::data_dir;
use crate::seams::Clock;
use crate::web::rfc3339;
use chimera_core::UnixMillis;
use chimera_store::Looked;
use rustix::fs::{Access, StatVfsMountFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Less free space than that, and deliveries soon fail: a clone, a browser's profile and a build hardly fit.
const LEAST_SPACE: u64 = 200 << 20;
/// Less free space than that is worth a warning: one delivery with `node_modules` takes about as much.
const SOME_SPACE: u64 = 2 << 30;
/// The same for files and directories, which some file systems count.
const SOME_FILES: u64 = 20_000;
/// Clocks of daemon and database that differ by more than that make times hard to follow.
const SKEW: Duration = Duration::from_secs(5);
/// A clock before that has lost the time: 1 January 2025.
const EARLIEST: UnixMillis = UnixMillis(1_735_689_600_000);
/// A clock after that runs ahead of anything: 1 January 2100.
const LATEST: UnixMillis = UnixMillis(4_102_444_800_000);

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let temporary = config.environment.get("TMPDIR").filter(|dir| !dir.is_empty());
    let temporary = temporary.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let mut checks = vec![
        data_directory(&config.data_dir),
        directory("temporary directory", &temporary, "give another with the variable TMPDIR"),
        clock(Clock::system().now()),
    ];
    if let Some(remote) = &config.git_remote {
        checks.push(shared(remote));
    }
    checks
}

fn data_directory(dir: &Path) -> Check {
    let name = "data directory";
    data_dir::unfit_name(dir).map_or_else(
        || directory(name, dir, data_dir::ANOTHER),
        |why| Check::missing(name, why, data_dir::ANOTHER),
    )
}

/// Whether files can be made there and programs started from there, and how many more fit in.
fn directory(name: &str, dir: &Path, other: &str) -> Check {
    let shown = dir.display();
    let Some(base) = dir.ancestors().find(|place| place.exists()) else {
        return Check::missing(name, format!("{shown} does not exist"), other);
    };
    if !base.is_dir() {
        return Check::missing(name, format!("{} is not a directory", base.display()), other);
    }
    if rustix::fs::access(base, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let remedy = format!("let the daemon's user write there, or {other}");
        return Check::missing(name, format!("{} is not writable", base.display()), remedy);
    }
    let stat = match rustix::fs::statvfs(base) {
        Ok(stat) => stat,
        Err(err) => return Check::missing(name, format!("{}: {err}", base.display()), other),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{shown}, {} MiB free", free >> 20);
    let found = if base == dir { found } else { format!("{found}; made at the first start") };
    let room = format!("make room, or {other}");
    if stat.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Check::missing(name, format!("{shown} is on a read-only file system"), other)
    } else if stat.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        let remedy = format!("mount it without `noexec`, or {other}");
        Check::missing(name, format!("{shown} is mounted `noexec`: no program starts from there"), remedy)
    } else if free < LEAST_SPACE {
        Check::missing(name, found, room)
    } else if free < SOME_SPACE {
        Check::warning(name, found, room)
    } else if stat.f_files > 0 && stat.f_favail < SOME_FILES {
        Check::warning(name, format!("{shown}: only {} more files fit in", stat.f_favail), room)
    } else {
        Check::ok(name, found)
    }
}

fn clock(now: UnixMillis) -> Check {
    if (EARLIEST..LATEST).contains(&now) {
        return Check::ok("clock", rfc3339(now));
    }
    let detail = format!("it is not {}: tasks, leases and certificates go by this clock", rfc3339(now));
    Check::missing("clock", detail, "set the machine's clock, as with `timedatectl set-ntp true`")
}

/// The shared repository is made where nothing is yet, so the place must be there.
fn shared(remote: &str) -> Check {
    const NAME: &str = "shared repository";
    let place = Path::new(remote);
    let fixed = place.ancestors().find(|part| !part.to_string_lossy().contains("{project}")).unwrap_or(place);
    if !place.is_absolute() || fixed.is_dir() || fixed.parent().is_some_and(Path::is_dir) {
        return Check::ok(NAME, remote);
    }
    let detail = format!("{} does not exist", fixed.display());
    Check::missing(NAME, detail, "mount it, or correct `git.remote`")
}

/// The database and, where it is on a server, how far the clocks are apart.
pub(super) async fn database(config: &Config) -> Vec<Check> {
    const NAME: &str = "database";
    let (database, clock) = (config.database.clone(), Clock::system());
    let before = clock.now();
    let looked = tokio::task::spawn_blocking(move || chimera_store::look(&database)).await;
    let after = clock.now();
    let place = config.database.to_string();
    let looked = match looked
        .map_err(|err| err.to_string())
        .and_then(|looked| looked.map_err(|err| err.to_string()))
    {
        Ok(Some(looked)) => looked,
        Ok(None) => return vec![Check::ok(NAME, format!("{place}; made at the first start"))],
        Err(why) => {
            let remedy = "correct `database.url`, or see that the server runs and lets this user in";
            return vec![Check::missing(NAME, why, remedy)];
        }
    };
    let mut checks = vec![schema(&place, looked)];
    checks.extend(looked.server_time.and_then(|time| skew(time, before, after)));
    checks
}

fn schema(place: &str, looked: Looked) -> Check {
    let Looked { schema, newest, writable, .. } = looked;
    if !writable {
        let remedy = "let the daemon's user write it; on PostgreSQL, name the primary and not a standby";
        return Check::missing("database", format!("{place} cannot be written"), remedy);
    }
    let version = match schema {
        0 => "empty; filled at the first start".to_owned(),
        schema if schema < newest => format!("schema {schema}; brought to {newest} at the next start"),
        schema => format!("schema {schema}"),
    };
    Check::ok("database", format!("{place}, {version}"))
}

fn skew(server: UnixMillis, before: UnixMillis, after: UnixMillis) -> Option<Check> {
    let apart = before.since(server).max(server.since(after));
    (apart > SKEW).then(|| {
        let detail =
            format!("the database's clock shows {}, {} s from this one", rfc3339(server), apart.as_secs());
        Check::warning(
            "clock",
            detail,
            "set both clocks by the same time server; the daemon goes by the database's",
        )
    })
}

#[cfg(test)]
mod tests;
