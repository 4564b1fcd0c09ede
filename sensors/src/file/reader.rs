//! The thread that looks for files and reads them, because a disk may take its time.
//!
//! It looks at the names now and then, and at the files that were written lately more often. It hands over what it finds as
//! [`FileEvent`]s, and waits while [`EVENTS_MAX`] of them are not used yet. It ends when nobody listens any more.
//!
//! Limits: [`FILES_MAX`] files that the names match, of which [`OPEN_MAX`] are open at a time; [`LEFT_MAX`] that had such a
//! name and have it no longer.

use super::finder::{DROP_IN, Finder, Found, moved};
use super::followed::{CHUNK_BYTES, FileLook, FileStart, FollowedFile};
use super::place::{FileIdentity, FilePlace, KnownFile};
use crate::access::explain;
use crate::payloads::Payloads;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The most events that wait to be used.
const EVENTS_MAX: usize = 4;

/// The most files that the names of a source may match.
pub(super) const FILES_MAX: usize = 4_096;

/// The most of them that are open between two looks.
const OPEN_MAX: usize = 128;

/// The most files that are remembered although no name matches them any more: the oldest are forgotten first.
const LEFT_MAX: usize = 64;

/// A file that was not written for so many looks at the names is closed until it grows.
const QUIET_LOOKS: u32 = 60;

/// The most looks at one file before another one has its turn (64 MiB).
const LOOKS_MAX: u32 = 1_024;

/// The time between two looks at the names.
const NAMES_EVERY: Duration = Duration::from_secs(1);

/// What the thread has found.
#[derive(Debug)]
pub(super) enum FileEvent {
    /// A file is read from here on; the beginning of it explains what follows.
    Opened { number: u32, identity: FileIdentity, path: PathBuf, place: FilePlace, beginning: Vec<u8> },
    /// Lines of a file, and where they end.
    Read { number: u32, lines: Payloads, place: FilePlace },
    /// A file is not read for a while.
    Closed { number: u32 },
    /// A file is gone.
    Forgotten { number: u32 },
    /// Something that a person should know, once.
    Notice(String),
    /// Files are there and can be read, or not, and why.
    State(Result<(), String>),
    /// Everything is read, and nothing more is wanted.
    Ended,
}

/// What the thread is to read.
pub(super) struct FileTask {
    pub(super) finder: Finder,
    pub(super) follow: bool,
    pub(super) every: Duration,
    pub(super) line_bytes_max: usize,
    /// What an earlier run has read.
    pub(super) known: Vec<KnownFile>,
}

/// Starts the thread.
///
/// # Errors
/// The system gives none.
pub(super) fn start(task: FileTask) -> std::io::Result<Receiver<FileEvent>> {
    let (to, events) = channel(EVENTS_MAX);
    std::thread::Builder::new().name("file".to_owned()).spawn(move || {
        // `None`: nobody listens any more.
        let _ = FileReader::new(task, to).run();
    })?;
    Ok(events)
}

/// A file with what the looks at it have shown.
struct Watched {
    file: FollowedFile,
    /// How many looks at the names ago it was written last.
    quiet: u32,
    /// For how many looks no name has matched it any more.
    left: u32,
    is_archive: bool,
}

struct FileReader {
    task: FileTask,
    to: Sender<FileEvent>,
    files: BTreeMap<u32, Watched>,
    next_number: u32,
    /// Whether files wait until others are closed.
    is_waiting: bool,
    state: Option<Result<(), String>>,
    /// What was said of files that cannot be read.
    told: HashMap<PathBuf, String>,
    chunk: Vec<u8>,
}

impl FileReader {
    fn new(mut task: FileTask, to: Sender<FileEvent>) -> Self {
        let known = std::mem::take(&mut task.known);
        let next_number = known.iter().map(|file| file.number + 1).max().unwrap_or(0);
        let watch = |known: KnownFile| {
            let file = FollowedFile::new(known, task.line_bytes_max);
            (file.number, Watched { file, quiet: 0, left: 0, is_archive: false })
        };
        let files = known.into_iter().map(watch).collect();
        let chunk = vec![0; CHUNK_BYTES];
        Self { task, to, files, next_number, is_waiting: false, state: None, told: HashMap::new(), chunk }
    }

