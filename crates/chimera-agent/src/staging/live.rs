//! A deployment that is served.

use super::place::{Place, Record};
use super::site::Site;
use crate::process::Server;
use tokio_util::sync::CancellationToken;

/// A deployment that is served. Dropping it ends the serving.
pub(super) struct Live {
    pub(super) record: Record,
    pub(super) served: Served,
    // The last one, so that the place is given back after the serving was ended.
    pub(super) place: Place,
}

/// What serves a deployment.
pub(super) enum Served {
    Site(Site),
    App(Server),
}

impl Live {
    pub(super) fn is_up(&self) -> bool {
        self.server().is_none_or(|server| server.exit().is_none() && server.identity().is_alive())
    }

    /// The project's own server, if it is one that serves.
    pub(super) fn server(&self) -> Option<&Server> {
        match &self.served {
            Served::Site(_) => None,
            Served::App(server) => Some(server),
        }
    }

    /// Ends the serving, at once when `at_once` is cancelled, and gives the place.
    pub(super) async fn end(self, at_once: &CancellationToken) -> Place {
        match self.served {
            Served::Site(site) => site.stop().await,
            Served::App(server) => server.stop_or(at_once.cancelled()).await,
        }
        self.place
    }
}
