//! Frames of a WebSocket (RFC 6455, section 5): the start of those that come, and those that go.

use bytes::{BufMut, BytesMut};
use ring::rand::{SecureRandom, SystemRandom};
use std::io;

/// The largest control frame (bytes).
const CONTROL_BYTES_MAX: u64 = 125;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    /// Binary data, or its continuation.
    Data,
    Close,
    Ping,
    Pong,
}

/// The start of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) opcode: Opcode,
    pub(super) header_bytes: usize,
    pub(super) payload_bytes: u64,
}

impl Start {
    /// Reads the start of a frame of a server. `None`: more bytes are needed.
    ///
    /// # Errors
    /// What no server that speaks MQTT sends: text, a mask, extensions, a long or divided control frame.
    pub(super) fn read(input: &[u8]) -> io::Result<Option<Self>> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let opcode = match first & 0x0f {
            0 | 2 => Opcode::Data,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            1 => return Err(broken("a text frame, and MQTT takes binary ones")),
            _ => return Err(broken("a frame of an unknown kind")),
        };
        if first & 0x70 != 0 || second & MASKED != 0 {
            return Err(broken("a frame with a mask or an extension"));
        }
        let (length_bytes, payload_bytes) = match (second, rest) {
            (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => (8, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])),
            (126 | 127, _) => return Ok(None),
            (short, _) => (0, u64::from(*short)),
        };
        if opcode != Opcode::Data && (payload_bytes > CONTROL_BYTES_MAX || first & FINAL == 0) {
            return Err(broken("a control frame that is long or divided"));
        }
        Ok(Some(Self { opcode, header_bytes: 2 + length_bytes, payload_bytes }))
    }
}

/// Appends a frame with a mask, as a client sends it.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn put_frame(to: &mut BytesMut, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
    let code = match opcode {
        Opcode::Data => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    let mut mask = [0; 4];
    fill_randomly(&mut mask)?;
    to.reserve(payload.len() + 14);
    to.put_u8(FINAL | code);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => to.put_u8(MASKED | short),
        (_, Ok(long)) => {
            to.put_u8(MASKED | 126);
            to.put_u16(long);
        }
        _ => {
            to.put_u8(MASKED | 127);
            to.put_u64(payload.len() as u64);
        }
    }
    to.put_slice(&mask);
    to.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Ok(())
}

/// Fills a buffer with bytes that nobody can guess.
///
/// # Errors
/// The system gives none.
pub(super) fn fill_randomly(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("the system gives no random bytes"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the websocket brought {what}"))
}
