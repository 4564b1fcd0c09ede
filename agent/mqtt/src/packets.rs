//! The packets that a client reads and writes, in both versions.
//!
//! `rumqttc` has the codecs. Three kinds of packets are read here instead, where its decoder is not enough: messages,
//! because it copies topics and decodes properties that nobody reads; acknowledgements of MQTT 5, because it fails on
//! reasons that brokers do give; and the short forms of answers that MQTT 5 allows and it does not.
//!
//! Source: MQTT 3.1.1 and 5, chapter 3. Deviation: of a message's properties only their form is checked.

mod encode;
mod message;

pub(crate) use encode::{PING, acknowledge, hello, request};

use crate::error::Fault;
use crate::frame::{Frame, kind};
use crate::{Publish, Version};
use bytes::Buf;
use headwater_tls::spaced;
use rumqttc::v5::mqttbytes::v5::{self as packets_v5, DisconnectReasonCode};
use rumqttc::{ConnectReturnCode as CodeV4, Packet as PacketV4};
use std::time::Duration;

/// The answer of a broker that accepts the connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) session_present: bool,
    /// The most unacknowledged publishes that it takes (MQTT 5).
    pub(crate) receive_max: Option<u16>,
    /// The largest packet that it takes (bytes; MQTT 5).
    pub(crate) packet_bytes_max: Option<usize>,
    /// The topics that may have a number instead of their name (MQTT 5).
    pub(crate) topic_alias_max: u16,
    /// The keep-alive time that it wants instead of ours (MQTT 5); zero: none.
    pub(crate) keep_alive: Option<Duration>,
}

/// A packet of a broker, once the connection is accepted.
#[derive(Debug)]
pub(crate) enum BrokerPacket {
    Publish(Publish),
    PubAck {
        pkid: u16,
        /// Why it refuses the publish (MQTT 5).
        refused: Option<String>,
    },
    SubAck {
        /// The positions of the refused filters.
        refused: Vec<usize>,
    },
    /// The answer to a ping, or to the end of a subscription.
    Other,
}

/// Reads the answer to CONNECT.
///
/// # Errors
/// The broker refuses the connection, or its answer makes no sense.
pub(crate) fn welcome(version: Version, frame: Frame) -> Result<Welcome, Fault> {
    // A broker that does not speak MQTT 5 answers in the shorter form of 3.1.1.
    let is_short = frame.bytes.len() - frame.header_bytes == 2;
    if version == Version::V5 && !is_short {
        return welcome_v5(frame);
    }
    match (decoded_v4(frame)?, version) {
        (PacketV4::ConnAck(ack), Version::V4) if ack.code == CodeV4::Success => {
            Ok(Welcome { session_present: ack.session_present, ..Welcome::default() })
        }
        (PacketV4::ConnAck(ack), Version::V5) if ack.code == CodeV4::Success => Err(Fault::malformed()),
        (PacketV4::ConnAck(ack), Version::V5) if ack.code == CodeV4::RefusedProtocolVersion => {
            Err(Fault::RefusedV5(packets_v5::ConnectReturnCode::UnsupportedProtocolVersion))
        }
        (PacketV4::ConnAck(ack), _) => Err(Fault::RefusedV4(ack.code)),
        _ => Err(Fault::malformed()),
    }
}

fn welcome_v5(frame: Frame) -> Result<Welcome, Fault> {
    let packets_v5::Packet::ConnAck(ack) = decoded_v5(frame)? else { return Err(Fault::malformed()) };
    if ack.code != packets_v5::ConnectReturnCode::Success {
        return Err(Fault::RefusedV5(ack.code));
    }
    let mut welcome = Welcome { session_present: ack.session_present, ..Welcome::default() };
    if let Some(said) = ack.properties {
        if said.receive_max == Some(0) || said.max_packet_size == Some(0) {
            return Err(Fault::Protocol("a limit of zero".into()));
        }
        welcome.receive_max = said.receive_max;
        welcome.packet_bytes_max = said.max_packet_size.and_then(|bytes| usize::try_from(bytes).ok());
        welcome.topic_alias_max = said.topic_alias_max.unwrap_or_default();
        welcome.keep_alive = said.server_keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
    }
    Ok(welcome)
}

