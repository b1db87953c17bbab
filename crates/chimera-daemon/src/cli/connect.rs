//! Finds the daemon that a command talks to: that of `--server`, or that of the configuration and no other.

use super::args::Global;
use super::client::{Client, Unreachable};
use super::configure;
use super::server::Server;
use crate::config::{Config, Flags};
use crate::engine::Home;
use crate::web::{DATA_DIRECTORY, INSTANCE};
use anyhow::Result;
use chimera_store::Database;
use std::time::Duration;
use ureq::http::HeaderMap;

/// How often a daemon on this machine that may just be starting is asked again.
const TRIES: u32 = 20;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Somebody else's daemon has the port.
#[derive(Debug, thiserror::Error)]
#[error(
    "another daemon answers at {server}{its}: the data directory of this configuration is {ours}; start its daemon on a port of its \
     own, or name the other one with --server {server}"
)]
pub(super) struct Stranger {
    server: String,
    its: String,
    ours: String,
}

/// The daemon that commands talk to; on this machine it may just be starting.
pub(super) fn connect(global: &Global) -> Result<Client> {
    if let Some(server) = global.server.as_deref().filter(|server| !server.is_empty()) {
        let client = Client::new(Server::parse(server)?);
        if client.is_local() {
            greeted(&client)?;
        }
        return Ok(client);
    }
    let config = configure(global, Flags::default())?;
    let client = Client::new(Server::parse(&address(&config))?);
    if client.is_local() {
        check(&client, &config, &greeted(&client)?)?;
    }
    Ok(client)
}

fn address(config: &Config) -> String {
    // An address that means "all" is no address to call.
    let host = match config.api.host.as_str() {
        "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("http://{host}:{}", config.api.port)
}

/// What the daemon says about itself, once somebody listens.
fn greeted(client: &Client) -> Result<HeaderMap> {
    let mut tries = 1;
    loop {
        match client.greet() {
            Err(error)
                if tries < TRIES
                    && error.downcast_ref::<Unreachable>().is_some_and(Unreachable::is_refused) =>
            {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            answered => return answered,
        }
    }
}

/// Refuses a daemon of another data directory. Nothing can be said where several daemons share a database, where the
/// directory cannot be read, and of daemons that do not say who they are.
fn check(client: &Client, config: &Config, said: &HeaderMap) -> Result<()> {
    let text = |name: &str| said.get(name).and_then(|value| value.to_str().ok());
    let Some(theirs) = text(INSTANCE) else { return Ok(()) };
    if matches!(config.database, Database::Postgres(_)) {
        return Ok(());
    }
    let ours = match Home::known(&config.data_dir) {
        Ok(Some(name)) => name,
        // A place without a configuration and without data is nobody's: the daemon there is the one that is meant.
        Ok(None) if config.file.is_none() && !config.data_dir.exists() => return Ok(()),
        Ok(None) => String::new(),
        Err(_) => return Ok(()),
    };
    if ours == theirs {
        return Ok(());
    }
    let its = text(DATA_DIRECTORY)
        .map(|dir| percent_encoding::percent_decode_str(dir).decode_utf8_lossy().into_owned());
    Err(Stranger {
        server: client.server().to_owned(),
        its: its.map_or_else(String::new, |dir| {
            format!(", with the data directory {}", super::style::tame(&dir))
        }),
        ours: config.data_dir.display().to_string(),
    }
    .into())
}
