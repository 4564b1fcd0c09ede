//! What an output is: it opens connections, one after another, to whoever takes the messages.
//!
//! A connection has two halves, so that one can send while the other listens: [`OutputConnection`] and
//! [`ConnectionEvents`]. An output that writes many messages at once gathers them in [`OutputConnection::send`], writes
//! them in [`OutputConnection::flush`] and acknowledges each of them.

use crate::output_set::OutputSet;
use crate::{Encoder, Lane, Message, SendRate};
use bytes::Bytes;
use headwater_settings::Table;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Marks a message on its way, so that the answer to it can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) owed: OutputSet,
}

/// A message on its way to an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// For the answer.
    pub tag: Tag,
    /// Whether the message waited in the buffer.
    pub backfill: bool,
    /// The message.
    pub message: Message,
}

/// An output, configured. It is not connected: it opens connections.
pub trait Output {
    /// Opens a connection, which begins to connect when its events are awaited. `gone` is what the other side shall say
    /// when the connection is lost without a farewell, if the output's protocol knows such a thing.
    ///
    /// # Errors
    /// Why none can be opened, and when to try again.
    fn open(&mut self, encoder: &Arc<dyn Encoder>, gone: Option<&Message>) -> Result<Opened, Disconnected>;

    /// A connection on which messages are on their way and none is acknowledged for so long is given up.
    fn ack_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How fast it takes what waited in the buffer.
    fn rate(&self) -> SendRate {
        SendRate::default()
    }

    /// Why messages go one at a time, if they do: an addition to "output NAME".
    fn one_at_a_time(&self) -> Option<&'static str> {
        None
    }

    /// Whether the output works from here, for `headwater self-test`. Messages that arrive by it are marked as tests.
    /// `None`: there is nothing to try.
    fn probe<'a>(&'a self, _encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(async { None })
    }

    /// Reads what an agent sends to this output; `agent` is another one than that of the config.
    ///
    /// # Errors
    /// It cannot be read from here, and what to do instead.
    fn tail(&self, _encoder: &dyn Encoder, _agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        Err("what it sends cannot be read back".into())
    }
}

/// A fresh connection's two halves.
pub type Opened = (Box<dyn OutputConnection>, Box<dyn ConnectionEvents>);

/// There is no connection, or no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// For people.
    pub reason: String,
    /// How long to wait before another is opened.
    pub wait: Duration,
}

/// The half of a connection that sends.
pub trait OutputConnection {
    /// Messages that can be sent now, before one of those on their way is acknowledged; 0 until it is connected.
    fn room(&self) -> usize;

    /// The largest room there is.
    fn window(&self) -> usize;

    /// Whether nothing is on its way.
    fn is_idle(&self) -> bool;

    /// Sends a message, or gathers it; a [`ConnectionEvent`] with its tag will say what became of it. The answer is the
    /// size of what was sent (bytes).
    ///
    /// # Errors
    /// It was not sent.
    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError>;

    /// Sends what was gathered. Called after messages were sent: because there is no room (`more` may be there), or no
    /// further message. The answer says when to call again, if that must be soon.
    fn flush(&mut self, _more: bool) -> Option<Duration> {
        None
    }

    /// Says how the agent is, where the output's protocol knows such a thing; see [`crate::OutputPresence`]. It is on its way
    /// until [`ConnectionEvent::Answered`].
    ///
    /// # Errors
    /// It was not sent.
    fn announce(&mut self, _presence: &Message) -> Result<(), SendError> {
        Ok(())
    }

    /// Says farewell after all that was sent; [`ConnectionEvent::Lost`] follows.
    fn close(&mut self);
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room now; an event will make some.
    Busy,
    /// It can never be sent: its place and the reason.
    Unfit(String),
}

/// The half of a connection that listens.
pub trait ConnectionEvents {
    /// Waits for events and puts them, in order, into the list; gives itself back. The future is never dropped before
    /// it is done, unless the connection is.
    fn next(self: Box<Self>, events: Vec<ConnectionEvent>) -> NextEvents;
}

/// The listening half, and what it heard.
pub type NextEvents = Pin<Box<dyn Future<Output = (Box<dyn ConnectionEvents>, Vec<ConnectionEvent>)>>>;

/// What happens on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The other side took the connection: messages can be sent.
    Up,
    /// The other side has the message.
    Acked(Tag),
    /// It has an announcement, or will not have it.
    Answered,
    /// The other side will not have this message, however often it is sent.
    Refused {
        /// Which.
        tag: Tag,
        /// Its place and the reason.
        why: String,
    },
    /// The connection is no more, and nothing that was not acknowledged may be taken for delivered.
    Lost(Disconnected),
    /// A thread of the output's own has panicked. That is no lost connection: [`crate::Forwarder::failed`] tells of it.
    Panicked,
}

/// What a look at an output has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// It works.
    Good(String),
    /// It works, and somebody may want to know.
    Note(String),
    /// It does not work, and what to do.
    Bad(String),
}

/// A look at an output under way.
pub type OutputProbing<'a> = Pin<Box<dyn Future<Output = Option<ProbeResult>> + 'a>>;

/// Reads what an output sends.
pub trait Tail {
    /// Waits for the next thing; a call that is dropped loses nothing but time.
    fn next(&mut self) -> Tailing<'_>;
}

/// A [`Tail`] that waits; an error ends it for good.
pub type Tailing<'a> = Pin<Box<dyn Future<Output = Result<Tailed, String>> + 'a>>;

/// What a [`Tail`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tailed {
    /// A message.
    Message {
        /// Where it was sent to.
        place: String,
        /// As the output's encoder wrote it.
        payload: Bytes,
        /// Whether it waited in the buffer.
        backfill: bool,
    },
    /// What happened to the tail itself, for people.
    Note(String),
}

/// What every output is told about the agent that runs it.
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
    /// The formats that it can carry, as `format = "…"` names them; the first is the default.
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
