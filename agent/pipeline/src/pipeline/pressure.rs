//! Sheds load when memory is short.

use super::Pipeline;
use super::stream::Stream;
use crate::config::WindowConfig;

/// How much load to shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Nothing.
    #[default]
    None,
    /// Retained windows, which late readings would revise.
    Some,
    /// Retained windows, and series that are not known yet: their readings are refused. Known series continue.
    Full,
}

/// Memory for closed windows that wait for late readings, all series together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    /// The configured bound (bytes).
    bytes_max: usize,
    /// The bound that memory allows now (bytes).
    bytes: usize,
}

impl Retention {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: bytes_max }
    }
}

impl Pipeline {
    /// Sheds load according to the pressure from now on.
    pub fn on_pressure(&mut self, pressure: Pressure) {
        self.directory.shut(pressure == Pressure::Full);
        self.retention.bytes = if pressure == Pressure::None { self.retention.bytes_max } else { 0 };
        self.share_retention();
    }

    /// Shares the memory for closed windows among all series and pairs.
    pub(super) fn share_retention(&mut self) {
        let share = self.retention.bytes / (self.channels.list.len() + self.pairs.len()).max(1);
        for Stream { config, .. } in self.streams.iter_mut() {
            if let WindowConfig::Cut(specs) = &mut config.window {
                specs.limit_retention(share, config.plan.pane_bytes_min());
            }
        }
    }
}
