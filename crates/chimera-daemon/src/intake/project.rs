//! Which project a request is about, if it does not say so.

use chimera_agent::spec::Project;
use chimera_core::limits;
use url::Url;

/// The configured project with the longest URL prefix of `target`, else a scratch project of its host.
pub(super) fn decide(target: &Url, projects: &[Project]) -> String {
    let claims = projects.iter().filter_map(|project| Some((project.claims(target)?, project.name.as_str())));
    // Of equal claims the first configured one wins.
    match claims.reduce(|best, next| if next.0 > best.0 { next } else { best }) {
        Some((_, name)) => name.to_owned(),
        None => scratch(target),
    }
}

/// `scratch-` and the host: a directory and a repository of that name are made in the data directory.
///
/// A port that is not the scheme's own is another site. Names that would be too long are told apart by a hash.
fn scratch(target: &Url) -> String {
    /// Digits of the hash: enough to tell the hosts of one installation apart.
    const HASH: usize = 12;
    let host = target.host_str().unwrap_or("unknown");
    let host = match target.port() {
        Some(port) => format!("{host}-{port}"),
        None => host.to_owned(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = format!("scratch-{host}").chars().map(plain).collect();
    if name.len() > limits::PROJECT_BYTES {
        let hash = chimera_agent::vault::sha256(host.as_bytes());
        name.truncate(limits::PROJECT_BYTES - HASH - 1);
        name = format!("{name}-{}", &hash.as_str()[..HASH]);
    }
    name
}
