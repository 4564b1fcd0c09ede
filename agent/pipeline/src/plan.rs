//! The contents of a stream's summaries, and the accumulators they need.
//!
//! A stream pays only for what it configures: `count` to `stddev` come from 40 bytes of moments, `first` and `last`
//! from 32 bytes more, and percentiles from a sketch of 96 bytes to 8 KiB that exists only where one is configured.
//! Everything else is behind one pointer, see `optional`.

mod aggregate;
mod optional;
mod stored;

use crate::config::fingerprint::Fingerprint;
use crate::points::Downsample;
use crate::sketch::{self, GrowingSketch};
use headwater_kernel::aggregate::{CounterRule, Ends, Moments, Stamped};
use headwater_kernel::series::{Pane, Slot};
use headwater_kernel::time::Time;
use optional::{OptionalAccumulators, Prior};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

pub use aggregate::{AGGREGATES, Aggregate};
pub use stored::PaneLayout;

/// A number of a summary; counts stay integers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A measured number; always finite.
    Number(f64),
}

impl From<Value> for f64 {
    fn from(value: Value) -> Self {
        match value {
            Value::Count(count) => count as f64,
            Value::Number(number) => number,
        }
    }
}

/// The contents of a stream's summaries: numbers by name, in the order of the config, and points.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregatePlan {
    aggregates: Vec<(Arc<str>, Aggregate)>,
    /// Whether windows have a sketch, and whether summaries carry it.
    sketch: bool,
    emits_sketch: bool,
    downsample: Option<Downsample>,
    /// Empty prototypes of the optional accumulators.
    optional: Option<OptionalAccumulators>,
    counters: CounterRule,
    /// How long a value holds from one window into another (ms).
    hold_ms: i64,
}

impl AggregatePlan {
    /// The plan for these aggregates.
    #[must_use]
    pub fn new(aggregates: Vec<(String, Aggregate)>, downsample: Option<Downsample>) -> Self {
        let sketch = aggregates.iter().any(|(_, aggregate)| matches!(aggregate, Aggregate::Percentile(_)));
        let emits_sketch = false;
        let optional =
            OptionalAccumulators::new(aggregates.iter().map(|(_, aggregate)| aggregate), downsample);
        let aggregates = aggregates.into_iter().map(|(name, aggregate)| (name.into(), aggregate)).collect();
        let (counters, hold_ms) = (CounterRule::default(), i64::MAX);
        Self { aggregates, sketch, emits_sketch, downsample, optional, counters, hold_ms }
    }

    /// Sets what the fall of a counter means.
    #[must_use]
    pub fn with_counters(mut self, counters: CounterRule) -> Self {
        self.counters = counters;
        if let Some(rate) = self.optional.as_mut().and_then(|optional| optional.rate.as_mut()) {
            rate.path_mut().set_rule(counters);
        }
        self
    }

    /// Sets how long a value holds at most from one window into another (ms).
    #[must_use]
    pub fn with_hold(self, hold_ms: i64) -> Self {
        Self { hold_ms, ..self }
    }

    /// Sets whether summaries carry the sketch itself.
    #[must_use]
    pub fn with_sketch(self, emits_sketch: bool) -> Self {
        Self { sketch: self.sketch || emits_sketch, emits_sketch, ..self }
    }

    /// Memory of a window without its heap (bytes).
    pub const SLOT_BYTES: usize = size_of::<Slot<Accumulators>>();

    /// Whether windows need a sketch.
    #[must_use]
    pub fn has_sketch(&self) -> bool {
        self.sketch
    }

    /// Memory of a window, at most (bytes).
    #[must_use]
    pub fn pane_bytes(&self) -> usize {
        self.pane_bytes_of(sketch::BYTES_MAX)
    }

    /// Memory of a window, at least (bytes).
    #[must_use]
    pub fn pane_bytes_min(&self) -> usize {
        let sketch = if self.sketch { sketch::BYTES_MIN } else { 0 };
        size_of::<Slot<Accumulators>>()
            + sketch
            + self.optional.as_ref().map_or(0, OptionalAccumulators::heap_bytes)
    }

