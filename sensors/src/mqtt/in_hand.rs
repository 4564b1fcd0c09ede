//! The message that is being read, named to whoever outlives this run if it may end it.
//!
//! Named before it is read is one that may have ended a run before, because it comes again, and one so large that it may take
//! all memory. Any other is named only while a panic that it has caused unwinds.

use crate::Sink;
use crate::hash::stable;
use headwater_mqtt::Publish;

/// A payload from here on is named whenever it comes (bytes): reading it takes longer by far.
const LARGE_BYTES: usize = 16 << 10;

/// A message that is read as long as this is there.
pub(super) struct InHand<'a> {
    /// What takes its readings.
    pub(super) sink: &'a mut dyn Sink,
    publish: &'a Publish,
    is_named: bool,
}

impl<'a> InHand<'a> {
    /// Takes a message in hand; `None`: it has ended the program twice, and must not be read.
    pub(super) fn take(publish: &'a Publish, sink: &'a mut dyn Sink) -> Option<Self> {
        let is_named = publish.dup || publish.retain || publish.payload.len() >= LARGE_BYTES;
        if is_named && !sink.begin_reading(name(publish)) {
            return None;
        }
        Some(Self { sink, publish, is_named })
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let was_read = !std::thread::panicking();
        if !self.is_named {
            if was_read {
                return;
            }
            self.sink.begin_reading(name(self.publish));
        }
        self.sink.end_reading(was_read);
    }
}

fn name(publish: &Publish) -> u32 {
    stable(&[publish.topic_bytes(), &publish.payload])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionState, SeriesRef, Stamp};
    use headwater_mqtt::Version;
    use headwater_mqtt::bench::hear_messages;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The flags of a message that came before, and of one that the broker had retained.
    const AGAIN: u8 = 0x08;
    const RETAINED: u8 = 0x01;

    /// What is said of messages: their names as they are begun, and whether they were read.
    #[derive(Default)]
    struct Told {
        begun: Vec<u32>,
        ended: Vec<bool>,
        refuses: bool,
    }

    impl Sink for Told {
        fn begin_reading(&mut self, message: u32) -> bool {
            self.begun.push(message);
            !self.refuses
        }

        fn end_reading(&mut self, was_read: bool) {
            self.ended.push(was_read);
        }

        fn series(&mut self, _: &str, _: &[(String, String)]) -> Option<SeriesRef> {
            None
        }

        fn reading(&mut self, _: SeriesRef, _: Stamp, _: f64) {}
        fn refused(&mut self, _: u32) {}
        fn empty(&mut self, _: u32) {}
        fn invalid(&mut self, _: &str, _: &dyn std::fmt::Display) {}
        fn connection(&mut self, _: ConnectionState<'_>) {}
    }

    /// Takes a message with these flags in hand, and panics or not while it is there. Answers its name, whether it was taken,
    /// and what is said of it.
    fn told(flags: u8, payload: &[u8], (refuses, panics): (bool, bool)) -> (u32, bool, Told) {
        let body = [b"\0\x01t\0\x07", payload].concat();
        let length = body.len();
        let septets = [length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80, length >> 14];
        let mut packet = vec![0x32 | flags];
        packet.extend(septets.map(|septet| u8::try_from(septet).unwrap()));
        packet.extend(body);
        let mut heard = None;
        hear_messages(Version::V4, &packet, |publish| {
            let mut told = Told { refuses, ..Told::default() };
            let was_taken = catch_unwind(AssertUnwindSafe(|| {
                let in_hand = InHand::take(publish, &mut told);
                assert!(!panics, "as a decoder with a fault would");
                in_hand.is_some()
            }));
            assert_eq!(was_taken.is_err(), panics);
            heard = Some((name(publish), was_taken.unwrap_or(true), told));
        });
        heard.expect("a message")
    }

    #[test]
    fn a_message_that_panics_is_named_and_an_ordinary_one_is_not() {
        let (_, was_taken, Told { begun, ended, .. }) = told(0, b"21.5", (true, false));
        assert_eq!((was_taken, begun.len(), ended.len()), (true, 0, 0), "no word of most messages");
        let (name, _, Told { begun, ended, .. }) = told(0, b"21.5", (false, true));
        assert_eq!((begun, ended), (vec![name], vec![false]));
        assert_ne!(name, told(0, b"22.5", (false, false)).0);
    }

    #[test]
    fn what_comes_again_and_what_is_large_is_named_before_it_is_read() {
        let large = vec![b'1'; LARGE_BYTES];
        for (flags, payload) in [(AGAIN, &b"21.5"[..]), (RETAINED, b"21.5"), (0, &large)] {
            for panics in [false, true] {
                let (name, _, Told { begun, ended, .. }) = told(flags, payload, (false, panics));
                assert_eq!((begun, ended), (vec![name], vec![!panics]), "{flags}: once");
            }
            let (_, was_taken, Told { begun, ended, .. }) = told(flags, payload, (true, false));
            assert_eq!(
                (was_taken, begun.len(), ended.len()),
                (false, 1, 0),
                "it has ended the program twice"
            );
        }
    }
}
