//! The fields of a report: the account of an interval, in total, by source and by stream.

use super::fields::{Describe, Fields, serialize};
use super::place::Placed;
use headwater_pipeline::event::{Report, RunEnd};
use serde::Serialize;
use serde::ser::Serializer;

pub(super) fn describe(report: &Report, clock: Placed<'_>, to: &mut impl Fields) {
    to.put("agent", &*report.agent);
    to.put("from", &clock.at(report.from_ms));
    to.put("to", &clock.at(report.to.ms));
    to.put("cause", report.cause.word());
    if !report.detail.is_empty() {
        to.put("detail", report.detail.as_str());
    }
    to.put_some("stop", report.stop.map(RunEnd::word));
    for (name, count) in report.readings.total.shown() {
        to.put(name, &count);
    }
    to.put("suppressed", &report.suppressed);
    let sources = report.readings.sources.iter().map(|(name, intake)| (name, intake.named()));
    to.put("sources", &Parts(sources));
    let streams = report.readings.streams.iter().map(|(name, counts)| (name, counts.named()));
    to.put("streams", &Parts(streams));
    to.put("messages", &NamedMap(report.messages.named()));
    to.put("total", &Totals(report));
}

/// Accounts by name; a count of 0 is left out.
struct Parts<I>(I);

impl<'n, const N: usize, I> Serialize for Parts<I>
where
    I: ExactSizeIterator<Item = (&'n String, [(&'static str, i64); N])> + Clone,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = |counts: [(&'static str, i64); N]| {
            counts.into_iter().filter(|(_, count)| *count != 0).collect::<Vec<_>>()
        };
        serializer.collect_map(self.0.clone().map(|(name, counts)| (name, NamedMap(counted(counts)))))
    }
}

/// A map of named integers.
struct NamedMap<T>(T);

impl<T: AsRef<[(&'static str, i64)]>> Serialize for NamedMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.as_ref().iter().map(|(name, count)| (name, count)))
    }
}

/// The totals of a report, under the same names, since the state began.
struct Totals<'a>(&'a Report);

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(serializer, self)
    }
}

impl Describe for Totals<'_> {
    fn describe(&self, to: &mut impl Fields) {
        for (name, count) in self.0.readings_total.shown() {
            to.put(name, &count);
        }
        to.put("suppressed", &self.0.suppressed_total);
        to.put("messages", &NamedMap(self.0.messages_total.named()));
    }
}
