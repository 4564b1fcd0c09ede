//! Messages that end the program while they are read, as one does that memory has no room for. A broker that keeps a session,
//! or has retained the message, sends it again after every start: one that has ended two runs is not read a third time.
//!
//! A file says that the agent runs. Who finds that at a start follows a run that has ended by itself. Then the file names the
//! message that is being read, of those that may have come before. One that it names at a start has ended two runs: the first
//! one, which made the second one look, and the second one.
//!
//! ```text
//! file  "HWBR"  version u8  flags u8 (1: runs)  the message that is being read u32 (0: none)
//!       messages that are not read any more: count u8, u32 each, oldest first
//! ```
//! Numbers are little-endian. Nothing of it is synced, because after a power cut nobody can tell what ended the run.
//!
//! Limits: [`REFUSED_MAX`] messages that are not read; the oldest give way. The cost is two writes of four bytes for a message
//! that comes again or was retained, in a run that follows a crash, and nothing otherwise.

use crate::private_file;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "being-read";

const MAGIC: [u8; 4] = *b"HWBR";
const VERSION: u8 = 1;

const RUNS: u8 = 1;

/// Where the message that is being read stands.
const READING_AT: u64 = 6;

/// The message that is none.
const NONE: u32 = 0;

const REFUSED_MAX: usize = 16;

/// Where a file with a full list ends (bytes).
const BYTES_MAX: u64 = 11 + 4 * REFUSED_MAX as u64;

/// What this run knows of such messages.
#[derive(Debug)]
pub(crate) struct Suspects {
    path: PathBuf,
    /// Where the message is named that is being read; `None`: the run before this one has stopped, and nobody looks.
    file: Option<File>,
    /// The messages that are not read any more.
    refused: Vec<u32>,
}

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct LastReading {
    runs: bool,
    reading: u32,
    refused: Vec<u32>,
}

impl Suspects {
    /// Begins a run with what the one before it has left in `folder`.
    pub(crate) fn begin(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let LastReading { runs, reading, mut refused } = match read(&path) {
            Ok(last) => last,
            Err(error) if error.kind() == io::ErrorKind::NotFound => LastReading::default(),
            // Somebody ran, and what it read is not known.
            Err(_) => LastReading { runs: true, ..LastReading::default() },
        };
        if runs && reading != NONE && !refused.contains(&reading) {
            tracing::error!(
                "a message has ended the program twice while it was read: it is not read again, and counts as invalid"
            );
            refused.push(reading);
        }
        let excess = refused.len().saturating_sub(REFUSED_MAX);
        refused.drain(..excess);
        let mut suspects = Self { path, file: None, refused };
        match std::fs::create_dir_all(folder).and_then(|()| suspects.write(RUNS)) {
            Ok(file) => suspects.file = runs.then_some(file),
            Err(error) => {
                let path = suspects.path.display();
                tracing::warn!("a message that ends the program would do so at each start: {path}: {error}");
            }
        }
        suspects
    }

    /// Notes that a message is read now which may have come before; `false`: it must not be read.
    pub(crate) fn begin_reading(&self, message: u32) -> bool {
        let message = message.max(NONE + 1);
        if self.refused.contains(&message) {
            return false;
        }
        self.note(message);
        true
    }

    /// Notes that it was read.
    pub(crate) fn end_reading(&self) {
        self.note(NONE);
    }

    /// The agent has stopped.
    pub(crate) fn end(&self) {
        let ended = if self.refused.is_empty() {
            std::fs::remove_file(&self.path)
        } else {
            // Retained messages come again.
            self.write(0).map(drop)
        };
        if let Err(error) = ended {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    fn note(&self, message: u32) {
        if let Some(file) = &self.file {
            // Where it cannot be written, a message may end the program once more.
            let _ = file.write_all_at(&message.to_le_bytes(), READING_AT);
        }
    }

    fn write(&self, flags: u8) -> io::Result<File> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, flags]);
        bytes.extend(NONE.to_le_bytes());
        bytes.push(u8::try_from(self.refused.len()).unwrap_or(u8::MAX));
        bytes.extend(self.refused.iter().flat_map(|message| message.to_le_bytes()));
        let mut file = private_file::create(&self.path)?;
        file.write_all(&bytes)?;
        Ok(file)
    }
}

/// What a file says.
///
/// # Errors
/// It is not there, or not written by [`Suspects::write`].
fn read(path: &Path) -> io::Result<LastReading> {
    let mut bytes = Vec::new();
    private_file::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let rest =
        bytes.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&[VERSION])).ok_or_else(damaged)?;
    let (flags, rest) = rest.split_first().ok_or_else(damaged)?;
    let (reading, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let (count, rest) = rest.split_first().ok_or_else(damaged)?;
    let refused: Vec<u32> = rest.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect();
    if refused.len() != usize::from(*count) {
        return Err(damaged());
    }
    Ok(LastReading { runs: flags & RUNS != 0, reading: u32::from_le_bytes(*reading), refused })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn folder() -> PathBuf {
        thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
        let count = COUNT.replace(COUNT.get() + 1);
        let thread = std::thread::current().id();
        let path = std::env::temp_dir()
            .join(format!("headwater-suspects-{}-{thread:?}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_message_that_ends_two_runs_is_not_read_by_the_third() {
        let folder = folder();
        let first = Suspects::begin(&folder);
        assert!(first.begin_reading(7) && first.begin_reading(0), "nobody looks");
        drop(first);
        for others in 0..2 {
            let second = Suspects::begin(&folder);
            assert!(second.begin_reading(8));
            second.end_reading();
            assert_eq!(second.begin_reading(7), others == 0);
            assert!(others == 1 || second.begin_reading(7));
        }
        // It stays so over a stop, and the run after that does not look.
        Suspects::begin(&folder).end();
        let after = Suspects::begin(&folder);
        assert!(!after.begin_reading(7) && after.begin_reading(8));
        drop(after);
        assert!(Suspects::begin(&folder).begin_reading(8), "what was not noted is not suspected");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_run_that_stops_leaves_nothing() {
        let folder = folder();
        let run = Suspects::begin(&folder);
        assert!(folder.join(FILE).exists());
        run.end();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_list_is_bounded_and_damage_is_a_run_that_ended() {
        let folder = folder();
        for message in 1..40 {
            drop(Suspects::begin(&folder));
            assert!(Suspects::begin(&folder).begin_reading(message));
        }
        let run = Suspects::begin(&folder);
        assert_eq!(run.refused, (24..40).collect::<Vec<_>>());
        drop(run);
        let whole = std::fs::read(folder.join(FILE)).unwrap();
        assert_eq!(whole.len() as u64, BYTES_MAX);
        for cut in 0..whole.len() {
            std::fs::write(folder.join(FILE), &whole[..cut]).unwrap();
            assert!(read(&folder.join(FILE)).is_err(), "{cut}");
            assert!(Suspects::begin(&folder).file.is_some());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
