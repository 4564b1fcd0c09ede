//! What a segment begins with, so that it can be read without those before it.

use super::super::record::Encoder;
use headwater_kernel::time::Now;
use headwater_pipeline::pipeline::Pressure;

/// The first records of a segment.
pub(crate) struct SegmentStart<'e>(pub(super) &'e mut Encoder);

impl SegmentStart<'_> {
    /// Puts a series that is known.
    pub(crate) fn series(&mut self, handle: u32, source: usize, name: &str, labels: &[(String, String)]) {
        self.0.series(handle, source, name, labels);
    }

    /// Puts a source of the config.
    pub(crate) fn source(&mut self, source: usize, name: &str) {
        self.0.source(source, name);
    }

    /// Puts a source that is down.
    pub(crate) fn down(&mut self, source: usize, now: Now) {
        self.0.link(source, false, now);
    }

    /// Puts the highest revision that may be sent.
    pub(crate) fn rev_limit(&mut self, limit: Option<u32>) {
        self.0.rev_limit(limit);
    }

    /// Puts the pressure on memory.
    pub(crate) fn pressure(&mut self, pressure: Pressure) {
        self.0.pressure(pressure);
    }
}
