//! The address of a daemon, and how requests get there.

use crate::config::ConfigError;
use std::net::IpAddr;
use std::sync::Arc;
use ureq::Proxy;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::{Host, Url};

/// A daemon's address.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Without a slash at its end.
    pub(super) url: String,
    loopback: bool,
    https: bool,
}

impl Server {
    /// Reads what people type: `https://chimera.example`, or `localhost:8000` for `http://localhost:8000`.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |why: &str| ConfigError::Value {
            key: "--server".to_owned(),
            detail: format!("`{text}` is not the address of a daemon: {why}"),
        };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&full).map_err(|err| wrong(&format!("{err}; write http://HOST:PORT")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("write http://HOST:PORT or https://HOST"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it may not hold a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("leave out `?` and `#`"));
        }
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            None => return Err(wrong("it names no host")),
        };
        let https = url.scheme() == "https";
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), loopback, https })
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The proxy of the environment, for servers elsewhere: none leads to this machine's loopback.
    pub(super) fn proxy(&self) -> Option<Proxy> {
        if self.loopback { None } else { Proxy::try_from_env() }
    }

    /// The proxy that this server is reached through, without its password.
    pub(super) fn way(&self) -> Option<String> {
        let proxy = self.proxy()?;
        let uri = self.url.parse().ok()?;
        (!proxy.is_no_proxy(&uri)).then(|| format!("{}:{}", proxy.host(), proxy.port()))
    }

    /// Trusts whom the system trusts, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    pub(super) fn tls(&self) -> TlsConfig {
        let config = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        if !self.https {
            return config.build();
        }
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted = trusted.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        config.root_certs(RootCerts::Specific(Arc::new(trusted.collect()))).build()
    }
}

#[cfg(test)]
mod tests {
    use super::Server;

    #[test]
    fn an_address_may_lack_its_scheme_and_is_told_from_what_is_none() {
        for (text, url, loopback) in [
            ("localhost:8000", "http://localhost:8000", true),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000", true),
            ("http://[::1]:8000", "http://[::1]:8000", true),
            ("https://chimera.example/team/", "https://chimera.example/team", false),
            ("10.0.0.1:8000", "http://10.0.0.1:8000", false),
        ] {
            let server = Server::parse(text).expect(text);
            assert_eq!((server.url.as_str(), server.is_loopback()), (url, loopback));
        }
        for text in
            ["", "ftp://localhost", "http://", "localhost:port", "http://a:b@localhost", "localhost/?x"]
        {
            let said = Server::parse(text).expect_err(text).to_string();
            assert!(said.contains("--server") && said.contains("is not the address of a daemon"), "{said}");
        }
    }
}
