//! What a stream's summaries carry, and which accumulators that takes.
//!
//! A stream pays only for what it asks for: `count` to `stddev` come from 40 bytes of moments, `first` and `last` from
//! 32 bytes more, and percentiles from a sketch of 300 bytes to a kilobyte that exists only where one is wanted.

use crate::encode::Value;
use crate::sketch::GrowingSketch;
use headwater_kernel::aggregate::{Ends, Moments};
use headwater_kernel::series::{Pane as PaneOf, Slot};
use headwater_kernel::state::{Corrupt, Sink, State, Stored};
use headwater_kernel::time::Time;

/// One number of a summary.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// How many readings.
    Count,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
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
    /// A percentile, from 0 to 1.
    Percentile(f64),
}

/// The names that [`Aggregate::parse`] knows, for error messages.
pub const AGGREGATES: &[&str] = &[
    "count", "sum", "min", "max", "range", "mean", "stddev", "variance", "first", "last", "delta", "p50",
    "p95", "p99",
];

impl Aggregate {
    /// Reads a name such as `mean` or `p99.9`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "range" => Self::Range,
            "mean" => Self::Mean,
            "stddev" => Self::Stddev,
            "variance" => Self::Variance,
            "first" => Self::First,
            "last" => Self::Last,
            "delta" => Self::Delta,
            _ => return Self::parse_percentile(name),
        })
    }

    fn parse_percentile(name: &str) -> Result<Self, String> {
        let digits = name.strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        match digits.map(str::parse::<f64>) {
            Some(Ok(percent)) if (0.0..=100.0).contains(&percent) => Ok(Self::Percentile(percent / 100.0)),
            Some(_) => Err(format!("the percentile `{name}` is not within 0 and 100")),
            None => Err(format!("unknown aggregate `{name}`")),
        }
    }
}

/// The numbers of one stream's summaries, by name, in the order of the config.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    aggregates: Vec<(String, Aggregate)>,
    sketch: bool,
}

impl Plan {
    /// A plan for these aggregates.
    #[must_use]
    pub fn new(aggregates: Vec<(String, Aggregate)>) -> Self {
        let sketch = aggregates.iter().any(|(_, aggregate)| matches!(aggregate, Aggregate::Percentile(_)));
        Self { aggregates, sketch }
    }

    /// Whether windows need a sketch.
    #[must_use]
    pub fn has_sketch(&self) -> bool {
        self.sketch
    }

    /// What a window takes in memory, at most [bytes].
    #[must_use]
    pub fn pane_bytes(&self) -> usize {
        let sketch = if self.sketch { GrowingSketch::BYTES_MAX } else { 0 };
        size_of::<Slot<Pane>>() + sketch
    }

    /// An empty window.
    #[must_use]
    pub fn pane(&self) -> Pane {
        Pane {
            moments: Moments::default(),
            ends: Ends::default(),
            sketch: self.sketch.then(GrowingSketch::default),
        }
    }

    /// The numbers of a closed window by name, in the order of the config; those that do not exist are left out.
    pub fn numbers<'p>(&'p self, pane: &'p Pane) -> impl Iterator<Item = (&'p str, Value)> {
        self.aggregates.iter().filter_map(|(name, aggregate)| Some((name.as_str(), pane.value(aggregate)?)))
    }

    /// The names of the numbers, in the order of the config.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.aggregates.iter().map(|(name, _)| name.as_str())
    }
}

/// The accumulators of one window of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pane {
    moments: Moments,
    ends: Ends,
    sketch: Option<GrowingSketch>,
}

impl Pane {
    fn value(&self, aggregate: &Aggregate) -> Option<Value> {
        let number = match aggregate {
            Aggregate::Count => return Some(Value::Count(self.moments.count())),
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
        };
        number.filter(|number| number.is_finite()).map(Value::Number)
    }

    fn delta(&self) -> Option<f64> {
        Some(self.ends.last()?.1 - self.ends.first()?.1)
    }

    /// The sketch's answer, never outside what was really seen.
    fn percentile(&self, q: f64) -> Option<f64> {
        self.sketch.as_ref()?.quantile_within(q, self.moments.min()?, self.moments.max()?)
    }
}

impl PaneOf for Pane {
    #[inline]
    fn push(&mut self, time: Time, value: f64) {
        self.moments.push(value);
        self.ends.push(time, value);
        if let Some(sketch) = &mut self.sketch {
            sketch.push(value);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.ends.merge(&other.ends);
        if let (Some(sketch), Some(others)) = (&mut self.sketch, &other.sketch) {
            sketch.merge(others);
        }
    }
}

impl State for Pane {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.moments.save(to);
        self.ends.save(to);
        self.sketch.save(to);
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        Ok(Self { moments: State::load(from)?, ends: State::load(from)?, sketch: State::load(from)? })
    }
}
