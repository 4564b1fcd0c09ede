//! Frames: where a packet of the broker ends, and which packets are let in.
//!
//! Source: MQTT 3.1.1 and 5, 2.1 (fixed header). A packet's type, flags and size are judged as soon as they are there,
//! before the rest of it is buffered, and nothing is decoded before its frame is whole.
//!
//! Limits: messages of [`FrameLimits::packet_bytes_max`], all other packets of [`CONTROL_BYTES_MAX`], a buffer that
//! outgrew [`LARGE_BYTES`] for one packet is given back.

use crate::Version;
use crate::error::Fault;
use bytes::{Buf, Bytes, BytesMut};

/// The largest packet that is no message (bytes).
const CONTROL_BYTES_MAX: usize = 64 << 10;

/// A packet above this size leaves no buffer of its size behind (bytes).
pub(crate) const LARGE_BYTES: usize = 256 << 10;

/// The high four bits of a packet's first byte: its type.
pub(crate) mod kind {
    pub(crate) const CONNACK: u8 = 2;
    pub(crate) const PUBLISH: u8 = 3;
    pub(crate) const PUBACK: u8 = 4;
    pub(crate) const SUBACK: u8 = 9;
    pub(crate) const UNSUBACK: u8 = 11;
    pub(crate) const PINGRESP: u8 = 13;
    pub(crate) const DISCONNECT: u8 = 14;
}

/// The packets that may come now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The answer to our CONNECT.
    Connecting,
    /// Everything else.
    Connected,
}

/// What is let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameLimits {
    pub(crate) version: Version,
    /// The largest message (bytes), its headers included.
    pub(crate) packet_bytes_max: usize,
}

/// One whole packet.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its first byte: type and flags.
    pub(crate) first: u8,
    /// The length of its fixed header (bytes).
    pub(crate) header_bytes: usize,
    /// All of it, fixed header included.
    pub(crate) bytes: BytesMut,
}

impl Frame {
    /// What follows its fixed header.
    pub(crate) fn into_body(self) -> Bytes {
        let mut body = self.bytes.freeze();
        body.advance(self.header_bytes.min(body.len()));
        body
    }
}

impl FrameLimits {
    /// Takes the next packet out of `input`; `None`: more must be read.
    ///
    /// # Errors
    /// A packet that no broker may send at this stage, or that is too large.
    pub(crate) fn take(&self, stage: Stage, input: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        let Some(first) = input.first().copied() else { return Ok(None) };
        if !self.is_let_in(stage, first) {
            return Err(not_let_in(first));
        }
        let Some((header_bytes, remaining)) = lengths(input)? else { return Ok(None) };
        let total = header_bytes + remaining;
        let is_message = first >> 4 == kind::PUBLISH;
        if total > if is_message { self.packet_bytes_max } else { CONTROL_BYTES_MAX } {
            return Err(too_large(is_message, total));
        }
        if input.len() < total {
            return Ok(None);
        }
        let bytes = input.split_to(total);
        if total > LARGE_BYTES {
            *input = BytesMut::from(&input[..]);
        }
        Ok(Some(Frame { first, header_bytes, bytes }))
    }

    /// Whether a broker may send a packet of this type with these flags. A message of QoS 2 is none: nobody subscribes
    /// with it.
    fn is_let_in(&self, stage: Stage, first: u8) -> bool {
        let (kind, flags) = (first >> 4, first & 0x0f);
        match (stage, kind) {
            (Stage::Connecting, kind) => kind == kind::CONNACK && flags == 0,
            (Stage::Connected, kind::PUBLISH) => flags >> 1 & 0b11 < 2,
            (Stage::Connected, kind::PUBACK | kind::SUBACK | kind::UNSUBACK | kind::PINGRESP) => flags == 0,
            (Stage::Connected, kind::DISCONNECT) => flags == 0 && self.version == Version::V5,
            (Stage::Connected, _) => false,
        }
    }
}

#[cold]
fn not_let_in(first: u8) -> Fault {
    Fault::Protocol(format!("a packet that no broker may send here (first byte {first:#04x})"))
}

#[cold]
fn too_large(is_message: bool, bytes: usize) -> Fault {
    if is_message {
        Fault::TooLarge(bytes)
    } else {
        Fault::Protocol(format!("a packet of {bytes} bytes that is no message"))
    }
}

/// The length of the fixed header and the remaining length (bytes); `None`: not there yet.
#[inline]
fn lengths(input: &[u8]) -> Result<Option<(usize, usize)>, Fault> {
    // Most packets are short.
    if let [_, remaining @ 0..0x80, ..] = input {
        return Ok(Some((2, usize::from(*remaining))));
    }
    let mut rest = input.get(1..).unwrap_or_default();
    let before = rest.len();
    Ok(variable_length(&mut rest)?.map(|remaining| (1 + before - rest.len(), remaining)))
}

/// Takes a number of one to four bytes, seven bits in each, from the front (MQTT 5, 1.5.5); `None`: it ends too early.
///
/// # Errors
/// More than four bytes.
pub(crate) fn variable_length(from: &mut &[u8]) -> Result<Option<usize>, Fault> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let Some((byte, rest)) = from.split_first() else { return Ok(None) };
        *from = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(Some(number));
        }
    }
    Err(Fault::Protocol("a length of more than four bytes".into()))
}