    /// Memory of a window with a sketch of `sketch_bytes` and all points (bytes).
    #[must_use]
    pub fn pane_bytes_of(&self, sketch_bytes: usize) -> usize {
        let sketch = if self.sketch { sketch_bytes } else { 0 };
        size_of::<Slot<Accumulators>>()
            + sketch
            + self.optional.as_ref().map_or(0, |optional| optional.bytes(self.downsample))
    }

    /// An empty window.
    #[must_use]
    pub fn pane(&self) -> Accumulators {
        Accumulators {
            moments: Moments::default(),
            ends: Ends::default(),
            sketch: self.sketch.then(GrowingSketch::default),
            optional: self.optional.clone().map(Box::new),
        }
    }

    /// The numbers of a closed window by name, in the order of the config; numbers that do not exist are left out.
    pub fn numbers<'p>(&'p self, pane: &'p Accumulators) -> impl Iterator<Item = (&'p Arc<str>, Value)> {
        let value = |aggregate| pane.value(aggregate, self.hold_ms);
        self.aggregates.iter().filter_map(move |(name, aggregate)| Some((name, value(aggregate)?)))
    }

    /// Readies a window that was stored for more readings: gives it the rules that are not stored with it.
    pub fn adopt(&self, pane: &mut Accumulators) {
        let Some(prototype) = &self.optional else { return };
        pane.optional.get_or_insert_default().adopt(prototype, self.counters);
    }

    /// The sketch of a closed window; `None`: not configured.
    #[must_use]
    pub fn sketch<'p>(&self, pane: &'p Accumulators) -> Option<&'p GrowingSketch> {
        pane.sketch.as_ref().filter(|_| self.emits_sketch)
    }

    /// The points of a closed window, in order of time; `None`: not configured.
    #[must_use]
    pub fn points(&self, pane: &Accumulators) -> Option<Vec<Stamped>> {
        pane.optional.as_ref()?.points(self.downsample?, &pane.ends)
    }

    /// The accumulators of a closed window that a roll-up needs: of its readings, only the points.
    #[must_use]
    pub fn mergeable(&self, mut pane: Accumulators) -> Accumulators {
        if let Some(points) = self.points(&pane)
            && let Some(optional) = &mut pane.optional
        {
            optional.retain(points);
        }
        pane
    }

    /// Identifies the state of a window of this shape.
    #[must_use]
    pub fn fingerprint(&self, shape: Fingerprint) -> String {
        let mut numbers: Vec<&str> = self.names().collect();
        numbers.sort_unstable();
        let print = shape.with("aggregates", numbers.join(","));
        let print = if self.sketch { print.and("sketch") } else { print };
        match self.downsample {
            Some(Downsample { points, .. }) => print.with("points", points).finish(),
            None => print.finish(),
        }
    }

    /// The names of the numbers, in the order of the config.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.aggregates.iter().map(|(name, _)| &**name)
    }
}

impl fmt::Display for AggregatePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.write_str(&names.join(" "))?;
        if self.emits_sketch {
            f.write_str(", the sketch")?;
        }
        self.downsample.map_or(Ok(()), |downsample| write!(f, ", {downsample}"))
    }
}

/// The accumulators of one window of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accumulators {
    moments: Moments,
    ends: Ends,
    sketch: Option<GrowingSketch>,
    optional: Option<Box<OptionalAccumulators>>,
}

impl Accumulators {
    /// The percentiles' sketch, if it has one.
    #[must_use]
    pub fn sketch(&self) -> Option<&GrowingSketch> {
        self.sketch.as_ref()
    }

    /// The latest reading.
    #[must_use]
    pub fn last_reading(&self) -> Option<Stamped> {
        self.ends.last()
    }

