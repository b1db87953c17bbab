//! Lays the layers over each other and checks the result.

use super::file::{self, File};
use super::{Api, Config, ConfigError, Flags, duration, executor, nearest, parties, repository};
use chimera_core::{Phase, Role};
use chimera_store::Database;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) type Environment = BTreeMap<String, String>;

pub(super) fn resolve(
    file: File,
    flags: &Flags,
    environment: Environment,
    cwd: &Path,
    home: &Path,
) -> Result<Config, ConfigError> {
    let data_dir = path_setting(flags.data_dir.as_deref(), &environment, "CHIMERA_DATA_DIR", cwd)
        .or_else(|| file.data_dir.map(|dir| home.join(dir)))
        .unwrap_or_else(|| home.join("chimera-data"));
    let tools_dir = path_setting(flags.tools_dir.as_deref(), &environment, "CHIMERA_TOOLS_DIR", cwd)
        .or_else(|| file.tools_dir.map(|dir| home.join(dir)))
        .unwrap_or_else(|| data_dir.join("tools"));
    let chromium = path_setting(None, &environment, "CHIMERA_CHROMIUM", cwd)
        .or_else(|| file.chromium.map(|path| home.join(path)));
    let database = database(&file.database, &environment, cwd, home)?
        .unwrap_or_else(|| Database::Sqlite(data_dir.join("tasks.db")));
    let agents = parties::agents(file.agent, home)?;
    let projects = parties::projects(file.project, &agents, home)?;
    Ok(Config {
        file: None,
        api: api(file.api, flags, &environment)?,
        policy: executor::policy(&file.executor),
        executor: executor::executor(&file.executor, flags, &environment)?,
        timeouts: timeouts(&file.timeouts)?,
        green_runs: at_least_one("delivery.green_runs", file.delivery.green_runs.unwrap_or(2))?,
        staging_ttl: file.delivery.staging_ttl.map_or(Duration::from_secs(24 * 3600), |span| span.0),
        recordings: parties::recordings(file.delivery.recordings.as_deref())?,
        home_patience: file.git.home_patience.map_or(Duration::from_secs(3600), |span| span.0),
        git_remote: file.git.remote.map(|remote| repository::place(remote, home)),
        retention: super::retention::retention(&file.retention)?,
        roles: parties::roles(file.roles, &agents)?,
        data_dir,
        tools_dir,
        chromium,
        database,
        database_readers: readers(&file.database)?,
        agents,
        projects,
        environment,
    })
}

fn path_setting(flag: Option<&Path>, environment: &Environment, name: &str, cwd: &Path) -> Option<PathBuf> {
    flag.or_else(|| environment.get(name).map(Path::new)).map(|path| cwd.join(path))
}

/// Most connections for reading: PostgreSQL allows 100 in all by default.
const MOST_READERS: usize = 64;

fn database(
    file: &file::Database,
    environment: &Environment,
    cwd: &Path,
    home: &Path,
) -> Result<Option<Database>, ConfigError> {
    if let Some(path) = environment.get("CHIMERA_DB_PATH") {
        return Ok(Some(Database::Sqlite(cwd.join(path))));
    }
    let (key, url, base) = match (environment.get("CHIMERA_DATABASE_URL"), &file.url) {
        (Some(url), _) => ("CHIMERA_DATABASE_URL", url, cwd),
        (None, Some(url)) => ("database.url", url, home),
        (None, None) => return Ok(None),
    };
    let ca = file.tls_ca.as_deref().map(|path| home.join(path));
    Database::parse(url, base, ca).map(Some).map_err(|detail| ConfigError::value(key, detail))
}

fn readers(file: &file::Database) -> Result<usize, ConfigError> {
    match file.readers.unwrap_or(2) {
        readers @ 1..=MOST_READERS => Ok(readers),
        other => {
            let detail = format!("{other} connections are not possible: give 1 to {MOST_READERS}");
            Err(ConfigError::value("database.readers", detail))
        }
    }
}

fn api(file: file::Api, flags: &Flags, environment: &Environment) -> Result<Api, ConfigError> {
    let port = match (flags.port, environment.get("CHIMERA_API_PORT")) {
        (Some(port), _) => port,
        (None, Some(text)) => number("CHIMERA_API_PORT", text, 0..=u16::MAX)?,
        (None, None) => file.port.unwrap_or(8000),
    };
    let host = flags.host.clone().or_else(|| environment.get("CHIMERA_API_HOST").cloned()).or(file.host);
    Ok(Api { host: host.unwrap_or_else(|| "127.0.0.1".to_owned()), port, allowed_hosts: file.allowed_hosts })
}

fn timeouts(file: &BTreeMap<String, duration::Span>) -> Result<BTreeMap<Phase, Duration>, ConfigError> {
    let minutes = |m: u64| Duration::from_secs(m * 60);
    let mut timeouts = BTreeMap::from([
        (Phase::E2eTestGeneration, minutes(5)),
        (Phase::CodeImplementation, minutes(30)),
        (Phase::GuardianReview, minutes(10)),
        (Phase::StagingDeployment, minutes(15)),
        (Phase::E2eValidation, minutes(10)),
    ]);
    for (name, span) in file {
        let phase = Phase::parse(name).filter(|phase| !phase.is_end()).ok_or_else(|| {
            unknown(
                "timeouts",
                name,
                Phase::WORKING.into_iter().map(Phase::as_str),
                "is not a phase that runs",
            )
        })?;
        at_least(&format!("timeouts.{name}"), span.0, Duration::from_secs(1))?;
        timeouts.insert(phase, span.0);
    }
    Ok(timeouts)
}

pub(super) fn role(name: &str, key: &str) -> Result<Role, ConfigError> {
    Role::ALL
        .into_iter()
        .find(|role| role.as_str() == name)
        .ok_or_else(|| unknown(key, name, Role::ALL.into_iter().map(Role::as_str), "is not a role"))
}

pub(super) fn unknown<'a>(
    key: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    what: &str,
) -> ConfigError {
    let hint = match nearest(name, known.clone()) {
        Some(hint) => format!("did you mean `{hint}`?"),
        None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
    };
    ConfigError::value(key, format!("`{name}` {what}: {hint}"))
}

pub(super) fn number<T>(key: &str, text: &str, range: RangeInclusive<T>) -> Result<T, ConfigError>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match text.trim().parse::<T>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let detail = format!("`{text}` is not a whole number from {} to {}", range.start(), range.end());
            Err(ConfigError::value(key, detail))
        }
    }
}

pub(super) fn at_least_one(key: &str, value: u32) -> Result<u32, ConfigError> {
    if value == 0 { Err(ConfigError::value(key, "must be at least 1")) } else { Ok(value) }
}

pub(super) fn at_least(key: &str, value: Duration, least: Duration) -> Result<(), ConfigError> {
    if value >= least {
        return Ok(());
    }
    Err(ConfigError::value(key, format!("{value:?} is too short: give at least {least:?}")))
}
