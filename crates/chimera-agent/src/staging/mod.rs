//! Serves commits on loopback until their time is up.
//!
//! One deployment per task; a new one replaces the old one at the same port, so that the base and the head of a
//! branch are judged at one origin. Map: [`Staging`] keeps the deployments, `records` what is on disk about them, `site` serves
//! static files, `app` starts a project's own server, `http` asks the
//! origin what it serves, `told` asks a deployment that somebody else made.

mod app;
mod http;
mod records;
mod site;
mod told;

pub use told::told_at;
pub(crate) use told::{answers, visit};

use self::records::{Record, Records};
use crate::process::Server;
use crate::spec;
use chimera_core::{Digest, TaskId, UnixMillis};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// The path at which a static deployment answers with its revision.
pub const REVISION_PATH: &str = "/.well-known/chimera-revision";

/// All deployments of a data directory.
#[derive(Clone)]
pub struct Staging {
    records: Records,
    live: Arc<Mutex<HashMap<TaskId, Live>>>,
}

/// A deployment to make.
#[derive(Debug)]
pub struct Deploy<'a> {
    /// The task it is for.
    pub task: &'a TaskId,
    /// The commit.
    pub revision: &'a Digest,
    /// The exported commit; it is moved away.
    pub source: &'a Path,
    /// How to serve it.
    pub spec: &'a spec::Staging,
    /// The port to serve it at, if it can be had; absent: that of the task's last deployment here, or any.
    pub port: Option<u16>,
    /// How long it is to live.
    pub ttl: Duration,
    /// The time now.
    pub now: UnixMillis,
    /// Where build and server write.
    pub log: &'a Path,
    /// `PATH` and the like for build and server.
    pub environment: &'a std::collections::BTreeMap<String, String>,
}

/// A deployment that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The origin, without a path.
    pub url: String,
    /// The commit that was put there.
    pub revision: Digest,
}

/// The deployment is not there.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// It could not be built or started; the same again would fail the same way.
    #[error("{0}")]
    Failed(String),
    /// It started, but does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The attempt was stopped.
    #[error("stopped")]
    Stopped,
}

struct Live {
    record: Record,
    served: Served,
}

/// What serves a deployment; dropping it ends the serving.
enum Served {
    Site(site::Site),
    App(Server),
}

impl From<std::io::Error> for StagingError {
    fn from(err: std::io::Error) -> Self {
        Self::Failed(format!("the commit cannot be staged: {err}"))
    }
}

