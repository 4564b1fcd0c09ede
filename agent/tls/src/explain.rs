//! Why TLS failed, in words.

use rustls::{AlertDescription, CertificateError, Error as TlsCause, InvalidMessage, PeerIncompatible};
use std::path::Path;

/// Whom a connection went to, for people.
#[derive(Clone, Copy, Debug)]
pub struct TlsPeer<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// The name that the certificate has to be for.
    pub host: &'a str,
    /// The file that says whom to trust; `None`: the system does.
    pub ca: Option<&'a Path>,
    /// Where the name stands in the config, such as `the url`.
    pub named_in: &'a str,
    /// A question for a server that does not speak TLS.
    pub plain_port: &'a str,
}

impl TlsPeer<'_> {
    /// What is wrong, and the way out.
    #[must_use]
    pub fn explain(&self, error: &TlsCause) -> String {
        let server = self.address;
        match error {
            TlsCause::InvalidCertificate(cause) => self.certificate(cause),
            TlsCause::AlertReceived(AlertDescription::ProtocolVersion)
            | TlsCause::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::Tls12NotOfferedOrEnabled,
            ) => format!("{server} speaks only versions of TLS that are broken; let it speak 1.2 or 1.3"),
            TlsCause::InvalidMessage(
                InvalidMessage::HandshakePayloadTooLarge
                | InvalidMessage::CertificatePayloadTooLarge
                | InvalidMessage::MessageTooLarge,
            ) => format!(
                "{server} sends more in its TLS handshake than is let in (64 KiB); is its chain of certificates too long?"
            ),
            TlsCause::AlertReceived(alert) => format!(
                "{server} ended TLS with the alert {alert:?}; does it accept our certificate (`cert`, `key`)?"
            ),
            TlsCause::InvalidMessage(_) => {
                format!("{server} does not speak TLS; {}", self.plain_port)
            }
            other => format!("TLS with {server} failed: {other}"),
        }
    }

    fn certificate(&self, error: &CertificateError) -> String {
        let server = self.address;
        match error {
            CertificateError::UnknownIssuer => match self.ca {
                Some(ca) => format!(
                    "the certificate of {server} is not signed by the configured ca {}; is it the ca of this server?",
                    ca.display()
                ),
                None => format!(
                    "the certificate of {server} is not signed by an authority that this system trusts; \
                     name its authority's certificate with `ca`"
                ),
            },
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of {server} has expired; renew it, or set this machine's clock")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate of {server} is not valid yet; is this machine's clock right?")
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                self.odd_certificate("it has no subjectAltName")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of {server} is not for the name `{}`; write the name that it has in {}",
                    self.host, self.named_in
                )
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                format!(
                    "the certificate of {server} is not for servers; make one with extendedKeyUsage = serverAuth"
                )
            }
            CertificateError::Other(cause) => self.odd_certificate(&format!("{cause:?}")),
            other => format!("the certificate of {server} cannot be trusted: {other}"),
        }
    }

    /// A certificate that the TLS library refuses by a word of its own.
    fn odd_certificate(&self, cause: &str) -> String {
        let (server, host) = (self.address, self.host);
        let named = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        let make = format!(
            "make one of version 3, as with openssl x509 -req … -extfile <(echo subjectAltName={named}:{host})"
        );
        if cause.contains("CaUsedAsEndEntity") {
            format!(
                "the certificate of {server} is an authority's own, as openssl req -x509 makes it; name this very \
                 certificate as `ca` to trust it alone, or sign one for the server with it"
            )
        } else if cause.contains("UnsupportedCertVersion") {
            format!("the certificate of {server} is of X.509 version 1, which names no host; {make}")
        } else {
            format!("the certificate of {server} cannot be used ({}); {make}", spaced(cause))
        }
    }
}

/// `QuotaExceeded` as `quota exceeded`.
#[must_use]
pub fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
