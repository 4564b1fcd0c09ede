//! A checkpoint in a file of its own.
//!
//! It is written beside the old one, synced, and renamed over it, so that a power cut leaves the old or the new one and
//! never half of either. A checksum stands in front.
//!
//! ```text
//! "HWCP"  version u32 LE  length u64 LE  crc32 u32 LE  body
//! ```
//! The version is that of this frame; a later one keeps these fields.

use super::base::Base;
use super::body::Body;
use crate::private_file;
use headwater_settings::format_size;
use std::io::{self, Read};
use std::path::Path;

/// The version of the frame; those before it were of no released program, and had no sections.
pub(crate) const VERSION: u32 = 6;

const MAGIC: [u8; 4] = *b"HWCP";
const HEADER_BYTES: usize = 20;

/// What stands in the file's place.
pub(super) enum WholeFile {
    /// Nothing.
    Nothing,
    /// A body.
    Body(Vec<u8>),
    /// Something else, and why it is no body.
    Broken(String),
}

/// Writes a body so that it replaces the file at `path` as a whole; answers the bytes written.
///
/// # Errors
/// What the system says; the old file then still stands.
pub(crate) fn write(path: &Path, body: &Body) -> io::Result<u64> {
    let Base { length, crc } = body.name();
    let fields: [&[u8]; 4] = [&MAGIC, &VERSION.to_le_bytes(), &length.to_le_bytes(), &crc.to_le_bytes()];
    private_file::replace(path, std::iter::once(Ok(fields.concat())).chain(body.pieces()))?;
    Ok(HEADER_BYTES as u64 + length)
}

/// Reads the body back, if the file has at most `bytes_max`.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<WholeFile> {
    let mut bytes = Vec::new();
    match private_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(WholeFile::Nothing),
        Err(error) => return Err(error),
        Ok(file) if file.metadata()?.len() > bytes_max => {
            let why = format!("it is too large, memory has room for {}", format_size(bytes_max));
            return Ok(WholeFile::Broken(why));
        }
        Ok(file) => file.take(bytes_max).read_to_end(&mut bytes)?,
    };
    Ok(match check(&bytes) {
        Ok(()) => {
            // In place: there may not be room for it twice.
            bytes.drain(..HEADER_BYTES);
            WholeFile::Body(bytes)
        }
        Err(why) => WholeFile::Broken(why),
    })
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
