//! The wire format: maps with times in Unix milliseconds, as JSON or as CBOR. No other code knows it.
//!
//! An event is stored once, compactly, when it is made (`stored`); the forwarder keeps these bytes. It becomes a map
//! when it is sent, with the times as they are known by then. One description of each kind serves both formats
//! (`kinds`). Nothing is ever null: a number that does not exist (the mean of nothing, an overflow) is left out.

mod batch;
mod catalogue;
mod csv;
mod fields;
mod figures;
mod id;
mod influx;
mod kinds;
mod message;
mod output;
mod parts;
mod place;
mod privacy;
mod report;
pub mod rollup;
mod short;
mod sketch;
mod sparkplug;
mod stored;
mod wire;

pub use batch::read_all;
pub use influx::Precision;
pub use message::{Messages, id, to_json};
pub use output::{ENCODERS, Encoding, OutputEncoder};
pub use place::{Placement, Placer, Unplaced};
pub use privacy::Privacy;
pub use stored::{EventNames, StoredError, names, put_event, read_event};
pub use stored::{Mergeable, mergeable};
pub use wire::{Wire, WireError, read};

/// The version of the wire format, `"v"` in every message.
pub const WIRE_VERSION: u8 = 1;
