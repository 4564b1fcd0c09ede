//! The interface of an output. An output opens connections, one after another.
//!
//! A connection has two halves, so that one can send while the other listens: [`OutputConnection`] and
//! [`ConnectionEvents`]. An output that writes in batches gathers messages in [`OutputConnection::send`], writes
//! them in [`OutputConnection::flush`] and acknowledges each of them.

use crate::catalogue::SharedCatalogue;
use crate::output_set::OutputSet;
use crate::{Encoder, Lane, Message, SendRate};
use bytes::Bytes;
use headwater_settings::Table;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Identifies a message in flight, so that an acknowledgement can be matched to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) owed: OutputSet,
}

/// A message on its way to an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Identifies the message in the answer.
    pub tag: Tag,
    /// Whether the message waited in the buffer.
    pub backfill: bool,
    /// The message.
    pub message: Message,
}

/// Tells the time [ms since the Unix epoch], as far as known.
pub type OutputClock = Rc<dyn Fn() -> i64>;

/// A configured output. It is not connected itself; it opens connections.
pub trait Output {
    /// Opens a connection. The connection begins to connect when its events are awaited. If the output's protocol
    /// has such a thing, the other side publishes `gone` when the connection is lost without a farewell.
    ///
    /// # Errors
    /// No connection can be opened. The error says why, and when to try again.
    fn open(&mut self, encoder: &Arc<dyn Encoder>, gone: Option<&Message>) -> Result<Opened, Disconnected>;

    /// Takes a clock, for outputs that stamp what they send. It comes before the first connection.
    fn tell_time(&mut self, clock: OutputClock) {
        let _ = clock;
    }

    /// Whether the messages of a lane go in their order, so that what waited goes before what is new.
    fn keeps_order(&self) -> bool {
        false
    }

    /// The driver closes a connection that has messages in flight and acknowledges none of them for this time.
    fn ack_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The rate limit for backfill.
    fn rate(&self) -> SendRate {
        SendRate::default()
    }

    /// The time over which live messages are spread that come together; zero: they go at once. Alerts always do.
    fn spread(&self) -> Duration {
        Duration::ZERO
    }

    /// Why messages are sent one at a time; `None`: they are not. The text follows "output NAME".
    fn one_at_a_time(&self) -> Option<&'static str> {
        None
    }

    /// What only one connection can hold, such as a client id at a broker, for people: two that are equal throw each
    /// other out. `None`: there is no such thing.
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// The topics that it publishes to as the agent with this id, of messages of these kinds. `None`: what it sends
    /// cannot come back, or its topics are not known.
    fn published(&self, agent: &str, kinds: &[&str]) -> Option<Published> {
        let _ = (agent, kinds);
        None
    }

    /// The MQTT broker that it connects to; `None`: it is none.
    fn broker(&self) -> Option<&headwater_mqtt::Settings> {
        None
    }

    /// Whether it announces what it will send, of JSON messages alone; see [`crate::Catalogue`].
    fn announces(&self) -> bool {
        false
    }

    /// The formats that its settings leave of those of its kind, the default first; `None`: all.
    fn formats(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// Tries the output, for `headwater self-test`. Test messages are marked as such. `None`: there is nothing to
    /// try.
    fn probe<'a>(&'a self, _encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(async { None })
    }

    /// Opens a tail on the messages that an agent sends to this output. `agent` is the id of another agent than
    /// that of the config.
    ///
    /// # Errors
    /// The output cannot be tailed. The error says what to do instead.
    fn tail(&self, _encoder: &dyn Encoder, _agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        Err("what it sends cannot be read back".into())
    }
}

/// The topics of an output at a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The broker, as `host:port`.
    pub address: String,
    /// MQTT filters that match its topics, and none of others.
    pub filters: Vec<String>,
}

/// The two halves of a new connection.
pub type Opened = (Box<dyn OutputConnection>, Box<dyn ConnectionEvents>);

/// A connection has ended, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// The reason, for people.
    pub reason: String,
    /// How long to wait before another is opened.
    pub wait: Duration,
}

/// The half of a connection that sends.
pub trait OutputConnection {
    /// How many messages can be sent now. 0 until the connection is up.
    fn room(&self) -> usize;

    /// The largest value of [`OutputConnection::room`].
    fn window(&self) -> usize;

    /// Whether no message is in flight.
    fn is_idle(&self) -> bool;

    /// Sends a message, or gathers it for [`OutputConnection::flush`]. A [`ConnectionEvent`] with its tag is the
    /// answer to it. Returns the size of the sent message (bytes).
    ///
    /// # Errors
    /// It was not sent.
    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError>;

    /// Sends the gathered messages. The driver calls it when it has sent what it could. `more`: there may be more
    /// messages, but no room. Returns how soon to call it again, if that matters.
    fn flush(&mut self, _more: bool) -> Option<Duration> {
        None
    }

