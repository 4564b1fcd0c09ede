//! The file that open windows, watermarks, detectors and counters survive in.
//!
//! Written whole, beside the old one, synced, and renamed over it, so that a power cut leaves the old or the new one
//! and never half of either. A checksum stands in front; a file that is broken is set aside, never deleted, and the agent
//! starts without it. The body consists of sections (`sections/body.rs`), each with a version of its own: of one that
//! another program wrote, whatever can be read is used, and the file as it was is kept beside the next one.
//!
//! ```text
//! "HWCP"  version u32 LE  length u64 LE  crc32 u32 LE  body
//! ```
//! The version is that of this frame; a later one keeps these fields.

use crate::private_file;
use headwater_settings::format_size;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The version of the frame; those before it were of no released program, and had no sections.
pub(crate) const VERSION: u32 = 6;

const MAGIC: [u8; 4] = *b"HWCP";
const HEADER_BYTES: usize = 20;

/// Checkpoints that are kept because not all of them could be read.
const KEPT_MAX: u32 = 8;

/// Files past this are no checkpoint of ours (bytes).
const BYTES_MAX: u64 = 1 << 30;

/// Names a checkpoint by what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The bytes of its body.
    pub(crate) length: u64,
    /// Their checksum.
    pub(crate) crc: u32,
}

impl Base {
    /// Of a checkpoint's body.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { length: body.len() as u64, crc: crc32fast::hash(body) }
    }
}

/// What stood in the file's place.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// Nothing: a first start.
    Nothing,
    /// A whole body.
    Body(Vec<u8>),
    /// Something else, which is now set aside.
    Broken {
        /// Where it is now.
        aside: PathBuf,
        /// The reason why it cannot be read.
        why: String,
    },
}

/// Writes a body so that it replaces the file at `path` as a whole; answers the bytes written.
///
/// # Errors
/// What the system says; the old file then still stands.
pub(crate) fn write(path: &Path, body: &[u8]) -> io::Result<u64> {
    let beside = path.with_extension("new");
    let mut header = [0; HEADER_BYTES];
    let fields: [&[u8]; 4] = [
        &MAGIC,
        &VERSION.to_le_bytes(),
        &(body.len() as u64).to_le_bytes(),
        &crc32fast::hash(body).to_le_bytes(),
    ];
    for (to, from) in header.iter_mut().zip(fields.concat()) {
        *to = from;
    }
    let mut file = private_file::create(&beside)?;
    file.write_all(&header)?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok((HEADER_BYTES + body.len()) as u64)
}

/// Reads the body back, if the file has at most `bytes_max`.
///
/// # Errors
/// The file is there and cannot be read or set aside.
pub(crate) fn read(path: &Path, bytes_max: Option<u64>) -> io::Result<Found> {
    let bytes_max = bytes_max.unwrap_or(BYTES_MAX);
    let mut bytes = Vec::new();
    match private_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
        Ok(file) if file.metadata()?.len() > bytes_max => {
            let why = format!("it is too large, memory has room for {}", format_size(bytes_max));
            return set_aside(path, &why);
        }
        Ok(file) => file.take(bytes_max).read_to_end(&mut bytes)?,
    };
    match check(&bytes) {
        Ok(()) => {
            // In place: there may not be room for it twice.
            bytes.drain(..HEADER_BYTES);
            Ok(Found::Body(bytes))
        }
        Err(why) => set_aside(path, &why),
    }
}

/// Moves a file that cannot be used out of the way.
///
/// # Errors
/// It cannot be moved.
fn set_aside(path: &Path, why: &str) -> io::Result<Found> {
    let free =
        (1..1_000_u32).map(|n| path.with_extension(format!("damaged-{n}"))).find(|aside| !aside.exists());
    let aside = free.unwrap_or_else(|| path.with_extension("damaged-1000"));
    fs::rename(path, &aside)?;
    Ok(Found::Broken { aside, why: why.to_owned() })
}

