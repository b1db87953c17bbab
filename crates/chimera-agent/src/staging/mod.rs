//! Serves commits on loopback until their time is up.
//!
//! One deployment per task; a new one replaces the old one at the same port, so that the base and the head of a
//! branch are judged at one origin. Map: [`Staging`] keeps the deployments, `place` is where one lies on disk and whose it
//! is, `live` is one that is served, `keep` decides how long it stays, `port` holds its port, `site` serves static files, `app` builds and starts what a
//! project runs itself, `ready` asks whether that is ready, `http` puts questions to an origin, `log` reads the end of a
//! log, `told` asks a deployment that somebody else made.

mod app;
mod error;
mod http;
mod keep;
mod live;
mod log;
mod place;
mod port;
mod ready;
mod site;
mod told;

pub use error::{Failure, LOG_END, StagingError, Step};
pub use keep::Stay;
pub use log::LogMark;
pub use told::told_at;
pub(crate) use told::{answers, visit};

use self::live::{Live, Served};
use self::place::{Place, Places, Record};
use crate::spec;
use chimera_core::{Digest, TaskId, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The path at which a static deployment answers with its revision.
pub const REVISION_PATH: &str = "/.well-known/chimera-revision";

/// All deployments of a data directory.
#[derive(Clone)]
pub struct Staging {
    places: Places,
    log_name: &'static str,
    live: Arc<Mutex<HashMap<TaskId, Live>>>,
}

/// A deployment to make.
pub struct Deploy<'a> {
    /// The task it is for.
    pub task: &'a TaskId,
    /// The commit.
    pub revision: &'a Digest,
    /// The exported commit; it is moved away.
    pub source: &'a Path,
    /// How to serve it.
    pub spec: &'a spec::Staging,
    /// The name under which the application expects to be asked, if it does.
    pub host: Option<&'a str>,
    /// The port to serve it at, if it can be had; absent: that of the task's last deployment here, or any.
    pub port: Option<u16>,
    /// How long it is to live.
    pub ttl: Duration,
    /// The time now.
    pub now: UnixMillis,
    /// Where build and server write.
    pub log: &'a Path,
    /// The environment of build and server, given their `HOME`, which lives as long as the deployment.
    pub environment: &'a (dyn Fn(&Path) -> BTreeMap<String, String> + Sync),
}

/// A deployment that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The origin, without a path.
    pub url: String,
    /// The commit that was put there.
    pub revision: Digest,
}

