//! Messages that end the program while they are read, as one does that memory has no room for. A broker that keeps a session,
//! or has retained the message, sends it again after every start: one that has ended two runs is not read a third time. So it
//! is with a journal whose replay has panicked twice: it is set aside. A kill in the midst of a replay counts for nothing.
//!
//! A file names what is being read, of messages that come again or are large, and what a panic ended. One that it still names
//! at a start has ended a run, or somebody ended the run just then: a second time counts only if the message was not read to
//! its end in between, so a run that is ended from outside costs nothing unless it is so twice in the same few
//! microseconds.
//!
//! ```text
//! file  "HWBR"  version u8  the message that is being read u32 (0: none)
//!       [`SUSPECTS_MAX`] messages that have ended runs, oldest first: message u32 (0: none), runs u8
//! ```
//! Numbers are little-endian. Nothing of it is synced, because after a power cut nobody can tell what ended the run.
//!
//! Limits: [`SUSPECTS_MAX`] messages are remembered; those that have ended the fewest runs give way, the oldest first. The cost
//! is two writes of 89 bytes for each message that comes again, was retained, or is large.

use crate::private_file;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "being-read";

const MAGIC: [u8; 4] = *b"HWBR";
const VERSION: u8 = 2;

/// The message that is none, and the one that stands for the journal.
const NONE: u32 = 0;
const JOURNAL: u32 = 1;

/// What has ended so many runs is not read any more.
const RUNS_MAX: u8 = 2;

const SUSPECTS_MAX: usize = 16;

const SUSPECT_BYTES: usize = 5;
const HEAD_BYTES: usize = MAGIC.len() + 5;
const BYTES: usize = HEAD_BYTES + SUSPECTS_MAX * SUSPECT_BYTES;

/// What this run knows of such messages.
#[derive(Debug)]
pub(crate) struct Suspects {
    path: PathBuf,
    /// `None`: it cannot be written.
    file: Option<File>,
    known: RefCell<Known>,
}

/// Notes a panic.
#[derive(Debug)]
pub(crate) struct Replaying<'a>(&'a Suspects);

impl Drop for Replaying<'_> {
    fn drop(&mut self) {
        self.0.end_reading(!std::thread::panicking());
    }
}

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    /// The message that is being read.
    reading: u32,
    /// Messages, and how many runs each has ended.
    ended: Vec<(u32, u8)>,
}

impl Suspects {
    /// Begins a run with what the one before it has left in `folder`.
    pub(crate) fn begin(folder: &Path) -> Self {
        let path = folder.join(FILE);
        // Without it the worst is one more end.
        let mut known = read(&path).unwrap_or_default();
        let reading = std::mem::take(&mut known.reading);
        if reading != NONE {
            known.add(reading);
        }
        let file = match std::fs::create_dir_all(folder).and_then(|()| private_file::create(&path)) {
            Ok(file) => Some(file),
            Err(error) => {
                let path = path.display();
                tracing::warn!("a message that ends the program would do so at each start: {path}: {error}");
                None
            }
        };
        let suspects = Self { path, file, known: known.into() };
        suspects.write();
        suspects
    }

    /// Notes that a message is read now; `false`: it must not be.
    pub(crate) fn begin_reading(&self, message: u32) -> bool {
        let message = message.max(JOURNAL + 1);
        let may_be_read = self.known.borrow().runs(message) < RUNS_MAX;
        if may_be_read {
            self.note(message);
        }
        may_be_read
    }

    /// Notes that it was read, or that it ends this run.
    pub(crate) fn end_reading(&self, was_read: bool) {
        let mut known = self.known.borrow_mut();
        let message = std::mem::take(&mut known.reading);
        if was_read {
            // What ended a run before was something else.
            known.ended.retain(|(ended, _)| *ended != message);
        } else {
            known.add(message);
        }
        drop(known);
        self.write();
    }

    /// Whether the journal may be replayed.
    pub(crate) fn may_replay(&self) -> bool {
        self.known.borrow().runs(JOURNAL) < RUNS_MAX
    }

    /// The journal is replayed as long as what this answers is there.
    pub(crate) fn begin_replay(&self) -> Replaying<'_> {
        // Not in the file: a start that is starved and killed again and again has nothing against the journal.
        self.known.borrow_mut().reading = JOURNAL;
        Replaying(self)
    }

    /// The agent has stopped.
    pub(crate) fn end(&self) {
        // Retained messages come again.
        if self.known.borrow().ended.is_empty()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!("{}: {error}", self.path.display());
        }
    }

    fn note(&self, message: u32) {
        self.known.borrow_mut().reading = message;
        self.write();
    }

    fn write(&self) {
        if let Some(file) = &self.file {
            // Where it cannot be written, a message may end the program once more.
            let _ = file.write_all_at(&self.known.borrow().bytes(), 0);
        }
    }
}

impl Known {
    /// The runs that a message has ended.
    fn runs(&self, message: u32) -> u8 {
        self.ended.iter().find(|(ended, _)| *ended == message).map_or(0, |(_, runs)| *runs)
    }

