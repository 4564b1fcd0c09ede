//! Segments as sled databases, one folder each.
//!
//! Facts about sled 0.34, read in its source or measured, and their consequences here:
//!
//! - `flush` is not power-safe: [`Store::sync`] ends with an fsync of the database file by ourselves.
//! - A leaf is written whole when it has ten changes and again when it splits, so that each value is written three
//!   to eight times. A value of more than a quarter of sled's own segment goes to a file that is never synced. So
//!   batches go to many small trees, [`TREE_PARTS`] values in each, and large ones are cut in parts: 1.1 to 1.2
//!   bytes are written for each byte, in place of 3 to 8.
//! - Opening or reading a damaged database may panic: both are caught and become [`StoreError::Damaged`].
//! - Opening a database changes it: the log is cut at the first bad spot, and all behind it is zeroed. So a sealed
//!   segment is compared with its digest first, and copied if it differs ([`aside`]). A segment that a crash has
//!   left has no digest: a torn end is normal there.
//! - Space is never given back: segments are deleted whole, and nothing is ever removed from one.
//! - A write error is sticky until the database is opened again: the caller closes a segment after one.
//! - The cache's default is 1 GiB, and an open database of 4 MiB costs about 5 MB: two are open at a time, none before
//!   it is needed.
//!
//! ```text
//! buffer/7/{db,conf,blobs/}   a segment
//! buffer/7.damaged-1/         set aside, for a person to look at; or its copy, as it was before sled opened it
//! buffer/positions            a note
//! buffer/reserve              let go of when the disk is full, so that what is there can be read
//! ```

mod aside;
mod links;
mod reserve;

use crate::Lane;
use crate::store::{Batch, Digest, SegmentId, Store, StoreError};
use bytes::Bytes;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Bound on sled's page cache [bytes]. It is no hard bound: sled counts roughly.
const CACHE_BYTES: u64 = 1 << 20;

/// Databases that are open at a time: one that is filled and one that is drained.
const OPEN_MAX: usize = 2;

/// Values in a tree. With the tenth change sled would write all of them again.
const TREE_PARTS: usize = 8;

/// Bytes of a value, well below a quarter of sled's own segment (512 KiB).
const PART_BYTES: usize = 100_000;

pub(crate) struct SledStore {
    folder: PathBuf,
    /// The one used last comes last.
    open: Vec<(SegmentId, OpenSegment)>,
}

/// An open segment.
struct OpenSegment {
    db: sled::Db,
    file: File,
    /// Where each batch lies.
    places: BTreeMap<(Lane, u64), Place>,
    /// The tree that is filled, and the values in it.
    tree: u32,
    tree_parts: usize,
}

/// The place of a batch: where its numbers end, and the trees of its parts, in order.
#[derive(Default)]
struct Place {
    end: u64,
    trees: Vec<u32>,
}

