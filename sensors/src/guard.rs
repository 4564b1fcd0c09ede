//! Messages that come again after a crash, because a broker or a file keeps them: one that has ended the program twice while it
//! was read is not read a third time.

use crate::Sink;
use crate::hash::stable;

/// Why a message is not read.
pub(crate) const ENDS_THE_PROGRAM: &str =
    "it has ended the program twice while it was read, and is not read again";

/// Lets `read` read a message, of which `parts` are what tells it from others. `false`: it has ended the program before, and was
/// not read. Costs nothing unless the run before this one has ended by itself, or a message is known to have ended runs.
pub(crate) fn read_guarded(sink: &mut dyn Sink, parts: &[&[u8]], read: impl FnOnce(&mut dyn Sink)) -> bool {
    if !sink.is_wary() {
        read(sink);
        return true;
    }
    if !sink.begin_reading(stable(parts)) {
        return false;
    }
    read(sink);
    sink.end_reading();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionState, SeriesRef, Stamp};

    /// Knows one message that has ended earlier runs.
    #[derive(Default)]
    struct Wary {
        refused: Option<u32>,
        named: Vec<u32>,
        ended: u32,
    }

    impl Sink for Wary {
        fn is_wary(&self) -> bool {
            self.refused.is_some()
        }

        fn begin_reading(&mut self, message: u32) -> bool {
            self.named.push(message);
            self.refused != Some(message)
        }

        fn end_reading(&mut self) {
            self.ended += 1;
        }

        fn series(&mut self, _: &str, _: &[(String, String)]) -> Option<SeriesRef> {
            None
        }

        fn reading(&mut self, _: SeriesRef, _: Stamp, _: f64) {}

        fn refused(&mut self, _: u32) {}

        fn invalid(&mut self, _: &str, _: &dyn std::fmt::Display) {}

        fn connection(&mut self, _: ConnectionState<'_>) {}
    }

    #[test]
    fn what_has_ended_the_program_is_not_read_and_nobody_looks_otherwise() {
        let mut read = 0;
        let mut sink = Wary::default();
        assert!(read_guarded(&mut sink, &[b"t", b"1"], |_| read += 1));
        assert!(sink.named.is_empty(), "nothing has ended a run");
        sink.refused = Some(stable(&[b"t", b"1"]));
        assert!(!read_guarded(&mut sink, &[b"t", b"1"], |_| read += 1));
        assert!(read_guarded(&mut sink, &[b"t", b"2"], |_| read += 1));
        assert_eq!((read, sink.named.len(), sink.ended), (2, 2, 1));
    }
}
