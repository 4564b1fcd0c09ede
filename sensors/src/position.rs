//! How far a source has read its inputs, for sources whose inputs keep what they hold: a file, a log with offsets.
//!
//! A source hands over what it has read together with its new position. The sink keeps the positions in step with the
//! readings, and gives them back when the source starts: after a crash they are exactly as old as the readings, so that
//! nothing is lost and nothing counts twice.

/// How far a source has read one of its inputs. Both are bytes that only the source understands; a version of its own
/// belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// Which input; few bytes, because each record in a journal repeats them.
    pub key: Vec<u8>,
    /// The place up to which it is read.
    pub at: Vec<u8>,
}
