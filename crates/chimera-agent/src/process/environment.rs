//! The environment of a subprocess: made from nothing, with what was let through.

use std::collections::BTreeMap;
use std::path::Path;

/// Where programs are looked for if the daemon itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A fresh environment: `PATH` of the daemon, a neutral locale and time zone, `home` as `HOME` and for
/// temporary files, and the variables of the daemon that `let_through` names.
pub fn fresh(
    daemon: &BTreeMap<String, String>,
    let_through: &[String],
    home: &Path,
) -> BTreeMap<String, String> {
    let home = home.to_string_lossy().into_owned();
    let path = daemon.get("PATH").cloned().unwrap_or_else(|| DEFAULT_PATH.to_owned());
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), path),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("TZ".to_owned(), "UTC".to_owned()),
        ("HOME".to_owned(), home.clone()),
        ("TMPDIR".to_owned(), home),
    ]);
    for name in let_through {
        if let Some(value) = daemon.get(name) {
            environment.insert(name.clone(), value.clone());
        }
    }
    environment
}
