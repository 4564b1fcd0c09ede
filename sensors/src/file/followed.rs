//! One file that is read line by line, while others write it, rename it and empty it.

use super::place::{FileIdentity, FilePlace, KnownFile, check};
use crate::line_splitter::{LINE_FEED, LineSplitter};
use crate::payloads::Payloads;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The most that is read at once (bytes).
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// How much of a file's beginning a new decoder is shown, for a header in it (bytes).
const BEGINNING_BYTES: u64 = 8 << 10;

/// The bytes before a place that show that the file is still the same.
const CHECKED_BYTES: usize = 256;

/// The first bytes of compressed files: gzip, zstd, xz, bzip2.
const ARCHIVES: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];

/// What opening a file has shown.
#[derive(Debug)]
pub(super) enum FileStart {
    /// It goes on where it was read to; its beginning may explain what follows.
    GoesOn(Vec<u8>),
    /// It begins: it is new, or it holds something else than what was read of it.
    Begins {
        /// Whether something was read of it.
        is_another: bool,
    },
    /// It is a compressed file, which is not read.
    Archive,
}

/// What a look at a file has brought.
#[derive(Debug)]
pub(super) enum FileLook {
    /// Nothing new.
    Nothing,
    /// Bytes, and perhaps lines: how far they go.
    Read(Payloads, FilePlace),
    /// It is shorter than what was read, or something else stands there.
    Emptied,
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct FollowedFile {
    pub(super) number: u32,
    pub(super) identity: FileIdentity,
    /// Where it was found first.
    pub(super) path: PathBuf,
    pub(super) place: FilePlace,
    file: Option<File>,
    /// How far it is read: behind its last whole line there may be the beginning of another one.
    read_to: u64,
    /// The last bytes before that.
    last: Vec<u8>,
    /// When it was written last, as far as a look has shown; `None`: no look has.
    modified: Option<SystemTime>,
    splitter: LineSplitter,
}

impl FollowedFile {
    /// A file that was read to some place, or not at all.
    pub(super) fn new(known: KnownFile, line_bytes_max: usize) -> Self {
        let KnownFile { number, identity, path, place } = known;
        let splitter = LineSplitter::new(LINE_FEED, line_bytes_max);
        let read_to = place.offset;
        let last = Vec::new();
        Self { number, identity, path, place, file: None, read_to, last, modified: None, splitter }
    }

    /// Whether a file that is closed was written since, to another length or over what was there.
    pub(super) fn is_news(&mut self, length: u64, modified: Option<SystemTime>) -> bool {
        let is_rewritten = self.modified.is_some() && self.modified != modified;
        self.modified = modified;
        length != self.read_to || is_rewritten
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// How far it is read (bytes).
    pub(super) fn read_to(&self) -> u64 {
        self.read_to
    }

    /// Opens it where it is now.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(&mut self, path: &Path, line_bytes_max: usize) -> io::Result<FileStart> {
        // Should it have become a pipe, opening it waits for nobody.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let mut beginning =
            vec![0; usize::try_from(self.place.offset.clamp(8, BEGINNING_BYTES)).unwrap_or(8)];
        let found = file.read_at(&mut beginning, 0)?;
        beginning.truncate(found);
        if ARCHIVES.iter().any(|magic| beginning.starts_with(magic)) {
            return Ok(FileStart::Archive);
        }
        let last = last_before(&file, self.place.offset)?;
        let is_same = file.metadata()?.len() >= self.place.offset
            && (self.place.offset == 0 || check(&last) == self.place.check);
        let had_read = self.place.offset > 0;
        self.begin_at(if is_same { self.place } else { FilePlace::default() }, line_bytes_max);
        self.file = Some(file);
        Ok(if is_same && had_read {
            self.last = last;
            FileStart::GoesOn(beginning)
        } else {
            FileStart::Begins { is_another: had_read }
        })
    }

    /// Closes it, until it has grown.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Reads on from its beginning, because it was emptied.
    pub(super) fn begin_anew(&mut self, line_bytes_max: usize) {
        self.begin_at(FilePlace::default(), line_bytes_max);
    }

    fn begin_at(&mut self, place: FilePlace, line_bytes_max: usize) {
        (self.place, self.read_to, self.last) = (place, place.offset, Vec::new());
        self.splitter = LineSplitter::new(LINE_FEED, line_bytes_max);
    }

    /// Reads on, at most as much as `chunk` holds.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn look(&mut self, chunk: &mut [u8]) -> io::Result<FileLook> {
        let Some(file) = &self.file else { return Ok(FileLook::Nothing) };
        let metadata = file.metadata()?;
        let (length, modified) = (metadata.len(), metadata.modified().ok());
        let is_rewritten = std::mem::replace(&mut self.modified, modified) != modified;
        if length == self.read_to && !is_rewritten {
            return Ok(FileLook::Nothing);
        }
        if length < self.read_to || last_before(file, self.read_to)? != self.last {
            return Ok(FileLook::Emptied);
        }
        if length == self.read_to {
            return Ok(FileLook::Nothing);
        }
        let count = file.read_at(chunk, self.read_to)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        let mut lines = Payloads::from(self.place.lines + 1);
        let ended = self.splitter.feed(bytes, |line| lines.push(line));
        if ended > 0 {
            let check = check(&last_of(&self.last, bytes.get(..ended).unwrap_or_default()));
            let offset = self.read_to + ended as u64;
            self.place = FilePlace { offset, lines: self.place.lines + lines.len() as u64, check };
        }
        self.last = last_of(&self.last, bytes);
        self.read_to += count as u64;
        Ok(FileLook::Read(lines, self.place))
    }

    /// Nobody writes it any more: its last line, should that have no end.
    pub(super) fn finish(&mut self) -> Option<(Payloads, FilePlace)> {
        let mut lines = Payloads::from(self.place.lines + 1);
        self.splitter.finish(|line| lines.push(line));
        if lines.len() == 0 {
            return None;
        }
        self.place =
            FilePlace { offset: self.read_to, lines: self.place.lines + 1, check: check(&self.last) };
        Some((lines, self.place))
    }
}

/// The last bytes of both together.
fn last_of(before: &[u8], bytes: &[u8]) -> Vec<u8> {
    let from = bytes.len().saturating_sub(CHECKED_BYTES);
    let more = CHECKED_BYTES.saturating_sub(bytes.len()).min(before.len());
    let before = before.get(before.len() - more..).unwrap_or_default();
    [before, bytes.get(from..).unwrap_or_default()].concat()
}

/// The last bytes of a file before a place.
fn last_before(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let count = offset.min(CHECKED_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    let found = file.read_at(&mut bytes, offset - count)?;
    bytes.truncate(found);
    Ok(bytes)
}