impl OpenSegment {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None);
        links::refuse(path)?;
        let db = catch_panic("open", || config.open())?.map_err(|error| of_sled(&error))?;
        let file = aside::db(path);
        let file = File::open(&file).map_err(|error| of_io(&file, &error))?;
        let mut open_segment = Self { db, file, places: BTreeMap::new(), tree: 0, tree_parts: 0 };
        catch_panic("read", || open_segment.find_places())?.map_err(|error| of_sled(&error))?;
        Ok(open_segment)
    }

    fn find_places(&mut self) -> sled::Result<()> {
        let number = |name: &sled::IVec| Some(u32::from_be_bytes(name.as_ref().try_into().ok()?));
        let mut trees: Vec<u32> = self.db.tree_names().iter().filter_map(number).collect();
        trees.sort_unstable();
        for tree in trees {
            (self.tree, self.tree_parts) = (tree, 0);
            for key in self.db.open_tree(tree.to_be_bytes())?.iter().keys() {
                self.tree_parts += 1;
                // A key that was never written is no batch of ours.
                if let Some((lane, seqs, part)) = parse_key(&key?) {
                    let place = self.places.entry((lane, seqs.start)).or_default();
                    place.end = seqs.end;
                    place.trees.truncate(part);
                    place.trees.push(tree);
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, lane: Lane, seqs: &Range<u64>, bytes: &[u8]) -> sled::Result<()> {
        let mut trees = Vec::new();
        for (part, bytes) in bytes.chunks(PART_BYTES).enumerate() {
            if self.tree_parts >= TREE_PARTS {
                (self.tree, self.tree_parts) = (self.tree + 1, 0);
            }
            self.db.open_tree(self.tree.to_be_bytes())?.insert(key(lane, seqs, part), bytes)?;
            self.tree_parts += 1;
            trees.push(self.tree);
        }
        self.places.insert((lane, seqs.start), Place { end: seqs.end, trees });
        Ok(())
    }

    /// Empty if a part is missing: no checksum fits that.
    fn get(&self, lane: Lane, first: u64) -> sled::Result<Option<Batch>> {
        let Some(place) = self.places.get(&(lane, first)) else { return Ok(None) };
        let (seqs, mut bytes) = (first..place.end, Vec::new());
        for (part, tree) in place.trees.iter().enumerate() {
            match self.db.open_tree(tree.to_be_bytes())?.get(key(lane, &seqs, part))? {
                Some(part) => bytes.extend_from_slice(&part),
                None => return Ok(Some(Batch { seqs, bytes: Bytes::new() })),
            }
        }
        Ok(Some(Batch { seqs, bytes: bytes.into() }))
    }
}

impl SledStore {
    /// A store in `folder`, which is made when it is first written to.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Vec::new() }
    }

    fn path(&self, segment: SegmentId) -> PathBuf {
        self.folder.join(segment.to_string())
    }

    fn open_segment(&mut self, segment: SegmentId) -> Result<&mut OpenSegment, StoreError> {
        let open_segment = match self.open.iter().position(|(open, _)| *open == segment) {
            Some(position) => self.open.remove(position),
            None => {
                let path = self.path(segment);
                if !path.is_dir() {
                    return Err(StoreError::Failed(format!("{} is gone", path.display())));
                }
                while self.open.len() >= OPEN_MAX {
                    catch_panic("close", || drop(self.open.remove(0)))?;
                }
                let open_segment = match OpenSegment::open(&path) {
                    // The reserve makes room for what sled writes before it reads.
                    Err(StoreError::Blocked(_)) if reserve::give(&self.folder) => OpenSegment::open(&path)?,
                    result => result?,
                };
                (segment, open_segment)
            }
        };
        self.open.push(open_segment);
        let last = self.open.last_mut().map(|(_, open_segment)| open_segment);
        last.ok_or_else(|| StoreError::Failed("no database is open".into()))
    }

    fn batch(&mut self, segment: SegmentId, place: Option<(Lane, u64)>) -> Result<Option<Batch>, StoreError> {
        let Some((lane, first)) = place else { return Ok(None) };
        let open_segment = self.open_segment(segment)?;
        catch_panic("read", || open_segment.get(lane, first))?.map_err(|error| of_sled(&error))
    }
}

impl Store for SledStore {
    fn segments(&mut self) -> Result<Vec<SegmentId>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(of_io(&self.folder, &error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        // A segment whose folder is gone is known by its index.
        let number = |name: String| name.strip_suffix(".index").unwrap_or(&name).parse().ok();
        let found: BTreeSet<SegmentId> = names.filter_map(number).collect();
        Ok(found.into_iter().collect())
    }

    fn create(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        let path = self.path(segment);
        fs::create_dir_all(&path).map_err(|error| of_io(&path, &error))?;
        self.open_segment(segment)?;
        // The files' names must survive a power cut as well as their content.
        for folder in [Some(path.as_path()), path.parent(), self.folder.parent()].into_iter().flatten() {
            File::open(folder).and_then(|dir| dir.sync_all()).map_err(|error| of_io(folder, &error))?;
        }
        reserve::take(&self.folder);
        Ok(())
    }

    fn put(
        &mut self,
        segment: SegmentId,
        lane: Lane,
        seqs: &Range<u64>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let open_segment = self.open_segment(segment)?;
        catch_panic("write", || open_segment.put(lane, seqs, bytes))?.map_err(|error| of_sled(&error))
    }

    fn flush(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        let db = &self.open_segment(segment)?.db;
        catch_panic("write", || db.flush())?.map(drop).map_err(|error| of_sled(&error))
    }

    fn sync(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        self.flush(segment)?;
        let path = self.path(segment);
        let open_segment = self.open_segment(segment)?;
        open_segment.file.sync_data().map_err(|error| of_io(&path, &error))
    }

    fn at(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let places = &self.open_segment(segment)?.places;
        let before = places.range((lane, 0)..=(lane, first)).next_back();
        let found = before.or_else(|| places.range((lane, first)..=(lane, u64::MAX)).next());
        let place = found.map(|(place, _)| *place);
        self.batch(segment, place)
    }

    fn after(&mut self, segment: SegmentId, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let places = &self.open_segment(segment)?.places;
        let from = (lane, first.saturating_add(1));
        let place = places.range(from..=(lane, u64::MAX)).next().map(|(place, _)| *place);
        self.batch(segment, place)
    }

    fn close(&mut self, segment: SegmentId) {
        let _ = catch_panic("close", || self.open.retain(|(open, _)| *open != segment));
    }

    fn delete(&mut self, segment: SegmentId) -> Result<(), StoreError> {
        self.close(segment);
        let path = self.path(segment);
        aside::discard_copy(&path);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of_io(&path, &error)),
            _ => {}
        }
        if self.segments()?.is_empty() {
            reserve::give(&self.folder);
        } else {
            reserve::take(&self.folder);
        }
        Ok(())
    }

    fn set_aside(&mut self, segment: SegmentId) -> Result<String, StoreError> {
        self.close(segment);
        let path = self.path(segment);
        let target = aside::set_aside(&path).map_err(|error| of_io(&path, &error))?;
        Ok(target.display().to_string())
    }

    fn copy_aside(&mut self, segment: SegmentId) -> Result<String, StoreError> {
        self.close(segment);
        let path = self.path(segment);
        let target = aside::copy_aside(&path).map_err(|error| of_io(&path, &error))?;
        Ok(target.display().to_string())
    }

    fn digest(&mut self, segment: SegmentId) -> Option<Digest> {
        aside::digest(&self.path(segment)).ok()
    }

    fn check(&mut self, segment: SegmentId, known: &Digest) -> Result<(), StoreError> {
        aside::check(&self.path(segment), known)
    }

    fn bytes(&mut self, segment: SegmentId) -> u64 {
        aside::size_of(&self.path(segment))
    }

    fn aside(&mut self) -> Vec<(String, u64)> {
        aside::list(&self.folder)
    }

    fn write_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, fresh) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut file = links::create(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| of_io(&path, &error))
    }

    fn read_note(&mut self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(name)).ok()
    }

    fn delete_note(&mut self, name: &str) {
        let _ = fs::remove_file(self.folder.join(name));
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let _ = catch_panic("close", || self.open.clear());
    }
}

