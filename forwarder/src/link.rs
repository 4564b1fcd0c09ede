//! What an output is: something that opens links, one after another, to whoever takes the messages.

use crate::{Lane, Packet, Rate};
use headwater_settings::Table;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Marks a packet, so that the answer to it can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub(crate) lane: Lane,
    pub(crate) seq: u64,
    pub(crate) owed: u64,
}

/// An output, configured. It is not connected: it opens links.
pub trait Output {
    /// Opens a link, which begins to connect when its events are awaited. `will` is what the other side shall publish
    /// when the link is lost without a farewell.
    ///
    /// # Errors
    /// Why none can be opened, and when to try again.
    fn open(&mut self, will: Option<&Packet>) -> Result<Opened, Ended>;

    /// A link on which messages are on their way and none is acknowledged for so long is given up.
    fn ack_timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How fast it takes what waited in the buffer.
    fn rate(&self) -> Rate {
        Rate::default()
    }
}

/// A fresh link's two halves.
pub type Opened = (Box<dyn Link>, Box<dyn LinkEvents>);

/// There is no link, or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// For people.
    pub reason: String,
    /// How long to wait before another is opened.
    pub wait: Duration,
    /// The other side had taken the connection and closed it: something that was sent may be why.
    pub by_peer: bool,
}

/// The half of a link that sends.
pub trait Link {
    /// Packets that can be sent now, before one of those on their way is acknowledged; 0 until it is connected.
    fn room(&self) -> usize;

    /// The largest room there is: all of it when nothing is on its way.
    fn window(&self) -> usize;

    /// Sends a packet; a [`LinkEvent`] with its tag will say what became of it. Packets without a tag are no messages, but
    /// they are on their way too, and take room, until [`LinkEvent::Answered`].
    ///
    /// # Errors
    /// It was not sent.
    fn send(&mut self, tag: Option<Tag>, packet: Packet) -> Result<(), SendError>;

    /// Says farewell after all that was sent; [`LinkEvent::Lost`] follows.
    fn close(&mut self);
}

/// Why a packet was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room now; an event will make some.
    Busy,
    /// It can never be sent.
    Unfit(String),
}

/// The half of a link that listens.
pub trait LinkEvents {
    /// Waits for events and puts them, in order, into the list; gives itself back. The future is never dropped before
    /// it is done, unless the link is.
    fn next(self: Box<Self>, events: Vec<LinkEvent>) -> Heard;
}

/// The listening half, and what it heard.
pub type Heard = Pin<Box<dyn Future<Output = (Box<dyn LinkEvents>, Vec<LinkEvent>)>>>;

/// What happens on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The other side took the connection: packets can be sent.
    Up,
    /// The other side has the packet.
    Acked(Tag),
    /// It has one without a tag, or will not have it.
    Answered,
    /// The other side will not have this packet, however often it is sent.
    Refused {
        /// Which.
        tag: Tag,
        /// Its reason.
        why: String,
    },
    /// The link is no more, and nothing that was not acknowledged may be taken for delivered.
    Lost(Ended),
}

/// What every output is told about the agent that runs it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The agent's id, for client ids.
    pub agent: String,
    /// The output's own name in the config.
    pub output: String,
    /// The largest packet that may come in (bytes).
    pub packet_bytes_max: usize,
}

/// A kind of output: what `type = "…"` names.
#[derive(Clone, Copy)]
pub struct OutputKind {
    /// The word in the config.
    pub name: &'static str,
    /// Reads the output's table; mistakes go to the table, and `None` means there were some.
    pub read: fn(&mut Table<'_>, &Surroundings) -> Option<Box<dyn Output>>,
    /// A commented sample of its table.
    pub sample: &'static str,
}
