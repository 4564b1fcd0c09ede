//! Bodies in gzip (RFC 1952), by `flate2`, bounded: 1 KiB can inflate to 1 MiB.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};

/// Why a body cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GzipError {
    /// It is no gzip, or its end is missing.
    Broken,
    /// It holds more than it may.
    TooLarge,
}

/// Inflates at most `bytes_max`.
///
/// # Errors
/// [`GzipError`].
pub fn inflated(gzip: &[u8], bytes_max: usize) -> Result<Vec<u8>, GzipError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(gzip).take(most).read_to_end(&mut bytes).map_err(|_| GzipError::Broken)?;
    if bytes.len() > bytes_max { Err(GzipError::TooLarge) } else { Ok(bytes) }
}

/// The bytes in gzip, without a name or a time, so that equal bytes stay equal.
#[must_use]
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    // A vector takes all that is written.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    debug_assert!(written.is_ok(), "a vector takes all");
    written.unwrap_or_default()
}
