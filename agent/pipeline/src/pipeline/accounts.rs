//! Counts readings and reports the account.

use super::Pipeline;
use super::ids::SourceId;
use crate::account::{ReadingCounts, ReadingLedger, SourceCounts};

impl Pipeline {
    /// Counts a payload that could not be decoded.
    pub fn on_invalid(&mut self, source: usize) {
        if let Some(counts) = self.source_counts(source) {
            counts.received += 1;
            counts.invalid += 1;
        }
    }

    /// Counts payloads or readings that were counted before.
    pub fn on_repeated(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.received += i64::from(count);
            counts.repeated += i64::from(count);
        }
    }

    /// Counts readings that the source's own condition turned away.
    pub fn on_filtered(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.received += i64::from(count);
            counts.filtered += i64::from(count);
        }
    }

    /// Counts records that hold no reading.
    pub fn on_empty(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.empty += i64::from(count);
        }
    }

    /// Counts payloads that were lost before they were decoded.
    pub fn on_dropped(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.dropped += i64::from(count);
        }
    }

    /// Counts a series that gave way, because the source wanted room.
    pub(super) fn count_forgotten(&mut self, source: usize) {
        if let Some(counts) = self.source_counts(source) {
            counts.forgotten += 1;
        }
    }

    /// Counts retained messages that are not read.
    pub fn on_retained(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.retained += i64::from(count);
        }
    }

    /// Counts readings of series beyond the limit.
    pub fn on_refused(&mut self, source: usize, count: u32) {
        if let Some(counts) = self.source_counts(source) {
            counts.received += i64::from(count);
            counts.refused += i64::from(count);
        }
    }

    /// The account of all readings since the state began. Its identities hold between calls.
    #[must_use]
    pub fn totals(&self) -> ReadingCounts {
        debug_assert!(
            self.sources.iter().all(|source| source.counts.balances()),
            "a payload is unaccounted for: {:?}",
            self.sources
        );
        debug_assert!(
            self.streams.iter().all(|stream| stream.counts.balances()),
            "a reading is unaccounted for"
        );
        let streams = self.streams.iter().fold(self.retired, |sum, stream| sum.plus(&stream.counts));
        self.sources.iter().fold(streams, |sum, source| sum.plus(&source.counts.beside_streams()))
    }

    /// The account with its parts by source and stream.
    #[must_use]
    pub fn ledger(&self) -> ReadingLedger {
        let sources = self.sources.iter().map(|source| (source.entry.name.clone(), source.counts));
        let streams = self.streams.iter().map(|stream| (stream.config.name.to_string(), stream.counts));
        ReadingLedger { total: self.totals(), sources: sources.collect(), streams: streams.collect() }
    }

    /// How many readings each source has brought, in the order of the config.
    #[must_use]
    pub fn received(&self) -> Vec<i64> {
        self.sources.iter().map(|source| source.counts.received).collect()
    }

    fn source_counts(&mut self, source: usize) -> Option<&mut SourceCounts> {
        self.sources.at_mut(SourceId::of(source)).map(|source| &mut source.counts)
    }

    /// How many alerts were not raised, because they were just over or had been raised too often.
    #[must_use]
    pub fn suppressed(&self) -> i64 {
        self.emitter.suppressed
    }
}
