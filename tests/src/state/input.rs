//! The file that a case's agent reads: how far, its state says. A file is known by its device and inode, which a copy does
//! not keep, so that the copied state is told which file the copy is.

use crate::{TempDir, wait_for};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The place of the file's path in a config.
pub(super) const PATH: &str = "{input}";

/// The file, in an agent's folder and in the folder of a case.
const FILE: &str = "input.log";

/// The file beside it that holds its device and inode, as the state has them.
const IDENTITY: &str = "input.identity";

/// Appends lines to the file in an agent's folder: readings of whole seconds.
pub(super) fn append(dir: &TempDir, start_ms: i64, seconds: std::ops::Range<i64>) {
    let mut file = OpenOptions::new().create(true).append(true).open(dir.join(FILE)).expect("the input");
    for second in seconds {
        writeln!(file, r#"{{"ts":{},"level":{second}}}"#, start_ms + second * 1_000).expect("a line");
    }
}

/// The path of the file in an agent's folder.
pub(super) fn path(dir: &TempDir) -> String {
    dir.join(FILE).display().to_string()
}

/// Waits until the state says that all lines of the file are read.
#[track_caller]
pub(super) fn wait_read(dir: &TempDir, state: &Path) {
    let text = fs::read(dir.join(FILE)).expect("the input");
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    let place = [&[1][..], &(text.len() as u64).to_le_bytes(), &(lines as u64).to_le_bytes()].concat();
    wait_for("the place in the input to be stored", || {
        let files =
            fs::read_dir(state).ok()?.filter_map(Result::ok).filter_map(|entry| fs::read(entry.path()).ok());
        files.into_iter().any(|bytes| positions(&bytes, &place).next().is_some()).then_some(())
    });
}

/// Keeps the file with a case.
pub(super) fn keep(dir: &TempDir, folder: &Path) {
    fs::copy(dir.join(FILE), folder.join(FILE)).expect("a copy of the input");
    fs::write(folder.join(IDENTITY), identity(&dir.join(FILE))).expect("the input's identity");
}

/// Puts the file of a case into an agent's folder, and its new identity into the state there. A case without one has none.
pub(super) fn adopt(folder: &Path, dir: &TempDir, state: &Path) {
    let Ok(then) = fs::read(folder.join(IDENTITY)) else { return };
    fs::copy(folder.join(FILE), dir.join(FILE)).expect("a copy of the input");
    let now = identity(&dir.join(FILE));
    let mut found = 0;
    for entry in fs::read_dir(state).expect("the state").filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let mut replace = |bytes: &mut [u8]| found += replaced(bytes, &then, &now);
        match name.to_str() {
            Some("windows.checkpoint") => {
                let mut file = fs::read(&path).expect("a checkpoint");
                replace(&mut file);
                seal(&mut file);
                fs::write(path, file).expect("the checkpoint");
            }
            Some(name) if name.starts_with("journal.") => {
                let mut file = fs::read(&path).expect("a segment");
                let (_, mut rest) = file.split_at_mut(4);
                while let Some((frame, behind)) = split_frame(rest) {
                    replace(&mut frame[FRAME_HEADER..]);
                    let sum = crc32(&frame[FRAME_HEADER..]);
                    frame[8..FRAME_HEADER].copy_from_slice(&sum.to_le_bytes());
                    rest = behind;
                }
                fs::write(path, file).expect("the segment");
            }
            _ => {}
        }
    }
    assert!(found > 0, "the state knows nothing of the input");
}

/// Device and inode, as they are stored.
fn identity(path: &Path) -> Vec<u8> {
    let metadata = fs::metadata(path).expect("the input");
    [metadata.dev().to_le_bytes(), metadata.ino().to_le_bytes()].concat()
}

fn positions<'a>(bytes: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(what.len()).enumerate().filter(move |(_, found)| *found == what).map(|(at, _)| at)
}

fn replaced(bytes: &mut [u8], what: &[u8], with: &[u8]) -> usize {
    let all: Vec<usize> = positions(bytes, what).collect();
    all.iter().for_each(|at| bytes[*at..at + with.len()].copy_from_slice(with));
    all.len()
}

/// The bytes of a frame's header: length, the same with all bits turned, checksum.
const FRAME_HEADER: usize = 12;

/// The first frame, and what is behind it; `None`: it is not there whole.
fn split_frame(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    bytes.split_at_mut_checked(FRAME_HEADER + length)
}

/// The bytes of a checkpoint's header: magic, version, length, checksum.
pub const HEADER: usize = 20;

/// Puts the length and the checksum of a checkpoint's body right.
pub fn seal(file: &mut [u8]) {
    let body = file.len() - HEADER;
    file[8..16].copy_from_slice(&(body as u64).to_le_bytes());
    let sum = crc32(&file[HEADER..]);
    file[16..20].copy_from_slice(&sum.to_le_bytes());
}

/// The checksum of checkpoints and frames: CRC-32 as in zlib.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
