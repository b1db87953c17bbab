//! Encryption. The URL says how much a server has to prove, to the certificates of the system and, if given, one's
//! own; by default encryption is taken where it is offered, without proof.

use super::server::Encryption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What a server has to prove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing.
    #[default]
    None,
    /// That somebody who is trusted vouches for it, under whatever name.
    Authority,
    /// That as well, and that it has the name that it was reached by.
    Name,
}

/// How connections are encrypted.
pub(super) fn connector(encryption: &Encryption) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|err| err.to_string())?;
    let any_name = |authority| Arc::new(AnyName { provider: provider.clone(), authority });
    let builder = match encryption.proof {
        Proof::None => builder.dangerous().with_custom_certificate_verifier(any_name(None)),
        Proof::Authority => {
            let roots = Arc::new(trusted(encryption)?);
            let authority = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
            let authority = authority.map_err(|err| err.to_string())?;
            builder.dangerous().with_custom_certificate_verifier(any_name(Some(authority)))
        }
        Proof::Name => builder.with_root_certificates(trusted(encryption)?),
    };
    let config = match &encryption.own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let secret =
                PrivateKeyDer::from_pem_file(key).map_err(|err| format!("{}: {err}", key.display()))?;
            builder.with_client_auth_cert(chain, secret).map_err(|err| format!("{}: {err}", key.display()))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn trusted(encryption: &Encryption) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if !encryption.only_ca {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let Some(path) = &encryption.ca else { return Ok(roots) };
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|err| format!("{}: {err}", path.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |err: rustls::pki_types::pem::Error| format!("{}: {err}", path.display());
    CertificateDer::pem_file_iter(path).map_err(unreadable)?.map(|one| one.map_err(unreadable)).collect()
}

/// Takes certificates that do not give the server's name, as long as the server has their key.
#[derive(Debug)]
struct AnyName {
    provider: Arc<CryptoProvider>,
    /// Who has to vouch for the certificate; without it nobody.
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        match authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
