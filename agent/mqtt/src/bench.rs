//! Doors for benches: the protocol without a socket.

use crate::Version;
use crate::dialogue::Dialogue;
use crate::event::{MqttEvent, Publish};
use crate::frame::{FrameLimits, Stage};
use crate::packets::Welcome;
use bytes::BytesMut;

const PACKET_BYTES_MAX: usize = 64 << 10;

/// Judges the packets in `bytes` and takes them apart, and decodes none. Answers how many there are.
#[must_use]
pub fn take_frames(version: Version, bytes: &[u8]) -> usize {
    let limits = FrameLimits { version, packet_bytes_max: PACKET_BYTES_MAX };
    let mut input = BytesMut::from(bytes);
    std::iter::from_fn(|| limits.take(Stage::Connected, &mut input).ok().flatten()).count()
}

/// Takes packets of a known size apart, and judges none: what a decoder needs in any case.
#[must_use]
pub fn split_packets(packet_bytes: usize, bytes: &[u8]) -> usize {
    let mut input = BytesMut::from(bytes);
    let packet = || (input.len() >= packet_bytes).then(|| input.split_to(packet_bytes));
    std::iter::from_fn(packet).count()
}

/// Reads the messages in `bytes` as a connection does.
pub fn hear_messages(version: Version, bytes: &[u8], mut on_message: impl FnMut(&Publish)) {
    let limits = FrameLimits { version, packet_bytes_max: PACKET_BYTES_MAX };
    let mut dialogue = Dialogue::new(limits, false, 8, &Welcome::default(), BytesMut::from(bytes));
    while let Ok(Some(event)) = dialogue.next_event() {
        if let MqttEvent::Incoming(publish) = event {
            on_message(&publish);
        }
    }
}
