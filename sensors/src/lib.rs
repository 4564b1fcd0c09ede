//! Sources of readings, and the payload formats they share.
//!
//! A source owns its connection, its back-off and its decoding, and knows nothing of windows, detectors or outputs.
//! It puts readings into a [`Sink`], synchronously and without an allocation per reading, on the thread that polls
//! it. To add a source, write one folder in `sensors/src/` and add two lines here: its `mod`, and its entry in
//! [`SOURCES`]. To add a payload format, see `sensors/src/format.rs`.

#![cfg_attr(
    not(test),
    warn(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)
)]

mod access;
mod ack_figures;
mod decimal;
mod decode;
mod exec;

mod fields;
mod file;
mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gpio;
mod hash;
mod http;
mod i2c;
mod iio;
mod kafka;
mod line;
mod line_input;
mod line_splitter;
mod listen;
mod modbus;
mod mqtt;
mod payloads;
mod peers;
mod polled;
mod position;
pub mod recording;
mod room;
mod rows;
mod safe_name;
mod safety;
mod serial;
mod serial_port;
mod series_names;
mod series_table;
mod simulate;
mod sink;
mod sink_layer;
mod sml_telegram;
mod source;
mod stdin;
mod sysfs;
mod system;
mod tcp;
mod text;
mod time;
mod topic;
mod udp;
mod unix;
mod w1;

pub use ack_figures::AckFigures;
pub use decode::{DecodeConfig, Decoder, NameTemplate};
pub use fields::{
    DecodeError, FieldUse, Fields, NAME_BYTES_MAX, Position, RecordKeys, RecordsPath, RejectReason, Scalar,
};
pub use format::{FORMATS, Format, FormatKind, PayloadFraming, Reply, SkippedRows, TableLayout};
pub use position::SourcePosition;
pub use safety::{PersistState, Receipt, Safety, SafetyLevel, SourceLeft, saved_state};
pub use text::TextRules;
pub use time::{TimeFormat, TimeRules};
pub use topic::{TopicError, TopicTemplate};

pub use series_names::SeriesNames;
pub use sink::{ConnectionState, SeriesRef, Sink, Stamp};
pub use source::{
    AckLimit, Discover, Finding, FoundDevice, ReadSource, Running, Source, SourceContext, SourceKind,
    SourceProbe, Stop, WindowProbe, read_source, source_kinds,
};

/// All kinds of sources; the first is the one that most people want.
pub const SOURCES: &[SourceKind] = &[
    mqtt::KIND,     //
    exec::KIND,     //
    file::KIND,     //
    gpio::KIND,     //
    http::KIND,     //
    i2c::KIND,      //
    iio::KIND,      //
    kafka::KIND,    //
    modbus::KIND,   //
    serial::KIND,   //
    simulate::KIND, //
    stdin::KIND,    //
    system::KIND,   //
    tcp::KIND,      //
    udp::KIND,      //
    unix::KIND,     //
    w1::KIND,       //
];

#[cfg(test)]
mod testing;
