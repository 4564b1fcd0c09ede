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
        let may_be_read = !is_named || sink.begin_reading(name(publish));
        may_be_read.then_some(Self { sink, publish, is_named })
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
