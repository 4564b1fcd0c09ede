//! The most that a config can cost, computed from the sizes of the types, for `check`.
//!
//! The estimate assumes the limit of series, each in every stream; names of `NAME_BYTES`; as many open windows as lateness
//! allows; full sketches and points; full retention and full memory of messages. It counts the bytes of a checkpoint once
//! more, and the journal, because a tmpfs is memory. The program with its runtime and TLS takes `BASE_BYTES`, and an open
//! database of the buffer `STORE_BYTES` more. Both were measured, with
//! the allocator as the service's unit sets it. A test fills an agent and compares.

use crate::checkpoint::deltas_bytes_max;
use crate::config::Config;
use crate::journal::BYTES_MAX;
use crate::web::WEB_BYTES;
use headwater_forwarder::BURST_BYTES;
use headwater_http::LISTENER_BYTES;
use headwater_kernel::normalise::Normaliser;
use headwater_kernel::window::Shape;
use headwater_pipeline::config::{GroupConfig, GroupJudge, Specs, StreamConfig, WindowConfig};
use headwater_pipeline::pipeline::{
    CHANNEL_BYTES, FILTER_BYTES, PAIR_BYTES, SERIES_BYTES, detector_bytes, evidence_bytes, group_bytes,
};
use headwater_pipeline::plan::AggregatePlan;
use headwater_pipeline::sketch;

/// The program with nothing to do, its connections up (bytes).
const BASE_BYTES: u64 = 7 << 20;

/// The memory of sled while one database is open, or is being replaced by the next (bytes).
const STORE_BYTES: u64 = 32 << 20;

/// One copy of a series' name and labels (bytes). A longer name costs more.
const NAME_BYTES: usize = 96;

/// A summary as a message in memory, as measured, without points and sketch (bytes).
const SUMMARY_BYTES: usize = 512;

/// The number of copies of a name: the source and the directory keep one each.
const NAME_COPIES: usize = 2;

/// The allocator's overhead for many small blocks, roughly.
const OVERHEAD: f64 = 1.15;

/// A sketch's room for 64 values, or for bins of values within a ratio of 27 (bytes).
const SKETCH_USUAL: usize = 512;

/// What a checkpoint writes of a series in a stream that had readings since the one before, as measured (bytes).
const CHANGED_BYTES: f64 = 64.0;

/// What it writes of a window that was closed since then, as measured (bytes).
const CLOSED_BYTES: f64 = 96.0;

/// What is written for each byte of that: now and then a whole checkpoint.
const WHOLE_SHARE: f64 = 1.25;

/// What a checkpoint in which all has changed takes of its size, as measured.
const DEFLATED: f64 = 0.5;

/// The most that a config can cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Memory while the uplink is up (bytes).
    pub memory: u64,
    /// The same for readings that come in order, with small sketches (bytes).
    pub memory_usual: u64,
    /// Memory while the buffer is in use (bytes).
    pub memory_offline: u64,
    /// Disk: the buffer, the checkpoint twice while it is replaced, and its deltas (bytes).
    pub disk: u64,
    /// How often open windows become durable.
    pub checkpoints: CheckpointEstimate,
    /// Summaries a second, if every series has readings in every window; `None`: as many as readings.
    pub messages_per_s: Option<f64>,
}

/// How often `daily_writes` lets open windows become durable, in the long run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckpointEstimate {
    /// The series that may have readings between any two checkpoints at the configured interval.
    pub series: u64,
    /// The interval if all series have (ms).
    pub all_ms: i64,
}

impl CheckpointEstimate {
    /// For a config whose checkpoints hold so many bytes with all series.
    fn of(config: &Config, series_max: usize, body_bytes: u64) -> Self {
        const DAY_MS: f64 = 86_400_000.0;
        let every_ms = config.agent.checkpoint_ms as f64;
        let closed_per_ms = config.streams.iter().filter_map(summaries_per_s).sum::<f64>() / 1_000.0;
        let bytes = |series: f64, interval_ms: f64| {
            let changed = CHANGED_BYTES * config.streams.len() as f64 * series;
            // Of what is closed, as much as is kept.
            let closed = CLOSED_BYTES * series * closed_per_ms * interval_ms;
            let kept = DEFLATED * retained_bytes(config) as f64 + CLOSED_BYTES * series;
            WHOLE_SHARE * (changed + closed.min(kept))
        };
        let bytes_per_ms = config.buffer.daily_writes as f64 / DAY_MS;
        let series = bytes_per_ms * every_ms / bytes(1.0, every_ms).max(1.0);
        let mut all_ms = every_ms;
        // More is closed in a longer interval; that ends where everything has changed.
        for _ in 0..64 {
            let changed = bytes(series_max as f64, all_ms).min(DEFLATED * body_bytes as f64);
            all_ms = (changed / bytes_per_ms).max(every_ms);
        }
        Self { series: series as u64, all_ms: all_ms as i64 }
    }
}

/// How much is assumed of what depends on the readings.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Worst,
    Usual,
}

impl Case {
    /// Of what is taken usually, and at most.
    fn of(self, [usual, worst]: [usize; 2]) -> usize {
        if self == Self::Worst { worst } else { usual }
    }
}

