//! The deltas that follow a checkpoint, in a file beside it that grows at its end.
//!
//! ```text
//! file   "HWCD"  version u32 LE  frame*            frames as `frames.rs` has them
//! frame  number u32  of: length u64, crc32 u32  makes: length u64, crc32 u32  operations (`delta.rs`), deflated (RFC 1951)
//! ```
//! Each delta names the body that it follows and the one that it makes. The first one follows the checkpoint itself: those of
//! another checkpoint were left by a crash that came between two steps, and are of no use. A last frame that is cut off, or
//! whose bytes are not its own, was being written when the power was cut: its body was not durable yet. A frame that another
//! one follows was durable, and is damaged.

use super::base::Base;
use super::body::Body;
use super::delta::{Operations, apply, difference};
use crate::frames::{self, Damaged};
use crate::private_file;
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_settings::format_size;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = *b"HWCD";

/// The version of frames and operations.
const VERSION: u32 = 1;

/// Magic and version (bytes).
const HEADER_BYTES: usize = 8;

/// A file past this is none of ours (bytes).
const BYTES_MAX: u64 = 1 << 28;

/// What the device writes at once, at the least (bytes).
const PAGE_BYTES: u64 = 4_096;

/// How hard deflate tries with a delta, of 10: more takes twice the time for 5 % less, which a short one is worth.
const fn level(bytes: usize) -> i32 {
    if bytes <= SHORT_BYTES { 6 } else { 3 }
}

/// The longest delta that is short: some 500 series (bytes).
const SHORT_BYTES: usize = 64 << 10;

/// Deflate without header and checksum, a window of 2^15 bytes.
const RAW: i32 = -15;

/// What is deflated at a time (bytes).
const PIECE_BYTES: usize = 16 << 10;

/// What makes of one body the next.
#[derive(Debug)]
pub(super) struct Delta {
    /// The body that it follows.
    pub(super) of: Base,
    operations: Operations,
}

impl Delta {
    /// What makes of the last body the next one, if that is not longer than the last one is.
    pub(super) fn between(last: &Body, next: &Body) -> Option<Self> {
        let length = usize::try_from(last.name().length).ok()?;
        Some(Self { of: last.name(), operations: difference(pieces(last), pieces(next), length)? })
    }
}

/// The pieces of a body. With a damaged one the delta makes another body than it names, and whoever reads it finds that.
fn pieces(body: &Body) -> impl Iterator<Item = Vec<u8>> {
    body.pieces().map(Result::unwrap_or_default)
}

/// The file beside a checkpoint at `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".deltas");
    name.into()
}

/// A file that takes deltas.
#[derive(Debug)]
pub(super) struct DeltaFile {
    file: File,
    deltas: u32,
    /// Its length.
    pub(super) bytes: u64,
}

impl DeltaFile {
    /// A new one; the folder may not have it yet.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = private_file::create(path)?;
        Ok(Self { file, deltas: 0, bytes: 0 })
    }

    /// Appends a delta that makes this body, and waits until it is durable; answers the bytes of the pages that this
    /// wrote. After an error the file must not be used any more.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn append(&mut self, delta: &Delta, body: &Body) -> io::Result<u64> {
        let mut bytes = if self.deltas == 0 { file_header().to_vec() } else { Vec::new() };
        self.deltas += 1;
        let frame = bytes.len();
        bytes.extend_from_slice(&[0; frames::HEADER_BYTES]);
        bytes.extend_from_slice(&self.deltas.to_le_bytes());
        for Base { length, crc } in [delta.of, body.name()] {
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&crc.to_le_bytes());
        }
        let level = level(delta.operations.length());
        deflate(&mut bytes, level, |show| delta.operations.each_piece(pieces(body), show));
        frames::close(bytes.get_mut(frame..).unwrap_or_default());
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        let begun = self.bytes / PAGE_BYTES;
        self.bytes += bytes.len() as u64;
        Ok((self.bytes.div_ceil(PAGE_BYTES) - begun) * PAGE_BYTES)
    }
}

/// The last body that a checkpoint's deltas make, and why they are not all used, if they are not. Two bodies and a delta must
/// fit into `bytes_max` at a time.
///
/// # Errors
/// The file is there and cannot be opened.
pub(super) fn compose(path: &Path, body: Vec<u8>, bytes_max: u64) -> io::Result<(Vec<u8>, Option<String>)> {
    let file = match private_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((body, None)),
        file => file?,
    };
    let bytes_left = file.metadata()?.len();
    if bytes_left > BYTES_MAX {
        return Ok((body, Some("they are too large".to_owned())));
    }
    let mut reader = Reader { bytes_left, file: BufReader::new(file) };
    let mut composed = Composed { is_at: Base::of(&body), body, deltas: 0 };
    let why = composed.take_all(&mut reader, bytes_max).err();
    Ok((composed.body, why))
}

/// A body, as far as it is composed.
struct Composed {
    body: Vec<u8>,
    is_at: Base,
    deltas: u32,
}

