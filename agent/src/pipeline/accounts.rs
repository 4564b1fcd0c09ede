//! What the pipeline counts, and the account that it gives of it.

use super::Pipeline;
use crate::account::Counts;

impl Pipeline {
    /// Takes note of a payload that could not be decoded.
    pub fn on_invalid(&mut self, source: usize) {
        if let Some(counts) = self.source_counts.get_mut(source) {
            counts.received += 1;
            counts.invalid += 1;
        }
    }

    /// Takes note of a payload that was counted before.
    pub fn on_repeated(&mut self, source: usize) {
        if let Some(counts) = self.source_counts.get_mut(source) {
            counts.received += 1;
            counts.repeated += 1;
        }
    }

    /// Takes note of readings of series past the limit.
    pub fn on_refused(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts.get_mut(source) {
            counts.received += i64::from(count);
            counts.refused += i64::from(count);
        }
    }

    /// The readings' account since the pipeline was made. Its identity holds whenever nobody is inside a call.
    #[must_use]
    pub fn totals(&self) -> Counts {
        let all = self.source_counts.iter().chain(&self.stream_counts);
        let totals = all.fold(self.retired, |sum, counts| sum.plus(counts));
        debug_assert!(totals.balances(), "a reading is unaccounted for: {totals:?}");
        totals
    }

    /// The accounts of each source (what never reached a stream) and each stream, with their names.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Counts)> {
        let sources = self.sources.iter().map(|entry| entry.name.as_str()).zip(&self.source_counts);
        sources.chain(self.streams.iter().map(|stream| stream.name.as_str()).zip(&self.stream_counts))
    }

    /// How many alerts were not raised, because they were just over or had been raised too often.
    #[must_use]
    pub fn suppressed(&self) -> i64 {
        self.suppressed
    }
}
