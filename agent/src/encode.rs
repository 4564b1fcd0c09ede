//! The only place that knows the wire format: maps with times in Unix milliseconds, as CBOR in the buffer and as
//! CBOR or JSON on an output.
//!
//! A message is encoded once, to CBOR, when it is made; that is the body the forwarder keeps. A JSON output transcodes
//! it when it is sent, key by key, so that both formats carry the same map. Nothing is ever null: a number that does
//! not exist (the mean of nothing, an overflow) is left out.

mod fields;
mod id;
mod kinds;
mod message;
mod moved;
mod place;
mod render;
mod report;
mod sketch;
mod wire;

pub use message::{Messages, id, to_json};
pub(crate) use moved::{boot_of, move_times};
pub use place::{Placement, Placer, Unplaced};
pub use render::{ENCODERS, Format, OutputEncoder, Route};
pub use wire::{Wire, WireError, cbor_to_json, read};

/// The version of the wire format, `"v"` in every message.
pub const WIRE_VERSION: u8 = 1;