impl Composed {
    /// Takes in what there is; the error is why it is not all.
    fn take_all(&mut self, from: &mut Reader, bytes_max: u64) -> Result<(), String> {
        let Some(header) = from.array::<HEADER_BYTES>()? else { return Ok(()) };
        if header != file_header() {
            return Err("they are no deltas, or of another version".to_owned());
        }
        while let Some(frame) = from.next_frame(self.deltas + 1)? {
            let damaged = |Corrupt| format!("delta {} cannot be read", self.deltas + 1);
            let mut fields = StateReader::new(&frame);
            let number = u32::load(&mut fields).map_err(damaged)?;
            let mut base = || Ok(Base { length: State::load(&mut fields)?, crc: State::load(&mut fields)? });
            let (of, makes) = (base().map_err(damaged)?, base().map_err(damaged)?);
            if number == 1 && self.deltas == 0 && of != self.is_at {
                return Ok(());
            }
            if number != self.deltas + 1 || of != self.is_at {
                return Err(format!("delta {} is missing", self.deltas + 1));
            }
            if makes.length.saturating_mul(2).saturating_add(self.body.len() as u64) > bytes_max {
                return Err(format!("memory has room for {}", format_size(bytes_max)));
            }
            self.body = made(&self.body, fields.rest(), makes).map_err(|Damaged| damaged(Corrupt))?;
            (self.is_at, self.deltas) = (makes, number);
        }
        Ok(())
    }
}

/// The body that deflated operations make of another one.
fn made(body: &[u8], deflated: &[u8], makes: Base) -> Result<Vec<u8>, Damaged> {
    let length = usize::try_from(makes.length).map_err(|_| Damaged)?;
    // A longer one would not be worth it, its own length aside.
    let bytes_max = length.max(body.len()).saturating_add(size_of::<u32>());
    let operations = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, bytes_max);
    let next = apply(body, &operations.map_err(|_| Damaged)?, length)?;
    if Base::of(&next) == makes { Ok(next) } else { Err(Damaged) }
}

/// Appends all pieces, deflated.
fn deflate(to: &mut Vec<u8>, level: i32, pieces: impl FnOnce(&mut dyn FnMut(&[u8]))) {
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(level, RAW, 0));
    let mut put = |bytes: &[u8], flush| {
        compress_to_output(&mut compressor, bytes, flush, |deflated| {
            to.extend_from_slice(deflated);
            true
        });
    };
    let mut gathered = Vec::with_capacity(2 * PIECE_BYTES);
    pieces(&mut |piece| {
        gathered.extend_from_slice(piece);
        if gathered.len() >= PIECE_BYTES {
            put(&gathered, TDEFLFlush::None);
            gathered.clear();
        }
    });
    put(&gathered, TDEFLFlush::Finish);
}

/// Reads a file from its beginning to its end.
struct Reader {
    file: BufReader<File>,
    bytes_left: u64,
}

impl Reader {
    /// What is in the next frame, which has this number; `None`: there is none, or it was not durable.
    fn next_frame(&mut self, number: u32) -> Result<Option<Vec<u8>>, String> {
        let Some(header) = self.array()? else { return Ok(None) };
        let mut own = Vec::new();
        if let Ok(length) = frames::length(&header) {
            if length as u64 > self.bytes_left {
                return Ok(None);
            }
            own.resize(length, 0);
            self.fill(&mut own)?;
            if frames::check(&header, &own).is_ok() {
                return Ok(Some(own));
            }
        }
        if self.has_frame(number + 1)? {
            Err(format!("the checksum of delta {number} is wrong"))
        } else {
            Ok(None)
        }
    }

    /// Whether a frame with this number begins anywhere in what follows.
    fn has_frame(&mut self, number: u32) -> Result<bool, String> {
        const FIELDS_BYTES: usize = frames::HEADER_BYTES + size_of::<u32>();
        let Some(mut seen) = self.array::<FIELDS_BYTES>()? else { return Ok(false) };
        loop {
            if let Some((header, rest)) = seen.split_first_chunk()
                && frames::length(header).is_ok_and(|length| length > 0)
                && rest == number.to_le_bytes()
            {
                return Ok(true);
            }
            let Some([next]) = self.array()? else { return Ok(false) };
            seen.rotate_left(1);
            if let Some(last) = seen.last_mut() {
                *last = next;
            }
        }
    }

    /// The next bytes; `None`: there are not as many.
    fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, String> {
        let mut bytes = [0; N];
        if self.bytes_left < N as u64 {
            return Ok(None);
        }
        self.fill(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.bytes_left -= bytes.len() as u64;
        self.file.read_exact(bytes).map_err(|error| format!("they cannot be read: {error}"))
    }
}

/// Magic and version.
fn file_header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header.iter_mut().zip(MAGIC.into_iter().chain(VERSION.to_le_bytes())).for_each(|(to, from)| *to = from);
    header
}
