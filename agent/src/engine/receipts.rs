//! What the sources of a run that has crashed had handed over, by its journal.

use headwater_sensors::Receipt;
use std::collections::{HashMap, VecDeque};

/// The most of one source; past it the oldest are forgotten. As many as MQTT has packet ids.
const RECEIPTS_MAX: usize = 65_536;

/// By the source's place in the config, oldest first.
#[derive(Debug, Default)]
pub(super) struct Receipts(HashMap<usize, VecDeque<Receipt>>);

impl Receipts {
    /// A source has handed over a message.
    pub(super) fn add(&mut self, source: usize, receipt: Receipt) {
        let own = self.0.entry(source).or_default();
        if own.len() == RECEIPTS_MAX {
            own.pop_front();
        }
        own.push_back(receipt);
    }

    /// Those of one source.
    pub(super) fn take(&mut self, source: usize) -> impl Iterator<Item = Receipt> + use<> {
        self.0.remove(&source).unwrap_or_default().into_iter()
    }
}
