//! Writes growing files, and completes them.

use super::complete::{Completion, sync_folder};
use super::path::{GZ, NUMBER, PathTemplate};
use crate::Tag;
use crate::batches::{BatchWriter, LineBatch, PlacedLines};
use fs2::FileExt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Files that grow at a time.
const OPEN_MAX: usize = 16;

/// At the end, files are compressed for at most so long: the agent's stop is bounded.
const COMPRESS_AT_END: Duration = Duration::from_secs(3);

/// When files are complete, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    pub(super) max_size: u64,
    pub(super) max_age: Duration,
    /// Whether complete files are compressed.
    pub(super) gzip: bool,
}

impl Rotation {
    /// Completes files without haste.
    fn completion(self) -> Completion {
        Completion { gzip: self.gzip, until: None }
    }
}

pub(super) struct FileWriter {
    template: Arc<PathTemplate>,
    rotation: Rotation,
    /// The first line of every file.
    header: String,
    /// The file that was written longest ago comes first.
    growing: Vec<Growing>,
    /// Whether the files of an earlier run are completed.
    has_recovered: bool,
}

/// A growing file.
struct Growing {
    /// Its place, with [`NUMBER`] in it.
    place: String,
    file: File,
    hidden: PathBuf,
    complete: PathBuf,
    /// Synced bytes.
    synced: u64,
    since: Instant,
}

impl BatchWriter for FileWriter {
    fn begin(&mut self, header: &str) {
        header.clone_into(&mut self.header);
    }

    fn write(&mut self, batch: &LineBatch, written: &mut Vec<Tag>) -> Result<(), String> {
        if !self.has_recovered {
            let completion = self.rotation.completion();
            completion
                .complete_all(&self.template)
                .map_err(|(path, error)| said("complete", &path, &error))?;
            self.has_recovered = true;
        }
        self.tend();
        batch.iter().try_for_each(|(place, lines)| self.write_to(place, lines, written))
    }

    fn due(&self) -> Option<Duration> {
        let first = self.growing.iter().map(|growing| growing.since).min()?;
        Some((first + self.rotation.max_age).saturating_duration_since(Instant::now()))
    }

    fn tend(&mut self) {
        let now = Instant::now();
        let Rotation { max_age, .. } = self.rotation;
        let old =
            self.growing.extract_if(.., |growing| now.saturating_duration_since(growing.since) >= max_age);
        old.for_each(|growing| growing.complete(self.rotation.completion()));
    }

    fn finish(&mut self) {
        let until = Some(Instant::now() + COMPRESS_AT_END);
        let completion = Completion { until, ..self.rotation.completion() };
        self.growing.drain(..).for_each(|growing| growing.complete(completion));
    }
}

impl FileWriter {
    pub(super) fn new(template: Arc<PathTemplate>, rotation: Rotation) -> Self {
        Self { template, rotation, header: String::new(), growing: Vec::new(), has_recovered: false }
    }

    /// Writes the lines of one place, to one file after another.
    fn write_to(&mut self, place: &str, lines: &PlacedLines, written: &mut Vec<Tag>) -> Result<(), String> {
        let (mut rest, mut begin) = (lines.ends.as_slice(), 0);
        while !rest.is_empty() {
            let mut growing = self.growing_at(place)?;
            let header = if growing.synced == 0 { self.header.as_str() } else { "" };
            // The message that reaches the file's size is its last one.
            let room = self.rotation.max_size.saturating_sub(growing.synced + header.len() as u64);
            let fit = rest.partition_point(|(_, end)| ((end - begin) as u64) < room);
            let (own, others) = rest.split_at((fit + 1).min(rest.len()));
            let end = own.last().map_or(begin, |(_, end)| *end);
            if let Err(error) = growing.append(header, lines.text.get(begin..end).unwrap_or_default()) {
                let reason = said("write", &growing.hidden, &error);
                // The synced lines stay. If the rest cannot be cut off now, a later start does it.
                if growing.file.set_len(growing.synced).is_ok() {
                    self.growing.push(growing);
                }
                return Err(reason);
            }
            self.keep(growing);
            written.extend(own.iter().map(|(tag, _)| *tag));
            (rest, begin) = (others, end);
        }
        Ok(())
    }

    /// The growing file of a place, which may be new.
    fn growing_at(&mut self, place: &str) -> Result<Growing, String> {
        if let Some(known) = self.growing.iter().position(|growing| growing.place == place) {
            return Ok(self.growing.remove(known));
        }
        Growing::create(place).map_err(|error| said("make", Path::new(&place.replace(NUMBER, "{n}")), &error))
    }

    /// Completes a file that has its size, or the one that was written longest ago if too many grow.
    fn keep(&mut self, growing: Growing) {
        let completion = self.rotation.completion();
        if growing.synced >= self.rotation.max_size {
            return growing.complete(completion);
        }
        self.growing.push(growing);
        if self.growing.len() > OPEN_MAX {
            self.growing.remove(0).complete(completion);
        }
    }
}

impl Growing {
    fn create(place: &str) -> io::Result<Self> {
        let (before, after) = place.split_once(NUMBER).unwrap_or((place, ""));
        let (folder, prefix) = before.rsplit_once('/').map_or(("", before), |(folder, name)| (folder, name));
        let folder = match folder {
            "" if before.starts_with('/') => Path::new("/"),
            "" => Path::new("."),
            folder => Path::new(folder),
        };
        make_folder(folder)?;
        let number = next_number(folder, prefix, after)?;
        let name = format!("{prefix}{number}{after}");
        let (hidden, complete) = (folder.join(format!(".{name}")), folder.join(name));
        let file = OpenOptions::new().append(true).create_new(true).open(&hidden)?;
        // Another agent that starts with the same path leaves it alone.
        file.try_lock_exclusive()?;
        sync_folder(folder)?;
        Ok(Self { place: place.to_owned(), file, hidden, complete, synced: 0, since: Instant::now() })
    }

    /// Appends lines, and the header before the first ones, and syncs them.
    fn append(&mut self, header: &str, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(header.as_bytes())?;
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.synced += (header.len() + lines.len()) as u64;
        Ok(())
    }

    /// Gives the file its name. One that cannot be renamed is completed at the next start.
    fn complete(self, completion: Completion) {
        let done = match self.synced {
            0 => fs::remove_file(&self.hidden),
            _ => completion.reveal(&self.hidden, &self.complete),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "cannot rename {} now; the next start does it", self.hidden.display());
        }
    }
}

/// Makes a folder that survives a power cut.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.ancestors().skip(1).filter(|parent| parent.is_dir()).take(2).try_for_each(sync_folder)
}

/// One more than the largest number in the folder, hidden and compressed files included.
fn next_number(folder: &Path, prefix: &str, after: &str) -> io::Result<u64> {
    let mut next = 1;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let plain = name.strip_prefix('.').unwrap_or(&name);
        let plain = plain.strip_suffix(GZ).unwrap_or(plain);
        let number = plain.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(after));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            next = next.max(number.saturating_add(1));
        }
    }
    Ok(next)
}

fn said(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Tries whether files can be made below a folder; the space that is free there (bytes).
pub(super) fn try_folder(root: &Path) -> io::Result<u64> {
    fs::create_dir_all(root)?;
    let path = root.join(format!(".headwater-self-test-{}", std::process::id()));
    File::create(&path).and_then(|mut file| file.write_all(b"x"))?;
    fs::remove_file(&path)?;
    fs2::available_space(root)
}

#[cfg(test)]
mod tests;
