//! Opens the buffer on the disk thread, and assigns each output its bit.
//!
//! A note in the buffer names the outputs by their bits, with the messages that each has acknowledged. A known
//! output keeps its bit. A new output does not get the messages that lie in the buffer.

use crate::output_set::OutputSet;
use crate::progress::{Progress, Run};
use crate::ranges::Ranges;
use crate::segment_log::{FoundMessages, SegmentLog};
use crate::store::Store;
use crate::{BufferConfig, Compactor, Lane, PerLane};
use std::sync::Arc;

/// The parts that opening the buffer needs.
pub(crate) struct Opening {
    pub(crate) store: Box<dyn Store>,
    pub(crate) config: BufferConfig,
    pub(crate) compactor: Option<Arc<dyn Compactor>>,
    /// Names of outputs, in the order of the config.
    pub(crate) outputs: Vec<String>,
}

/// The content of the open buffer, for the spool.
#[derive(Debug)]
pub(crate) struct OpenLog {
    /// Names of outputs by their bits; outputs that are no longer configured included.
    pub(crate) names: Vec<String>,
    /// The outputs' bits, in the order of the config.
    pub(crate) bits: Vec<usize>,
    pub(crate) progress: Progress,
    /// Messages on disk.
    pub(crate) runs: Vec<Run>,
}

impl Opening {
    /// Reads the buffer and brings it within its bounds.
    pub(crate) fn run(self) -> (SegmentLog, OpenLog) {
        let (mut segment_log, found) = SegmentLog::open(self.store, self.config, self.compactor);
        let had_positions = found.positions.is_some();
        let opened = assign_bits(&self.outputs, found);
        if had_positions && segment_log.is_empty() {
            segment_log.write_positions(&opened.names, &opened.progress);
        }
        segment_log.fit(&opened.names, &opened.progress);
        (segment_log, opened)
    }
}

fn assign_bits(outputs: &[String], found: FoundMessages) -> OpenLog {
    let FoundMessages { runs, positions } = found;
    let is_known = runs.is_empty() || positions.is_some();
    // Without the note, every message is sent to all its outputs, again if need be.
    let (mut names, mut progress) = positions.unwrap_or_default();
    let mut acked = PerLane::<Ranges>::default();
    if is_known {
        for lane in Lane::ALL {
            let on_disk = runs.iter().filter(|run| run.lane == lane).map(|run| run.seqs.end).max();
            // Also if no message is left: a number is never given twice.
            acked.of_mut(lane).insert_range(0..on_disk.unwrap_or(0).max(progress.end(lane)));
        }
    }
    if runs.is_empty() || names.len() + outputs.len() > OutputSet::OUTPUTS_MAX {
        // No message refers to the bits any more.
        (names, progress) = Default::default();
    }
    progress.active = OutputSet::default();
    let mut bits = Vec::new();
    for name in outputs.iter().take(OutputSet::OUTPUTS_MAX) {
        let name = name.escape_default().to_string();
        let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            progress.acked.push(acked.clone());
            names.len() - 1
        });
        progress.active.insert(place);
        bits.push(place);
    }
    OpenLog { names, bits, progress, runs }
}
