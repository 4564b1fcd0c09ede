//! A door for `tests/fuzz`: the protocol without a socket.

use crate::Version;
use crate::client::RequestQueue;
use crate::dialogue::Dialogue;
use crate::frame::{FrameLimits, Stage};
use crate::packets;
use bytes::BytesMut;

/// Hears all that a broker sends, from its answer to CONNECT on, and acknowledges it.
pub fn hear(version: Version, bytes: &[u8]) {
    let limits = FrameLimits { version, packet_bytes_max: 64 << 10 };
    let mut input = BytesMut::from(bytes);
    let Ok(Some(frame)) = limits.take(Stage::Connecting, &mut input) else { return };
    let Ok(welcome) = packets::welcome(version, frame) else { return };
    let mut queue = RequestQueue::new(8);
    let mut dialogue = Dialogue::new(limits, false, 8, &welcome, input);
    while let Ok(Some(event)) = dialogue.next_event() {
        let _ = format!("{event:?}");
        if dialogue.take_requests(&mut queue).is_err() {
            return;
        }
        dialogue.on_written();
    }
}
