//! Where a project keeps its frozen tests, and where they may run beside staging.

use super::ConfigError;
use chimera_agent::spec::{E2E_DIR, Staging};

/// Longest such path, in bytes: a test's name is added to it.
const DIR_BYTES: usize = 200;

/// The directory, as it is compared with what git says: relative, plain, without `/` at its end.
pub(super) fn e2e_dir(dir: Option<String>, key: &str) -> Result<String, ConfigError> {
    let Some(given) = dir else { return Ok(E2E_DIR.to_owned()) };
    let dir = given.trim_end_matches('/');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'+');
    let name = |part: &str| {
        let dots = matches!(part, "." | "..") || part.eq_ignore_ascii_case(".git");
        !part.is_empty() && !dots && !part.starts_with('-') && part.bytes().all(plain)
    };
    if dir.len() <= DIR_BYTES && dir.split('/').all(name) {
        return Ok(dir.to_owned());
    }
    let detail = format!(
        "`{given}` is not a directory below the repository's root: write it as \"tests/e2e\" or \"frontend/tests/e2e\", with letters, \
         digits, `-`, `_`, `.`, `@`, `+` and at most {DIR_BYTES} bytes"
    );
    Err(ConfigError::value(format!("{key}.e2e_dir"), detail))
}

/// Whether generated tests may run against `target_url` goes with `urls`, below which that has to be; and where an agent
/// deploys they have to.
pub(super) fn test_target(
    allowed: bool,
    urls: &[String],
    staging: &Staging,
    key: &str,
) -> Result<(), ConfigError> {
    let by_agent = matches!(staging, Staging::Agent { .. });
    if by_agent && !allowed {
        let detail = "an agent deploys this project, so its generated tests run against target_url before the change is made: say \
            `test_target = true` if they may, or let the daemon stage it (`start` or `static_dir`)";
        return Err(ConfigError::value(format!("{key}.test_target"), detail));
    }
    if allowed && urls.is_empty() {
        let detail = "it goes with `urls`: generated tests run only against addresses below one of them";
        return Err(ConfigError::value(format!("{key}.test_target"), detail));
    }
    Ok(())
}
