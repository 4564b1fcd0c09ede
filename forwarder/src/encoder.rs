//! How messages look on an output: the agent implements it, outputs ask.

use crate::Message;
use std::borrow::Cow;

/// Turns messages into what an output carries. The same message encodes the same every time.
pub trait Encoder: Send + Sync {
    /// The agent's id.
    fn agent(&self) -> &str;

    /// Whether this output takes the message: asked when it is pushed, and when it is sent.
    fn takes(&self, message: &Message) -> bool;

    /// What an output may need to place the message; `None`: it has no place.
    fn address<'m>(&'m self, message: &'m Message) -> Option<MessageAddress<'m>>;

    /// Appends a batch.
    ///
    /// # Errors
    /// [`EncodeError`]: one of the messages cannot be encoded.
    fn encode(&self, batch: &[&Message], framing: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// What an output may need to place a message: a topic, a path, a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageAddress<'a> {
    /// The agent's id.
    pub agent: Cow<'a, str>,
    /// What the message is: `summary`, `alert`, ….
    pub kind: Cow<'a, str>,
    /// The stream's name, or nothing.
    pub stream: Cow<'a, str>,
    /// The series' name, or nothing.
    pub series: Cow<'a, str>,
    /// When it was made [ms since the Unix epoch], as far as known now.
    pub time_ms: i64,
}

/// How the messages of a batch stand one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One message, nothing around it.
    Single,
    /// Each message on a line of its own, its end included.
    Lines,
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
