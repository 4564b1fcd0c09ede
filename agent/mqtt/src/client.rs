//! The sending half of a connection.

use crate::error::ClientError;
use crate::event::Ticket;
use crate::{PACKET_BYTES_MAX, Qos, TOPIC_BYTES_MAX};
use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as packets_v5;

/// The bytes of a publish after its fixed header, without topic and payload: the topic's length, the packet id, and
/// (MQTT 5) an empty property list.
const PUBLISH_OVERHEAD_BYTES: usize = 2 + 2 + 1;

/// Queues requests for the connection; nothing happens until the connection is polled.
///
/// The asynchronous requests wait while the queue is full, so never await them in the task that polls.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Inner);

#[derive(Clone, Debug)]
pub(crate) enum Inner {
    V4(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

impl Client {
    /// The packet's size on the wire (bytes), with MQTT 3.1.1 a byte less.
    #[must_use]
    pub fn publish_bytes_max(topic: &str, payload: &[u8]) -> usize {
        let remaining = PUBLISH_OVERHEAD_BYTES + topic.len() + payload.len();
        // Seven bits of the length in each byte (MQTT 5, 2.1.4).
        let length_bytes = 1
            + usize::from(remaining >= 1 << 7)
            + usize::from(remaining >= 1 << 14)
            + usize::from(remaining >= 1 << 21);
        1 + length_bytes + remaining
    }

    /// Queues a message if there is room.
    ///
    /// # Errors
    /// [`ClientError::Busy`], or [`ClientError::Unfit`] for a topic or size that MQTT cannot carry.
    pub fn try_publish(
        &self,
        topic: String,
        payload: Bytes,
        qos: Qos,
        retain: bool,
    ) -> Result<(), ClientError> {
        fit(&topic, &payload)?;
        match &self.0 {
            Inner::V4(client) => {
                client.try_publish(topic, qos.into(), retain, payload).map_err(|_| ClientError::Busy)
            }
            Inner::V5(client) => {
                client.try_publish(topic, qos.into(), retain, payload).map_err(|_| ClientError::Busy)
            }
        }
    }

    /// Queues a message, waiting for room.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if the connection is gone, [`ClientError::Unfit`] for a topic or size that MQTT cannot carry.
    pub async fn publish(
        &self,
        topic: String,
        payload: Bytes,
        qos: Qos,
        retain: bool,
    ) -> Result<(), ClientError> {
        fit(&topic, &payload)?;
        match &self.0 {
            Inner::V4(client) => {
                client.publish_bytes(topic, qos.into(), retain, payload).await.map_err(|_| ClientError::Busy)
            }
            Inner::V5(client) => {
                client.publish(topic, qos.into(), retain, payload).await.map_err(|_| ClientError::Busy)
            }
        }
    }

    /// Queues one subscription with all `filters`; [`crate::MqttEvent::Subscribed`] answers it.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room; [`ClientError::Unfit`] for a filter that MQTT does not allow, or none.
    pub fn try_subscribe(&self, filters: &[String], qos: Qos) -> Result<(), ClientError> {
        let wrong = |filter: &&String| filter.len() > TOPIC_BYTES_MAX || !rumqttc::valid_filter(filter);
        if filters.is_empty() {
            return Err(ClientError::Unfit("no filter to subscribe to".into()));
        }
        if let Some(filter) = filters.iter().find(wrong) {
            return Err(ClientError::Unfit(format!("`{filter}` is not a topic filter")));
        }
        match &self.0 {
            Inner::V4(client) => {
                let filters = filters.iter().map(|f| rumqttc::SubscribeFilter::new(f.clone(), qos.into()));
                client.try_subscribe_many(filters).map_err(|_| ClientError::Busy)
            }
            Inner::V5(client) => {
                let filters = filters.iter().map(|f| packets_v5::Filter::new(f.clone(), qos.into()));
                client.try_subscribe_many(filters).map_err(|_| ClientError::Busy)
            }
        }
    }

    /// Queues the end of a subscription.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room; [`ClientError::Unfit`] for a filter that MQTT does not allow.
    pub fn try_unsubscribe(&self, filter: &str) -> Result<(), ClientError> {
        if filter.len() > TOPIC_BYTES_MAX || !rumqttc::valid_filter(filter) {
            return Err(ClientError::Unfit(format!("`{filter}` is not a topic filter")));
        }
        match &self.0 {
            Inner::V4(client) => client.try_unsubscribe(filter).map_err(|_| ClientError::Busy),
            Inner::V5(client) => client.try_unsubscribe(filter).map_err(|_| ClientError::Busy),
        }
    }

    /// Acknowledges a message, if [`crate::MqttSession::manual_acks`] is set; a QoS 0 message needs no
    /// acknowledgement. Drop old tickets after a reconnect: the broker sends the messages again.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room.
    pub fn ack(&self, ticket: Ticket) -> Result<(), ClientError> {
        let Ticket { pkid, qos } = ticket;
        match &self.0 {
            Inner::V4(client) => {
                let mut publish = rumqttc::Publish::new("", qos.into(), []);
                publish.pkid = pkid;
                client.try_ack(&publish).map_err(|_| ClientError::Busy)
            }
            Inner::V5(client) => {
                let mut publish = packets_v5::Publish::new("", qos.into(), Bytes::new(), None);
                publish.pkid = pkid;
                client.try_ack(&publish).map_err(|_| ClientError::Busy)
            }
        }
    }

    /// Queues a disconnect; [`crate::MqttEvent::Disconnected`] tells that it has been sent. The broker then drops the
    /// last will.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room.
    pub fn try_disconnect(&self) -> Result<(), ClientError> {
        match &self.0 {
            Inner::V4(client) => client.try_disconnect().map_err(|_| ClientError::Busy),
            Inner::V5(client) => client.try_disconnect().map_err(|_| ClientError::Busy),
        }
    }

    /// As [`Client::try_disconnect`], waiting for room.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if the connection is gone.
    pub async fn disconnect(&self) -> Result<(), ClientError> {
        match &self.0 {
            Inner::V4(client) => client.disconnect().await.map_err(|_| ClientError::Busy),
            Inner::V5(client) => client.disconnect().await.map_err(|_| ClientError::Busy),
        }
    }
}

fn fit(topic: &str, payload: &Bytes) -> Result<(), ClientError> {
    if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX || topic.contains(['+', '#', '\0']) {
        let shown: String = topic.chars().take(80).collect();
        return Err(ClientError::Unfit(format!(
            "`{shown}` cannot be published to: empty, too long, or with +, # or NUL"
        )));
    }
    let bytes = Client::publish_bytes_max(topic, payload);
    if bytes > PACKET_BYTES_MAX {
        return Err(ClientError::Unfit(format!("a message of {bytes} bytes is above what MQTT carries")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_packet() {
        for bytes in [0, 100, 119, 120, 121, 16_375, 16_376, 16_377, 70_000, 2_097_143, 2_097_144] {
            let payload = vec![b'x'; bytes];
            let mut packet = packets_v5::Publish::new("t/u", Qos::AtLeastOnce.into(), payload.clone(), None);
            packet.pkid = 1;
            assert_eq!(Client::publish_bytes_max("t/u", &payload), packet.size(), "{bytes}");
        }
    }
}
