//! Writes a journal: records into memory, frames into the current segment.

mod ending;
mod recording;
mod segment_start;

use super::folder::{Folders, JournalFolder, config_print};
use super::record::Encoder;
use super::unsynced::{PAGE_BYTES, Unsynced};
use super::{FOLLOWS, Identity, MAGIC, MARK_EVERY, Place, SYNCED, VERSION, checkpoint_path, segment_path};
use crate::checkpoint::Base;
use crate::frames;
use crate::private_file;
use headwater_kernel::time::Now;
use segment_start::SegmentStart;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// The most that all segments take together, without the series that the last one begins with (bytes); above it a checkpoint
/// is due. So much is replayed in a part of a second.
pub(crate) const BYTES_MAX: u64 = 2 << 20;

/// The journal of one run.
pub(crate) struct Journal {
    folders: Folders,
    boot: String,
    /// Whether it is to outlive the boot.
    is_synced: Cell<bool>,
    /// The checksum of the config and the program's version, and a number that no other run of the same boot has.
    config: Cell<u32>,
    life: Cell<u64>,
    state: RefCell<State>,
    gathered: Notify,
    full: Notify,
    has_receipt: Notify,
    /// Whether the folder can take a journal at all.
    is_usable: Cell<bool>,
}

#[derive(Default)]
struct State {
    encoder: Encoder,
    /// The segment that is written; `None`: nothing is, until the next checkpoint.
    file: Option<Arc<File>>,
    /// The frames that the next sync makes durable.
    unsynced: Unsynced,
    /// The place before which all is synced, if that is news.
    synced: Option<Place>,
    /// The newest segment that follows a durable checkpoint, and the newest that does not go on where another ends.
    durable_from: Option<u64>,
    unlinked: u64,
    /// The number of that segment and the bytes in it, and its file.
    place: Place,
    /// The bytes that it begins with: its header, and the series that are known.
    start_bytes: u64,
    /// The last place with a mark, or the end of what the segment begins with (bytes).
    marked: u64,
    path: PathBuf,
    /// Older segments, the bytes in each, and their files.
    older: VecDeque<(Place, PathBuf)>,
    /// The folder before this one, which may have a checkpoint that the older segments follow.
    left: Option<PathBuf>,
    /// Whether the next segment goes on where the last one ends.
    follows: bool,
    trouble: Option<String>,
}

impl State {
    /// The size of all segments, without what the last one begins with (bytes).
    fn bytes(&self) -> u64 {
        let older: u64 = self.older.iter().map(|(place, _)| place.bytes).sum();
        older + self.place.bytes.saturating_sub(self.start_bytes)
    }
}

impl Journal {
    /// A journal that goes on after a folder's segments. `follows`: this run has restored all that they hold.
    pub(crate) fn new(opened: JournalFolder, follows: bool) -> Self {
        let JournalFolder { folders, identity, segments, trouble } = opened;
        let Identity { boot, config, is_synced } = identity;
        let older: VecDeque<_> = segments.files().collect();
        let place = older.back().map(|(place, _)| *place).unwrap_or_default();
        let is_usable = Cell::new(trouble.is_none());
        let mut unsynced = Unsynced::default();
        if is_synced {
            // The run that wrote them may have ended before it synced them.
            let files = older.iter().filter_map(|(_, path)| private_file::open(path).ok());
            unsynced.files.extend(files.map(Arc::new));
        }
        let durable_from = (follows && segments.are_synced()).then_some(0);
        let left = folders.other(is_synced);
        let state =
            State { older, left, place, follows, trouble, unsynced, durable_from, ..State::default() };
        let [gathered, full, has_receipt] = std::array::from_fn(|_| Notify::new());
        Self {
            folders,
            boot,
            is_synced: is_synced.into(),
            config: config.into(),
            life: life_number().into(),
            state: state.into(),
            gathered,
            full,
            has_receipt,
            is_usable,
        }
    }

    /// The segments that begin from now on are of the config with this checksum. `is_new_life`: what runs has taken over the
    /// state of what ran before, as another run does.
    pub(crate) fn begin_config(&self, checksum: u32, is_new_life: bool) {
        self.config.set(config_print(checksum));
        if is_new_life {
            let (before, number) = (self.life.get(), life_number());
            self.life.set(if number == before { number.wrapping_add(1) } else { number });
        }
    }

