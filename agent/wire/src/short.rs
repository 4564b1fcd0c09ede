//! The keys of `format = "cbor-short"`: CBOR whose known keys are small numbers.
//!
//! The numbers are a contract: one that is given stays, and new keys come at the end.

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
