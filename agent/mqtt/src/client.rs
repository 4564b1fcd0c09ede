//! The sending half of a connection.

use crate::error::ClientError;
use crate::event::Ticket;
use crate::{PACKET_BYTES_MAX, Qos, TOPIC_BYTES_MAX};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

/// The bytes of a publish after its fixed header, without topic and payload: the topic's length, the packet id, and
/// (MQTT 5) an empty property list.
const PUBLISH_OVERHEAD_BYTES: usize = 2 + 2 + 1;

/// The most queued acknowledgements: one for each packet id.
const ACKS_MAX: usize = 65_535;

/// Queues requests for the connection; nothing happens until the connection is polled. It never waits.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Rc<RefCell<RequestQueue>>);

/// A request to the broker.
#[derive(Debug)]
pub(crate) enum ClientRequest {
    Publish { topic: String, payload: Bytes, qos: Qos, retain: bool },
    Subscribe { filters: Vec<String>, qos: Qos },
    Unsubscribe { filter: String },
    Disconnect,
}

/// The requests that the connection has not taken yet.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    pub(crate) requests: VecDeque<ClientRequest>,
    /// Packet ids of messages to acknowledge.
    pub(crate) acks: Vec<u16>,
    /// The most requests; 0: the connection is gone.
    capacity: usize,
    /// The task that waits for one.
    waker: Option<Waker>,
}

impl RequestQueue {
    pub(crate) fn new(capacity: u16) -> Self {
        Self { requests: VecDeque::new(), acks: Vec::new(), capacity: usize::from(capacity), waker: None }
    }

    /// The next request wakes the task, which waits for the connection.
    pub(crate) fn wait(&mut self, context: &Context<'_>) {
        self.waker = Some(context.waker().clone());
    }

    /// Nobody waits for the connection: a request then waits until it is polled again.
    pub(crate) fn stop_waiting(&mut self) {
        self.waker = None;
    }

    /// The connection is gone.
    pub(crate) fn close(&mut self) {
        *self = Self::new(0);
    }

    fn push(&mut self, request: ClientRequest) -> Result<(), ClientError> {
        if self.requests.len() >= self.capacity {
            return Err(ClientError::Busy);
        }
        self.requests.push_back(request);
        self.wake();
        Ok(())
    }

    fn acknowledge(&mut self, pkid: u16) -> Result<(), ClientError> {
        if self.capacity == 0 || self.acks.len() >= ACKS_MAX {
            return Err(ClientError::Busy);
        }
        self.acks.push(pkid);
        self.wake();
        Ok(())
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
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
        self.request(ClientRequest::Publish { topic, payload, qos, retain })
    }

    /// Queues one subscription with all `filters`; [`crate::MqttEvent::Subscribed`] answers it.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room; [`ClientError::Unfit`] for a filter that MQTT does not allow, or none.
    pub fn try_subscribe(&self, filters: &[String], qos: Qos) -> Result<(), ClientError> {
        if filters.is_empty() {
            return Err(ClientError::Unfit("no filter to subscribe to".into()));
        }
        filters.iter().try_for_each(|filter| fit_filter(filter))?;
        self.request(ClientRequest::Subscribe { filters: filters.to_vec(), qos })
    }

    /// Queues the end of a subscription.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room; [`ClientError::Unfit`] for a filter that MQTT does not allow.
    pub fn try_unsubscribe(&self, filter: &str) -> Result<(), ClientError> {
        fit_filter(filter)?;
        self.request(ClientRequest::Unsubscribe { filter: filter.to_owned() })
    }

    /// Acknowledges a message, if [`crate::MqttSession::manual_acks`] is set. A QoS 0 message needs no
    /// acknowledgement, and one that the broker does not wait for is left out. Drop old tickets after a reconnect: the
    /// broker sends the messages again.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room: 65,535 wait already, or the connection is gone.
    pub fn ack(&self, ticket: Ticket) -> Result<(), ClientError> {
        self.0.borrow_mut().acknowledge(ticket.pkid)
    }

    /// Queues a disconnect; [`crate::MqttEvent::Disconnected`] tells that it has been sent. The broker then drops the
    /// last will.
    ///
    /// # Errors
    /// [`ClientError::Busy`] if there is no room.
    pub fn try_disconnect(&self) -> Result<(), ClientError> {
        self.request(ClientRequest::Disconnect)
    }

    fn request(&self, request: ClientRequest) -> Result<(), ClientError> {
        self.0.borrow_mut().push(request)
    }
}

fn fit_filter(filter: &str) -> Result<(), ClientError> {
    if filter.len() > TOPIC_BYTES_MAX || !rumqttc::valid_filter(filter) {
        return Err(ClientError::Unfit(format!("`{}` is not a topic filter", shown(filter))));
    }
    Ok(())
}

/// Whether MQTT can carry a message.
///
/// # Errors
/// [`ClientError::Unfit`] says why it cannot.
pub(crate) fn fit(topic: &str, payload: &Bytes) -> Result<(), ClientError> {
    if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX || topic.contains(['+', '#', '\0']) {
        return Err(ClientError::Unfit(format!(
            "`{}` cannot be published to: empty, too long, or with +, # or NUL",
            shown(topic)
        )));
    }
    let bytes = Client::publish_bytes_max(topic, payload);
    if bytes > PACKET_BYTES_MAX {
        return Err(ClientError::Unfit(format!("a message of {bytes} bytes is above what MQTT carries")));
    }
    Ok(())
}

/// As much of a topic as an error shows.
fn shown(topic: &str) -> String {
    topic.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumqttc::v5::mqttbytes::v5 as packets_v5;

    #[test]
    fn the_size_is_that_of_the_packet() {
        for bytes in [0, 100, 119, 120, 121, 16_375, 16_376, 16_377, 70_000, 2_097_143, 2_097_144] {
            let payload = vec![b'x'; bytes];
            let mut packet = packets_v5::Publish::new("t/u", Qos::AtLeastOnce.into(), payload.clone(), None);
            packet.pkid = 1;
            assert_eq!(Client::publish_bytes_max("t/u", &payload), packet.size(), "{bytes}");
        }
    }

    #[test]
    fn a_full_queue_and_one_without_a_connection_are_busy() {
        let queue = Rc::new(RefCell::new(RequestQueue::new(2)));
        let client = Client(queue.clone());
        let publish = || client.try_publish("t".into(), Bytes::new(), Qos::AtLeastOnce, false);
        assert_eq!([publish(), publish(), publish()], [Ok(()), Ok(()), Err(ClientError::Busy)]);
        assert_eq!(client.ack(Ticket::at_least_once(1)), Ok(()), "acknowledgements have room of their own");
        queue.borrow_mut().acks = vec![1; ACKS_MAX];
        assert_eq!(client.ack(Ticket::at_least_once(1)), Err(ClientError::Busy));
        queue.borrow_mut().close();
        assert_eq!(publish(), Err(ClientError::Busy));
        assert_eq!(client.ack(Ticket::at_least_once(1)), Err(ClientError::Busy));
    }
}