    /// The segments that begin from now on outlive the boot, or do not. Those before stay in their folder until a checkpoint on
    /// the disk follows them, so that a crash finds all.
    pub(crate) fn keep_synced(&self, are_synced: bool) {
        if self.is_synced.get() == are_synced {
            return;
        }
        self.flush();
        let held = self.folders.hold(are_synced);
        self.is_synced.set(are_synced);
        self.is_usable.set(held.is_ok());
        let mut state = self.state.borrow_mut();
        state.left = self.folders.other(are_synced);
        state.unsynced = Unsynced::default();
        // What lies before it need not outlive the boot.
        state.unlinked = state.place.segment + 1;
        if let Err(error) = held {
            state.trouble = Some(self.folders.trouble(are_synced, &error));
        }
    }

    /// The reason why a crash would cost readings; `None`: it would not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.borrow().trouble.clone()
    }

    /// Whether records are taken.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.state.borrow().file.is_some()
    }

    /// Begins a segment behind a checkpoint of the state as it is now; `first` puts in the first records.
    /// Returns the segment's number.
    pub(crate) fn begin(&self, base: Base, now: Now, first: impl FnOnce(&mut SegmentStart<'_>)) -> u64 {
        if !self.is_usable.get() {
            self.end();
            return 0;
        }
        self.flush();
        let mut state = self.state.borrow_mut();
        let State {
            encoder,
            file,
            place,
            path,
            older,
            follows,
            trouble,
            unsynced,
            unlinked,
            start_bytes,
            marked,
            ..
        } = &mut *state;
        if file.take().is_some() {
            older.push_back((*place, std::mem::take(path)));
        }
        *place = Place { segment: place.segment + 1, bytes: 0 };
        encoder.begin();
        if !*follows {
            *unlinked = place.segment;
        }
        let header = self.header(place.segment, *follows, base, now);
        let folder = self.folder();
        *path = segment_path(folder, place.segment);
        // Somebody may have removed the folder.
        let made =
            fs::create_dir_all(folder).and_then(|()| private_file::create(path)).and_then(|mut made| {
                made.write_all(&[&MAGIC, frames::frame(&header).as_slice()].concat())?;
                Ok(made)
            });
        match made.map(Arc::new) {
            Ok(made) => {
                if self.is_synced() {
                    unsynced.add(&made);
                    unsynced.folder = Some(folder.to_owned());
                }
                (*file, *follows, *trouble) = (Some(made), true, None);
                place.bytes = (MAGIC.len() + frames::HEADER_BYTES + header.len()) as u64;
                encoder.bytes.resize(frames::HEADER_BYTES, 0);
                encoder.now(now);
                first(&mut SegmentStart(encoder));
                *start_bytes = place.bytes + encoder.bytes.len() as u64;
                *marked = *start_bytes;
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
        let boot = self.boot.as_bytes();
        let flags = if follows { FOLLOWS } else { 0 } | if self.is_synced() { SYNCED } else { 0 };
        let fields: [&[u8]; 11] = [
            &VERSION.to_le_bytes(),
            &segment.to_le_bytes(),
            &self.life.get().to_le_bytes(),
            &[flags],
            &base.length.to_le_bytes(),
            &base.crc.to_le_bytes(),
            &self.config.get().to_le_bytes(),
            &u16::try_from(boot.len()).unwrap_or(u16::MAX).to_le_bytes(),
            boot,
            &now.time.0.to_le_bytes(),
            &now.alive.0.to_le_bytes(),
        ];
        fields.concat()
    }

    /// Removes the segments before this one, because the checkpoint that it follows is durable.
    pub(crate) fn drop_before(&self, segment: u64) {
        let mut state = self.state.borrow_mut();
        state.durable_from = state.durable_from.max(Some(segment));
        state.older.retain(|(place, path)| {
            let is_needed = place.segment >= segment;
            if !is_needed {
                let _ = fs::remove_file(path);
            }
            is_needed
        });
        if state.older.is_empty()
            && let Some(left) = state.left.take()
        {
            let _ = fs::remove_file(checkpoint_path(&left));
        }
    }

    /// The folder that segments begin in.
    fn folder(&self) -> &Path {
        self.folders.folder(self.is_synced())
    }

    /// Whether the journal is to outlive the boot.
    pub(crate) fn is_synced(&self) -> bool {
        self.is_synced.get()
    }

    /// Whether a run after a power cut would find what is written from here on: the segments follow a durable checkpoint.
    pub(crate) fn is_reachable(&self) -> bool {
        let state = self.state.borrow();
        state.file.is_some() && state.durable_from.is_some_and(|segment| segment >= state.unlinked)
    }

    /// Takes the frames that wait for a sync, if there are any.
    pub(crate) fn take_unsynced(&self) -> Option<Unsynced> {
        self.flush();
        let mut state = self.state.borrow_mut();
        let place = state.place;
        let unsynced = std::mem::take(&mut state.unsynced);
        // The page where the last one ended is written again.
        let bytes = unsynced.bytes + PAGE_BYTES;
        (!unsynced.files.is_empty()).then_some(Unsynced { place, bytes, ..unsynced })
    }

    /// Notes that the frames before this place are durable.
    pub(crate) fn on_synced(&self, unsynced: &Unsynced) {
        self.state.borrow_mut().synced = Some(unsynced.place);
    }

    /// Returns when a checkpoint is due because of the room that it takes.
    pub(crate) async fn full(&self) {
        self.full.notified().await;
    }

    /// Whether the segments take so much room that a checkpoint is due.
    pub(crate) fn is_full(&self) -> bool {
        self.state.borrow().bytes() > BYTES_MAX
    }

    /// Whether the journal has room for so many more bytes of messages.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        // Each message has a head, and a frame of its own.
        self.state.borrow().bytes() + bytes as u64 * 3 / 2 <= 2 * BYTES_MAX
    }

    /// The path of the checkpoint beside the journal.
    pub(crate) fn checkpoint_path(&self) -> PathBuf {
        checkpoint_path(self.folder())
    }

    /// Notes that the checkpoint beside the journal could not be written.
    pub(crate) fn trouble_with(&self, error: &io::Error) {
        let path = self.checkpoint_path();
        tracing::warn!("cannot write {}: {error}", path.display());
        self.state.borrow_mut().trouble =
            Some(format!("the journal's checkpoint {} cannot be written: {error}", path.display()));
    }

    /// Writes the records that have gathered, as one frame.
    #[inline]
    pub(crate) fn flush(&self) {
        let mut state = self.state.borrow_mut();
        if state.file.is_none() || state.encoder.bytes.len() <= frames::HEADER_BYTES {
            return;
        }
        let State { encoder, file, place, unsynced, .. } = &mut *state;
        frames::close(&mut encoder.bytes);
        let written = file.as_ref().map_or(Ok(()), |file| (&**file).write_all(&encoder.bytes));
        let before = place.bytes;
        place.bytes += encoder.bytes.len() as u64;
        if let Some(file) = file.as_ref().filter(|_| self.is_synced()) {
            unsynced.bytes += (place.bytes.div_ceil(PAGE_BYTES) - before.div_ceil(PAGE_BYTES)) * PAGE_BYTES;
            unsynced.add(file);
        }
        encoder.bytes.truncate(frames::HEADER_BYTES);
        let bytes = state.bytes();
        drop(state);
        match written {
            Err(error) => self.give_up(&error, before),
            Ok(()) if bytes > 2 * BYTES_MAX => {
                self.give_up(&io::Error::other("it has grown too large"), before);
            }
            Ok(()) if bytes > BYTES_MAX => self.full.notify_one(),
            Ok(()) => {}
        }
    }

    /// Returns when records have gathered.
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
        let State { encoder, synced, place, marked, .. } = &mut *state;
        if encoder.bytes.len() <= frames::HEADER_BYTES {
            if place.bytes >= *marked + MARK_EVERY {
                *marked = place.bytes;
                encoder.mark();
            }
            if let Some(place) = synced.take() {
                encoder.synced(place);
            }
            self.gathered.notify_one();
        }
        put(encoder);
    }
}

/// A number that no other run of the same boot has: process ids come again, times since the boot do not.
fn life_number() -> u64 {
    u64::from(std::process::id()) << 40 ^ crate::clock::up_ms().unsigned_abs()
}
