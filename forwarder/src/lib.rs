//! Store and forward: keeps opaque messages until every output has acknowledged them.
//!
//! The forwarder knows no reading, series or unit. The agent gives it an [`Encoder`] for each output and a clock;
//! the forwarder counts the fate of each message ([`Account`]). To add an output, write one folder in
//! `forwarder/src/output/` and add two lines here: its `mod`, and its entry in [`OUTPUTS`].
//!
//! ```text
//! push -> spool (memory, numbers, who has acknowledged what)   -> driver, one per output -> output
//!           |  what waits too long: disk_writer -> disk_thread        ^
//!           |                                    segment_log -> store |
//!           +------------------- what waited comes back --------------+
//! ```
//!
//! [`Forwarder::start`] spawns local tasks, so it must be called on a `LocalSet` of a current-thread runtime. One
//! thread of its own opens, reads and writes the buffer on disk.

mod batches;
mod catalogue;
mod config;
mod connection;
mod disk_signals;
mod disk_thread;
mod disk_writer;
mod driver;
mod encoder;
mod ending;
mod events;
mod forwarder;
#[cfg(fuzzing)]
pub mod fuzzing;
mod opening;
mod output_set;
mod progress;
mod ranges;
mod record;
mod segment_log;
mod shared;
mod spool;
mod status;
mod store;
mod template;
mod writes;

mod output {
    pub(crate) mod file;
    pub(crate) mod http;
    pub(crate) mod kafka;
    pub(crate) mod mqtt;
    pub(crate) mod stdout;
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use catalogue::{Catalogue, CatalogueEntry, Content, Origin, Role};
pub use config::{BufferConfig, Full, SendRate, Sync, When};
pub use connection::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, NextEvents, Opened, Output, OutputClock,
    OutputConnection, OutputContext, OutputKind, OutputProbing, ProbeResult, Published, SendError, Tag, Tail,
    TailAddress, Tailed, Tailing,
};
pub use encoder::{EncodeError, Encoder, FormatTraits, Framing, MessageAddress, MessageIdentity};
pub use events::{DropReason, ForwarderEvent};
pub use forwarder::{Forwarder, NextOutput, OutputSlot, Start};
pub use segment_log::{BufferError, BufferStats, StoppedBuffer};
pub use shared::SpoolPosition;
pub use spool::BURST_BYTES;
pub use status::{ConnectionStatus, ForwarderStatus, OutputPresence};
pub use writes::Written;

use bytes::Bytes;
use headwater_settings::Table;

/// The kinds of outputs, as `type = "…"` names them.
pub const OUTPUTS: &[OutputKind] =
    &[output::mqtt::KIND, output::file::KIND, output::http::KIND, output::kafka::KIND, output::stdout::KIND];

/// Reads `type` of an output's table. Mistakes go to the table, and `None` means that there were some. The caller lets
/// [`OutputKind::read`] read the keys of the kind, asks for the keys of its own and finishes the table.
pub fn read_output_kind(table: &mut Table<'_>) -> Option<&'static OutputKind> {
    let kinds: Vec<(&str, &OutputKind)> = OUTPUTS.iter().map(|kind| (kind.name, kind)).collect();
    let kind = table.choice("type", &kinds);
    if kind.is_none() {
        let known: Vec<String> = OUTPUTS.iter().map(|kind| format!("`type = \"{}\"`", kind.name)).collect();
        table.missing("type", format!("add {}", known.join(" or ")));
    }
    kind.map(|kind| kind.value)
}

/// The queue that a message waits in. A lane keeps the order of its messages; lanes are sent in the order of
/// [`Lane::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Alerts. They are sent first and given up last.
    Alert = 0,
    /// Everything else.
    Data = 1,
    /// Gated alerts: they wait until [`Forwarder::release`] opens the gate.
    HeldAlert = 2,
    /// Everything else that is gated. `max_age` does not apply to it.
    HeldData = 3,
}

impl Lane {
    /// Every lane, in the order in which they are sent.
    pub const ALL: [Self; 4] = [Self::Alert, Self::HeldAlert, Self::Data, Self::HeldData];

    /// Every lane, in the order of their numbers.
    const BY_NUMBER: [Self; 4] = [Self::Alert, Self::Data, Self::HeldAlert, Self::HeldData];

    /// The lanes whose messages are merged when the buffer is full.
    pub(crate) const MERGED: [Self; 2] = [Self::Data, Self::HeldData];

    /// Whether its messages are given up last.
    #[must_use]
    pub const fn is_alert(self) -> bool {
        matches!(self, Self::Alert | Self::HeldAlert)
    }

    /// Whether it is gated.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::HeldAlert | Self::HeldData)
    }

    /// Its name in the buffer's notes (small files beside the segments).
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Data => "data",
            Self::HeldAlert => "held-alert",
            Self::HeldData => "held-data",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.word() == word)
    }

    /// The gated lane for the same kind of messages.
    #[must_use]
    pub const fn held(self) -> Self {
        if self.is_alert() { Self::HeldAlert } else { Self::HeldData }
    }
}

/// One of something for each lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerLane<T>([T; Lane::ALL.len()]);

#[expect(clippy::indexing_slicing, reason = "there are as many as lanes")]
impl<T> PerLane<T> {
    pub(crate) fn from_fn(mut of: impl FnMut(Lane) -> T) -> Self {
        Self(Lane::BY_NUMBER.map(&mut of))
    }

    pub(crate) fn of(&self, lane: Lane) -> &T {
        &self.0[lane as usize]
    }

    pub(crate) fn of_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[lane as usize]
    }
}

impl PerLane<u64> {
    pub(crate) fn sum(&self) -> u64 {
        Lane::ALL.into_iter().map(|lane| self.of(lane)).sum()
    }
}

/// A message. The forwarder does not look into its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue it waits in.
    pub lane: Lane,
    /// When it was made [ms since the Unix epoch].
    pub made_ms: i64,
    /// The content.
    pub body: Bytes,
}

impl Message {
    /// The bytes that the message costs in memory; on disk, the store's own overhead is added.
    pub(crate) fn cost_bytes(&self) -> usize {
        const OVERHEAD: usize = 128;
        OVERHEAD + self.body.len()
    }
}

/// Merges old messages into fewer ones when the buffer is full. The agent implements it.
pub trait Compactor: Send + std::marker::Sync {
    /// Merges messages of one lane of data into fewer and coarser ones. Input and output are in order. A message
    /// that cannot be merged is part of the output as it is. The [`Message::made_ms`] of a merged message is that
    /// of one of its parts. `None`: nothing can be merged. When the buffer is full again, the input contains
    /// earlier results.
    fn merge(&self, older: &[Message]) -> Option<Vec<Message>>;
}

/// Counts of messages by their fate: `made = delivered + waiting + thinned + lost`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages that were pushed, and those that the buffer held at the start.
    pub made: u64,
    /// Acknowledged by every output that takes them.
    pub delivered: u64,
    /// In memory or on disk.
    pub waiting: u64,
    /// Merged into coarser ones.
    pub thinned: u64,
    /// Given up: evicted at the bound, damaged on disk, or refused by an output.
    pub lost: u64,
}
