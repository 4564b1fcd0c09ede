//! Writes checkpoints: one whole now and then, and in between what has changed, because flash wears by what is written.
//!
//! A whole one replaces all that stands there. Deltas follow it until they have [`DELTAS_OF_BASE`] times its size, so that
//! whole ones are a small part of what is written, or until reading them would take too long: each makes a body.

use super::base::Base;
use super::body::Body;
use super::deltas::{Delta, DeltaFile, beside};
use super::whole::write;
use crate::private_file::sync_folder;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Deltas take so many times the bytes of their checkpoint, within [`DELTAS_MIN`] and [`DELTAS_MAX`].
const DELTAS_OF_BASE: u64 = 8;

/// Deltas may take so much beside a small checkpoint (bytes).
const DELTAS_MIN: u64 = 1 << 20;

/// Deltas take no more than about this beside a large one (bytes).
const DELTAS_MAX: u64 = 64 << 20;

/// The bodies that are made to read the last one have so many bytes together, at the most.
const MADE_MAX: u64 = 1 << 30;

/// The files of the checkpoints at one place.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    path: PathBuf,
    /// `None`: nobody knows what is there.
    chain: Option<Chain>,
    /// The body that the next one is compared with.
    last: Option<Body>,
}

/// A whole checkpoint and the deltas that follow it.
#[derive(Debug)]
struct Chain {
    base: Base,
    deltas: Option<DeltaFile>,
    /// The bytes of the bodies that the deltas make.
    made: u64,
}

/// What it took to write a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointWrite {
    /// The bytes that were written.
    pub(crate) bytes: u64,
    /// Those, and its share of the next whole one's (bytes).
    pub(crate) cost: u64,
    /// Whether all of it was.
    pub(crate) is_whole: bool,
}

/// The bytes that the deltas of a checkpoint take, about.
pub(crate) fn deltas_bytes_max(base_bytes: u64) -> u64 {
    base_bytes.saturating_mul(DELTAS_OF_BASE).clamp(DELTAS_MIN, DELTAS_MAX)
}

impl CheckpointFile {
    /// At this place.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, chain: None, last: None }
    }

    /// Makes a body durable, by what has changed since the one before it, or whole.
    ///
    /// # Errors
    /// What the system says. What was there before can still be read, or what is new; the next one is written whole.
    pub(crate) fn write(&mut self, body: Body, is_last: bool) -> io::Result<CheckpointWrite> {
        let makes = body.name();
        // The last one is whole: the next run may be of another version.
        let chain = self.chain.take().filter(|chain| !is_last && chain.has_room(makes));
        let last = self.last.take();
        let chain = chain.and_then(|chain| Some((chain, Delta::between(&last?, &body)?)));
        let (chain, write) = match chain {
            Some((mut chain, delta)) => {
                let bytes = chain.append(&self.path, &delta, &body)?;
                let cost = bytes + chain.share(bytes, makes);
                (chain, CheckpointWrite { bytes, cost, is_whole: false })
            }
            None => {
                let bytes = write(&self.path, &body)?;
                // Those of another checkpoint are of no use. Somebody may have kept them: the next ones get a file of their own.
                if let Err(error) = fs::remove_file(beside(&self.path))
                    && error.kind() != io::ErrorKind::NotFound
                {
                    return Err(error);
                }
                let chain = Chain { base: makes, deltas: None, made: 0 };
                (chain, CheckpointWrite { bytes, cost: bytes, is_whole: true })
            }
        };
        (self.chain, self.last) = (Some(chain), (!is_last).then_some(body));
        Ok(write)
    }
}

impl Chain {
    /// Whether the deltas may go on with one that makes this body.
    fn has_room(&self, makes: Base) -> bool {
        let bytes = self.deltas.as_ref().map_or(0, |deltas| deltas.bytes);
        bytes < deltas_bytes_max(self.base.length) && self.made + makes.length <= MADE_MAX
    }

    /// A delta's share of the next whole checkpoint: by its bytes, or by the body that it makes (bytes).
    fn share(&self, bytes: u64, makes: Base) -> u64 {
        let of = |part: u64, all: u64| part as f64 / all as f64;
        (makes.length as f64 * of(bytes, deltas_bytes_max(self.base.length)).max(of(makes.length, MADE_MAX)))
            as u64
    }

    fn append(&mut self, path: &Path, delta: &Delta, body: &Body) -> io::Result<u64> {
        let bytes = match &mut self.deltas {
            Some(deltas) => deltas.append(delta, body)?,
            none => {
                let mut deltas = DeltaFile::create(&beside(path))?;
                let bytes = deltas.append(delta, body)?;
                sync_folder(path)?;
                *none = Some(deltas);
                bytes
            }
        };
        self.made += body.name().length;
        Ok(bytes)
    }
}