/// Keeps the file under another name beside its place, which the next checkpoint takes. `None`: there are as many as there
/// may be.
///
/// # Errors
/// It can be neither linked nor copied.
pub(crate) fn keep(path: &Path) -> io::Result<Option<PathBuf>> {
    let free =
        (1..=KEPT_MAX).map(|n| path.with_extension(format!("upgrade-{n}"))).find(|kept| !kept.exists());
    let Some(kept) = free else { return Ok(None) };
    fs::hard_link(path, &kept).or_else(|_| fs::copy(path, &kept).map(|_| ()))?;
    Ok(Some(kept))
}

fn check(bytes: &[u8]) -> Result<(), String> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES).ok_or("it is cut off")?;
    let number = |from: usize| {
        let four = header.get(from..from + 4).and_then(|part| <[u8; 4]>::try_from(part).ok());
        four.map_or(0, u32::from_le_bytes)
    };
    if !header.starts_with(&MAGIC) {
        return Err("it is no checkpoint".to_owned());
    }
    if number(4) < VERSION {
        return Err(format!("it has version {}, this program reads {VERSION} and later ones", number(4)));
    }
    let length = u64::from(number(8)) | u64::from(number(12)) << 32;
    if length != body.len() as u64 {
        return Err(format!("it has {} bytes where it should have {length}", body.len()));
    }
    if number(16) != crc32fast::hash(body) {
        return Err("its checksum is wrong".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("headwater-checkpoint-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_body_comes_back_and_replaces_the_one_before() {
        let folder = Folder::new("whole");
        let path = folder.0.join("state");
        assert_eq!(read(&path, None).unwrap(), Found::Nothing);
        assert_eq!(write(&path, b"one").unwrap(), 23);
        write(&path, b"two").unwrap();
        assert_eq!(read(&path, None).unwrap(), Found::Body(b"two".to_vec()));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn every_damage_is_set_aside_and_kept() {
        let folder = Folder::new("damage");
        let path = folder.0.join("state");
        write(&path, b"some state").unwrap();
        let whole = fs::read(&path).unwrap();
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|cut| whole[..cut].to_vec()).collect();
        // The version may be a later one.
        for at in (0..4).chain(8..whole.len()) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            damaged.push(flipped);
        }
        damaged.push([whole.as_slice(), b"more"].concat());
        for (count, bytes) in damaged.iter().enumerate() {
            fs::write(&path, bytes).unwrap();
            let found = read(&path, None).unwrap();
            let Found::Broken { aside, .. } = found else { panic!("{count}: {found:?}") };
            assert_eq!(fs::read(aside).unwrap(), *bytes);
            assert_eq!(read(&path, None).unwrap(), Found::Nothing);
        }
    }

    #[test]
    fn one_of_a_later_frame_is_read_and_one_is_kept_before_it_is_replaced() {
        let folder = Folder::new("later");
        let path = folder.0.join("windows.checkpoint");
        write(&path, b"one").unwrap();
        let mut later = fs::read(&path).unwrap();
        later[4] = 7;
        fs::write(&path, &later).unwrap();
        assert_eq!(read(&path, None).unwrap(), Found::Body(b"one".to_vec()));
        let kept = keep(&path).unwrap().unwrap();
        assert_eq!(kept, folder.0.join("windows.upgrade-1"));
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(kept).unwrap(), later, "as it was");
        let others = std::iter::from_fn(|| keep(&path).unwrap()).count();
        assert_eq!(others, 7, "bounded");
        later[4] = 5;
        fs::write(&path, &later).unwrap();
        assert!(matches!(read(&path, None).unwrap(), Found::Broken { .. }));
    }

    #[test]
    fn what_memory_has_no_room_for_is_set_aside_unread() {
        let folder = Folder::new("large");
        let path = folder.0.join("state");
        let bytes = write(&path, &[7; 4_000]).unwrap();
        assert_eq!(read(&path, Some(bytes)).unwrap(), Found::Body(vec![7; 4_000]));
        let found = read(&path, Some(bytes - 1)).unwrap();
        let Found::Broken { aside, why } = found else { panic!("{found:?}") };
        assert!(why.contains("too large"), "{why}");
        assert_eq!(fs::metadata(aside).unwrap().len(), bytes);
    }
}