impl Estimate {
    /// Of a config whose every stream takes every series.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::with(config, config.limits.series)
    }

    /// The most series with which the config stays within so many bytes of memory, in a round number.
    #[must_use]
    pub fn series_within(config: &Config, bytes: u64) -> usize {
        let [none, some] = [0, 10_000].map(|series| Self::with(config, series).memory_offline);
        let series = bytes.saturating_sub(none) as f64 / (some - none).max(1) as f64 * 10_000.0;
        let digit = 10_f64.powf(series.max(1.0).log10().floor());
        ((series / digit).floor() * digit) as usize
    }

    /// Of the config with another limit of series.
    fn with(config: &Config, series: usize) -> Self {
        let sum = |bytes: &dyn Fn(&StreamConfig) -> usize| config.streams.iter().map(bytes).sum::<usize>();
        // What a checkpoint holds: the next one and the last one are in memory, each in about half its bytes.
        let kept = |case: Case| {
            let channels = sum(&|stream| NAME_COPIES * NAME_BYTES + kept_bytes(stream, case)) * series;
            let pairs = sum(&|stream| pair_bytes(stream, series, case));
            (channels + pairs) as u64 + retained_bytes(config)
        };
        let memory = |case: Case| {
            let series_bytes = SERIES_BYTES + NAME_COPIES * NAME_BYTES;
            let own = (series_bytes + sum(&|stream| CHANNEL_BYTES + evidence_bytes(stream))) * series;
            let windows = sum(&|stream| kept_bytes(stream, case) * series + pair_bytes(stream, series, case));
            let state = ((own + windows) as f64 * OVERHEAD) as u64 + retained_bytes(config);
            let messages = message_bytes(config, series);
            let listener = if config.http.is_some() { LISTENER_BYTES + WEB_BYTES } else { 0 };
            BASE_BYTES
                + BYTES_MAX
                + state
                + kept(case)
                + messages
                + sum(&model_bytes) as u64
                + config.limits.payload_bytes as u64 * 2
                + listener
        };
        let checkpoints = CheckpointEstimate::of(config, series, kept(Case::Usual));
        let rates = config.streams.iter().map(summaries_per_s);
        Self {
            memory: memory(Case::Worst),
            memory_usual: memory(Case::Usual),
            memory_offline: memory(Case::Worst) + STORE_BYTES,
            disk: config.buffer.max_size + 2 * kept(Case::Worst) + deltas_bytes_max(kept(Case::Worst)),
            checkpoints,
            messages_per_s: rates.sum::<Option<f64>>().map(|rate| rate * series as f64),
        }
    }
}

/// Messages in memory: up to their bound, and beyond it what is made at one moment and waits for the disk (bytes).
fn message_bytes(config: &Config, series: usize) -> u64 {
    let bound = config.buffer.memory_bytes_max;
    let burst = series * config.streams.len() * SUMMARY_BYTES;
    bound.max((bound / 4 + burst).min(bound + BURST_BYTES)) as u64
}

/// Closed windows that are kept for late readings, where any are (bytes).
fn retained_bytes(config: &Config) -> u64 {
    let keeps = |stream: &StreamConfig| matches!(&stream.window, WindowConfig::Cut(specs) if specs.of(false).slots_retained() > 0);
    if config.streams.iter().any(keeps) { config.limits.retained_bytes as u64 } else { 0 }
}

/// What a checkpoint holds of one series in one stream, all its windows open (bytes).
fn kept_bytes(stream: &StreamConfig, case: Case) -> usize {
    let windows = match &stream.window {
        WindowConfig::None(None) => 0,
        WindowConfig::None(Some(_)) => case.of(FILTER_BYTES),
        WindowConfig::Cut(specs) => {
            let sketch_bytes = match (case, specs.of(false).shape) {
                (Case::Usual, _) => SKETCH_USUAL,
                (Case::Worst, Shape::Count(window)) => sketch::bytes_max(window.size()),
                (Case::Worst, _) => sketch::BYTES_MAX,
            };
            let (full, slots) = open(specs, case);
            full * stream.plan.pane_bytes_of(sketch_bytes) + (slots - full) * AggregatePlan::SLOT_BYTES
        }
    };
    let detectors: usize = stream.detectors.iter().map(|detector| detector_bytes(&detector.watch)).sum();
    let groups: usize = stream.groups.iter().map(group_bytes).sum();
    let normaliser = stream.normalise.map_or(0, |_| size_of::<Normaliser>());
    detectors + groups + windows + normaliser
}

/// The memory of models, which all series share.
fn model_bytes(stream: &StreamConfig) -> usize {
    let model = |group: &GroupConfig| match &group.judge {
        GroupJudge::Windows(detector) => detector.model_bytes(),
        GroupJudge::Readings(_) => 0,
    };
    stream.groups.iter().map(model).sum()
}

/// How many windows hold readings, and how many have a place: the last one is closed as soon as its reading is in.
fn open(specs: &Specs, case: Case) -> (usize, usize) {
    let spec = specs.of(false);
    let slots = spec.slots_needed();
    if spec.lateness_ms == 0 && matches!(spec.shape, Shape::Tumbling(_) | Shape::Session(_)) {
        return (1, 2);
    }
    let slots = match (case, spec.shape) {
        (_, Shape::Count(_)) => return (1, 1),
        (Case::Worst, _) | (_, Shape::Sliding(_)) => slots,
        (Case::Usual, Shape::Tumbling(_) | Shape::Session(_)) => slots.min(3),
    };
    (slots.saturating_sub(1).max(1), slots)
}

/// All pairs of a stream, all their windows open (bytes).
fn pair_bytes(stream: &StreamConfig, series: usize, case: Case) -> usize {
    let WindowConfig::Cut(specs) = &stream.window else { return 0 };
    let (own, pane) = PAIR_BYTES;
    let each = case.of(own) + open(specs, case).1 * pane;
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
