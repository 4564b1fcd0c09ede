//! The half of a connection to a broker that listens.

use super::flight::{Flight, Sent};
use super::poison::{PoisonGuard, Verdict};
use super::sparkplug::{self, Commands};
use crate::{ConnectionEvent, ConnectionEvents, Disconnected, NextEvents};
use headwater_mqtt::{Backoff, ConnectError, Connection, MqttEvent};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::time::Instant;

/// The broker's reason code that asks for another attempt later.
const QUOTA: &str = "quota exceeded";

/// The most topics of announcements that wait for the sending half; the next connection finds the others.
const FOUND_MAX: usize = 10_000;

/// Turns the events of the MQTT client into those of the output.
pub(super) struct MqttEvents {
    pub(super) connection: Connection,
    /// The most unacknowledged messages that the config allows.
    pub(super) inflight: u16,
    pub(super) flight: Rc<RefCell<Flight>>,
    pub(super) guard: Rc<RefCell<PoisonGuard>>,
    pub(super) backoff: Rc<RefCell<Backoff>>,
    /// Topics of announcements that the broker keeps; the sending half takes them.
    pub(super) found: Rc<RefCell<Vec<String>>>,
    /// What hosts ask an edge node for.
    pub(super) commands: Commands,
}

impl ConnectionEvents for MqttEvents {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            while events.is_empty() {
                match self.connection.poll().await {
                    Ok(event) => self.on_event(event, &mut events),
                    Err(error) => self.on_end(&error, &mut events),
                }
                while let Some(event) = self.connection.poll_buffered() {
                    self.on_event(event, &mut events);
                }
            }
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl MqttEvents {
    /// The connection has ended. If the broker has closed it with messages in flight, one of them may be the
    /// reason.
    fn on_end(&self, error: &ConnectError, events: &mut Vec<ConnectionEvent>) {
        let mut ended = self.ended(error);
        let flight = self.flight.borrow();
        if matches!(error, ConnectError::Closed(_)) && !flight.is_idle() && !flight.closing {
            let verdict = self.guard.borrow_mut().closed(Instant::now(), &ended.reason);
            let Verdict { refused, remark, soon } = verdict;
            ended.wait = if soon { self.backoff.borrow_mut().soon() } else { ended.wait };
            events.extend(refused.map(|(tag, why)| ConnectionEvent::Refused { tag, why }));
            ended.reason.push_str(&remark);
        }
        events.push(ConnectionEvent::Lost(ended));
    }

    fn ended(&self, error: &ConnectError) -> Disconnected {
        let (flight, mut backoff) = (self.flight.borrow(), self.backoff.borrow_mut());
        if !flight.is_idle() || flight.refused {
            let wait = backoff.after_sending(&self.connection, flight.useful);
            return Disconnected { reason: error.to_string(), wait };
        }
        let wait = backoff.after(&self.connection);
        Disconnected { reason: backoff.explain(error, self.connection.client_id()), wait }
    }

    fn on_event(&mut self, event: MqttEvent, events: &mut Vec<ConnectionEvent>) {
        let mut flight = self.flight.borrow_mut();
        match event {
            MqttEvent::Connected { .. } => {
                flight.up = true;
                flight.window = usize::from(self.connection.inflight().min(self.inflight));
                flight.packet_bytes_max = self.connection.packet_bytes_max();
                events.push(ConnectionEvent::Up);
            }
            MqttEvent::Sent { pkid } => flight.on_sent(pkid),
            MqttEvent::Acked { pkid, refused } => {
                let Some(answered) = flight.on_acked(pkid) else { return };
                flight.useful = true;
                flight.refused |= refused.is_some();
                drop(flight);
                self.on_answer(answered, refused, events);
            }
            MqttEvent::Incoming(kept) if kept.retain && !kept.payload.is_empty() => {
                let mut found = self.found.borrow_mut();
                if found.len() >= FOUND_MAX {
                    return;
                }
                found.push(kept.topic().to_owned());
                events.push(ConnectionEvent::Told);
            }
            // A command that the broker kept was meant for an earlier life.
            MqttEvent::Incoming(command) if !command.retain => {
                sparkplug::hear(&command.payload, &self.commands);
                events.push(ConnectionEvent::Told);
            }
            MqttEvent::Disconnected => {
                let wait = self.backoff.borrow_mut().next();
                events.push(ConnectionEvent::Lost(Disconnected { reason: "said farewell".into(), wait }));
            }
            _ => {}
        }
    }

    fn on_answer(&self, answered: Option<Sent>, refused: Option<String>, events: &mut Vec<ConnectionEvent>) {
        let Some(Sent { tag, others, topic }) = answered else {
            self.guard.borrow_mut().announced(Instant::now());
            return events.push(ConnectionEvent::Answered);
        };
        if refused.as_deref() == Some(QUOTA) {
            let wait = self.backoff.borrow_mut().next();
            let reason = format!("the broker says: {QUOTA}");
            return events.push(ConnectionEvent::Lost(Disconnected { reason, wait }));
        }
        self.guard.borrow_mut().answered(Instant::now(), &tag, refused.is_none());
        let answer = |tag| match &refused {
            None => ConnectionEvent::Acked(tag),
            Some(why) => ConnectionEvent::Refused { tag, why: format!("{topic}: {why}") },
        };
        events.extend(std::iter::once(tag).chain(others).map(answer));
    }
}
