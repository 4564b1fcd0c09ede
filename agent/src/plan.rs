//! What a stream's summaries carry, and which accumulators that takes.
//!
//! A stream pays only for what it asks for: `count` to `stddev` come from 40 bytes of moments, `first` and `last` from
//! 32 bytes more, and percentiles from a sketch of 300 bytes to a kilobyte that exists only where one is wanted.

use crate::encode::Value;
use crate::sketch::GrowingSketch;
use headwater_kernel::aggregate::{Ends, Integral, Moments, Ordered, Rate, Slope, States};
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
    /// How much a counter rose, its resets left out [series unit].
    Increase,
    /// The same a second [series unit per second].
    Rate,
    /// Slope of the least-squares line [series unit per second].
    Slope,
    /// Mean weighted by time: straight lines between readings.
    TimeWeightedMean,
    /// Area under those lines [series unit times seconds].
    Integral,
    /// How many states a boolean series was in.
    States,
    /// How long it was not 0 (ms).
    TimeOn,
    /// How long it was 0 (ms).
    TimeOff,
    /// A percentile, from 0 to 1.
    Percentile(f64),
}

/// Every aggregate with a name of its own; besides these, any percentile `pNN`.
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
    /// What is wrong with it.
    pub fn parse(name: &str) -> Result<Self, String> {
        let own = AGGREGATES.iter().find(|(known, _)| *known == name);
        own.map_or_else(|| Self::parse_percentile(name), |(_, aggregate)| Ok(aggregate.clone()))
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
    /// What follows the readings in order, empty; only what the aggregates ask for.
    paths: Option<Paths>,
}

impl Plan {
    /// A plan for these aggregates.
    #[must_use]
    pub fn new(aggregates: Vec<(String, Aggregate)>) -> Self {
        let asks = |test: fn(&Aggregate) -> bool| aggregates.iter().any(|(_, aggregate)| test(aggregate));
        let sketch = asks(|aggregate| matches!(aggregate, Aggregate::Percentile(_)));
        let paths = Paths {
            rate: asks(|aggregate| matches!(aggregate, Aggregate::Increase | Aggregate::Rate))
                .then(Ordered::default),
            integral: asks(|aggregate| {
                matches!(aggregate, Aggregate::Integral | Aggregate::TimeWeightedMean)
            })
            .then(Ordered::default),
            states: asks(|aggregate| {
                matches!(aggregate, Aggregate::States | Aggregate::TimeOn | Aggregate::TimeOff)
            })
            .then(Ordered::default),
            slope: asks(|aggregate| matches!(aggregate, Aggregate::Slope)).then(Slope::default),
        };
        let paths = (paths != Paths::default()).then_some(paths);
        Self { aggregates, sketch, paths }
    }

    /// Whether windows need a sketch.
    #[must_use]
    pub fn has_sketch(&self) -> bool {
        self.sketch
    }

    /// What a window takes in memory, at most (bytes).
    #[must_use]
    pub fn pane_bytes(&self) -> usize {
        let sketch = if self.sketch { GrowingSketch::BYTES_MAX } else { 0 };
        let paths = if self.paths.is_some() { size_of::<Paths>() } else { 0 };
        size_of::<Slot<Pane>>() + sketch + paths
    }

    /// An empty window.
    #[must_use]
    pub fn pane(&self) -> Pane {
        Pane {
            moments: Moments::default(),
            ends: Ends::default(),
            sketch: self.sketch.then(GrowingSketch::default),
            paths: self.paths.clone().map(Box::new),
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
    paths: Option<Box<Paths>>,
}

/// Readings that come late within a window are put in order if not more than this many came before them.
const DISORDER: usize = 16;

/// The accumulators that care which reading came before which, and the slope.
#[derive(Clone, Debug, Default, PartialEq)]
struct Paths {
    rate: Option<Ordered<Rate, DISORDER>>,
    integral: Option<Ordered<Integral, DISORDER>>,
    states: Option<Ordered<States, DISORDER>>,
    slope: Option<Slope>,
}

impl Paths {
    fn value(&self, aggregate: &Aggregate) -> Option<Value> {
        let states = || self.states.as_ref().map(Ordered::path);
        let count = |ms: i64| Value::Count(ms.unsigned_abs());
        let number = match aggregate {
            Aggregate::States => return states().map(|states| Value::Count(states.distinct().into())),
            Aggregate::TimeOn => return states().map(|states| count(states.on_ms())),
            Aggregate::TimeOff => return states().map(|states| count(states.off_ms())),
            Aggregate::Increase => self.rate.as_ref()?.path().increase(),
            Aggregate::Rate => self.rate.as_ref()?.path().per_second(),
            Aggregate::Integral => self.integral.as_ref()?.path().area(),
            Aggregate::TimeWeightedMean => self.integral.as_ref()?.path().mean(),
            Aggregate::Slope => self.slope.as_ref()?.per_second(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).map(Value::Number)
    }

    fn push(&mut self, time: Time, value: f64) {
        self.rate.iter_mut().for_each(|path| path.push(time, value));
        self.integral.iter_mut().for_each(|path| path.push(time, value));
        self.states.iter_mut().for_each(|path| path.push(time, value));
        self.slope.iter_mut().for_each(|slope| slope.push(time, value));
    }

    fn merge(&mut self, later: &Self) {
        self.rate.iter_mut().zip(&later.rate).for_each(|(path, later)| path.merge(later));
        self.integral.iter_mut().zip(&later.integral).for_each(|(path, later)| path.merge(later));
        self.states.iter_mut().zip(&later.states).for_each(|(path, later)| path.merge(later));
        self.slope.iter_mut().zip(&later.slope).for_each(|(slope, later)| slope.merge(later));
    }
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
            ordered => return self.paths.as_ref()?.value(ordered),
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
        if let Some(paths) = &mut self.paths {
            paths.push(time, value);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.ends.merge(&other.ends);
        if let (Some(sketch), Some(others)) = (&mut self.sketch, &other.sketch) {
            sketch.merge(others);
        }
        if let (Some(paths), Some(later)) = (&mut self.paths, &other.paths) {
            paths.merge(later);
        }
    }
}

impl State for Pane {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.moments.save(to);
        self.ends.save(to);
        self.sketch.save(to);
        self.paths.as_deref().cloned().save(to);
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            moments: State::load(from)?,
            ends: State::load(from)?,
            sketch: State::load(from)?,
            paths: Option::load(from)?.map(Box::new),
        })
    }
}

impl State for Paths {
    fn save(&self, to: &mut (impl Sink + ?Sized)) {
        self.rate.save(to);
        self.integral.save(to);
        self.states.save(to);
        self.slope.save(to);
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            rate: State::load(from)?,
            integral: State::load(from)?,
            states: State::load(from)?,
            slope: State::load(from)?,
        })
    }
}
