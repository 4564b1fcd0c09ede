//! What came in since the last checkpoint, in files that outlive the process and not the boot: a crash costs nothing.
//!
//! The pipeline is deterministic and gets the time as an argument, so the journal holds its input: whoever reads the
//! checkpoint and repeats the calls has the very state, and the very messages. Records gather in memory while a source is
//! polled, and go to the file in one write before anything that follows from them is sent. No write is synced: a power
//! cut takes the journal, and the checkpoint on the disk is what is left.
//!
//! A checkpoint begins a new file, a *segment*, whose header names it by its length and checksum. Older segments stay until
//! that checkpoint is durable: whichever checkpoint a crash leaves, the segments that follow it are there, in order.
//!
//! ```text
//! segment  "HWJL"  frame*         the first frame is the header
//! frame    records, as `frames.rs` has it
//! header   version u16  segment u64  life u64  follows u8  checkpoint: length u64, crc32 u32
//!          config u32  boot (length u16, text)  now: time i64, alive i64
//! ```
//! Fixed numbers are little-endian; `record.rs` has the records. A frame that is cut off at the end of the last segment was
//! being written when the process ended, and nothing of it had been sent.

mod reader;
mod record;
mod writer;

pub(crate) use crate::checkpoint::Base;
pub(crate) use reader::{Chain, Replay, Segments};
pub(crate) use record::{IntakeCount, Record};
pub(crate) use writer::{BYTES_MAX, Journal, JournalFolder};

use std::path::{Path, PathBuf};

/// The version of header and records.
const VERSION: u16 = 2;

const MAGIC: [u8; 4] = *b"HWJL";

/// Segments are called this, a dot and their number.
const NAME: &str = "journal";

/// A journal of another boot, config or program is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The boot.
    pub(crate) boot: String,
    /// Checksum of the config and the program's version.
    pub(crate) config: u32,
}

/// A place in the journal: a segment, and the bytes before it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    segment: u64,
    bytes: u64,
}

/// Where the checkpoint is that shortens the journal.
fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.checkpoint"))
}

/// Where a segment is.
fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{NAME}.{segment}"))
}