    /// Runs until everything is read or nobody listens.
    fn run(mut self) -> Option<()> {
        let looks = (NAMES_EVERY.as_millis() / self.task.every.as_millis().max(1)).max(1);
        loop {
            self.look_at_names()?;
            for _ in 0..looks {
                while self.look_at_files()? {}
                if self.is_waiting {
                    break;
                }
                if !self.task.follow {
                    return self.finish();
                }
                if self.to.is_closed() {
                    return None;
                }
                std::thread::sleep(self.task.every);
            }
        }
    }

    fn send(&self, event: FileEvent) -> Option<()> {
        self.to.blocking_send(event).ok()
    }

    /// Looks which files there are.
    fn look_at_names(&mut self) -> Option<()> {
        let Found { files, mut troubles } = self.task.finder.look();
        let numbers: HashMap<FileIdentity, u32> =
            self.files.values().map(|watched| (watched.file.identity, watched.file.number)).collect();
        self.files.values_mut().for_each(|watched| {
            watched.quiet = watched.quiet.saturating_add(1);
            watched.left = watched.left.saturating_add(1);
        });
        self.close_quiet()?;
        self.is_waiting = false;
        let mut is_served = false;
        if files.len() > FILES_MAX {
            let why = format!("more than {FILES_MAX} files match; write a narrower `path`");
            troubles.push((PathBuf::new(), why));
        }
        for (path, identity, length, modified) in files.into_iter().take(FILES_MAX) {
            let number = numbers.get(&identity).copied().unwrap_or_else(|| self.add(&path, identity));
            let Some(watched) = self.files.get_mut(&number) else { continue };
            watched.left = 0;
            let is_closed = !watched.file.is_open() && !watched.is_archive;
            let is_news = is_closed && watched.file.is_news(length, modified);
            let opened = if is_news { self.open(number, &path)? } else { Ok(()) };
            is_served |= opened.is_ok();
            troubles.extend(opened.err().map(|why| (path, why)));
        }
        self.look_at_left()?;
        self.tell(is_served, troubles)
    }

    fn add(&mut self, path: &Path, identity: FileIdentity) -> u32 {
        let number = self.next_number;
        self.next_number += 1;
        let known = KnownFile { number, identity, path: path.to_owned(), place: FilePlace::default() };
        let file = FollowedFile::new(known, self.task.line_bytes_max);
        self.files.insert(number, Watched { file, quiet: 0, left: 0, is_archive: false });
        number
    }

    /// Opens a file where it is now; `Some(Err)`: why it cannot be opened.
    fn open(&mut self, number: u32, at: &Path) -> Option<Result<(), String>> {
        if self.files.values().filter(|watched| watched.file.is_open()).count() >= OPEN_MAX {
            self.is_waiting = true;
            return Some(Ok(()));
        }
        let line_bytes_max = self.task.line_bytes_max;
        let Some(watched) = self.files.get_mut(&number) else { return Some(Ok(())) };
        let start = match watched.file.open(at, line_bytes_max) {
            Err(error) => return Some(Err(explain(at, &error, DROP_IN))),
            Ok(start) => start,
        };
        watched.quiet = 0;
        let shown = at.display();
        let beginning = match start {
            FileStart::GoesOn(beginning) => beginning,
            FileStart::Begins { is_another } => {
                if is_another {
                    watched.file.path = at.to_owned();
                    let what =
                        format!("{shown} holds something else than what was read: read from its beginning");
                    self.send(FileEvent::Notice(what))?;
                }
                Vec::new()
            }
            FileStart::Archive => {
                watched.is_archive = true;
                let what =
                    format!("{shown} is compressed and is not read; write a `path` that leaves it out");
                self.send(FileEvent::Notice(what))?;
                return Some(Ok(()));
            }
        };
        self.announce(number, beginning).map(Ok)
    }

    fn announce(&self, number: u32, beginning: Vec<u8>) -> Option<()> {
        let Some(Watched { file, .. }) = self.files.get(&number) else { return Some(()) };
        let FollowedFile { identity, path, place, .. } = file;
        self.send(FileEvent::Opened {
            number,
            identity: *identity,
            path: path.clone(),
            place: *place,
            beginning,
        })
    }

