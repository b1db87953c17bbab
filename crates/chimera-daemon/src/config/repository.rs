//! Repositories: where they are, and how git reaches them.

use super::check::{at_least, unknown};
use super::{ConfigError, file};
use chimera_agent::workspace::{Credentials, Options, Part};
use std::path::Path;
use std::time::Duration;

/// The longest time that one git command may take: attempts are not longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A URL as it is, also in the form of ssh (`host:path`); a path relative to the configuration.
pub(super) fn place(place: String, base: &Path) -> String {
    let before_slash = place.split('/').next().unwrap_or_default();
    let is_url = place.contains("://") || before_slash.contains(':');
    if is_url { place } else { base.join(place).to_string_lossy().into_owned() }
}

/// How the repository of a project is reached.
pub(super) fn options(project: &mut file::Project, key: &str, base: &Path) -> Result<Options, ConfigError> {
    let usual = Options::default();
    let timeout = project.git_timeout.take().map_or(usual.timeout, |span| span.0);
    at_least(&format!("{key}.git_timeout"), timeout, Duration::from_secs(1))?;
    if timeout > LONGEST {
        return Err(ConfigError::value(format!("{key}.git_timeout"), "give at most 24h"));
    }
    let credentials = match (project.git_credentials.take(), project.git_credential_helper.take()) {
        (None, None) => None,
        (Some(file), None) => Some(Credentials::File(base.join(file))),
        (None, Some(helper)) => Some(Credentials::Helper(helper)),
        (Some(_), Some(_)) => {
            let detail = "give a file (`git_credentials`) or a program (`git_credential_helper`), not both";
            return Err(ConfigError::value(key, detail));
        }
    };
    let without = std::mem::take(&mut project.without);
    let without = without.iter().map(|name| part(name, &format!("{key}.without")));
    let filter = project.git_filter.take();
    Ok(Options { timeout, credentials, without: without.collect::<Result<_, _>>()?, filter })
}

fn part(name: &str, key: &str) -> Result<Part, ConfigError> {
    Part::ALL.into_iter().find(|part| part.as_str() == name).ok_or_else(|| {
        unknown(
            key,
            name,
            Part::ALL.into_iter().map(Part::as_str),
            "is nothing that a project can be without",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::place;
    use std::path::Path;

    #[test]
    fn what_is_no_path_stays_as_it_is() {
        let at = |text: &str| place(text.to_owned(), Path::new("/etc/chimera"));
        for url in
            ["https://host/a.git", "ssh://git@host:22/a", "git@host:a/b.git", "host:a/b", "file:///a b"]
        {
            assert_eq!(at(url), url);
        }
        assert_eq!(at("shop"), "/etc/chimera/shop");
        assert_eq!(at("./a:b"), "/etc/chimera/./a:b");
        assert_eq!(at("/srv/git/my shop"), "/srv/git/my shop");
    }
}