/// Lane, the batch's numbers, number of the part.
fn key(lane: Lane, seqs: &Range<u64>, part: usize) -> [u8; 19] {
    let mut key = [lane as u8; 19];
    if let Some(mut rest) = key.get_mut(1..) {
        // Writing into a slice that is long enough cannot fail.
        let _ = rest.write(&seqs.start.to_be_bytes());
        let _ = rest.write(&seqs.end.to_be_bytes());
        let _ = rest.write(&u16::try_from(part).unwrap_or(u16::MAX).to_be_bytes());
    }
    key
}

fn parse_key(key: &[u8]) -> Option<(Lane, Range<u64>, usize)> {
    let (lane, rest) = key.split_first()?;
    let (first, rest) = rest.split_at_checked(8)?;
    let (end, part) = rest.split_at_checked(8)?;
    let lane = Lane::ALL.into_iter().find(|known| *known as u8 == *lane)?;
    let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
    let part = usize::from(u16::from_be_bytes(part.try_into().ok()?));
    Some((lane, number(first)?..number(end)?, part))
}

thread_local! {
    /// Whether a panic of this thread is caught and becomes an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of sled that may panic on damaged files. The panic's message and trace are not shown to the user.
fn catch_panic<T>(what: &str, run: impl FnOnce() -> T) -> Result<T, StoreError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                loud(info);
            }
        }));
    });
    CAUGHT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    CAUGHT.set(false);
    outcome.map_err(|_| {
        StoreError::Damaged(format!("sled could not {what} the database: its files are damaged"))
    })
}