impl Staging {
    /// The deployments of a data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self { records: Records::new(data_dir.join("staging")), live: Arc::default() }
    }

    /// The deployments of unchanged commits beside those of a data directory, at ports of their own: for a
    /// last look at what was before, while the change stays where it is.
    pub fn of_bases(data_dir: &Path) -> Self {
        Self { records: Records::new(data_dir.join("staging-base")), live: Arc::default() }
    }

    /// Serves a commit at the task's origin, in place of what was there.
    ///
    /// # Errors
    /// [`StagingError`] if it cannot be built, started or reached.
    pub async fn deploy(
        &self,
        deploy: Deploy<'_>,
        stop: &CancellationToken,
    ) -> Result<Deployment, StagingError> {
        let last = || self.records.of(deploy.task).map(|record| record.port);
        let port = deploy.port.or_else(last).unwrap_or(0);
        self.end(deploy.task).await;
        let files = self.records.files(deploy.task);
        if files.exists() {
            std::fs::remove_dir_all(&files)?;
        }
        std::fs::create_dir_all(self.records.place(deploy.task))?;
        std::fs::rename(deploy.source, &files)?;
        let record = Record {
            revision: deploy.revision.clone(),
            port,
            spec: deploy.spec.clone(),
            expires_at: deploy.now.plus(deploy.ttl),
            environment: deploy.environment.clone(),
            log: deploy.log.to_owned(),
        };
        if let spec::Staging::Start { build: Some(build), .. } = deploy.spec {
            app::build(build, &files, &record, stop).await?;
        }
        self.serve(deploy.task, record, stop).await
    }

    /// Whether a commit is staged for the task on this machine, be it served at the moment or not.
    pub fn has(&self, task: &TaskId, revision: &Digest) -> bool {
        self.records.of(task).is_some_and(|record| record.revision == *revision)
    }

    /// The deployment of a task, served again if it is not: after a restart, or because its server died.
    ///
    /// # Errors
    /// [`StagingError`] if there is none, or it cannot be started or reached.
    pub async fn ensure(&self, task: &TaskId, stop: &CancellationToken) -> Result<Deployment, StagingError> {
        if let Some(live) = self.live.lock().await.get(task)
            && live.is_up()
        {
            return Ok(live.record.deployment());
        }
        let record = self.records.of(task).ok_or_else(|| {
            StagingError::Failed(
                "nothing is staged for this task: retry it from STAGING_DEPLOYMENT".to_owned(),
            )
        })?;
        self.end(task).await;
        self.serve(task, record, stop).await
    }

    /// The commit that the task's origin serves now, as the origin itself says; for a server that cannot
    /// say it, the commit it was started from, if that very process is still there.
    ///
    /// # Errors
    /// [`StagingError::Unreachable`] if nothing answers or the answer is no commit.
    pub async fn revision(&self, task: &TaskId) -> Result<Digest, StagingError> {
        let (record, up) = match self.live.lock().await.get(task) {
            Some(live) => (live.record.clone(), live.is_up()),
            None => return Err(StagingError::Unreachable("nothing is staged for this task".to_owned())),
        };
        let path = match &record.spec {
            spec::Staging::Static { .. } => REVISION_PATH,
            spec::Staging::Start { revision: Some(path), .. } => path,
            _ if up => return Ok(record.revision),
            _ => return Err(StagingError::Unreachable("the staged server has ended".to_owned())),
        };
        let answer = http::get(record.port, path)
            .await
            .map_err(|err| StagingError::Unreachable(format!("{path} does not tell the revision: {err}")))?;
        Digest::parse(answer.body.trim()).map_err(|err| StagingError::Unreachable(format!("{path}: {err}")))
    }

    /// Serves the static deployments of an earlier daemon again, so that their links keep working.
    pub async fn restore(&self, now: UnixMillis) {
        for task in self.records.tasks() {
            let Some(record) = self.records.of(&task) else { continue };
            if record.expires_at <= now {
                self.withdraw(&task).await;
            } else if matches!(record.spec, spec::Staging::Static { .. })
                && let Err(err) = self.serve(&task, record, &CancellationToken::new()).await
            {
                tracing::warn!(%task, error = %err, "a staged change is not served again");
            }
        }
    }

    /// Removes the deployments whose time is up.
    pub async fn sweep(&self, now: UnixMillis) {
        for task in self.records.tasks() {
            if self.records.of(&task).is_none_or(|record| record.expires_at <= now) {
                self.withdraw(&task).await;
            }
        }
    }

    /// Ends the serving of everything; the records stay.
    pub async fn shutdown(&self) {
        let tasks: Vec<TaskId> = self.live.lock().await.keys().cloned().collect();
        for task in tasks {
            self.end(&task).await;
        }
    }

    async fn serve(
        &self,
        task: &TaskId,
        mut record: Record,
        stop: &CancellationToken,
    ) -> Result<Deployment, StagingError> {
        let listener = listener(record.port).await?;
        record.port = listener.local_addr()?.port();
        let files = self.records.files(task);
        let served = match &record.spec {
            spec::Staging::Static { static_dir } => {
                Served::Site(site::Site::start(listener, &files.join(static_dir), &record.revision))
            }
            spec::Staging::Start { start, ready, .. } => {
                // The server binds the port itself; nothing else is likely to take it in between.
                drop(listener);
                Served::App(app::start(start, ready, &files, &record, stop).await?)
            }
            spec::Staging::Agent { .. } => {
                return Err(StagingError::Failed("an agent deploys this project".to_owned()));
            }
        };
        self.records.write(task, &record)?;
        let deployment = record.deployment();
        self.live.lock().await.insert(task.clone(), Live { record, served });
        Ok(deployment)
    }

    async fn end(&self, task: &TaskId) {
        let live = self.live.lock().await.remove(task);
        match live.map(|live| live.served) {
            Some(Served::Site(site)) => site.stop().await,
            Some(Served::App(server)) => server.stop().await,
            None => {}
        }
    }

    /// Ends a deployment and removes what is left of it.
    pub async fn withdraw(&self, task: &TaskId) {
        self.end(task).await;
        if let Err(err) = std::fs::remove_dir_all(self.records.place(task)) {
            tracing::warn!(%task, error = %err, "cannot remove a staged change");
        }
    }
}

impl Live {
    fn is_up(&self) -> bool {
        match &self.served {
            Served::Site(_) => true,
            Served::App(server) => server.exit().is_none() && server.identity().is_alive(),
        }
    }
}

/// The same port again, if it can be had, else any.
async fn listener(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Err(_) if port != 0 => TcpListener::bind(("127.0.0.1", 0)).await,
        other => other,
    }
}
