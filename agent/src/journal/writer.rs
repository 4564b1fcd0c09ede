//! Writes a journal: records into memory, frames into the current segment.

use super::reader::Segments;
use super::record::{Encoder, IntakeCount};
use super::{Identity, MAGIC, Place, VERSION, checkpoint_path, segment_path};
use crate::checkpoint::Base;
use crate::frames;
use crate::lock::DirLock;
use crate::private_file;
use headwater_kernel::time::Now;
use headwater_pipeline::pipeline::{Pressure, TakenAt};
use headwater_sensors::Receipt;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tokio::sync::Notify;

/// The most that all segments take together (bytes); above it a checkpoint is due.
pub(crate) const BYTES_MAX: u64 = 4 << 20;

/// The journal of one run.
pub(crate) struct Journal {
    folder: PathBuf,
    identity: Identity,
    /// Tells this run from others of the same boot.
    life: u64,
    state: RefCell<State>,
    gathered: Notify,
    full: Notify,
    /// Whether it may be written at all.
    is_usable: bool,
    _lock: Option<DirLock>,
}

/// A folder whose journal is this program's, and what an earlier run has left in it.
pub(crate) struct JournalFolder {
    folder: PathBuf,
    identity: Identity,
    /// Nobody else writes there.
    lock: Option<DirLock>,
    /// The segments that an earlier run left.
    pub(crate) segments: Segments,
    /// Why there is no journal.
    trouble: Option<String>,
}

impl JournalFolder {
    /// Takes `folder`, which is locked already if it is the state directory.
    pub(crate) fn open(folder: &Path, state_dir: &Path, identity: Identity) -> Self {
        let taken = fs::create_dir_all(folder)
            .and_then(|()| if folder == state_dir { Ok(None) } else { DirLock::take(folder).map(Some) });
        let (lock, segments) = match taken {
            Ok(Some(None)) => (None, Err(io::Error::other("another headwater holds it"))),
            Ok(lock) => (lock.flatten(), Segments::read(folder, &identity)),
            Err(error) => (None, Err(error)),
        };
        let trouble = segments.as_ref().err().map(|error| {
            format!("the journal cannot be kept in {}: {error}; see [agent] runtime_dir", folder.display())
        });
        Self { folder: folder.to_owned(), identity, lock, segments: segments.unwrap_or_default(), trouble }
    }
}

#[derive(Default)]
struct State {
    encoder: Encoder,
    /// The segment that is written; `None`: nothing is, until the next checkpoint.
    file: Option<File>,
    /// Its number, and the bytes in it.
    place: Place,
    /// Older segments, and the bytes in each.
    older: VecDeque<Place>,
    /// Whether the next segment goes on where the last one ends.
    follows: bool,
    trouble: Option<String>,
}

impl State {
    /// What all segments take.
    fn bytes(&self) -> u64 {
        self.older.iter().map(|place| place.bytes).sum::<u64>() + self.place.bytes
    }
}

impl Journal {
    /// In a folder, after the segments that are there. `follows`: this run has all that they hold.
    pub(crate) fn new(opened: JournalFolder, follows: bool) -> Self {
        let JournalFolder { folder, identity, lock, segments, trouble } = opened;
        let older = VecDeque::from(segments.places());
        let place = older.back().copied().unwrap_or_default();
        let is_usable = trouble.is_none();
        let state = State { older, place, follows, trouble, ..State::default() };
        // Process ids come again, times since the boot do not.
        let life = u64::from(std::process::id()) << 40 ^ crate::clock::up_ms().unsigned_abs();
        let (state, gathered, full) = (state.into(), Notify::new(), Notify::new());
        Self { folder, identity, life, state, gathered, full, is_usable, _lock: lock }
    }

