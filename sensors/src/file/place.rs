//! How far a file is read, as the positions of the source keep it.
//!
//! A file is known by its device and inode, and has a number in the source. Each file has two positions: one says which
//! file it is and is written once, the other, which is written with every batch of lines, says how far it is read.
//!
//! ```text
//! key       number u32, what u8
//! what = 0  version u8, device u64, inode u64, path
//! what = 1  version u8, offset u64, lines u64, check u32
//! ```

use crate::hash::stable;
use crate::{Sink, SourcePosition};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The version of both positions.
const VERSION: u8 = 1;

const IDENTITY: u8 = 0;
const PLACE: u8 = 1;

/// What a file is known by, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

/// A place in a file: behind a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FilePlace {
    /// The bytes before it.
    pub(super) offset: u64,
    /// The lines before it.
    pub(super) lines: u64,
    /// A hash of the last bytes before it: another one there means that the file is another one.
    pub(super) check: u32,
}

/// A file that an earlier run has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownFile {
    pub(super) number: u32,
    pub(super) identity: FileIdentity,
    /// Where it was found first.
    pub(super) path: PathBuf,
    pub(super) place: FilePlace,
}

impl FileIdentity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The check of a place behind these bytes.
pub(super) fn check(last: &[u8]) -> u32 {
    stable(&[last])
}

/// Notes which file has this number.
pub(super) fn note_identity(sink: &mut dyn Sink, number: u32, identity: FileIdentity, path: &Path) {
    let mut bytes = vec![VERSION];
    bytes.extend(identity.device.to_le_bytes());
    bytes.extend(identity.inode.to_le_bytes());
    bytes.extend(path.as_os_str().as_bytes());
    sink.position(&key(number, IDENTITY), &bytes);
}

/// Notes how far it is read.
pub(super) fn note_place(sink: &mut dyn Sink, number: u32, place: FilePlace) {
    let mut bytes = [VERSION; 21];
    let fields = place
        .offset
        .to_le_bytes()
        .into_iter()
        .chain(place.lines.to_le_bytes())
        .chain(place.check.to_le_bytes());
    bytes.iter_mut().skip(1).zip(fields).for_each(|(to, from)| *to = from);
    sink.position(&key(number, PLACE), &bytes);
}

/// Forgets the file.
pub(super) fn forget(sink: &mut dyn Sink, number: u32) {
    sink.position(&key(number, IDENTITY), &[]);
    sink.position(&key(number, PLACE), &[]);
}

fn key(number: u32, what: u8) -> [u8; 5] {
    let [a, b, c, d] = number.to_le_bytes();
    [a, b, c, d, what]
}

/// The files of an earlier run, and an error if another version has written some of them.
pub(super) fn known_files(positions: &[SourcePosition]) -> (Vec<KnownFile>, Result<(), String>) {
    let (mut files, mut places, mut foreign) = (Vec::new(), BTreeMap::new(), 0_u32);
    for SourcePosition { key, at } in positions {
        let is_read = match key.split_first_chunk() {
            Some((number, [PLACE])) => {
                read_place(at).map(|place| places.extend([(u32::from_le_bytes(*number), place)]))
            }
            Some((number, [IDENTITY])) => {
                read_identity(at).map(|file| files.push((u32::from_le_bytes(*number), file)))
            }
            _ => None,
        };
        foreign += u32::from(is_read.is_none());
    }
    let known = files.into_iter().map(|(number, (identity, path))| KnownFile {
        number,
        identity,
        path,
        place: places.get(&number).copied().unwrap_or_default(),
    });
    let whole = if foreign == 0 {
        Ok(())
    } else {
        Err(format!(
            "{foreign} positions in files are of another version; those files are read from their beginning"
        ))
    };
    (known.collect(), whole)
}

fn read_identity(bytes: &[u8]) -> Option<(FileIdentity, PathBuf)> {
    let rest = bytes.strip_prefix(&[VERSION])?;
    let (device, rest) = rest.split_first_chunk()?;
    let (inode, path) = rest.split_first_chunk()?;
    let identity = FileIdentity { device: u64::from_le_bytes(*device), inode: u64::from_le_bytes(*inode) };
    Some((identity, PathBuf::from(OsStr::from_bytes(path))))
}

fn read_place(bytes: &[u8]) -> Option<FilePlace> {
    let rest = bytes.strip_prefix(&[VERSION])?;
    let (offset, rest) = rest.split_first_chunk()?;
    let (lines, check) = rest.split_first_chunk()?;
    Some(FilePlace {
        offset: u64::from_le_bytes(*offset),
        lines: u64::from_le_bytes(*lines),
        check: u32::from_le_bytes(check.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::Seen;

    #[test]
    fn a_file_is_known_again_until_it_is_forgotten() {
        let mut seen = Seen::roomy();
        let identity = FileIdentity { device: 3, inode: u64::MAX };
        let place = FilePlace { offset: 70_000, lines: 900, check: check(b"end") };
        for number in [7, 8] {
            note_identity(&mut seen, number, identity, Path::new("/data/a b.csv"));
            note_place(&mut seen, number, place);
        }
        forget(&mut seen, 8);
        let (known, whole) = known_files(&seen.positions());
        let path = PathBuf::from("/data/a b.csv");
        assert_eq!((known, whole), (vec![KnownFile { number: 7, identity, path, place }], Ok(())));
        let foreign = SourcePosition { key: key(1, PLACE).to_vec(), at: vec![9, 0] };
        assert!(known_files(&[foreign]).1.unwrap_err().contains("another version"));
    }
}
