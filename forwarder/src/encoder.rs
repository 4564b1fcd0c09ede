//! The interface of an encoder. The agent implements it; outputs call it.

use crate::Message;
use std::borrow::Cow;

/// Turns messages into the bytes that an output carries. It encodes the same message the same way every time.
pub trait Encoder: Send + Sync {
    /// The agent's id.
    fn agent(&self) -> &str;

    /// Whether this output takes the message. The forwarder asks when the message is pushed, and when it is sent.
    fn takes(&self, message: &Message) -> bool;

    /// The message's address. `None`: it has none.
    fn address<'m>(&'m self, message: &'m Message) -> Option<MessageAddress<'m>>;

    /// What an output may have to say about the format.
    fn format(&self) -> FormatTraits {
        FormatTraits::default()
    }

    /// What tells repeats of a message from other messages. `None`: it has no such thing.
    fn identity(&self, message: &Message) -> Option<MessageIdentity> {
        let _ = message;
        None
    }

    /// The line that a file of [`Framing::Lines`] begins with, if the format has one.
    fn header(&self) -> String {
        String::new()
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// [`EncodeError`]: one of the messages cannot be encoded.
    fn encode(&self, batch: &[&Message], framing: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// A format, as protocols name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatTraits {
    /// Its media type (RFC 6838).
    pub media_type: &'static str,
    /// Whether several messages are one list, `[a,b]`; otherwise they follow each other.
    pub is_list: bool,
    /// The unit of its times, where a receiver must be told: `ms`.
    pub precision: Option<&'static str>,
}

impl Default for FormatTraits {
    fn default() -> Self {
        Self { media_type: "application/octet-stream", is_list: false, precision: None }
    }
}

/// The names by which an output places a message: in a topic, a path, a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageAddress<'a> {
    /// The agent's id.
    pub agent: Cow<'a, str>,
    /// The message's kind: `summary`, `alert`, ….
    pub kind: Cow<'a, str>,
    /// The stream's name, or nothing.
    pub stream: Cow<'a, str>,
    /// The series' name, or nothing.
    pub series: Cow<'a, str>,
    /// When it was made [ms since the Unix epoch], as far as known now.
    pub time_ms: i64,
}

/// What tells repeats of a message from other messages: two of one identity have one content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageIdentity {
    /// The id of what it is about.
    pub id: String,
    /// Its revision.
    pub rev: u32,
}

/// How the messages of a batch are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One message, with nothing around it.
    Single,
    /// Each message on a line of its own, with its line break.
    Lines,
    /// One message that says what all of them say, if the format has such a thing.
    Batch,
}

/// A message cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be written as {format}: {why}")]
pub struct EncodeError {
    /// The format.
    pub format: &'static str,
    /// What is wrong.
    pub why: String,
}