    /// Files without a matching name any more: what was written to them before they were renamed is read too.
    fn look_at_left(&mut self) -> Option<()> {
        let just_left: Vec<u32> = self
            .files
            .iter()
            .filter(|(_, watched)| watched.left == 1 && !watched.file.is_open())
            .map(|(number, _)| *number)
            .collect();
        for number in just_left {
            let Some(Watched { file, .. }) = self.files.get(&number) else { continue };
            if let Some((path, length)) = moved(&file.path, file.identity)
                && length != file.read_to()
            {
                // Should it be unreadable, it is so under its old name too, and that was said.
                let _ = self.open(number, &path)?;
            }
        }
        let left = self.files.iter().filter(|(_, watched)| watched.left > 0 && !watched.file.is_open());
        let mut forgotten: Vec<u32> = left.map(|(number, _)| *number).collect();
        forgotten.truncate(forgotten.len().saturating_sub(LEFT_MAX));
        for number in forgotten {
            self.files.remove(&number);
            self.send(FileEvent::Forgotten { number })?;
        }
        Some(())
    }

    /// Closes files that nobody has written for a while, or for a moment where others wait to be opened.
    fn close_quiet(&mut self) -> Option<()> {
        let enough = if self.is_waiting { 1 } else { QUIET_LOOKS };
        let quiet = |watched: &Watched| watched.file.is_open() && watched.quiet >= enough;
        let numbers: Vec<u32> =
            self.files.iter().filter(|(_, watched)| quiet(watched)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(watched) = self.files.get_mut(&number) else { continue };
            // Nobody ends the last line of a file that was renamed and left alone, or is read once.
            let is_over = watched.left > 0 && watched.quiet >= QUIET_LOOKS || !self.task.follow;
            let end = if is_over { watched.file.finish() } else { None };
            watched.file.close();
            if let Some((lines, place)) = end {
                self.send(FileEvent::Read { number, lines, place })?;
            }
            self.send(FileEvent::Closed { number })?;
        }
        Some(())
    }

    /// Tells what has changed since it was told last.
    fn tell(&mut self, is_served: bool, troubles: Vec<(PathBuf, String)>) -> Option<()> {
        let state = match troubles.first() {
            _ if is_served => Ok(()),
            Some((_, why)) => Err(why.clone()),
            None => Err(self.task.finder.nothing()),
        };
        for (path, why) in &troubles {
            if state.is_ok() && self.told.get(path) != Some(why) {
                self.send(FileEvent::Notice(why.clone()))?;
            }
        }
        self.told = troubles.into_iter().collect();
        if self.state.as_ref() != Some(&state) {
            self.state = Some(state.clone());
            self.send(FileEvent::State(state))?;
        }
        Some(())
    }

    /// Reads each open file to its end, one after the other: rotated files go on where the one before ends. Answers whether
    /// there may be more.
    fn look_at_files(&mut self) -> Option<bool> {
        let open = |(number, watched): (&u32, &Watched)| watched.file.is_open().then_some(*number);
        let numbers: Vec<u32> = self.files.iter().filter_map(open).collect();
        let mut is_more = false;
        for number in numbers {
            // Whoever writes without end keeps nobody else waiting for ever.
            let mut looks = LOOKS_MAX;
            while looks > 0 && self.look_at(number)? {
                looks -= 1;
                is_more = true;
            }
        }
        Some(is_more)
    }

    /// Looks at an open file; answers whether there may be more.
    fn look_at(&mut self, number: u32) -> Option<bool> {
        let Some(watched) = self.files.get_mut(&number) else { return Some(false) };
        match watched.file.look(&mut self.chunk) {
            Ok(FileLook::Nothing) => return Some(false),
            Ok(FileLook::Read(lines, place)) => {
                watched.quiet = 0;
                if lines.len() > 0 {
                    self.send(FileEvent::Read { number, lines, place })?;
                }
            }
            Ok(FileLook::Emptied) => {
                let what = format!("{} was emptied: read from its beginning", watched.file.path.display());
                watched.file.begin_anew(self.task.line_bytes_max);
                self.send(FileEvent::Notice(what))?;
                self.announce(number, Vec::new())?;
            }
            Err(error) => {
                let what = format!("{} cannot be read: {error}", watched.file.path.display());
                watched.file.close();
                self.send(FileEvent::Notice(what))?;
                self.send(FileEvent::Closed { number })?;
            }
        }
        Some(true)
    }

    /// Hands over the last lines of all files.
    fn finish(&mut self) -> Option<()> {
        let ends: Vec<_> = self
            .files
            .iter_mut()
            .filter_map(|(number, watched)| Some((*number, watched.file.finish()?)))
            .collect();
        for (number, (lines, place)) in ends {
            self.send(FileEvent::Read { number, lines, place })?;
        }
        if !matches!(self.state, Some(Err(_))) {
            self.send(FileEvent::Ended)?;
        }
        Some(())
    }
}
