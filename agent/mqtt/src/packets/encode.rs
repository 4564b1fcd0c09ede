//! Writes packets.

use crate::client::{ClientRequest, fit};
use crate::error::{ClientError, Fault};
use crate::topic_aliases::TopicAlias;
use crate::{MqttSession, Qos, Settings, TOPIC_BYTES_MAX, Version, Will};
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes as bytes_v5;
use rumqttc::v5::mqttbytes::v5 as packets_v5;

/// The whole packet of a ping, in both versions.
pub(crate) const PING: [u8; 2] = [0xc0, 0];

/// The whole packet of a disconnect without properties, in both versions.
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The CONNECT packet.
///
/// # Errors
/// [`ClientError::Setup`] for what does not fit into it.
pub(crate) fn hello(
    settings: &Settings,
    session: &MqttSession,
    client_id: &str,
) -> Result<BytesMut, ClientError> {
    let username = settings.username.as_deref().unwrap_or_default();
    let password = settings.password.as_ref().map_or("", |password| password.reveal());
    let message = session.last_will.as_ref().map_or(&[][..], |will| &will.payload);
    let texts = [("client id", client_id), ("username", username), ("password", password)];
    let texts = texts.map(|(what, text)| (what, text.len()));
    let mut all = texts.into_iter().chain([("last will", message.len())]);
    if let Some((what, bytes)) = all.find(|(_, bytes)| *bytes > TOPIC_BYTES_MAX) {
        return Err(ClientError::Setup(format!("a {what} of {bytes} bytes is above what MQTT carries")));
    }
    if let Some(will) = &session.last_will {
        fit(&will.topic, &will.payload)?;
    }
    let keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let mut bytes = BytesMut::new();
    let written = match settings.version {
        Version::V4 => {
            let login =
                settings.username.as_ref().map(|_| rumqttc::mqttbytes::v4::Login::new(username, password));
            let last_will = session.last_will.clone().map(|Will { topic, payload, qos, retain }| {
                rumqttc::LastWill { topic, message: payload, qos: qos.into(), retain }
            });
            rumqttc::Connect {
                protocol: rumqttc::Protocol::V4,
                keep_alive,
                client_id: client_id.to_owned(),
                clean_session: session.clean,
                last_will,
                login,
            }
            .write(&mut bytes)
            .map_err(|error| error.to_string())
        }
        Version::V5 => {
            let login = settings.username.as_ref().map(|_| packets_v5::Login::new(username, password));
            let last_will =
                session.last_will.clone().map(|Will { topic, payload, qos, retain }| packets_v5::LastWill {
                    topic: topic.into(),
                    message: payload,
                    qos: qos.into(),
                    retain,
                    properties: None,
                });
            connect_v5(session, client_id, keep_alive)
                .write(&last_will, &login, &mut bytes)
                .map_err(|error| error.to_string())
        }
    };
    written.map(|_| bytes).map_err(ClientError::Setup)
}

fn connect_v5(session: &MqttSession, client_id: &str, keep_alive: u16) -> packets_v5::Connect {
    let mut properties = packets_v5::ConnectProperties::new();
    let expiry = || u32::try_from(session.expiry.as_secs()).unwrap_or(u32::MAX);
    properties.session_expiry_interval = (!session.clean).then(expiry);
    // Zero would be an error of ours.
    properties.max_packet_size = Some(u32::try_from(session.packet_bytes_max.max(1)).unwrap_or(u32::MAX));
    packets_v5::Connect {
        keep_alive,
        client_id: client_id.to_owned(),
        clean_start: session.clean,
        properties: Some(properties),
    }
}

/// Writes a request; one without a packet id ignores `pkid`, one that is no publish of MQTT 5 ignores `alias`.
///
/// # Errors
/// The codec does not write it, or it is larger than `bytes_max`.
pub(crate) fn request(
    version: Version,
    request: ClientRequest,
    (pkid, alias): (u16, TopicAlias),
    bytes_max: usize,
    to: &mut BytesMut,
) -> Result<(), Fault> {
    let before = to.len();
    match version {
        Version::V4 => request_v4(request, pkid, to).map_err(Fault::codec)?,
        Version::V5 => request_v5(request, (pkid, alias), to).map_err(Fault::codec)?,
    };
    let bytes = to.len() - before;
    if bytes > bytes_max {
        to.truncate(before);
        return Err(Fault::Protocol(format!("a request of {bytes} bytes is more than the broker takes")));
    }
    Ok(())
}

fn request_v4(
    request: ClientRequest,
    pkid: u16,
    to: &mut BytesMut,
) -> Result<usize, rumqttc::mqttbytes::Error> {
    match request {
        ClientRequest::Publish { topic, payload, qos, retain } => {
            rumqttc::Publish { dup: false, qos: qos.into(), retain, topic, pkid, payload }.write(to)
        }
        ClientRequest::Subscribe { filters, qos } => {
            let filters = filters.into_iter().map(|path| rumqttc::SubscribeFilter::new(path, qos.into()));
            rumqttc::Subscribe { pkid, filters: filters.collect() }.write(to)
        }
        ClientRequest::Unsubscribe { filter } => {
            rumqttc::Unsubscribe { pkid, topics: vec![filter] }.write(to)
        }
        ClientRequest::Disconnect => Ok(disconnect(to)),
    }
}

fn request_v5(
    request: ClientRequest,
    (pkid, alias): (u16, TopicAlias),
    to: &mut BytesMut,
) -> Result<usize, bytes_v5::Error> {
    match request {
        ClientRequest::Publish { topic, payload, qos, retain } => packets_v5::Publish {
            dup: false,
            qos: qos.into(),
            retain,
            topic: if matches!(alias, TopicAlias::Known(_)) { Bytes::new() } else { topic.into() },
            pkid,
            payload,
            properties: alias.number().map(|number| packets_v5::PublishProperties {
                topic_alias: Some(number),
                ..packets_v5::PublishProperties::default()
            }),
        }
        .write(to),
        ClientRequest::Subscribe { filters, qos } => {
            let filters = filters.into_iter().map(|path| packets_v5::Filter::new(path, qos.into()));
            packets_v5::Subscribe { pkid, filters: filters.collect(), properties: None }.write(to)
        }
        ClientRequest::Unsubscribe { filter } => {
            packets_v5::Unsubscribe { pkid, filters: vec![filter], properties: None }.write(to)
        }
        ClientRequest::Disconnect => Ok(disconnect(to)),
    }
}

fn disconnect(to: &mut BytesMut) -> usize {
    to.extend_from_slice(&DISCONNECT);
    DISCONNECT.len()
}

/// Writes the acknowledgement of a message, the same in both versions.
pub(crate) fn acknowledge(pkid: u16, to: &mut BytesMut) {
    // Its length is fixed, so that the codec cannot refuse it.
    let written = rumqttc::PubAck::new(pkid).write(to);
    debug_assert!(written.is_ok(), "{written:?}");
}

impl From<Qos> for rumqttc::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}

impl From<Qos> for bytes_v5::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
        }
    }
}
