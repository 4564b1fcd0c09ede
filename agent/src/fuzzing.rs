//! Doors for `tests/fuzz`: the config as `check` reads it, and what an earlier run may have left on the disk.

use crate::checkpoint::{self, Base, Body};
use crate::clock::Boots;
use crate::config::{self, Config};
use crate::engine::{Stored, restore};
use crate::frames;
use crate::journal::{Identity, IntakeCount, Journal, JournalFolder, Segments};
use crate::memory::MemoryCap;
use headwater_kernel::time::{Now, Time};
use headwater_pipeline::pipeline::{Pipeline, TakenAt};
use headwater_sensors::Receipt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// 2023-11-14T22:14:00Z, the start of a minute: when the state was left.
pub const START: Now = Now::uncorrected(Time(1_700_000_040_000));

/// Reads a config and says what `headwater check` says of it. `None`: it has mistakes.
#[must_use]
pub fn check(text: &str) -> Option<Config> {
    let path = Path::new("/etc/headwater/headwater.toml");
    let (config, document) = config::parse(path, text, |_| None);
    let _ = document.render_all();
    config.inspect(|config| drop(crate::cli::describe(path, config, &document)))
}

/// A folder that a run has left its state in.
#[derive(Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// One of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("headwater-fuzz-{}", std::process::id())))
    }

    /// Goes on from the body of a checkpoint and the frames of a journal that follows it, as [`Self::journal`] writes them;
    /// of an empty journal there is no file.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn go_on(&self, body: &[u8], journal: &[u8], fresh: &dyn Fn() -> Pipeline) -> io::Result<Pipeline> {
        let path = self.empty()?.join("windows.checkpoint");
        checkpoint::write(&path, &Body::of(body))?;
        if !journal.is_empty() {
            let opened = self.open();
            Journal::new(opened, false).begin(Base::of(body), START, |_| {});
            let mut file = fs::OpenOptions::new().append(true).open(self.segment())?;
            let mut rest = journal;
            while let Some((length, behind)) = rest.split_first_chunk() {
                let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
                let (frame, behind) = behind.split_at(length);
                file.write_all(&frames::frame(frame))?;
                rest = behind;
            }
        }
        let segments = Segments::read(&self.0, &identity())?;
        let stored = Stored { path: &path, segments: &segments };
        let (mut pipeline, _) = restore(&stored, &Boots::default(), &MemoryCap::own(), fresh)?;
        pipeline.resume(START, false);
        Ok(pipeline)
    }

    /// The frames that a short run writes after a checkpoint with this body, each behind its length (u16).
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn journal(&self, body: &[u8], names: &[&str]) -> io::Result<Vec<u8>> {
        self.empty()?;
        let journal = Journal::new(self.open(), false);
        journal.begin(Base::of(body), START, |opening| opening.source(0, "s"));
        for (handle, name) in (0..).zip(names) {
            journal.series(handle, 0, name, &[("zone".to_owned(), "1".to_owned())]);
        }
        let mut receipts = 1 << 16;
        for step in 0..8_i64 {
            let now = Now::uncorrected(Time(START.time.0 + step * 4_000));
            for (handle, value) in (0..).zip([20.0 + step as f64, 0.1 + step as f64]).take(names.len()) {
                journal.reading(handle, TakenAt::Event(now.time.0 - 500), value, now);
                journal.receipt(0, Receipt(receipts));
                receipts += 1;
            }
            journal.reading(0, TakenAt::Arrival, f64::MIN_POSITIVE, now);
            journal.position(0, b"file", &step.to_le_bytes());
            journal.count(IntakeCount::Invalid, 0, 1);
            journal.link(0, step % 2 == 0, now);
            journal.tick(now);
            journal.flush();
        }
        journal.forgotten(0, names.first().copied().unwrap_or_default(), START);
        journal.replayed(true);
        journal.message(1, START.time.0, b"message");
        journal.engine(body);
        journal.kept(journal.place());
        journal.flush();
        let bytes = fs::read(self.segment())?;
        let mut rest = bytes.get(4..).unwrap_or_default();
        let (mut all, mut is_header) = (Vec::new(), true);
        while let Ok(Some(frame)) = frames::next(&mut rest) {
            if !std::mem::take(&mut is_header) {
                all.extend_from_slice(&u16::try_from(frame.len()).unwrap_or(u16::MAX).to_le_bytes());
                all.extend_from_slice(frame);
            }
        }
        Ok(all)
    }

    fn open(&self) -> JournalFolder {
        JournalFolder::open(&self.0, &self.0, identity())
    }

    fn segment(&self) -> PathBuf {
        self.0.join("journal.1")
    }

    fn empty(&self) -> io::Result<&Path> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)?;
        }
        fs::create_dir_all(&self.0)?;
        Ok(&self.0)
    }
}

impl Drop for StateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn identity() -> Identity {
    Identity { boot: "b".to_owned(), config: 7, is_synced: false }
}
