//! On what terms git runs: settings that no repository changes, no questions to anybody, an end in time.

use super::Options;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where programs are looked for if the daemon itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Names of the daemon's variables that say how hosts and keys are reached.
const LET_THROUGH: [&str; 13] = [
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PATH",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Given before every command. Hooks and monitors would run a repository's programs in the daemon's name.
const SETTINGS: [&str; 21] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "core.autocrlf=false",
    // What the database says is there is there, also after a power failure.
    "core.fsync=objects,derived-metadata,reference",
    "core.fsyncMethod=fsync",
    // A lock that somebody holds is waited for, ten seconds.
    "core.filesRefLockTimeout=10000",
    "core.packedRefsTimeout=10000",
    "core.symlinks=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
    "commit.gpgSign=false",
    "safe.directory=*",
    "advice.addEmbeddedRepo=false",
    "protocol.ext.allow=never",
    "credential.helper=",
];

/// The user's configuration as git sees it, also where it serves a path to itself: there, nothing of the command
/// line arrives.
const GLOBAL: &str = "[safe]\n\tdirectory = *\n";

/// Nobody is asked for a password or whether a host is the right one, and no connection outlives its command.
const SSH: &str = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30 -o ControlMaster=no \
                   -o ControlPath=none";

/// The name of the project's repository in a partial clone.
pub(super) const SOURCE: &str = "source";

/// Until when git may run, and what it finds around it.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Ends a command at once.
    pub(super) stop: CancellationToken,
    /// Longest run of one command.
    pub(super) timeout: Duration,
    /// The file that git takes for the user's configuration.
    global: PathBuf,
    environment: BTreeMap<String, String>,
    helper: Option<String>,
    /// From where, and with which filter, git fetches what a partial clone lacks.
    promisor: Option<(String, String)>,
}

impl Terms {
    /// The terms of a directory of clones, in which the file for git's configuration is made.
    ///
    /// # Errors
    /// If that file cannot be written.
    pub(super) fn new(repositories: &Path) -> std::io::Result<Self> {
        let global = repositories.join("gitconfig");
        if std::fs::read(&global).ok().as_deref() != Some(GLOBAL.as_bytes()) {
            let draft = tempfile::NamedTempFile::new_in(repositories)?;
            std::fs::write(draft.path(), GLOBAL)?;
            draft.persist(&global).map_err(|err| err.error)?;
        }
        let (stop, timeout) = (CancellationToken::new(), Options::default().timeout);
        Ok(Self { stop, timeout, global, environment: BTreeMap::new(), helper: None, promisor: None })
    }

    /// The same, with what this environment says of the way to hosts and keys.
    pub(super) fn with_environment(self, environment: &BTreeMap<String, String>) -> Self {
        let known = |name: &str| LET_THROUGH.contains(&name) || name == "HOME";
        let environment = environment.iter().filter(|(name, _)| known(name));
        Self { environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect(), ..self }
    }

    /// The same, until this.
    pub(super) fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// The same, for a project.
    pub(super) fn of(&self, repo: &str, options: &Options) -> Self {
        let helper = options.credentials.as_ref().map(super::Credentials::helper);
        let promisor = options.filter.clone().map(|filter| (repo.to_owned(), filter));
        Self { timeout: options.timeout, helper, promisor, ..self.clone() }
    }

    /// The filter of a partial clone.
    pub(super) fn filter(&self) -> Option<&str> {
        self.promisor.as_ref().map(|(_, filter)| filter.as_str())
    }

    pub(super) fn path(&self) -> &str {
        self.environment.get("PATH").map_or(DEFAULT_PATH, String::as_str)
    }

    /// What is set before every command.
    pub(super) fn settings(&self) -> impl Iterator<Item = OsString> {
        let helper = self.helper.iter().map(|helper| format!("credential.helper={helper}").into());
        let promisor = self.promisor.iter().flat_map(|(repo, filter)| {
            [("url", repo.as_str()), ("promisor", "true"), ("partialCloneFilter", filter)]
                .map(|(name, value)| format!("remote.{SOURCE}.{name}={value}").into())
        });
        SETTINGS.into_iter().map(OsString::from).chain(helper).chain(promisor)
    }

    /// The whole environment of a command.
    pub(super) fn environment(&self, index: Option<&Path>) -> Vec<(OsString, OsString)> {
        let own = [
            ("PATH", DEFAULT_PATH),
            ("LC_ALL", "C.UTF-8"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_SSH_COMMAND", SSH),
            ("GIT_SSH_VARIANT", "ssh"),
            ("SSH_ASKPASS_REQUIRE", "never"),
            ("GIT_AUTHOR_NAME", "Chimera"),
            ("GIT_AUTHOR_EMAIL", "chimera@localhost"),
            ("GIT_COMMITTER_NAME", "Chimera"),
            ("GIT_COMMITTER_EMAIL", "chimera@localhost"),
            // A helper of the user's finds what it keeps there; git itself has no business in it.
            ("HOME", "/nonexistent"),
        ];
        let mut all: BTreeMap<OsString, OsString> =
            own.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let let_through =
            self.environment.iter().filter(|(name, _)| *name != "HOME" || self.helper.is_some());
        all.extend(let_through.map(|(name, value)| (name.into(), value.into())));
        all.insert("GIT_CONFIG_GLOBAL".into(), self.global.clone().into());
        if let Some(clones) = self.global.parent() {
            // A data directory in a checkout of something else: that is none of our repositories.
            all.insert("GIT_CEILING_DIRECTORIES".into(), clones.into());
        }
        all.extend(index.map(|index| ("GIT_INDEX_FILE".into(), index.into())));
        all.into_iter().collect()
    }
}

/// The text with the passwords of its URLs left out.
pub(super) fn redact(text: &str) -> String {
    let mut parts = text.split("://");
    let mut before = parts.next().unwrap_or_default();
    let mut shown = before.to_owned();
    for part in parts {
        // A name alone is a token there.
        let secret = |user: &str| user.contains(':') || before.ends_with("http") || before.ends_with("https");
        let end = part.find(|c: char| c == '/' || c.is_whitespace() || c == '\'' || c == '"');
        let authority = &part[..end.unwrap_or(part.len())];
        shown.push_str("://");
        match authority.rfind('@').filter(|at| secret(&authority[..*at])) {
            Some(at) => shown.push_str(&format!("***{}", &part[at..])),
            None => shown.push_str(part),
        }
        before = part;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn no_password_of_a_url_is_shown() {
        let shown =
            redact("cannot read 'https://ada:se@cret@host.example/shop.git': or ssh://git@host/a:b@c");
        assert_eq!(shown, "cannot read 'https://***@host.example/shop.git': or ssh://git@host/a:b@c");
        assert_eq!(redact("https://token@host/"), "https://***@host/");
        assert_eq!(redact("https://ada:pass"), "https://ada:pass");
        assert_eq!(redact("x://a:b@c y://d:e@f"), "x://***@c y://***@f");
    }
}
