//! What a config can cost at most, from the sizes of the types: for `check`.
//!
//! Series are counted at their limit, names at `NAME_BYTES`, windows at the most that can be open at once. The program
//! itself, its runtime and TLS take `BASE_BYTES`, and an open buffer database `STORE_BYTES` more, both as measured.

use crate::config::{Config, StreamConfig, WindowConfig};
use crate::pipeline::{CHANNEL_BYTES, FILTER_BYTES, PAIR_BYTES, SERIES_BYTES, evidence_bytes};
use headwater_kernel::window::Shape;

/// The program with nothing to do, its connections up (bytes).
const BASE_BYTES: u64 = 7 << 20;

/// What sled takes as soon as one database is open, and while it is being replaced by the next (bytes).
const STORE_BYTES: u64 = 32 << 20;

/// A series' name and labels, each of the times that they are kept (bytes); a longer one costs what it is longer.
const NAME_BYTES: usize = 96;

/// The times that a name is kept: by the source, and in the directory.
const NAME_COPIES: usize = 2;

/// What an allocator adds to each of many small blocks, about.
const OVERHEAD: f64 = 1.15;

/// The most that a config can cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Memory while the uplink is up (bytes).
    pub memory: u64,
    /// Memory while the buffer is in use (bytes).
    pub memory_offline: u64,
    /// Disk: the buffer, and the checkpoint twice while it is replaced (bytes).
    pub disk: u64,
    /// Summaries a second, if every series has readings in every window; `None`: as many as readings.
    pub messages_per_s: Option<f64>,
}

impl Estimate {
    /// Of a config whose every stream takes every series.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let series = config.limits.series;
        let channels: usize = config.streams.iter().map(channel_bytes).sum();
        let per_series = SERIES_BYTES + NAME_COPIES * NAME_BYTES + channels;
        let pairs: usize = config.streams.iter().map(|stream| pair_bytes(stream, series)).sum();
        let state = (per_series * series + pairs) as f64 * OVERHEAD;
        let windows = state as u64 + config.limits.retained_bytes as u64;
        let memory = BASE_BYTES + windows + config.limits.payload_bytes as u64 * 2;
        let rates = config.streams.iter().map(summaries_per_s);
        Self {
            memory,
            memory_offline: memory + config.buffer.memory_bytes_max as u64 + STORE_BYTES,
            disk: config.buffer.max_size + 2 * windows,
            messages_per_s: rates.sum::<Option<f64>>().map(|rate| rate * series as f64),
        }
    }
}

/// One series in one stream, all its windows open (bytes).
fn channel_bytes(stream: &StreamConfig) -> usize {
    let windows = match &stream.window {
        WindowConfig::None(None) => 0,
        WindowConfig::None(Some(_)) => FILTER_BYTES,
        // A window's slot is mostly the only one; the most that lateness allows are open at once only in disorder.
        WindowConfig::Cut(specs) => specs.of(false).slots_needed().min(2) * stream.plan.pane_bytes(),
    };
    let detectors: usize = stream.detectors.iter().map(|detector| detector.bytes).sum();
    let groups: usize = stream.groups.iter().map(|group| group.bytes).sum();
    CHANNEL_BYTES + detectors + groups + evidence_bytes(stream) + windows
}

/// All pairs of a stream, all their windows open (bytes).
fn pair_bytes(stream: &StreamConfig, series: usize) -> usize {
    let WindowConfig::Cut(specs) = &stream.window else { return 0 };
    let (own, pane) = PAIR_BYTES;
    let each = own + specs.of(false).slots_needed().min(2) * pane;
    stream.pairs.iter().map(|pair| pair.pairs_max(series) * each).sum()
}

/// Summaries a second of one series; `None`: that depends on its readings.
fn summaries_per_s(stream: &StreamConfig) -> Option<f64> {
    let WindowConfig::Cut(specs) = &stream.window else { return None };
    let every_ms = match specs.of(false).shape {
        Shape::Tumbling(window) => window.size_ms(),
        Shape::Sliding(window) => window.every_ms(),
        Shape::Session(_) | Shape::Count(_) => return None,
    };
    Some(1_000.0 / every_ms as f64)
}
