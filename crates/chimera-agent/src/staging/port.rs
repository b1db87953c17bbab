//! The port of a deployment: chosen before the build, held until the server takes it.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Range;
use tokio::net::TcpListener;

/// Ports that are tried first. Below those that the system itself gives to outgoing connections, which could otherwise sit
/// on the port of a deployment that is started again.
const OURS: Range<u16> = 20_000..32_768;
/// How many of them are tried before the system chooses.
const TRIES: u16 = 50;

/// Binds this port on loopback if that is given and free, otherwise another one.
pub(super) async fn hold(wanted: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = wanted.filter(|port| *port != 0)
        && let Ok(listener) = bind(port).await
    {
        return Ok(listener);
    }
    let ours = OURS.start..OURS.end.min(first_ephemeral());
    if let Some(count) = ours.end.checked_sub(ours.start).filter(|count| *count > 0) {
        let random = RandomState::new().hash_one(0_u8);
        for at in 0..TRIES {
            let offset = random.wrapping_add(u64::from(at)) % u64::from(count);
            let port = ours.start + u16::try_from(offset).unwrap_or(0);
            if let Ok(listener) = bind(port).await {
                return Ok(listener);
            }
        }
    }
    bind(0).await
}

/// Whether somebody else has the port.
pub(super) async fn is_taken(port: u16) -> bool {
    bind(port).await.is_err_and(|err| err.kind() == io::ErrorKind::AddrInUse)
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}

/// The first port that the system gives to outgoing connections; 0 if it does not say.
fn first_ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0)
}
