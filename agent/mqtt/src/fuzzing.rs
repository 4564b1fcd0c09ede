//! Doors for `tests/fuzz`: the protocol without a socket, plain and in a websocket.

use crate::Version;
use crate::client::RequestQueue;
use crate::dialogue::Dialogue;
use crate::frame::{FrameLimits, Stage};
use crate::packets;
use crate::websocket::WebSocket;
use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

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

/// Takes the bytes out of the frames that a server sends over a websocket, and answers them.
pub async fn unframe(bytes: &[u8]) -> Vec<u8> {
    let mut unframed = Vec::new();
    let mut socket = WebSocket::new(tokio::io::join(bytes, tokio::io::sink()), BytesMut::new());
    let _ = socket.read_to_end(&mut unframed).await;
    unframed
}
