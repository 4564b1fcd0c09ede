//! The contents of a stream's summaries, and the accumulators they need.
//!
//! A stream pays only for what it configures: `count` to `stddev` come from 40 bytes of moments, `first` and `last`
//! from 32 bytes more, and percentiles from a sketch of 96 bytes to 8 KiB that exists only where one is configured.
//! Everything else is behind one pointer, see `optional`.

mod optional;
mod stored;

use crate::config::fingerprint::Fingerprint;
use crate::points::Downsample;
use crate::sketch::{self, GrowingSketch};
use headwater_kernel::aggregate::{Ends, Moments, Stamped};
use headwater_kernel::series::{Pane, Slot};
use headwater_kernel::time::Time;
use optional::OptionalAccumulators;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

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

/// One number of a summary.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// The number of readings.
    Count,
    /// The sum.
    Sum,
    /// The smallest reading.
    Min,
    /// The largest reading.
    Max,
    /// Largest minus smallest.
    Range,
    /// The arithmetic mean.
    Mean,
    /// The population's standard deviation.
    Stddev,
    /// The population's variance.
    Variance,
    /// The earliest by event time.
    First,
    /// The latest by event time.
    Last,
    /// Latest minus earliest.
    Delta,
    /// The increase of a counter, without its resets [series unit].
    Increase,
    /// The increase per second [series unit per second].
    Rate,
    /// Slope of the least-squares line [series unit per second].
    Slope,
    /// Mean weighted by time, with straight lines between readings.
    TimeWeightedMean,
    /// Area under those lines [series unit times seconds].
    Integral,
    /// The number of different states of a boolean series: 1 or 2.
    States,
    /// How long a boolean series was not 0 (ms).
    TimeOn,
    /// How long a boolean series was 0 (ms).
    TimeOff,
    /// A percentile, from 0 to 1.
    Percentile(f64),
}

/// The aggregates with a fixed name; percentiles are `pNN`.
pub const AGGREGATES: &[(&str, Aggregate)] = &[
    ("count", Aggregate::Count),
    ("sum", Aggregate::Sum),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("range", Aggregate::Range),
    ("mean", Aggregate::Mean),
    ("stddev", Aggregate::Stddev),
    ("variance", Aggregate::Variance),
    ("first", Aggregate::First),
    ("last", Aggregate::Last),
    ("delta", Aggregate::Delta),
    ("increase", Aggregate::Increase),
    ("rate", Aggregate::Rate),
    ("slope", Aggregate::Slope),
    ("time_weighted_mean", Aggregate::TimeWeightedMean),
    ("integral", Aggregate::Integral),
    ("states", Aggregate::States),
    ("time_on", Aggregate::TimeOn),
    ("time_off", Aggregate::TimeOff),
];

impl Aggregate {
    /// Reads a name such as `mean` or `p99.9`.
    ///
    /// # Errors
    /// The mistake in the name.
    pub fn parse(name: &str) -> Result<Self, String> {
        let own = AGGREGATES.iter().find(|(known, _)| *known == name);
        own.map_or_else(|| Self::parse_percentile(name), |(_, aggregate)| Ok(aggregate.clone()))
    }

    fn parse_percentile(name: &str) -> Result<Self, String> {
        let digits = name.strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let plain = digits.filter(|digits| digits.chars().all(|c| c.is_ascii_digit() || c == '.'));
        match (digits, plain.map(str::parse::<f64>)) {
            (_, Some(Ok(percent))) if (0.0..=100.0).contains(&percent) => {
                Ok(Self::Percentile(percent / 100.0))
            }
            (Some(_), _) => Err(format!("`{name}` is no percentile from 0 to 100")),
            (None, _) => Err(format!("unknown aggregate `{name}`")),
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
        Self { aggregates, sketch, emits_sketch, downsample, optional }
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
        self.aggregates.iter().filter_map(|(name, aggregate)| Some((name, pane.value(aggregate)?)))
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

    fn value(&self, aggregate: &Aggregate) -> Option<Value> {
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
            Aggregate::Delta => self.delta(),
            Aggregate::Percentile(q) => self.percentile(*q),
            ordered => return self.optional.as_ref()?.value(ordered),
        };
        number.filter(|number| number.is_finite()).map(Value::Number)
    }

    fn delta(&self) -> Option<f64> {
        Some(self.ends.last()?.1 - self.ends.first()?.1)
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
}
