//! The numbers that a summary can carry, by name.

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
    /// Latest minus the one before the window, or else minus the earliest.
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
    /// The mean of the absolute steps from one reading to the next [series unit].
    MeanAbsChange,
    /// The largest of them [series unit].
    MaxAbsChange,
    /// The largest number of readings in a row that have the same value.
    LongestRun,
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
    ("mean_abs_change", Aggregate::MeanAbsChange),
    ("max_abs_change", Aggregate::MaxAbsChange),
    ("longest_run", Aggregate::LongestRun),
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

    /// Whether it begins at the last reading before the window, so that no step between windows is lost.
    pub(super) fn is_total(&self) -> bool {
        use Aggregate::{Integral, MaxAbsChange, MeanAbsChange, TimeOff, TimeOn, TimeWeightedMean};
        let is_area = matches!(self, Integral | TimeWeightedMean | TimeOn | TimeOff);
        self.is_growth() || is_area || matches!(self, MeanAbsChange | MaxAbsChange)
    }

    /// Whether it compares values: a single reading has none.
    pub(super) fn is_growth(&self) -> bool {
        matches!(self, Self::Delta | Self::Increase | Self::Rate)
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
