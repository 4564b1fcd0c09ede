//! What came in since the last checkpoint, in files that outlive the process: a crash costs nothing.
//!
//! The pipeline is deterministic and gets the time as an argument, so the journal holds its input: whoever reads the
//! checkpoint and repeats the calls has the very state, and the very messages. Under another config something else comes of
//! the same input, and is told above what was told. Records gather in memory while a source is
//! polled, and go to the file in one write before anything that follows from them is sent.
//!
//! There are two kinds. One lies in the runtime directory and is never synced: a power cut takes it, and the checkpoint on
//! the disk is what is left. The other lies in the state directory and is synced now and then, so that a power cut takes
//! only what came after the last sync. Of that kind, what lies behind the last place that is known to be synced may be
//! anything after a power cut: it ends there.
//!
//! A checkpoint begins a new file, a *segment*, whose header names it by its length and checksum. Older segments stay until
//! that checkpoint is durable: whichever checkpoint a crash leaves, the segments that follow it are there, in order.
//!
//! ```text
//! segment  "HWJL"  frame*         the first frame is the header
//! frame    records, as `frames.rs` has it
//! header   version u16  segment u64  life u64  flags u8 (1: follows, 2: synced)  checkpoint: length u64, crc32 u32
//!          config u32  boot (length u16, text)  now: time i64, alive i64
//! ```
//! Fixed numbers are little-endian; `record.rs` has the records. A frame that is cut off at the end of the last segment was
//! being written when the process ended, and nothing of it had been sent. A frame that is damaged costs what follows up to
//! the next frame that begins with a mark, or up to the next segment: a mark comes every [`MARK_EVERY`] bytes.

mod decimal;
mod folder;
mod reader;
mod record;
mod unsynced;
mod writer;

pub(crate) use crate::checkpoint::Base;
pub(crate) use folder::JournalFolder;
pub(crate) use reader::{Chain, Gap, Replay, Segments};
pub(crate) use record::{IntakeCount, Record};
pub(crate) use unsynced::PAGE_BYTES;
pub(crate) use writer::{BYTES_MAX, Journal};

use std::path::{Path, PathBuf};

/// The version of header and records, and the oldest that can be read.
const VERSION: u16 = 4;
const VERSION_MIN: u16 = 2;

/// The bytes between two marks.
const MARK_EVERY: u64 = 8 << 10;

const MAGIC: [u8; 4] = *b"HWJL";

/// The name of a segment, before a dot and its number.
const NAME: &str = "journal";

/// The flags of a header.
const FOLLOWS: u8 = 1;
const SYNCED: u8 = 2;

/// Of a journal of another config or program something else comes; one of another boot is of use only if it is synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The boot.
    pub(crate) boot: String,
    /// Checksum of the config and the program's version.
    pub(crate) config: u32,
    /// Whether the journal is to outlive the boot.
    pub(crate) is_synced: bool,
}

/// A place in the journal: a segment, and the bytes before it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    segment: u64,
    bytes: u64,
}

/// The path of the checkpoint that shortens the journal.
fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join(format!("{NAME}.checkpoint"))
}

/// The path of a segment.
fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{NAME}.{segment}"))
}
