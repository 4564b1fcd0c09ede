//! What the engine shows to those who look.

use super::Engine;
use crate::tap::Taps;
use headwater_pipeline::pipeline::{ChannelView, SeriesHandle, SeriesView};

impl Engine {
    /// As [`headwater_pipeline::pipeline::Pipeline::find_series`].
    pub(crate) fn find_series(&self, words: &str, most: usize) -> (Vec<SeriesView>, usize) {
        self.pipeline.borrow().find_series(words, most)
    }

    /// As [`headwater_pipeline::pipeline::Pipeline::names_version`].
    pub(crate) fn names_version(&self) -> u64 {
        self.pipeline.borrow().names_version()
    }

    /// Looks at [`headwater_pipeline::pipeline::Pipeline::channels`].
    pub(crate) fn with_channels<T>(
        &self,
        look: impl FnOnce(&mut dyn Iterator<Item = ChannelView<'_>>) -> T,
    ) -> T {
        look(&mut self.pipeline.borrow().channels())
    }

    /// The observers of what is made.
    pub(crate) fn taps(&self) -> &Taps {
        self.outgoing.taps()
    }

    /// A series by its name.
    pub(crate) fn series_named(&self, name: &str) -> Option<SeriesView> {
        self.pipeline.borrow().series_named(name)
    }

    /// The handles under which sources bring a series.
    pub(crate) fn handles_of(&self, name: &str) -> Vec<u64> {
        self.pipeline.borrow().handles_of(name).into_iter().map(SeriesHandle::to_bits).collect()
    }

    /// Whether what is made is sent: the first checkpoint of this run is written.
    pub(crate) fn is_sending(&self) -> bool {
        self.outgoing.is_open()
    }
}
