//! Packs and unpacks compressed batches, each codec in pure Rust; unpacking keeps within a bound.

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, FrameDecoder, FrameEncoder, FrameInfo};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::borrow::Cow;
use std::io::{self, Read, Write};

/// How Java's snappy frames its blocks (xerial): this mark, two versions, then blocks behind their lengths.
const XERIAL: &[u8] = b"\x82SNAPPY\x00";

/// Why a batch cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("a batch is compressed in a way that is not known (codec {0})")]
    UnknownCodec(i16),
    #[error("a batch is more than {0} bytes when it is unpacked")]
    TooLarge(usize),
    #[error("a batch cannot be unpacked: {0}")]
    Broken(String),
}

/// How the records of a batch are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordCompression {
    /// Not at all.
    #[default]
    None,
    /// Small, and slow to make.
    Gzip,
    /// Quick to make.
    Snappy,
    /// Quick to make.
    Lz4,
    /// As small as gzip, and quicker to read; of brokers from 2.1 on.
    Zstd,
}

impl RecordCompression {
    /// Each with its word in a config.
    pub const ALL: [(&'static str, Self); 5] = [
        ("none", Self::None),
        ("gzip", Self::Gzip),
        ("snappy", Self::Snappy),
        ("lz4", Self::Lz4),
        ("zstd", Self::Zstd),
    ];

    /// The codec in a batch's attributes.
    pub(crate) fn codec(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Packs records. `None`: they stay as they are.
    pub(crate) fn pack(self, records: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::None => None,
            Self::Gzip => {
                let encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                written(encoder, records, GzEncoder::finish)
            }
            // One block without a frame, which Java reads as well as its own.
            Self::Snappy => snap::raw::Encoder::new().compress_vec(records).ok(),
            Self::Lz4 => {
                // Java reads no blocks that lean on earlier ones.
                let frame = FrameInfo::new().block_mode(BlockMode::Independent);
                let encoder = FrameEncoder::with_frame_info(frame, Vec::new());
                written(encoder, records, |encoder| encoder.finish().map_err(io::Error::other))
            }
            Self::Zstd => Some(compress_to_vec(records, CompressionLevel::Fastest)),
        }
    }
}

/// What an encoder makes of some bytes; memory takes all that it is given.
fn written<E: Write>(
    mut encoder: E,
    bytes: &[u8],
    finish: impl FnOnce(E) -> io::Result<Vec<u8>>,
) -> Option<Vec<u8>> {
    encoder.write_all(bytes).and_then(|()| finish(encoder)).ok()
}

/// Unpacks the records of a batch to at most `bytes_max`. Codecs: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
pub(crate) fn unpack(codec: i16, packed: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, UnpackError> {
    match codec {
        0 => Ok(Cow::Borrowed(packed)),
        1 => read(MultiGzDecoder::new(packed), bytes_max),
        2 => snappy(packed, bytes_max).map(Cow::Owned),
        3 => read(FrameDecoder::new(packed), bytes_max),
        4 => {
            let decoder = StreamingDecoder::new(packed);
            read(decoder.map_err(|error| UnpackError::Broken(error.to_string()))?, bytes_max)
        }
        unknown => Err(UnpackError::UnknownCodec(unknown)),
    }
}

fn read(decoder: impl Read, bytes_max: usize) -> Result<Cow<'static, [u8]>, UnpackError> {
    let mut unpacked = Vec::new();
    let read = decoder.take(bytes_max as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| UnpackError::Broken(error.to_string()))?;
    if unpacked.len() > bytes_max { Err(UnpackError::TooLarge(bytes_max)) } else { Ok(Cow::Owned(unpacked)) }
}

fn snappy(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    let Some(framed) = packed.strip_prefix(XERIAL) else {
        block(packed, bytes_max, &mut unpacked)?;
        return Ok(unpacked);
    };
    let mut rest = framed.get(8..).unwrap_or_default();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((packed, behind)) = behind.split_at_checked(length) else {
            return Err(UnpackError::Broken("a block of snappy is cut off".into()));
        };
        block(packed, bytes_max, &mut unpacked)?;
        rest = behind;
    }
    Ok(unpacked)
}

fn block(packed: &[u8], bytes_max: usize, to: &mut Vec<u8>) -> Result<(), UnpackError> {
    let broken = |error: snap::Error| UnpackError::Broken(error.to_string());
    let length = snap::raw::decompress_len(packed).map_err(broken)?;
    if to.len().saturating_add(length) > bytes_max {
        return Err(UnpackError::TooLarge(bytes_max));
    }
    to.extend(snap::raw::Decoder::new().decompress_vec(packed).map_err(broken)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"summary summary summary summary summary";

    /// `TEXT` in each codec.
    fn packed() -> Vec<(i16, Vec<u8>)> {
        let raw = snap::raw::Encoder::new().compress_vec(TEXT).unwrap();
        let mut xerial = XERIAL.to_vec();
        xerial.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for _ in 0..2 {
            xerial.extend(u32::try_from(raw.len()).unwrap().to_be_bytes());
            xerial.extend(&raw);
        }
        let own = RecordCompression::ALL.into_iter();
        let own = own.map(|(_, own)| (own.codec(), own.pack(TEXT).unwrap_or_else(|| TEXT.to_vec())));
        own.chain([(2, xerial)]).collect()
    }

    #[test]
    fn every_codec_is_unpacked_within_its_bound() {
        for (codec, bytes) in packed() {
            let unpacked = unpack(codec, &bytes, 1_000).unwrap();
            assert!(*unpacked == *TEXT || *unpacked == *TEXT.repeat(2), "codec {codec}");
            let small = unpack(codec, &bytes, 10);
            assert!(codec == 0 || small == Err(UnpackError::TooLarge(10)), "codec {codec}: {small:?}");
        }
        assert_eq!(unpack(5, b"", 10), Err(UnpackError::UnknownCodec(5)));
    }

    #[test]
    fn damage_is_an_error_or_other_bytes_and_never_a_panic() {
        let mut noise = fastrand::Rng::with_seed(3);
        for (codec, bytes) in packed().into_iter().skip(1) {
            for end in 0..bytes.len() {
                let _ = unpack(codec, &bytes[..end], 1_000);
            }
            for _ in 0..5_000 {
                let mut bad = bytes.clone();
                let at = noise.usize(..bad.len());
                bad[at] = noise.u8(..);
                let _ = unpack(codec, &bad, 1_000);
            }
        }
    }
}