/// Reads a packet of an accepted connection.
///
/// # Errors
/// The broker ends the connection and says why, or the packet is malformed.
pub(crate) fn read(version: Version, frame: Frame) -> Result<BrokerPacket, Fault> {
    match frame.first >> 4 {
        kind::PUBLISH => message::read(version, frame).map(BrokerPacket::Publish),
        kind::PUBACK => puback(frame),
        kind::SUBACK => suback(version, frame),
        kind::DISCONNECT => Err(disconnect(frame)?),
        _ => Ok(BrokerPacket::Other),
    }
}

fn puback(frame: Frame) -> Result<BrokerPacket, Fault> {
    let mut body = frame.into_body();
    let pkid = body.try_get_u16().map_err(|_| Fault::malformed())?;
    // Without a reason it is a success (MQTT 5, 3.4.2.1).
    let reason = body.try_get_u8().unwrap_or_default();
    Ok(BrokerPacket::PubAck { pkid, refused: refusal(reason) })
}

/// Why a broker refuses a publish; `None`: it does not, whether anybody listens (0x10) or not.
fn refusal(reason: u8) -> Option<String> {
    match reason {
        0x00 | 0x10 => None,
        0x91 => Some("packet identifier in use".into()),
        other => Some(
            DisconnectReasonCode::try_from(other)
                .map_or_else(|_| format!("reason {other:#04x}"), |reason| spaced(&format!("{reason:?}"))),
        ),
    }
}

fn suback(version: Version, frame: Frame) -> Result<BrokerPacket, Fault> {
    let refused = match version {
        Version::V4 => {
            let PacketV4::SubAck(ack) = decoded_v4(frame)? else { return Err(Fault::malformed()) };
            positions(&ack.return_codes, |code| !matches!(code, rumqttc::SubscribeReasonCode::Success(_)))
        }
        Version::V5 => {
            let packets_v5::Packet::SubAck(ack) = decoded_v5(frame)? else { return Err(Fault::malformed()) };
            positions(&ack.return_codes, |code| !matches!(code, packets_v5::SubscribeReasonCode::Success(_)))
        }
    };
    Ok(BrokerPacket::SubAck { refused })
}

fn positions<T>(codes: &[T], refused: impl Fn(&T) -> bool) -> Vec<usize> {
    codes.iter().enumerate().filter(|(_, code)| refused(code)).map(|(position, _)| position).collect()
}

/// The broker's farewell (MQTT 5), which needs neither properties nor a reason.
fn disconnect(frame: Frame) -> Result<Fault, Fault> {
    let reason = match frame.bytes.get(frame.header_bytes..).unwrap_or_default() {
        [] => DisconnectReasonCode::NormalDisconnection,
        [reason] => DisconnectReasonCode::try_from(*reason).map_err(Fault::codec)?,
        _ => {
            let packets_v5::Packet::Disconnect(farewell) = decoded_v5(frame)? else {
                return Err(Fault::malformed());
            };
            let text = farewell.properties.and_then(|properties| properties.reason_string);
            return Ok(Fault::SentAway { reason: farewell.reason_code, text });
        }
    };
    Ok(Fault::SentAway { reason, text: None })
}

fn decoded_v4(mut frame: Frame) -> Result<PacketV4, Fault> {
    let bytes = frame.bytes.len();
    PacketV4::read(&mut frame.bytes, bytes).map_err(Fault::codec)
}

fn decoded_v5(mut frame: Frame) -> Result<packets_v5::Packet, Fault> {
    packets_v5::Packet::read(&mut frame.bytes, None).map_err(Fault::codec)
}

#[cfg(test)]
mod tests;
