//! Reads messages: nothing is copied, and properties are walked over without being kept.
//!
//! Source: MQTT 3.1.1 and 5, 3.3 (PUBLISH).

use crate::error::Fault;
use crate::frame::{Frame, variable_length};
use crate::{Publish, Qos, Version};
use bytes::{Buf, Bytes};

/// The properties that a message may have (MQTT 5, 3.3.2.3).
mod property {
    pub(super) const PAYLOAD_FORMAT: u8 = 1;
    pub(super) const MESSAGE_EXPIRY: u8 = 2;
    pub(super) const CONTENT_TYPE: u8 = 3;
    pub(super) const RESPONSE_TOPIC: u8 = 8;
    pub(super) const CORRELATION_DATA: u8 = 9;
    pub(super) const SUBSCRIPTION_ID: u8 = 11;
    pub(super) const TOPIC_ALIAS: u8 = 35;
    pub(super) const USER_PROPERTY: u8 = 38;
}

/// Reads a message of QoS 0 or 1.
///
/// # Errors
/// It is malformed, has no topic or no packet id, or uses a topic alias, which we never allow.
pub(super) fn read(version: Version, frame: Frame) -> Result<Publish, Fault> {
    let flags = frame.first & 0x0f;
    let mut bytes = frame.into_body();
    let topic = take_text(&mut bytes)?;
    let qos = if flags & 0b0110 == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    let pkid = match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => bytes.try_get_u16().map_err(|_| Fault::malformed())?,
    };
    if qos == Qos::AtLeastOnce && pkid == 0 {
        return Err(Fault::Protocol("a message with the packet id 0".into()));
    }
    if version == Version::V5 {
        skip_properties(&mut bytes)?;
    }
    if topic.is_empty() {
        return Err(Fault::Protocol("a message without a topic".into()));
    }
    if std::str::from_utf8(&topic).is_err() {
        return Err(Fault::Protocol("a topic that is not UTF-8".into()));
    }
    Ok(Publish { topic, payload: bytes, qos, retain: flags & 0b0001 != 0, dup: flags & 0b1000 != 0, pkid })
}

fn take_text(from: &mut Bytes) -> Result<Bytes, Fault> {
    let length = usize::from(from.try_get_u16().map_err(|_| Fault::malformed())?);
    if length > from.len() {
        return Err(Fault::malformed());
    }
    Ok(from.split_to(length))
}

fn skip_properties(from: &mut Bytes) -> Result<(), Fault> {
    let mut rest: &[u8] = from;
    let length = variable_length(&mut rest)?.ok_or_else(Fault::malformed)?;
    let (mut properties, payload) = rest.split_at_checked(length).ok_or_else(Fault::malformed)?;
    while let Some((id, value)) = properties.split_first() {
        properties = after(*id, value)?;
    }
    let skipped = from.len() - payload.len();
    from.advance(skipped);
    Ok(())
}

/// What comes after the value of a property.
fn after(id: u8, value: &[u8]) -> Result<&[u8], Fault> {
    let skip = |bytes: usize| value.get(bytes..).ok_or_else(Fault::malformed);
    match id {
        property::PAYLOAD_FORMAT => skip(1),
        property::MESSAGE_EXPIRY => skip(4),
        property::CONTENT_TYPE | property::RESPONSE_TOPIC | property::CORRELATION_DATA => after_text(value),
        property::USER_PROPERTY => after_text(after_text(value)?),
        property::SUBSCRIPTION_ID => {
            let mut rest = value;
            variable_length(&mut rest)?.ok_or_else(Fault::malformed)?;
            Ok(rest)
        }
        property::TOPIC_ALIAS => Err(Fault::Protocol("a topic alias, although none is allowed".into())),
        other => Err(Fault::Protocol(format!("a message with the property {other}"))),
    }
}

fn after_text(value: &[u8]) -> Result<&[u8], Fault> {
    let (length, rest) = value.split_first_chunk().ok_or_else(Fault::malformed)?;
    rest.get(usize::from(u16::from_be_bytes(*length))..).ok_or_else(Fault::malformed)
}
