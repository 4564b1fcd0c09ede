//! Errors for people; each variant stands for what the caller does next.

use crate::Settings;
use rumqttc::TlsError;
use rumqttc::mqttbytes::Error as PacketErrorV4;
use rumqttc::v5::mqttbytes::Error as PacketErrorV5;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as CodeV5, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError as ErrorV5, StateError as StateV5};
use rumqttc::{ConnectReturnCode as CodeV4, ConnectionError as ErrorV4, StateError as StateV4};
use rustls::{CertificateError, Error as TlsCause};
use std::io;

/// Why a request to a connection failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Retry after the connection has been polled.
    #[error("the connection's queue is full, or the connection is gone")]
    Busy,
    /// Drop the message: no broker would take it.
    #[error("{0}")]
    Unfit(String),
    /// Refuse the configuration.
    #[error("{0}")]
    Setup(String),
}

/// Why a connection could not be made, or ended. All but one are worth another attempt without a change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers at that address.
    #[error("{0}")]
    Unreachable(String),
    /// One side does not trust the other.
    #[error("{0}")]
    Tls(String),
    /// The broker refuses the client.
    #[error("{0}")]
    Refused(String),
    /// Another client took the session over.
    #[error("{0}")]
    TakenOver(String),
    /// The connection ended.
    #[error("{0}")]
    Lost(String),
    /// The broker ended an accepted connection, without a reason or with one that may concern a message.
    #[error("{0}")]
    Closed(String),
    /// The broker sent a packet above [`crate::MqttSession::packet_bytes_max`]. With a kept session it will send it
    /// again: connect with a clean one.
    #[error("the broker sent a packet of {bytes} bytes, above the limit of {max}")]
    TooLarge {
        /// Its size (bytes).
        bytes: usize,
        /// The limit (bytes).
        max: usize,
    },
}

/// Describes the errors of `rumqttc`.
pub(crate) struct Explainer<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) client_id: &'a str,
    pub(crate) packet_bytes_max: usize,
    /// Whether the broker had accepted the connection.
    pub(crate) connected: bool,
}

