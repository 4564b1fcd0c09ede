//! Store and forward: keeps opaque messages until every output has acknowledged them.
//!
//! Knows no reading, series or unit. The agent says how a message looks on an output ([`Render`]) and what time it
//! is; the forwarder says what became of each message ([`Account`]). To add an output, write one folder in
//! `forwarder/src/output/` and add two lines here.

use bytes::Bytes;

/// Which queue a message waits in. Order is kept within a lane; the first lane goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Alerts: sent first, lost last.
    Alert,
    /// Everything else.
    Data,
}

/// What is kept and sent. Both parts are opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue it waits in.
    pub lane: Lane,
    /// When it was made [ms since the Unix epoch].
    pub made_ms: i64,
    /// What the renderer needs to find its place, e.g. its topic.
    pub route: Bytes,
    /// The content.
    pub body: Bytes,
}

/// A message as one output wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Topic, subject or path.
    pub topic: String,
    /// Payload, encoded.
    pub payload: Bytes,
    /// Whether the broker shall keep it for later subscribers.
    pub retain: bool,
}

/// How messages look on one output; the agent implements it.
pub trait Render: Send + Sync {
    /// The message for this output; `None` if this output does not take it. `late` says that it waited in the
    /// buffer. The same message renders the same every time.
    fn render(&self, message: &Message, late: bool) -> Option<Packet>;
}

/// What became of the messages: `made = delivered + waiting + thinned + lost`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages taken in.
    pub made: u64,
    /// Acknowledged by every output that takes them.
    pub delivered: u64,
    /// In memory or on disk.
    pub waiting: u64,
    /// Merged into coarser ones.
    pub thinned: u64,
    /// Given up: shed at the bound, damaged on disk, or refused by a broker.
    pub lost: u64,
}