    /// Why a crash would cost more than it should.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.borrow().trouble.clone()
    }

    /// Whether what happens is written down.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.state.borrow().file.is_some()
    }

    /// A checkpoint has been taken of the state as it is now: a new segment begins, with what `first` puts into it.
    /// Answers its number.
    pub(crate) fn begin(&self, base: Base, now: Now, first: impl FnOnce(&mut SegmentStart<'_>)) -> u64 {
        if !self.is_usable {
            return 0;
        }
        self.flush();
        let mut state = self.state.borrow_mut();
        let State { encoder, file, place, older, follows, trouble } = &mut *state;
        if file.take().is_some() {
            older.push_back(*place);
        }
        *place = Place { segment: place.segment + 1, bytes: 0 };
        encoder.begin();
        let header = self.header(place.segment, *follows, base, now);
        let path = segment_path(&self.folder, place.segment);
        let made = private_file::create(&path).and_then(|mut made| {
            made.write_all(&[&MAGIC, frames::frame(&header).as_slice()].concat())?;
            Ok(made)
        });
        match made {
            Ok(made) => {
                (*file, *follows, *trouble) = (Some(made), true, None);
                place.bytes = (MAGIC.len() + frames::HEADER_BYTES + header.len()) as u64;
                encoder.bytes.resize(frames::HEADER_BYTES, 0);
                encoder.now(now);
                first(&mut SegmentStart(encoder));
            }
            Err(error) => {
                *trouble = Some(format!("the journal {} cannot be written: {error}", path.display()));
                *follows = false;
            }
        }
        let number = place.segment;
        drop(state);
        self.flush();
        number
    }

    fn header(&self, segment: u64, follows: bool, base: Base, now: Now) -> Vec<u8> {
        let boot = self.identity.boot.as_bytes();
        let fields: [&[u8]; 11] = [
            &VERSION.to_le_bytes(),
            &segment.to_le_bytes(),
            &self.life.to_le_bytes(),
            &[u8::from(follows)],
            &base.length.to_le_bytes(),
            &base.crc.to_le_bytes(),
            &self.identity.config.to_le_bytes(),
            &u16::try_from(boot.len()).unwrap_or(u16::MAX).to_le_bytes(),
            boot,
            &now.time.0.to_le_bytes(),
            &now.alive.0.to_le_bytes(),
        ];
        fields.concat()
    }

    /// The checkpoint that a segment begins with is durable: those before it are not needed any more.
    pub(crate) fn drop_before(&self, segment: u64) {
        let mut state = self.state.borrow_mut();
        state.older.retain(|place| {
            let is_needed = place.segment >= segment;
            if !is_needed {
                let _ = fs::remove_file(segment_path(&self.folder, place.segment));
            }
            is_needed
        });
    }

    /// Nothing is written down from here on, until the next checkpoint. Whoever reads it knows that it ends here.
    pub(crate) fn end(&self) {
        self.put(Encoder::end);
        self.flush();
        let mut state = self.state.borrow_mut();
        if state.file.take().is_some() {
            let place = state.place;
            state.older.push_back(place);
        }
        state.follows = false;
    }

    /// The state is safe elsewhere, and nothing follows.
    pub(crate) fn remove(&self) {
        self.end();
        self.drop_before(u64::MAX);
        let _ = fs::remove_file(self.checkpoint_path());
    }

    /// A checkpoint has been taken that nothing can follow: the number of the segment that would.
    pub(crate) fn skip(&self) -> u64 {
        self.end();
        let mut state = self.state.borrow_mut();
        state.place.segment += 1;
        state.place.segment
    }

    /// Returns when a checkpoint is due because of the room that it takes.
    pub(crate) async fn full(&self) {
        self.full.notified().await;
    }

    /// Whether that is still so.
    pub(crate) fn is_full(&self) -> bool {
        self.state.borrow().bytes() > BYTES_MAX
    }

    /// Whether it can take so many bytes of messages more.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        // Each message has a head, and a frame of its own.
        self.state.borrow().bytes() + bytes as u64 * 3 / 2 <= 2 * BYTES_MAX
    }

    /// Where that checkpoint is put.
    pub(crate) fn checkpoint_path(&self) -> PathBuf {
        checkpoint_path(&self.folder)
    }

    /// That checkpoint could not be written.
    pub(crate) fn trouble_with(&self, error: &io::Error) {
        let path = self.checkpoint_path();
        tracing::warn!("cannot write {}: {error}", path.display());
        self.state.borrow_mut().trouble =
            Some(format!("the journal's checkpoint {} cannot be written: {error}", path.display()));
    }

    /// Writes what has gathered.
    #[inline]
    pub(crate) fn flush(&self) {
        let mut state = self.state.borrow_mut();
        if state.file.is_none() || state.encoder.bytes.len() <= frames::HEADER_BYTES {
            return;
        }
        let State { encoder, file, place, .. } = &mut *state;
        frames::close(&mut encoder.bytes);
        let written = file.as_mut().map_or(Ok(()), |file| file.write_all(&encoder.bytes));
        place.bytes += encoder.bytes.len() as u64;
        encoder.bytes.truncate(frames::HEADER_BYTES);
        let bytes = state.bytes();
        drop(state);
        match written {
            Err(error) => self.give_up(&error),
            Ok(()) if bytes > 2 * BYTES_MAX => self.give_up(&io::Error::other("it has grown too large")),
            Ok(()) if bytes > BYTES_MAX => self.full.notify_one(),
            Ok(()) => {}
        }
    }

    /// A journal with a hole would be taken for a whole one: it goes.
    #[cold]
    fn give_up(&self, error: &io::Error) {
        {
            let mut state = self.state.borrow_mut();
            let path = segment_path(&self.folder, state.place.segment);
            state.trouble = Some(format!("the journal {} cannot be written: {error}", path.display()));
            state.follows = false;
            if let Some(file) = state.file.take() {
                let _ = file.set_len(0);
            }
            let place = state.place;
            state.older.push_back(place);
            tracing::error!(
                "the journal {} cannot be written: {error}; a crash costs what came since the last checkpoint",
                path.display()
            );
        }
        self.drop_before(u64::MAX);
    }

    /// Returns when something has gathered.
    pub(crate) async fn gathered(&self) {
        self.gathered.notified().await;
    }

    /// The place behind everything that is written.
    pub(crate) fn place(&self) -> Place {
        self.flush();
        self.state.borrow().place
    }

    #[inline]
    fn put(&self, put: impl FnOnce(&mut Encoder)) {
        let mut state = self.state.borrow_mut();
        if state.file.is_none() {
            return;
        }
        let before = state.encoder.bytes.len();
        put(&mut state.encoder);
        if before <= frames::HEADER_BYTES {
            self.gathered.notify_one();
        }
    }

    #[inline]
    pub(crate) fn reading(&self, handle: u32, taken: TakenAt, value: f64, now: Now) {
        self.put(|to| to.reading(handle, taken, value, now));
    }

    pub(crate) fn series(&self, handle: u32, source: usize, name: &str, labels: &[(String, String)]) {
        self.put(|to| to.series(handle, source, name, labels));
    }

    pub(crate) fn replayed(&self, is_replayed: bool) {
        self.put(|to| to.replayed(is_replayed));
    }

    pub(crate) fn receipt(&self, source: usize, receipt: Receipt) {
        self.put(|to| to.receipt(source, receipt));
    }

    pub(crate) fn tick(&self, now: Now) {
        self.put(|to| to.tick(now));
    }

    pub(crate) fn link(&self, source: usize, is_up: bool, now: Now) {
        self.put(|to| to.link(source, is_up, now));
    }

    pub(crate) fn count(&self, count: IntakeCount, source: usize, number: u32) {
        self.put(|to| to.count(count, source, number));
    }

    pub(crate) fn rev_limit(&self, limit: Option<u32>) {
        self.put(|to| to.rev_limit(limit));
    }

    pub(crate) fn pressure(&self, pressure: Pressure) {
        self.put(|to| to.pressure(pressure));
    }

    pub(crate) fn message(&self, lane: u8, made_ms: i64, body: &[u8]) {
        self.put(|to| to.message(lane, made_ms, body));
    }

    pub(crate) fn engine(&self, sections: &[u8]) {
        self.put(|to| to.engine(sections));
    }

    pub(crate) fn kept(&self, place: Place) {
        self.put(|to| to.kept(place));
    }
}

/// What a segment begins with.
pub(crate) struct SegmentStart<'e>(&'e mut Encoder);

impl SegmentStart<'_> {
    /// A series that is known.
    pub(crate) fn series(&mut self, handle: u32, source: usize, name: &str, labels: &[(String, String)]) {
        self.0.series(handle, source, name, labels);
    }

    /// A source that is down.
    pub(crate) fn down(&mut self, source: usize, now: Now) {
        self.0.link(source, false, now);
    }

    /// Which revisions may be told.
    pub(crate) fn rev_limit(&mut self, limit: Option<u32>) {
        self.0.rev_limit(limit);
    }

    /// What gives way.
    pub(crate) fn pressure(&mut self, pressure: Pressure) {
        self.0.pressure(pressure);
    }
}
