//! `format = "cbor-short"`: CBOR whose known keys are small numbers, and which leaves out ids that the other fields tell.
//!
//! The numbers are a contract: one that is given stays, and new keys come at the end.

use super::batch::describe;
use super::parts::{PartForm, Parts, put_map};
use super::place::Placer;
use headwater_pipeline::event::Event;

/// The keys by their numbers; the first 24 take a byte.
const KEYS: [&str; 40] = [
    "v",
    "kind",
    "id",
    "rev",
    "agent",
    "stream",
    "series",
    "labels",
    "start",
    "end",
    "count",
    "min",
    "max",
    "mean",
    "sum",
    "stddev",
    "p50",
    "p90",
    "p95",
    "p99",
    "unit",
    "time",
    "value",
    "partial",
    "retracted",
    "first",
    "last",
    "delta",
    "increase",
    "rate",
    "p75",
    "p05",
    "sketch",
    "points",
    "a",
    "b",
    "detector",
    "state",
    "severity",
    "reason",
];

/// The number of a key.
pub(super) fn number(key: &str) -> Option<u64> {
    KEYS.iter().position(|known| *known == key).map(|position| position as u64)
}

/// The key with a number.
pub(super) fn key(number: u64) -> Option<&'static str> {
    KEYS.get(usize::try_from(number).ok()?).copied()
}

/// Appends an event.
///
/// # Errors
/// A value that CBOR has no word for.
pub(super) fn encode(event: &Event, placer: &dyn Placer, to: &mut Vec<u8>) -> Result<(), String> {
    let parts: Parts = describe(event, placer, PartForm::ShortCbor)?;
    let fields: Vec<_> = parts.fields().collect();
    put_map(PartForm::ShortCbor, &fields, to);
    Ok(())
}