impl Staging {
    /// The deployments of a data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self::kept_in(data_dir, "staging")
    }

    /// The deployments of unchanged commits beside those of a data directory, at ports of their own: for a
    /// last look at what was before, while the change stays where it is.
    pub fn of_bases(data_dir: &Path) -> Self {
        Self::kept_in(data_dir, "staging-base")
    }

    fn kept_in(data_dir: &Path, name: &'static str) -> Self {
        Self { places: Places::new(data_dir.join(name)), log_name: name, live: Arc::default() }
    }

    /// The part of a log's name that tells these deployments from others of one attempt.
    pub(crate) fn log_name(&self) -> &'static str {
        self.log_name
    }

    /// Builds a commit and serves it at the task's origin, in place of what was there.
    ///
    /// # Errors
    /// [`StagingError`] if it cannot be built, started or reached.
    pub async fn deploy(
        &self,
        deploy: Deploy<'_>,
        stop: &CancellationToken,
    ) -> Result<Deployment, StagingError> {
        let place = match self.end(deploy.task, stop).await {
            Some(place) => place,
            None => self.places.claim(deploy.task)?,
        };
        let last = place.record().map(|record| record.port);
        let made = async {
            place.clear()?;
            std::fs::rename(deploy.source, place.files())?;
            std::fs::create_dir(place.home())?;
            let environment = (deploy.environment)(&place.home());
            let listener = port::hold(deploy.port.or(last)).await?;
            let record = Record {
                revision: deploy.revision.clone(),
                port: listener.local_addr()?.port(),
                spec: deploy.spec.clone(),
                expires_at: deploy.now.plus(deploy.ttl),
                environment,
                log: deploy.log.to_owned(),
                host: deploy.host.map(str::to_owned),
            };
            if let Some(build) = deploy.spec.build() {
                app::build(build, &place, &record, stop).await?;
            }
            let served = serve(&place, &record, listener, stop).await?;
            Ok((record, served))
        };
        match made.await {
            Ok((record, served)) => self.insert(deploy.task, Live { record, served, place }).await,
            Err(err) => {
                discard(deploy.task, place).await;
                Err(err)
            }
        }
    }

    /// Whether a commit is staged for the task on this machine and can be served from here, be it served at the moment or
    /// not.
    pub fn has(&self, task: &TaskId, revision: &Digest) -> bool {
        let live = self.lock().get(task).map(|live| live.record.revision.clone());
        let known = live.or_else(|| self.places.recorded(task).map(|(_, record)| record.revision));
        known.is_some_and(|known| known == *revision)
    }

    /// The deployment of a task, served again if it is not: after a restart, or because its server died.
    ///
    /// # Errors
    /// [`StagingError`] if there is none, or it cannot be started or reached.
    pub async fn ensure(&self, task: &TaskId, stop: &CancellationToken) -> Result<Deployment, StagingError> {
        if let Some(live) = self.lock().get(task)
            && live.is_up()
        {
            return Ok(live.record.deployment());
        }
        let gone = || {
            StagingError::Passing(
                "nothing is staged for this task: retry it from STAGING_DEPLOYMENT".to_owned(),
            )
        };
        let (place, record) = match self.end(task, stop).await {
            Some(place) => place.record().map(|record| (place, record)).ok_or_else(gone)?,
            None => self.places.recorded(task).ok_or_else(gone)?,
        };
        self.serve_again(task, place, record, stop).await
    }

    async fn serve_again(
        &self,
        task: &TaskId,
        place: Place,
        mut record: Record,
        stop: &CancellationToken,
    ) -> Result<Deployment, StagingError> {
        let listener = port::hold(Some(record.port)).await?;
        record.port = listener.local_addr()?.port();
        let served = serve(&place, &record, listener, stop).await?;
        self.insert(task, Live { record, served, place }).await
    }

    /// The commit that the task's origin serves now, as the origin itself says; for a server that cannot
    /// say it, the commit it was started from, if that very process is still there.
    ///
    /// # Errors
    /// [`StagingError::Unreachable`] if nothing answers or the answer is no commit.
    pub async fn revision(&self, task: &TaskId) -> Result<Digest, StagingError> {
        let (record, up) = match self.lock().get(task) {
            Some(live) => (live.record.clone(), live.is_up()),
            None => return Err(StagingError::Unreachable("nothing is staged for this task".to_owned())),
        };
        let path = match &record.spec {
            spec::Staging::Static { .. } => REVISION_PATH,
            spec::Staging::Start(spec::Server { revision: Some(path), .. }) => path,
            _ if up => return Ok(record.revision),
            _ => return Err(StagingError::Unreachable("the staged server has ended".to_owned())),
        };
        let answer = http::get(record.port, record.host.as_deref(), path)
            .await
            .map_err(|err| StagingError::Unreachable(format!("{path} does not tell the revision: {err}")))?;
        Digest::parse(answer.body.trim()).map_err(|err| StagingError::Unreachable(format!("{path}: {err}")))
    }

    /// Keeps a deployment that is served, in place of another one of the same task.
    async fn insert(&self, task: &TaskId, live: Live) -> Result<Deployment, StagingError> {
        live.place.write(&live.record)?;
        let deployment = live.record.deployment();
        let other = self.lock().insert(task.clone(), live);
        if let Some(other) = other {
            other.end(&CancellationToken::new()).await;
        }
        Ok(deployment)
    }

    /// Ends the serving of a task's deployment, at once when `at_once` is cancelled, and gives its place.
    async fn end(&self, task: &TaskId, at_once: &CancellationToken) -> Option<Place> {
        let live = self.lock().remove(task)?;
        Some(live.end(at_once).await)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves what lies in a place.
async fn serve(
    place: &Place,
    record: &Record,
    listener: TcpListener,
    stop: &CancellationToken,
) -> Result<Served, StagingError> {
    match &record.spec {
        spec::Staging::Static { static_dir, build } => {
            let root = site::root(&place.files(), static_dir, build.is_some())?;
            Ok(Served::Site(site::Site::start(listener, &root, &record.revision)))
        }
        spec::Staging::Start(how) => {
            // The server binds the port itself; it was held until now.
            drop(listener);
            Ok(Served::App(app::start(how, place, record, stop).await?))
        }
        spec::Staging::Agent { .. } => Err(StagingError::Config("an agent deploys this project".to_owned())),
    }
}

/// Removes a place; what cannot be removed is left to the next sweep.
async fn discard(task: &TaskId, place: Place) {
    let path = place.path().to_owned();
    let removed = tokio::task::spawn_blocking(move || place.remove()).await;
    if let Ok(Err(err)) = removed {
        tracing::warn!(%task, path = %path.display(), error = %err, "cannot remove a staged change");
    }
}
