//! Generations as sled databases, one folder each.
//!
//! What is known of sled 0.34 and how it is met here: `flush` is not power-safe, so `sync` ends with an fsync of the
//! database file by ourselves; opening or reading a damaged database may panic, so both are caught and become
//! [`StoreError::Damaged`]; space is never given back, so generations are deleted whole; a write error is sticky until
//! the database is opened again, so the caller closes a generation after one; the cache's default is 1 GiB, so it is
//! set; an open one costs up to 20 MB, so none is open before it is needed and at most two at a time.
//!
//! ```text
//! buffer/7/{db,conf,…}    a generation
//! buffer/7.damaged-1/     set aside, for a person to look at
//! buffer/positions        a note
//! ```

use crate::Lane;
use crate::store::{Batch, Generation, Store, StoreError};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Bound on sled's page cache [bytes]. It is no hard bound: sled counts roughly.
const CACHE_BYTES: u64 = 1 << 20;

/// Databases open at a time: the one that is filled and the one that is drained.
const OPEN_MAX: usize = 2;

pub(crate) struct SledStore {
    folder: PathBuf,
    /// The one used last comes last.
    open: Vec<(Generation, Shelf)>,
}

struct Shelf {
    db: sled::Db,
    file: File,
}

impl SledStore {
    /// A store in `folder`, which is made when it is first written to.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Vec::new() }
    }

    fn path(&self, generation: Generation) -> PathBuf {
        self.folder.join(generation.to_string())
    }

    fn shelf(&mut self, generation: Generation) -> Result<&Shelf, StoreError> {
        let position = self.open.iter().position(|(open, _)| *open == generation);
        let shelf = match position {
            Some(position) => self.open.remove(position),
            None => {
                let path = self.path(generation);
                if !path.is_dir() {
                    return Err(StoreError::Failed(format!("{} is gone", path.display())));
                }
                while self.open.len() >= OPEN_MAX {
                    quietly("close", || drop(self.open.remove(0)))?;
                }
                (generation, open(&path)?)
            }
        };
        self.open.push(shelf);
        let last = self.open.last().map(|(_, shelf)| shelf);
        last.ok_or_else(|| StoreError::Failed("no database is open".into()))
    }

    fn find(
        &mut self,
        generation: Generation,
        look: impl FnOnce(&sled::Db) -> sled::Result<Option<(sled::IVec, sled::IVec)>>,
    ) -> Result<Option<Batch>, StoreError> {
        let shelf = self.shelf(generation)?;
        let found = quietly("read", || look(&shelf.db))?.map_err(|error| of_sled(&error))?;
        found
            .map(|(key, value)| {
                let first = key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
                let bad = || StoreError::Damaged("a key that was never written".into());
                Ok(Batch { first: first.ok_or_else(bad)?, bytes: value.to_vec().into() })
            })
            .transpose()
    }
}

impl Store for SledStore {
    fn generations(&mut self) -> Result<Vec<Generation>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(of_io(&self.folder, &error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<Generation> = names.filter_map(|name| name.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }

    fn create(&mut self, generation: Generation) -> Result<(), StoreError> {
        let path = self.path(generation);
        fs::create_dir_all(&path).map_err(|error| of_io(&path, &error))?;
        self.shelf(generation)?;
        // The files' names must survive a power cut as well as their content.
        for folder in [Some(path.as_path()), path.parent(), self.folder.parent()].into_iter().flatten() {
            File::open(folder).and_then(|dir| dir.sync_all()).map_err(|error| of_io(folder, &error))?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        generation: Generation,
        lane: Lane,
        first: u64,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let db = &self.shelf(generation)?.db;
        let result = quietly("write", || db.insert(key(lane, first), bytes))?;
        result.map(drop).map_err(|error| of_sled(&error))
    }

    fn flush(&mut self, generation: Generation) -> Result<(), StoreError> {
        let db = &self.shelf(generation)?.db;
        quietly("write", || db.flush())?.map(drop).map_err(|error| of_sled(&error))
    }

    fn sync(&mut self, generation: Generation) -> Result<(), StoreError> {
        self.flush(generation)?;
        let path = self.path(generation);
        let shelf = self.shelf(generation)?;
        shelf.file.sync_data().map_err(|error| of_io(&path, &error))
    }

    fn at(&mut self, generation: Generation, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let before =
            self.find(generation, |db| db.range(key(lane, 0)..=key(lane, first)).next_back().transpose())?;
        if before.is_some() { Ok(before) } else { self.after(generation, lane, first) }
    }

    fn after(&mut self, generation: Generation, lane: Lane, first: u64) -> Result<Option<Batch>, StoreError> {
        let from = key(lane, first.saturating_add(1));
        self.find(generation, |db| db.range(from..=key(lane, u64::MAX)).next().transpose())
    }

    fn close(&mut self, generation: Generation) {
        let _ = quietly("close", || self.open.retain(|(open, _)| *open != generation));
    }

    fn delete(&mut self, generation: Generation) -> Result<(), StoreError> {
        self.close(generation);
        let path = self.path(generation);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(of_io(&path, &error)),
            _ => Ok(()),
        }
    }

    fn set_aside(&mut self, generation: Generation) -> Result<String, StoreError> {
        self.close(generation);
        let path = self.path(generation);
        let free = (1..).map(|n| path.with_extension(format!("damaged-{n}"))).find(|target| !target.exists());
        let target = free.unwrap_or_else(|| path.with_extension("damaged"));
        fs::rename(&path, &target).map_err(|error| of_io(&path, &error))?;
        Ok(target.display().to_string())
    }

    fn bytes(&mut self, generation: Generation) -> u64 {
        size_of(&self.path(generation))
    }

    fn aside_bytes(&mut self) -> u64 {
        let Ok(entries) = fs::read_dir(&self.folder) else { return 0 };
        let aside =
            |path: &PathBuf| path.extension().is_some_and(|end| end.to_string_lossy().starts_with("damaged"));
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(aside).map(|path| size_of(&path)).sum()
    }

    fn write_note(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, fresh) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut file = File::create(&fresh)?;
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
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let _ = quietly("close", || self.open.clear());
    }
}

fn open(path: &Path) -> Result<Shelf, StoreError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(None);
    let db = quietly("open", || config.open())?.map_err(|error| of_sled(&error))?;
    let file = path.join("db");
    let file = File::open(&file).map_err(|error| of_io(&file, &error))?;
    Ok(Shelf { db, file })
}

/// Lane, then number, so that the order of keys is the order of messages.
fn key(lane: Lane, first: u64) -> [u8; 9] {
    let mut key = [lane as u8; 9];
    if let Some(rest) = key.get_mut(1..) {
        rest.copy_from_slice(&first.to_be_bytes());
    }
    key
}

thread_local! {
    /// Whether a panic of this thread is caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic on damaged files. The panic's own message and trace are not for the user.
fn quietly<T>(what: &str, run: impl FnOnce() -> T) -> Result<T, StoreError> {
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
        sled::Error::Io(error) => StoreError::Failed(error.to_string()),
        other => StoreError::Damaged(other.to_string()),
    }
}

fn of_io(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed(format!("{}: {error}", path.display()))
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let meta = entry.metadata().ok()?;
            Some(if meta.is_dir() { size_of(&entry.path()) } else { meta.len() })
        })
        .sum()
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
            store.put(1, Lane::Data, n, &[n as u8; 1_000]).unwrap();
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
}
