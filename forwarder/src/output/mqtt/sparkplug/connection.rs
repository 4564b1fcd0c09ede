//! How a connection carries a node: births before data, each payload with its number.

use super::super::MqttConnection;
use super::super::publication::Publication;
use super::EdgeNode;
use crate::{Message, SendError};
use headwater_mqtt::Qos;

impl MqttConnection {
    /// The publication of a message, after the births that its data need.
    ///
    /// # Errors
    /// There is no room for a birth, or the message cannot be encoded.
    pub(in super::super) fn publication(
        &mut self,
        message: &Message,
        backfill: bool,
    ) -> Result<Publication, SendError> {
        let Some(node) = &mut self.edge_node else {
            return self.publisher.publication(message, backfill).map_err(SendError::Unfit);
        };
        let data = node.data(&*self.publisher.encoder, message, backfill).map_err(SendError::Unfit)?;
        self.give_birth()?;
        self.edge_node.as_ref().map(|node| node.publication(&data)).ok_or(SendError::Busy)
    }

    /// The agent is there: the node is born, if it is not. Its state has no place in Sparkplug.
    pub(in super::super) fn announce_node(&mut self, made_ms: i64) -> Result<(), SendError> {
        self.edge_node.iter_mut().for_each(|node| node.tell_time(made_ms));
        self.give_birth()
    }

    /// Publishes the births that are due, as far as there is room.
    ///
    /// # Errors
    /// There is no room for all of them.
    pub(in super::super) fn give_birth(&mut self) -> Result<(), SendError> {
        if let Some(topic) = self.edge_node.as_ref().and_then(EdgeNode::wants_to_hear)
            && self.client.try_subscribe(&[topic], Qos::AtLeastOnce).is_ok()
        {
            self.edge_node.iter_mut().for_each(EdgeNode::hears);
        }
        while let Some(birth) = self.edge_node.as_mut().and_then(EdgeNode::due) {
            if self.flight.borrow().room() == 0 {
                return Err(SendError::Busy);
            }
            self.fits(&birth)?;
            self.request(None, birth)?;
            self.edge_node.iter_mut().for_each(EdgeNode::born);
        }
        Ok(())
    }

    /// Says that the node leaves.
    pub(in super::super) fn farewell(&self) {
        if let Some(node) = &self.edge_node {
            let death = node.farewell();
            // Without room for it the broker says it, because the connection is dropped.
            let _ = self.client.try_publish(death.topic, death.payload, death.qos, death.retain);
        }
    }
}