    /// A message has ended a run.
    fn add(&mut self, message: u32) {
        let runs = match self.ended.iter_mut().find(|(ended, _)| *ended == message) {
            Some((_, runs)) => {
                *runs = runs.saturating_add(1);
                *runs
            }
            None => {
                self.ended.push((message, 1));
                1
            }
        };
        if message != JOURNAL && runs == RUNS_MAX {
            tracing::error!(
                "a message has ended the program twice while it was read: it is not read again, and counts as invalid"
            );
        }
        if self.ended.len() > SUSPECTS_MAX {
            // The newest stays, or it would begin anew for ever.
            let others = self.ended.iter().take(SUSPECTS_MAX).enumerate();
            let at = others.min_by_key(|(_, (_, runs))| *runs).map_or(0, |(at, _)| at);
            self.ended.remove(at);
        }
    }

    fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let of_ended = self.ended.iter().flat_map(|(message, runs)| {
            let [a, b, c, d] = message.to_le_bytes();
            [a, b, c, d, *runs]
        });
        let all = MAGIC.into_iter().chain([VERSION]).chain(self.reading.to_le_bytes()).chain(of_ended);
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        bytes
    }
}

/// What a file says.
///
/// # Errors
/// It is not there, or not written by [`Suspects::write`].
fn read(path: &Path) -> io::Result<Known> {
    let mut bytes = [0; BYTES];
    private_file::open(path)?.read_exact(&mut bytes)?;
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let rest =
        bytes.strip_prefix(&MAGIC).and_then(|rest| rest.strip_prefix(&[VERSION])).ok_or_else(damaged)?;
    let (reading, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    let ended = rest.as_chunks::<SUSPECT_BYTES>().0.iter();
    let ended = ended.map(|[a, b, c, d, runs]| (u32::from_le_bytes([*a, *b, *c, *d]), *runs));
    Ok(Known {
        reading: u32::from_le_bytes(*reading),
        ended: ended.filter(|(message, _)| *message != NONE).collect(),
    })
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
        for _ in 0..2 {
            let run = Suspects::begin(&folder);
            assert!(run.begin_reading(8));
            run.end_reading(true);
            assert!(run.begin_reading(7));
        }
        // It stays so over a stop.
        for _ in 0..2 {
            let run = Suspects::begin(&folder);
            assert!(!run.begin_reading(7) && run.begin_reading(8) && run.begin_reading(NONE));
            run.end_reading(true);
            run.end();
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// Runs are ended from outside, each while it reads: the same message twice only if it was read to its end in between.
    #[test]
    fn what_is_read_to_its_end_has_ended_no_run() {
        let folder = folder();
        for _ in 0..20 {
            for message in [7, 8, 9] {
                let run = Suspects::begin(&folder);
                assert!([7, 8, 9].into_iter().filter(|other| *other != message).all(|other| {
                    let may_be_read = run.begin_reading(other);
                    run.end_reading(true);
                    may_be_read
                }));
                assert!(run.begin_reading(message));
            }
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// The run that a panic ends has time to read others on its way out.
    #[test]
    fn a_panic_counts_at_once_and_once() {
        let folder = folder();
        for run in 0..3 {
            let suspects = Suspects::begin(&folder);
            assert_eq!(suspects.begin_reading(7), run < 2, "run {run}");
            if run < 2 {
                suspects.end_reading(false);
            }
            assert!(suspects.begin_reading(8));
            suspects.end_reading(true);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_journal_whose_replay_panics_twice_is_given_up_and_kills_do_not_count() {
        let folder = folder();
        let panic_in_replay = || {
            let suspects = Suspects::begin(&folder);
            let replaying = || {
                let _replaying = suspects.begin_replay();
                panic!("a record that nobody thought of");
            };
            let replayed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(replaying));
            assert!(replayed.is_err());
        };
        for expected in [true, true, false, true] {
            let suspects = Suspects::begin(&folder);
            assert_eq!(suspects.may_replay(), expected);
            // As after a kill: nothing runs any more.
            std::mem::forget(suspects.begin_replay());
            drop(suspects);
            if expected {
                panic_in_replay();
            } else {
                // The one that follows it is another.
                drop(Suspects::begin(&folder).begin_replay());
            }
        }
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
    fn the_list_is_bounded_and_damage_is_nothing_known() {
        let folder = folder();
        for message in 2..40 {
            for _ in 0..2 {
                assert!(Suspects::begin(&folder).begin_reading(message));
            }
        }
        let run = Suspects::begin(&folder);
        let known: Vec<u32> = run.known.borrow().ended.iter().map(|(message, _)| *message).collect();
        assert_eq!(known, (24..40).collect::<Vec<_>>());
        // One that has ended one run gives way to the next, and those that have ended two stay.
        for message in 50..60 {
            assert!(Suspects::begin(&folder).begin_reading(message));
        }
        let run = Suspects::begin(&folder);
        assert!(!run.begin_reading(25) && run.begin_reading(58));
        drop(run);
        let whole = std::fs::read(folder.join(FILE)).unwrap();
        assert_eq!(whole.len(), BYTES);
        for cut in 0..whole.len() {
            std::fs::write(folder.join(FILE), &whole[..cut]).unwrap();
            assert!(read(&folder.join(FILE)).is_err(), "{cut}");
            assert!(Suspects::begin(&folder).begin_reading(25));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