fn of_sled(error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => {
            StoreError::Damaged("sled says that the database is corrupt".into())
        }
        // A file that ends too early.
        sled::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged(format!("the database's file is cut off: {error}"))
        }
        sled::Error::Io(error) if is_for_now(error) => StoreError::Blocked(error.to_string()),
        sled::Error::Io(error) => StoreError::Failed(error.to_string()),
        other => StoreError::Damaged(other.to_string()),
    }
}

fn of_io(path: &Path, error: &io::Error) -> StoreError {
    let what = format!("{}: {error}", path.display());
    if is_for_now(error) { StoreError::Blocked(what) } else { StoreError::Failed(what) }
}

/// Whether the files are good and only the disk takes nothing now.
fn is_for_now(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem | PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn passes_the_suite() {
        let folder = Folder::new();
        crate::store::suite::run(|| SledStore::new(folder.path().join("buffer")));
    }

    /// One flipped byte anywhere is an error or goes unnoticed by sled; it is never a panic of ours.
    #[test]
    fn damage_is_an_error_not_a_panic() {
        let folder = Folder::new();
        let path = folder.path().join("buffer");
        let mut store = SledStore::new(path.clone());
        store.create(1).unwrap();
        for n in 0..200 {
            store.put(1, Lane::Data, &(n..n + 1), &[n as u8; 1_000]).unwrap();
        }
        store.sync(1).unwrap();
        drop(store);
        let db = path.join("1/db");
        let good = fs::read(&db).unwrap();
        let mut rng = fastrand::Rng::with_seed(3);
        let mut found = 0;
        for _ in 0..30 {
            let mut bad = good.clone();
            bad[rng.usize(..200_000)] ^= 0x10;
            fs::write(&db, &bad).unwrap();
            let mut store = SledStore::new(path.clone());
            let mut read = || (0..200).try_for_each(|n| store.at(1, Lane::Data, n).map(drop));
            found += usize::from(matches!(read(), Err(StoreError::Damaged(_))));
        }
        assert!(found > 5, "{found}");
        assert!(SledStore::new(path).set_aside(1).unwrap().ends_with("1.damaged-1"));
    }

    /// A link in any place where the store writes leads to somebody else's file, which stays as it is.
    #[test]
    fn links_are_not_followed() {
        let folder = Folder::new();
        let (path, theirs) = (folder.path().join("buffer"), folder.path().join("theirs"));
        let lay = |name: &str| std::os::unix::fs::symlink(&theirs, path.join(name)).unwrap();
        fs::create_dir_all(path.join("1")).unwrap();
        fs::write(&theirs, "theirs").unwrap();
        ["positions.new", "positions", "reserve"].into_iter().for_each(lay);
        let mut store = SledStore::new(path.clone());
        store.write_note("positions", b"note").unwrap();
        assert_eq!(store.read_note("positions").as_deref(), Some(&b"note"[..]));
        for name in ["db", "conf", "blobs"] {
            lay(&format!("1/{name}"));
            let Err(StoreError::Blocked(what)) = store.create(1) else { panic!("{name}") };
            assert!(what.contains(&format!("buffer/1/{name} is a link, which is not followed")), "{what}");
            fs::remove_file(path.join("1").join(name)).unwrap();
        }
        lay("2");
        assert!(store.put(2, Lane::Data, &(0..1), b"x").is_err());
        store.create(1).unwrap();
        store.put(1, Lane::Data, &(0..1), b"x").unwrap();
        store.close(1);
        assert!(!path.join("reserve").is_symlink() && !path.join("positions").is_symlink());
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    }
}