    /// The number of readings.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.moments.count()
    }

    /// Its present memory on the heap (bytes).
    pub fn heap_bytes(&self) -> usize {
        let sketch = self.sketch.as_ref().map_or(0, GrowingSketch::room_bytes);
        sketch + self.optional.as_deref().map_or(0, OptionalAccumulators::heap_bytes)
    }

    fn value(&self, aggregate: &Aggregate, hold_ms: i64) -> Option<Value> {
        let begin = self.begin();
        if aggregate.is_growth() && begin.is_none() && self.moments.count() == 1 {
            return None;
        }
        let number = match aggregate {
            Aggregate::Count => {
                return Some(Value::Count(self.moments.count())).filter(|_| !self.moments.is_lost());
            }
            Aggregate::Sum => self.moments.sum(),
            Aggregate::Min => self.moments.min(),
            Aggregate::Max => self.moments.max(),
            Aggregate::Range => self.moments.range(),
            Aggregate::Mean => self.moments.mean(),
            Aggregate::Stddev => self.moments.stddev(),
            Aggregate::Variance => self.moments.variance(),
            Aggregate::First => self.ends.first().map(|(_, value)| value),
            Aggregate::Last => self.ends.last().map(|(_, value)| value),
            Aggregate::Delta => self.delta(begin),
            Aggregate::Percentile(q) => self.percentile(*q),
            other => return self.optional.as_ref()?.value(other, self.held(begin, other, hold_ms)),
        };
        number.filter(|number| number.is_finite()).map(Value::Number)
    }

    fn delta(&self, begin: Option<Stamped>) -> Option<f64> {
        Some(self.ends.last()?.1 - begin.or(self.ends.first())?.1)
    }

    /// Where totals begin: at the prior, unless count windows hold readings of an earlier time.
    fn begin(&self) -> Option<Stamped> {
        let first = self.ends.first()?;
        self.prior().filter(|(time, _)| *time <= first.0)
    }

    /// Where an aggregate begins: what follows from a value does so for `hold_ms` at most.
    fn held(&self, begin: Option<Stamped>, aggregate: &Aggregate, hold_ms: i64) -> Option<Stamped> {
        let ((time, value), (first, _)) = (begin?, self.ends.first()?);
        match aggregate {
            Aggregate::TimeOn | Aggregate::TimeOff => Some((time.max(first.minus(hold_ms)), value)),
            Aggregate::Integral
            | Aggregate::TimeWeightedMean
            | Aggregate::MeanAbsChange
            | Aggregate::MaxAbsChange => begin.filter(|_| first.since(time) <= hold_ms),
            _ => begin,
        }
    }

    /// The sketch's estimate, limited to the range of the readings.
    fn percentile(&self, q: f64) -> Option<f64> {
        let sketch = self.sketch.as_ref()?;
        if self.moments.is_lost() {
            return sketch.quantile(q);
        }
        sketch.quantile_within(q, self.moments.min()?, self.moments.max()?)
    }
}

impl Pane for Accumulators {
    type Value = f64;

    #[inline]
    fn push(&mut self, time: Time, value: f64) {
        self.moments.push(value);
        self.ends.push(time, value);
        if let Some(sketch) = &mut self.sketch {
            sketch.push(value);
        }
        if let Some(optional) = &mut self.optional {
            optional.push(time, value);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.ends.merge(&other.ends);
        match (&mut self.sketch, &other.sketch) {
            (Some(sketch), Some(others)) => sketch.merge(others),
            // A window restored without its sketch: the merged window has none either.
            _ => self.sketch = None,
        }
        match (&mut self.optional, &other.optional) {
            (Some(optional), Some(later)) => optional.merge(later),
            _ => self.optional = None,
        }
    }

    fn last(&self) -> Option<Stamped> {
        self.optional.as_ref()?.prior.and_then(|_| self.ends.last())
    }

    fn prior(&self) -> Option<Stamped> {
        self.optional.as_ref()?.prior?.0
    }

    fn follow(&mut self, reading: Stamped) -> bool {
        let Some(Prior(prior)) = self.optional.as_mut().and_then(|optional| optional.prior.as_mut()) else {
            return false;
        };
        let follows = prior.is_none_or(|(time, _)| time <= reading.0);
        if follows {
            *prior = Some(reading);
        }
        follows
    }
}