impl Explainer<'_> {
    pub(crate) fn v4(&self, error: &ErrorV4) -> ConnectError {
        match error {
            ErrorV4::Io(cause) | ErrorV4::MqttState(StateV4::Io(cause)) => self.io(cause),
            ErrorV4::MqttState(StateV4::Deserialization(PacketErrorV4::Io(cause))) => self.io(cause),
            ErrorV4::MqttState(StateV4::Deserialization(PacketErrorV4::PayloadSizeLimitExceeded(bytes))) => {
                self.too_large(*bytes)
            }
            ErrorV4::MqttState(StateV4::ConnectionAborted) => self.closed(),
            ErrorV4::MqttState(StateV4::AwaitPingResp) => self.silent(),
            ErrorV4::MqttState(cause) => self.protocol(&cause.to_string()),
            ErrorV4::Tls(cause) => self.tls(cause),
            ErrorV4::NetworkTimeout | ErrorV4::FlushTimeout => self.timeout(),
            ErrorV4::ConnectionRefused(code) => self.refused_v4(*code),
            other => self.protocol(&other.to_string()),
        }
    }

    pub(crate) fn v5(&self, error: &ErrorV5) -> ConnectError {
        match error {
            ErrorV5::Io(cause) | ErrorV5::MqttState(StateV5::Io(cause)) => self.io(cause),
            ErrorV5::MqttState(StateV5::Deserialization(PacketErrorV5::Io(cause))) => self.io(cause),
            ErrorV5::MqttState(StateV5::Deserialization(PacketErrorV5::PayloadSizeLimitExceeded {
                pkt_size,
                ..
            })) => self.too_large(*pkt_size),
            // `rumqttc` fails on an acknowledgement whose reason MQTT 5 defines for other packets only (mosquitto).
            ErrorV5::MqttState(StateV5::Deserialization(PacketErrorV5::InvalidConnectReturnCode(code))) => {
                self.strange_answer(*code)
            }
            ErrorV5::MqttState(StateV5::ConnectionAborted) => self.closed(),
            ErrorV5::MqttState(StateV5::AwaitPingResp) => self.silent(),
            ErrorV5::MqttState(StateV5::ServerDisconnect { reason_code, reason_string }) => {
                self.sent_away(*reason_code, reason_string.as_deref())
            }
            ErrorV5::MqttState(cause) => self.protocol(&cause.to_string()),
            ErrorV5::Tls(cause) => self.tls(cause),
            ErrorV5::Timeout(_) => self.timeout(),
            ErrorV5::ConnectionRefused(code) => self.refused_v5(*code),
            other => self.protocol(&other.to_string()),
        }
    }

    fn broker(&self) -> String {
        self.settings.address()
    }

    fn io(&self, error: &io::Error) -> ConnectError {
        use io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, InvalidInput,
            NetworkUnreachable, TimedOut, UnexpectedEof,
        };
        if let Some(cause) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsCause>()) {
            return self.rustls(cause);
        }
        let broker = self.broker();
        match error.kind() {
            ConnectionRefused => ConnectError::Unreachable(format!(
                "connection refused: nobody listens at {broker}; is the broker running, and is this its port?"
            )),
            HostUnreachable | NetworkUnreachable => {
                ConnectError::Unreachable(format!("no route to {broker}; is the network up?"))
            }
            TimedOut if !self.connected => self.timeout(),
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => self.closed(),
            InvalidInput => self.unknown_host(),
            _ if error.to_string().contains("lookup") => self.unknown_host(),
            _ if self.connected => ConnectError::Lost(format!("the connection to {broker} failed: {error}")),
            _ => ConnectError::Unreachable(format!("cannot connect to {broker}: {error}")),
        }
    }

    fn unknown_host(&self) -> ConnectError {
        let host = &self.settings.host;
        ConnectError::Unreachable(format!(
            "the name `{host}` is not known; is it spelled right, and is DNS reachable?"
        ))
    }

    fn timeout(&self) -> ConnectError {
        ConnectError::Unreachable(format!(
            "no answer from {} in time; does a firewall drop it?",
            self.broker()
        ))
    }

    fn silent(&self) -> ConnectError {
        ConnectError::Lost(format!("{} no longer answers", self.broker()))
    }

    fn closed(&self) -> ConnectError {
        let broker = self.broker();
        if self.connected {
            return ConnectError::Closed(format!("{broker} closed the connection"));
        }
        let hint = match &self.settings.tls {
            Some(_) => "is it a TLS port, and does it ask for a certificate of ours (`cert`, `key`)?",
            None => "is it a TLS port (mqtts://)?",
        };
        ConnectError::Lost(format!("{broker} closed the connection without an answer; {hint}"))
    }

    fn protocol(&self, cause: &str) -> ConnectError {
        ConnectError::Lost(format!("the connection to {} failed: {cause}", self.broker()))
    }

    fn too_large(&self, bytes: usize) -> ConnectError {
        ConnectError::TooLarge { bytes, max: self.packet_bytes_max }
    }

    fn tls(&self, error: &TlsError) -> ConnectError {
        match error {
            TlsError::Io(cause) => self.io(cause),
            TlsError::TLS(cause) => self.rustls(cause),
            TlsError::DNSName(_) => ConnectError::Tls(format!(
                "`{}` is not a name that a certificate can have",
                self.settings.host
            )),
            other => ConnectError::Tls(format!("TLS with {} failed: {other}", self.broker())),
        }
    }

    fn rustls(&self, error: &TlsCause) -> ConnectError {
        let broker = self.broker();
        ConnectError::Tls(match error {
            TlsCause::InvalidCertificate(cause) => self.certificate(cause),
            TlsCause::AlertReceived(alert) => format!(
                "{broker} ended TLS with the alert {alert:?}; does it accept our certificate (`cert`, `key`)?"
            ),
            TlsCause::InvalidMessage(_) => {
                format!("{broker} does not speak TLS; is it a plain port (mqtt://)?")
            }
            other => format!("TLS with {broker} failed: {other}"),
        })
    }

    fn certificate(&self, error: &CertificateError) -> String {
        let broker = self.broker();
        match error {
            CertificateError::UnknownIssuer => {
                match self.settings.tls.as_ref().and_then(|tls| tls.ca.as_ref()) {
                    Some(ca) => format!(
                        "the certificate of {broker} is not signed by the configured ca {}; is it the ca of this broker?",
                        ca.display()
                    ),
                    None => format!(
                        "the certificate of {broker} is not signed by an authority that this system trusts; \
                     name its authority's certificate with `ca`"
                    ),
                }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of {broker} has expired; renew it, or set this machine's clock")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate of {broker} is not valid yet; is this machine's clock right?")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of {broker} is not for the name `{}`; write the name that it has in the url",
                    self.settings.host
                )
            }
            other => format!("the certificate of {broker} cannot be trusted: {other}"),
        }
    }

    fn refused_v4(&self, code: CodeV4) -> ConnectError {
        let broker = self.broker();
        ConnectError::Refused(match code {
            CodeV4::BadUserNamePassword | CodeV4::NotAuthorized => self.credentials(),
            CodeV4::RefusedProtocolVersion => {
                format!("{broker} does not speak MQTT 3.1.1; try version = \"5\"")
            }
            CodeV4::BadClientId => self.bad_client_id(),
            CodeV4::ServiceUnavailable => format!("{broker} is not available now"),
            CodeV4::Success => format!("{broker} answered strangely"),
        })
    }

    fn refused_v5(&self, code: CodeV5) -> ConnectError {
        let broker = self.broker();
        ConnectError::Refused(match code {
            CodeV5::BadUserNamePassword | CodeV5::NotAuthorized => self.credentials(),
            CodeV5::RefusedProtocolVersion | CodeV5::UnsupportedProtocolVersion => {
                format!("{broker} does not speak MQTT 5; leave out `version`")
            }
            CodeV5::BadClientId | CodeV5::ClientIdentifierNotValid => self.bad_client_id(),
            CodeV5::ServiceUnavailable | CodeV5::ServerUnavailable | CodeV5::ServerBusy => {
                format!("{broker} is not available now")
            }
            other => format!("{broker} refuses the connection: {}", spaced(&format!("{other:?}"))),
        })
    }

    fn credentials(&self) -> String {
        let broker = self.broker();
        match &self.settings.username {
            Some(user) => {
                format!("{broker} refuses user `{user}` with this password; check `username` and `password`")
            }
            None => format!("{broker} wants a user; set `username` and `password`"),
        }
    }

    fn bad_client_id(&self) -> String {
        format!("{} does not like the client id `{}`; set another `client_id`", self.broker(), self.client_id)
    }

    fn sent_away(&self, code: DisconnectReasonCode, text: Option<&str>) -> ConnectError {
        if code == DisconnectReasonCode::SessionTakenOver {
            return ConnectError::TakenOver(format!(
                "another client connected to {} with the client id `{}`; two agents need different ids",
                self.broker(),
                self.client_id
            ));
        }
        let reason = text.map_or_else(|| spaced(&format!("{code:?}")), str::to_owned);
        let text = format!("{} ended the connection: {reason}", self.broker());
        if may_be_about_a_message(code) { ConnectError::Closed(text) } else { ConnectError::Lost(text) }
    }

    fn strange_answer(&self, code: u8) -> ConnectError {
        let words = DisconnectReasonCode::try_from(code)
            .map_or_else(|_| "unknown".to_owned(), |code| spaced(&format!("{code:?}")));
        ConnectError::Closed(format!("{} answered with reason {code} ({words})", self.broker()))
    }
}

/// Whether a server may end a connection this way because of a message (MQTT 5, 3.14.2.1).
fn may_be_about_a_message(code: DisconnectReasonCode) -> bool {
    use DisconnectReasonCode::{
        ImplementationSpecificError, MalformedPacket, NormalDisconnection, NotAuthorized, PacketTooLarge,
        PayloadFormatInvalid, ProtocolError, QoSNotSupported, RetainNotSupported, TopicNameInvalid,
        UnspecifiedError,
    };
    matches!(
        code,
        NormalDisconnection
            | UnspecifiedError
            | MalformedPacket
            | ProtocolError
            | ImplementationSpecificError
            | NotAuthorized
            | TopicNameInvalid
            | PacketTooLarge
            | PayloadFormatInvalid
            | RetainNotSupported
            | QoSNotSupported
    )
}

/// `QuotaExceeded` as `quota exceeded`.
pub(crate) fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