    /// Announces the agent's presence, if the output's protocol has such a thing; see [`crate::OutputPresence`].
    /// The announcement is in flight until [`ConnectionEvent::Answered`].
    ///
    /// # Errors
    /// It was not sent.
    fn announce(&mut self, _presence: &Message) -> Result<(), SendError> {
        Ok(())
    }

    /// Announces what will be sent, if the output's protocol has such a thing, and takes back what is not so any
    /// more. The driver calls it whenever there may be room; it does as much as there is room for.
    fn announce_catalogue(&mut self, _catalogue: &SharedCatalogue) {}

    /// Closes the connection in good order, after all sent messages. [`ConnectionEvent::Lost`] follows.
    fn close(&mut self);
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room. An event will tell when there is.
    Busy,
    /// The message can never be sent: its place, and the reason.
    Unfit(String),
}

/// The half of a connection that listens.
pub trait ConnectionEvents {
    /// Waits for events, appends them to the list in order, and returns itself with the list. The future is
    /// dropped before its end only together with the connection.
    fn next(self: Box<Self>, events: Vec<ConnectionEvent>) -> NextEvents;
}

/// The listening half, with the events that it has heard.
pub type NextEvents = Pin<Box<dyn Future<Output = (Box<dyn ConnectionEvents>, Vec<ConnectionEvent>)>>>;

/// An event of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The connection is up: messages can be sent.
    Up,
    /// The other side has acknowledged the message.
    Acked(Tag),
    /// The other side has answered an announcement.
    Answered,
    /// The other side has said something that the sending half waits for.
    Told,
    /// The other side will never take this message.
    Refused {
        /// Which.
        tag: Tag,
        /// Its place and the reason.
        why: String,
    },
    /// The connection has ended. Messages without an acknowledgement count as not delivered.
    Lost(Disconnected),
    /// A thread of the output's own has panicked. That is no lost connection: [`crate::Forwarder::failed`] tells of it.
    Panicked,
}

/// A finding of [`Output::probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It works.
    Good(String),
    /// It works, with a remark.
    Note(String),
    /// It does not work. The text says what to do.
    Bad(String),
}

/// A running probe of an output.
pub type OutputProbing<'a> = Pin<Box<dyn Future<Output = Option<ProbeResult>> + 'a>>;

/// Reads the messages that an output sends.
pub trait Tail {
    /// Waits for the next item. Dropping the future loses no item.
    fn next(&mut self) -> Tailing<'_>;
}

/// A waiting [`Tail`]. An error ends it for good.
pub type Tailing<'a> = Pin<Box<dyn Future<Output = Result<Tailed, String>> + 'a>>;

/// What a [`Tail`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// A message.
    Message {
        /// Where it was sent to.
        place: String,
        /// The message, as the output's encoder wrote it.
        payload: Bytes,
        /// Whether it waited in the buffer.
        backfill: bool,
    },
    /// News of the tail itself, for people.
    Note(String),
}

/// What an output knows of the agent that runs it.
#[derive(Clone, Debug)]
pub struct OutputContext {
    /// The agent's id, for client ids.
    pub agent: String,
    /// The output's own name in the config.
    pub output: String,
}

/// A kind of output: what `type = "…"` names.
#[derive(Clone, Copy)]
pub struct OutputKind {
    /// The word in the config.
    pub name: &'static str,
    /// The formats that it can carry, as `format = "…"` names them. The first one is the default.
    pub formats: &'static [&'static str],
    /// Reads the output's table; mistakes go to the table, and `None` means there were some.
    pub read: fn(&mut Table<'_>, &OutputContext) -> Option<Box<dyn Output>>,
    /// Reads what agents send to an address, without a config; `None`: the kind has no addresses.
    pub tail: Option<TailAddress>,
    /// A commented sample of its table.
    pub sample: &'static str,
}

/// The address, and an agent's id, or all of them.
pub type TailAddress = fn(&str, Option<&str>) -> Result<Box<dyn Tail>, String>;

#[cfg(test)]
mod tests {
    use crate::OUTPUTS;

    /// The guide of a kind shows its sample, as it is.
    #[test]
    fn every_kind_has_a_guide_with_its_sample() {
        for kind in OUTPUTS {
            let path = format!("{}/src/output/{}/README.md", env!("CARGO_MANIFEST_DIR"), kind.name);
            let guide = std::fs::read_to_string(&path).unwrap();
            assert!(guide.contains(&format!("```toml\n{}```", kind.sample)), "{path} and its sample differ");
            assert!(kind.sample.contains(&format!("type = \"{}\"", kind.name)));
            assert!(!kind.formats.is_empty());
        }
    }
}
