//! The numbers of one window over all readings of its summaries.

use super::MergeOptions;
use super::entry::Entry;
use super::sketch::{Sketch, WireSketch};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;

/// What one window over all readings says. What a summary lacks, it lacks too.
#[derive(Debug, Serialize)]
pub(super) struct Numbers {
    agents: usize,
    series: usize,
    summaries: usize,
    count: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(flatten)]
    values: Values,
    #[serde(skip_serializing_if = "Option::is_none")]
    sketch: Option<WireSketch>,
}

/// Aggregates by name.
#[derive(Debug, Default)]
struct Values(Vec<(String, f64)>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Values {
    fn put(&mut self, name: impl Into<String>, value: f64) {
        if value.is_finite() {
            self.0.push((name.into(), value));
        }
    }
}

impl Numbers {
    /// Merges the summaries that count.
    pub(super) fn merge(entries: &[&Entry], options: &MergeOptions) -> Self {
        let entries: Vec<&Entry> = entries.iter().copied().filter(|entry| entry.count > 0).collect();
        let agents: BTreeSet<&str> = entries.iter().map(|entry| entry.agent.as_str()).collect();
        let series: BTreeSet<_> = entries.iter().map(|entry| (&entry.agent, &entry.series)).collect();
        let sketch = merged_sketch(&entries);
        Self {
            agents: agents.len(),
            series: series.len(),
            summaries: entries.len(),
            count: entries.iter().map(|entry| entry.count).sum(),
            partial: entries.iter().any(|entry| entry.is_partial),
            values: values(&entries, sketch.as_ref(), &options.percentiles),
            sketch: sketch.filter(|_| options.with_sketch).map(|sketch| sketch.wire()),
        }
    }
}

fn merged_sketch(entries: &[&Entry]) -> Option<Sketch> {
    let sketches: Vec<&Sketch> = entries.iter().map(|entry| entry.sketch.as_ref()).collect::<Option<_>>()?;
    let mut merged = Sketch::new();
    sketches.iter().for_each(|sketch| merged.add(sketch));
    (!sketches.is_empty()).then_some(merged)
}

fn values(entries: &[&Entry], sketch: Option<&Sketch>, percentiles: &[f64]) -> Values {
    let of = |part: fn(&Entry) -> Option<f64>| -> Option<Vec<f64>> {
        entries
            .iter()
            .map(|entry| part(entry))
            .collect::<Option<_>>()
            .filter(|all: &Vec<f64>| !all.is_empty())
    };
    let least = of(|entry| entry.min).map(|all| all.into_iter().fold(f64::INFINITY, f64::min));
    let greatest = of(|entry| entry.max).map(|all| all.into_iter().fold(f64::NEG_INFINITY, f64::max));
    let count = entries.iter().map(|entry| entry.count).sum::<u64>() as f64;
    let mut to = Values::default();
    least.into_iter().for_each(|least| to.put("min", least));
    greatest.into_iter().for_each(|greatest| to.put("max", greatest));
    if let Some(sums) = of(|entry| entry.sum) {
        let sum = exact_sum(sums);
        let mean = sum / count;
        to.put("sum", sum);
        to.put("mean", mean);
        if of(|entry| entry.m2).is_some() {
            // Chan, Golub and LeVeque 1979, for any number of parts.
            let part = |entry: &&Entry| Some(entry.m2? + entry.count as f64 * (entry.mean? - mean).powi(2));
            let variance = exact_sum(entries.iter().filter_map(part)) / count;
            to.put("variance", variance);
            to.put("stddev", variance.sqrt());
        }
    }
    for percent in percentiles {
        let value = sketch.and_then(|sketch| sketch.percentile(*percent));
        let within = |value: f64| value.max(least.unwrap_or(value)).min(greatest.unwrap_or(f64::INFINITY));
        value.into_iter().for_each(|value| to.put(format!("p{percent}"), within(value)));
    }
    to
}

/// A compensated sum (Neumaier 1974), so that the order of a million agents does not show.
fn exact_sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut lost = 0.0;
    let sum = values.into_iter().fold(0.0_f64, |sum, value| {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        next
    });
    sum + lost
}
