//! TLS of a connection: trust and identity.
//!
//! `rustls` with `ring`, named explicitly so that no process-wide default can differ. Trust: the `ca` file, which may hold
//! authorities and single servers' certificates, or else
//! the system's certificates, or else (on an image without any) Mozilla's, compiled in.

use crate::trust::CertificateTrust;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A checked TLS configuration; its files have been read.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    ca: Option<PathBuf>,
}

/// A file with its mistake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadFile {
    /// `ca`, `cert` or `key`.
    pub(crate) key: &'static str,
    pub(crate) what: String,
    pub(crate) fix: &'static str,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca).finish_non_exhaustive()
    }
}

impl Tls {
    /// The configuration, for a connector.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// The file that says whom to trust; `None`: the system does.
    #[must_use]
    pub fn ca(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// Reads the PEM files: `ca` says whom to trust, `identity` is our certificate chain and key for mutual TLS.
    ///
    /// # Errors
    /// A file that cannot be read or holds no such thing, in words.
    pub fn new(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<Self, String> {
        Self::read(ca, identity).map_err(|bad| format!("{}; {}", bad.what, bad.fix))
    }

    pub(crate) fn read(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<Self, BadFile> {
        let refuse =
            |key, what| BadFile { key, what, fix: "give a certificate and its own key, both as PEM files" };
        let (roots, certificates_of_ca) = match ca {
            Some(path) => roots_of(path)?,
            None => (roots_of_system(), Vec::new()),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |error: String| refuse("ca", format!("TLS cannot be set up: {error}"));
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(CertificateTrust {
                authorities,
                certificates: certificates_of_ca,
            }));
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = certificates("cert", cert)?;
                let secret = private_key(key)?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| refuse("key", format!("certificate and key cannot be used: {error}")))?
            }
        };
        Ok(Self { config: Arc::new(config), ca: ca.map(Path::to_owned) })
    }
}

/// The certificates of a file, as authorities and as they are.
fn roots_of(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), BadFile> {
    let mut roots = RootCertStore::empty();
    let certificates = certificates("ca", path)?;
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| BadFile {
            key: "ca",
            what: format!("a certificate in {} cannot be used: {error}", path.display()),
            fix: "give the authority's certificate as a PEM file",
        })?;
    }
    Ok((roots, certificates))
}

fn roots_of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let bytes = bytes_of(key, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(BadFile {
            key,
            what: format!("{} holds no certificate", path.display()),
            fix: "give a PEM file: it has a line -----BEGIN CERTIFICATE-----",
        }),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BadFile> {
    PrivateKeyDer::from_pem_slice(&bytes_of("key", path)?).map_err(|_| BadFile {
        key: "key",
        what: format!("{} holds no private key", path.display()),
        fix: "give a PEM file without a passphrase: it has a line -----BEGIN PRIVATE KEY-----",
    })
}

fn bytes_of(key: &'static str, path: &Path) -> Result<Vec<u8>, BadFile> {
    std::fs::read(path).map_err(|error| BadFile {
        key,
        what: format!("cannot read {}: {error}", path.display()),
        fix: "check the path and that this user may read it (relative paths start at the config's folder)",
    })
}
