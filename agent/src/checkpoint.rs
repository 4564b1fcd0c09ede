//! What open windows, watermarks, detectors and counters survive in.
//!
//! The body of a checkpoint consists of sections (`sections/body.rs`), each with a version of its own: of one that another
//! program wrote, whatever can be read is used, and the files as they were are kept beside the next ones. `whole.rs` has the
//! file, `deltas.rs` the one beside it, which holds how the bodies after it differ; everybody else sees bodies only. What
//! cannot be read is set aside, never deleted, and the agent starts without it.

mod base;
mod body;
mod delta;
mod deltas;
mod file;
mod whole;

pub(crate) use base::Base;
pub(crate) use body::{Body, BodyWriter};
pub(crate) use file::{CheckpointFile, CheckpointWrite, deltas_bytes_max};
pub(crate) use whole::write;

use crate::private_file;
use deltas::{beside, compose};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use whole::WholeFile;

/// Checkpoints that are kept because not all of them could be read.
const KEPT_MAX: u32 = 8;

/// Files past this are no checkpoint of ours (bytes).
const BYTES_MAX: u64 = 1 << 30;

/// What stood in the files' place.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// Nothing: a first start.
    Nothing,
    /// The last body that was durable.
    Body(Vec<u8>),
    /// A body before that; the files are kept, and stand in their place until the next checkpoint is written.
    Earlier {
        /// The last one that can be read.
        body: Vec<u8>,
        /// Where they are kept.
        aside: PathBuf,
        /// The reason why what follows cannot be read.
        why: String,
    },
    /// Something else; it is kept, and stands in its place until the next checkpoint is written.
    Broken {
        /// Where it is kept.
        aside: PathBuf,
        /// The reason why it cannot be read.
        why: String,
    },
}

/// Reads the last body back. The file has at most `bytes_max`, and so has all that is in memory at a time.
///
/// # Errors
/// A file is there and cannot be read or set aside.
pub(crate) fn read(path: &Path, bytes_max: Option<u64>) -> io::Result<Found> {
    let bytes_max = bytes_max.unwrap_or(BYTES_MAX);
    let base = match whole::read(path, bytes_max)? {
        WholeFile::Nothing => return Ok(Found::Nothing),
        WholeFile::Broken(why) => {
            return Ok(Found::Broken { aside: set_aside(path)?, why });
        }
        WholeFile::Body(base) => base,
    };
    let (body, why) = compose(&beside(path), base, bytes_max)?;
    let Some(why) = why else { return Ok(Found::Body(body)) };
    Ok(Found::Earlier { body, aside: set_aside(path)?, why })
}

/// Keeps the files under other names beside their place, which the next checkpoint takes. `None`: there are as many as
/// there may be.
///
/// # Errors
/// They can be neither linked nor copied.
pub(crate) fn keep(path: &Path) -> io::Result<Option<PathBuf>> {
    let Some(kept) = free(path, "upgrade", KEPT_MAX) else { return Ok(None) };
    link(path, &kept)?;
    Ok(Some(kept))
}

/// Keeps files that cannot be used under other names. They also stand in their place until the next checkpoint does: a crash
/// before that must find the damage again.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    const LAST: u32 = 1_000;
    let last = path.with_extension(format!("damaged-{LAST}"));
    let is_kept = |place: &Path| is_same(path, place) && is_same(&beside(path), &beside(place));
    if let Some(kept) = places(path, "damaged", LAST).find(|place| is_kept(place)) {
        return Ok(kept);
    }
    let aside = free(path, "damaged", LAST - 1).unwrap_or(last);
    link(path, &aside)?;
    Ok(aside)
}

/// Whether two names are of one file, or of none.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    file(one) == file(other)
}

/// The first place that is free.
fn free(path: &Path, word: &str, max: u32) -> Option<PathBuf> {
    places(path, word, max).find(|place| place.symlink_metadata().is_err())
}

/// Places for files that are kept.
fn places(path: &Path, word: &str, max: u32) -> impl Iterator<Item = PathBuf> {
    (1..=max).map(move |n| path.with_extension(format!("{word}-{n}")))
}

/// Gives a checkpoint's files other names too.
fn link(path: &Path, to: &Path) -> io::Result<()> {
    let one = |from: &Path, to: &Path| fs::hard_link(from, to).or_else(|_| private_file::copy(from, to));
    one(path, to)?;
    if beside(path).exists() { one(&beside(path), &beside(to)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
