//! Where a torture takes place.

use super::Torture;
use super::ailment::Patient;
use super::proxy::Proxy;
use super::server::{self, Server};
use anyhow::{Context, Result};
use chimera_store::{Database, Options, Plant, Store};
use std::path::Path;
use std::sync::Arc;

/// What to give as a database for a server of our own.
const OWN_SERVER: &str = "postgres";

/// Where the database is, and what can ail.
pub(super) struct Site {
    pub(super) direct: String,
    pub(super) over_network: String,
    pub(super) patient: Option<Patient>,
}

/// Makes what is not there yet.
pub(super) async fn site(how: &Torture, dir: &Path) -> Result<Site> {
    match &how.database {
        Some(name) if name == OWN_SERVER => {
            let server = Arc::new(own_server()?);
            let proxy = Arc::new(Proxy::start(&server.url()).await?);
            let over_network = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
            let direct = format!("{}/postgres", server.url());
            Ok(Site { direct, over_network, patient: Some(Patient::Server(server, proxy)) })
        }
        Some(url) => Ok(Site { direct: url.clone(), over_network: url.clone(), patient: None }),
        None => {
            let file = dir.join("torture.db");
            let url = format!("sqlite:{}", file.display());
            Ok(Site { direct: url.clone(), over_network: url, patient: Some(Patient::File(file)) })
        }
    }
}

/// Opens a database, with a bug if there is to be one.
pub(super) fn open(url: &str, base: &Path, plant: Option<Plant>) -> Result<Store> {
    let database =
        Database::parse(url, base, None).map_err(|detail| anyhow::anyhow!("--database: {detail}"))?;
    Ok(Store::open(&database, &Options { plant, ..Options::default() })?)
}

fn own_server() -> Result<Server> {
    let programs = server::programs().context(
        "PostgreSQL's server programs are not on this machine: install them (`apt-get install postgresql`), or give the URL of an empty database",
    )?;
    let server = Server::make(programs)?;
    server.start("")?;
    Ok(server)
}
