//! What the sources of a run that has crashed had handed over, by its journal.

use headwater_sensors::Receipt;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The most receipts of one source; past it the oldest are forgotten. As many as MQTT has packet ids.
const RECEIPTS_MAX: usize = 65_536;

/// By the source's place in the config.
#[derive(Debug, Default)]
pub(super) struct HandedOver(HashMap<usize, OfSource>);

#[derive(Debug, Default)]
struct OfSource {
    /// Oldest first.
    receipts: VecDeque<Receipt>,
    /// The last position of each input, by its key; empty: forgotten.
    positions: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl HandedOver {
    /// A source has handed over a message.
    pub(super) fn add_receipt(&mut self, source: usize, receipt: Receipt) {
        let receipts = &mut self.0.entry(source).or_default().receipts;
        if receipts.len() == RECEIPTS_MAX {
            receipts.pop_front();
        }
        receipts.push_back(receipt);
    }

    /// A source has read an input up to here.
    pub(super) fn set_position(&mut self, source: usize, key: &[u8], at: &[u8]) {
        self.0.entry(source).or_default().positions.insert(key.to_vec(), at.to_vec());
    }

    /// The receipts of one source.
    pub(super) fn take_receipts(&mut self, source: usize) -> impl Iterator<Item = Receipt> + use<> {
        self.0.get_mut(&source).map(|own| std::mem::take(&mut own.receipts)).unwrap_or_default().into_iter()
    }

    /// The positions of one source, by their keys.
    pub(super) fn take_positions(
        &mut self,
        source: usize,
    ) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + use<> {
        self.0.get_mut(&source).map(|own| std::mem::take(&mut own.positions)).unwrap_or_default().into_iter()
    }
}
