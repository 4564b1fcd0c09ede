//! Errors for people; each variant stands for what the caller does next.

use crate::Settings;
use headwater_tls::{Tls, TlsPeer, spaced};
use rumqttc::ConnectReturnCode as CodeV4;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as CodeV5, DisconnectReasonCode};
use rustls::Error as TlsCause;
use std::io;

/// As much of a broker's own words as an error quotes (characters).
const REASON_CHARS_MAX: usize = 256;

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

/// Why a connection ended, before it is put into words.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system's error, or that of TLS inside it.
    Io(io::Error),
    /// The host cannot have a certificate.
    NoCertificateName,
    /// Nothing came in time while connecting.
    Timeout,
    /// The broker takes or says nothing any more.
    Silent,
    /// The broker closed the connection.
    Closed,
    /// A message above the limit (bytes).
    TooLarge(usize),
    /// The broker breaks the protocol, or we would.
    Protocol(String),
    RefusedV4(CodeV4),
    RefusedV5(CodeV5),
    /// The broker's farewell (MQTT 5), with its reason and its own words.
    SentAway {
        reason: DisconnectReasonCode,
        text: Option<String>,
    },
}

impl Fault {
    pub(crate) fn malformed() -> Self {
        Self::Protocol("a malformed packet".into())
    }

    /// The codec cannot read or write it.
    pub(crate) fn codec(error: impl std::fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Puts a [`Fault`] into words.
pub(crate) struct Explainer<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) client_id: &'a str,
    pub(crate) packet_bytes_max: usize,
    /// Whether the broker had accepted the connection.
    pub(crate) connected: bool,
}

impl Explainer<'_> {
    pub(crate) fn explain(&self, fault: &Fault) -> ConnectError {
        match fault {
            Fault::Io(cause) => self.io(cause),
            Fault::NoCertificateName => ConnectError::Tls(format!(
                "`{}` is not a name that a certificate can have",
                self.settings.host
            )),
            Fault::Timeout => self.timeout(),
            Fault::Silent => self.silent(),
            Fault::Closed => self.closed(),
            Fault::TooLarge(bytes) => ConnectError::TooLarge { bytes: *bytes, max: self.packet_bytes_max },
            Fault::Protocol(cause) => self.protocol(cause),
            Fault::RefusedV4(code) => self.refused_v4(*code),
            Fault::RefusedV5(code) => self.refused_v5(*code),
            Fault::SentAway { reason, text } => self.sent_away(*reason, text.as_deref()),
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
            _ if self.settings.websocket.is_some() => {
                "is it the port of its websockets, and is the path right?"
            }
            Some(_) => "is it a TLS port, and does it ask for a certificate of ours (`cert`, `key`)?",
            None => "is it a TLS port (mqtts://)?",
        };
        ConnectError::Lost(format!("{broker} closed the connection without an answer; {hint}"))
    }

    fn protocol(&self, cause: &str) -> ConnectError {
        ConnectError::Lost(format!("the connection to {} failed: {cause}", self.broker()))
    }

    fn rustls(&self, error: &TlsCause) -> ConnectError {
        let peer = TlsPeer {
            address: &self.broker(),
            host: &self.settings.host,
            ca: self.settings.tls.as_ref().and_then(Tls::ca),
            named_in: "the url",
            plain_port: "is it a plain port (mqtt://)?",
        };
        ConnectError::Tls(peer.explain(error))
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
        let reason = text.map_or_else(|| spaced(&format!("{code:?}")), bounded);
        let text = format!("{} ended the connection: {reason}", self.broker());
        if may_be_about_a_message(code) { ConnectError::Closed(text) } else { ConnectError::Lost(text) }
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

/// The beginning of a broker's own words.
fn bounded(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}
