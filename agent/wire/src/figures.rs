//! What the figures of summaries are to their series, and their units.

use headwater_forwarder::Role;
use headwater_pipeline::event::Labels;
use headwater_pipeline::plan::Aggregate;
use headwater_pipeline::unit;

/// The unit of an aggregate of a series with these labels.
pub(super) fn unit_of(name: &str, labels: &Labels) -> Option<String> {
    role_and_unit(name, labels).1
}

/// What an aggregate is to its series, and its unit.
pub(super) fn role_and_unit(name: &str, labels: &Labels) -> (Role, Option<String>) {
    use Aggregate::{
        Count, Delta, First, Increase, Integral, Last, LongestRun, Max, MaxAbsChange, Mean, MeanAbsChange,
        Min, Percentile, Range, Rate, Slope, States, Stddev, Sum, TimeOff, TimeOn, TimeWeightedMean,
        Variance,
    };
    let own = unit::of(labels);
    let with = |more: &str| own.map(|unit| format!("{unit}{more}"));
    match Aggregate::parse(name) {
        Ok(Min | Max | Mean | First | Last | TimeWeightedMean | Percentile(_)) => (Role::Value, with("")),
        Ok(Increase) => (Role::Growth, with("")),
        Ok(Sum | Range | Stddev | Delta | MeanAbsChange | MaxAbsChange) => (Role::Figure, with("")),
        Ok(Rate | Slope) => (Role::Figure, with("/s")),
        Ok(Integral) => (Role::Figure, with("·s")),
        Ok(TimeOn | TimeOff) => (Role::Value, Some("ms".to_owned())),
        Ok(Variance) => (Role::Figure, None),
        Ok(Count | States | LongestRun) | Err(_) => (Role::Diagnostic, None),
    }
}
